"""
Where reservations live: in this process or on this host (a file). Redis takes the next seat.

A store books one moment against several limits at once, in one atomic step, and knows nothing of 360Learning.
Moments are seconds of the store's own clock and never leave it: callers are told how long to wait.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import sqlite3
import stat
import tempfile
import threading
import time
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

#: How long a limit that a process works with stays known to the others, in seconds. Short, so that a number that
#: was stated by mistake does not outlive its correction by much.
AGREEMENT_LIFE = 120.0
#: How long to wait for another process that holds the file, in seconds. It is held for well under 1 ms.
LOCK_TIMEOUT = 20.0


class StoreUnavailableError(Exception):
    """The store cannot be reached or is damaged; the message says which and why."""


class NoRoomError(Exception):
    """
    The limits leave no room within the time allowed.

    :param wait: Seconds until there would be room.
    """

    def __init__(self, wait: float) -> None:
        super().__init__(f"no room for {wait:.1f} s")
        self.wait = wait


@dataclass(frozen=True, slots=True)
class Demand:
    """
    One limit that a request must respect.

    :param key: Who shares it; requests with the same key share the limit.
    :param calls: Most requests in a window.
    :param window: Seconds, guard included.
    """

    key: str
    calls: int
    window: float


@dataclass(frozen=True, slots=True)
class Reservation:
    """
    A booked moment.

    :param wait: Seconds from now until the moment.
    :param moment: The moment on the store's clock.
    :param token: Tells reservations of one moment apart.
    :param keys: The limits that it counts against.
    :param held_by: Key of the limit that made it wait the longest, if any.
    :param lowered: Limits for which another process works with a lower number of calls, and that number.
    """

    wait: float
    moment: float
    token: int
    keys: tuple[str, ...]
    held_by: str | None = None
    lowered: tuple[tuple[str, int], ...] = ()


class Store(Protocol):
    """What the budget needs of a place for reservations."""

    def reserve(
        self,
        demands: Sequence[Demand],
        *,
        longest_wait: float,
        not_within: float = 0.0,
        replacing: Reservation | None = None,
        agree: bool = True,
    ) -> Reservation:
        """
        Book the earliest moment at which every limit has room.

        :param demands: The limits.
        :param longest_wait: Seconds; a later moment is not booked.
        :param not_within: Seconds that must pass first.
        :param replacing: A reservation to give up in the same step.
        :param agree: Work with the lowest number of calls that anybody states for a limit, and tell the others.
        :raises NoRoomError: if the moment is further away than ``longest_wait``.
        :raises StoreUnavailableError: if the store cannot be used.
        """

    def release(self, reservation: Reservation) -> None:
        """Give up a reservation whose request will not be sent."""

    def lateness(self, reservation: Reservation) -> float | None:
        """Seconds since the reserved moment; ``None`` if a push-back has closed it meanwhile."""

    def push_back(self, levels: Sequence[Sequence[str]], asked: float | None, growing: Callable[[int], float]) -> float:
        """
        Close limits for a while after a 429: the first level, and all levels at a second one in short order.

        :param levels: Keys, the narrowest level first.
        :param asked: Seconds to close for, if the server said so.
        :param growing: Seconds to close for otherwise, given how many times in a row this was (1 for the first).
        :returns: Seconds that the limits are closed for.
        """


def earliest(moments: Sequence[float], calls: int, window: float, start: float) -> float:
    """
    Find the first moment from ``start`` on that keeps every window at ``calls`` requests or fewer.

    Gaps before later reservations are used as well: ``calls`` neighbours that lie within one window keep any
    further request out of the time from the last one's moment less a window to the first one's moment plus a
    window.

    :param moments: Moments taken, in order.
    :param calls: Most requests in a window.
    :param window: Seconds.
    :param start: The first moment wanted.
    """
    for first in range(bisect_right(moments, start - window), len(moments) - calls + 1):
        closed_from = moments[first + calls - 1] - window
        closed_until = moments[first] + window
        if closed_from >= start:
            break
        if closed_until > start and closed_from < moments[first]:
            start = closed_until
    return start


_SCHEMA = """
CREATE TABLE IF NOT EXISTS reserved (key TEXT, moment REAL, token INTEGER, PRIMARY KEY (key, moment, token))
    WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS closed (key TEXT PRIMARY KEY, until REAL, strikes INTEGER) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS agreed (key TEXT, calls INTEGER, until REAL, PRIMARY KEY (key, calls)) WITHOUT ROWID;
