"""Reservations in SQLite: of this process (in memory), or of all processes of a host (a file)."""

from __future__ import annotations

import hashlib
import itertools
import os
import random
import secrets
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from airflow_provider_360learning.api.limiter.forking import ForkSafeLock
from airflow_provider_360learning.api.limiter.state_folder import prepare_file
from airflow_provider_360learning.api.limiter.store import (
    ACCEPTED_LIFETIME,
    CONSECUTIVE_429_WINDOW,
    FORMAT_VERSION,
    MAX_BACK_OFF,
    MAX_CONSECUTIVE_429S,
    MAX_EXAMINED,
    MAX_PLACE_SECONDS,
    MAX_RESERVED_AHEAD,
    RESERVATION_LIFETIME,
    WAITER_LIFETIME,
    LimitState,
    NoCapacityError,
    Outage,
    Reservation,
    SharedLimit,
    StoreLockedError,
    StoreUnavailableError,
    earliest_time,
    seconds_to_poll,
)
from airflow_provider_360learning.api.text import one_line

#: Seconds to wait for another process that holds the file and does not write to it. It is held for well under 1 ms.
LOCK_TIMEOUT = 1.0
#: Maximum number of seconds to wait for processes that do write: many with a long queue, on a machine without CPU.
MAX_LOCK_WAIT = 5.0
#: Seconds between two attempts to lock the file, at random between these.
LOCK_INTERVAL = (0.0005, 0.005)

#: Maximum number of bytes of a row of the file. Ours have some 100.
MAX_VALUE = 100_000

#: As SQLite reports it, by the names of the tables.
_SCHEMA = [
    "CREATE TABLE accepted (credentials TEXT PRIMARY KEY, time REAL) WITHOUT ROWID",
    "CREATE TABLE limits (key TEXT PRIMARY KEY, closed_until REAL, consecutive_429s INTEGER, pace REAL) WITHOUT ROWID",
    "CREATE TABLE places (key TEXT, owner TEXT, is_held INTEGER NOT NULL, since REAL NOT NULL, expires REAL NOT NULL,"
    " PRIMARY KEY (key, owner)) WITHOUT ROWID",
    "CREATE TABLE reservations (key TEXT, time REAL, token INTEGER, PRIMARY KEY (key, time, token)) WITHOUT ROWID",
]
#: Tables of earlier format versions.
_EARLIER_SCHEMAS = {1: [sql for sql in _SCHEMA if " places " not in sql]}
#: Places that no process can have stored by now, or that have expired. SQLite sorts texts after all numbers.
_EXPIRED = "(expires <= :now OR expires > :now + CASE is_held WHEN 1 THEN :held ELSE :waiting END OR since > :now)"

_LOCKED = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
#: A transaction that reads takes its lock when it first does.
_TAKE_READ_LOCK = "SELECT NULL FROM limits LIMIT 0"

# Connections of the parent process.
_inherited: list[sqlite3.Connection | None] = []

States = dict[str, LimitState]


