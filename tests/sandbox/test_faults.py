"""Each fault does what it says; what was done before a drop is judged by the state."""

from __future__ import annotations

import json
import socket
import time

import pytest
import requests

from airflow_provider_360learning.sandbox.demo_company import API_KEY, COMPANY_ID

BODY = {"name": "Lab", "public": True}


def raw_exchange(sandbox):
    """Create a group over a plain socket; return every byte that comes back until the connection ends."""
    content = json.dumps(BODY)
    lines = [
        "POST /api/v1/groups HTTP/1.1",
        "Host: sandbox",
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
def test_a_dropped_connection_ends_without_a_byte(sandbox, kind, created):
    sandbox.control.add_fault("createGroup", kind=kind)
    assert raw_exchange(sandbox) == b""
    assert len(groups_named_lab(sandbox)) == created
    (entry,) = sandbox.control.journal()
    assert (entry["status"], entry["done"], entry["fault"]) == (None, bool(created), kind)


@pytest.mark.parametrize("kind", ["drop_before", "drop_after"])
def test_clients_see_a_connection_error(sandbox, client, kind):
    sandbox.control.add_fault("createGroup", kind=kind)
    with pytest.raises(requests.ConnectionError):
        client("POST", "/groups", json=BODY)
    assert client("POST", "/groups", json=BODY).status_code == 200


def test_a_connection_can_drop_when_the_answer_has_begun(sandbox):
    sandbox.control.add_fault("createGroup", kind="drop_midway", sent_bytes=7)
    head, _, body = raw_exchange(sandbox).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    # A chunk of seven bytes, and not the last chunk.
    assert body == b'7\r\n{"statu\r\n'
    assert len(groups_named_lab(sandbox)) == 1
    (entry,) = sandbox.control.journal()
    assert (entry["status"], entry["done"], entry["fault"]) == (200, True, "drop_midway")


@pytest.mark.parametrize(("when", "created"), [("before", 0), ("after", 1)])
def test_a_status_comes_instead_of_the_answer(sandbox, client, when, created):
    sandbox.control.add_fault(
        "createGroup", kind="status", status=503, body={"error": "down"}, headers={"X-Why": "test"}, when=when
    )
    answer = client("POST", "/groups", json=BODY)
    assert (answer.status_code, answer.json(), answer.headers["X-Why"]) == (503, {"error": "down"}, "test")
    assert len(groups_named_lab(sandbox)) == created


def test_a_status_may_carry_a_gateways_page(sandbox, client):
    sandbox.control.add_fault(kind="status", status=502, body="<h1>Bad Gateway</h1>")
    answer = client("GET", "/groups")
    assert (answer.status_code, answer.text) == (502, "<h1>Bad Gateway</h1>")
    assert answer.headers["Content-Type"] == "text/html"


def test_a_status_without_a_body_is_the_usual_failure_or_empty(sandbox, client):
    for status in (500, 204):
        sandbox.control.add_fault(kind="status", status=status)
    assert client("GET", "/groups").json()["error"].startswith("an error occurred: ")
    assert (client("GET", "/groups").status_code, client("GET", "/groups").status_code) == (204, 200)


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_delay_is_before_or_after_the_work(sandbox, client, when):
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
    # Whoever gave up waiting has still asked for it.
    assert len(groups_named_lab(sandbox)) == 1


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_refusal_is_delayed_like_any_answer(sandbox, client, when):
    sandbox.control.add_fault("createGroup", kind="delay", seconds=0.2, when=when)
    start = time.monotonic()
    assert client("POST", "/groups", json={}).status_code == 400
    assert time.monotonic() - start >= 0.2


@pytest.mark.parametrize("retry_after", [None, 7, "Wed, 21 Oct 2026 07:28:00 GMT"])
def test_a_429_on_request(sandbox, client, retry_after):
    sandbox.control.add_fault("createGroup", kind="rate_limited", retry_after=retry_after)
    answer = client("POST", "/groups", json=BODY)
    assert (answer.status_code, answer.json()) == (429, {"error": "tooManyRequests"})
    assert answer.headers.get("Retry-After") == (None if retry_after is None else str(retry_after))
    assert not groups_named_lab(sandbox)


@pytest.mark.parametrize("body", [None, "certainly no JSON"])
def test_garbage_comes_with_a_good_status_after_the_work(sandbox, client, body):
    sandbox.control.add_fault("createGroup", kind="garbage", body=body)
    answer = client("POST", "/groups", json=BODY)
    assert answer.status_code == 200
    with pytest.raises(requests.JSONDecodeError):
        answer.json()
    assert len(groups_named_lab(sandbox)) == 1


@pytest.mark.parametrize(("body", "text"), [(None, "<html>"), ([1, 2], "[1,2]")])
def test_wrong_content_comes_with_a_good_status_after_the_work(sandbox, client, body, text):
    sandbox.control.add_fault("createGroup", kind="wrong_content", body=body)
    answer = client("POST", "/groups", json=BODY)
    assert answer.status_code == 200
    assert answer.text.startswith(text)
    assert len(groups_named_lab(sandbox)) == 1


def test_an_echo_repeats_headers_and_url_to_the_client_and_not_to_the_journal(sandbox, new_client):
    sandbox.control.add_fault("getUsers", kind="echo", status=500)
    sandbox.control.add_fault("getUsers", kind="echo", status=500)
    in_query = new_client({})("GET", "/users", params={"company": COMPANY_ID, "apiKey": API_KEY})
    assert in_query.status_code == 500
    assert f"apiKey={API_KEY}" in in_query.json()["error"]
    in_headers = new_client({"X-company-id": COMPANY_ID, "X-apiKey": API_KEY})("GET", "/users")
    assert API_KEY in in_headers.json()["error"]
    assert [entry["fault"] for entry in sandbox.control.journal()] == ["echo", "echo"]


def test_faults_are_chosen_by_operation_path_and_count(sandbox, client):
    sandbox.control.add_fault("getUser", kind="status", status=500, path_contains="grace", after=1, count=2)
    ask = lambda who: client("GET", f"/users/{who}@acme.test").status_code  # noqa: E731
    assert client("GET", "/users").status_code == 200
    statuses = [ask(who) for who in ("grace.hopper", "admin", "grace.hopper", "grace.hopper", "grace.hopper")]
    assert statuses == [200, 200, 500, 500, 200]


def test_a_fault_can_be_for_the_requests_that_mention_something(sandbox, client):
    sandbox.control.add_fault(kind="status", status=500, mentions="José@acme.test", count=3)
    user = {"mail": "José@acme.test", "password": "secret-1"}
    answers = [
        client("POST", "/users", json={"mail": "ana@acme.test"}),
        client("GET", "/users/grace.hopper%40acme.test"),
        client("POST", "/users", json=user),
        client("POST", "/users", data=user),
        client("GET", "/users/Jos%C3%A9%40acme.test"),
        client("POST", "/users", json=user),
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 500, 500, 500, 200]


def test_faults_can_be_taken_back_and_wrong_ones_are_refused(sandbox, client):
    sandbox.control.add_fault(kind="drop_before")
    sandbox.control.clear_faults()
    assert client("GET", "/users").status_code == 200
    with pytest.raises(ValueError, match="kind"):
        sandbox.control.add_fault(kind="earthquake")
    with pytest.raises(ValueError, match="sometimes"):
        sandbox.control.add_fault(kind="drop_before", sometimes=True)


def test_a_refused_request_meets_no_fault(sandbox, client, new_client):
    sandbox.control.add_fault("getUsers", kind="status", status=500)
    assert new_client({})("GET", "/users").status_code == 401
    assert client("GET", "/users").status_code == 500
