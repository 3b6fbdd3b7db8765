"""Columns of a file of rows: their names, their kinds, and how a value of each kind is written as text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from json.encoder import encode_basestring
from math import isfinite
from typing import Any, Literal, TypeAlias

from airflow_provider_360learning.exceptions import InvalidRequestError
from airflow_provider_360learning.files.storage import StoragePath

Kind: TypeAlias = Literal["text", "integer", "number", "flag", "moment"]


@dataclass(frozen=True)
class Column:
    """
    A column of a file of rows.

    :param name: Its name.
    :param kind: What it holds. A ``moment`` is passed as ISO text in UTC (``2026-10-01T00:00:00.000Z``).
    """

    name: str
    kind: Kind = "text"


def checked_names(names: list[str], where: StoragePath) -> list[str]:
    """
    Return the names of columns, or say which is missing or there twice.

    :param names: The names.
    :param where: What they are the columns of.
    :raises InvalidRequestError: if they do not tell the columns apart.
    """
    if "" in names:
        raise InvalidRequestError(f"Column {names.index('') + 1} of {where} has no name: give it one.")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InvalidRequestError(f"{where} has several columns named {', '.join(twice)}: name each once.")
    return names


def other_columns(part: StoragePath) -> InvalidRequestError:
    """
    Say that a file cannot be merged with others.

    :param part: Its path.
    """
    return InvalidRequestError(f"{part} has other columns than the first part: only files of one kind can be merged.")


def _number_text(value: float) -> str:
    if not isfinite(value):
        raise ValueError(f"{value} is no number")
    return float.__repr__(value) if isinstance(value, float) else int.__repr__(value)


def flag_text(value: bool) -> str:
    """
    WriteSpec True or False as JSON does.

    :param value: One of the two; another is a ``TypeError``.
    """
    if not isinstance(value, bool):
        raise TypeError(f"{value!r} is neither True nor False")
    return "true" if value else "false"


#: How a value of each kind is written in JSON; a value of another kind is a ``TypeError`` or ``ValueError``.
JSON_TEXTS: dict[Kind, Callable[[Any], str]] = {
    "text": encode_basestring,
    "integer": int.__repr__,
    "number": _number_text,
    "flag": flag_text,
    "moment": encode_basestring,
}


def unfit(row: int, column: Column, value: Any) -> InvalidRequestError | None:
    """
    Say that a value is not of its column's kind, if it is not.

    :param row: Number of its row.
    :param column: Its column.
    :param value: The value; None fits every kind.
    """
    try:
        if value is not None:
            JSON_TEXTS[column.kind](value)
    except (TypeError, ValueError):
        shown = value if isinstance(value, float) else f"a value of type {type(value).__name__}"  # it may be a name
        return InvalidRequestError(f"Row {row} has {shown} in column {column.name}, whose kind is {column.kind}.")
    return None
