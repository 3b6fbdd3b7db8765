"""
How long one request may take, whatever the server or a proxy sends.

The timeout of a socket counts from its last byte: a server that sends one byte now and then extends it forever. A
deadline therefore limits each operation on the socket to the time that is left, from connecting to the last byte of the
response. urllib3 passes nothing from a request to its connection, so that the deadline is a context variable while the
request is sent; the response keeps it.
"""

from __future__ import annotations

import http.client
import io
import math
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

#: Minimum throughput of a response that is read while it arrives, in bytes per second of waiting for it. Far below that
#: of a slow server: it only distinguishes a response that arrives from one that keeps a connection busy.
MIN_THROUGHPUT = 100
#: Maximum size of the headers of a response in bytes, with those of interim responses before it; likewise of trailers.
MAX_HEADERS = 1 << 20
#: Bytes that are read from a socket at a time.
BUFFER = 1 << 16


class DeadlineError(TimeoutError):
    """A request takes too long; the text contains no secret."""


class HeadersTooLargeError(http.client.HTTPException):
    """The headers of a response are too large; the text contains no secret."""


class Deadline:
    """
    The time that one request may take.

    :param seconds: Seconds from now for connecting, sending and receiving.
    :param is_streamed: Whether the body of a successful response may take longer, because it is read while it arrives;
        after these seconds, it must arrive fast enough. The time that its reader needs does not count.
    :param on_connected: Called when a connection had to be opened, which takes time, before anything is sent through
        it. What it raises ends the request.
    """

    def __init__(
        self, seconds: float, *, is_streamed: bool = False, on_connected: Callable[[], None] = lambda: None
    ) -> None:
        self.is_streamed = is_streamed
        self.on_connected = on_connected
        #: Whether a connection is being opened, so that nothing of the request is sent.
        self.is_connecting = False
        self._seconds = seconds
        self._ends = self._may_be_slow_until = time.monotonic() + seconds
        #: Seconds of waiting, and bytes, since the throughput was last checked; ``None`` outside a streamed body.
        self._waited: float | None = None
        self._received = 0

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Limit the requests that are sent in the block."""
        token = _applied.set(self)
        try:
            yield
        finally:
            _applied.reset(token)

    def start_stream(self) -> None:
        """Require a minimum throughput after the total time, instead of the end of the request."""
        self._may_be_slow_until, self._ends = self._ends, math.inf
        self._waited, self._received = 0.0, 0

    def end_stream(self) -> None:
        """Give the rest of a response that was streamed the total time, from now."""
        if self._waited is not None:
            self._ends, self._waited = time.monotonic() + self._seconds, None

    def limit(self, timeout: float | None) -> float:
        """
        Return a timeout, or the time that is left if that is less.

        :param timeout: Seconds; ``None`` for no timeout.
        :raises DeadlineError: if no time is left.
        """
        left = self._ends - time.monotonic()
        if left <= 0:
            raise self._error()
        return left if timeout is None else min(timeout, left)

    @contextmanager
    def limiting(self) -> Iterator[None]:
        """Report a timeout in the block that is due to this deadline as such."""
        try:
            yield
        except NewConnectionError:  # more precise, although urllib3 may count it among the timeouts
            raise
        except (TimeoutError, ConnectTimeoutError):
            if time.monotonic() >= self._ends:
                raise self._error() from None
            raise

    # Any: sockets of several classes, whose methods return bytes or their number.
    def receive(self, sock: Any, idle: float, read: Callable[[Any], Any], argument: Any) -> Any:
        """
        Read from a socket once.

        :param sock: The socket, or what stands for one.
        :param idle: Its timeout in seconds.
        :param read: Reads from it, and returns bytes or their number.
        :param argument: Argument of ``read``.
        :raises DeadlineError: if the time is over, or the response arrives too slowly.
        """
        started = time.monotonic()
        is_last = self._ends - started < idle  # this read ends at the deadline
        if is_last:
            sock.settimeout(self.limit(idle))
        try:
            received = read(argument)
        except TimeoutError:
            if is_last:
                raise self._error() from None
            raise
        if self._waited is not None:
            self._waited += time.monotonic() - started
            self._received += received if isinstance(received, int) else len(received or b"")
            if self._waited >= idle:
                self._check_throughput(idle)
        return received

    def _check_throughput(self, idle: float) -> None:
        if self._received < MIN_THROUGHPUT * idle and time.monotonic() >= self._may_be_slow_until:
            raise DeadlineError(
                f"The response arrives too slowly: after total_timeout ({self._seconds:g} s), fewer than "
                f"{MIN_THROUGHPUT} bytes per second within read_timeout ({idle:g} s); retry later, or increase the "
                "connection's total_timeout if 360Learning needs more time"
            )
        self._waited, self._received = 0.0, 0

    def _error(self) -> DeadlineError:
        return DeadlineError(
            f"The request did not end within total_timeout ({self._seconds:g} s): retry later, or increase the "
            "connection's total_timeout if 360Learning needs more time"
        )


_NO_DEADLINE = Deadline(math.inf)
_applied: ContextVar[Deadline] = ContextVar("deadline")


def _current() -> Deadline:
    return _applied.get(_NO_DEADLINE)


class DeadlineReader(io.RawIOBase):
    """
    Read a socket until the deadline of the request that is being sent.

    :param raw: The raw reader of the socket.
    :param sock: The socket, or what stands for one.
    """

    def __init__(self, raw: io.RawIOBase, sock: socket.socket) -> None:
        self.deadline = _current()
        self._raw = raw
        self._sock = sock
        self._idle = sock.gettimeout() or math.inf
        #: Bytes of headers that may still come; ``None`` in the body.
        self.headers_left: int | None = MAX_HEADERS

    def readable(self) -> bool:
        """Return True."""
        return True

    def start_stream(self) -> None:
        """Let the body take longer than the total time, as long as it arrives fast enough."""
        self.deadline.start_stream()
        self._sock.settimeout(self._idle)

    def readinto(self, buffer: Any) -> int | None:
        """Read what has arrived; wait for it if nothing has."""
        received: int | None = self.deadline.receive(self._sock, self._idle, self._raw.readinto, buffer)
        if self.headers_left is not None:
            self.headers_left -= received or 0
            if self.headers_left < 0:
                raise HeadersTooLargeError(
                    f"The response has more than {MAX_HEADERS >> 20} MiB of headers: check that the connection's Base "
                    "URL and proxy lead to 360Learning"
                )
        return received

    def fileno(self) -> int:
        """Return the file descriptor of the socket."""
        return self._raw.fileno()

    def close(self) -> None:
        """Release the socket."""
        super().close()
        self._raw.close()


class DeadlineResponse(http.client.HTTPResponse):
    """A response, that of a proxy to ``CONNECT`` included, which is read until the deadline of its request."""

    # Any: as the methods of http.client that these extend.

    def __init__(self, sock: socket.socket, *arguments: Any, **options: Any) -> None:
        super().__init__(sock, *arguments, **options)
        self._reader = DeadlineReader(self.fp.detach(), sock)
        self.fp = io.BufferedReader(self._reader, BUFFER)

    def begin(self) -> None:
        """Read the headers, and any number of interim responses before them."""
        super().begin()
        self._reader.headers_left = None
        if self._reader.deadline.is_streamed and self.status < 300:
            self._reader.start_stream()

    def _read_next_chunk_size(self) -> int:
        size: int = super()._read_next_chunk_size()  # type: ignore[misc]
        if size < 0:  # to a file, -1 means everything
            self._close_conn()  # type: ignore[attr-defined]
            raise ValueError("the size of a chunk is negative")
        return size

    def _read_and_discard_trailer(self) -> None:
        # Nothing limits the number of trailers, and none of them is content.
        self._reader.deadline.end_stream()
        self._reader.headers_left = MAX_HEADERS
        super()._read_and_discard_trailer()  # type: ignore[misc]


class DeadlineConnection(HTTPConnection):
    """A connection whose every operation ends at the deadline of the request that is being sent."""

    response_class = DeadlineResponse

    #: Not that of the base class, with which recipes for debugging print the headers of all connections.
    debuglevel = 0

    #: The deadline of the last request.
    deadline = _NO_DEADLINE

    def connect(self) -> None:
        """Connect, through a proxy if there is one. A host with several addresses gets the timeout for each."""
        self.deadline = deadline = _current()
        deadline.is_connecting = True
        with deadline.limiting():
            self.timeout = deadline.limit(self.timeout)
            super().connect()
        deadline.on_connected()
        deadline.is_connecting = False

    def send(self, data: Any) -> None:
        """Send bytes, however slowly the server reads them."""
        if self.sock is None:
            self.connect()
        self.deadline = _current()
        self._send_all(self.sock, data)

    def _send_all(self, sock: Any, data: Any) -> None:
        rest = memoryview(data)
        with self.deadline.limiting():
            while rest:
                sock.settimeout(self.deadline.limit(self.timeout))
                rest = rest[sock.send(rest) :]

    # The TLS handshake that follows each of these has one timeout: that of the socket.

    def _new_conn(self) -> socket.socket:
        sock = super()._new_conn()
        sock.settimeout(self.deadline.limit(self.timeout))
        return sock

    def _tunnel(self) -> None:
        super()._tunnel()
        self.sock.settimeout(self.deadline.limit(self.timeout))


class DeadlineTlsConnection(DeadlineConnection, HTTPSConnection):
    """The same with TLS."""

    def _connect_tls_proxy(self, hostname: str, sock: socket.socket) -> Any:
        connected: Any = super()._connect_tls_proxy(hostname, sock)
        receive = connected.recv
        # TLS within that of a proxy is a loop of urllib3 around these two methods, for the handshake as well.
        connected.recv = lambda size: self.deadline.receive(connected, connected.gettimeout(), receive, size)
        connected.sendall = lambda data: self._send_all(connected, data)
        return connected
