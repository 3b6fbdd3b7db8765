"""Timeouts, proxies, redirects, TLS, paths and connections, as a server or a proxy sees them."""

from __future__ import annotations

import threading
import time
from urllib.parse import parse_qsl

import pytest

from airflow_provider_360learning.api.limiter.sqlite import SqliteStore
from airflow_provider_360learning.api.types import Call
from airflow_provider_360learning.api.urls import is_loopback
from airflow_provider_360learning.api.v1.spec import API_V1
from airflow_provider_360learning.exceptions import (
    InvalidRequestError,
    NotFoundError,
    OutcomeUnknownError,
    RefusedError,
    TransportError,
    UnexpectedResponseError,
)
from airflow_provider_360learning.sandbox.demo_company import SALES_GROUP_ID
from demo.ports import unused_port
from tests.api.support import (
    Response,
    TinyProxy,
    TinyServer,
    recording_listener,
    self_signed,
    silent_server,
    with_token,
)

ONCE = {"client": {"max_attempts": 1}}
#: A host that does not exist: a request that leaves this machine by mistake fails.
ELSEWHERE = "learning.invalid"
CREATE_GROUP = Call("createGroup", body={"name": "Lab", "public": False})


@pytest.fixture(autouse=True)
def _without_proxy_settings(monkeypatch):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


# Timeouts


def test_waits_for_a_response_as_long_as_read_timeout(make_api):
    with silent_server() as address:
        api = make_api(f"http://{address}", auth="api_key_header", connect_timeout=60, read_timeout=0.3, **ONCE)
        started = time.monotonic()
        with pytest.raises(TransportError, match="read_timeout") as caught:
            api.list_groups()
    assert 0.3 <= time.monotonic() - started < 50
    assert caught.value.sent


def test_a_missing_response_leaves_the_outcome_of_a_write_unknown(make_api):
    with silent_server() as address, pytest.raises(OutcomeUnknownError, match="read_timeout"):
        make_api(f"http://{address}", auth="api_key_header", read_timeout=0.2).client.call(CREATE_GROUP)


def test_waits_for_a_connection_as_long_as_connect_timeout(make_api):
    """The handshake is part of connecting, and nothing is sent before its end."""
    with silent_server() as address:
        api = make_api(f"https://{address}", auth="api_key_header", connect_timeout=0.3, read_timeout=60, **ONCE)
        started = time.monotonic()
        with pytest.raises(TransportError, match="connect_timeout") as caught:
            api.client.call(CREATE_GROUP)
    assert 0.3 <= time.monotonic() - started < 50
    assert not caught.value.sent


def test_reports_a_refused_connection_at_once(make_api):
    with pytest.raises(TransportError, match="cannot be reached") as caught:
        make_api(f"http://127.0.0.1:{unused_port()}", auth="api_key_header", **ONCE).list_groups()
    assert not caught.value.sent


def test_distinguishes_an_unknown_host_from_one_that_is_down(make_api):
    with pytest.raises(TransportError, match=r"cannot be resolved.*Base URL") as caught:
        make_api(f"https://{ELSEWHERE}", auth="api_key_header", **ONCE).list_groups()
    assert not caught.value.sent


# Proxies


@pytest.fixture
def proxy():
    with TinyProxy(with_token(lambda request: Response([]))) as proxy:
        yield proxy


