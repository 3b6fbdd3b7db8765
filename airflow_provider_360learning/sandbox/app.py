"""The application: control routes under ``/_sandbox``, and the API at every other path.

One API request goes: way in -> arrival (journal, limits) -> authentication -> fault -> route -> way back.
"""

from __future__ import annotations

import asyncio
import email.utils
import logging
import math
import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field

from fastapi import FastAPI, Request, Response
from starlette.requests import ClientDisconnect
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from airflow_provider_360learning.sandbox.auth import authenticate
from airflow_provider_360learning.sandbox.calls import (
    Answer,
    ApiError,
    Call,
    NoSuchRoute,
    decode_body,
    is_id,
    usable_body,
)
from airflow_provider_360learning.sandbox.company import Company
from airflow_provider_360learning.sandbox.control_api import control_router
from airflow_provider_360learning.sandbox.faults import Fault, answer_of
from airflow_provider_360learning.sandbox.journal import SECRET_KEYS, Entry
from airflow_provider_360learning.sandbox.limits import Refusal
from airflow_provider_360learning.sandbox.routes import OPERATIONS
from airflow_provider_360learning.sandbox.routing import Match, Router

#: Closes the TCP connection of a client as soon as all that was sent is out.
Close = Callable[[tuple[str, int]], None]

_log = logging.getLogger(__name__)

#: Recorded from the real API.
_USUAL_HEADERS = {"Cache-Control": "no-cache, no-store, private", "Access-Control-Allow-Origin": "*"}
_JSON = "application/json; charset=utf-8"

_PERSON_PARAMS = ("user_email", "userId_or_email", "userEmailOrId")


class _Dropped(Exception):
    """The connection shall be closed without an answer, or without the rest of it."""


@dataclass
class _Incoming:
    """One API request on its way through the sandbox.

    :param body: the decoded body with its format; ``None`` where there is none.
    :param arrived_at: when it was counted, in monotonic seconds.
    """

    request: Request
    match: Match | None
    body: tuple[str, object] | None
    arrived_at: float = field(default_factory=time.monotonic)

    @property
    def operation(self) -> str | None:
        return self.match.operation.name if self.match else None

    @property
    def path(self) -> str:
        return raw_path(self.request)

    @property
    def person(self) -> str | None:
        """Whom it is about."""
        params = self.match.params if self.match else {}
        body = self.body[1] if self.body else None
        mail = body.get("mail") if isinstance(body, dict) else None
        return next((params[name] for name in _PERSON_PARAMS if name in params), mail and str(mail))


def create_app(company: Company, close: Close) -> FastAPI:
    """Build the application.

    :param company: what it serves.
    :param close: how it drops a connection.
    """
    app = FastAPI(title="360Learning sandbox", docs_url=None, redoc_url=None, openapi_url=None)
    app.include_router(control_router(company))
    app.mount("/", Api(company, close))
    return app


def raw_path(request: Request) -> str:
    """Return the path as it was sent."""
    return bytes(request.scope["raw_path"]).decode("latin-1")


