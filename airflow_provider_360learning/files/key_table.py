"""A table of keys on disk, for more keys than fit in memory."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

_CACHE_KIB = 16 * 1024


class KeyTable:
    """
    Keeps a text for each of many keys, in the order in which the keys came, in constant memory.

    It lies in a temporary file that the operating system deletes when the table is closed or the process dies. One
    thread at a time may use it. Use it as a context manager, or :meth:`close` it.
    """

    def __init__(self) -> None:
        # "" is SQLite's name for a temporary database on disk.
        self._database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        # Nobody will ever read this file again: nothing has to survive a crash, nothing is ever rolled back.
        for setting in ("journal_mode = OFF", "synchronous = OFF", f"cache_size = -{_CACHE_KIB}"):
            self._database.execute(f"PRAGMA {setting}")
        self._database.execute("CREATE TABLE pairs (key TEXT UNIQUE NOT NULL, value TEXT NOT NULL)")
        self._database.execute("BEGIN")

    def put(self, key: str, value: str) -> None:
        """
        Keep a value, in the place of the one that the key had before, if any.

        :param key: The key.
        :param value: Its value.
        """
        self._database.execute(
            "INSERT INTO pairs VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value", (key, value)
        )

    def add(self, key: str, value: str) -> str | None:
        """
        Keep a value, unless the key has one already.

        :param key: The key.
        :param value: Its value.
        :return: The value that the key had before (and keeps), None if it had none.
        """
        added = self._database.execute("INSERT INTO pairs VALUES (?, ?) ON CONFLICT DO NOTHING", (key, value))
        return None if added.rowcount else self.get(key)

    def get(self, key: str) -> str | None:
        """
        Look a value up.

        :param key: The key.
        :return: Its value, None if there is none.
        """
        found = self._database.execute("SELECT value FROM pairs WHERE key = ?", (key,)).fetchone()
        return None if found is None else str(found[0])

    def items(self) -> Iterator[tuple[str, str]]:
        """All keys and values, in the order in which the keys came first."""
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