def test_sends_plain_requests_through_the_proxy_of_the_environment(make_api, proxy, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    assert make_api(f"http://{ELSEWHERE}").list_groups() == []
    assert [request.target for request in proxy.requests] == [
        f"http://{ELSEWHERE}/api/v2/oauth2/token",
        f"http://{ELSEWHERE}/api/v1/groups",
    ]


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
def test_sends_encrypted_requests_through_a_tunnel(make_api, proxy, monkeypatch, variable):
    monkeypatch.setenv(variable, proxy.url)
    with pytest.raises(TransportError, match=r"The proxy did not connect.*HTTPS_PROXY") as caught:
        make_api(f"https://{ELSEWHERE}", auth="api_key_query", **ONCE).client.call(CREATE_GROUP)
    assert not caught.value.sent
    assert {(request.method, request.target) for request in proxy.requests} == {("CONNECT", f"{ELSEWHERE}:443")}


@pytest.mark.parametrize("auth", ["oauth2", "api_key_header", "api_key_query"])
def test_a_proxy_cannot_read_what_the_tunnel_carries(make_api, sandbox, monkeypatch, tmp_path, auth):
    certificate = self_signed(tmp_path, ELSEWHERE)
    with (
        TinyServer(with_token(lambda request: Response([])), certificate) as server,
        TinyProxy(with_token(lambda request: Response([])), tunnel_to=server.port) as proxy,
    ):
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        api = make_api(f"https://{ELSEWHERE}", auth=auth, ca_bundle=str(certificate))
        assert api.list_groups() == []
        assert api.list_groups() == []
        api.client.close()
    assert [request.method for request in proxy.requests] == ["CONNECT"], "one tunnel carries all requests"
    assert sandbox.api_key not in str(proxy.requests)
    assert server.requests[-1].target.startswith("/api/v1/groups")


@pytest.mark.parametrize("no_proxy", [ELSEWHERE, ".invalid", "*"])
def test_respects_no_proxy(make_api, proxy, monkeypatch, no_proxy):
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    monkeypatch.setenv("NO_PROXY", no_proxy)
    with pytest.raises(TransportError, match="cannot be resolved"):
        make_api(f"http://{ELSEWHERE}", **ONCE).list_groups()
    assert proxy.requests == []


@pytest.mark.parametrize("no_proxy", ["", "*"])
def test_prefers_the_proxy_of_the_connection_over_the_environment(make_api, proxy, monkeypatch, no_proxy):
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{unused_port()}")
    monkeypatch.setenv("NO_PROXY", no_proxy)
    assert make_api(f"http://{ELSEWHERE}", proxy=proxy.url).list_groups() == []
    assert len(proxy.requests) == 2


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_never_uses_a_proxy_for_loopback(make_api, proxy, sandbox, monkeypatch, host):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, proxy.url)
    api = make_api(sandbox.url.replace("127.0.0.1", host), proxy=proxy.url)
    assert api.list_groups() != []
    assert proxy.requests == []


@pytest.mark.parametrize("proxy", ["socks5h://127.0.0.1:1080", "SOCKS4://127.0.0.1:1080"])
def test_does_not_use_a_proxy_without_http(make_api, monkeypatch, proxy):
    monkeypatch.setenv("ALL_PROXY", proxy)
    with pytest.raises(TransportError, match="The proxy cannot be used: its URL must be one such as http://") as caught:
        make_api(f"https://{ELSEWHERE}", auth="api_key_header", **ONCE).list_groups()
    assert not caught.value.sent


def test_distinguishes_a_proxy_that_is_down_from_a_host_that_is_down(make_api):
    api = make_api(f"https://{ELSEWHERE}", proxy=f"http://127.0.0.1:{unused_port()}", auth="api_key_header", **ONCE)
    with pytest.raises(TransportError, match="The proxy did not connect: check the connection's proxy"):
        api.list_groups()


@pytest.mark.parametrize(
    ("url", "loopback"),
    [
        ("http://127.0.0.1:3600", True),
        ("http://127.9.9.9", True),
        ("http://[::1]:3600", True),
        ("http://localhost", True),
        ("http://api.localhost", True),
        ("https://app.360learning.com", False),
        ("http://127.0.0.1.example.com", False),
        ("http://localhost.example.com", False),
        ("http://0.0.0.0", False),
        ("http://10.0.0.1", False),
    ],
)
def test_recognizes_loopback(url, loopback):
    assert is_loopback(url) is loopback


# Redirects


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("auth", ["oauth2", "api_key_header", "api_key_query"])
def test_does_not_follow_a_redirect(make_api, auth, status):
    with TinyServer(lambda request: Response([])) as other:
        moved = Response("", status, {"Location": f"{other.url}/api/v1/groups"})
        with TinyServer(with_token(lambda request: moved)) as server:
            with pytest.raises(RefusedError, match="redirect, which is not followed: check the connection's Base URL"):
                make_api(server.url, auth=auth).list_groups()
            assert len(server.requests) == (2 if auth == "oauth2" else 1)
    assert other.requests == []


def test_does_not_send_the_key_to_the_target_of_a_redirect(make_api):
    with TinyServer(lambda request: Response({})) as other:
        moved = Response("", 307, {"Location": f"{other.url}/api/v2/oauth2/token"})
        with TinyServer(lambda request: moved) as server, pytest.raises(RefusedError):
            make_api(server.url).list_groups()
    assert other.requests == []


