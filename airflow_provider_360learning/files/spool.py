"""Data that is held until it is used or discarded, in constant memory."""

from __future__ import annotations

from collections.abc import Iterator
from tempfile import SpooledTemporaryFile

#: Bytes that are held in memory; more go to a temporary file.
MAX_IN_MEMORY = 1 << 20


class Spool:
    """
    Holds chunks of bytes in the order in which they were appended.

    The temporary file has no name, so that the operating system deletes it with the process. Use a spool as a context
    manager, or :meth:`close` it.
    """

    def __init__(self) -> None:
        self._file = self._new_file()
        self._lengths: list[int] = []
        self._end = 0

    @staticmethod
    def _new_file() -> SpooledTemporaryFile[bytes]:
        return SpooledTemporaryFile(MAX_IN_MEMORY, prefix="learning360-")

    def append(self, chunk: bytes) -> None:
        """
        Hold a chunk.

        :param chunk: The chunk.
        """
        self._file.seek(self._end)
        self._end += self._file.write(chunk)
        self._lengths.append(len(chunk))

    def __iter__(self) -> Iterator[bytes]:
        """Iterate over the chunks, to which none may be appended meanwhile; several iterations may overlap."""
        position = 0
        for length in self._lengths:
            self._file.seek(position)
            yield self._file.read(length)
            position += length

    def discard(self) -> None:
        """Drop all chunks."""
        self._file.close()
        self._file = self._new_file()
        self._lengths = []
        self._end = 0

    def close(self) -> None:
        """Delete the temporary file."""
        self._file.close()

    def __enter__(self) -> Spool:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()
