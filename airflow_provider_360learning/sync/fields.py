"""Compare the fields of users: which values are written, and which cannot be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from datetime import datetime

from airflow_provider_360learning.api.models.parsers import is_id, normalized, shown
from airflow_provider_360learning.api.text import listed_ids
from airflow_provider_360learning.sync.matching import Match
from airflow_provider_360learning.sync.options import CUSTOM_FIELD, SyncOptions
from airflow_provider_360learning.sync.people import Person
from airflow_provider_360learning.sync.plan import Value
from airflow_provider_360learning.sync.platform import Platform
from airflow_provider_360learning.sync.state import Remembered

DEACTIVATION = "deactivates_at"


class FieldError(Exception):
    """A field of the source is not usable; the message says what is invalid and what to do."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """
    A value of a field that the source has.

    :param name: Name of the field; a custom field is ``custom_fields.<id>``.
    :param value: The value; ``None`` clears the field.
    :param names: All names by which the options may call the field.
    """

    name: str
    value: str | None
    names: frozenset[str]


@dataclass(frozen=True, slots=True)
class Difference:
    """
    A value that is written.

    :param before: The value in 360Learning, or ``None``.
    :param is_known: Whether that could be read.
    :param after: The new value.
    :param is_drift: Whether the source has not changed, so that it was changed in 360Learning.
    """

    before: str | None
    is_known: bool
    after: str | None
    is_drift: bool


class WantedFields:
    """
    The fields that the source means.

    :param platform: What 360Learning has.
    :param options: Which of them are cleared.
    """

    def __init__(self, platform: Platform, options: SyncOptions) -> None:
        self._clear = options.clear
        self._custom_fields = platform.custom_fields
        self._by_name: dict[str, list[str]] = {}
        for field_id, name in platform.custom_fields.items():
            self._by_name.setdefault(normalized(name), []).append(field_id)

    def of(self, person: Person) -> tuple[Wanted, ...]:
        """
        Return the values that the source has for a person.

        :raises FieldError: if a custom field does not exist, several have its name, or several columns are one field.
        """
        profile = (Wanted(name, value, frozenset([name])) for name, value in sorted(person.fields.items()))
        custom = [self._custom(given, value) for given, value in sorted(person.custom_fields.items())]
        custom = [one for one in custom if one.value is not None or one.names & self._clear]
        if len({one.name for one in custom}) < len(custom):
            raise FieldError("several columns are the same custom field: leave out all but one")
        return (*profile, *custom)

    def _custom(self, given: str, value: str | None) -> Wanted:
        name = normalized(given)
        found = [name.lower()] if is_id(name) else self._by_name.get(name, [])
        if not found or found[0] not in self._custom_fields:
            raise FieldError(f"no custom field of users is {shown(name)}: correct the column, or create the field")
        if len(found) > 1:
            raise FieldError(
                f"{len(found)} custom fields of users are {shown(name)} ({listed_ids(sorted(found))}): give the id"
            )
        [field_id] = found
        names = {
            CUSTOM_FIELD + given,
            CUSTOM_FIELD + name,
            CUSTOM_FIELD + field_id,
            CUSTOM_FIELD + self._custom_fields[field_id],
        }
        return Wanted(CUSTOM_FIELD + field_id, value, frozenset(names))


def compare_fields(
    match: Match, wanted: tuple[Wanted, ...], remembered: Remembered, platform: Platform, options: SyncOptions
) -> Mapping[str, Difference]:
    """
    Return the values to write, by name of the field.

    A value is written if the source has changed since it was applied last, or, for fields that are owned, whenever
    360Learning has another one. What cannot be read is compared with what was applied last.

    :param match: The person, who has an account.
    :param wanted: The values that the source has.
    :param remembered: What earlier runs have applied.
    :raises FieldError: if a value would have to be cleared, and cannot be.
    """
    differences = {}
    for one in wanted:
        if is_kept(one.name, one.names, remembered, options):
            continue
        difference = _difference(match, one, remembered, is_owned=bool(one.names & options.owned))
        if difference is None:
            continue
        if one.value is None and not platform.clears_values and not one.name.startswith(CUSTOM_FIELD):
            raise FieldError(
                f"{one.name} is empty, and this version of the API cannot clear it: clear it by hand, or take it out "
                "of clear"
            )
        differences[one.name] = difference
    return differences


def is_kept(name: str, names: Set[str], remembered: Remembered, options: SyncOptions) -> bool:
    """
    Return whether a field is for new people only, and is not set any more.

    A person whom the sync has created gets it once, also later: custom fields and managers wait for the account.

    :param name: Name of the field.
    :param names: All names by which the options may call it.
    :param remembered: What earlier runs have applied.
    :param options: What the sync is to do.
    """
    return not names.isdisjoint(options.create_only) and (not remembered.created or name in remembered.applied)


def is_new(wanted: Wanted, remembered: Remembered) -> bool:
    """Return whether the source has another value than the one that was applied last."""
    return wanted.name not in remembered.applied or remembered.applied[wanted.name] != wanted.value


def is_equal(match: Match, wanted: Wanted) -> bool:
    """Return whether 360Learning has a value, as far as it could be read."""
    held = _held(match, wanted.name)
    return held is not None and held[0] == (normalized(wanted.value) or None)


def _held(match: Match, name: str) -> tuple[str | None] | None:
    """Return the value of a field, in a tuple; ``None`` if it was not read."""
    account = match.account
    if account is None:
        return None
    if name.startswith(CUSTOM_FIELD):
        read = account.custom_fields
        return None if read is None else (normalized(read.get(name.removeprefix(CUSTOM_FIELD))) or None,)
    return (normalized(account.fields[name]) or None,) if name in account.fields else None


def _difference(match: Match, one: Wanted, remembered: Remembered, *, is_owned: bool) -> Difference | None:
    source_changed = is_new(one, remembered)
    held = _held(match, one.name)
    if held is None:
        # A restored account may have lost what was applied last.
        is_lost = match.kind == "deleted" and one.value is not None
        # What nothing is known of is not cleared: it may be empty, and usually is.
        is_written = is_lost or (source_changed and not (one.value is None and one.name not in remembered.applied))
        return Difference(None, False, one.value, is_drift=False) if is_written else None
    [value] = held
    if value == (normalized(one.value) or None) or not (source_changed or is_owned):
        return None
    return Difference(value, True, one.value, is_drift=not source_changed)


def initial_fields(wanted: tuple[Wanted, ...], *, custom: bool) -> Mapping[str, Value]:
    """
    Return the values with which a new user begins.

    :param wanted: The values that the source has.
    :param custom: Whether custom fields are meant, or profile fields.
    """
    return {
        one.name: one.value for one in wanted if one.value is not None and one.name.startswith(CUSTOM_FIELD) == custom
    }


def known_deactivation(match: Match, remembered: Remembered) -> datetime | None:
    """Return when a user will be deactivated: as it was read, or as it was applied last."""
    if match.account is not None and match.account.deactivation_known:
        return match.account.deactivates_at
    return applied_deactivation(remembered)


def applied_deactivation(remembered: Remembered) -> datetime | None:
    """Return the date of deactivation that was applied last."""
    text = remembered.applied.get(DEACTIVATION)
    return None if text is None else datetime.fromisoformat(text)


def unreadable(match: Match, wanted: tuple[Wanted, ...], options: SyncOptions) -> Iterator[str]:
    """
    Yield the names of the fields whose changes in 360Learning are not seen.

    Custom fields can be read, and are not read in each plan, which matters for owned fields.

    :param match: The person.
    :param wanted: The values that the source has.
    :param options: What the sync is to do.
    """
    if match.account is not None and not match.is_invitation:
        for one in wanted:
            stays = one.name.startswith(CUSTOM_FIELD) and not one.names & options.owned
            if not stays and _held(match, one.name) is None:
                yield one.name
