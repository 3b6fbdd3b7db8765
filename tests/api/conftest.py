"""Fixtures: the API of the sandbox, and the requests that the sandbox received."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from airflow_provider_360learning.api.client import Client
from airflow_provider_360learning.api.limiter.limiter import RateLimiter, Share
from airflow_provider_360learning.api.limiter.sqlite import SqliteStore
from airflow_provider_360learning.api.limiter.store import Store
from airflow_provider_360learning.api.types import Settings
from airflow_provider_360learning.api.v1 import ApiV1
from airflow_provider_360learning.api.v1.spec import API_V1
from airflow_provider_360learning.sandbox.server import Sandbox
from tests.api.support import FREE

#: Creates the API of a sandbox or of a base URL.
MakeApi = Callable[..., ApiV1]


@pytest.fixture
def make_api(sandbox: Sandbox) -> Iterator[MakeApi]:
    """
    Create the API of the sandbox, or of another address, with limits that are never reached.

    Keyword arguments other than those named are settings of the connection.
    """
    made = []

    def make(
        base_url: str = sandbox.url,
        *,
        store: Store | None = None,
        limits: dict[str, int] = FREE,
        max_wait: float = 600.0,
        rate_limiter: RateLimiter | None = None,
        client: dict[str, Any] | None = None,
        **settings: Any,
    ) -> ApiV1:
        facts = {"company_id": sandbox.company_id, "api_key": sandbox.api_key, "read_timeout": 5.0, **settings}
        rate_limiter = rate_limiter or RateLimiter(
            store or SqliteStore(":memory:"),
            base_url=base_url,
            company_id=facts["company_id"],
            overrides=limits,
            max_wait=max_wait,
            fallback=Share(1.0, started=0.0),
        )
        made.append(Client(Settings(base_url, **facts), API_V1, rate_limiter, **(client or {})))
        return ApiV1(made[-1])

    yield make
    for client in made:
        client.close()


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
