"""Who is never changed by a sync."""

from __future__ import annotations

import re
from collections.abc import Collection

from airflow_provider_360learning.sync.options import SyncOptions


class Protection:
    """
    Decides which users are protected.

    :param options: Addresses, ids, keys and patterns of users.
    :param users: Ids or email addresses, in lower case, of users who are protected by their roles.
    """

    def __init__(self, options: SyncOptions, users: Collection[str]) -> None:
        self._users = frozenset(users)
        self._namespace = options.key_namespace.lower()
        self._entries = [entry.strip().lower() for entry in options.protected]
        self._names = frozenset(entry for entry in self._entries if "*" not in entry)
        self._patterns = {entry: _pattern(entry) for entry in self._entries if "*" in entry}
        self._used: set[str] = set()

    @property
    def unused(self) -> list[int]:
        """The indexes of the entries that have not matched any user so far."""
        return [index for index, entry in enumerate(self._entries) if entry not in self._used]

    def covers(self, user_id: str, mail: str, key: str | None, other_key: str | None) -> bool:
        """
        Return whether a user is protected.

        :param user_id: Id of the user, in lower case, or empty.
        :param mail: Email address, in lower case, or empty.
        :param key: The key without the namespace.
        :param other_key: What is in its place.
        """
        matches: set[str] = set()
        if self._entries:
            keys = () if key is None else (key.lower(), self._namespace + key.lower())
            names = {name for name in (user_id, mail, *keys, (other_key or "").lower()) if name}
            matches |= self._names & names
            matches.update(entry for entry, one in self._patterns.items() if any(map(one.fullmatch, names)))
            self._used |= matches
        return bool(matches) or user_id in self._users or mail in self._users


def _pattern(text: str) -> re.Pattern[str]:
    """Return a pattern in which ``*`` is any text, and each other character is itself."""
    return re.compile(".*".join(map(re.escape, text.split("*"))), re.DOTALL)
