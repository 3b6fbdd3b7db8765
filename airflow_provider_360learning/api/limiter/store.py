"""
StoragePath reservations live: in this process or on this host (a file); ``redis_store.py`` has those of many hosts.

A store books one moment against several limits at once, in one atomic step, and knows nothing of 360Learning.
Moments are seconds of the store's own clock and never leave it: callers are told how long to wait.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import secrets
import sqlite3
import stat
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Protocol

#: How long a limit that a process works with stays known to the others, in seconds. Short, so that a number that
#: was stated by mistake does not outlive its correction by much.
AGREEMENT_LIFE = 120.0
#: A 429 within this many seconds after a push-back ended counts as "again", not as new trouble: a window and
#: the time that an answer takes.
CONSECUTIVE_429_WINDOW = 2.0
#: What a push-back leaves of the pace of a limit: somebody else may be using a part of it.
SLOWED_TO = 0.85
#: The least that push-backs in a row leave of it.
SLOWEST = 0.05
#: The pace that comes back is this much times the square of the requests that the whole limit would have
#: allowed since: hardly any at first, where the next 429 would be, and all of it after some hundred.
REGAINED = 2e-6
#: Reservations this long past, in seconds, are deleted.
FORGOTTEN_AFTER = 120.0
#: How long to wait for another process that holds the file, in seconds. It is held for well under 1 ms.
LOCK_TIMEOUT = 20.0


class StoreUnavailableError(Exception):
    """The store cannot be reached or is damaged; the message says which and why."""


class NoCapacityError(Exception):
    """
    The limits leave no room within the time allowed.

    :param wait: Seconds until there would be room.
    """

    def __init__(self, wait: float) -> None:
        super().__init__(f"no room for {wait:.1f} s")
        self.wait = wait


@dataclass(frozen=True, slots=True)
class SharedLimit:
    """
    One limit that a request must respect.

    :param key: Who shares it; requests with the same key share the limit.
    :param requests: Maximum number of requests in a window.
    :param window: Seconds, margin included.
    """

    key: str
    requests: int
    window: float


@dataclass(frozen=True, slots=True)
class Reservation:
    """
    A booked moment.

    :param wait: Seconds from now until the moment.
    :param moment: The moment on the store's clock.
    :param token: Tells reservations of one moment apart.
    :param keys: The limits that it counts against.
    :param limiting_key: Key of the limit that made it wait the longest, if any.
    :param lowered: Limits for which another process works with a lower number of calls, and that number.
    :param store: StoragePath it was made; its moment means nothing elsewhere.
    """

    wait: float
    moment: float
    token: int
    keys: tuple[str, ...]
    limiting_key: str | None = None
    lowered: tuple[tuple[str, int], ...] = ()
    store: Store | None = field(default=None, repr=False, compare=False)


class Store(Protocol):
    """What the budget needs of a place for reservations."""

    def check(self) -> None:
        """
        Make sure that the store can be used.

        :raises StoreUnavailableError: if not.
        """

    def reserve(
        self,
        limits: Sequence[SharedLimit],
        *,
        max_wait: float,
        not_within: float = 0.0,
        replacing: Reservation | None = None,
        agree: bool = True,
    ) -> Reservation:
        """
        Book the earliest moment at which every limit has room.

        :param limits: The limits.
        :param max_wait: Seconds; a later moment is not booked.
        :param not_within: Seconds that must pass first.
        :param replacing: A reservation against the same limits, to give up in the same step.
        :param agree: RowWriter with the lowest number of calls that anybody states for a limit, and tell the others.
        :raises NoCapacityError: if the moment is further away than ``max_wait``.
        :raises StoreUnavailableError: if the store cannot be used.
        """

    def release(self, reservation: Reservation) -> None:
        """Give up a reservation whose request will not be sent."""

    def lateness(self, reservation: Reservation) -> float | None:
        """Seconds since the reserved moment; ``None`` if a push-back has closed it meanwhile."""

    def back_off(
        self,
        reservation: Reservation,
        levels: Sequence[Sequence[SharedLimit]],
        asked: float | None,
        growing: Callable[[int], float],
    ) -> float:
        """
        Close limits for a while after a 429, and slow them down for a longer while.

        The first level is closed, and all levels at a second 429 in short order. Answers to requests that were
        sent before the limit was closed are no second one.

        :param reservation: That of the request that was refused.
        :param levels: The limits that the request counted against, the narrowest level first.
        :param asked: Seconds to close for, if the server said so.
        :param growing: Seconds to close for otherwise, given how many times in a row this was (1 for the first).
        :returns: Seconds that the limits are closed for.
        """


def earliest(moments: Iterable[float], calls: int, window: float, start: float) -> float:
    """
    Find the first moment from ``start`` on that keeps every window at ``calls`` requests or fewer.

    Gaps before later reservations are used as well: ``calls`` neighbours that lie within one window keep any
    further request out of the time from the last one's moment less a window to the first one's moment plus a
    window.

    :param moments: Moments taken, in order; those up to ``start - window`` may be missing.
    :param requests: Maximum number of requests in a window.
    :param window: Seconds.
    :param start: The first moment wanted.
    """
    neighbours: deque[float] = deque(maxlen=calls)
    for moment in moments:
        neighbours.append(moment)
        if len(neighbours) < calls:
            continue
        closed_from, closed_until = neighbours[-1] - window, neighbours[0] + window
        if closed_from >= start:
            break
        if closed_until > start and closed_from < neighbours[0]:
            start = closed_until
    return start


class LimitState(NamedTuple):
    """
    What a store knows of a limit besides its reservations.

    :param closed_until: End of the last push-back.
    :param consecutive_429s: Push-backs in a row for which the server did not say how long.
    :param part: What the last push-back left of the pace; it comes back with time.
    :param lowest: The lowest number of calls that anybody states.
    :param lowest_until: How long that is believed.
    """

    closed_until: float = float("-inf")
    consecutive_429s: int = 0
    part: float = 1.0
    lowest: int = 0
    lowest_until: float = float("-inf")

    def agreed(self, limit: SharedLimit, now: float) -> LimitState:
        """Take note of the calls that somebody states, where nobody stated fewer; seldom, to write little."""
        if self.lowest_until > now and limit.requests > self.lowest:
            return self
        if self.lowest == limit.requests and self.lowest_until > now + AGREEMENT_LIFE / 2:
            return self
        return self._replace(lowest=limit.requests, lowest_until=now + AGREEMENT_LIFE)

    def pace(self, limit: SharedLimit, now: float) -> float:
        """Tell which part of the limit is used at the moment."""
        allowed = max(0.0, now - self.closed_until) * limit.requests / limit.window
        return min(1.0, self.part + REGAINED * allowed**2)

    def slowed(self, limit: SharedLimit, now: float) -> SharedLimit:
        """Space requests evenly while a limit is slowed down: bursts would meet those of somebody else."""
        pace = self.pace(limit, now)
        return limit if pace == 1.0 else SharedLimit(limit.key, 1, limit.window / (limit.requests * pace))

    def backed_off(self, limit: SharedLimit, now: float, seconds: float, consecutive_429s: int) -> LimitState:
        """Close and slow down."""
        until = now + seconds
        if until <= self.closed_until:  # a shorter push-back never reopens what a longer one closed
            return self
        part = self.part if now <= self.closed_until else max(SLOWEST, SLOWED_TO * self.pace(limit, now))
        return self._replace(closed_until=until, consecutive_429s=consecutive_429s, part=part)


_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS reserved (key TEXT, moment REAL, token INTEGER, PRIMARY KEY (key, moment, token))
    WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS limits (key TEXT PRIMARY KEY, {", ".join(LimitState._fields)}) WITHOUT ROWID;
"""
_SAVE_STATE = f"INSERT OR REPLACE INTO limits VALUES (?{', ?' * len(LimitState._fields)})"

