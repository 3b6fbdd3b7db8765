"""A sandbox without rate limits and a connection to it, for tests of anything but rates."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from airflow_provider_360learning.api.v1.spec import API_V1
from airflow_provider_360learning.api.v2.spec import API_V2
from airflow_provider_360learning.hooks.learning360 import Learning360Hook
from airflow_provider_360learning.sandbox.demo_company import ONBOARDING_PATH_ID, ROOT_GROUP_ID
from airflow_provider_360learning.sandbox.server import Sandbox
from airflow_provider_360learning.triggers.completion import Learning360CompletionTrigger

if TYPE_CHECKING:
    from tests.contract.recorder import Recorder

UNLIMITED = dict.fromkeys(API_V1.limits, 1000)
CONNECTION = "AIRFLOW_CONN_LEARNING360_DEFAULT"

# Triggers share the token of equal connections; a different timeout keeps the connections of tests apart.
_timeouts = itertools.count(60)


class Gate:
    """Holds requests back before the sandbox receives them, so that it receives a certain number of them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._path_contains = ""
        #: How many more requests may pass; ``None`` if all may.
        self._left: int | None = None

    def wrap(self, app: ASGIApp) -> ASGIApp:
        """Return an application whose requests pass this gate."""

        async def gated(scope: Scope, receive: Receive, send: Send) -> None:
            while scope["type"] == "http" and scope["path"].startswith("/api/") and self._holds(scope["path"]):
                await asyncio.sleep(0.01)
            await app(scope, receive, send)

        return gated

    def let_pass(self, count: int, path_contains: str) -> None:
        """
        Let so many requests pass, and hold further ones.

        :param count: How many.
        :param path_contains: Requests without this in the path are not held.
        """
        with self._lock:
            self._left, self._path_contains = count, path_contains

    def open(self) -> None:
        """Let all requests pass."""
        with self._lock:
            self._left = None

    def _holds(self, path: str) -> bool:
        with self._lock:
            if self._left is None or self._path_contains not in path:
                return False
            if self._left <= 0:
                return True
            self._left -= 1
            return False


#: That of the server of :func:`unlimited_server`.
_gate = Gate()


@pytest.fixture(scope="session")
def unlimited_server(contract_recorder: Recorder) -> Iterator[Sandbox]:
    """Run the server of :func:`sandbox`. Learners take an hour of the sandbox's clock."""
    settings = {"limits_enabled": False, "learner_seconds": 3600}
    with Sandbox(settings=settings, middleware=lambda app: _gate.wrap(contract_recorder.wrap(app))) as server:
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv(CONNECTION, server.connection_json(auth="api_key_header", limits=UNLIMITED))
            Learning360Hook().api.list_groups()  # until the key is accepted, only the documented limits apply
        yield server


@pytest.fixture
def sandbox(unlimited_server: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    """Provide a fresh demo company; ``learning360_default`` sends the API key as a header."""
    unlimited_server.control.reset()
    connection = unlimited_server.connection_json(auth="api_key_header", limits=UNLIMITED, read_timeout=next(_timeouts))
    monkeypatch.setenv(CONNECTION, connection)
    return unlimited_server


@pytest.fixture
def with_tokens(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Use tokens in the connection of :func:`sandbox`."""
    monkeypatch.setenv(CONNECTION, sandbox.connection_json(limits=UNLIMITED, read_timeout=next(_timeouts)))


def use_api_v2(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Use API v2 in the connection of :func:`sandbox`."""
    limits = dict.fromkeys(API_V2.limits, 1000)
    connection = sandbox.connection_json(api_version="v2", limits=limits, read_timeout=next(_timeouts))
    monkeypatch.setenv(CONNECTION, connection)


def make_session(sandbox: Sandbox, *learners: str) -> str:
    """Create a path session with these learners, clear the journal and return the session's id."""
    api = Learning360Hook().api
    made = api.create_path_session(
        path_id=ONBOARDING_PATH_ID, name="Autumn", session_start="2026-10-01T00:00:00Z", group_id=ROOT_GROUP_ID
    )
    if learners:
        api.enroll_users(session_id=made["session_id"], users=learners)
    sandbox.control.clear_journal()
    return str(made["session_id"])


def make_trigger(
    session_id: str,
    *,
    conn_id: str = "learning360_default",
    poke_interval: float = 0.02,
    first_poke: float = 0.0,
    timeout: float = 60.0,
    failures: int = 0,
    **arguments: object,
) -> Learning360CompletionTrigger:
    """Return a trigger that waits until a path session is complete."""
    return Learning360CompletionTrigger(
        learning360_conn_id=conn_id,
        subject="path_session",
        arguments={"session_id": session_id, **arguments},
        poke_interval=poke_interval,
        first_poke=first_poke,
        deadline=time.time() + timeout,
        failures=failures,
    )


def operations(sandbox: Sandbox) -> list[str]:
    """Return the operations of all requests in the journal."""
    return [entry["operation"] for entry in sandbox.control.journal()]


@contextmanager
def after_requests(
    sandbox: Sandbox, count: int, path_contains: str, *acts: Callable[[], object], hold_others: bool = False
) -> Iterator[None]:
    """
    Call each of ``acts``, in a thread, when the sandbox has received ``count`` requests with this in the path.

    The requests count from the beginning of the journal, then from the end of the act before.

    :param sandbox: The sandbox.
    :param count: Number of requests.
    :param path_contains: What is in their paths.
    :param acts: What to call.
    :param hold_others: Whether further requests wait for the end of the act, so that it is never late; for the sandbox
        of this module.
    :raises Exception: What one of ``acts`` raised.
    """
    stop = threading.Event()

    def received() -> int:
        return sum(path_contains in entry["path"] for entry in sandbox.control.journal())

    def hold_after(required: int) -> None:
        if hold_others:
            _gate.let_pass(required - received(), path_contains)

    def watch() -> None:
        required = count
        for number, act in enumerate(acts):
            if number:
                hold_after(required)
            while received() < required:
                if stop.wait(0.02):
                    return
            act()
            required = received() + count

    def watch_and_open() -> None:
        try:
            watch()
        finally:
            _gate.open()

    hold_after(count)
    with ThreadPoolExecutor(1) as watcher:
        acted = watcher.submit(watch_and_open)
        try:
            yield
        finally:
            stop.set()
        acted.result()


def rotate_key(sandbox: Sandbox, store: Callable[[], object]) -> None:
    """
    Add an API key and revoke the old one.

    :param sandbox: The sandbox.
    :param store: Called in between, when the sandbox's connection has the new key.
    """
    old = sandbox.api_key
    sandbox.control.add_api_key()
    store()
    sandbox.control.revoke_api_key(old)
