"""The columns of a source of people, and which values are valid in them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import partial
from typing import Any, cast, get_args

from pydantic_core import PydanticCustomError

from airflow_provider_360learning import config
from airflow_provider_360learning.api.models.choices import Role
from airflow_provider_360learning.api.models.parsers import (
    invalid,
    is_id,
    is_missing,
    normalized,
    parse_custom_value,
    parse_list,
    parse_mail,
    parse_text,
    parse_timestamp,
    problem,
    problem_of,
    shown,
)
from airflow_provider_360learning.api.text import listed
from airflow_provider_360learning.exceptions import InvalidRequestError
from airflow_provider_360learning.rows.limits import MAX_ERRORS_PER_ROW, MAX_PROBLEM
from airflow_provider_360learning.rows.sources import Row, Source
from airflow_provider_360learning.sync.options import CUSTOM_FIELD, PROFILE_FIELDS, SyncOptions

#: Columns that an empty cell can clear, beside custom fields. 360Learning documents no way to clear the others.
CLEARABLE = frozenset({"first_name", "last_name", "job", "organization", "phone", "groups", "manager"})
#: The manager of a person who has none according to the source.
NO_MANAGER = ""
#: Maximum number of characters of a key, to keep out what cannot be one.
MAX_KEY = 250

_ROLES = get_args(Role)
_STATUSES = ("active", "inactive")
#: HR systems write this year for a contract without an end.
_NO_END = 9999
#: Some write the earliest date of their database for none, which must not let a person leave.
_NO_DATE = 1970
_TIME = "a date such as 2026-12-31, or a timestamp with a time zone such as 2026-12-31T17:00:00Z"
_ADVICE = (
    "rename a column with column_mapping={'theirs': 'ours'}, or leave one out with column_mapping={'theirs': None}"
)


@dataclass(frozen=True, slots=True)
class WantedMembership:
    """
    A membership of a person in the source.

    :param group: Id, name or path of the group, as the source has it; with ``group_key="custom"``, its field
        ``custom``.
    :param role: The role.
    :param name: With ``group_key="custom"``, the name of the group, if the source has it (``D12=Engineering``).
    """

    group: str
    role: Role = "learner"
    name: str | None = None


@dataclass(slots=True)
class Cells:
    """
    The valid values of a row.

    :param values: By column, without custom fields and groups; ``None`` is an empty cell that clears a field.
    :param custom_fields: By name or id of the custom field.
    :param custom_field_names: The same names, normalized.
    :param memberships: The groups; ``None`` if the row does not say.
    :param problems: What is invalid in the row.
    """

    # Any: a string or a timestamp, depending on the column.
    values: dict[str, Any] = field(default_factory=dict)
    custom_fields: dict[str, str | None] = field(default_factory=dict)
    custom_field_names: set[str] = field(default_factory=set)
    memberships: tuple[WantedMembership, ...] | None = None
    problems: list[str] = field(default_factory=list)


class RowReader:
    """
    Checks and normalizes rows about people.

    :param options: What the sync is to do.
    :param timezone: The time zone of dates.
    """

    def __init__(self, options: SyncOptions, timezone: tzinfo) -> None:
        self._namespace = options.key_namespace
        self._groups_have_custom = options.group_key == "custom"
        self._clear = options.clear
        # Which custom fields are cleared is decided where their names are known.
        self._clears_custom_fields = any(name.startswith(CUSTOM_FIELD) for name in options.clear)
        self._parsers: Mapping[str, Callable[[Any], object]] = {
            "key": self._parse_key,
            "mail": lambda value: parse_mail(value).lower(),
            **dict.fromkeys(PROFILE_FIELDS, parse_text),
            "manager": parse_text,
            "groups": self._parse_groups,
            "status": _parse_status,
            "leaves_at": partial(_parse_end, timezone),
        }
        self._required: tuple[str, ...] = ("key", "mail")
        if options.key == "mail":
            self._parsers = {name: parse for name, parse in self._parsers.items() if name != "key"}
            self._required = ("mail",)
        self._max_items = config.max_list_items()
        self._seen: dict[str, WantedMembership] = {}  # few different groups, many people

    def check_header(self, source: Source) -> None:
        """
        Refuse a source whose columns are invalid for all rows.

        :param source: The source; one whose rows have columns of their own is checked row by row.
        :raises InvalidRequestError: naming unknown and missing columns.
        """
        if not source.arguments:
            return
        missing = [name for name in self._required if name not in source.arguments]
        if len(missing) == len(self._required):
            # Without a header, the names are values of the first row: none of them is shown.
            raise InvalidRequestError(
                f"{source.name} has no column {' and '.join(missing)}. Is its first line a header? It may have the "
                f"columns {self._columns()}; {_ADVICE}. Nothing was sent."
            )
        if unknown := [shown(name) for name in source.arguments if not self._is_column(name)]:
            raise InvalidRequestError(
                f"{source.name} has the columns {listed(unknown, MAX_PROBLEM)}, but may have {self._columns()}; "
                f"{_ADVICE}. Nothing was sent."
            )
        if missing:
            raise InvalidRequestError(
                f"{source.name} has no column {missing[0]}: rename a column with column_mapping={{'theirs': 'ours'}}. "
                "Nothing was sent."
            )

    def read(self, source: Source, row: Row) -> Cells:
        """
        Return the valid values of a row, and what is invalid in it.

        :param source: The source.
        :param row: The row.
        """
        cells = Cells()
        if row.problem:
            cells.problems.append(row.problem[:MAX_PROBLEM])
            return cells
        problems = list(self._read_cells(row.values, cells))
        problems += [f"{name} is missing or empty" for name in self._required if is_missing(row.values.get(name))]
        cells.problems = [text[:MAX_PROBLEM] for text in problems[:MAX_ERRORS_PER_ROW]]
        if len(problems) > MAX_ERRORS_PER_ROW:
            cells.problems.append(f"{len(problems) - MAX_ERRORS_PER_ROW:,} more of its values are invalid")
        if self._clear:
            self._clear_empty(source.columns_of(row), cells)
        return cells

    def _read_cells(self, values: Mapping[str, Any], cells: Cells) -> Iterator[str]:
        """Fill the cells, and yield what is invalid."""
        for name, value in values.items():
            if not self._is_column(name):
                yield f"{shown(name)} is not a column of people, which are {self._columns()}: {_ADVICE}"
            elif not is_missing(value):
                try:
                    self._read_cell(name, value, cells)
                except PydanticCustomError as error:
                    index = (error.context or {}).get("index")
                    yield f"{name}{'' if index is None else f'[{index}]'} {problem_of(error)}"
                except Exception:  # of any type: a value of a list may be of any class
                    yield f"{name} cannot be read: its value of type {type(value).__name__:.80} raises an error"

    # Any: a value of the source.
    def _read_cell(self, name: str, value: Any, cells: Cells) -> None:
        if not name.startswith(CUSTOM_FIELD):
            parsed = self._parsers[name](value)
            if name == "groups":
                cells.memberships = cast(tuple[WantedMembership, ...], parsed)
            else:
                cells.values[name] = parsed
            return
        custom_field = name.removeprefix(CUSTOM_FIELD)
        found = normalized(custom_field)
        found = found.lower() if is_id(found) else found
        if found in cells.custom_field_names:
            raise problem("is the same custom field as another column: leave one of them out")
        cells.custom_field_names.add(found)
        cells.custom_fields[custom_field] = str(parse_custom_value(value))

    def _clear_empty(self, columns: Iterable[str], cells: Cells) -> None:
        for name in columns:
            if name.startswith(CUSTOM_FIELD) and self._clears_custom_fields and self._is_column(name):
                cells.custom_fields.setdefault(name.removeprefix(CUSTOM_FIELD), None)
            elif name == "groups" and name in self._clear:
                cells.memberships = cells.memberships or ()
            elif name in self._clear:
                cells.values.setdefault(name, NO_MANAGER if name == "manager" else None)

    def _is_column(self, name: str) -> bool:
        return name in self._parsers or (name.startswith(CUSTOM_FIELD) and not is_missing(name[len(CUSTOM_FIELD) :]))

    def _columns(self) -> str:
        return f"{', '.join(self._parsers)} and {CUSTOM_FIELD}<name or id>"

    def _parse_key(self, value: object) -> str:
        key = parse_text(value)
        if len(key) > MAX_KEY:
            raise problem(f"has {len(key):,} characters, but at most {MAX_KEY} are allowed")
        if self._namespace and key.startswith(self._namespace):
            raise problem(f"is {shown(key)}, but must be without {shown(self._namespace)}, which key_namespace adds")
        return key

    # Groups

    def _parse_groups(self, value: object) -> tuple[WantedMembership, ...]:
        texts = parse_list(self._parse_group, value)
        if len(texts) > self._max_items:
            raise problem(
                f"has {len(texts):,} items, but at most {self._max_items:,} are allowed ([learning360] max_list_items)"
            )
        return tuple(dict.fromkeys(self._seen[text] for text in texts))

    def _parse_group(self, value: object) -> str:
        text = parse_text(value)
        if text not in self._seen:
            self._seen[text] = self._group_of(text)
        return text

    def _group_of(self, text: str) -> WantedMembership:
        """Return the group and the role in a text such as ``Engineering:coach`` or ``D12=Engineering:coach``."""
        group, colon, role = (part.strip() for part in text.rpartition(":"))
        if not colon:
            group, role = text, "learner"
        elif role not in _ROLES:
            raise problem(
                f"is {shown(text)}, but the text after the last colon must be a role ({', '.join(_ROLES)}): a group "
                f"with a colon in its name needs its role, as in {shown(text + ':learner')}"
            )
        name = None
        if self._groups_have_custom and "=" in group:
            group, _, name = (part.strip() for part in group.partition("="))
            if not name:
                raise problem(f"is {shown(text)}, but must have the name of the group after =")
        if not group:
            raise problem(f"is {shown(text)}, but must have a group before the role")
        return WantedMembership(group, cast(Role, role), name)


def _parse_status(value: object) -> str:
    status = parse_text(value).lower()
    if status not in _STATUSES:
        raise invalid(value, f"one of {', '.join(_STATUSES)}")
    return status


def _parse_end(timezone: tzinfo, value: object) -> datetime | None:
    """Return the end of a date, or a timestamp; ``None`` for one that means that there is no end."""
    try:
        found = _date_in(value) or parse_timestamp(value)
    except (PydanticCustomError, ValueError):
        raise invalid(value, _TIME) from None
    if found.year <= _NO_DATE:
        raise invalid(value, "a date after 1970, or empty for a person who stays")
    if found.year == _NO_END:
        return None
    if isinstance(found, datetime):
        return found
    return datetime.combine(found + timedelta(days=1), time(), timezone).astimezone(UTC)


def _date_in(value: object) -> date | None:
    """Return a date without a time; ``None`` for any other value."""
    if isinstance(value, str):
        text = value.strip()
        return date.fromisoformat(text) if len(text) == len("2026-12-31") and text[4] == text[7] == "-" else None
    return value if isinstance(value, date) and not isinstance(value, datetime) else None
