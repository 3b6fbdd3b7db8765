"""A sandbox without limits, and a connection to it: for tests that are not about how fast requests may be sent."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from airflow_provider_360learning.api.endpoints import LIMITS
from airflow_provider_360learning.sandbox.server import Sandbox

UNLIMITED = dict.fromkeys(LIMITS, 1000)
CONNECTION = "AIRFLOW_CONN_LEARNING360_DEFAULT"

# Triggers share what they know of a connection (its token), so that each test has one that differs a little.
_timeouts = itertools.count(60)


@pytest.fixture(scope="session")
def fast_server() -> Iterator[Sandbox]:
    """The server behind :func:`sandbox`; learners need an hour of the sandbox's time."""
    with Sandbox(settings={"limits_enabled": False, "learner_seconds": 3600}) as server:
        yield server


@pytest.fixture
def sandbox(fast_server: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    """A fresh demo company, reached by the connection ``learning360_default``, with the key in the headers."""
    fast_server.control.reset()
    connection = fast_server.connection_json(auth="api_key_header", limits=UNLIMITED, read_timeout=next(_timeouts))
    monkeypatch.setenv(CONNECTION, connection)
    return fast_server


@pytest.fixture
def with_tokens(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same, but the connection authenticates with tokens."""
    monkeypatch.setenv(CONNECTION, sandbox.connection_json(limits=UNLIMITED, read_timeout=next(_timeouts)))


def operations(sandbox: Sandbox) -> list[str]:
    """Name the operations that the sandbox was asked for."""
    return [entry["operation"] for entry in sandbox.control.journal()]


@contextmanager
def after_requests(sandbox: Sandbox, count: int, path_contains: str, act: Callable[[], object]) -> Iterator[None]:
    """Act, meanwhile and once, as soon as the sandbox has seen so many requests with this in their path."""
    stop = threading.Event()

    def watch() -> None:
        while not stop.wait(0.05):
            if sum(path_contains in entry["path"] for entry in sandbox.control.journal()) >= count:
                act()
                return

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield
    finally:
        stop.set()
        watcher.join()
