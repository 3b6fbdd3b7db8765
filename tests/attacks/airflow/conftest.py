"""Fixtures of the attacks that need Airflow's own machinery, on both of its lines."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.unlimited_sandbox import CONNECTION, UNLIMITED

#: Sets the connection ``learning360_default``: its URL, and further extras.
ConnectTo = Callable[..., None]


@pytest.fixture
def connect_to(monkeypatch: pytest.MonkeyPatch) -> ConnectTo:
    """Return a function that makes ``learning360_default`` lead to a server."""

    def connect(url: str, **extra: object) -> None:
        extra = {"auth": "api_key_header", "limits": UNLIMITED, **extra}
        fields = {"conn_type": "learning360", "host": url, "login": "c" * 24, "password": "k" * 32}
        monkeypatch.setenv(CONNECTION, json.dumps({**fields, "extra": extra}))

    return connect
