"""Fixtures: the API of the sandbox in version 2. The others are those of tests/api."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from airflow_provider_360learning.api.types import Call
from airflow_provider_360learning.sandbox.demo_company import ADMIN_ID, SALES_GROUP_ID
from airflow_provider_360learning.sandbox.server import Sandbox
from tests.api.factory import MakeApi, api_factory


@pytest.fixture
def make_api(sandbox: Sandbox) -> Iterator[MakeApi]:
    """Create the API of the sandbox, or of another address, see ``tests.api.factory``."""
    with api_factory(sandbox, "v2") as make:
        yield make


@pytest.fixture
def new_integration(sandbox: Sandbox, make_api: MakeApi) -> Callable[..., str]:
    """Return a function that connects a group with an external platform, and returns the id of the integration."""
    client = make_api().client

    def create(group_id: str, platform: str = "Acme Learning") -> str:
        body = {"externalPlatform": platform, "groupId": group_id, "authorId": ADMIN_ID}
        return str(client.call(Call("createIntegration", body=body))["_id"])

    return create


@pytest.fixture
def integration_id(new_integration: Callable[..., str], sandbox: Sandbox) -> str:
    """Connect a group with an external platform."""
    id = new_integration(SALES_GROUP_ID)
    sandbox.control.clear_journal()
    return id