# TLS


@pytest.fixture
def tls_server(tmp_path):
    certificate = self_signed(tmp_path)
    with TinyServer(with_token(lambda request: Response([])), certificate) as server:
        yield server, certificate


def test_rejects_a_certificate_that_is_not_trusted(make_api, tls_server):
    server, _ = tls_server
    with pytest.raises(TransportError, match=r"certificate is not trusted.*Base URL and ca_bundle") as caught:
        make_api(server.url, auth="api_key_header", **ONCE).client.call(CREATE_GROUP)
    assert not caught.value.sent
    assert server.requests == []


def test_accepts_a_certificate_of_the_ca_bundle(make_api, tls_server):
    server, certificate = tls_server
    assert make_api(server.url, ca_bundle=str(certificate)).list_groups() == []


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_accepts_a_certificate_of_the_bundle_of_the_environment(make_api, tls_server, monkeypatch, variable):
    server, certificate = tls_server
    monkeypatch.setenv(variable, str(certificate))
    assert make_api(server.url).list_groups() == []


def test_rejects_the_certificate_of_another_host(make_api, tls_server):
    server, certificate = tls_server
    url = server.url.replace("127.0.0.1", "localhost")
    with pytest.raises(TransportError, match="belongs to another host"):
        make_api(url, ca_bundle=str(certificate), **ONCE).list_groups()
    assert server.requests == []


def test_reports_a_host_that_does_not_speak_tls(make_api, sandbox):
    with pytest.raises(TransportError, match="does not speak TLS"):
        make_api(sandbox.url.replace("http:", "https:"), **ONCE).list_groups()


def test_reports_a_missing_ca_bundle(make_api, tls_server, monkeypatch):
    server, _ = tls_server
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/bundle.pem")
    with pytest.raises(TransportError, match="REQUESTS_CA_BUNDLE") as caught:
        make_api(server.url, auth="api_key_header", **ONCE).list_groups()
    assert not caught.value.sent


def test_sends_nothing_without_tls(make_api, tmp_path):
    """A connection whose handshake failed must not be used as a plain one."""
    (tmp_path / "empty.pem").write_text("nothing")
    with recording_listener() as (address, received):
        for bundle in (str(tmp_path / "empty.pem"), None):
            with pytest.raises(TransportError, match=r"^TLS failed.*ca_bundle"):
                make_api(f"https://{address}", auth="api_key_header", ca_bundle=bundle, **ONCE).list_groups()
    handshake = b"\x16\x03"
    assert received
    assert all(first[:2] in (b"", handshake) for first in received)


# Paths

UNUSUAL_ADDRESSES = {
    "ana+hr@acme.test": "ana%2Bhr%40acme.test",
    "ana#acme@platform.test": "ana%23acme%40platform.test",
    "ana!x@acme.test": "ana%21x%40acme.test",
    "ana/roy@acme.test": "ana%2Froy%40acme.test",
    "ana%2Froy@acme.test": "ana%252Froy%40acme.test",
    "ana roy@acme.test": "ana%20roy%40acme.test",
    "ana?x=1&y@acme.test": "ana%3Fx%3D1%26y%40acme.test",
    "ana;v=1@acme.test": "ana%3Bv%3D1%40acme.test",
    "anaïs@acme.test": "ana%C3%AFs%40acme.test",
    "../users@acme.test": "..%2Fusers%40acme.test",
}


@pytest.mark.parametrize("mail", UNUSUAL_ADDRESSES)
def test_encodes_email_addresses_in_paths(api, sent, mail):
    with pytest.raises(NotFoundError):
        api.get_user(user=mail)
    with pytest.raises(NotFoundError):
        api.update_user(user=mail, job="Admiral")
    for operation in ("getUser", "updateUser"):
        (entry,) = sent(operation)
        assert (entry["path"], entry["user"]) == (f"/api/v1/users/{UNUSUAL_ADDRESSES[mail]}", mail)


@pytest.mark.parametrize("user", ["", " ", ".", "..", "...", None])
@pytest.mark.parametrize("operation", ["getUser", "deleteUser"])
def test_rejects_a_path_segment_that_leads_to_another_route(api, sent, operation, user):
    with pytest.raises(InvalidRequestError, match=r"user is .*, but \w+ needs an id") as caught:
        api.client.call(Call(operation, path={"user": user}))
    assert caught.value.operation == operation
    assert sent() == []


