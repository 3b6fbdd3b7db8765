"""Connections to the sandbox."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_360learning.hooks.rate_limiter import get_connection
from airflow_provider_360learning.sandbox.server import Sandbox
from tests.api.support import FREE


@pytest.fixture
def connect(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """
    Set the connection ``learning360_default``: that of the sandbox, with other fields and extras.

    An extra that is not a JSON object, or a whole connection as text, is set unchanged.
    """

    def connect(text: str | None = None, *, extra: Any = (), **fields: Any) -> None:
        if not isinstance(extra, str | list | int):
            extra = {"limits": FREE, **dict(extra)}
        connection = {**sandbox.connection(), **fields, "extra": extra}
        monkeypatch.setenv("AIRFLOW_CONN_LEARNING360_DEFAULT", text or json.dumps(connection))

    connect()
    return connect


# Any: the connection's class depends on the Airflow line.
@pytest.fixture
def stored(monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Any, object]]:
    """Return a function that stores a connection, as a dictionary or as text, and reads it as the hook does."""

    def store(connection: dict[str, Any] | str) -> tuple[Any, object]:
        text = connection if isinstance(connection, str) else json.dumps(connection)
        monkeypatch.setenv("AIRFLOW_CONN_SERVER", text)
        return get_connection("server")

    return store
