"""What CSV and JSON Lines share: rows are text in UTF-8, and files are merged by copying bytes."""

from __future__ import annotations

import shutil
from typing import BinaryIO

from airflow_provider_360learning.exceptions import InvalidRequestError
from airflow_provider_360learning.files.storage import StoragePath, open_binary

NOT_UTF8_ADVICE = "is not UTF-8 text: save the file as UTF-8"
_COPY_SIZE = 1 << 20


def encode_text(text: str) -> bytes:
    """
    Return the UTF-8 of a text.

    Half of a surrogate pair, which UTF-8 cannot hold, is replaced: it must not end an export of a million rows.
    """
    return text.encode("utf-8", "replace")


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
