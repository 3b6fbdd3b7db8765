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
        entries = [entry.strip().lower() for entry in options.protected]
        self._names = frozenset(entry for entry in entries if "*" not in entry)
        self._patterns = [_pattern(entry) for entry in entries if "*" in entry]

    def covers(self, user_id: str, mail: str, key: str | None, other_key: str | None) -> bool:
        """
        Return whether a user is protected.

        :param user_id: Id of the user, in lower case, or empty.
        :param mail: Email address, in lower case, or empty.
        :param key: The key without the namespace.
        :param other_key: What is in its place.
        """
        if user_id in self._users or mail in self._users:
            return True
        if not self._names and not self._patterns:
            return False
        keys = () if key is None else (key.lower(), self._namespace + key.lower())
        names = {name for name in (user_id, mail, *keys, (other_key or "").lower()) if name}
        return not self._names.isdisjoint(names) or any(
            pattern.fullmatch(name) for pattern in self._patterns for name in names
        )


def _pattern(text: str) -> re.Pattern[str]:
    """Return a pattern in which ``*`` is any text, and each other character is itself."""
    return re.compile(".*".join(map(re.escape, text.split("*"))), re.DOTALL)
