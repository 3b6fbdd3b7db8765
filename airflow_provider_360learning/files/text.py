"""What CSV and JSON Lines share: rows are text in UTF-8, and files are merged by copying bytes."""

from __future__ import annotations

import shutil
from typing import BinaryIO

from airflow_provider_360learning.exceptions import InvalidRequestError
from airflow_provider_360learning.files.storage import StoragePath, open_binary

NOT_UTF8_ADVICE = "is not UTF-8 text: save the file as UTF-8"
_COPY_SIZE = 1 << 20
#: Maximum number of characters of a value that is shortened.
_MAX_SHORTENED = 200


def encode_text(text: str) -> bytes:
    """
    Return the UTF-8 of a text.

    Half of a surrogate pair, which UTF-8 cannot hold, is replaced: it must not end an export of a million rows.
    """
    return text.encode("utf-8", "replace")


def shortened(value: object) -> str:
    """
    Return a string for a value that cannot be written as it is.

    :param value: An integer of more than 4,300 digits, a list that contains itself, a value of any other library.
    :return: At most 200 characters of it, or its type if Python has no string for it.
    """
    try:
        text = str(value)
    except Exception:  # of any type: the value may be of any class
        return f"a value of type {type(value).__name__}"
    return text if len(text) <= _MAX_SHORTENED else f"{text[: _MAX_SHORTENED - 1]}…"


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
