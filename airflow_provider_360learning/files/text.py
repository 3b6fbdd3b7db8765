"""What CSV and JSON Lines share: rows are text, and files are merged by copying bytes."""

from __future__ import annotations

import io
import shutil
from collections.abc import Sequence
from typing import BinaryIO

from airflow_provider_360learning.exceptions import InvalidRequestError
from airflow_provider_360learning.files.columns import Column
from airflow_provider_360learning.files.row_encoder import RowEncoder
from airflow_provider_360learning.files.storage import StoragePath, open_binary

NOT_UTF8_ADVICE = "is not UTF-8 text: save the file as UTF-8"
_COPY_SIZE = 1 << 20


class TextEncoder(RowEncoder):
    """
    Appends rows as text.

    :param binary: The file, open for writing.
    :param columns: Its columns.
    """

    def __init__(self, binary: BinaryIO, columns: Sequence[Column]) -> None:
        super().__init__(binary, columns)
        # "replace": half of a surrogate pair, which UTF-8 cannot hold, must not end an export of a million rows.
        self._text = io.TextIOWrapper(binary, "utf-8", "replace", newline="")

    def finish(self) -> None:
        """Write all that is held back."""
        super().finish()
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
