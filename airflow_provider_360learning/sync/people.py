"""The people of a source: who is wanted in 360Learning, and as what."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, tzinfo
from typing import Literal

from airflow_provider_360learning.api.text import listed
from airflow_provider_360learning.exceptions import InvalidRequestError
from airflow_provider_360learning.rows.sources import Source
from airflow_provider_360learning.sync.canonical import digest_of, encode
from airflow_provider_360learning.sync.columns import Cells, RowReader
from airflow_provider_360learning.sync.columns import WantedMembership as WantedMembership
from airflow_provider_360learning.sync.names import described
from airflow_provider_360learning.sync.options import CUSTOM_FIELD, PROFILE_FIELDS, SyncOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """
    A person of the source.

    :param key: The key, without the namespace.
    :param mail: Email address, in lower case.
    :param fields: Values of profile fields by name; ``None`` clears one; a field that is not there is left alone.
    :param custom_fields: Values by the name or id of the custom field; ``None`` clears one that is to be cleared.
    :param manager: Key or email address of the manager; empty for none, and ``None`` if the source does not say.
    :param memberships: The groups; ``None`` if the source does not say.
    :param status: Whether the person works for the company.
    :param leaves_at: When the person leaves.
    :param rows: Numbers of the rows.
    """

    key: str
    mail: str
    fields: Mapping[str, str | None]
    custom_fields: Mapping[str, str | None]
    manager: str | None
    memberships: tuple[WantedMembership, ...] | None
    status: Literal["active", "inactive"] = "active"
    leaves_at: datetime | None = None
    rows: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class People:
    """
    The content of a source.

    :param people: The people, in the order of their keys.
    :param rows: Number of rows.
    :param errors: What is invalid, by row, as the text of each error.
    :param digest: Digest of what was read.
    :param invalid: Keys of the invalid rows, whose people are left alone; ``None`` for a row whose key is invalid,
        which may be that of any person who is missing.
    """

    people: tuple[Person, ...]
    rows: int
    errors: tuple[tuple[int, str], ...]
    digest: str
    invalid: frozenset[str | None] = frozenset()


def read_people(source: Source, options: SyncOptions, *, timezone: tzinfo = UTC) -> People:
    """
    Read the people of a source.

    Everything that is invalid is an error of its row, whose person is left out. So are all rows that share a key
    (without ``merge_groups``), or an address.

    :param source: One row per person, see :data:`.columns.COLUMNS`.
    :param options: What the sync is to do.
    :param timezone: The time zone of dates in ``leaves_at``; a person leaves at the end of the date.
    :raises InvalidRequestError: if the source is empty, or has invalid columns.
    """
    reader = RowReader(options, timezone)
    reader.check_header(source)
    collected = _Collector(options)
    for row in source.rows():
        collected.add(row.number, reader.read(source, row))
    if not collected.rows:
        raise InvalidRequestError(
            f"{source.name} has no rows, so that all people would be missing: correct the source. Nothing was sent."
        )
    return collected.people()


class _Collector:
    """
    Collects the people of rows, and leaves out those who are invalid or ambiguous.

    :param options: What the sync is to do.
    """

    def __init__(self, options: SyncOptions) -> None:
        self._key_column = "mail" if options.key == "mail" else "key"
        self._merges_groups = options.merge_groups
        self._people: dict[str, Person] = {}
        #: Memberships of people who have several rows, by key.
        self._memberships: dict[str, dict[WantedMembership, None]] = {}
        #: Why people who have several rows cannot be merged, by key.
        self._unmerged: dict[str, str] = {}
        #: Rows of each key, and those that are invalid.
        self._rows_by_key: dict[str, list[int]] = {}
        self._invalid_rows: dict[str, list[int]] = {}
        #: The first key with each address, and the keys and rows of addresses that are not unique.
        self._key_by_mail: dict[str, tuple[str | None, int]] = {}
        self._shared_mails: dict[str, list[tuple[str | None, int]]] = {}
        self._invalid: set[str | None] = set()
        self._errors: list[tuple[int, str]] = []
        self.rows = 0

    def add(self, number: int, cells: Cells) -> None:
        """
        Add a row.

        :param number: Number of the row.
        :param cells: Its values.
        """
        self.rows += 1
        key: str | None = cells.values.get(self._key_column)
        if mail := cells.values.get("mail"):
            self._add_mail(mail, key, number)
        if key is not None:
            self._rows_by_key.setdefault(key, []).append(number)
        if cells.problems:
            self._errors += [(number, described(key, text)) for text in cells.problems]
            self._invalid.add(key)
            if key is not None:
                self._invalid_rows.setdefault(key, []).append(number)
        elif key is not None:
            self._add_person(_person(key, cells))

    def people(self) -> People:
        """Return the people who are valid and unique, and the errors."""
        self._refuse_duplicates()
        self._refuse_shared_mails()
        people = tuple(
            replace(person, rows=tuple(self._rows_by_key[key]), memberships=self._memberships_of(person))
            for key, person in sorted(self._people.items())
            if key not in self._invalid
        )
        errors = tuple(sorted(set(self._errors)))
        digest = digest_of(encode(each) + b"\n" for each in (self.rows, errors, *people))
        return People(people, self.rows, errors, digest, frozenset(self._invalid))

    def _memberships_of(self, person: Person) -> tuple[WantedMembership, ...] | None:
        merged = self._memberships.get(person.key)
        return person.memberships if merged is None else tuple(merged)

    def _add_mail(self, mail: str, key: str | None, number: int) -> None:
        first = self._key_by_mail.setdefault(mail, (key, number))
        if first[1] != number and (mail in self._shared_mails or key is None or key != first[0]):
            self._shared_mails.setdefault(mail, [first]).append((key, number))

    def _add_person(self, person: Person) -> None:
        earlier = self._people.setdefault(person.key, person)
        if earlier is person:
            return
        different = sorted(_differences(earlier, person))
        if different:
            self._unmerged.setdefault(person.key, f"with different values of {', '.join(different)}")
        else:
            self._people[person.key] = _merged(earlier, person)
            if person.memberships is not None:
                merged = self._memberships.setdefault(person.key, dict.fromkeys(earlier.memberships or ()))
                merged.update(dict.fromkeys(person.memberships))

    def _refuse_duplicates(self) -> None:
        for key, numbers in self._rows_by_key.items():
            if len(numbers) == 1:
                continue
            if not self._merges_groups:
                self._refuse(key, numbers, f"{_rows(numbers)} have the same key: remove all but one")
            elif key in self._unmerged:
                self._refuse(key, numbers, f"{_rows(numbers)} have the same key, {self._unmerged[key]}: correct them")
            elif wrong := self._invalid_rows.get(key):
                self._refuse(
                    key,
                    sorted(set(numbers) - set(wrong)),
                    f"{_rows(wrong)} of this person cannot be used: correct this first",
                )

    def _refuse_shared_mails(self) -> None:
        for claims in self._shared_mails.values():
            text = f"{_rows([number for _, number in claims])} have the same email address: correct them"
            for key, number in claims:
                self._refuse(key, [number], text)

    def _refuse(self, key: str | None, numbers: Iterable[int], text: str) -> None:
        self._invalid.add(key)
        self._errors += [(number, described(key, text)) for number in numbers]


def _person(key: str, cells: Cells) -> Person:
    values = cells.values
    return Person(
        key=key,
        mail=values["mail"],
        fields={name: values[name] for name in PROFILE_FIELDS if name in values},
        custom_fields=cells.custom_fields,
        manager=values.get("manager"),
        memberships=cells.memberships,
        status=values.get("status", "active"),
        leaves_at=values.get("leaves_at"),
    )


def _differences(one: Person, other: Person) -> Iterator[str]:
    """Yield the columns in which two rows of a person contradict each other; an empty cell contradicts no value."""
    if one.manager and other.manager and one.manager != other.manager:
        yield "manager"
    for values, more, prefix in (
        (one.fields, other.fields, ""),
        (one.custom_fields, other.custom_fields, CUSTOM_FIELD),
    ):
        for name in values.keys() & more.keys():
            if None not in (values[name], more[name]) and values[name] != more[name]:
                yield prefix + name
    # These are values also where they are empty: a job that ends does not end another one.
    yield from (name for name in ("mail", "status", "leaves_at") if getattr(one, name) != getattr(other, name))


def _merged(one: Person, other: Person) -> Person:
    """Return a person with the values of two rows that do not contradict each other, and the groups of the first."""
    return replace(
        one,
        fields=_filled(one.fields, other.fields),
        custom_fields=_filled(one.custom_fields, other.custom_fields),
        manager=other.manager if one.manager is None else one.manager or other.manager or one.manager,
    )


def _filled(values: Mapping[str, str | None], more: Mapping[str, str | None]) -> dict[str, str | None]:
    return {**values, **{name: value for name, value in more.items() if values.get(name) is None}}


def _rows(numbers: Sequence[int]) -> str:
    return f"row{'s' * (len(numbers) > 1)} {listed([str(number) for number in numbers])}"
