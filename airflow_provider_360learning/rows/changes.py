"""Find rows that would change nothing, because they were accepted before or 360Learning lists them as they are."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from airflow.providers.common.compat.sdk import ObjectStoragePath

from airflow_provider_360learning.api.interface import LearningApi
from airflow_provider_360learning.files.key_table import KeyTable
from airflow_provider_360learning.files.storage import atomic_writer, open_binary
from airflow_provider_360learning.rows.config import RowsConfig
from airflow_provider_360learning.rows.results import UNKNOWN, Result
from airflow_provider_360learning.rows.schema import CheckedRow, digest_of, ignore_case
from airflow_provider_360learning.rows.stored_state import StoredStateError

#: File of the remembered state: digests of what was accepted last.
ACCEPTED = "accepted.txt"
#: Its first line: name and version of the format. The last line has the number of entries.
HEADER = "learning360-accepted 1"
FOOTER = "end"
#: Marks what may have been accepted.
UNCONFIRMED = "?"
#: Marks a subject of which a part was changed since.
OUTDATED = "-"
#: Separator of the values in the key of a row.
SEPARATOR = " / "
#: Characters of a digest that are stored: a collision among a million keys has a probability of 1 in 10 million.
DIGEST_LENGTH = 16

_ADVICE = "Restore it, or remove it: then all rows are sent once. Nothing was sent."


@dataclass(frozen=True, slots=True)
class Listing:
    """
    How 360Learning lists what an action changes.

    :param read: Reads the listing: passes all items to the callback and returns what that returns.
    :param key: Argument that identifies an item.
    :param names: Fields of an item that can identify it.
    """

    read: Callable[[Callable[[Iterable[Mapping[str, Any]]], KeyTable]], KeyTable]
    key: str
    names: tuple[str, ...]

    def index(self, items: Iterable[Mapping[str, Any]]) -> KeyTable:
        """Return the items by each name that identifies them."""
        table = KeyTable()
        for item in items:
            for name in self.names:
                if item.get(name):
                    table.put(ignore_case(str(item[name])), json.dumps(dict(item), default=str))
        return table


#: Actions whose effect 360Learning lists.
LISTINGS: dict[str, Callable[[LearningApi], Listing]] = {
    "update_user": lambda api: Listing(api.read_users, "user", ("user_id", "mail")),
    "update_group": lambda api: Listing(lambda take: take(api.list_groups()), "group_id", ("group_id",)),
}


class Changes:
    """
    Remembers, for each subject, the action that 360Learning accepted last, and finds rows that would repeat it.

    An entry says how the subject is only until another action on it is accepted: a person who was created, deleted and
    is to be created again has changed. What depends on several subjects (a person in a group) counts their changes,
    too: who was deleted and created again is in no group.

    :param folder: Folder of the remembered state.
    :param company: The company; entries of one say nothing about another.
    :param action: Name of the action.
    :param target: What all rows are done to.
    :param listing: How 360Learning lists what the action changes, if it does.
    :param append_only: Whether rows report events: each is remembered, also if a later one has the same key.
    :param skip: Whether rows that would change nothing are found; otherwise, what is accepted is only remembered.
    """

    def __init__(
        self,
        folder: ObjectStoragePath,
        company: str,
        action: str,
        target: str,
        listing: Listing | None,
        *,
        append_only: bool = False,
        skip: bool = True,
    ) -> None:
        self._file = folder / ACCEPTED
        self._company = company
        self._action = action
        self._target = target
        self._listing = listing if skip else None
        self._append_only = append_only
        self._skip = skip
        self._accepted = KeyTable()
        self._listed: KeyTable | None = None
        self._needs_listing = False
        self._load()

    def look_ahead(self, row: CheckedRow) -> None:
        """Note, before anything is sent, whether the listing is needed."""
        self._needs_listing = self._needs_listing or not (_has_secrets(row) or self._is_accepted(row))

    def read_listing(self) -> None:
        """Read the listing, if a row needs it."""
        if self._listing and self._needs_listing:
            self._listed = self._listing.read(self._listing.index)

    def changes_something(self, row: CheckedRow) -> bool:
        """Return whether a row may change something."""
        # Nothing is stored of a password that another could be compared with.
        return not self._skip or _has_secrets(row) or not (self._is_accepted(row) or self._is_listed(row))

    def is_unconfirmed(self, row: CheckedRow) -> bool:
        """Return whether an earlier run may have done this row, which must not be done twice."""
        return self._skip and self._append_only and self._accepted.get(self._key(row)) == UNCONFIRMED + self._value(row)

    def record(self, row: CheckedRow, result: Result) -> None:
        """
        Remember what is known after a row.

        :param row: The row.
        :param result: Its result.
        """
        if result.is_done:
            self._put(row, self._value(row))
        elif result.outcome == UNKNOWN or (result.retryable and not self._append_only):
            self._put(row, UNCONFIRMED + self._value(row))  # it may have been done

    def save(self) -> None:
        """Write the remembered state."""
        with atomic_writer(self._file) as file:
            file.write(f"{HEADER}\n".encode())
            for key, value in self._accepted.items():
                file.write(f"{key} {value}\n".encode())
            file.write(f"{FOOTER} {len(self._accepted)}\n".encode())

    def close(self) -> None:
        """Release the tables."""
        self._accepted.close()
        if self._listed is not None:
            self._listed.close()

    def _load(self) -> None:
        try:
            with open_binary(self._file) as file:
                for key, value in self._entries(iter(file)):
                    self._accepted.put(key, value)
        except FileNotFoundError:
            pass

    def _entries(self, lines: Iterator[bytes]) -> Iterator[tuple[str, str]]:
        header = next(lines, b"").decode(errors="replace").rstrip("\n")
        if header != HEADER:
            raise StoredStateError(self._file, f"begins with {header[:40]!r}, not with {HEADER!r}", _ADVICE)
        entries = 0
        for line in lines:
            key, _, value = line.decode(errors="replace").rstrip("\n").partition(" ")
            if key == FOOTER:
                if value == str(entries) and next(lines, None) is None:
                    return
                break
            if len(key) != DIGEST_LENGTH or not value:
                break
            entries += 1
            yield key, value
        raise StoredStateError(self._file, f"is damaged after {entries} entries", _ADVICE)

    def _put(self, row: CheckedRow, value: str) -> None:
        key = self._key(row)
        if self._append_only:
            self._accepted.put(key, value)
            return
        self._accepted.put(key, f"{value}:{self._changes_of(key) + (not self._is_entry(key, value))}")
        for wider in _wider_keys(ignore_case(row.key)):
            wider_key = self._digest(self._target, wider)
            if self._accepted.get(wider_key) is not None:
                self._accepted.put(wider_key, f"{OUTDATED}:{self._changes_of(wider_key)}")

    def _is_accepted(self, row: CheckedRow) -> bool:
        return self._is_entry(self._key(row), self._value(row))

    def _is_entry(self, key: str, value: str) -> bool:
        found = self._accepted.get(key)
        return found is not None and found.partition(":")[0] == value

    def _is_listed(self, row: CheckedRow) -> bool:
        if self._listing is None or self._listed is None:
            return False
        found = self._listed.get(ignore_case(str(getattr(row.valid_arguments(), self._listing.key))))
        listed = json.loads(found) if found else {}
        wanted = {name: value for name, value in row.valid_arguments().given().items() if name != self._listing.key}
        return bool(listed) and all(name in listed and listed[name] == value for name, value in wanted.items())

    def _changes_of(self, key: str) -> int:
        """Return how often the entry of a subject was replaced by another."""
        return int((self._accepted.get(key) or "").partition(":")[2] or 0)

    def _key(self, row: CheckedRow) -> str:
        if self._append_only:
            return self._digest(self._action, self._target, ignore_case(row.key), row.digest().hex())
        return self._digest(self._target, ignore_case(row.key))

    def _value(self, row: CheckedRow) -> str:
        if self._append_only:
            return self._digest(row.digest().hex())
        key = ignore_case(row.key)
        subjects = [*_parts_of(key), *_wider_keys(key)]
        changes = [str(self._changes_of(self._digest(self._target, subject))) for subject in subjects]
        return self._digest(self._action, row.digest().hex(), *changes)

    def _digest(self, *parts: str) -> str:
        return digest_of(self._company, *parts)[:DIGEST_LENGTH]


def open_changes(
    config: RowsConfig, api: LearningApi, action: str, target: str, *, append_only: bool
) -> Changes | None:
    """
    Return the remembered state, if the run uses or must maintain it.

    A run that sends everything still records what is accepted where a state is kept: it may undo what another recorded.

    :param config: The run.
    :param api: The actions, for the listing.
    :param action: Name of the action.
    :param target: What all rows are done to.
    :param append_only: See :class:`Changes`.
    """
    skip = action.startswith("update_") if config.skip_unchanged is None else config.skip_unchanged
    if not (skip or config.state_path or (config.state_folder / ACCEPTED).exists()):
        return None
    listing = LISTINGS[action](api) if action in LISTINGS else None
    company = api.client.company
    return Changes(config.state_folder, company, action, target, listing, append_only=append_only, skip=skip)


def _parts_of(key: str) -> Sequence[str]:
    """Return the subjects that a key names: of "ana / group / learner" all three."""
    parts = key.split(SEPARATOR)
    return parts if len(parts) > 1 else ()


def _wider_keys(key: str) -> Sequence[str]:
    """Return the keys of which this one is a part: of "ana / group / learner" it is "ana / group", for all roles."""
    parts = key.split(SEPARATOR)
    return [SEPARATOR.join(parts[:count]) for count in range(2, len(parts))]


def _has_secrets(row: CheckedRow) -> bool:
    return row.valid_arguments().has_secrets()
