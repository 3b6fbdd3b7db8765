"""A Redis server that responds to each command with the bytes of a test."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO

from tests.attacks.hostile_server import loopback_server

#: Yields the bytes of the response to a command and its arguments. They are sent one by one.
Responder = Callable[[list[bytes]], Iterable[bytes]]


@contextmanager
def hostile_redis(respond: Responder) -> Iterator[int]:
    """
    Run a server on loopback, and yield its port.

    :param respond: Yields the bytes of the response to each command.
    """

    def serve(connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as commands, suppress(OSError):
            while command := _read_command(commands):
                for part in respond(command):
                    connection.sendall(part)

    with loopback_server(serve) as port:
        yield port


def _read_command(commands: BinaryIO) -> list[bytes]:
    """Return a command, a RESP array of bulk strings; an empty list at the end of the connection."""
    count = int(commands.readline()[1:] or 0)
    return [commands.read(int(commands.readline()[1:]) + 2)[:-2] for _ in range(count)]
