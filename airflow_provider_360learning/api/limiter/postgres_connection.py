"""
Connections to a PostgreSQL server that end at a deadline.

The driver's own timeout is for connecting only: a server that accepts a query and does not respond would hold a task
forever. Its asynchronous mode, which sends nothing else, leaves the waiting to this module.

Nothing depends on the state of a session, so that a connection pooler may change it after each statement.
"""

from __future__ import annotations

import fcntl
import os
import random
import select
import struct
import termios
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import psycopg2
from psycopg2.extensions import POLL_OK, POLL_READ

from airflow_provider_360learning.api.limiter.forking import ForkSafeLock

#: Maximum number of seconds to connect, and for each response.
TIMEOUT = 2.0
#: Maximum number of bytes that a connection receives for one response. One of ours has some 100.
MAX_RECEIVED = 65_536
#: Maximum number of connections of a process. A server has 100 for all of them by default.
MAX_CONNECTIONS = 2


class ResponseTooLongError(OSError):
    """The server sends more than any response of the rate limiter's functions."""


class Session:
    """
    A connection to the server.

    :param arguments: Arguments of the driver.
    :param deadline: When to give up connecting, on :func:`time.monotonic`.
    """

    def __init__(self, arguments: Mapping[str, object], deadline: float) -> None:
        self.pid = os.getpid()
        self._connection = psycopg2.connect(**arguments, async_=True)
        with self._closed_on_error():
            self._wait(deadline)

    @property
    def is_closed(self) -> bool:
        """Whether the connection has ended."""
        return bool(self._connection.closed)

    # Any: a server may return anything.
    def query(self, sql: str, values: Sequence[object] | None, deadline: float) -> tuple[Any, float]:
        """
        Return the first row of a query, ``None`` if there is none, and the seconds that it took.

        :param sql: The query.
        :param values: Its values.
        :param deadline: When to give up, on :func:`time.monotonic`.
        """
        started = time.monotonic()
        with self._closed_on_error(), self._connection.cursor() as cursor:
            cursor.execute(sql, values)
            self._wait(deadline)
            return cursor.fetchone() if cursor.description else None, time.monotonic() - started

    def close(self) -> None:
        """End the connection, unless it is that of the parent process."""
        if self.pid == os.getpid():
            with suppress(psycopg2.Error):
                self._connection.close()

    @contextmanager
    def _closed_on_error(self) -> Iterator[None]:
        try:
            yield
        except BaseException:  # a signal in the middle as well: the response to one query must not be that to the next
            self.close()
            raise

    def _wait(self, deadline: float) -> None:
        """Wait until the connection is ready, or has a response."""
        deadline = min(deadline, time.monotonic() + TIMEOUT)
        bytes_left = MAX_RECEIVED
        while (state := self._connection.poll()) != POLL_OK:
            if (seconds := deadline - time.monotonic()) <= 0:
                raise TimeoutError("the deadline has passed")
            # Another descriptor for each address that the name of the host has.
            descriptor = self._connection.fileno()
            poll = select.poll()
            poll.register(descriptor, select.POLLIN if state == POLL_READ else select.POLLOUT)
            poll.poll(1000 * seconds)
            bytes_left -= _bytes_to_read(descriptor)
            if bytes_left < 0:
                raise ResponseTooLongError


def _bytes_to_read(descriptor: int) -> int:
    buffer = fcntl.ioctl(descriptor, termios.FIONREAD, struct.pack("i", 0))
    return int(struct.unpack("i", buffer)[0])


class SessionPool:
    """
    The sessions of a process, each used by one thread at a time.

    :param arguments: Arguments of the driver.
    :param prepare: Called with a new session and a deadline, before its first use.
    """

    def __init__(self, arguments: Mapping[str, object], prepare: Callable[[Session, float], None]) -> None:
        self._arguments = arguments
        self._prepare = prepare
        self._places = [_Place() for _ in range(MAX_CONNECTIONS)]

    # Any: see :meth:`Session.query`.
    def query(self, sql: str, values: Sequence[object], seconds: float) -> tuple[Any, float]:
        """
        Return what :meth:`Session.query` does, after one retry if the session was not new.

        :param sql: The query.
        :param values: Its values.
        :param seconds: Maximum number of seconds, for all of it.
        :raises TimeoutError: after that time.
        """
        deadline = time.monotonic() + seconds
        with self._place(deadline) as place:
            if session := place.usable_session():
                # The server may have restarted, something between may have cut it off, or another process may have
                # deleted the tables: a new session finds out.
                with suppress(psycopg2.Error, TimeoutError):
                    return session.query(sql, values, deadline)
            place.session = self._connect(deadline)
            return place.session.query(sql, values, deadline)

    def _connect(self, deadline: float) -> Session:
        session = Session(self._arguments, deadline)
        self._prepare(session, deadline)
        return session

    @contextmanager
    def _place(self, deadline: float) -> Iterator[_Place]:
        """Use a place that is free, else wait for one."""
        place = next((place for place in self._places if place.lock.acquire(timeout=0)), None)
        if place is None:
            place = random.choice(self._places)
            if not place.lock.acquire(timeout=max(0.0, deadline - time.monotonic())):
                raise TimeoutError("all connections are in use")
        try:
            yield place
        finally:
            place.lock.release()


class _Place:
    """A place for one session of the pool."""

    def __init__(self) -> None:
        self.lock = ForkSafeLock()
        self.session: Session | None = None

    def usable_session(self) -> Session | None:
        """Return the session, unless it has ended, or is that of the parent process."""
        session = self.session
        return session if session and session.pid == os.getpid() and not session.is_closed else None