class Api:
    """The API as an ASGI application: the order of things for one request."""

    def __init__(self, company: Company, close: Close) -> None:
        self._company = company
        self._close = close
        self._router = Router(OPERATIONS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        request = Request(scope, receive)
        try:
            raw = await request.body()
        except ClientDisconnect:
            return  # it never arrived as a whole
        match = self._router.match(request.method, raw_path(request), self._company.settings.token_path)
        body = decode_body(request.headers.get("content-type", ""), raw) if raw else None
        await _pass(self._company.travel_seconds())
        incoming = _Incoming(request, match, body)
        refusal = self._count(incoming)
        entry = self._record(incoming, refusal)
        try:
            answer = self._refuse(refusal) if refusal else await self._answer(incoming, entry)
        except _Dropped:
            await self._drop(scope, receive)
            return
        await _pass(self._company.settings.delay_after_ms / 1000)
        entry.status, entry.error = answer.status, answer.error
        content = answer.content()
        headers = _USUAL_HEADERS | ({"Content-Type": _JSON} if content else {}) | answer.headers
        if isinstance(content, bytes):
            response = Response(content, answer.status, headers)
        else:
            response = StreamingResponse(self._in_turns(content, scope, receive), answer.status, headers)
        await response(scope, receive, send)

    async def _drop(self, scope: Scope, receive: Receive) -> None:
        self._close(scope["client"])
        await receive()  # returns when the connection is gone

    async def _in_turns(self, content: Iterator[bytes], scope: Scope, receive: Receive) -> AsyncIterator[bytes]:
        """Pass the parts of a body on as they are made."""
        try:
            for part in content:
                yield part
                await asyncio.sleep(0)  # others are served meanwhile
        except _Dropped:
            await self._drop(scope, receive)

    def _count(self, incoming: _Incoming) -> Refusal | None:
        company = self._company
        if incoming.operation == "generateToken" and not company.settings.token_requests_count:
            return None
        return company.limits.arrive(
            company.settings,
            method=incoming.request.method,
            operation=incoming.operation,
            ip=_ip(incoming.request),
            at=incoming.arrived_at,
        )

    def _record(self, incoming: _Incoming, refusal: Refusal | None) -> Entry:
        company, request = self._company, incoming.request
        entry = Entry(
            id=company.journal.next_id(),
            operation=incoming.operation,
            method=request.method,
            path=incoming.path,
            query=dict(request.query_params),
            ip=_ip(request),
            arrived_at=incoming.arrived_at,
            wall_time=time.time() - (time.monotonic() - incoming.arrived_at),
            clock=company.clock.now(),
            refused_by=refusal.limits if refusal else [],
            body=incoming.body[1] if incoming.body else None,
            user=incoming.person,
        )
        return company.journal.add(entry.without_secrets(company.api_key))

    def _refuse(self, refusal: Refusal) -> Answer:
        settings = self._company.settings
        retry_after = {
            "seconds": str(math.ceil(refusal.seconds)),
            "date": email.utils.formatdate(math.ceil(time.time() + refusal.seconds), usegmt=True),
            None: None,
        }[settings.retry_after]
        return _too_many_requests(settings.rate_limit_body, retry_after)

    async def _answer(self, incoming: _Incoming, entry: Entry) -> Answer:
        """Answer a request that the limits let pass."""
        request = incoming.request
        try:
            if incoming.operation != "generateToken":
                entry.auth = authenticate(self._company, request.headers, request.query_params)
            if incoming.match is None:
                raise NoSuchRoute
            body = incoming.body[1] if incoming.body else None
            fault = self._company.faults.take(incoming.operation, incoming.path, body)
            if fault is None:
                return self._work(incoming, incoming.match, entry)
            entry.fault = fault.kind
            return await self._apply_fault(fault, incoming, incoming.match, entry)
        except ApiError as error:
            return Answer(error.payload(), error.status)
        except _Dropped:
            raise
        except Exception:
            _log.exception("The sandbox failed at %s %s.", request.method, entry.path)
            return Answer({"error": f"an error occurred: {secrets.token_hex(16)}"}, 500)

    def _work(self, incoming: _Incoming, match: Match, entry: Entry) -> Answer:
        """Let the route do its work."""
        operation, company = match.operation, self._company
        ids = [value for name, value in match.params.items() if name.endswith("_id")]
        if not operation.lenient_ids and not all(map(is_id, ids)):
            raise NoSuchRoute
        call = Call(
            world=company.world,
            settings=company.settings,
            clock=company.clock,
            tokens=company.tokens,
            company_id=company.id,
            api_key=company.api_key,
            path=match.params,
            query=incoming.request.query_params,
            body=usable_body(incoming.body, operation.bodies),
        )
        answer = operation.handler(call)
        entry.done = True
        return answer

    async def _apply_fault(self, fault: Fault, incoming: _Incoming, match: Match, entry: Entry) -> Answer:
        """Let a fault happen, and the work where the fault leaves it."""
        if fault.kind == "drop_before":
            raise _Dropped
        if fault.kind == "rate_limited":
            return _too_many_requests(self._company.settings.rate_limit_body, fault.retry_after)
        if fault.kind == "echo":
            return _echo(incoming.request, fault.status)
        if fault.kind == "status" and fault.when == "before":
            return answer_of(fault)
        if fault.kind == "delay" and fault.when == "before":
            await _pass(fault.seconds)
        try:
            answer = self._work(incoming, match, entry)
        except ApiError:
            await self._hold_back(fault)
            raise
        await self._hold_back(fault)
        if fault.kind == "drop_midway":
            return Answer(_cut(answer.content(), fault.sent_bytes), answer.status, answer.headers)
        return answer if fault.kind == "delay" else answer_of(fault)

    async def _hold_back(self, fault: Fault) -> None:
        """Let a fault happen to an answer, be it a refusal."""
        if fault.kind == "drop_after":
            raise _Dropped
        if fault.kind == "delay" and fault.when == "after":
            await _pass(fault.seconds)


def _too_many_requests(body: object, retry_after: str | int | None) -> Answer:
    return Answer(body, 429, {} if retry_after is None else {"Retry-After": str(retry_after)})


def _echo(request: Request, status: int) -> Answer:
    """Repeat what a careless server might repeat in its error, secrets and all."""
    url = f"{raw_path(request)}?{bytes(request.scope['query_string']).decode('latin-1')}"
    # Secrets first, where a client that shortens long errors does not lose them by luck.
    headers = dict(sorted(request.headers.items(), key=lambda header: header[0] not in SECRET_KEYS))
    return Answer({"error": f"{request.method} {url} {headers}"}, status)


def _cut(content: bytes | Iterator[bytes], size: int) -> Iterator[bytes]:
    """Drop the connection after so many bytes of a body."""
    for part in [content] if isinstance(content, bytes) else content:
        yield part[:size]
        size -= len(part)
        if size <= 0:
            break
    raise _Dropped


def _ip(request: Request) -> str:
    return request.client.host if request.client else ""


async def _pass(seconds: float) -> None:
    if seconds > 0:
        await asyncio.sleep(seconds)
