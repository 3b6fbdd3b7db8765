"""Which rows would change nothing: those accepted before as they are, and those that 360Learning lists as they are."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_360learning.files.key_table import KeyTable
from airflow_provider_360learning.files.storage import atomic_writer, open_binary
from airflow_provider_360learning.rows.schema import CheckedRow, digest_of, ignore_case

#: File of what was accepted last: a digest of each key, and one of its row.
ACCEPTED = "accepted.txt"
IN_DOUBT = "?"
#: Characters of a digest that are kept: for a million keys, two alike are as likely as 1 in 10 million.
DIGEST_LENGTH = 16


@dataclass(frozen=True, slots=True)
class Listing:
    """
    StoragePath 360Learning says how things are.

    :param read: Reads the listing: calls what it is given with all that is listed, and returns what that returns.
    :param key: Argument that says which of the listed is meant.
    :param names: Fields of the listed, by any of which it may be meant.
    """

    read: Callable[[Callable[[Iterable[Mapping[str, Any]]], KeyTable]], KeyTable]
    key: str
    names: tuple[str, ...]

    def index(self, items: Iterable[Mapping[str, Any]]) -> KeyTable:
        """Make a table of what is listed, by each name that it may be meant by."""
        table = KeyTable()
        for item in items:
            for name in self.names:
                if item.get(name):
                    table.put(ignore_case(str(item[name])), json.dumps(dict(item), default=str))
        return table


class Changes:
    """
    Tells rows that change something from those that do not.

    :param folder: StoragePath it is remembered what was accepted, an ``ObjectStoragePath``.
    :param whose: Company and action: what one has accepted says nothing about another.
    :param listing: StoragePath 360Learning says how things are, if it lists what the action changes.
    :param facts: Rows say what happened once: each is remembered, also where a later one has the same key.
    """

    def __init__(self, folder: Any, whose: str, listing: Listing | None, *, facts: bool = False) -> None:
        self._file = folder / ACCEPTED
        self._whose = whose
        self._listing = listing
        self._facts = facts
        self._accepted = KeyTable()
        self._listed: KeyTable | None = None
        self._needs_listing = False
        self._load()

    def look_ahead(self, row: CheckedRow) -> None:
        """Note, before anything is sent, whether the listing is needed."""
        self._needs_listing = self._needs_listing or not (_has_secrets(row) or self._is_accepted(row))

    def read_listing(self) -> None:
        """Ask 360Learning how things are, if some row needs it."""
        if self._listing and self._needs_listing:
            self._listed = self._listing.read(self._listing.index)

    def are_in(self, row: CheckedRow) -> bool:
        """Tell whether a row may change something."""
        # Nothing is kept of a password that another could be compared with.
        return _has_secrets(row) or not (self._is_accepted(row) or self._is_listed(row))

    def accept(self, row: CheckedRow) -> None:
        """Remember that this is how things are now."""
        self._accepted.put(self._key(row), self._value(row))

    def doubt(self, row: CheckedRow) -> None:
        """Remember that this may be how things are now: a fact that may be known is not told again by itself."""
        if self._facts:
            self._accepted.put(self._key(row), IN_DOUBT + self._value(row))

    def may_be_done(self, row: CheckedRow) -> bool:
        """Tell whether a run before was not certain to have done this very row."""
        return self._accepted.get(self._key(row)) == IN_DOUBT + self._value(row)

    def keep(self) -> None:
        """WriteSpec down what was accepted."""
        with atomic_writer(self._file) as file:
            for key, value in self._accepted.items():
                file.write(f"{key} {value}\n".encode())

    def close(self) -> None:
        """Forget what was read."""
        self._accepted.close()
        if self._listed is not None:
            self._listed.close()

    def _load(self) -> None:
        try:
            with open_binary(self._file) as file:
                for line in file:
                    key, _, value = line.decode().strip().partition(" ")
                    self._accepted.put(key, value)
        except FileNotFoundError:
            pass

    def _is_accepted(self, row: CheckedRow) -> bool:
        return self._accepted.get(self._key(row)) == self._value(row)

    def _is_listed(self, row: CheckedRow) -> bool:
        if self._listing is None or self._listed is None:
            return False
        found = self._listed.get(ignore_case(str(getattr(row.valid_arguments(), self._listing.key))))
        there = json.loads(found) if found else {}
        asked = {name: value for name, value in row.valid_arguments().given().items() if name != self._listing.key}
        return bool(there) and all(name in there and there[name] == value for name, value in asked.items())

    def _key(self, row: CheckedRow) -> str:
        parts = (self._whose, ignore_case(row.key), self._value(row) if self._facts else "")
        return digest_of(*parts)[:DIGEST_LENGTH]

    def _value(self, row: CheckedRow) -> str:
        return row.digest().hex()[:DIGEST_LENGTH]


def _has_secrets(row: CheckedRow) -> bool:
    return row.valid_arguments().has_secrets()
