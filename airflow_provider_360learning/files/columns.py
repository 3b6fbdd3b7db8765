"""Columns of a file of rows: names, kinds, and the values that a column of each kind can hold."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from json.encoder import encode_basestring
from math import isfinite
from typing import Any, Literal, TypeAlias

from airflow_provider_360learning.exceptions import InvalidRequestError
from airflow_provider_360learning.files.storage import StoragePath

Kind: TypeAlias = Literal["string", "integer", "number", "boolean", "timestamp"]
#: A value of a column.
Value: TypeAlias = "str | int | float | bool | None"

_LENGTH_OF_A_TIMESTAMP = len("2026-10-01T00:00:00.000Z")
_MAX_INT64 = (1 << 63) - 1
#: Up to here, a float holds every integer exactly.
_MAX_EXACT = 1 << 53


@dataclass(frozen=True)
class Column:
    """
    A column of a file of rows.

    :param name: Its name.
    :param kind: The kind of its values. A ``timestamp`` is a string in UTC (``2026-10-01T00:00:00.000Z``).
    """

    name: str
    kind: Kind = "string"


def check_names(names: Sequence[str], where: StoragePath) -> list[str]:
    """
    Return the names of columns if each is given and unique.

    :param names: The names.
    :param where: The file or query that has these columns, for the error text.
    :raises InvalidRequestError: if a name is empty or occurs twice.
    """
    if "" in names:
        raise InvalidRequestError(f"Column {names.index('') + 1} of {where} has no name: give it one.")
    duplicates = sorted({name for name in names if names.count(name) > 1})
    if duplicates:
        raise InvalidRequestError(f"{where} has several columns named {', '.join(duplicates)}: name each once.")
    return list(names)


def boolean_text(value: bool) -> str:
    """
    Return True or False as JSON writes them.

    :raises TypeError: if the value is neither.
    """
    if not isinstance(value, bool):
        raise TypeError("neither True nor False")
    return "true" if value else "false"


def _integer_text(value: int) -> str:
    if isinstance(value, bool) or abs(value) > _MAX_INT64:
        raise ValueError("not an integer of 64 bits")
    return int.__repr__(value)


def _number_text(value: float) -> str:
    if not isfinite(value) or isinstance(value, bool):
        raise ValueError("not a finite number")
    return float.__repr__(value) if isinstance(value, float) else int.__repr__(value)


def timestamp_text(value: str) -> str:
    """
    Return a timestamp that is written as columns have them.

    :raises ValueError: if it is not.
    """
    # Not parsed: that would take a minute for millions. No other notation of ISO 8601 has this length and ends so.
    if len(value) != _LENGTH_OF_A_TIMESTAMP or value[10] != "T" or value[23] != "Z":
        raise ValueError("not in UTC with milliseconds")
    return value


def _timestamp_json(value: str) -> str:
    return encode_basestring(timestamp_text(value))


#: What a function of :data:`TEXTS` raises for a value that :func:`normalize` has to convert first.
NOT_NORMALIZED = (TypeError, ValueError, OverflowError)
#: Functions that return the text of a value of each kind.
TEXTS: dict[Kind, Callable[[Any], str]] = {
    "string": str.__str__,
    "integer": _integer_text,
    "number": _number_text,
    "boolean": boolean_text,
    "timestamp": timestamp_text,
}
#: The same in JSON.
JSON_TEXTS: dict[Kind, Callable[[Any], str]] = {**TEXTS, "string": encode_basestring, "timestamp": _timestamp_json}


def normalize(kind: Kind, value: object) -> Value:
    """
    Convert a value of another type to the kind of its column.

    :param kind: The kind of the column.
    :param value: The value; ``None`` stays.
    :raises ValueError: if it has no equivalent of this kind.
    """
    if value is None:
        return None
    try:
        return _NORMALIZERS[kind](value)
    except (TypeError, OverflowError, KeyError, AttributeError) as error:
        raise ValueError(f"no {kind}") from error


def _normalize_string(value: Any) -> str:
    # 1001 becomes "1001", and so does 1001.0.
    return str(value) if isinstance(value, str) else json.dumps(_scalar(value), allow_nan=False)


def _normalize_integer(value: Any) -> int:
    number = _normalize_number(value)
    if not isinstance(number, int) or abs(number) > _MAX_INT64:
        raise ValueError("not an integer of 64 bits")
    return number


def _normalize_number(value: Any) -> int | float:
    number = _scalar(json.loads(value) if isinstance(value, str) else value)
    if isinstance(number, bool) or not isfinite(number):
        raise ValueError("not a finite number")
    return number


def _scalar(value: Any) -> bool | int | float:
    """Return a boolean or a number; one without decimals as an integer."""
    if not isinstance(value, bool | int | float):
        raise TypeError("neither a boolean nor a number")
    is_whole = isinstance(value, float) and abs(value) <= _MAX_EXACT and value.is_integer()
    return int(value) if is_whole else value


def _normalize_boolean(value: Any) -> bool:
    return value if isinstance(value, bool) else _BOOLEANS[value.strip().lower()]


def _normalize_timestamp(value: Any) -> str:
    time = datetime.fromisoformat(value)
    # Assumption: a timestamp of 360Learning without a time zone is in UTC.
    utc = time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
    return f"{utc.replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"


_BOOLEANS = {"true": True, "false": False}
_NORMALIZERS: dict[Kind, Callable[[Any], Value]] = {
    "string": _normalize_string,
    "integer": _normalize_integer,
    "number": _normalize_number,
    "boolean": _normalize_boolean,
    "timestamp": _normalize_timestamp,
}
