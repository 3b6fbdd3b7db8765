"""Fixtures: the API of the sandbox in each version. What a test asserts must hold for all of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from airflow_provider_360learning.api.versions import VERSIONS
from airflow_provider_360learning.sandbox.server import Sandbox
from tests.api.conftest import api, group_id, sent  # noqa: F401 - fixtures
from tests.api.factory import MakeApi, api_factory


@pytest.fixture(params=list(VERSIONS))
def version(request: pytest.FixtureRequest) -> str:
    """Return the name of an API version."""
    return str(request.param)


@pytest.fixture
def make_api(sandbox: Sandbox, version: str) -> Iterator[MakeApi]:
    """Create the API of the sandbox, or of another address, see ``tests.api.factory``."""
    with api_factory(sandbox, version) as make:
        yield make
