"""
The way into the sandbox: which requests it accepts, and how much of them it holds in memory.

A web page that is open on this machine can send requests to loopback, also under a name of its own that resolves to
127.0.0.1 (DNS rebinding), and so can other users of the machine. Therefore each request must name the sandbox as its
host, none may come from another site, and the control routes need a token, which is part of their URL.
"""

from __future__ import annotations

import hmac
import logging
from collections.abc import Callable

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from airflow_provider_360learning.sandbox import page
from airflow_provider_360learning.sandbox.control import CONTROL_PATH
from airflow_provider_360learning.sandbox.log import log_failure

#: Maximum size of the body of an API request, in bytes.
MAX_BODY_BYTES = 8 * 1024 * 1024
#: Maximum size of the bodies of all requests in progress, in bytes; for control, also of one body.
MAX_BODIES_BYTES = 64 * 1024 * 1024
#: Maximum size of the responses that clients have not read yet, in bytes. One response may exceed it.
MAX_UNREAD_BYTES = 64 * 1024 * 1024

#: Headers of control responses, whose address has the token, and which quote what clients sent: a browser shows them as
#: what they are, does not run or store them, and does not send the address to other sites.
_CONTROL_HEADERS = (
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
)

_log = logging.getLogger(__name__)


class _RefusedError(Exception):
    """
    A request is refused before any part of the sandbox sees it.

    :param status: HTTP status.
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class Guard:
    """
    The sandbox as one ASGI application, in front of the page and its two parts.

    :param control: the control routes, without prefix and token.
    :param api: every other path.
    :param address: host and port that the sandbox listens on.
    :param token: the secret part of the control URL.
    :param unread_bytes: returns the size of the responses that clients have not read yet.
    """

    def __init__(
        self, control: ASGIApp, api: ASGIApp, *, address: tuple[str, int], token: str, unread_bytes: Callable[[], int]
    ) -> None:
        host, port = address
        self._hosts = {f"{name}:{port}" for name in (host, "localhost")}
        if port == 80:  # which clients leave out
            self._hosts |= {host, "localhost"}
        self._origins = {f"http://{each}" for each in self._hosts}
        self._control = control
        self._api = api
        self._token = token.encode()
        self._unread_bytes = unread_bytes
        self._bodies_bytes = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve or refuse one request."""
        body = bytearray()
        try:
            self._check_sender(Headers(scope=scope))
            app, app_scope = self._find(scope)
            await self._read(receive, body, MAX_BODIES_BYTES if app is self._control else MAX_BODY_BYTES)
            sender = _with_headers(send) if app is self._control else send
            await app(app_scope, _replay(bytes(body), receive), sender)
        except ClientDisconnect:
            pass  # the request never arrived as a whole
        except _RefusedError as refusal:
            await PlainTextResponse(f"The sandbox refused this request: {refusal}\n", refusal.status)(
                scope, receive, send
            )
        except Exception as error:
            log_failure(_log, f"Sandbox failed; closing the connection: {scope['method']} {_path_in_log(scope)}", error)
        finally:
            self._bodies_bytes -= len(body)

    def _check_sender(self, headers: Headers) -> None:
        """Refuse requests of other sites, and requests to other names."""
        if headers.get("host", "").lower() not in self._hosts:
            raise _RefusedError(403, f"its Host is none of {', '.join(sorted(self._hosts))}.")
        cross_site = headers.get("sec-fetch-site") == "cross-site"
        if cross_site or not self._origins.issuperset(headers.getlist("origin")):
            raise _RefusedError(403, "it comes from a page of another origin.")

    def _find(self, scope: Scope) -> tuple[ASGIApp, Scope]:
        """Return the part that a path belongs to, and the scope for it. The path is decoded, as in the scope."""
        path = str(scope["path"])
        if page.serves(scope["method"], path):
            return page.serve, scope
        if path != CONTROL_PATH and not path.startswith(f"{CONTROL_PATH}/"):
            if self._token.decode() in path:  # the journal would keep it
                raise _RefusedError(404, f"its path has the token, but does not start with {CONTROL_PATH}/.")
            return self._api, scope
        token, _, rest = path.removeprefix(f"{CONTROL_PATH}/").partition("/")
        if not hmac.compare_digest(token.encode(), self._token):
            raise _RefusedError(403, "control needs the URL with the token that the sandbox printed at its start.")
        return self._control, {**scope, "path": f"/{rest}", "raw_path": f"/{rest}".encode()}

    async def _read(self, receive: Receive, body: bytearray, max_bytes: int) -> None:
        """Read a body as a whole, as far as there is memory for it."""
        if self._unread_bytes() > MAX_UNREAD_BYTES:
            raise _RefusedError(503, "too many responses were not read yet.")
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            part = message.get("body", b"")
            body += part
            self._bodies_bytes += len(part)
            if len(body) > max_bytes:
                raise _RefusedError(413, f"its body has more than {max_bytes} bytes.")
            if self._bodies_bytes > MAX_BODIES_BYTES:
                raise _RefusedError(503, f"requests in progress have more than {MAX_BODIES_BYTES} bytes.")
            more = message.get("more_body", False)


def _path_in_log(scope: Scope) -> str:
    """Return the path of a request without the token: who can read a log may not control the sandbox."""
    path = str(scope["path"])
    if CONTROL_PATH not in path:
        return path
    start, _, rest = path.partition(f"{CONTROL_PATH}/")
    return f"{start}{CONTROL_PATH}/***/{rest.partition('/')[2]}"


def _with_headers(send: Send) -> Send:
    """Return a function that adds the headers of :data:`_CONTROL_HEADERS` to a response."""

    async def sender(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", ()), *_CONTROL_HEADERS]}
        await send(message)

    return sender


def _replay(body: bytes, receive: Receive) -> Receive:
    """Return a function that returns a body once, and then what the connection returns."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replayed() -> Message:
        return messages.pop() if messages else await receive()

    return replayed
