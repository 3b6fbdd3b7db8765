"""
Records what passes through a sandbox, and validates it against the published documents of API v2.

It wraps the sandbox's application, so that it sees what is sent over the socket. Requests are validated after the test,
in the thread of the test, so that the sandbox responds as fast as without it.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, MutableMapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tests.contract.schemas import operations

_PREFIX = "/api/v2/"


@dataclass
class Exchange:
    """A request and its response, as they were sent; the status is ``None`` if the connection was dropped."""

    scope: MutableMapping[str, Any]
    body: bytearray = field(default_factory=bytearray)
    status: int | None = None
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    content: bytearray = field(default_factory=bytearray)

    def violations(self) -> Iterator[str]:
        """Yield what is invalid in it."""
        # The path is shared with API v1, and faults are invalid on purpose.
        entry = self.scope.get("sandbox.entry")
        if entry is None or entry.version != "v2":
            return
        method, raw_path = self.scope["method"], self.scope["raw_path"].decode("latin-1")
        for operation in operations():
            match = operation.pattern.fullmatch(raw_path)
            if match and operation.method == method:
                break
        else:
            yield f"{method} {raw_path} is not published"
            return
        where = f"{method} {raw_path}"
        path = {name: unquote(value) for name, value in match.groupdict().items()}
        headers = _headers(self.scope["headers"])
        query = self.scope["query_string"].decode("latin-1")
        for problem in operation.request_violations(path, query, headers, _decoded(headers, self.body)):
            yield f"request {where}: {problem}"
        if self.status is None or entry.fault:
            return
        headers = _headers(self.headers)
        for problem in operation.response_violations(self.status, headers, _decoded(headers, self.content)):
            yield f"response to {where}: {problem}"


class Recorder:
    """Keeps the exchanges of API v2 until they are checked."""

    def __init__(self) -> None:
        self._exchanges: list[Exchange] = []

    def wrap(self, app: ASGIApp) -> ASGIApp:
        """Return an application that records what passes."""

        async def recorded(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http" or not scope["path"].startswith(_PREFIX):
                await app(scope, receive, send)
                return
            exchange = Exchange(scope)
            self._exchanges.append(exchange)

            async def received() -> Message:
                message = await receive()
                exchange.body += message.get("body", b"")
                return message

            async def sent(message: Message) -> None:
                if message["type"] == "http.response.start":
                    exchange.status, exchange.headers = message["status"], list(message["headers"])
                exchange.content += message.get("body", b"")
                await send(message)

            await app(scope, received, sent)

        return recorded

    def clear(self) -> None:
        """Forget what was recorded."""
        self._exchanges.clear()

    def take_violations(self) -> list[str]:
        """Return what was invalid in the exchanges so far, each text once, and forget them."""
        exchanges = self._exchanges[:]
        del self._exchanges[: len(exchanges)]
        return list(dict.fromkeys(problem for exchange in exchanges for problem in exchange.violations()))


#: Records the sandboxes that several tests share.
RECORDER = Recorder()


def _headers(raw: list[tuple[bytes, bytes]]) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in raw}


def _decoded(headers: dict[str, str], body: bytearray) -> object:
    """Return a JSON body, the bytes of another one, ``None`` for an empty one."""
    if not body:
        return None
    if headers.get("content-encoding") == "gzip":
        body = bytearray(zlib.decompressobj(wbits=16 + zlib.MAX_WBITS).decompress(body))
    return json.loads(body) if headers.get("content-type", "").startswith("application/json") else bytes(body)
