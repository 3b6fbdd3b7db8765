"""Rows in the order of a key: a few are sorted in memory, more with the help of a temporary file."""

from __future__ import annotations

import heapq
import pickle
import tempfile
from collections.abc import Callable, Iterable, Iterator
from typing import IO, Any, Generic, TypeVar

R = TypeVar("R")

#: Rows that are read from a temporary file at a time.
BLOCK = 500


class SortedRows(Generic[R]):
    """
    Rows that are added in any order and returned in that of a key.

    :param key: Returns the key of a row. ``Any``, because keys of different kinds can be compared.
    :param max_in_memory: Maximum number of rows in memory. More are written to a temporary file, which has no name and
        is gone with this object.
    """

    def __init__(self, key: Callable[[R], Any], max_in_memory: int) -> None:
        self._key = key
        self._max = max_in_memory
        self._rows: list[R] = []
        self._file: IO[bytes] | None = None
        #: Start and end of each sorted part of the file.
        self._parts: list[tuple[int, int]] = []
        #: Number of rows.
        self.total = 0

    @property
    def is_in_memory(self) -> bool:
        """Whether no row is in a temporary file."""
        return not self._parts

    def extend(self, rows: Iterable[R]) -> None:
        """Add rows."""
        for row in rows:
            if len(self._rows) >= self._max:
                self._write_part()
            self._rows.append(row)
            self.total += 1

    def __iter__(self) -> Iterator[R]:
        """Return all rows in order."""
        self._rows.sort(key=self._key)
        if not self._parts:
            return iter(self._rows)
        return heapq.merge(*map(self._read_part, self._parts), self._rows, key=self._key)

    def _write_part(self) -> None:
        self._rows.sort(key=self._key)
        if self._file is None:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115 - it is closed with this object
        start = self._file.tell()
        for first in range(0, len(self._rows), BLOCK):
            pickle.dump(self._rows[first : first + BLOCK], self._file, pickle.HIGHEST_PROTOCOL)
        self._parts.append((start, self._file.tell()))
        self._rows = []

    def _read_part(self, part: tuple[int, int]) -> Iterator[R]:
        assert self._file is not None
        position, end = part
        while position < end:
            self._file.seek(position)
            rows = pickle.load(self._file)  # our own: the file has no name by which another process could open it
            position = self._file.tell()
            yield from rows
