"""Filters of lists: ``field[operator]=value``, all of which must hold."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Literal
from urllib.parse import unquote_plus

from airflow_provider_360learning.sandbox.clock import ALWAYS, Period, parse_iso
from airflow_provider_360learning.sandbox.settings import Settings
from airflow_provider_360learning.sandbox.v2.errors import malformed

Kind = Literal["string", "mail", "id", "choice", "date", "boolean"]

_NAME = re.compile(r"(?P<field>\w+)\[(?P<operator>\w+)\](?P<index>\[\d*\])?")
_ENCODED_BRACKET = re.compile("%5[bd]", re.IGNORECASE)
_ID = re.compile(r"[0-9a-f]{24}", re.IGNORECASE)
#: The documented format. Whether others are accepted is not known.
_DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
_LISTS = ("in", "nin")


@dataclass(frozen=True)
class Filter:
    """
    A field that a list can be filtered by.

    :param kind: its type; ``mail`` for a string whose case may not matter.
    :param operators: a part of ``eq``, ``ne``, ``in``, ``nin``, ``lt`` and ``gte``.
    :param choices: all values of a ``choice``.
    """

    field: str
    kind: Kind
    operators: tuple[str, ...]
    choices: tuple[str, ...] = ()


def strings(field: str, operators: str = "eq ne in nin") -> Filter:
    """Return a filter on a string."""
    return Filter(field, "string", tuple(operators.split()))


def mails(field: str) -> Filter:
    """Return a filter on an email address."""
    return Filter(field, "mail", ("eq", "ne", "in", "nin"))


def ids(field: str, operators: str = "eq ne in nin") -> Filter:
    """Return a filter on an id, or on a list of ids, one of which must match."""
    return Filter(field, "id", tuple(operators.split()))


def choices(field: str, operators: str, *values: str) -> Filter:
    """Return a filter on one of some values."""
    return Filter(field, "choice", tuple(operators.split()), values)


def dates(*fields: str) -> tuple[Filter, ...]:
    """Return filters on dates."""
    return tuple(Filter(field, "date", ("lt", "gte")) for field in fields)


def boolean(field: str) -> Filter:
    """Return a filter on a boolean."""
    return Filter(field, "boolean", ("eq",))


class Condition:
    """
    A part of a query: a filter with one operator and its values.

    :param texts: the values as they were sent: one, or any number for ``in`` and ``nin``.
    """

    def __init__(self, settings: Settings, used: Filter, operator: str, texts: list[str]) -> None:
        self._settings = settings
        self._filter = used
        self._operator = operator
        self.values = {self._parsed(text) for text in texts}

    @property
    def is_selective(self) -> bool:
        """Whether it holds for :attr:`values` only."""
        return self._operator in ("eq", "in")

    def holds(self, value: object) -> bool:
        """
        Return whether a value fulfills it.

        :param value: seconds since the epoch for a date; several values, one of which must match; ``None`` for none.
        """
        if self._filter.kind == "date":
            return isinstance(value, float | int) and self.period.holds(value)
        several = value if isinstance(value, list | tuple | set | frozenset) else (value,)
        found = any(self._comparable(each) in self.values for each in several)
        return found == self.is_selective

    @property
    def period(self) -> Period:
        """The period that a filter on a date describes."""
        (bound,) = self.values
        assert isinstance(bound, int)
        return Period(last=bound - 1) if self._operator == "lt" else Period(first=bound)

    def _comparable(self, value: object) -> object:
        ignores_case = self._filter.kind == "mail" and self._settings.mail_filter_case == "insensitive"
        return value.lower() if ignores_case and isinstance(value, str) else value

    def _parsed(self, text: str) -> object:
        match self._filter.kind:
            case "date" if _DATE.fullmatch(text) and (seconds := parse_iso(text)) is not None:
                # "The milliseconds are always set to 0."
                return int(seconds) * 1000
            case "boolean" if text in ("true", "false"):
                return text == "true"
            case "id" if _ID.fullmatch(text):
                return text.lower()
            case "choice" if text in self._filter.choices:
                return text
            case "string" | "mail":
                return self._comparable(text)
        expected = f"one of {', '.join(self._filter.choices)}" if self._filter.choices else f"a {self._filter.kind}"
        raise malformed(self._settings, f"{self._filter.field}[{self._operator}] must be {expected}.")


class Conditions:
    """
    The conditions of a query on the fields of a list.

    :param conditions: each with the name of its field.
    """

    def __init__(self, conditions: list[tuple[str, Condition]]) -> None:
        self._conditions = conditions

    def __bool__(self) -> bool:
        """Return whether there is any."""
        return bool(self._conditions)

    def wanted(self, field: str) -> set[object] | None:
        """Return the values that a field must have one of, as far as a condition lists them; ``None`` otherwise."""
        for name, condition in self._conditions:
            if name == field and condition.is_selective:
                return condition.values
        return None

    def on(self, field: str) -> Conditions:
        """Return the conditions on one field."""
        return Conditions([each for each in self._conditions if each[0] == field])

    def period(self, field: str) -> Period:
        """Return the period that the conditions on a date describe."""
        first, last = ALWAYS
        for _, condition in self.on(field)._conditions:
            first, last = max(first, condition.period.first), min(last, condition.period.last)
        return Period(first, last)

    def hold(self, **values: object) -> bool:
        """
        Return whether an item fulfills all conditions.

        :param values: its values by field, see :meth:`Condition.holds`.
        """
        return all(condition.holds(values[field]) for field, condition in self._conditions)


def parse_query(
    settings: Settings, raw_query: str, filters: Collection[Filter], parameters: Collection[str]
) -> tuple[Conditions, dict[str, str]]:
    """
    Return the conditions and the other parameters of a query.

    :param raw_query: the query as it was sent.
    :param filters: the filters of the list.
    :param parameters: names of the other parameters.
    :raises Refusal: if it contains anything else (assumption).
    """
    known = {each.field: each for each in filters}
    texts: dict[tuple[str, str], list[str]] = {}
    others: dict[str, str] = {}
    for raw_name, value in _pairs(raw_query):
        if _ENCODED_BRACKET.search(raw_name) and settings.encoded_brackets == "refused":
            raise malformed(settings, f"The parameter {raw_name} is unknown: its brackets are percent-encoded.")
        name = unquote_plus(raw_name)
        if name in parameters:
            if name in others:
                raise malformed(settings, f"The parameter {name} is given twice.")
            others[name] = value
            continue
        match = _NAME.fullmatch(name)
        used = known.get(match["field"]) if match else None
        if not match or not used or match["operator"] not in used.operators:
            raise malformed(settings, f"The parameter {name} is unknown.")
        operator = match["operator"]
        collected = texts.setdefault((used.field, operator), [])
        if operator not in _LISTS and (match["index"] or collected):
            raise malformed(settings, f"{used.field}[{operator}] takes one value.")
        collected.append(value)
    conditions = [
        (field, Condition(settings, known[field], operator, values)) for (field, operator), values in texts.items()
    ]
    return Conditions(conditions), others


def _pairs(raw_query: str) -> Iterator[tuple[str, str]]:
    for part in raw_query.split("&"):
        if part:
            name, _, value = part.partition("=")
            yield name, unquote_plus(value)
