"""Fixtures: the API of the sandbox, and the requests that the sandbox received."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from airflow_provider_360learning.api.v1 import ApiV1
from airflow_provider_360learning.sandbox.server import Sandbox
from tests.api.factory import MakeApi, api_factory


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