class SqliteStore:
    """
    Reservations in SQLite, shared by all that open the same file (or only by this process, in memory).

    The default clock is the machine's monotonic one, which all processes of a host share and which cannot be set.

    :param path: The file, or ``:memory:``.
    :param clock: Returns the time in seconds.
    """

    def __init__(self, path: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._clock = clock
        # Finished before a fork: SQLite's own locks and its notes about the file would be those of the middle of it.
        self._lock = ForkSafeLock(finish_before_fork=True)
        self._outage = Outage()
        self._connection: sqlite3.Connection | None = None
        self._pid = os.getpid()
        self._next_cleanup = float("-inf")

    def check(self) -> None:
        """See :meth:`Store.check`."""
        with self._transaction():
            pass

    def reserve(
        self,
        limits: Sequence[SharedLimit],
        *,
        max_wait: float,
        min_wait: float = 0.0,
        replacing: Reservation | None = None,
    ) -> Reservation:
        """See :meth:`Store.reserve`."""
        keys = tuple(limit.key for limit in limits)
        token = secrets.randbits(62)
        with self._transaction() as db:
            if replacing:
                self._delete(db, replacing)
            now = self._clock()
            send_time, limiting_key = self._place(db, self._load(db, keys, now), limits, now, now + min_wait)
            if has_capacity := send_time - now <= min(max_wait, MAX_RESERVED_AHEAD):
                rows = [(key, send_time, token) for key in keys]
                db.executemany("INSERT INTO reservations (key, time, token) VALUES (?, ?, ?)", rows)
            self._clean_up(db, limits, now)
        if not has_capacity:
            raise NoCapacityError(send_time - now)
        return Reservation(max(0.0, send_time - self._clock()), send_time, token, keys, limiting_key, self)

    def release(self, reservation: Reservation) -> None:
        """See :meth:`Store.release`."""
        with self._transaction() as db:
            self._delete(db, reservation)

    def lateness(self, reservation: Reservation) -> float | None:
        """See :meth:`Store.lateness`."""
        with self._transaction(write=False) as db:
            stored = self._fetch(db, reservation.keys)
        now = self._clock()  # afterwards: another process may have held the file
        is_closed = any(LimitState.from_stored(state, now).closed_until > now for state in stored.values())
        return None if is_closed else now - reservation.time

    def back_off(
        self,
        reservation: Reservation,
        levels: Sequence[Sequence[SharedLimit]],
        retry_after: float | None,
        delay_for: Callable[[int], float],
    ) -> float:
        """See :meth:`Store.back_off`."""
        limits = [limit for level in levels for limit in level]
        with self._transaction() as db:
            now = self._clock()
            states = self._load(db, [limit.key for limit in limits], now)
            last = max((states[limit.key] for limit in levels[0]), key=lambda state: state.closed_until)
            is_consecutive = now - last.closed_until < CONSECUTIVE_429_WINDOW
            if reservation.store is self and reservation.time < last.closed_until:
                # Sent before the limit was closed: it adds nothing.
                count, closing = last.consecutive_429s, levels[0]
                seconds = max(last.closed_until - now, retry_after or 0.0)
            else:
                # After a Retry-After nothing grows: the next 429 without one starts small.
                count = (last.consecutive_429s if is_consecutive else 0) + (retry_after is None)
                count = min(count, MAX_CONSECUTIVE_429S)
                closing = limits if is_consecutive else levels[0]
                seconds = delay_for(count) if retry_after is None else retry_after
            seconds = min(seconds, MAX_BACK_OFF)
            self._save(db, {each.key: states[each.key].backed_off(each, now, seconds, count) for each in closing})
        return max(0.0, seconds)

    def accept(self, credentials: str) -> None:
        """See :meth:`Store.accept`."""
        with self._transaction() as db:
            db.execute(
                "INSERT OR REPLACE INTO accepted (credentials, time) VALUES (?, ?)", (credentials, self._clock())
            )

    def is_accepted(self, credentials: str) -> bool:
        """See :meth:`Store.is_accepted`."""
        now = self._clock()
        query = "SELECT count(*) FROM accepted WHERE credentials = ? AND time > ? AND time <= ?"
        with self._transaction(write=False) as db:
            (count,) = db.execute(query, (credentials, now - ACCEPTED_LIFETIME, now)).fetchone()
        return bool(count)

    def acquire_place(self, key: str, places: int, owner: str, seconds: float) -> float:
        """See :meth:`Store.acquire_place`."""
        with self._transaction() as db:
            now = self._clock()
            before = self._hold(db, key, places, owner, seconds, now)
            if before >= 0:
                expires = now + WAITER_LIFETIME
                query = (
                    "INSERT INTO places (key, owner, is_held, since, expires) VALUES (?, ?, 0, ?, ?) "
                    "ON CONFLICT DO UPDATE SET expires = excluded.expires"
                )
                db.execute(query, (key, owner, now, expires))
        return 0.0 if before < 0 else seconds_to_poll(before)

    def renew_place(self, key: str, places: int, owner: str, seconds: float) -> bool:
        """See :meth:`Store.renew_place`."""
        with self._transaction() as db:
            return self._hold(db, key, places, owner, seconds, self._clock()) < 0

    def release_place(self, key: str, owner: str) -> None:
        """See :meth:`Store.release_place`."""
        with self._transaction() as db:
            db.execute("DELETE FROM places WHERE key = ? AND owner = ?", (key, owner))

    @staticmethod
    def _hold(db: sqlite3.Connection, key: str, places: int, owner: str, seconds: float, now: float) -> int:
        """Hold a place if the owner has one or one is free; return the number of owners before it, below 0 if held."""
        db.execute(f"DELETE FROM places WHERE key = :key AND {_EXPIRED}", {"key": key, **_place_limits(now)})
        own = db.execute("SELECT is_held, since FROM places WHERE key = ? AND owner = ?", (key, owner)).fetchone()
        is_held, since = own or (0, now)
        if is_held != 1:
            query = (
                "SELECT count(*) FROM places WHERE key = ? AND owner <> ? "
                "AND (is_held = 1 OR since < ? OR since = ? AND owner < ?)"
            )
            (taken,) = db.execute(query, (key, owner, since, since, owner)).fetchone()
            if taken >= places:
                return int(taken - places)
        db.execute(
            "INSERT OR REPLACE INTO places (key, owner, is_held, since, expires) VALUES (?, ?, 1, ?, ?)",
            (key, owner, since, now + min(seconds, MAX_PLACE_SECONDS)),
        )
        return -1

    def _place(
        self, db: sqlite3.Connection, states: States, limits: Sequence[SharedLimit], now: float, start: float
    ) -> tuple[float, str | None]:
        """Return the time that suits every limit, and the limit that postponed it the furthest."""
        send_time, limiting_key = start, None
        for limit in limits:
            if (closed_until := states[limit.key].closed_until) > send_time:
                send_time, limiting_key = closed_until, limit.key
        suited, examined = 0, itertools.count(1)
        for limit in itertools.cycle(limits):
            paced = states[limit.key].paced(limit, now)
            times = self._times(db, limit.key, send_time - paced.window, now + MAX_RESERVED_AHEAD, examined)
            later = earliest_time(times, paced.requests, paced.window, send_time)
            if later > send_time:
                send_time, limiting_key, suited = later, limit.key, 0
            suited += 1
            if suited == len(limits):
                break
        return send_time, limiting_key

    def _times(
        self, db: sqlite3.Connection, key: str, start: float, end: float, examined: Iterator[int]
    ) -> Iterator[float]:
        """Yield the reserved times of a limit after ``start``, in order; ``examined`` counts those of a request."""
        rows = db.execute(
            "SELECT time FROM reservations WHERE key = ? AND time > ? AND time <= ? ORDER BY time", (key, start, end)
        )
        for (reserved,) in rows:
            if next(examined) > MAX_EXAMINED:
                raise StoreUnavailableError(f"{self._path}: has more reservations than requests can be waiting")
            yield reserved

    def _load(self, db: sqlite3.Connection, keys: Sequence[str], now: float) -> States:
        stored = self._fetch(db, keys)
        return {key: LimitState.from_stored(stored[key], now) if key in stored else LimitState() for key in keys}

    @staticmethod
    def _fetch(db: sqlite3.Connection, keys: Sequence[str]) -> dict[str, Sequence[object]]:
        marks = ", ".join("?" * len(keys))
        rows = db.execute(f"SELECT key, {', '.join(LimitState._fields)} FROM limits WHERE key IN ({marks})", keys)
        return {key: state for key, *state in rows}

    @staticmethod
    def _save(db: sqlite3.Connection, states: States) -> None:
        columns = ("key", *LimitState._fields)
        db.executemany(
            f"INSERT OR REPLACE INTO limits ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})",
            [(key, *state) for key, state in states.items()],
        )

    @staticmethod
    def _delete(db: sqlite3.Connection, reservation: Reservation) -> None:
        db.executemany(
            "DELETE FROM reservations WHERE key = ? AND time = ? AND token = ?",
            [(key, reservation.time, reservation.token) for key in reservation.keys],
        )

    def _clean_up(self, db: sqlite3.Connection, limits: Sequence[SharedLimit], now: float) -> None:
        if now >= self._next_cleanup:
            self._next_cleanup = now + RESERVATION_LIFETIME
            lifetime = max(RESERVATION_LIFETIME, *(2 * limit.window for limit in limits))
            db.execute(
                "DELETE FROM reservations WHERE time <= ? OR time > ?", (now - lifetime, now + MAX_RESERVED_AHEAD)
            )
            db.execute("DELETE FROM accepted WHERE time <= ? OR time > ?", (now - ACCEPTED_LIFETIME, now))
            db.execute(f"DELETE FROM places WHERE {_EXPIRED}", _place_limits(now))

    @contextmanager
    def _transaction(self, *, write: bool = True) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._outage.check()
            try:
                db = self._open()
                try:
                    # Exclusive, not immediate: then the commit does not wait for readers.
                    self._lock_file(db, "BEGIN EXCLUSIVE" if write else "BEGIN", *([] if write else [_TAKE_READ_LOCK]))
                    yield db
                    db.commit()
                except BaseException:  # a signal in the middle as well: left open, it would lock out all others
                    db.rollback()
                    raise
            except sqlite3.Error as error:
                # One line: the text may quote names in the file, which another user may have written.
                problem = f"{self._path}: {one_line(str(error))}"
                if not _is_locked(error):
                    raise StoreUnavailableError(problem) from None
                self._outage.begin(problem)
                raise StoreLockedError(problem) from None

    def _open(self) -> sqlite3.Connection:
        if self._pid != os.getpid():
            # A connection must not be carried over a fork: neither used in the child, nor closed.
            _inherited.append(self._connection)
            self._connection, self._pid = None, os.getpid()
        if self._connection is None:
            connection = sqlite3.connect(self._path, timeout=0, isolation_level=None, check_same_thread=False)
            try:
                # Longer values are not read into memory: another user may have written them.
                connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_VALUE)
                # Not WAL: switching to it, and closing its last connection, locks others out without their timeout.
                self._lock_file(connection, "PRAGMA journal_mode = PERSIST")
                # Reservations live for seconds: a machine that loses power has nothing to lose here.
                connection.execute("PRAGMA synchronous = OFF")
                self._prepare_schema(connection)
            except BaseException:
                connection.close()
                raise
            self._connection = connection
        return self._connection

    def _lock_file(self, connection: sqlite3.Connection, *statements: str) -> None:
        """
        Execute statements that lock the file; wait while another process holds it.

        SQLite's own wait is unfair: it sleeps ever longer, up to 0.1 s, so that a process that waits is overtaken.
        """
        began = last_written = time.monotonic()
        written: float | None = None
        for statement in statements:
            while True:
                try:
                    connection.execute(statement)
                    break
                except sqlite3.OperationalError as error:
                    now = time.monotonic()
                    if written != (written := self._modified()):
                        last_written = now
                    if not _is_locked(error) or now > last_written + LOCK_TIMEOUT or now > began + MAX_LOCK_WAIT:
                        raise
                time.sleep(random.uniform(*LOCK_INTERVAL))

    def _modified(self) -> float:
        with suppress(OSError):
            return os.stat(self._path).st_mtime
        return 0.0

    def _prepare_schema(self, connection: sqlite3.Connection) -> None:
        """Create the tables in a new file, and refuse a file with other ones."""
        self._lock_file(connection, "BEGIN EXCLUSIVE")
        tables = [sql for (sql,) in connection.execute("SELECT sql FROM sqlite_master ORDER BY name")]
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if tables and tables == _EARLIER_SCHEMAS.get(version) and not self._is_in_use(connection):
            for (name,) in connection.execute("SELECT name FROM sqlite_master").fetchall():
                connection.execute(f"DROP TABLE {name}")
            tables, version = [], 0
        if not tables and version == 0:
            for statement in _SCHEMA:
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {FORMAT_VERSION}")
        elif (version, tables) != (FORMAT_VERSION, _SCHEMA):
            problem = f"format version {version}" if version != FORMAT_VERSION else "other tables"
            raise StoreUnavailableError(
                f"{self._path}: has {problem}, but this version of the provider uses format version {FORMAT_VERSION}. "
                "Run one version of the provider on this host; to start over, stop its tasks and delete the file"
            )
        connection.commit()

    def _is_in_use(self, connection: sqlite3.Connection) -> bool:
        """Return whether processes of another format version have reserved times lately."""
        (last,) = connection.execute("SELECT max(time) FROM reservations").fetchone()
        return last is not None and last > self._clock() - RESERVATION_LIFETIME


