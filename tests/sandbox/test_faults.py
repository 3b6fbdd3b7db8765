"""Each kind of fault, and by the state whether the work was done."""

from __future__ import annotations

import json
import re
import socket
import time

import pytest
import requests

from airflow_provider_360learning.sandbox.demo_company import API_KEY, COMPANY_ID

BODY = {"name": "Lab", "public": True}


def raw_exchange(sandbox):
    """Create a group over a plain socket, and return all bytes until the connection is closed."""
    content = json.dumps(BODY)
    lines = [
        "POST /api/v1/groups HTTP/1.1",
        f"Host: {sandbox.url.removeprefix('http://')}",
        f"X-company-id: {COMPANY_ID}",
        f"X-apiKey: {API_KEY}",
        "Content-Type: application/json",
        f"Content-Length: {len(content)}",
    ]
    with socket.create_connection(("127.0.0.1", int(sandbox.url.rpartition(":")[2])), timeout=5) as wire:
        wire.sendall(("\r\n".join(lines) + f"\r\n\r\n{content}").encode())
        received = b""
        try:
            while chunk := wire.recv(4096):
                received += chunk
        except ConnectionResetError:
            pass
        return received


def groups_named_lab(sandbox):
    return [group for group in sandbox.control.state()["groups"] if group["name"] == "Lab"]


@pytest.mark.parametrize(("kind", "created"), [("drop_before", 0), ("drop_after", 1)])
def test_dropped_connection_sends_no_byte(sandbox, kind, created):
    sandbox.control.add_fault("createGroup", kind=kind)
    assert raw_exchange(sandbox) == b""
    assert len(groups_named_lab(sandbox)) == created
    (entry,) = sandbox.control.journal()
    assert (entry["status"], entry["done"], entry["fault"]) == (None, bool(created), kind)


@pytest.mark.parametrize("kind", ["drop_before", "drop_after"])
def test_client_raises_connection_error_for_a_drop(sandbox, client, kind):
    sandbox.control.add_fault("createGroup", kind=kind)
    with pytest.raises(requests.ConnectionError):
        client("POST", "/groups", json=BODY)
    assert client("POST", "/groups", json=BODY).status_code == 200


def test_connection_can_drop_midway(sandbox):
    sandbox.control.add_fault("createGroup", kind="drop_midway", sent_bytes=9)
    head, _, body = raw_exchange(sandbox).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    # One chunk of nine bytes, without the final chunk.
    assert body == b'9\r\n{"status"\r\n'
    assert len(groups_named_lab(sandbox)) == 1
    (entry,) = sandbox.control.journal()
    assert (entry["status"], entry["done"], entry["fault"]) == (200, True, "drop_midway")


@pytest.mark.parametrize(("when", "created"), [("before", 0), ("after", 1)])
def test_status_fault_replaces_the_response(sandbox, client, when, created):
    sandbox.control.add_fault(
        "createGroup", kind="status", status=503, body={"error": "down"}, headers={"X-Why": "test"}, when=when
    )
    response = client("POST", "/groups", json=BODY)
    assert (response.status_code, response.json(), response.headers["X-Why"]) == (503, {"error": "down"}, "test")
    assert len(groups_named_lab(sandbox)) == created


def test_status_fault_can_have_an_html_body(sandbox, client):
    sandbox.control.add_fault(kind="status", status=502, body="<h1>Bad Gateway</h1>")
    response = client("GET", "/groups")
    assert (response.status_code, response.text) == (502, "<h1>Bad Gateway</h1>")
    assert response.headers["Content-Type"] == "text/html"


def test_status_fault_without_body_is_a_server_error_or_empty(sandbox, client):
    for status in (500, 204):
        sandbox.control.add_fault(kind="status", status=status)
    assert client("GET", "/groups").json()["error"].startswith("an error occurred: ")
    assert (client("GET", "/groups").status_code, client("GET", "/groups").status_code) == (204, 200)


@pytest.mark.parametrize("status", [200, 400, 404, 500])
@pytest.mark.parametrize("key", ["error", "message"])
def test_server_error_fault_has_the_recorded_text_under_any_status(sandbox, client, status, key):
    sandbox.control.add_fault("createGroup", kind="server_error", status=status, key=key)
    response = client("POST", "/groups", json=BODY)
    assert response.status_code == status
    assert list(response.json()) == [key]
    assert re.fullmatch(r"an error occurred: [0-9a-f]{32}", response.json()[key])
    assert not groups_named_lab(sandbox)


@pytest.mark.parametrize(("when", "created"), [("before", 0), ("after", 1)])
def test_status_fault_can_be_a_200_with_an_error(sandbox, client, when, created):
    body = {"error": "group_not_found"}
    sandbox.control.add_fault("createGroup", kind="status", status=200, body=body, when=when)
    response = client("POST", "/groups", json=BODY)
    assert (response.status_code, response.json()) == (200, body)
    assert len(groups_named_lab(sandbox)) == created
    assert sandbox.control.journal()[0]["error"] == "group_not_found"


