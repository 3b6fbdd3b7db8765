"""A small client of the sandbox, which shares no code with the provider's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import pytest
import requests

from airflow_provider_360learning.sandbox.server import Sandbox


class Client:
    """Sends requests with the key in headers, or with other headers, and raises for no status."""

    def __init__(self, sandbox: Sandbox, headers: dict[str, str] | None = None) -> None:
        self._url = sandbox.url
        self._session = requests.Session()
        self._session.trust_env = False
        key = {"X-company-id": sandbox.company_id, "X-apiKey": sandbox.api_key}
        self._session.headers.update(key if headers is None else headers)

    def __call__(self, method: str, path: str, **how: Any) -> requests.Response:
        url = self._url + (path if path.startswith("/api/") else f"/api/v1{path}")
        return self._session.request(method, url, timeout=10, allow_redirects=False, **how)

    def close(self) -> None:
        self._session.close()


@pytest.fixture
def client(sandbox: Sandbox) -> Iterator[Client]:
    client = Client(sandbox)
    yield client
    client.close()


@pytest.fixture
def new_client(sandbox: Sandbox) -> Callable[[dict[str, str]], Client]:
    return lambda headers: Client(sandbox, headers)


@pytest.fixture
def add_user(client: Client) -> Callable[..., str]:
    """Create an account and return its id."""

    def add(mail: str, *groups: str) -> str:
        body = {"mail": mail, "password": "secret-1", "sendCredentials": False, "groups": list(groups)}
        response = client("POST", "/users", json=body)
        assert response.status_code == 200, response.text
        return str(response.json()["_id"])

    return add


@pytest.fixture
def segment() -> Callable[[str], str]:
    """Return a function that encodes a value for a path."""
    return lambda value: quote(value, safe="")
