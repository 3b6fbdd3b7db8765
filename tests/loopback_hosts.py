"""
Several hosts on one machine: worker processes that leave through loopback addresses of their own.

On Linux, all of 127.0.0.0/8 is this machine; elsewhere, each address beside 127.0.0.1 must be set up first.
"""

from __future__ import annotations

import socket
from typing import Any

_connect = socket.socket.connect
_connect_ex = socket.socket.connect_ex


def leave_from(address: str) -> None:
    """
    Let every connection that this process opens to loopback from now on come from an address.

    Whoever is connected to then sees another host: the sandbox counts its limits per address and notes it in the
    journal (``ip``). To be called in a worker process, for good: there is no way back.

    :param address: The source address, e.g. ``127.0.0.2``.
    """

    def bound(sock: socket.socket, target: Any) -> socket.socket:
        if sock.family == socket.AF_INET and str(target[0]).startswith("127.") and not sock.getsockname()[1]:
            sock.bind((address, 0))
        return sock

    # One level below all that opens connections (urllib3, redis, asyncio), none of which has a setting for all.
    socket.socket.connect = lambda sock, target: _connect(bound(sock, target), target)  # type: ignore[method-assign]
    socket.socket.connect_ex = lambda sock, target: _connect_ex(bound(sock, target), target)  # type: ignore[method-assign]
