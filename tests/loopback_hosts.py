"""
Several hosts on one machine: worker processes that connect from loopback addresses of their own.

On Linux, all of 127.0.0.0/8 is this machine. On other systems, set up each address other than 127.0.0.1 first.
"""

from __future__ import annotations

import socket
from typing import Any

_connect = socket.socket.connect
_connect_ex = socket.socket.connect_ex


def leave_from(address: str) -> None:
    """
    Open all further loopback connections of this process from an address.

    The server sees another host: the sandbox counts its limits per address and records it in the journal (``ip``).
    This cannot be undone, so that only worker processes may call it.

    :param address: The source address, such as ``127.0.0.2``.
    """

    def bound(sock: socket.socket, target: Any) -> socket.socket:
        if sock.family == socket.AF_INET and str(target[0]).startswith("127.") and not sock.getsockname()[1]:
            sock.bind((address, 0))
        return sock

    # urllib3, redis and asyncio have no common setting for the source address; all of them call these methods.
    socket.socket.connect = lambda sock, target: _connect(bound(sock, target), target)  # type: ignore[method-assign]
    socket.socket.connect_ex = lambda sock, target: _connect_ex(bound(sock, target), target)  # type: ignore[method-assign]
