"""What one row may be at most, so that a hostile source exhausts neither memory nor disk."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from itertools import chain
from typing import Any

from airflow_provider_360learning import config

#: Maximum number of errors of one row that are reported.
MAX_ERRORS_PER_ROW = 20
#: Maximum number of characters of the text of one of them.
MAX_PROBLEM = 1000

_TEXTS = (str, bytes, bytearray)
_LISTS = (list, tuple, set, frozenset)


def max_row_size() -> int:
    """Return the maximum size of a row, as :func:`size_of` counts it."""
    return config.max_row_kib() * 1024


# Any: the values of a row.
def size_of(value: Any, limit: int) -> int:
    """
    Return the size of a value: the characters of its strings, the bytes of its binary values, and its other values.

    :param value: The value; a list may contain itself.
    :param limit: Counting ends above it.
    """
    size, values = 0, [value]
    while values and size <= limit:
        one = values.pop()
        size += 1
        if isinstance(one, _TEXTS):
            size += len(one)
        elif isinstance(one, int):
            size += one.bit_length() // 8
        elif isinstance(one, _LISTS):
            size += len(one)
            if size <= limit and set(map(type, one)) == {str}:  # fast, because it is frequent
                size += sum(map(len, one))
            elif size <= limit:
                values += one
        elif isinstance(one, Mapping):
            with suppress(Exception):  # of any type: it may be of any class, and its parser raises the error as well
                size += len(one)
                values += chain(one, one.values()) if size <= limit else ()
    return size
