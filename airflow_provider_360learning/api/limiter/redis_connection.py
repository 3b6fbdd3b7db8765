"""
Connections to a Redis server that end at a deadline.

The timeouts of the client library count per read: a server that sends one byte per second would hold a task forever.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from redis import Connection, SSLConnection
from redis.sentinel import SentinelManagedConnection, SentinelManagedSSLConnection

#: Maximum number of bytes that a command receives, with those of its connection. A response has some 100.
MAX_RECEIVED = 65_536


class ResponseTooLongError(OSError):
    """The server sends more than any response of the rate limiter's script."""


@dataclass(slots=True)
class Budget:
    """
    What one command may use.

    :param deadline: When it ends, on :func:`time.monotonic`.
    :param bytes_left: Bytes that it may still receive.
    """

    deadline: float
    bytes_left: int = MAX_RECEIVED

    def seconds_left(self, timeout: float | None) -> float:
        """
        Return the seconds until a timeout or the deadline, whichever is first.

        :param timeout: Seconds, ``None`` for none.
        :raises TimeoutError: after the deadline.
        """
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the deadline has passed")
        return left if timeout is None else min(timeout, left)

    def receive(self, count: int) -> None:
        """
        Count received bytes.

        :param count: Their number.
        :raises ResponseTooLongError: if there are more than the command may receive.
        """
        self.bytes_left -= count
        if self.bytes_left < 0:
            raise ResponseTooLongError


_budget: ContextVar[Budget | None] = ContextVar("redis_budget", default=None)


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """
    Bound what is sent and received in the block: connecting, authentication, commands and retries, all together.

    Not the resolution of the host name, whose time is that of the system's resolver.

    :param seconds: Seconds.
    """
    token = _budget.set(Budget(time.monotonic() + seconds))
    try:
        yield
    finally:
        _budget.reset(token)


class BoundedSocket:
    """
    A socket whose reads and writes respect the budget of the current command.

    :param connected: The socket.
    :param timeout: Seconds for each read and write, ``None`` for any.
    """

    def __init__(self, connected: socket.socket, timeout: float | None) -> None:
        self._socket = connected
        self._timeout = timeout

    # Any: all other attributes are those of the socket.
    def __getattr__(self, name: str) -> Any:
        return getattr(self._socket, name)

    def settimeout(self, seconds: float | None) -> None:
        """Set the timeout of each read and write, in seconds."""
        self._timeout = seconds
        self._socket.settimeout(seconds)

    def recv(self, size: int, *flags: int) -> bytes:
        """Receive at most ``size`` bytes."""
        budget = self._limit()
        received = self._socket.recv(size, *flags)
        if budget:
            budget.receive(len(received))
        return received

    def sendall(self, data: bytes) -> None:
        """Send all bytes: the socket's own timeout counts for all of them together."""
        self._limit()
        self._socket.sendall(data)

    def _limit(self) -> Budget | None:
        budget = _budget.get()
        self._socket.settimeout(budget.seconds_left(self._timeout) if budget else self._timeout)
        return budget


class _ConnectsInTime:
    """Connects within the budget of the current command."""

    socket_connect_timeout: float | None
    socket_timeout: float | None

    # Any: the base class is the next one, whose types differ by version of the library.
    def _connect(self) -> Any:
        configured = self.socket_connect_timeout, self.socket_timeout
        if budget := _budget.get():
            # One half each: the second timeout is that of the handshake of TLS.
            self.socket_connect_timeout = self.socket_timeout = budget.seconds_left(None) / 2
        try:
            connected: Any = super()._connect()  # type: ignore[misc]
        finally:
            self.socket_connect_timeout, self.socket_timeout = configured
        return BoundedSocket(connected, self.socket_timeout)


class BoundedConnection(_ConnectsInTime, Connection):
    """A connection that respects the budget of the current command."""


class BoundedTlsConnection(_ConnectsInTime, SSLConnection):
    """An encrypted connection that respects the budget of the current command."""


class BoundedSentinelConnection(_ConnectsInTime, SentinelManagedConnection):
    """A connection to the server that the sentinels name, which respects the budget of the current command."""


class BoundedSentinelTlsConnection(_ConnectsInTime, SentinelManagedSSLConnection):
    """An encrypted connection to the server that the sentinels name, which respects the budget of the command."""
