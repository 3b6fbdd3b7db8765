"""Creates the API of a sandbox for tests, in any version."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from airflow_provider_360learning.api.client import Client
from airflow_provider_360learning.api.interface import LearningApi
from airflow_provider_360learning.api.limiter.limiter import RateLimiter
from airflow_provider_360learning.api.limiter.share import Share
from airflow_provider_360learning.api.limiter.sqlite import SqliteStore
from airflow_provider_360learning.api.limiter.store import Store
from airflow_provider_360learning.api.types import Settings
from airflow_provider_360learning.api.versions import VERSIONS
from airflow_provider_360learning.sandbox.server import Sandbox

#: Creates the API of a sandbox or of a base URL.
MakeApi = Callable[..., LearningApi]


def _v1_credentials(sandbox: Sandbox) -> dict[str, str]:
    return {"company_id": sandbox.company_id, "api_key": sandbox.api_key}


def _v2_credentials(sandbox: Sandbox) -> dict[str, str]:
    return {"company_id": sandbox.company_id, "client_id": sandbox.client_id, "api_key": sandbox.client_secret}


_CREDENTIALS: Mapping[str, Callable[[Sandbox], dict[str, str]]] = {"v1": _v1_credentials, "v2": _v2_credentials}


@contextmanager
def api_factory(sandbox: Sandbox, version: str) -> Iterator[MakeApi]:
    """
    Create APIs of the sandbox, or of another address, with limits that are never reached, and close them at the end.

    :param version: Name of the API version.
    """
    spec, adapter = VERSIONS[version].spec, VERSIONS[version].adapter
    made = []

    def make(
        base_url: str = sandbox.url,
        *,
        store: Store | None = None,
        limits: dict[str, int] | None = None,
        max_wait: float = 600.0,
        rate_limiter: RateLimiter | None = None,
        client: dict[str, Any] | None = None,
        **settings: Any,
    ) -> LearningApi:
        facts = {**_CREDENTIALS[version](sandbox), "read_timeout": 60.0, **settings}
        rate_limiter = rate_limiter or RateLimiter(
            store or SqliteStore(":memory:"),
            base_url=base_url,
            company_id=facts["company_id"],
            api_version=version,
            overrides=dict.fromkeys(spec.limits, 1000) if limits is None else limits,
            max_wait=max_wait,
            fallback=Share(1.0, started=0.0),
        )
        made.append(Client(Settings(base_url, **facts), spec, rate_limiter, **(client or {})))
        return adapter(made[-1])

    yield make
    for each in made:
        each.close()
