"""Rows that are held until it is known what becomes of them, in constant memory."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Sequence
from itertools import chain
from tempfile import TemporaryFile
from typing import Any, Generic, TypeVar

T = TypeVar("T", bound=Sequence[Any])

_ROWS_PER_CHUNK = 1000


class Spool(Generic[T]):
    """
    Holds rows in the order in which they were appended, as plain tuples.

    More than a few of them go to a temporary file without a name, which the operating system deletes with the process.
    Use it as a context manager, or :meth:`close` it.
    """

    def __init__(self) -> None:
        self._file = TemporaryFile(prefix="learning360-")  # noqa: SIM115 - close() closes it
        self._last: list[tuple[Any, ...]] = []
        self._rows_in_file = 0
        self._end = 0

    def append(self, row: T) -> None:
        """
        Hold a row.

        :param row: Its values, which can be pickled.
        """
        # A plain tuple: named ones take more than twice as long to pickle.
        self._last.append(tuple(row))
        if len(self._last) == _ROWS_PER_CHUNK:
            self._write_chunk()

    def _write_chunk(self) -> None:
        self._file.seek(self._end)
        pickle.dump(self._last, self._file, pickle.HIGHEST_PROTOCOL)
        self._end = self._file.tell()
        self._rows_in_file += len(self._last)
        self._last = []

    def __len__(self) -> int:
        return self._rows_in_file + len(self._last)

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        """Iterate over the rows, to which none may be appended meanwhile; several iterations may overlap."""
        return chain.from_iterable(chain(self._chunks(), [self._last]))

    def _chunks(self) -> Iterator[list[tuple[Any, ...]]]:
        position = 0
        while position < self._end:
            self._file.seek(position)
            chunk = pickle.load(self._file)
            position = self._file.tell()
            yield chunk

    def discard(self) -> None:
        """Drop all rows."""
        self._last = []
        self._rows_in_file = self._end = 0
        self._file.truncate(0)

    def close(self) -> None:
        """Delete the temporary file."""
        self._file.close()

    def __enter__(self) -> Spool[T]:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()
