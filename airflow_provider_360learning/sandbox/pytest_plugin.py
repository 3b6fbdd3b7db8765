"""The fixtures ``learning360_sandbox`` and ``learning360_api_version`` for DAG authors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from airflow_provider_360learning.sandbox.server import Sandbox


@pytest.fixture(scope="session")
def _learning360_server() -> Iterator[Sandbox]:
    try:
        from airflow_provider_360learning.sandbox.server import Sandbox
    except ImportError as error:
        pytest.fail(str(error), pytrace=False)
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def learning360_api_version() -> str:
    """Return the API version of the connection to the sandbox. Tests override it, also with parameters."""
    return "v1"


@pytest.fixture
def learning360_sandbox(
    _learning360_server: Sandbox, learning360_api_version: str, monkeypatch: pytest.MonkeyPatch
) -> Sandbox:
    """Return a fresh sandbox with the demo company behind the connection ``learning360_default``."""
    _learning360_server.control.reset()
    connection = _learning360_server.connection_json(api_version=learning360_api_version)
    monkeypatch.setenv("AIRFLOW_CONN_LEARNING360_DEFAULT", connection)
    return _learning360_server
