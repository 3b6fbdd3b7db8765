"""Shared by tests of files and rows."""

from __future__ import annotations


class Array:
    """Compares item by item, as arrays of numpy and series of pandas do, which are not installed here."""

    __hash__ = None

    def __init__(self, *items):
        self._items = items

    @property
    def shape(self):
        """Return the lengths of the dimensions."""
        return (len(self._items),)

    def __iter__(self):
        return iter(self._items)

    def __eq__(self, other):
        return Array(*(item == other for item in self._items))

    def __ne__(self, other):
        return Array(*(item != other for item in self._items))

    def __bool__(self):
        raise ValueError("The truth value of an array is ambiguous.")

    def __repr__(self):
        return f"array({list(self._items)})"

    def tolist(self):
        """Return the items."""
        return list(self._items)


class ArrayWithoutDimensions(Array):
    """An array of a single value, over which numpy does not iterate."""

    shape = ()

    def __iter__(self):
        raise TypeError("iteration over a 0-d array")

    def tolist(self):
        """Return the value."""
        return self._items[0]
