"""Fixtures: the API of the sandbox in version 2. The others are those of tests/api."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from airflow_provider_360learning.sandbox.server import Sandbox
from tests.api.factory import MakeApi, api_factory


@pytest.fixture
def make_api(sandbox: Sandbox) -> Iterator[MakeApi]:
    """Create the API of the sandbox, or of another address, see ``tests.api.factory``."""
    with api_factory(sandbox, "v2") as make:
        yield make