States = dict[str, LimitState]


class SqliteStore:
    """
    Reservations in SQLite, shared by all who open the same file (or only this process, in memory).

    The clock is the machine's monotonic one, which all processes of a host share and nobody can set.

    :param path: The file, or ``:memory:``.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._pid = os.getpid()
        self._tidy_up_at = 0.0

    def check(self) -> None:
        """See :meth:`Store.check`."""
        with self._transaction():
            pass

    def reserve(
        self,
        limits: Sequence[SharedLimit],
        *,
        max_wait: float,
        not_within: float = 0.0,
        replacing: Reservation | None = None,
        agree: bool = True,
    ) -> Reservation:
        """See :meth:`Store.reserve`."""
        with self._transaction() as db:
            if replacing:
                self._give_up(db, replacing)
            now = time.monotonic()
            with self._states(db, [limit.key for limit in limits]) as states:
                lowered = _agree(states, limits, now) if agree else ()
                moment, limiting_key = self._place(db, states, _lower(limits, lowered), now, now + not_within)
            keys = tuple(limit.key for limit in limits)
            token = secrets.randbits(62)
            if has_capacity := moment - now <= max_wait:
                db.executemany("INSERT INTO reserved VALUES (?, ?, ?)", [(key, moment, token) for key in keys])
            self._tidy_up(db, limits, now)
        if not has_capacity:
            raise NoCapacityError(moment - now)
        return Reservation(max(0.0, moment - time.monotonic()), moment, token, keys, limiting_key, lowered, self)

    def release(self, reservation: Reservation) -> None:
        """See :meth:`Store.release`."""
        with self._transaction() as db:
            self._give_up(db, reservation)

    def lateness(self, reservation: Reservation) -> float | None:
        """See :meth:`Store.lateness`."""
        marks = ", ".join("?" * len(reservation.keys))
        with self._transaction(write=False) as db:
            query = f"SELECT max(closed_until) FROM limits WHERE key IN ({marks})"
            (closed_until,) = db.execute(query, reservation.keys).fetchone()
        now = time.monotonic()  # afterwards: the file may have been held by another process
        return None if (closed_until or 0.0) > now else now - reservation.moment

    def back_off(
        self,
        reservation: Reservation,
        levels: Sequence[Sequence[SharedLimit]],
        asked: float | None,
        growing: Callable[[int], float],
    ) -> float:
        """See :meth:`Store.back_off`."""
        limits = [limit for level in levels for limit in level]
        with self._transaction() as db, self._states(db, [limit.key for limit in limits]) as states:
            now = time.monotonic()
            last = max((states[limit.key] for limit in levels[0]), key=lambda state: state.closed_until)
            again = now - last.closed_until < CONSECUTIVE_429_WINDOW
            consecutive_429s = (last.consecutive_429s if again else 0) + (asked is None)
            if reservation.store is self and reservation.moment < last.closed_until:
                # Sent before the limit was closed: nothing new.
                seconds, consecutive_429s, closing = (
                    max(last.closed_until - now, asked or 0.0),
                    last.consecutive_429s,
                    levels[0],
                )
            else:
                # StoragePath the server says for how long, nothing grows: the next 429 that does not say starts small.
                seconds = growing(consecutive_429s) if asked is None else asked
                closing = limits if again else levels[0]
            for limit in closing:
                states[limit.key] = states[limit.key].backed_off(limit, now, seconds, consecutive_429s)
        return max(0.0, seconds)

    def _place(
        self, db: sqlite3.Connection, states: States, limits: Sequence[SharedLimit], now: float, start: float
    ) -> tuple[float, str | None]:
        """Find the moment that suits every limit, and the limit that pushed it the furthest."""
        moment, limiting_key = start, None
        for limit in limits:
            if (closed_until := states[limit.key].closed_until) > moment:
                moment, limiting_key = closed_until, limit.key
        suited = 0
        for limit in itertools.cycle(limits):
            later = self._find_room(db, states[limit.key], limit, now, moment)
            if later > moment:
                moment, limiting_key, suited = later, limit.key, 0
            suited += 1
            if suited == len(limits):
                break
        return moment, limiting_key

    @staticmethod
    def _find_room(db: sqlite3.Connection, state: LimitState, limit: SharedLimit, now: float, start: float) -> float:
        """Find the first moment from ``start`` on that suits one limit."""
        paced = state.slowed(limit, now)
        rows = db.execute(
            "SELECT moment FROM reserved WHERE key = ? AND moment > ? ORDER BY moment",
            (limit.key, start - paced.window),
        )
        return earliest((moment for (moment,) in rows), paced.requests, paced.window, start)

    @contextmanager
    def _states(self, db: sqlite3.Connection, keys: Sequence[str]) -> Iterator[States]:
        """Lend what is known of some limits; what is changed in it is written."""
        marks = ", ".join("?" * len(keys))
        rows = db.execute(f"SELECT * FROM limits WHERE key IN ({marks})", keys)
        known = {key: LimitState(*state) for key, *state in rows}
        states = {key: known.get(key, LimitState()) for key in keys}
        yield states
        if changed := [(key, *state) for key, state in states.items() if state is not known.get(key)]:
            db.executemany(_SAVE_STATE, changed)

    @staticmethod
    def _give_up(db: sqlite3.Connection, reservation: Reservation) -> None:
        db.executemany(
            "DELETE FROM reserved WHERE key = ? AND moment = ? AND token = ?",
            [(key, reservation.moment, reservation.token) for key in reservation.keys],
        )

    def _tidy_up(self, db: sqlite3.Connection, limits: Sequence[SharedLimit], now: float) -> None:
        if now >= self._tidy_up_at:
            self._tidy_up_at = now + FORGOTTEN_AFTER
            kept = max(FORGOTTEN_AFTER, *(2 * limit.window for limit in limits))
            db.execute("DELETE FROM reserved WHERE moment <= ?", (now - kept,))

    @contextmanager
    def _transaction(self, *, write: bool = True) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                db = self._open()
                try:
                    db.execute("BEGIN IMMEDIATE" if write else "BEGIN")
                    yield db
                    db.commit()
                except BaseException:  # a signal in the middle as well: left open, it would lock everybody out
                    db.rollback()
                    raise
            except sqlite3.Error as error:
                raise StoreUnavailableError(f"{self._path}: {error}") from error

    def _open(self) -> sqlite3.Connection:
        # A connection must not be carried over a fork.
        if self._connection is None or self._pid != os.getpid():
            connection = sqlite3.connect(
                self._path, timeout=LOCK_TIMEOUT, isolation_level=None, check_same_thread=False
            )
            # Not WAL: switching to it, and closing its last connection, locks others out without their timeout.
            connection.execute("PRAGMA journal_mode = PERSIST")
            # Reservations live for seconds: a machine that loses power has nothing to lose here.
            connection.execute("PRAGMA synchronous = OFF")
            connection.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} COMMIT;")
            self._connection, self._pid = connection, os.getpid()
        return self._connection


def _agree(states: States, limits: Sequence[SharedLimit], now: float) -> tuple[tuple[str, int], ...]:
    """State the calls that are worked with; return where somebody states fewer: two connections may differ."""
    for limit in limits:
        states[limit.key] = states[limit.key].agreed(limit, now)
    lowest = ((limit, states[limit.key].lowest) for limit in limits)
    return tuple((limit.key, calls) for limit, calls in lowest if calls < limit.requests)


def _lower(limits: Sequence[SharedLimit], lowered: tuple[tuple[str, int], ...]) -> Sequence[SharedLimit]:
    if not lowered:
        return limits
    calls = dict(lowered)
    return [SharedLimit(limit.key, calls.get(limit.key, limit.requests), limit.window) for limit in limits]


def default_state_dir() -> Path:
    """Name the per-user folder under the local temporary directory."""
    return Path(tempfile.gettempdir()) / f"learning360-{os.getuid()}"


def host_store(rate_limiter_dir: str | None = None) -> SqliteStore:
    """
    Open the store that all processes of this host share.

    :param rate_limiter_dir: Folder of the file, on a local disk (SQLite's locks do not hold on network file systems).
    :raises StoreUnavailableError: if the folder cannot be used, or belongs to somebody else.
    """
    folder = Path(rate_limiter_dir) if rate_limiter_dir else default_state_dir()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        facts = folder.stat(follow_symlinks=False)
    except OSError as error:
        raise StoreUnavailableError(f"{folder}: {error.strerror}") from error
    if not rate_limiter_dir and (
        not stat.S_ISDIR(facts.st_mode) or facts.st_uid != os.getuid() or facts.st_mode & 0o077
    ):
        raise StoreUnavailableError(f"{folder}: is not a private folder of this user")
    store = SqliteStore(str(folder / f"budget-{_boot_id()}.sqlite3"))
    store.check()
    return store


def _boot_id() -> str:
    """Name this boot of the machine: the monotonic clock starts anew with each."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:  # not Linux: the moment of the boot, give or take a clock that was set
        boot = str(round((time.time() - time.monotonic()) / 60))
    return hashlib.sha256(boot.encode()).hexdigest()[:16]


_process_store = SqliteStore(":memory:")


def process_store() -> SqliteStore:
    """Return the store of this process alone, the same one for everybody in it."""
    return _process_store
