"""
The application: the control routes, the page, and the API versions at every other path, behind a guard.

An API request passes: guard -> way in -> arrival (journal, limits) -> authentication -> fault -> route -> way back.
"""

from __future__ import annotations

import asyncio
import email.utils
import logging
import math
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass

from fastapi import APIRouter, FastAPI, Request
from starlette import responses
from starlette.types import Receive, Scope, Send

from airflow_provider_360learning.sandbox.company import Company, Fact, ascii_json, control_router
from airflow_provider_360learning.sandbox.compression import accepts_gzip, compress, is_larger
from airflow_provider_360learning.sandbox.faults import Fault
from airflow_provider_360learning.sandbox.guard import Guard
from airflow_provider_360learning.sandbox.journal import SECRET_KEYS, Entry
from airflow_provider_360learning.sandbox.limits import Excess
from airflow_provider_360learning.sandbox.log import log_failure
from airflow_provider_360learning.sandbox.overview import Overview
from airflow_provider_360learning.sandbox.routing import (
    Body,
    Exchange,
    Match,
    Refusal,
    Response,
    Route,
    Router,
    Version,
    decode_body,
)
from airflow_provider_360learning.sandbox.settings import Settings
from airflow_provider_360learning.sandbox.state.budget import StorageFullError, memory_of

#: Closes the TCP connection of a client as soon as everything is sent.
Close = Callable[[tuple[str, int]], None]

_log = logging.getLogger(__name__)

#: Recorded in production. That all sites may read responses has no effect here: the guard refuses their requests.
_HEADERS = {"Cache-Control": "no-cache, no-store, private", "Access-Control-Allow-Origin": "*"}
_JSON = "application/json; charset=utf-8"
#: Header of the responses of an operation about which something is assumed.
EVIDENCE_HEADER = "X-Sandbox-Evidence"


class _DroppedError(Exception):
    """The connection is to be closed without a response, or before its end."""


@dataclass
class _Incoming:
    """
    One API request on its way through the sandbox.

    :param arrived_at: when it was counted, in monotonic seconds.
    """

    request: Request
    match: Match
    body: Body | None
    arrived_at: float

    @property
    def path(self) -> str:
        return raw_path(self.request)

    @property
    def address(self) -> str:
        return self.request.client.host if self.request.client else ""

    @property
    def fields(self) -> object:
        return self.body.value if self.body else None

    @property
    def user(self) -> str | None:
        """Email address or id of the user it is about."""
        for name, value in self.match.params.items():
            if "user" in name.lower():
                return value
        mail = self.fields.get("mail") if isinstance(self.fields, dict) else None
        return mail and str(mail)


def create_app(
    company: Company,
    versions: tuple[Version, ...],
    *,
    address: tuple[str, int],
    token: str,
    close: Close,
    unread_bytes: Callable[[], int],
) -> Guard:
    """
    Build the application.

    :param company: what it serves.
    :param versions: the API versions in front of it.
    :param address: host and port that it listens on.
    :param token: the secret part of the control URL.
    :param close: drops a connection.
    :param unread_bytes: returns the size of the responses that clients have not read yet.
    """
    control = FastAPI(
        title="360Learning sandbox", docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False
    )
    control.include_router(control_router(company, facts(versions)))
    control.include_router(_overview_router(Overview(company, versions)))
    control.add_exception_handler(StorageFullError, _refuse_storage)
    api = Api(company, versions, close)
    return Guard(control, api, address=address, token=token, unread_bytes=unread_bytes)


def _overview_router(overview: Overview) -> APIRouter:
    router = APIRouter()

    @router.get("/overview")
    async def show(find: str = "") -> responses.Response:
        return ascii_json(overview.as_dict(find))

    return router


async def _refuse_storage(request: Request, error: Exception) -> responses.Response:
    return responses.JSONResponse({"detail": str(error)}, 507)


def facts(versions: tuple[Version, ...]) -> list[Fact]:
    """Return how each route, limit and setting is known."""
    known: list[Fact] = []
    for version in versions:
        for route in version.routes:
            name = f"{version.name} {route.operation}"
            known.append(Fact(kind="route", name=name, evidence=route.evidence, note=route.assumes))
        for limit in version.limits:
            note = f"{limit.requests} requests per {limit.seconds:g} s"
            known.append(Fact(kind="limit", name=f"{version.name} {limit.name}", evidence=limit.evidence, note=note))
    for name, setting in Settings.model_fields.items():
        extra = setting.json_schema_extra
        evidence = extra.get("evidence") if isinstance(extra, dict) else None
        note = setting.description or ""
        known.append(Fact(kind="setting", name=name, evidence=str(evidence or "none"), note=note))
    return known


