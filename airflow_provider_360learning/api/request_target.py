"""
Request targets that are sent as they are.

urllib3 percent-encodes brackets in a query. That API v2 accepts them encoded is not documented; public clients send the
brackets of filters (``mail[in][0]``) as they are. urllib3 passes nothing else from a request to its connection, so that
the target is a context variable while the request is sent.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from urllib3.connection import HTTPConnection

_target: ContextVar[str | None] = ContextVar("request_target", default=None)


@contextmanager
def exact_target(target: str) -> Iterator[None]:
    """
    Send the requests of the block with a target.

    :param target: Path and query; the whole URL for a proxy. http.client refuses one
        with spaces or control characters.
    """
    token = _target.set(target)
    try:
        yield
    finally:
        _target.reset(token)


class ExactTargetConnection(HTTPConnection):
    """A connection that sends the target of :func:`exact_target` in the place of the encoded one."""

    # Any: as the method of urllib3 that this extends.
    def putrequest(self, method: str, url: str, *arguments: Any, **options: Any) -> None:
        """Start a request."""
        super().putrequest(method, _target.get() or url, *arguments, **options)
