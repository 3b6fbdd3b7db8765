"""A server that sends whatever bytes a test wants: malformed, endless, or one by one."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field

#: Yields the bytes of a response to a request. They are sent one by one, so that a flood needs no memory here.
Responder = Callable[[bytes], Iterable[bytes]]

_CONTENT_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)


@dataclass
class HostileServer:
    """The address of a running server, and what it received."""

    url: str
    #: Each request with its body, as received.
    requests: list[bytes] = field(default_factory=list)


def response(
    body: bytes | Iterable[bytes] = b"", status: str = "200 OK", headers: Iterable[str] = (), length: int | None = None
) -> Iterator[bytes]:
    """
    Yield the bytes of a response.

    :param body: The body, or its parts; parts end with the connection, unless ``headers`` say otherwise.
    :param status: Status code and reason.
    :param headers: Further header lines.
    :param length: ``Content-Length``, by default that of a body in one piece.
    """
    lines = [f"HTTP/1.1 {status}", *headers]
    if isinstance(body, bytes):
        length, body = len(body) if length is None else length, (body,)
    if length is not None:
        lines.append(f"Content-Length: {length}")
    yield "\r\n".join([*lines, "", ""]).encode("latin-1")
    yield from body


@contextmanager
def hostile_server(respond: Responder, *, keep_open: bool = False) -> Iterator[HostileServer]:
    """
    Run a server on loopback.

    :param respond: Yields the bytes of the response to each request.
    :param keep_open: Leave the connection open after a response, for the next request.
    """

    def serve(connection: socket.socket) -> None:
        connection.settimeout(10)
        with connection, suppress(OSError):
            while request := _read_request(connection):
                server.requests.append(request)
                for part in respond(request):
                    connection.sendall(part if keep_open else _closing(part))
                if not keep_open:
                    return

    with loopback_server(serve) as port:
        server = HostileServer(f"http://127.0.0.1:{port}")
        yield server


@contextmanager
def loopback_server(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """
    Run a server on loopback, and yield its port.

    :param serve: Called with each connection, in a thread of its own.
    """
    connections: list[socket.socket] = []

    def listen() -> None:
        with suppress(OSError):  # the listener is closed
            while True:
                connection, _ = listener.accept()
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                connections.append(connection)
                threading.Thread(target=serve, args=(connection,), daemon=True).start()

    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        threading.Thread(target=listen, daemon=True).start()
        try:
            yield listener.getsockname()[1]
        finally:
            for open_socket in [listener, *connections]:
                with suppress(OSError):
                    open_socket.shutdown(socket.SHUT_RDWR)


def _closing(part: bytes) -> bytes:
    """Say in the head of a response that the connection ends with it, so that no further request is sent through it."""
    return part.replace(b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nConnection: close\r\n", 1)


def _read_request(connection: socket.socket) -> bytes:
    """Return a request, or nothing if the connection was closed."""
    received = b""
    while b"\r\n\r\n" not in received:
        if not (part := connection.recv(65536)):
            return b""
        received += part
    head_length = received.index(b"\r\n\r\n") + 4
    length = _CONTENT_LENGTH.search(received, 0, head_length)
    while len(received) < head_length + int(length[1] if length else 0):
        if not (part := connection.recv(65536)):
            return b""
        received += part
    return received
