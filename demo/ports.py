"""Ports on loopback for servers of the demo and of tests."""

from __future__ import annotations

import secrets
import socket
from contextlib import closing, suppress

#: Below the ports that a system assigns to connections, and to servers that do not choose one. Such a port could
#: become that of another process before the server listens.
_PORTS = range(11_000, 31_000)


def unused_port() -> int:
    """Return a port without a listener."""
    while True:
        port = secrets.choice(_PORTS)
        with suppress(OSError), closing(socket.create_server(("127.0.0.1", port))):
            return port
