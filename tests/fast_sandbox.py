"""A sandbox without limits, and a connection to it: for tests that are not about how fast requests may be sent."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

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
    """A fresh demo company, reached by the connection ``learning360_default``."""
    fast_server.control.reset()
    monkeypatch.setenv(CONNECTION, fast_server.connection_json(limits=UNLIMITED, read_timeout=next(_timeouts)))
    return fast_server


def operations(sandbox: Sandbox) -> list[str]:
    """Name the operations that the sandbox was asked for, tokens apart."""
    return [entry["operation"] for entry in sandbox.control.journal() if entry["operation"] != "generateToken"]
