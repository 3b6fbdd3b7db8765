"""Fixtures: the API of the sandbox, and the requests that the sandbox received."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_360learning.api.limiter.remote import RemoteStore
from airflow_provider_360learning.api.limiter.sqlite import SqliteStore
from airflow_provider_360learning.api.limiter.store import Store
from airflow_provider_360learning.api.v1 import ApiV1
from airflow_provider_360learning.sandbox.server import Sandbox
from tests.api.factory import MakeApi, api_factory
from tests.api.stores import server_store
from tests.api.support import FakeClock


@pytest.fixture
def make_api(sandbox: Sandbox) -> Iterator[MakeApi]:
    """
    Create the API of the sandbox, or of another address, with limits that are never reached.

    Keyword arguments are those of ``tests.api.factory``, or settings of the connection.
    """
    with api_factory(sandbox, "v1") as make:
        yield make


@pytest.fixture
def api(make_api: MakeApi) -> ApiV1:
    """Return the API of the sandbox, authenticated by token."""
    return make_api()


@pytest.fixture
def sent(sandbox: Sandbox) -> Callable[..., list[dict[str, Any]]]:
    """Return the requests that the sandbox received, of some operations or of all."""

    def entries(*operations: str) -> list[dict[str, Any]]:
        return [entry for entry in sandbox.control.journal() if not operations or entry["operation"] in operations]

    return entries


@pytest.fixture
def group_id(api: ApiV1) -> str:
    """Create a group and return its id."""
    return str(api.create_group(name="Lab")["group_id"])


@pytest.fixture
def clock() -> FakeClock:
    """Return the clock of the stores of these tests."""
    return FakeClock()


# The clock of a server is real.
@pytest.fixture(
    params=["memory", "host", *(pytest.param(server, marks=pytest.mark.realtime) for server in ("redis", "postgres"))]
)
def store(request: pytest.FixtureRequest, tmp_path: Path, clock: FakeClock) -> Store:
    """Return an empty store of each kind."""
    if request.param == "memory":
        return SqliteStore(":memory:", clock=clock)
    if request.param == "host":
        return SqliteStore(str(tmp_path / "rate-limits.sqlite3"), clock=clock)
    return server_store(request.param, request.getfixturevalue(f"{request.param}_server").url)


@pytest.fixture
def pass_time(store: Store, clock: FakeClock) -> Callable[[float], object]:
    """Let time pass on the store's clock; that of a server is real."""
    return time.sleep if isinstance(store, RemoteStore) else clock.advance
