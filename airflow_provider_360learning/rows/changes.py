"""Find rows that would change nothing, because they were accepted before or 360Learning lists them as they are."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from airflow.providers.common.compat.sdk import ObjectStoragePath

from airflow_provider_360learning.api.interface import LearningApi
from airflow_provider_360learning.files.key_table import KeyTable
from airflow_provider_360learning.files.permissions import PRIVATE
from airflow_provider_360learning.files.storage import atomic_writer, open_binary, size_of
from airflow_provider_360learning.rows.config import RowsConfig
from airflow_provider_360learning.rows.effects import Effects, Fact, effects_of
from airflow_provider_360learning.rows.results import UNCHANGED, UNKNOWN, Result
from airflow_provider_360learning.rows.schema import CheckedRow, digest_of, ignore_case
from airflow_provider_360learning.rows.stored_state import StoredStateError

#: File of the remembered state: digests of what was accepted last.
ACCEPTED = "accepted.txt"
#: Its first line: name and version of the format. The last line has the number of entries.
HEADER = "learning360-accepted 1"
FOOTER = "end"
#: Marks what may have been accepted.
UNCONFIRMED = "?"
#: Characters of a digest that are stored: a collision among a million keys has a probability of 1 in 10 million.
DIGEST_LENGTH = 16

#: Maximum number of bytes of a line: a longer one is not one of ours.
_MAX_LINE = 100
_ENTRY = re.compile(r"(\??[0-9a-f]{16})?:[0-9]{1,18}", re.ASCII)
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
    Remembers, for each action and key, the row that 360Learning accepted last, and finds rows that would repeat it.

    An entry holds until something that it depends on is changed by another accepted row: a person who was created and
    then deleted is to be created again. For this, the rows are numbered, and it is remembered which one changed a fact
    last. An object that is named in another way (by id instead of email address) may be the same one, so that a change
    of any such object counts.

    :param folder: Folder of the remembered state.
    :param company: The company; entries of one say nothing about another.
    :param action: Name of the action.
    :param target: What all rows are done to.
    :param listing: How 360Learning lists what the action changes, if it does.
    :param append_only: Whether rows report events: each is remembered, also if a later one has the same key.
    :param skip: Whether rows that would change nothing are found; otherwise, what is accepted is only remembered.
    :param file_mode: Permissions of the file.
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
        file_mode: int = PRIVATE,
    ) -> None:
        self._file = folder / ACCEPTED
        self._company = company
        self._action = action
        self._target = target
        self._listing = listing if skip else None
        self._append_only = append_only
        self._skip = skip
        self._file_mode = file_mode
        self._accepted = KeyTable()
        self._listed: KeyTable | None = None
        self._needs_listing = False
        #: Number of the last row that was recorded.
        self._number = 0
        #: Facts that rows of this run change, by how these name their objects.
        self._sent: set[tuple[str, ...]] = set()
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
        if self._skip and not _has_secrets(row):
            if self._is_accepted(row):
                return False
            if self._is_listed(row):
                self._put(row, self._value(row), [])
                return False
        self._sent.update(fact.any_named_alike for fact in self._effects(row).changes)
        return True

    def is_unconfirmed(self, row: CheckedRow) -> bool:
        """Return whether an earlier run may have done this row, which must not be done twice."""
        return self._skip and self._append_only and self._entry(row)[0] == UNCONFIRMED + self._value(row)

    def record(self, row: CheckedRow, result: Result, *, is_unconfirmed: bool = False) -> None:
        """
        Remember what is known after a row was sent.

        :param row: The row.
        :param result: Its result.
        :param is_unconfirmed: Whether an earlier attempt may have sent it: then it may have done more than it says.
        """
        if result.outcome == "already_invited":
            return  # nothing of the row is done before the person accepts
        if result.is_done:
            outcome = None if is_unconfirmed else result.outcome
            value = (UNCONFIRMED if _may_be_accepted_later(row, result) else "") + self._value(row)
            self._put(row, value, self._effects(row).changes_of(outcome))
        elif result.outcome == UNKNOWN or (result.retryable and not self._append_only):
            self._put_unconfirmed(row)  # it may have been done

    def record_earlier(self, row: CheckedRow, result: Result) -> None:
        """
        Remember a row of an attempt that was killed before it saved the state.

        What another run has recorded since may be newer, so that neither is certain. Only events have no order.

        :param row: The row.
        :param result: Its result.
        """
        if result.outcome == UNCHANGED:
            return
        if self._append_only:
            self.record(row, result)
        elif result.is_done or result.outcome == UNKNOWN or result.retryable:
            self._put_unconfirmed(row)

    def save(self) -> None:
        """Write the remembered state."""
        with atomic_writer(self._file, file_mode=self._file_mode) as file:
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
                for key, value in self._entries(iter(partial(file.readline, _MAX_LINE), b"")):
                    self._accepted.put(key, value)
                    self._number = max(self._number, _number_in(value))
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
            if len(key) != DIGEST_LENGTH or not _ENTRY.fullmatch(value):
                break
            entries += 1
            yield key, value
        raise StoredStateError(self._file, f"is damaged after {entries} entries", _ADVICE)

    def _put_unconfirmed(self, row: CheckedRow) -> None:
        self._put(row, UNCONFIRMED + self._value(row), self._effects(row).changes)

    def _put(self, row: CheckedRow, value: str, changes: Sequence[Fact]) -> None:
        self._number += 1
        if self._is_ambiguous(row) and not value.startswith(UNCONFIRMED):
            value = UNCONFIRMED + value
        self._accepted.put(self._key(row), f"{value}:{self._number}")
        for fact in changes:
            self._accepted.put(self._digest(*fact.id), f":{self._number}")
            self._accepted.put(self._digest(*fact.any_named_alike), f":{self._number}")

    def _is_accepted(self, row: CheckedRow) -> bool:
        value, number = self._entry(row)
        if value != self._value(row) or self._is_ambiguous(row):
            return False
        return all(
            _number_in(self._accepted.get(self._digest(*each)) or "") <= number
            for fact in self._effects(row).depends_on
            for each in (fact.id, *fact.any_named_otherwise)
        )

    def _is_ambiguous(self, row: CheckedRow) -> bool:
        """Return whether another row of this run may change the same object, which it names in another way."""
        if not self._sent:
            return False
        facts = self._effects(row).depends_on
        return any(each in self._sent for fact in facts for each in fact.any_named_otherwise)

    def _entry(self, row: CheckedRow) -> tuple[str, int]:
        found = self._accepted.get(self._key(row)) or ""
        return found.partition(":")[0], _number_in(found)

    def _is_listed(self, row: CheckedRow) -> bool:
        if self._listing is None or self._listed is None or self._is_ambiguous(row):
            return False
        found = self._listed.get(ignore_case(str(getattr(row.valid_arguments(), self._listing.key))))
        listed = json.loads(found) if found else {}
        wanted = {name: value for name, value in row.valid_arguments().given().items() if name != self._listing.key}
        return bool(listed) and all(name in listed and listed[name] == value for name, value in wanted.items())

    def _effects(self, row: CheckedRow) -> Effects:
        return Effects() if self._append_only else effects_of(self._action, row.valid_arguments())

    def _key(self, row: CheckedRow) -> str:
        event = [row.digest().hex()] if self._append_only else []
        return self._digest(self._action, self._target, row.identity, *event)

    def _value(self, row: CheckedRow) -> str:
        return self._digest(row.digest().hex())

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
    if not skip and not config.state_path and size_of(config.state_folder / ACCEPTED) is None:
        return None
    listing = LISTINGS[action](api) if action in LISTINGS else None
    company = api.client.company
    return Changes(
        config.state_folder,
        company,
        action,
        target,
        listing,
        append_only=append_only,
        skip=skip,
        file_mode=config.file_mode,
    )


def _number_in(value: str) -> int:
    return int(value.partition(":")[2] or 0)


def _may_be_accepted_later(row: CheckedRow, result: Result) -> bool:
    """Return whether an invitation is pending: only sending the row again shows whether it was accepted."""
    # With if_exists="fail", the row would be refused. An update of a user has no `if_exists`.
    if_exists = getattr(row.valid_arguments(), "if_exists", "fail")
    return result.outcome == "invited" and if_exists != "fail"


def _has_secrets(row: CheckedRow) -> bool:
    return row.valid_arguments().has_secrets()
