"""The journal: one entry for every API request, in the order of arrival, without secrets."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import asdict, dataclass, field, fields

SECRET_KEYS = frozenset({"password", "apikey", "client_secret", "authorization", "x-apikey", "access_token"})
MASK = "***"


@dataclass
class Entry:
    """What is known about one request.

    :param id: counts from 1, in the order of arrival.
    :param operation: name of the operation; ``None`` for a route that does not exist.
    :param path: the path as it was sent, percent-encoding included.
    :param query: the decoded query, without the key.
    :param ip: source address of the connection.
    :param arrived_at: when it was counted, in monotonic seconds of this machine.
    :param wall_time: the same moment, seconds since the epoch.
    :param clock: the same moment on the sandbox's clock.
    :param status: status of the answer; ``None`` if the connection was dropped before it, or while under way.
    :param done: whether the work was done (a refused, failed or dropped request did nothing).
    :param error: the error code of the answer.
    :param refused_by: the limits that had no room for it.
    :param body: the decoded body.
    :param user: mail or id of the person it is about.
    :param auth: how it authenticated: ``token``, ``headers``, ``query`` or ``none``.
    :param fault: the kind of fault that hit it.
    """

    id: int
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
    done: bool = False
    error: str | None = None
    refused_by: list[str] = field(default_factory=list)
    body: object = None
    user: str | None = None
    fault: str | None = None

    def without_secrets(self, secret: str) -> Entry:
        """Return this entry with masks over the values of secret keys, and over a secret wherever it stands."""
        masked = {each.name: _masked(getattr(self, each.name), secret) for each in fields(self)}
        return Entry(**masked)  # type: ignore[arg-type]


class Journal:
    """All entries since the start or the last :meth:`clear`."""

    def __init__(self) -> None:
        self._entries: list[Entry] = []
        self._count = 0

    def next_id(self) -> int:
        """Number the next arrival."""
        self._count += 1
        return self._count

    def add(self, entry: Entry) -> Entry:
        """Record an arrival; the entry is completed while the request is answered."""
        self._entries.append(entry)
        return entry

    def clear(self) -> None:
        """Forget all entries."""
        self._entries.clear()

    def plain(self, after: int = 0) -> list[dict[str, object]]:
        """Return the entries as plain JSON.

        :param after: only those with a greater id.
        """
        first = bisect_right(self._entries, after, key=lambda entry: entry.id)
        return [asdict(entry) for entry in self._entries[first:]]


def _masked(value: object, secret: str) -> object:
    if isinstance(value, dict):
        return {
            _masked(key, secret): MASK if str(key).lower() in SECRET_KEYS else _masked(item, secret)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_masked(item, secret) for item in value]
    return value.replace(secret, MASK) if isinstance(value, str) else value
