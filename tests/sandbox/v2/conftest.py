"""A small client of API v2 in the sandbox, which shares no code with the provider's and sends URLs as they are."""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from airflow_provider_360learning.sandbox.server import Sandbox

_BOUNDARY = "b0undary"
TOKEN_PATH = "/api/v2/oauth2/token"


@dataclass
class Response:
    """A response."""

    status: int
    headers: dict[str, str]
    content: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.content)

    @property
    def code(self) -> str:
        """The code of an error with code and message."""
        return str(self.json["error"]["code"])

    @property
    def ids(self) -> list[str]:
        return [each["_id"] for each in self.json]

    @property
    def next(self) -> str:
        """The URL of the next page."""
        match = re.fullmatch('<(.+)>; rel="next"', self.headers["link"])
        assert match
        return match[1]


class Client:
    """Sends requests with a token and the version's header, and raises for no status."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.base = sandbox.url
        self._connection = http.client.HTTPConnection(sandbox.url.removeprefix("http://"), timeout=10)
        self.headers = {"360-api-version": "v2.0"}

    def authenticate(self, client_id: str, secret: str) -> Response:
        """Fetch a token, and use it from now on."""
        body = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret}
        response = self("POST", TOKEN_PATH, body)
        if response.status == 200:
            self.headers["Authorization"] = f"Bearer {response.json['access_token']}"
        return response

    def __call__(self, method: str, path: str, body: object = None, headers: dict[str, str] | None = None) -> Response:
        path = path.removeprefix(self.base)
        path = path if path.startswith("/api/") else f"/api/v2{path}"
        content = None if body is None else json.dumps(body)
        used = dict(self.headers if headers is None else headers)
        if content is not None:
            used["Content-Type"] = "application/json"
        return self._send(method, path, content, used)

    def _send(self, method: str, path: str, content: str | None, headers: dict[str, str]) -> Response:
        self._connection.request(method, path, None if content is None else content.encode(), headers)
        response = self._connection.getresponse()
        return Response(
            response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()
        )

    def multipart(
        self, method: str, path: str, fields: Mapping[str, object], **files: tuple[str, str, str]
    ) -> Response:
        """
        Send a multipart body, in which a list has a part of the same name for each item.

        :param files: Name, media type and content of each file.
        """
        lines = []
        for name, value in fields.items():
            for item in value if isinstance(value, list) else [value]:
                lines += [f"--{_BOUNDARY}", f'Content-Disposition: form-data; name="{name}"', "", str(item)]
        for name, (file_name, media_type, content) in files.items():
            disposition = f'Content-Disposition: form-data; name="{name}"; filename="{file_name}"'
            lines += [f"--{_BOUNDARY}", disposition, f"Content-Type: {media_type}", "", content]
        body = "\r\n".join([*lines, f"--{_BOUNDARY}--", ""])
        content_type = {"Content-Type": f"multipart/form-data; boundary={_BOUNDARY}"}
        return self._send(method, f"/api/v2{path}", body, self.headers | content_type)

    def pages(self, path: str) -> list[Response]:
        """Return all pages of a list."""
        pages = [self("GET", path)]
        while "link" in pages[-1].headers:
            pages.append(self("GET", pages[-1].next))
        return pages

    def close(self) -> None:
        self._connection.close()


@pytest.fixture
def new_client(sandbox: Sandbox) -> Iterator[Callable[[], Client]]:
    """Return a function that creates a client without a token."""
    made: list[Client] = []

    def create() -> Client:
        made.append(Client(sandbox))
        return made[-1]

    yield create
    for client in made:
        client.close()


@pytest.fixture
def client(sandbox: Sandbox, new_client: Callable[[], Client]) -> Client:
    """Return a client with a token."""
    client = new_client()
    assert client.authenticate(sandbox.client_id, sandbox.client_secret).status == 200
    return client


@pytest.fixture
def submit(client: Client) -> Callable[..., str]:
    """Return a function that submits rows and returns the path of the job."""

    def submit(method: str, path: str, *rows: dict[str, object]) -> str:
        response = client(method, path, {"input": list(rows)})
        assert (response.status, response.content) == (202, b"")
        return response.headers["location"]

    return submit


@pytest.fixture
def run(client: Client, submit: Callable[..., str], sandbox: Sandbox) -> Callable[..., list[str | None]]:
    """Return a function that does rows, and returns the result of each."""

    def run(method: str, path: str, *rows: dict[str, object]) -> list[str | None]:
        job = submit(method, path, *rows)
        sandbox.control.advance(1)
        results = client("GET", f"{job}/results").json
        assert [each["input"] for each in results] == list(rows)
        return [each.get("errorMessage") for each in results]

    return run