@pytest.mark.realtime
@pytest.mark.parametrize("when", ["before", "after"])
def test_delay_happens_before_or_after_the_work(sandbox, client, when):
    sandbox.control.add_fault("createGroup", kind="delay", seconds=1.5, when=when)
    start = time.monotonic()
    with pytest.raises(requests.ReadTimeout):
        requests.post(
            f"{sandbox.url}/api/v1/groups",
            json=BODY,
            headers={"X-company-id": COMPANY_ID, "X-apiKey": API_KEY},
            timeout=0.5,
        )
    assert len(groups_named_lab(sandbox)) == (1 if when == "after" else 0)
    while not sandbox.control.journal()[0]["status"] and time.monotonic() < start + 30:
        time.sleep(0.02)
    assert time.monotonic() - start >= 1.5
    # The work is done although the client has given up.
    assert len(groups_named_lab(sandbox)) == 1


@pytest.mark.parametrize("when", ["before", "after"])
def test_refusals_are_delayed_too(sandbox, client, when):
    sandbox.control.add_fault("createGroup", kind="delay", seconds=0.2, when=when)
    start = time.monotonic()
    assert client("POST", "/groups", json={}).status_code == 400
    assert time.monotonic() - start >= 0.2


@pytest.mark.parametrize("retry_after", [None, 7, "Wed, 21 Oct 2026 07:28:00 GMT"])
def test_rate_limited_fault_returns_429(sandbox, client, retry_after):
    sandbox.control.add_fault("createGroup", kind="rate_limited", retry_after=retry_after)
    response = client("POST", "/groups", json=BODY)
    assert (response.status_code, response.json()) == (429, {"error": "tooManyRequests"})
    assert response.headers.get("Retry-After") == (None if retry_after is None else str(retry_after))
    assert not groups_named_lab(sandbox)


@pytest.mark.parametrize("body", [None, "certainly no JSON"])
def test_garbage_fault_returns_200_after_the_work(sandbox, client, body):
    sandbox.control.add_fault("createGroup", kind="garbage", body=body)
    response = client("POST", "/groups", json=BODY)
    assert response.status_code == 200
    with pytest.raises(requests.JSONDecodeError):
        response.json()
    assert len(groups_named_lab(sandbox)) == 1


@pytest.mark.parametrize(("body", "text"), [(None, "<html>"), ([1, 2], "[1,2]")])
def test_invalid_content_fault_returns_200_after_the_work(sandbox, client, body, text):
    sandbox.control.add_fault("createGroup", kind="invalid_content", body=body)
    response = client("POST", "/groups", json=BODY)
    assert response.status_code == 200
    assert response.text.startswith(text)
    assert len(groups_named_lab(sandbox)) == 1


def test_echo_fault_returns_headers_and_url_and_journals_neither(sandbox, new_client):
    sandbox.control.add_fault("getUsers", kind="echo", status=500)
    sandbox.control.add_fault("getUsers", kind="echo", status=500)
    in_query = new_client({})("GET", "/users", params={"company": COMPANY_ID, "apiKey": API_KEY})
    assert in_query.status_code == 500
    assert f"apiKey={API_KEY}" in in_query.json()["error"]
    in_headers = new_client({"X-company-id": COMPANY_ID, "X-apiKey": API_KEY})("GET", "/users")
    assert API_KEY in in_headers.json()["error"]
    assert [entry["fault"] for entry in sandbox.control.journal()] == ["echo", "echo"]


def test_faults_select_by_operation_path_and_count(sandbox, client):
    sandbox.control.add_fault("getUser", kind="status", status=500, path_contains="grace", after=1, count=2)
    status_of = lambda name: client("GET", f"/users/{name}@acme.test").status_code  # noqa: E731
    assert client("GET", "/users").status_code == 200
    statuses = [status_of(name) for name in ("grace.hopper", "admin", "grace.hopper", "grace.hopper", "grace.hopper")]
    assert statuses == [200, 200, 500, 500, 200]


def test_faults_select_by_mentioned_text(sandbox, client):
    sandbox.control.add_fault(kind="status", status=500, mentions="José@acme.test", count=3)
    user = {"mail": "José@acme.test", "password": "secret-1"}
    responses = [
        client("POST", "/users", json={"mail": "ana@acme.test"}),
        client("GET", "/users/grace.hopper%40acme.test"),
        client("POST", "/users", json=user),
        client("POST", "/users", data=user),
        client("GET", "/users/Jos%C3%A9%40acme.test"),
        client("POST", "/users", json=user),
    ]
    assert [response.status_code for response in responses] == [200, 200, 500, 500, 500, 200]


def test_faults_can_be_removed_and_invalid_ones_are_refused(sandbox, client):
    sandbox.control.add_fault(kind="drop_before")
    sandbox.control.clear_faults()
    assert client("GET", "/users").status_code == 200
    with pytest.raises(ValueError, match="kind"):
        sandbox.control.add_fault(kind="earthquake")
    with pytest.raises(ValueError, match="sometimes"):
        sandbox.control.add_fault(kind="drop_before", sometimes=True)


def test_unauthenticated_requests_do_not_consume_faults(sandbox, client, new_client):
    sandbox.control.add_fault("getUsers", kind="status", status=500)
    assert new_client({})("GET", "/users").status_code == 401
    assert client("GET", "/users").status_code == 500
