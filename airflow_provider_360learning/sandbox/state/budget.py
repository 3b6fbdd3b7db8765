"""The memory that the company may take, estimated."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from itertools import chain

#: Estimated memory of an object, a membership, an enrollment or an email of the company, in bytes.
OBJECT_BYTES = 500

#: Bytes of a megabyte, as in the settings.
MEGABYTE = 1_000_000


class StorageFullError(Exception):
    """The company takes as much memory as it may."""


class MemoryBudget:
    """
    What was stored since the start. Deleting gives nothing back: what is left of an object differs.

    :param max_mb: returns the maximum in MB.
    """

    def __init__(self, max_mb: Callable[[], float]) -> None:
        self._max_mb = max_mb
        self._used = 0

    def take(self, size: int = OBJECT_BYTES) -> None:
        """
        Count what is about to be stored.

        :param size: bytes.
        :raises StorageFullError: if it does not fit.
        """
        if self._used + size > self._max_mb() * MEGABYTE:
            raise StorageFullError(
                f"The sandbox holds {self._max_mb():g} MB, as much as it may (max_state_mb). Reset or restart it."
            )
        self._used += size

    def restart(self, size: int) -> None:
        """Count only what is stored now, in bytes."""
        self._used = 0
        self.take(size)


def memory_of(value: object) -> int:
    """Return the bytes of memory that a decoded JSON value takes: equal keys of a document are one object."""
    return sum(map(sys.getsizeof, {id(item): item for item, _ in walk(value)}.values()))


def walk(value: object) -> Iterator[tuple[object, int]]:
    """Yield a JSON value and all values in it, keys included, with their depth; without recursion and copies."""
    outer: list[Iterator[object]] = [iter((value,))]
    while outer:
        for item in outer[-1]:
            yield item, len(outer) - 1
            if isinstance(item, dict):
                outer.append(chain.from_iterable(item.items()))
                break
            if isinstance(item, list):
                outer.append(iter(item))
                break
        else:
            outer.pop()
