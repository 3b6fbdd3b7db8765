"""What CSV and JSON Lines share: rows are text, and files are merged by copying bytes."""

from __future__ import annotations

import io
import shutil
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, BinaryIO, ClassVar

from airflow_provider_360learning.exceptions import InvalidRequestError
from airflow_provider_360learning.files.columns import NOT_NORMALIZED, Column, Kind
from airflow_provider_360learning.files.row_encoder import RowEncoder, Values
from airflow_provider_360learning.files.storage import StoragePath, open_binary

NOT_UTF8_ADVICE = "is not UTF-8 text: save the file as UTF-8"
_COPY_SIZE = 1 << 20


class TextEncoder(RowEncoder):
    """
    Appends rows as text.

    :param binary: The file, open for writing.
    :param columns: Its columns.
    """

    #: Functions that return the text of a value of each kind.
    texts: ClassVar[Mapping[Kind, Callable[[Any], str]]]
    #: The text of a null.
    null: ClassVar[str]

    def __init__(self, binary: BinaryIO, columns: Sequence[Column]) -> None:
        super().__init__(binary, columns)
        # "replace": half of a surrogate pair, which UTF-8 cannot hold, must not end an export of a million rows.
        self._text = io.TextIOWrapper(binary, "utf-8", "replace", newline="")
        self._texts = [self.texts[column.kind] for column in columns]

    def write(self, values: Values) -> None:
        """Append one row; see :meth:`.RowEncoder.write`."""
        try:
            cells = self._cells(values)
        except NOT_NORMALIZED:
            cells = self._cells(self._normalized(values))
        self._write_cells(cells)
        self.rows += 1

    def _cells(self, values: Values) -> list[str]:
        null = self.null
        return [null if value is None else text(value) for text, value in zip(self._texts, values, strict=True)]

    @abstractmethod
    def _write_cells(self, cells: list[str]) -> None:
        """Write the texts of one row."""

    def finish(self) -> None:
        """Flush the text to the file."""
        self._text.flush()

    def release(self) -> None:
        """Let go of the file."""
        self._text.detach()  # otherwise it would flush to the closed file when it is collected


def append_rows(part: StoragePath, header: bytes, binary: BinaryIO) -> None:
    """
    Copy the rows of a file to the end of another.

    :param part: Path of the file.
    :param header: The bytes that it starts with, which are not copied.
    :param binary: The other file, open for writing.
    :raises InvalidRequestError: if it starts with other bytes.
    """
    with open_binary(part) as rows:
        if rows.read(len(header)) != header:
            raise InvalidRequestError(f"{part} has other columns than the first part: only equal ones can be merged.")
        shutil.copyfileobj(rows, binary, _COPY_SIZE)
