"""Columns of a file of rows: names, kinds, and the values that a column of each kind can hold."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import isfinite
from typing import Any, Literal, TypeAlias

from airflow_provider_360learning.exceptions import InvalidRequestError
from airflow_provider_360learning.files.storage import StoragePath

Kind: TypeAlias = Literal["string", "integer", "number", "boolean", "timestamp", "json"]
#: A value of a column.
Value: TypeAlias = "str | int | float | bool | None"

#: Types of the values of each kind.
_TYPES: dict[Kind, set[type]] = {
    "string": {str, type(None)},
    "integer": {int, type(None)},
    "number": {int, float, type(None)},
    "boolean": {bool, type(None)},
    "timestamp": {str, type(None)},
    "json": {type(None)},
}
#: Length of a timestamp.
_LENGTH = len("2026-10-01T00:00:00.000Z")
_MAX_INT64 = (1 << 63) - 1
#: Up to here, a float holds every integer exactly.
_MAX_EXACT = 1 << 53


@dataclass(frozen=True)
class Column:
    """
    A column of a file of rows.

    :param name: Its name.
    :param kind: The kind of its values. A ``timestamp`` is a string in UTC (``2026-10-01T00:00:00.000Z``); ``json`` is
        any value of JSON: itself in JSON Lines, its text in the other formats.
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
    columns: dict[str, int] = {}
    for number, name in enumerate(names, 1):
        before = columns.setdefault(name, number)
        if before != number:
            # The name is not shown: in a file without a header, it is a value of the first row, a password perhaps.
            raise InvalidRequestError(f"Columns {before} and {number} of {where} have the same name: rename one.")
    return list(names)


def is_normalized(kind: Kind, values: Sequence[object]) -> bool:
    """
    Return whether all values of a column are of its kind; many at once, because that is faster.

    :param kind: The kind of the column.
    :param values: Its values; ``None`` is of every kind.
    """
    if not set(map(type, values)) <= _TYPES[kind]:
        return False
    if kind in ("string", "boolean", "json"):
        return True
    present: list[Any] = [value for value in values if value is not None]
    if kind == "number":
        return _are_finite(present)
    if kind == "integer":
        return all(abs(value) <= _MAX_INT64 for value in present)
    return _are_timestamps(present)


def _are_finite(values: Sequence[float]) -> bool:
    try:
        return isfinite(sum(values)) or all(map(isfinite, values))  # the sum is faster, but may be too large
    except OverflowError:  # an integer beyond the largest float
        return False


def _are_timestamps(values: Sequence[str]) -> bool:
    # Not parsed: that would take long for millions. No other notation of ISO 8601 has this length and ends so.
    all_values, count = "".join(values), len(values)
    return (
        set(map(len, values)) <= {_LENGTH}
        and all_values[10::_LENGTH] == "T" * count
        and all_values[_LENGTH - 1 :: _LENGTH] == "Z" * count
    )


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
    except (TypeError, OverflowError, KeyError, AttributeError, RecursionError) as error:
        raise ValueError(f"not of kind {kind}") from error


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
    if isinstance(number, bool) or not _are_finite([number]):
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


def _normalize_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


_BOOLEANS = {"true": True, "false": False}
_NORMALIZERS: dict[Kind, Callable[[Any], Value]] = {
    "string": _normalize_string,
    "integer": _normalize_integer,
    "number": _normalize_number,
    "boolean": _normalize_boolean,
    "timestamp": _normalize_timestamp,
    "json": _normalize_json,
}
