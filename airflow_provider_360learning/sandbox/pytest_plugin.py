"""The fixture ``learning360_sandbox`` for DAG authors."""

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
def learning360_sandbox(_learning360_server: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    """Return a fresh sandbox with the demo company behind the connection ``learning360_default``."""
    _learning360_server.control.reset()
    monkeypatch.setenv("AIRFLOW_CONN_LEARNING360_DEFAULT", _learning360_server.connection_json())
    return _learning360_server
