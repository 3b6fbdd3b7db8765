"""Web pages, other users of the machine and clients without limits, against a sandbox."""

from __future__ import annotations

import itertools
import json
import logging
import re
import socket
import time
from contextlib import ExitStack

import pytest

from airflow_provider_360learning.cli.definition import main
from airflow_provider_360learning.sandbox import guard, server
from airflow_provider_360learning.sandbox.control import SandboxControl
from airflow_provider_360learning.sandbox.demo_company import API_KEY, COMPANY_ID, GRACE_MAIL, ROOT_GROUP_ID
from airflow_provider_360learning.sandbox.limits import Limit, Windows
from airflow_provider_360learning.sandbox.log import log_failure
from airflow_provider_360learning.sandbox.server import Sandbox
from tests.api.support import eventually
from tests.attacks.hostile_server import hostile_server, response

CREDENTIALS = f"X-company-id: {COMPANY_ID}\r\nX-apiKey: {API_KEY}\r\n"
FORM = "application/x-www-form-urlencoded"
MIB = 1 << 20
IS_FORM = f"Content-Type: {FORM}\r\n"


class Raw:
    """Sends requests byte by byte as they are written, to the sandbox's address."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.host = sandbox.url.removeprefix("http://")
        self.control = sandbox.control_url.removeprefix(sandbox.url)
        address, port = self.host.split(":")
        self.address = (address, int(port))

    def __call__(self, line: str, headers: str = "", body: bytes = b"", host: str | None = None) -> tuple[int, str]:
        """Return status and body of a response."""
        with socket.create_connection(self.address, timeout=20) as connection:
            lines = f"{line} HTTP/1.1\r\nHost: {self.host if host is None else host}\r\nConnection: close\r\n{headers}"
            connection.sendall(f"{lines}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            head, _, content = b"".join(iter(lambda: connection.recv(65536), b"")).partition(b"\r\n\r\n")
            return int(head.split()[1]), content.decode()

    def api(self, line: str, headers: str = "", body: bytes = b"", **more: str) -> tuple[int, str]:
        """Send a request with the credentials of the company."""
        return self(line, CREDENTIALS + headers, body, **more)


def accepts(raw: Raw) -> bool:
    """Return whether the sandbox serves a new connection."""
    try:
        return raw.api("GET /api/v1/users")[0] == 200
    except (ConnectionError, IndexError):
        return False


@pytest.fixture
def raw(sandbox: Sandbox) -> Raw:
    return Raw(sandbox)


# DNS rebinding: the page's own name resolves to loopback, so that the browser takes the sandbox for the page's server


@pytest.mark.parametrize("name", ["evil.example", "evil.example:{port}", "127.0.0.1.evil.example:{port}", "localhost"])
@pytest.mark.parametrize("path", ["/api/v1/users", "{control}/state"])
def test_requests_to_another_host_are_refused(sandbox, raw, name, path):
    host = name.format(port=raw.address[1])
    status, text = raw.api(f"GET {path.format(control=raw.control)}", host=host)
    assert (status, "its Host is none of" in text) == (403, True)
    assert sandbox.control.journal() == []


def test_requests_without_a_host_are_refused(raw):
    with socket.create_connection(raw.address, timeout=20) as connection:
        connection.sendall(f"GET {raw.control}/state HTTP/1.0\r\n\r\n".encode())
        assert b" 403 " in connection.recv(100)


@pytest.mark.parametrize("header", ["Host: evil.example\r\n", "Host: {host}\r\n"])
def test_requests_with_two_hosts_are_refused(raw, header):
    assert raw.api("GET /api/v1/users", header.format(host=raw.host))[0] == 400


def test_another_loopback_address_has_its_own_name():
    with Sandbox(host="127.0.0.5", seed="empty") as sandbox:
        raw = Raw(sandbox)
        assert raw.api("GET /api/v1/users")[0] == 200
        assert raw.api("GET /api/v1/users", host=f"LOCALHOST:{raw.address[1]}")[0] == 200
        assert raw.api("GET /api/v1/users", host=f"127.0.0.1:{raw.address[1]}")[0] == 403


# Cross-site requests


@pytest.mark.parametrize(
    "sender",
    [
        "Origin: http://evil.example",
        "Origin: null",
        "Origin: http://127.0.0.1:1",
        "Origin: http://{host}.evil.example",
        "Origin: https://{host}",
        "Origin: http://{host}\r\nOrigin: http://evil.example",
        "Sec-Fetch-Site: cross-site",
    ],
)
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/v1/users"),
        ("POST", "/api/v1/users"),
        ("OPTIONS", "/api/v1/users"),
        ("OPTIONS", "{control}/reset"),
        ("DELETE", "{control}/journal"),
        ("GET", "{control}/state"),
    ],
)
def test_requests_of_other_sites_are_refused(sandbox, raw, sender, method, path):
    sandbox.control.add_users(["ana@acme.test"])
    headers = sender.format(host=raw.host) + "\r\n" + IS_FORM
    status, text = raw.api(f"{method} {path.format(control=raw.control)}", headers, b"mail=eve%40evil.example")
    assert (status, "page of another origin" in text) == (403, True)
    assert "access-control" not in text
    assert sandbox.control.journal() == []
    assert "ana@acme.test" in [user["mail"] for user in sandbox.control.state()["users"]]


@pytest.mark.parametrize("sender", ["", "Origin: http://{host}\r\nSec-Fetch-Site: same-origin\r\n"])
def test_own_pages_and_clients_without_a_browser_are_accepted(raw, sender):
    assert raw(f"GET {raw.control}/state", sender.format(host=raw.host))[0] == 200
    assert raw.api("GET /api/v1/users", sender.format(host=raw.host))[0] == 200


# Control


@pytest.mark.parametrize(
    "path",
    [
        *(
            "/_sandbox",
            "/_sandbox/",
            "/_sandbox/state",
            "/_sandbox//state",
            "/%5fsandbox/state",
            "/_sandbox/%C3%A9/state",
        ),
        *("{control}x/state", "{shorter}/state", "/_sandbox/x/../{token}/state"),
    ],
)
def test_control_needs_the_token(raw, path):
    token = raw.control.rpartition("/")[2]
    status, text = raw("GET " + path.format(control=raw.control, shorter=raw.control[:-1], token=token))
    assert (status, "the token that the sandbox printed" in text) == (403, True)


def test_the_token_is_new_at_each_start():
    with Sandbox(seed="empty") as one, Sandbox(seed="empty") as other:
        assert one.control_url.rpartition("/")[2] != other.control_url.rpartition("/")[2]


def test_unknown_control_routes_and_slashes_lead_nowhere(raw):
    for path in ("", "/", "/state/", "/unheard-of"):
        status, text = raw(f"GET {raw.control}{path}")
        assert (status, raw.control in text) == (404, False)


def test_an_error_of_control_does_not_show_the_token(sandbox):
    with pytest.raises(ValueError, match="refused POST /reset") as refused:
        sandbox.control.reset(seed="other")
    assert sandbox.control_url.rpartition("/")[2] not in str(refused.value)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:3600",
        "http://127.0.0.1:3600/_sandbox",
        "127.0.0.1/_sandbox/",
        "",
        "file:///_sandbox/token",
        "http://127.0.0.1:port/_sandbox/token",
        "http://127.0.0.1@evil.example/_sandbox/token",
        "http://127.0.0.1:3600/_sandbox/to ken\r\nX: 1",
    ],
)
def test_control_reports_a_url_without_token(url):
    with pytest.raises(ValueError, match="is not a control URL, which the sandbox prints"):
        SandboxControl(url)


# Memory


def test_large_bodies_are_refused(sandbox, raw):
    status, text = raw.api("POST /api/v1/users", IS_FORM, b"mail=" + b"x" * guard.MAX_BODY_BYTES)
    assert (status, f"more than {guard.MAX_BODY_BYTES} bytes" in text) == (413, True)
    assert sandbox.control.journal() == []
    assert raw.api("GET /api/v1/users")[0] == 200


def test_bodies_that_arrive_slowly_are_bounded_together(raw):
    body = b"x" * (guard.MAX_BODY_BYTES - 1000)
    with ExitStack() as slow:
        for _ in range(guard.MAX_BODIES_BYTES // len(body)):
            connection = slow.enter_context(socket.create_connection(raw.address, timeout=20))
            head = f"POST /api/v1/users HTTP/1.1\r\nHost: {raw.host}\r\nContent-Length: {len(body) + 1}\r\n\r\n"
            connection.sendall(head.encode() + body)
        small = b"x" * 20_000
        eventually(lambda: raw.api("POST /api/v1/users", IS_FORM, small)[0] == 503)
    eventually(lambda: raw.api("POST /api/v1/users", IS_FORM, small)[0] == 400)


JSON = "application/json"
MULTIPART = "multipart/form-data; boundary=b"
PART = b'--b\r\nContent-Disposition: form-data; name="a%d"\r\n\r\n\r\n'


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        pytest.param(JSON, b'{"a":' * 500_000, id="unfinished JSON"),
        pytest.param(JSON, b'{"a":' * 50 + b"1" + b"}" * 50, id="deep JSON"),
        pytest.param(JSON, b'{"a": [' + b'{"b":1},' * 500_000 + b"1]}", id="many JSON values"),
        pytest.param(JSON, b'{"a": ' + b"9" * 5000 + b"}", id="large number"),
        pytest.param(FORM, b"a" + b"[0]" * 100_000 + b"=1", id="deep form"),
        pytest.param(FORM, b"a=&" * 1_000_000, id="many form fields"),
        pytest.param(FORM, b"&".join(b"a[%d]=" % number for number in range(450_000)), id="many form items"),
        pytest.param(MULTIPART, b"".join(PART % number for number in range(15_000)), id="many parts"),
    ],
)
def test_deep_and_numerous_values_are_not_decoded(sandbox, raw, content_type, body):
    status, _ = raw.api(f"PUT /api/v1/groups/{ROOT_GROUP_ID}", f"Content-Type: {content_type}\r\n", body)
    (entry,) = sandbox.control.journal()
    assert (status, entry["status"], entry["body"]) == (400, 400, None)


@pytest.mark.parametrize("name", ["a[²]", "a[" + "9" * 5000 + "]", "[[[", "]"])
def test_unusual_names_in_forms_are_names(sandbox, raw, name):
    assert raw.api(f"PUT /api/v1/users/{GRACE_MAIL}", IS_FORM, f"{name}=1".encode())[0] == 200


def test_large_headers_are_refused(raw):
    with socket.create_connection(raw.address, timeout=20) as connection:
        connection.sendall(b"GET /api/v1/users HTTP/1.1\r\nX: " + b"x" * (server.MAX_HEADER_BYTES + 1))
        assert b" 400 " in connection.recv(100)


def test_connections_are_bounded(sandbox, raw, caplog):
    with ExitStack() as idle:
        connections = [
            idle.enter_context(socket.create_connection(raw.address, timeout=20)) for _ in range(server.MAX_CONNECTIONS)
        ]
        assert not accepts(raw)
        connections.pop().close()
        eventually(lambda: accepts(raw))
    assert "closing a new one" in caplog.text


def test_unread_responses_are_bounded(sandbox, raw):
    for letter in "xy":
        sandbox.control.add_users([f"{letter * 2000}{number}@acme.test" for number in range(2000)])
    request = f"GET /api/v1/users HTTP/1.1\r\nHost: {raw.host}\r\n{CREDENTIALS}\r\n".encode()
    with ExitStack() as readers:
        for _ in range(50):  # of 8 MB each, of which the system buffers some
            reader = readers.enter_context(socket.socket())
            reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            reader.connect(raw.address)
            reader.sendall(request)
            if raw.api("GET /api/v1/groups")[0] == 503:
                break
        else:
            pytest.fail("all requests were accepted")
    eventually(lambda: raw.api("GET /api/v1/groups")[0] == 200)


def test_what_is_stored_is_bounded(sandbox, raw):
    sandbox.control.settings(max_state_mb=1)
    created = 0
    while (response := raw.api("POST /api/v1/groups", IS_FORM, b"public=true&name=" + b"x" * 10_000))[0] == 200:
        created += 1
    assert (response[0], "Reset or restart it" in response[1]) == (507, True)
    assert 80 < created < 100
    with pytest.raises(ValueError, match="Reset or restart it"):
        sandbox.control.add_users([f"{number}@acme.test" for number in range(100)])
    sandbox.control.reset()
    assert raw.api("POST /api/v1/groups", IS_FORM, b"public=true&name=a")[0] == 200


def test_small_requests_with_large_effects_are_bounded(sandbox, raw):
    sandbox.control.settings(max_state_mb=0.3)
    with pytest.raises(ValueError, match="Reset or restart it"):
        sandbox.control.add_users([f"{number}@acme.test" for number in range(1000)])
    assert len(sandbox.control.state()["users"]) < 400


def test_the_journal_keeps_the_newest_requests(sandbox, raw, caplog):
    sandbox.control.settings(max_journal_mb=0.1)
    for _ in range(40):
        raw.api("POST /api/v1/groups", IS_FORM, b"public=true&name=" + b"x" * 10_000)
    ids = [entry["id"] for entry in sandbox.control.journal()]
    assert ids[-1] == 40
    assert 5 < len(ids) < 10
    assert caplog.text.count("removing its oldest entries") == 1
    assert [entry["id"] for entry in sandbox.control.journal(after=38)] == [39, 40]


def test_source_addresses_are_forgotten():
    now = 0.0
    windows, limit = Windows(), Limit("ip_reads", 10, "reads", per_address=True)
    for number in range(5000):
        now += 0.01
        windows.arrive([limit], {}, version="v1", address=str(number), at=now)
    assert len(windows) < 1200


# Log


def test_texts_of_requests_cannot_start_log_lines(caplog):
    log_failure(logging.getLogger("x"), "GET /a\nERROR forged", ValueError("\x1b[2Jforged\r\nERROR forged"))
    assert "\x1b" not in caplog.text
    assert not re.search(r"^ERROR forged", caplog.text, re.MULTILINE)


# Another server at the address of a sandbox that has ended


@pytest.mark.parametrize("status", ["200 OK", "403 No"])
def test_another_server_at_the_address_of_the_sandbox_cannot_control_the_terminal(tmp_path, capsys, status):
    body = json.dumps("\x1b[2J\nforged").encode() if status == "200 OK" else b"\x1b[2J\nforged"
    with hostile_server(lambda request: response(body, status)) as other:
        (tmp_path / "url").write_text(f"{other.url}/_sandbox/token")
        try:
            main(["sandbox", "--url-file", str(tmp_path / "url"), "--add-api-key"])
        except SystemExit as refused:
            print(refused)
    printed = capsys.readouterr().out
    assert ("forged" in printed, "\x1b" in printed, printed.count("\n")) == (True, False, 1)


def control_of(server, timeout=60.0):
    return SandboxControl(f"{server.url}/_sandbox/token", timeout)


def too_much(part):
    return (part * (MIB // len(part)) for _ in range(300))


CHUNKED = ["Transfer-Encoding: chunked"]


@pytest.mark.max_peak_mb(200)
@pytest.mark.parametrize(
    ("flood", "problem"),
    [
        (lambda: response(too_much(b" ")), "larger than 64 MiB"),
        (lambda: response(too_much(b" "), length=300 * MIB), "larger than 64 MiB"),
        (lambda: response(iter([b"12c00000\r\n", *[b" " * MIB] * 300]), headers=CHUNKED), "larger than 64 MiB"),
        (lambda: response(b"[" + b"[]," * 2_500_000 + b"[]]"), "more than 4,000,000 values"),
        (lambda: response(b"[" * 100_000), "is not JSON"),
        (lambda: response(b"\xff\x00"), "is not JSON"),
        (lambda: response(too_much(b"x"), "500 Error"), "refused GET /state: x{2000}$"),
        (
            lambda: response(b"elsewhere", "302 Found", ["Location: http://127.0.0.1:1/"]),
            "refused GET /state: elsewhere",
        ),
        (lambda: [b"SSH-2.0-OpenSSH_9.2\r\n"], "is not one of a sandbox: BadStatusLine"),
        (lambda: [b"HTTP/1.1 200 OK\r\n", *[b"X: 1\r\n"] * 200], "is not one of a sandbox: HTTPException"),
        (lambda: response(b"-5\r\n[]", headers=CHUNKED), "is not JSON|is not one of a sandbox"),
        (lambda: response(iter([b"-1\r\n", *[b" " * MIB] * 300]), headers=CHUNKED), "is not one of a sandbox"),
    ],
)
def test_control_reads_little_of_another_server(flood, problem):
    with hostile_server(lambda request: flood()) as other, pytest.raises(ValueError, match=problem):
        control_of(other).state()


def drip(data):
    """Yield bytes one by one, and the last one without end: each read of the client succeeds."""
    for byte in itertools.chain(data, itertools.repeat(data[-1])):
        time.sleep(0.05)
        yield bytes([byte])


@pytest.mark.parametrize(
    "slowly",
    [
        lambda: drip(b"HTTP/1.1 200 OK\r\nX: "),
        lambda: drip(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000),
        lambda: response(drip(b"[ ")),
        lambda: response(drip(b"1\r\n \r\n" * 1000), headers=CHUNKED),
        lambda: response(drip(b"no"), "500 Error"),
    ],
    ids=["header", "interim responses", "body", "chunks", "error"],
)
def test_a_call_of_control_ends_in_time_whatever_arrives(slowly):
    started = time.monotonic()
    with hostile_server(lambda request: slowly()) as other, pytest.raises(TimeoutError):
        control_of(other, timeout=0.5).state()
    assert time.monotonic() - started < 60