def raw_path(request: Request) -> str:
    """Return the path as it was sent."""
    return bytes(request.scope["raw_path"]).decode("latin-1")


def raw_query(request: Request) -> str:
    """Return the query as it was sent."""
    return bytes(request.scope["query_string"]).decode("latin-1")


class Api:
    """The API versions as one ASGI application."""

    def __init__(self, company: Company, versions: tuple[Version, ...], close: Close) -> None:
        self._company = company
        self._close = close
        self._router = Router(versions)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        incoming = await self._receive(Request(scope, receive))
        excess = self._count(incoming)
        entry = self._record(incoming, excess)
        scope["sandbox.entry"] = entry  # for applications around this one
        try:
            response = self._refuse(incoming, excess) if excess else await self._respond(incoming, entry)
        except _DroppedError:
            entry.seconds = self._company.monotonic() - entry.arrived_at
            await self._drop(scope, receive)
            return
        await _sleep(self._company.settings.delay_after_ms / 1000)
        entry.status, entry.error = response.status, response.error
        entry.seconds = self._company.monotonic() - entry.arrived_at
        await self._send(response, incoming, scope, receive, send)

    async def _send(self, response: Response, incoming: _Incoming, scope: Scope, receive: Receive, send: Send) -> None:
        content = response.content()
        headers = _HEADERS | ({"Content-Type": _JSON} if content else {}) | response.headers
        if (route := incoming.match.route) and route.is_assumed:
            headers[EVIDENCE_HEADER] = "assumed"
        is_chunked = is_larger(content)
        if is_chunked and self._company.settings.compressed_responses:
            headers["Vary"] = "Accept-Encoding"
            if accepts_gzip(incoming.request.headers.get("accept-encoding", "")):
                headers["Content-Encoding"], content = "gzip", compress(content)
        sent: responses.Response
        if isinstance(content, bytes):
            sent = responses.Response(content, response.status, headers)
            if is_chunked:
                del sent.headers["Content-Length"]
        else:
            sent = responses.StreamingResponse(self._streamed(content, scope, receive), response.status, headers)
        await sent(scope, receive, send)

    async def _receive(self, request: Request) -> _Incoming:
        """Read a request, which then takes its time to arrive."""
        settings = self._company.settings
        raw = await request.body()
        content_type, unindexed = request.headers.get("content-type", ""), settings.form_arrays != "indexed"
        body = decode_body(content_type, raw, unindexed_arrays=unindexed) if raw else None
        match = self._router.match(request.method, raw_path(request), settings.token_path, _login(body))
        await _sleep(self._company.request_latency())
        return _Incoming(request, match, body, self._company.monotonic())

    async def _drop(self, scope: Scope, receive: Receive) -> None:
        self._close(scope["client"])
        await receive()  # returns when the connection is closed

    async def _streamed(self, content: Iterator[bytes], scope: Scope, receive: Receive) -> AsyncIterator[bytes]:
        """Yield the parts of a body while they are produced."""
        try:
            for part in content:
                yield part
                await asyncio.sleep(0)  # other requests are served in between
        except _DroppedError:
            await self._drop(scope, receive)

    def _count(self, incoming: _Incoming) -> Excess | None:
        company, match, settings = self._company, incoming.match, self._company.settings
        if not settings.limits_enabled or (match.issues_token and not settings.token_requests_count):
            return None
        return company.windows.arrive(
            [limit for limit in match.version.limits if limit.counts(incoming.request.method, match.operation)],
            settings.limits,
            version=match.version.name,
            address=incoming.address,
            at=incoming.arrived_at,
            count_refused=settings.refused_requests_count,
            shared=settings.versions_share_limits,
        )

    def _record(self, incoming: _Incoming, excess: Excess | None) -> Entry:
        company, request = self._company, incoming.request
        entry = Entry(
            id=company.journal.next_id(),
            version=incoming.match.version.name,
            operation=incoming.match.operation,
            method=request.method,
            path=incoming.path,
            query=dict(request.query_params),
            ip=incoming.address,
            arrived_at=incoming.arrived_at,
            wall_time=time.time(),
            clock=company.clock.now(),
            refused_by=excess.limits if excess else [],
            body=incoming.fields,
            user=incoming.user,
        )
        return company.journal.add(entry.without_secrets(*company.credentials))

    def _refuse(self, incoming: _Incoming, excess: Excess) -> Response:
        retry_after = {
            "seconds": str(math.ceil(excess.seconds)),
            "date": email.utils.formatdate(math.ceil(time.time() + excess.seconds), usegmt=True),
            None: None,
        }[self._company.settings.retry_after]
        return self._too_many_requests(incoming, retry_after)

    def _too_many_requests(self, incoming: _Incoming, retry_after: str | int | None) -> Response:
        headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
        return Response(incoming.match.version.excess_body(self._company.settings), 429, headers)

    async def _respond(self, incoming: _Incoming, entry: Entry) -> Response:
        """Respond to a request that the limits let pass."""
        request, match = incoming.request, incoming.match
        try:
            if not match.issues_token:
                entry.auth = match.version.authenticate(self._company, request.headers, request.query_params)
            if match.route is None:
                return match.version.not_found()
            fault = self._company.faults.take(match.operation, incoming.path, incoming.fields)
            if fault is None:
                return self._work(incoming, match.route, entry)
            entry.fault = fault.kind
            return await self._apply_fault(fault, incoming, match.route, entry)
        except Refusal as refusal:
            return refusal.response
        except _DroppedError:
            raise
        except StorageFullError as full:
            return Response({"error": str(full)}, 507)
        except Exception as error:
            log_failure(_log, f"Sandbox failed; responding with 500: {request.method} {entry.path}", error)
            return match.version.server_error(500, "error")

    def _work(self, incoming: _Incoming, route: Route, entry: Entry) -> Response:
        """Let the route do its work."""
        request, company = incoming.request, self._company
        company.state.advance()
        company.state.budget.take(memory_of(incoming.fields))
        exchange = Exchange(
            company,
            incoming.match.params,
            request.query_params,
            request.headers,
            incoming.body,
            incoming.path,
            raw_query(request),
        )
        response = route.handler(exchange)
        entry.done = True
        return response

    async def _apply_fault(self, fault: Fault, incoming: _Incoming, route: Route, entry: Entry) -> Response:
        """Let a fault happen, and do the work unless the fault prevents it."""
        if fault.kind == "drop_before":
            raise _DroppedError
        if fault.kind == "rate_limited":
            return self._too_many_requests(incoming, fault.retry_after)
        if response := incoming.match.version.fault_responses.get(fault.kind):
            return response
        if fault.kind == "echo":
            return _echo(incoming.request, fault.status)
        if fault.kind in ("status", "server_error") and fault.when == "before":
            return _fault_response(fault, incoming.match.version)
        if fault.kind == "delay" and fault.when == "before":
            await _sleep(fault.seconds)
        try:
            response = self._work(incoming, route, entry)
        except Refusal:
            await self._hold_back(fault)
            raise
        await self._hold_back(fault)
        if fault.kind == "drop_midway":
            return Response(_cut(response.content(), fault.sent_bytes), response.status, response.headers)
        return response if fault.kind == "delay" else _fault_response(fault, incoming.match.version)

    async def _hold_back(self, fault: Fault) -> None:
        """Drop or delay the response to work that was done or refused."""
        if fault.kind == "drop_after":
            raise _DroppedError
        if fault.kind == "delay" and fault.when == "after":
            await _sleep(fault.seconds)


