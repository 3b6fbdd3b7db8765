"""A table of keys on disk, for more keys than fit in memory."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence

_CACHE_KIB = 16 * 1024


class KeyTable:
    """
    Maps many keys to strings, in the order in which the keys were added, in constant memory.

    The table is a temporary file, which the operating system deletes when the table is closed or the process dies. Only
    one thread at a time may use it. Use it as a context manager, or :meth:`close` it.
    """

    def __init__(self) -> None:
        # "" is SQLite's name for a temporary database on disk.
        self._database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        # The file is never read again: nothing has to survive a crash, and nothing is rolled back.
        for setting in ("journal_mode = OFF", "synchronous = OFF", f"cache_size = -{_CACHE_KIB}"):
            self._database.execute(f"PRAGMA {setting}")
        self._database.execute("CREATE TABLE pairs (key TEXT UNIQUE NOT NULL, value TEXT NOT NULL)")
        self._database.execute("BEGIN")

    def put(self, key: str, value: str) -> None:
        """
        Set the value of a key.

        :param key: The key.
        :param value: Its value.
        """
        self._database.execute(
            "INSERT INTO pairs VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value", (key, value)
        )

    def add(self, key: str, value: str) -> str | None:
        """
        Set the value of a key that has none.

        :param key: The key.
        :param value: Its value.
        :return: The existing value, which stays; None if there was none.
        """
        added = self._database.execute("INSERT INTO pairs VALUES (?, ?) ON CONFLICT DO NOTHING", (key, value))
        return None if added.rowcount else self.get(key)

    def add_all(self, pairs: Sequence[tuple[str, str]]) -> bool:
        """
        Set the values of keys that have none, all at once.

        :param pairs: Keys and values.
        :return: Whether each key was new; one that had a value, also from an earlier pair, keeps it.
        """
        before = self._database.total_changes
        self._database.executemany("INSERT INTO pairs VALUES (?, ?) ON CONFLICT DO NOTHING", pairs)
        return self._database.total_changes - before == len(pairs)

    def get(self, key: str) -> str | None:
        """
        Return the value of a key.

        :param key: The key.
        :return: Its value, or None.
        """
        found = self._database.execute("SELECT value FROM pairs WHERE key = ?", (key,)).fetchone()
        return None if found is None else str(found[0])

    def items(self) -> Iterator[tuple[str, str]]:
        """Iterate over keys and values, in the order in which the keys were added."""
        return iter(self._database.execute("SELECT key, value FROM pairs ORDER BY rowid"))

    def __len__(self) -> int:
        return int(self._database.execute("SELECT count(*) FROM pairs").fetchone()[0])

    def close(self) -> None:
        """Delete the table."""
        self._database.close()

    def __enter__(self) -> KeyTable:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()