def _place_limits(now: float) -> dict[str, float]:
    return {"now": now, "held": MAX_PLACE_SECONDS, "waiting": WAITER_LIFETIME}


def _is_locked(error: sqlite3.Error) -> bool:
    """Return whether another process holds the file; extended codes have the same last byte."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _LOCKED


def default_rate_limiter_dir() -> Path:
    """Return the per-user folder in the local temporary directory."""
    return Path(tempfile.gettempdir()) / f"learning360-{os.getuid()}"


def host_store(rate_limiter_dir: str | None = None) -> SqliteStore:
    """
    Open the store that all processes of this host share.

    :param rate_limiter_dir: Folder of the file, on a local disk (SQLite's locks do not hold on network file systems).
    :raises StoreUnavailableError: if the folder or the file cannot be used, or another user could have planted them.
    """
    folder = Path(rate_limiter_dir) if rate_limiter_dir else default_rate_limiter_dir()
    name = f"rate-limits-{_boot_id()}.sqlite3"
    store = SqliteStore(str(prepare_file(folder, name, must_be_private=not rate_limiter_dir)))
    with suppress(StoreLockedError):  # its users do without it until it can be used
        store.check()
    return store


def _boot_id() -> str:
    """Return an id of this boot of the machine: the monotonic clock restarts with each."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:  # not Linux: the time of the boot, give or take a clock that was set
        boot = str(round((time.time() - time.monotonic()) / 60))
    return hashlib.sha256(boot.encode()).hexdigest()[:16]


_process_store = SqliteStore(":memory:")


def process_store() -> SqliteStore:
    """Return the store of this process, the same one at each call."""
    return _process_store