"""

#: A 429 within this many seconds after a push-back ended counts as "again", not as new trouble: a window and
#: the time that an answer takes.
STRIKE_MEMORY = 2.0


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
        self._agreed_until: dict[tuple[str, int], float] = {}

    def check(self) -> None:
        """
        Make sure that the file can be used.

        :raises StoreUnavailableError: if not.
        """
        with self._transaction():
            pass

    def reserve(
        self,
        demands: Sequence[Demand],
        *,
        longest_wait: float,
        not_within: float = 0.0,
        replacing: Reservation | None = None,
        agree: bool = True,
    ) -> Reservation:
        """See :meth:`Store.reserve`."""
        with self._transaction() as db:
            if replacing:
                self._delete(db, replacing)
            now = time.monotonic()
            demands, lowered = self._agree(db, demands, now) if agree else (demands, ())
            moment, held_by = self._place(db, demands, now, now + not_within)
            keys = tuple(demand.key for demand in demands)
            token = secrets.randbits(62)
            if has_room := moment - now <= longest_wait:
                db.executemany("INSERT INTO reserved VALUES (?, ?, ?)", [(key, moment, token) for key in keys])
        if not has_room:
            raise NoRoomError(moment - now)
        return Reservation(max(0.0, moment - time.monotonic()), moment, token, keys, held_by, lowered)

    def release(self, reservation: Reservation) -> None:
        """See :meth:`Store.release`."""
        with self._transaction() as db:
            self._delete(db, reservation)

    def lateness(self, reservation: Reservation) -> float | None:
        """See :meth:`Store.lateness`."""
        with self._transaction(write=False) as db:
            now = time.monotonic()
            if self._closed_until(db, reservation.keys) > now:
                return None
        return now - reservation.moment

    def push_back(self, levels: Sequence[Sequence[str]], asked: float | None, growing: Callable[[int], float]) -> float:
        """See :meth:`Store.push_back`."""
        with self._transaction() as db:
            now = time.monotonic()
            until, strikes = self._last_closure(db, levels[0])
            if until > now:  # an answer to a request that was under way when the limit was closed
                again, seconds = True, max(until - now, asked or 0.0)
            else:
                again = now - until < STRIKE_MEMORY
                # Where the server says for how long, nothing grows: the next 429 that does not say starts small.
                strikes = (strikes if again else 0) + (asked is None)
                seconds = growing(strikes) if asked is None else asked
            keys = [key for level in levels for key in level] if again else levels[0]
            # A shorter push-back never reopens what a longer one closed.
            db.executemany(
                "INSERT INTO closed VALUES (?, ?, ?) ON CONFLICT (key) DO UPDATE SET"
                " until = max(until, excluded.until), strikes = excluded.strikes",
                [(key, now + seconds, strikes) for key in keys],
            )
        return seconds

    def _place(
        self, db: sqlite3.Connection, demands: Sequence[Demand], now: float, start: float
    ) -> tuple[float, str | None]:
        """Find the moment that suits every limit, and the limit that pushed it the furthest."""
        moment = max(start, self._closed_until(db, [demand.key for demand in demands]))
        held_by = None if moment <= start else demands[0].key
        taken = [self._moments(db, demand, now) for demand in demands]
        settled = False
        while not settled:
            settled = True
            for demand, moments in zip(demands, taken, strict=True):
                later = earliest(moments, demand.calls, demand.window, moment)
                if later > moment:
                    moment, held_by, settled = later, demand.key, False
        return moment, held_by

    @staticmethod
    def _moments(db: sqlite3.Connection, demand: Demand, now: float) -> list[float]:
        db.execute("DELETE FROM reserved WHERE key = ? AND moment <= ?", (demand.key, now - demand.window))
        rows = db.execute("SELECT moment FROM reserved WHERE key = ? ORDER BY moment", (demand.key,))
        return [moment for (moment,) in rows]

    @staticmethod
    def _delete(db: sqlite3.Connection, reservation: Reservation) -> None:
        db.executemany(
            "DELETE FROM reserved WHERE key = ? AND moment = ? AND token = ?",
            [(key, reservation.moment, reservation.token) for key in reservation.keys],
        )

    @staticmethod
    def _closed_until(db: sqlite3.Connection, keys: Sequence[str]) -> float:
        marks = ", ".join("?" * len(keys))
        (until,) = db.execute(f"SELECT max(until) FROM closed WHERE key IN ({marks})", keys).fetchone()
        return float(until or 0.0)

    @staticmethod
    def _last_closure(db: sqlite3.Connection, keys: Sequence[str]) -> tuple[float, int]:
        marks = ", ".join("?" * len(keys))
        row = db.execute(
            f"SELECT until, strikes FROM closed WHERE key IN ({marks}) ORDER BY until DESC LIMIT 1", keys
        ).fetchone()
        return row or (float("-inf"), 0)

    def _agree(
        self, db: sqlite3.Connection, demands: Sequence[Demand], now: float
    ) -> tuple[Sequence[Demand], tuple[tuple[str, int], ...]]:
        """
        Take the lowest number of calls that anybody works with: two connections of a company may differ.

        What a process works with is written anew every half life only, which keeps a reservation cheap.
        """
        for demand in demands:
            stated = (demand.key, demand.calls)
            if self._agreed_until.get(stated, 0.0) < now + AGREEMENT_LIFE / 2:
                self._agreed_until[stated] = now + AGREEMENT_LIFE
                db.execute("INSERT OR REPLACE INTO agreed VALUES (?, ?, ?)", (*stated, now + AGREEMENT_LIFE))
        marks = ", ".join("?" * len(demands))
        lowest = dict(
            db.execute(
                f"SELECT key, min(calls) FROM agreed WHERE key IN ({marks}) AND until > ? GROUP BY key",
                (*[demand.key for demand in demands], now),
            )
        )
        lowered = tuple((demand.key, lowest[demand.key]) for demand in demands if lowest[demand.key] < demand.calls)
        if not lowered:
            return demands, ()
        return [Demand(demand.key, lowest[demand.key], demand.window) for demand in demands], lowered

    @contextmanager
    def _transaction(self, *, write: bool = True) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                db = self._open()
                db.execute("BEGIN IMMEDIATE" if write else "BEGIN")
                try:
                    yield db
                except BaseException:
                    db.rollback()
                    self._agreed_until.clear()  # what was stated in it is gone with it
                    raise
                db.commit()
            except sqlite3.Error as error:
                self._agreed_until.clear()
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
            self._agreed_until.clear()
        return self._connection


def default_state_dir() -> Path:
    """Name the per-user folder under the local temporary directory."""
    return Path(tempfile.gettempdir()) / f"learning360-{os.getuid()}"


def host_store(state_dir: str | None = None) -> SqliteStore:
    """
    Open the store that all processes of this host share.

    :param state_dir: Folder of the file, on a local disk (SQLite's locks do not hold on network file systems).
    :raises StoreUnavailableError: if the folder cannot be used, or belongs to somebody else.
    """
    folder = Path(state_dir) if state_dir else default_state_dir()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        facts = folder.stat(follow_symlinks=False)
    except OSError as error:
        raise StoreUnavailableError(f"{folder}: {error.strerror}") from error
    if not state_dir and (not stat.S_ISDIR(facts.st_mode) or facts.st_uid != os.getuid() or facts.st_mode & 0o077):
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
