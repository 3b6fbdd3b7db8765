"""What CSV and JSON Lines share: text, which is written at once, cut off at a mark, and merged by copying."""

from __future__ import annotations

import io
import shutil
from collections.abc import Sequence
from typing import BinaryIO

from airflow_provider_360learning.files.columns import Column, other_columns
from airflow_provider_360learning.files.row_writer import Mark, RowWriter
from airflow_provider_360learning.files.storage import StoragePath, open_binary

NO_UTF8_ADVICE = "is not UTF-8 text: save the file as UTF-8"
_COPIED_AT_ONCE = 1 << 20


class TextWriter(RowWriter):
    """
    Writes text at once, and cuts it off at a mark.

    :param binary: StoragePath the file goes.
    :param columns: Its columns.
    """

    def __init__(self, binary: BinaryIO, columns: Sequence[Column]) -> None:
        super().__init__(binary, columns)
        # "replace": half of a surrogate pair, which UTF-8 cannot hold, must not end an export of a million rows.
        self._text = io.TextIOWrapper(binary, "utf-8", "replace", newline="")

    def mark(self) -> Mark:
        """Note where the text ends."""
        self._text.flush()
        return Mark(self.rows, self._binary.tell())

    def rollback(self, mark: Mark) -> None:
        """
        Cut the text off.

        :param mark: What :meth:`mark` gave.
        """
        self._text.flush()
        self._binary.seek(mark.position)
        self._binary.truncate()
        self.rows = mark.rows

    def finish(self) -> None:
        """Hand all text over to the file."""
        self._text.flush()

    def release(self) -> None:
        """Let go of the file, be it finished or not."""
        self._text.detach()  # or it would write to the closed file once more when it is collected


def append_rows(part: StoragePath, header: bytes, binary: BinaryIO) -> None:
    """
    Copy the rows of a file to the end of another.

    :param part: Path of the file.
    :param header: What it begins with; it is not copied.
    :param binary: The other.
    :raises InvalidRequestError: if it begins with something else.
    """
    with open_binary(part) as rows:
        if rows.read(len(header)) != header:
            raise other_columns(part)
        shutil.copyfileobj(rows, binary, _COPIED_AT_ONCE)
