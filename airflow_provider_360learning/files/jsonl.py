"""JSON Lines files, read and written: one JSON object a line."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from json.encoder import encode_basestring
from typing import Any, BinaryIO

from airflow_provider_360learning.files.columns import JSON_TEXTS, Column
from airflow_provider_360learning.files.records import UNREAD, Record
from airflow_provider_360learning.files.row_writer import RowWriter
from airflow_provider_360learning.files.storage import StoragePath, open_binary
from airflow_provider_360learning.files.text_rows import NO_UTF8_ADVICE, TextWriter, append_rows


def read(where: StoragePath) -> Iterator[Record]:
    """Read rows; what stands in one that cannot be read is the line."""
    with open_binary(where) as binary:
        number = 0
        for line, raw in enumerate(binary, 1):
            raw = (raw.removeprefix(b"\xef\xbb\xbf") if line == 1 else raw).strip()
            if not raw:
                continue
            number += 1
            try:
                yield number, line, _object(raw), None
            except _NotAnObjectError as error:
                yield number, line, {UNREAD: raw.decode("utf-8", "surrogateescape")}, f"line {line} {error}"


def columns_of(where: StoragePath) -> None:
    """Tell that each row has its own."""


def schema_of(where: StoragePath) -> None:
    """Tell that it takes nothing to write rows as a file has them."""


class _NotAnObjectError(ValueError):
    """A line of JSON Lines that is no row, and why."""


def _object(raw: bytes) -> dict[str, Any]:
    try:
        found = _decode(raw.decode())
        if b"\\ud" in raw.lower():  # half of a surrogate pair is text that nobody can send
            json.dumps(found, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        raise _NotAnObjectError(f"is no JSON: {error.msg} at character {error.colno}") from None
    except UnicodeDecodeError:
        raise _NotAnObjectError(NO_UTF8_ADVICE) from None
    except UnicodeEncodeError:
        raise _NotAnObjectError("holds half of a surrogate pair: write the whole character") from None
    except (ValueError, RecursionError) as error:
        raise _NotAnObjectError(f"is no JSON that can be used: {error}") from None
    if not isinstance(found, dict):
        raise _NotAnObjectError('is no JSON object: one row a line is expected, such as {"mail": "anna@example.com"}')
    return found


def _refused_constant(name: str) -> None:
    raise ValueError(f"{name} is no number")


_decode = json.JSONDecoder(parse_constant=_refused_constant).decode


def writer(binary: BinaryIO, columns: Sequence[Column]) -> RowWriter:
    """Take rows and write each as an object with all columns."""
    return _Writer(binary, columns)


class _Writer(TextWriter):
    def __init__(self, binary: BinaryIO, columns: Sequence[Column]) -> None:
        super().__init__(binary, columns)
        names = [encode_basestring(column.name).replace("%", "%%") for column in columns]
        self._line = "{" + ",".join(f"{name}:%s" for name in names) + "}\n"
        self._texts = [JSON_TEXTS[column.kind] for column in columns]

    def write(self, values: Sequence[Any]) -> None:
        # Twice as fast as json.dumps of a dict, which decides on each value anew how it is written.
        try:
            texts = ["null" if value is None else text(value) for text, value in zip(self._texts, values, strict=True)]
        except (TypeError, ValueError):
            raise self._explained(values) from None
        self._text.write(self._line % tuple(texts))
        self.rows += 1


def write_dicts(binary: BinaryIO, rows: Sequence[Mapping[str, Any]], columns: Sequence[str], schema: None) -> None:
    """WriteSpec a small file, each row with its own columns."""
    binary.writelines(_line(row) for row in rows)


def _line(row: Mapping[str, Any]) -> bytes:
    if UNREAD in row:
        return f"{row[UNREAD]}\n".encode("utf-8", "surrogateescape")
    text = json.dumps(row, ensure_ascii=False, skipkeys=True, default=_plain)
    return f"{text}\n".encode("utf-8", "backslashreplace")  # half of a surrogate pair can only be escaped


def _plain(value: Any) -> str:
    """WriteSpec what a database or a Parquet file gives and JSON does not know (a date, a decimal number)."""
    return str(value.isoformat() if hasattr(value, "isoformat") else value)


def concatenate(parts: Sequence[StoragePath], binary: BinaryIO) -> None:
    """Copy the lines of all parts."""
    for part in parts:
        append_rows(part, b"", binary)