def _fault_response(fault: Fault, version: Version) -> Response:
    """Return the response that replaces the real one."""
    if fault.kind == "garbage":
        return Response(str(fault.body or '{"status": "use').encode())
    if fault.kind == "invalid_content":
        return _html("<html><body>Hello</body></html>", 200) if fault.body is None else Response(fault.body)
    if fault.kind == "server_error" or (fault.body is None and fault.status >= 400):
        failure = version.server_error(fault.status, fault.key)
        return Response(failure.payload, fault.status, fault.headers)
    if isinstance(fault.body, str):
        return _html(fault.body, fault.status, fault.headers)
    return Response(fault.body, fault.status, fault.headers)


def _login(body: Body | None) -> str:
    """Return the login of a request for a token."""
    login = body.value.get("client_id") if body and isinstance(body.value, dict) else None
    return login if isinstance(login, str) else ""


def _html(body: str, status: int, headers: dict[str, str] | None = None) -> Response:
    return Response(body.encode(), status, {"Content-Type": "text/html"} | (headers or {}))


def _echo(request: Request, status: int) -> Response:
    """Return an error that repeats the request, secrets included, as a careless server might."""
    url = f"{raw_path(request)}?{raw_query(request)}"
    # Secrets first, so that they are not lost by chance in a client that shortens long errors.
    headers = dict(sorted(request.headers.items(), key=lambda header: header[0] not in SECRET_KEYS))
    return Response({"error": f"{request.method} {url} {headers}"}, status)


def _cut(content: bytes | Iterator[bytes], size: int) -> Iterator[bytes]:
    """Yield the first bytes of a body, then drop the connection."""
    for part in [content] if isinstance(content, bytes) else content:
        yield part[:size]
        size -= len(part)
        if size <= 0:
            break
    raise _DroppedError


async def _sleep(seconds: float) -> None:
    if seconds > 0:
        await asyncio.sleep(seconds)
