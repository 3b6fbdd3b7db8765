"""JSON Lines files, read and written: one JSON object per line."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from json.encoder import encode_basestring
from typing import Any, BinaryIO

from airflow_provider_360learning.files.columns import Column, Kind, Value
from airflow_provider_360learning.files.records import MAX_ROW_SIZE, NOT_JSON, UNREAD, Record, too_long
from airflow_provider_360learning.files.row_encoder import RowEncoder
from airflow_provider_360learning.files.storage import StoragePath
from airflow_provider_360learning.files.text import append_rows, beginning, encode_text, read_lines, shortened

#: Types of pandas for a missing value.
_MISSING = frozenset({"NaTType", "NAType"})
#: Blanks of ASCII: others are not part of JSON either, so that such a line is reported.
_BLANKS = " \t\n\r\v\f"


def read(where: StoragePath, encoding: str | None = None, max_size: int = MAX_ROW_SIZE) -> Iterator[Record]:
    """Read rows; of one that cannot be read, the line is returned, or its beginning."""
    with closing(read_lines(where, encoding, newline="\n", max_length=max_size)) as lines:
        number = 0
        for line, text in enumerate(lines, 1):
            is_too_long = len(text) > max_size
            text = text.strip(_BLANKS)
            if not text:
                continue
            number += 1
            if is_too_long:
                yield number, line, {UNREAD: encode({NOT_JSON: beginning(text)})}, f"line {line} {too_long(max_size)}"
                continue
            try:
                yield number, line, _object(text), None
            except _NotAnObjectError as error:
                yield number, line, {UNREAD: text}, f"line {line} {error}"


def columns_of(where: StoragePath, encoding: str | None = None, max_size: int = MAX_ROW_SIZE) -> None:
    """Return None: each row has columns of its own."""


class _NotAnObjectError(ValueError):
    """A line of JSON Lines that is not a row, and why; without what the line holds."""


def _object(text: str) -> dict[str, Any]:
    try:
        found = decode(text)
        if "\\ud" in text or "\\uD" in text:  # half of a surrogate pair cannot be sent
            json.dumps(found, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        raise _NotAnObjectError(f"is not JSON: {error.msg} at character {error.colno}") from None
    except UnicodeEncodeError:
        raise _NotAnObjectError("holds half of a surrogate pair: write the whole character") from None
    except RepeatedKeyError as error:
        raise _NotAnObjectError(str(error)) from None
    except RecursionError:  # its text depends on the version of Python
        raise _NotAnObjectError("is not usable JSON: a value in it is nested too deep") from None
    except ValueError as error:
        raise _NotAnObjectError(f"is not usable JSON: {error}") from None
    if not isinstance(found, dict):
        raise _NotAnObjectError(
            'is not a JSON object: one row per line is expected, such as {"mail": "anna@example.com"}'
        )
    return found


class RepeatedKeyError(ValueError):
    """An object in a JSON text has a key twice."""


# Any: the values of a row.
def decode(text: str) -> Any:
    """
    Read a JSON text.

    A number that is too large is returned as infinite, and ``NaN`` as it is, so that the error of the row names the
    column.

    :param text: The text.
    :raises RepeatedKeyError: if an object has a key twice, of which Python would drop the first value silently.
    :raises ValueError: if the text is not JSON.
    """
    try:
        return _decode(text)
    except (json.JSONDecodeError, RepeatedKeyError):
        raise
    except ValueError:  # an integer of more than 4,300 digits
        return _decode_long_integers(text)


def _object_of(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        counts = Counter(name for name, _ in pairs)
        repeated = next(name for name, count in counts.items() if count > 1)
        raise RepeatedKeyError(f"has the key {shortened(repeated)!r} twice: keep one of the two")
    return found


def _integer(digits: str) -> int | float:
    try:
        return int(digits)
    except ValueError:
        return float(digits)


_decode = json.JSONDecoder(object_pairs_hook=_object_of).decode
_decode_long_integers = json.JSONDecoder(object_pairs_hook=_object_of, parse_int=_integer).decode


#: Functions that return the JSON of a value of each kind.
_JSON: dict[Kind, Callable[[Any], str]] = {
    "string": encode_basestring,
    "integer": repr,
    "number": repr,
    "boolean": ("false", "true").__getitem__,
    "timestamp": encode_basestring,
    "json": str,
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


def write_dicts(
    binary: BinaryIO,
    rows: Sequence[Mapping[str, Any]],
    columns: Sequence[str],
    separator: str,
    escape_formulas: bool,
) -> None:
    """Write a small file, each row with columns of its own; formulas are nothing special."""
    binary.writelines(_line(row) for row in rows)


def _line(row: Mapping[str, Any]) -> bytes:
    if UNREAD in row:
        return encode_text(f"{row[UNREAD]}\n")
    try:
        text = _encode(row)
    except Exception:  # see encode
        text = "{" + ", ".join(f"{encode(name)}: {encode(value)}" for name, value in row.items()) + "}"
    return f"{text}\n".encode("utf-8", "backslashreplace")  # half of a surrogate pair can only be escaped


def encode(value: object) -> str:
    """
    Return the JSON of any value; of one that JSON cannot hold, an object with its shortened text.

    :param value: The value, also ``NaN``, an integer of more than 4,300 digits, a list that contains itself.
    """
    try:
        text = _encode(value)
    except Exception:  # of any type: also the methods of a value of another library may raise one
        text = _encode({NOT_JSON: shortened(value)})
    return text.encode("utf-8", "backslashreplace").decode()


# Any: what the JSON encoder is given.
def _plain(value: Any) -> Any:
    """Return what stands for a value that databases, Parquet files and pandas have and JSON has not."""
    if type(value).__name__ in _MISSING:
        return None
    if hasattr(value, "isoformat"):
        return value.isoformat()
    # An array of numpy or a series of pandas. Their single values have tolist, too, which changes dates.
    return value.tolist() if hasattr(value, "tolist") and hasattr(value, "__iter__") else str(value)


_encode = json.JSONEncoder(ensure_ascii=False, skipkeys=True, allow_nan=False, default=_plain).encode


def concatenate(parts: Sequence[StoragePath], binary: BinaryIO) -> None:
    """Copy the lines of all parts."""
    for part in parts:
        append_rows(part, b"", binary)
