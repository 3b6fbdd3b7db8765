"""A PostgreSQL server that responds to each message of a client with the bytes of a test."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO

from tests.attacks.hostile_server import loopback_server

SSL_REQUEST = 80877103

#: Yields the bytes of the response to a message, by its kind (``tls``, ``startup``, ``password``, ``query``) and text;
#: ``None`` for that of a proper server. They are sent one by one.
Responder = Callable[[str, bytes], Iterable[bytes] | None]


def message(kind: str, body: bytes = b"", length: int | None = None) -> bytes:
    """
    Return a message of the protocol.

    :param kind: Its first byte.
    :param body: What follows.
    :param length: The length that it claims to have, if that is another one.
    """
    return kind.encode() + struct.pack("!I", len(body) + 4 if length is None else length) + body


def error(text: bytes, code: bytes = b"XX000", kind: str = "E") -> bytes:
    """Return an error, or with ``kind="N"`` a notice."""
    fields = (b"SERROR", b"VERROR", b"C" + code, b"M" + text, b"D" + text, b"H" + text)
    return message(kind, b"".join(field + b"\0" for field in fields) + b"\0")


def row(*values: bytes | None, type_id: int = 25) -> bytes:
    """Return the result of a query: one row of values of a type, by default text."""
    column = b"c\0" + struct.pack("!IHIhih", 0, 0, type_id, -1, -1, 0)
    cells = b"".join(struct.pack("!i", -1) if v is None else struct.pack("!I", len(v)) + v for v in values)
    return (
        message("T", struct.pack("!H", len(values)) + column * len(values))
        + message("D", struct.pack("!H", len(values)) + cells)
        + message("C", b"SELECT 1\0")
        + READY
    )


READY = message("Z", b"I")
ASK_FOR_PASSWORD = message("R", struct.pack("!I", 3))
ACCEPT = message("R", struct.pack("!I", 0)) + b"".join(
    message("S", name + b"\0" + value + b"\0")
    for name, value in (
        (b"server_version", b"15.0"),
        (b"client_encoding", b"UTF8"),
        (b"DateStyle", b"ISO, MDY"),
        (b"standard_conforming_strings", b"on"),
    )
)
_PROPER = {"tls": b"N", "startup": ASK_FOR_PASSWORD, "password": ACCEPT + READY, "query": row(b"t", type_id=16)}


@contextmanager
def hostile_postgres(respond: Responder) -> Iterator[int]:
    """
    Run a server on loopback, and yield its port.

    :param respond: Yields the bytes of the response to each message.
    """

    def serve(connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as stream, suppress(OSError, struct.error):
            for kind, text in _messages(stream):
                parts = respond(kind, text)
                for part in (_PROPER[kind],) if parts is None else parts:
                    connection.sendall(part)

    with loopback_server(serve) as port:
        yield port


def _messages(stream: BinaryIO) -> Iterator[tuple[str, bytes]]:
    """Yield the kind and the text of each message; those that begin a connection have no first byte."""
    is_started = False
    while not is_started:
        (length,) = struct.unpack("!I", stream.read(4))
        text = stream.read(length - 4)
        is_started = struct.unpack("!I", text[:4])[0] != SSL_REQUEST
        yield ("startup" if is_started else "tls"), text
    while kind := stream.read(1):
        (length,) = struct.unpack("!I", stream.read(4))
        text = stream.read(length - 4)
        if name := {b"p": "password", b"Q": "query"}.get(kind):
            yield name, text
