"""JSON Lines files, read and written: one JSON object per line."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from json.encoder import encode_basestring
from typing import Any, BinaryIO

from airflow_provider_360learning.files.columns import Column, Kind, Value
from airflow_provider_360learning.files.records import UNREAD, Record
from airflow_provider_360learning.files.row_encoder import RowEncoder
from airflow_provider_360learning.files.storage import StoragePath, open_binary
from airflow_provider_360learning.files.text import NOT_UTF8_ADVICE, append_rows, encode_text


def read(where: StoragePath) -> Iterator[Record]:
    """Read rows; of one that cannot be read, the line is returned."""
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
    """Return None: each row has columns of its own."""


class _NotAnObjectError(ValueError):
    """A line of JSON Lines that is not a row, and why; without what the line holds."""


def _object(raw: bytes) -> dict[str, Any]:
    try:
        found = _decode(raw.decode())
        if b"\\ud" in raw.lower():  # half of a surrogate pair cannot be sent
            json.dumps(found, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        raise _NotAnObjectError(f"is not JSON: {error.msg} at character {error.colno}") from None
    except UnicodeDecodeError:
        raise _NotAnObjectError(NOT_UTF8_ADVICE) from None
    except UnicodeEncodeError:
        raise _NotAnObjectError("holds half of a surrogate pair: write the whole character") from None
    except (ValueError, RecursionError) as error:
        raise _NotAnObjectError(f"is not usable JSON: {error}") from None
    if not isinstance(found, dict):
        raise _NotAnObjectError(
            'is not a JSON object: one row per line is expected, such as {"mail": "anna@example.com"}'
        )
    return found


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a number")


_decode = json.JSONDecoder(parse_constant=_refuse_constant).decode


#: Functions that return the JSON of a value of each kind.
_JSON: dict[Kind, Callable[[Any], str]] = {
    "string": encode_basestring,
    "integer": repr,
    "number": repr,
    "boolean": ("false", "true").__getitem__,
    "timestamp": encode_basestring,
}


class Encoder(RowEncoder):
    """Encodes rows as objects with all columns."""

    def __init__(self, binary: BinaryIO, columns: Sequence[Column]) -> None:
        super().__init__(binary, columns)
        # Much faster than json.dumps of a dictionary, which looks at the type of each value.
        names = [encode_basestring(column.name).replace("%", "%%") for column in columns]
        self._line = "{" + ",".join(f"{name}:%s" for name in names) + "}\n"

    def _encode_columns(self, columns: Sequence[Sequence[Value]]) -> bytes:
        texts = [_texts(_JSON[column.kind], values) for column, values in zip(self._columns, columns, strict=True)]
        return encode_text("".join(map(self._line.__mod__, zip(*texts, strict=True))))


def _texts(encode: Callable[[Any], str], values: Sequence[Value]) -> list[str]:
    if None in values:
        return ["null" if value is None else encode(value) for value in values]
    return list(map(encode, values))


def write_dicts(binary: BinaryIO, rows: Sequence[Mapping[str, Any]], columns: Sequence[str], separator: str) -> None:
    """Write a small file, each row with columns of its own."""
    binary.writelines(_line(row) for row in rows)


def _line(row: Mapping[str, Any]) -> bytes:
    if UNREAD in row:
        return f"{row[UNREAD]}\n".encode("utf-8", "surrogateescape")
    text = json.dumps(row, ensure_ascii=False, skipkeys=True, default=_plain)
    return f"{text}\n".encode("utf-8", "backslashreplace")  # half of a surrogate pair can only be escaped


def _plain(value: Any) -> str:
    """Return the text of a value that databases and Parquet files have and JSON has not: a date, a decimal number."""
    return str(value.isoformat() if hasattr(value, "isoformat") else value)


def concatenate(parts: Sequence[StoragePath], binary: BinaryIO) -> None:
    """Copy the lines of all parts."""
    for part in parts:
        append_rows(part, b"", binary)
