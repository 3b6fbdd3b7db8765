"""The journal: one entry per API request in order of arrival, without secrets."""

from __future__ import annotations

import logging
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields

from airflow_provider_360learning.sandbox.state.budget import MEGABYTE, memory_of

SECRET_KEYS = frozenset({"password", "apikey", "client_secret", "authorization", "x-apikey", "access_token"})
MASK = "***"

#: Estimated memory of an entry without its path, query and body, in bytes.
ENTRY_BYTES = 1000

_log = logging.getLogger(__name__)


@dataclass
class Entry:
    """
    One request and what became of it.

    :param id: counts from 1, in order of arrival.
    :param version: the API version.
    :param operation: name of the operation; ``None`` for an unknown route.
    :param path: the path as it was sent, percent-encoded.
    :param query: the decoded query.
    :param ip: source address of the connection.
    :param arrived_at: when it was counted, on the clock of the rate limits: monotonic seconds of this machine.
    :param wall_time: the same time in seconds since the epoch.
    :param clock: the same time on the sandbox's clock.
    :param auth: how it authenticated: ``token``, ``headers``, ``query`` or ``none``.
    :param status: status of the response; ``None`` before there is one, or if the connection was dropped first.
    :param seconds: time from the arrival until the response was sent, or its first part, or the connection was dropped;
        ``None`` until then.
    :param done: whether the work was done (a request that is refused, fails or is dropped early does none).
    :param error: error code of the response.
    :param refused_by: the limits that had no capacity.
    :param body: the decoded body.
    :param user: email address or id of the person it is about.
    :param fault: the kind of fault that hit it.
    """

    id: int
    version: str
    operation: str | None
    method: str
    path: str
    query: object
    ip: str
    arrived_at: float
    wall_time: float
    clock: float
    auth: str = "none"
    status: int | None = None
    seconds: float | None = None
    done: bool = False
    error: str | None = None
    refused_by: list[str] = field(default_factory=list)
    body: object = None
    user: str | None = None
    fault: str | None = None

    def without_secrets(self, *secrets: str) -> Entry:
        """
        Return this entry with masked values of secret keys.

        :param secrets: texts that are masked wherever they occur.
        """
        masked = {each.name: _masked(getattr(self, each.name), secrets) for each in fields(self)}
        return Entry(**masked)  # type: ignore[arg-type]  # masking keeps the types


class Journal:
    """
    All entries since the start or the last :meth:`clear`, or the newest ones, if these take too much memory.

    :param max_mb: returns the maximum in MB.
    """

    def __init__(self, max_mb: Callable[[], float]) -> None:
        self._max_mb = max_mb
        self._count = 0
        self.clear()

    def next_id(self) -> int:
        """Return the id of the next entry."""
        self._count += 1
        return self._count

    def add(self, entry: Entry) -> Entry:
        """Add an entry, which is completed while the request is handled."""
        size = ENTRY_BYTES + len(entry.path) + memory_of(entry.query) + memory_of(entry.body)
        self._entries.append((entry, size))
        self._size += size
        self._remove_oldest()
        return entry

    def clear(self) -> None:
        """Remove all entries."""
        self._entries: list[tuple[Entry, int]] = []
        self._size = 0
        self._is_complete = True

    def as_list(self, after: int = 0) -> list[dict[str, object]]:
        """
        Return the entries as JSON values.

        :param after: only those with a greater id.
        """
        first = bisect_right(self._entries, after, key=lambda pair: pair[0].id)
        return [asdict(entry) for entry, _ in self._entries[first:]]

    def __len__(self) -> int:
        """Return the number of entries."""
        return len(self._entries)

    def newest(self, count: int) -> list[Entry]:
        """Return the last entries, the newest one first."""
        return [entry for entry, _ in reversed(self._entries[-count:])]

    def since(self, arrived_at: float) -> list[Entry]:
        """Return the entries of requests that arrived at a time or later."""
        first = bisect_left(self._entries, arrived_at, key=lambda pair: pair[0].arrived_at)
        return [entry for entry, _ in self._entries[first:]]

    def _remove_oldest(self) -> None:
        """Remove entries that are too much, but never the newest one."""
        while self._size > self._max_mb() * MEGABYTE and len(self._entries) > 1:
            if self._is_complete:
                _log.warning("Journal exceeds %g MB (max_journal_mb); removing its oldest entries", self._max_mb())
                self._is_complete = False
            self._size -= self._entries.pop(0)[1]


def _masked(value: object, secrets: tuple[str, ...]) -> object:
    if isinstance(value, dict):
        return {
            _masked(key, secrets): MASK if str(key).lower() in SECRET_KEYS else _masked(item, secrets)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_masked(item, secrets) for item in value]
    if isinstance(value, str):
        for secret in secrets:
            value = value.replace(secret, MASK)
    return value