def test_encodes_timestamps_in_queries(api, sent):
    api.list_courses(created_after="2026-01-01T00:00:00+01:00", modified_before="2026-02-01T00:00:00.5Z")
    (entry,) = sent("getCourses")
    assert entry["query"] == {
        "createdAfter": "2025-12-31T22:59:59.999Z",
        "modifiedBefore": "2026-02-01T00:00:00.500Z",
    }


# Bodies of API v1


def test_encodes_a_form_with_indexed_arrays_and_lowercase_booleans(make_api):
    body = {"public": True, "courses": ["a", "b"], "custom": {"key": 1}, "name": "Lab é&=", "parent": None}
    with TinyServer(lambda request: Response({})) as server:
        call = Call("addToGroupCatalog", path={"group_id": SALES_GROUP_ID}, body=body)
        make_api(server.url, auth="api_key_header").client.call(call)
    (request,) = server.requests
    assert request.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert parse_qsl(request.body.decode()) == [
        ("public", "true"),
        ("courses[0]", "a"),
        ("courses[1]", "b"),
        ("custom[key]", "1"),
        ("name", "Lab é&="),
    ]


def test_encodes_a_json_body_without_missing_values(make_api):
    body = {"userEmails": ["a@b.test"], "userIds": None}
    with TinyServer(lambda request: Response({})) as server:
        call = Call("addUsersToPathSession", path={"session_id": "0" * 24}, body=body)
        make_api(server.url, auth="api_key_header").client.call(call)
    (request,) = server.requests
    assert request.headers["Content-Type"] == "application/json"
    assert request.json == {"userEmails": ["a@b.test"]}


# Connections


def test_uses_one_connection_for_many_calls(make_api):
    with TinyServer(with_token(lambda request: Response([]))) as server:
        api = make_api(server.url)
        for _ in range(20):
            api.list_groups()
        assert len(server.requests) == 21
        assert server.connections == 1


def test_threads_reuse_their_connections(make_api):
    ready = threading.Barrier(6)

    def respond(request):
        ready.wait(timeout=60)
        return Response([])

    with TinyServer(respond) as server:
        api = make_api(server.url, auth="api_key_header")
        for _ in range(3):
            threads = [threading.Thread(target=api.list_groups) for _ in range(6)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert len(server.requests) == 18
        assert server.connections <= 7, "six in use, and at most one opened ahead of time"


def test_reopens_a_connection_that_the_server_closed(make_api):
    with TinyServer(lambda request: Response([], headers={"Connection": "close"})) as server:
        api = make_api(server.url, auth="api_key_header", **ONCE)
        for _ in range(3):
            assert api.list_groups() == []
            time.sleep(0.02)
        assert server.connections == 3


@pytest.mark.slow
@pytest.mark.parametrize("tls", [False, True])
def test_opens_the_connection_before_the_request_is_due(make_api, tmp_path, tls):
    """A handshake at the send time would make requests arrive in bursts that were sent at equal intervals."""
    accepted, arrived = [], []

    class Server(TinyServer):
        def connected(self):
            accepted.append(time.monotonic())

    def respond(request):
        arrived.append(time.monotonic())
        return Response([])

    certificate = self_signed(tmp_path) if tls else None
    store = SqliteStore(":memory:")
    with Server(respond, certificate) as server:
        for _ in range(2):  # each without a connection, like a new process
            api = make_api(server.url, auth="api_key_header", ca_bundle=str(certificate), limits={}, store=store)
            api.client.call(Call("deleteGroup", path={"group_id": SALES_GROUP_ID}))
            for _ in range(2):  # of other clients, so that the next request waits for 3 s
                api.client.rate_limiter.reserve(API_V1.endpoints["deleteGroup"], 600)
    assert arrived[1] - arrived[0] >= 3.0
    assert arrived[1] - accepted[1] > 0.3
    assert len(accepted) == 2


def test_asks_about_the_base_url_if_a_response_is_not_json(make_api):
    with (
        TinyServer(lambda request: Response(b"<html>Welcome</html>")) as server,
        pytest.raises(UnexpectedResponseError, match="check that the Base URL is that of 360Learning"),
    ):
        make_api(server.url, auth="api_key_header", **ONCE).list_groups()
