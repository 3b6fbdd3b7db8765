"""What CSV and JSON Lines share: text is decoded strictly, and files are merged by copying bytes."""

from __future__ import annotations

import codecs
import io
import shutil
from collections.abc import Generator
from functools import partial
from typing import BinaryIO

from airflow_provider_360learning.exceptions import InvalidRequestError
from airflow_provider_360learning.files.storage import StoragePath, open_binary

#: Encodings by the byte-order mark that a file starts with.
_BY_MARK = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",  # before the one of UTF-16, with which it starts
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_DEFAULT_ENCODING = "utf-8"
_COPY_SIZE = 1 << 20
#: Number of bytes of a file in which its first line is looked at.
_HEAD_SIZE = 4096
#: Maximum number of characters of a value that is shortened.
_MAX_SHORTENED = 200


def check_encoding(encoding: str) -> str:
    """
    Return the standard name of an encoding.

    :param encoding: Any of its names.
    :raises InvalidRequestError: if Python has no such encoding of text.
    """
    try:
        io.TextIOWrapper(io.BytesIO(), encoding)  # refuses codecs that are not of text
        return codecs.lookup(encoding).name
    except (LookupError, TypeError, ValueError):
        raise InvalidRequestError(
            f"encoding is {encoding!r}, but must be an encoding that Python knows, such as 'utf-8', 'cp1252' or "
            "'utf-16-le'.",
            argument="encoding",
        ) from None


def encoding_of(where: StoragePath, encoding: str | None = None) -> str:
    """
    Return the encoding in which a file is read: never a guess, which would garble names silently.

    :param where: Its path.
    :param encoding: The encoding if the file starts with no byte-order mark, by default UTF-8.
    :raises InvalidRequestError: if it is not the encoding of the first line, which is UTF-16.
    """
    with open_binary(where) as binary:
        name = _marked_encoding(binary)
        if name is not None:
            return name
        name = check_encoding(encoding) if encoding else _DEFAULT_ENCODING
        if not name.startswith(("utf-16", "utf-32")):
            _check_not_utf16(where, name, binary.read(_HEAD_SIZE))
        return name


def read_lines(where: StoragePath, encoding: str | None, newline: str, max_length: int) -> Generator[str, None, None]:
    """
    Yield the lines of a file with their ends; of a line that is too long, its beginning.

    :param where: Its path.
    :param encoding: The encoding if the file starts with no byte-order mark, by default UTF-8.
    :param newline: Which line ends there are, as in :func:`open`.
    :param max_length: Maximum number of characters of a line: of a longer one, one more is returned.
    :raises InvalidRequestError: at the first byte that cannot be decoded, with its line and offset.
    """
    name = encoding_of(where, encoding)
    with open_binary(where) as binary:
        try:
            text = io.TextIOWrapper(binary, name, newline=newline)
            for line in iter(partial(text.readline, max_length + 1), ""):
                yield line
                if len(line) > max_length:
                    _skip_line(text, line)
        except UnicodeError:
            pass  # raised below: the error of the codec holds the text
        else:
            return
    raise _undecodable(where, name)


def _skip_line(text: io.TextIOWrapper, line: str) -> None:
    """Skip the rest of a line."""
    while line and not line.endswith(("\n", "\r")):
        line = text.readline(_COPY_SIZE)


def _marked_encoding(binary: BinaryIO) -> str | None:
    """Return the encoding that the byte-order mark of a file states, if it has one."""
    start = binary.read(max(map(len, _BY_MARK)))
    binary.seek(0)
    return next((name for mark, name in _BY_MARK.items() if start.startswith(mark)), None)


def _undecodable(where: StoragePath, encoding: str) -> InvalidRequestError:
    offset = _offset_of_error(where, encoding)
    problem = (
        f"{where} is not text in {_shown(encoding)}: the byte at offset {offset}, in line "
        f"{_line_at(where, encoding, offset)}, cannot be decoded"
    )
    with open_binary(where) as binary:
        is_marked = _marked_encoding(binary) is not None
    if is_marked:
        advice = "The byte-order mark states this encoding, so the file is damaged: save it again."
    elif encoding == _DEFAULT_ENCODING:
        advice = 'Save the file as UTF-8, or state its encoding, for example encoding="cp1252" (Excel on Windows).'
    else:
        advice = "Correct the argument encoding, or save the file as UTF-8 and leave the argument out."
    return InvalidRequestError(f"{problem}. {advice}", argument="encoding")


def _check_not_utf16(where: StoragePath, encoding: str, head: bytes) -> None:
    line, _, rest = head.partition(b"\n")
    offset = (line + b"\n" + rest[:1]).find(b"\0")  # the line end of a little-endian file is followed by one
    if offset < 0:
        return
    byte_order = "be" if offset % 2 == 0 else "le"
    raise InvalidRequestError(
        f"{where} is not text in {_shown(encoding)}: the byte at offset {offset}, in line 1, is a NUL, as in UTF-16 "
        f'without a byte-order mark. Save the file as UTF-8, or state its encoding, for example encoding="utf-16-'
        f'{byte_order}".',
        argument="encoding",
    )


def _shown(encoding: str) -> str:
    return encoding.removesuffix("-sig").upper()


def _offset_of_error(where: StoragePath, encoding: str) -> int:
    decoder = codecs.getincrementaldecoder(encoding)()
    end = 0
    with open_binary(where) as binary:
        try:
            while chunk := binary.read(_COPY_SIZE):
                end += len(chunk)
                decoder.decode(chunk)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError as error:
            return end - len(error.object) + error.start  # the decoder may hold bytes of the chunk before
        except UnicodeError:  # UTF-16 without a byte-order mark
            return 0
    return end


def _line_at(where: StoragePath, encoding: str, offset: int) -> int:
    decoder = io.IncrementalNewlineDecoder(codecs.getincrementaldecoder(encoding)(), translate=True)
    line = 1
    with open_binary(where) as binary:
        while offset and (chunk := binary.read(min(offset, _COPY_SIZE))):
            line += decoder.decode(chunk).count("\n")
            offset -= len(chunk)
    return line


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
    return beginning(text)


def beginning(text: str) -> str:
    """
    Return a text, or its first 200 characters.

    :param text: The text.
    """
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
