"""Each operation of both versions, called by its name: what arrives at a server is what was given."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from email import message_from_bytes
from typing import Any
from urllib.parse import parse_qsl, unquote

import pytest

from airflow_provider_360learning.api.interface import LearningApi
from airflow_provider_360learning.api.operation_calls import Given, prepare
from airflow_provider_360learning.api.spec import ResponseShape
from airflow_provider_360learning.api.types import Upload
from airflow_provider_360learning.api.versions import VERSIONS
from tests.api.factory import api_factory
from tests.api.support import TOKEN, Request, Response, TinyServer
from tests.contract import specs, specs_v1
from tests.contract.schemas import operations
from tests.contract.schemas import strict as published_schema

ID = "5f0c7e0a1b2c3d4e5f607182"
#: A segment with characters that would lead to another route if they were not encoded.
MAIL = "ana+1/é#?@acme.test"
TIMESTAMP = "2026-01-31T08:00:00.000Z"
#: Values by the type that the facts about API v1 name.
VALUES_V1: Mapping[str, Any] = {
    "any": "any value & more",
    "string": "Zoë & Co",
    "strings": ["one", "two"],
    "boolean": True,
    "integer": 7,
    "number": 7.5,
    "array": [{"position": 1}],
    "object": {"name": "x"},
}
#: The response of each shape.
RESPONSES = {"any": {}, "none": None, "list": [], "page": []}

V1, V2 = specs_v1.facts(), {one.name: one for one in specs.published()}


class Recorder:
    """A server that answers every operation, and what was called last."""

    def __init__(self) -> None:
        self.response = Response({})
        self.server = TinyServer(self._respond)

    def _respond(self, request: Request) -> Response:
        if request.target.endswith("/oauth2/token"):
            return Response({"access_token": TOKEN, "expires_in": "3600"})
        if request.target.startswith(f"/api/v2/bulk/operations/{ID}/results"):
            return Response([{"status": "success", "resourceId": ID}])
        if request.target.startswith(f"/api/v2/bulk/operations/{ID}"):
            return Response({"_id": ID, "type": "x", "status": "completed", "createdAt": TIMESTAMP})
        return self.response


@contextmanager
def recording(version: str, sandbox: Any) -> Iterator[tuple[Recorder, LearningApi]]:
    """Yield a server and an API that calls it."""
    recorder = Recorder()
    with ExitStack() as stack:
        stack.enter_context(recorder.server)
        make = stack.enter_context(api_factory(sandbox, version))
        settings = {"auth": "api_key_header"} if version == "v1" else {}
        yield recorder, make(recorder.server.url, client={"sleep": lambda seconds: None}, **settings)


class _NoSandbox:
    """Credentials for a server that accepts any."""

    url, company_id, api_key, client_id, client_secret = "", ID, "the-api-key", ID, "the-client-secret"


@pytest.fixture(scope="module")
def v1() -> Iterator[tuple[Recorder, LearningApi]]:
    with recording("v1", _NoSandbox()) as made:
        yield made


@pytest.fixture(scope="module")
def v2() -> Iterator[tuple[Recorder, LearningApi]]:
    with recording("v2", _NoSandbox()) as made:
        yield made


def call(recording: tuple[Recorder, LearningApi], name: str, given: Given, response: Response) -> tuple[Request, Any]:
    """Call an operation, and return the first request that arrived for it, and the result."""
    recorder, api = recording
    recorder.response = response
    seen = len(recorder.server.requests)
    prepared = prepare(api.client.spec, name, given)
    if prepared.returns_file:
        result = api.client.run(prepared.file_steps(lambda body: body.read(1000)))
    else:
        result = api.client.run(prepared.steps(api.jobs))
    fresh = recorder.server.requests[seen:]
    if name != "generateToken":
        fresh = [each for each in fresh if not each.target.endswith("/oauth2/token")]
    return fresh[0], result


def path_of(template: str, values: Mapping[str, str]) -> str:
    """Return a path with encoded segments, as RFC 3986 has them: only unreserved characters stay as they are."""
    return re.sub(r"\{(\w+)\}", lambda match: _encoded(values[match[1]]), template)


def _encoded(text: str) -> str:
    unreserved = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~"
    return "".join(chr(byte) if chr(byte) in unreserved else f"%{byte:02X}" for byte in text.encode())


def form_of(body: Mapping[str, Any]) -> dict[str, str]:
    """Return a form as API v1 documents it: lists are indexed, and booleans are words."""
    fields: dict[str, str] = {}
    for name, value in body.items():
        if isinstance(value, list):
            fields |= form_of({f"{name}[{index}]": each for index, each in enumerate(value)})
        elif isinstance(value, dict):
            fields |= form_of({f"{name}[{key}]": each for key, each in value.items()})
        else:
            fields[name] = _text(value)
    return fields


@pytest.mark.parametrize("name", sorted(V1))
def test_sends_an_operation_of_api_v1(v1, name):
    facts = V1[name]
    spec = VERSIONS["v1"].spec
    accepted = spec.parameters(name)
    path = {each: MAIL if each in ("user", "manager") else ID for each in accepted.path}
    described = specs_v1.describe(name, facts)
    query = {each: VALUES_V1[kind] for each, kind in described.get("query", {}).items()}
    fields = described.get("body", {}).get("fields", {})
    body = [{"name": "Sales"}] if name == "postSkills" else {each: VALUES_V1[kind] for each, kind in fields.items()}
    endpoint = spec.endpoints[name]
    answer: Any = dict.fromkeys(endpoint.required_keys, "x") | ({endpoint.rows_key: []} if endpoint.rows_key else {})
    answer = [] if endpoint.response is ResponseShape.LIST else answer
    answer = b"" if endpoint.method == "HEAD" else answer

    request, result = call(v1, name, Given(path, query, body if "body" in described else None), Response(answer))

    target, _, sent_query = request.target.partition("?")
    method = "PUT" if name == "addToGroupLibrary" else facts["method"]
    prefix = "" if name == "generateToken" else "/api/v1"
    assert (request.method, target) == (method, prefix + path_of(described["path"], path))
    assert dict(parse_qsl(sent_query)) == {each: _text(value) for each, value in query.items()}
    if "body" not in described:
        assert request.body == b""
    elif described["body"]["format"] == "json":
        assert request.json == body
    else:
        assert dict(parse_qsl(request.body.decode(), keep_blank_values=True)) == form_of(body)
    if name != "generateToken":
        assert result == (None if endpoint.method == "HEAD" else answer)


def sample(schema: Mapping[str, Any]) -> Any:
    """Return a value that a schema allows, with all of its fields."""
    if "anyOf" in schema:
        return sample(schema["anyOf"][-1] if schema["anyOf"][-1].get("type") != "null" else schema["anyOf"][0])
    if "enum" in schema:
        return schema["enum"][-1]
    match schema.get("type"):
        case "object":
            return {name: sample(each) for name, each in schema.get("properties", {}).items()}
        case "array":
            return [sample(schema["items"])]
        case "integer" | "number":
            return max(schema.get("minimum", 1), 1)
        case "boolean":
            return True
    texts = ("Zoë & Co/#?[x]", ID, TIMESTAMP, "2026-01-31", "sales")
    return next(each for each in texts if re.search(schema.get("pattern", ""), each))


def samples(one: specs.Published, place: str) -> dict[str, Any]:
    """Return a value for each published parameter in one place."""
    found = {}
    for parameter in one.operation["parameters"]:
        if parameter["in"] == place:
            schema = published_schema(one.document, parameter["schema"])
            if parameter.get("style") == "deepObject":
                found |= {f"{parameter['name']}[{op}]": sample(each) for op, each in schema["properties"].items()}
            else:
                found[parameter["name"]] = sample(schema)
    return found


def _response_of(name: str) -> Response:
    endpoint = VERSIONS["v2"].spec.endpoints[name]
    kind = specs.describe(V2[name])["result"]
    if kind == "job":
        return Response(None, 202, {"Location": f"/api/v2/bulk/operations/{ID}"})
    if kind == "file":
        return Response(b"%PDF-1.7")
    if kind == "object":
        return Response(dict.fromkeys(endpoint.required_keys, "x"))
    return Response([] if kind in ("list", "page") else None)


@pytest.mark.parametrize("name", sorted(V2))
def test_sends_an_operation_of_api_v2(v2, name):
    one = V2[name]
    path, query = samples(one, "path"), samples(one, "query")
    content = one.operation.get("requestBody", {}).get("content", {})
    body, uploads = None, {}
    for media_type, each in content.items():
        body = sample(published_schema(one.document, each["schema"]))
        if media_type == "multipart/form-data":
            uploads = {
                field: Upload("a.png", b"\x89PNG\r\n\x00") for field in VERSIONS["v2"].spec.parameters(name).files
            }
            body = {field: value for field, value in body.items() if field not in uploads}

    request, result = call(v2, name, Given(path, query, body, uploads), _response_of(name))

    target, _, sent_query = request.target.partition("?")
    assert (request.method, target) == (one.method, path_of(one.path, path))
    assert [(key, value) for key, value in parse_qsl(sent_query)] == [
        (key if not isinstance(value, list) else f"{key}[0]", value[0] if isinstance(value, list) else _text(value))
        for key, value in query.items()
    ]
    if uploads:
        assert _parts(request) == _expected_parts(body, uploads)
    else:
        assert (request.json if request.body else None) == body
    described = next(each for each in operations() if each.name == name)
    headers = {key.lower(): value for key, value in request.headers.items()}
    sent = None if not request.body else request.body if uploads else request.json
    assert list(described.request_violations(path, sent_query, headers, sent)) == []
    if described.has_pages:
        assert result == []


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _parts(request: Request) -> list[tuple[str, str | None, str, bytes]]:
    """Return the parts of a multipart body: field, name of the file, media type, content."""
    head = f"Content-Type: {request.headers['Content-Type']}\r\n\r\n".encode()
    parts = []
    for part in message_from_bytes(head + request.body).get_payload():
        content = part.get_payload(decode=True)
        parts.append(
            (
                part.get_param("name", header="content-disposition"),
                part.get_filename(),
                part.get_content_type(),
                content,
            )
        )
    return parts


def _expected_parts(body: Mapping[str, Any], uploads: Mapping[str, Upload]) -> list[tuple[str, str | None, str, bytes]]:
    parts: list[tuple[str, str | None, str, bytes]] = []
    for name, value in body.items():
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, dict):
                parts.append((name, None, "application/json", json.dumps(each).encode()))
            else:
                parts.append((name, None, "text/plain", _text(each).encode()))
    return parts + [(name, each.name, "image/png", each.content) for name, each in uploads.items()]


def test_the_samples_have_segments_that_must_be_encoded():
    assert unquote(_encoded(MAIL)) == MAIL
    assert _encoded(MAIL) == "ana%2B1%2F%C3%A9%23%3F%40acme.test"
