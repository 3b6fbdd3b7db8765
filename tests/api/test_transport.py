"""Timeouts, proxies, redirects, TLS, paths and connections, as a server or a proxy sees them."""

from __future__ import annotations

import threading
import time

import pytest

from airflow_provider_360learning.api.limiter.sqlite import SqliteStore
from airflow_provider_360learning.api.transport import is_loopback
from airflow_provider_360learning.api.types import Call
from airflow_provider_360learning.exceptions import (
    InvalidRequestError,
    NotFoundError,
    OutcomeUnknownError,
    RefusedError,
    TransportError,
    UnexpectedResponseError,
)
from airflow_provider_360learning.sandbox.demo_company import SALES_GROUP_ID
from tests.api.support import (
    Answer,
    TinyProxy,
    TinyServer,
    listening_ear,
    self_signed,
    silent_server,
    unused_port,
    with_token,
)

ONCE = {"client": {"max_attempts": 1}}
#: A host that there is not: nothing leaves this machine but by mistake, and a mistake fails.
ELSEWHERE = "learning.invalid"
CREATE_GROUP = Call("createGroup", body={"name": "Lab", "public": False})


@pytest.fixture(autouse=True)
def _no_proxy_of_the_machine(monkeypatch):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


# Timeouts


def test_a_server_that_never_answers_is_waited_for_as_long_as_set(make_api):
    with silent_server() as address:
        api = make_api(f"http://{address}", auth="api_key_header", connect_timeout=9, read_timeout=0.3, **ONCE)
        started = time.monotonic()
        with pytest.raises(TransportError, match="read_timeout") as caught:
            api.list_groups()
    assert 0.3 <= time.monotonic() - started < 8
    assert caught.value.sent


def test_an_answer_that_never_comes_leaves_a_write_unknown(make_api):
    with silent_server() as address, pytest.raises(OutcomeUnknownError, match="read_timeout"):
        make_api(f"http://{address}", auth="api_key_header", read_timeout=0.2).client.call(CREATE_GROUP)


def test_a_connection_that_never_comes_about_is_waited_for_as_long_as_set(make_api):
    """The handshake is part of connecting, and nothing was sent before it is over."""
    with silent_server() as address:
        api = make_api(f"https://{address}", auth="api_key_header", connect_timeout=0.3, read_timeout=9, **ONCE)
        started = time.monotonic()
        with pytest.raises(TransportError, match="connect_timeout") as caught:
            api.client.call(CREATE_GROUP)
    assert 0.3 <= time.monotonic() - started < 8
    assert not caught.value.sent


def test_nobody_there_is_told_at_once(make_api):
    with pytest.raises(TransportError, match="cannot be reached") as caught:
        make_api(f"http://127.0.0.1:{unused_port()}", auth="api_key_header", **ONCE).list_groups()
    assert not caught.value.sent


def test_a_host_without_an_address_is_told_from_one_that_is_down(make_api):
    with pytest.raises(TransportError, match=r"cannot be resolved.*Base URL") as caught:
        make_api(f"https://{ELSEWHERE}", auth="api_key_header", **ONCE).list_groups()
    assert not caught.value.sent


# Proxies


@pytest.fixture
def proxy():
    with TinyProxy(with_token(lambda request: Answer([]))) as proxy:
        yield proxy


def test_plain_requests_go_through_the_proxy_of_the_environment(make_api, proxy, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    assert make_api(f"http://{ELSEWHERE}").list_groups() == []
    assert [request.target for request in proxy.requests] == [
        f"http://{ELSEWHERE}/api/v2/oauth2/token",
        f"http://{ELSEWHERE}/api/v1/groups",
    ]


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
def test_encrypted_requests_go_through_a_tunnel_of_it(make_api, proxy, monkeypatch, variable):
    monkeypatch.setenv(variable, proxy.url)
    with pytest.raises(TransportError, match=r"The proxy did not connect.*HTTPS_PROXY") as caught:
        make_api(f"https://{ELSEWHERE}", auth="api_key_query", **ONCE).client.call(CREATE_GROUP)
    assert not caught.value.sent
    assert {(request.method, request.target) for request in proxy.requests} == {("CONNECT", f"{ELSEWHERE}:443")}


@pytest.mark.parametrize("auth", ["oauth2", "api_key_header", "api_key_query"])
def test_a_proxy_sees_nothing_of_what_the_tunnel_carries(make_api, sandbox, monkeypatch, tmp_path, auth):
    certificate = self_signed(tmp_path, ELSEWHERE)
    with (
        TinyServer(with_token(lambda request: Answer([])), certificate) as server,
        TinyProxy(with_token(lambda request: Answer([])), tunnel_to=server.port) as proxy,
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
def test_no_proxy_is_heeded(make_api, proxy, monkeypatch, no_proxy):
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    monkeypatch.setenv("NO_PROXY", no_proxy)
    with pytest.raises(TransportError, match="cannot be resolved"):
        make_api(f"http://{ELSEWHERE}", **ONCE).list_groups()
    assert proxy.requests == []


@pytest.mark.parametrize("no_proxy", ["", "*"])
def test_the_connections_own_proxy_wins_over_the_environment(make_api, proxy, monkeypatch, no_proxy):
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{unused_port()}")
    monkeypatch.setenv("NO_PROXY", no_proxy)
    assert make_api(f"http://{ELSEWHERE}", proxy=proxy.url).list_groups() == []
    assert len(proxy.requests) == 2


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_this_machine_is_never_reached_through_a_proxy(make_api, proxy, sandbox, monkeypatch, host):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, proxy.url)
    api = make_api(sandbox.url.replace("127.0.0.1", host), proxy=proxy.url)
    assert api.list_groups() != []
    assert proxy.requests == []


def test_a_proxy_that_is_down_is_told_from_a_host_that_is(make_api):
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
def test_what_is_this_machine(url, loopback):
    assert is_loopback(url) is loopback


# Redirects


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("auth", ["oauth2", "api_key_header", "api_key_query"])
def test_a_redirect_is_refused_and_leads_nowhere(make_api, auth, status):
    with TinyServer(lambda request: Answer([])) as other:
        moved = Answer("", status, {"Location": f"{other.url}/api/v1/groups"})
        with TinyServer(with_token(lambda request: moved)) as server:
            with pytest.raises(RefusedError, match="redirect, which is not followed: check the connection's Base URL"):
                make_api(server.url, auth=auth).list_groups()
            assert len(server.requests) == (2 if auth == "oauth2" else 1)
    assert other.requests == []


def test_a_redirected_token_request_keeps_its_key(make_api):
    with TinyServer(lambda request: Answer({})) as other:
        moved = Answer("", 307, {"Location": f"{other.url}/api/v2/oauth2/token"})
        with TinyServer(lambda request: moved) as server, pytest.raises(RefusedError):
            make_api(server.url).list_groups()
    assert other.requests == []


# TLS


@pytest.fixture
def tls_server(tmp_path):
    certificate = self_signed(tmp_path)
    with TinyServer(with_token(lambda request: Answer([])), certificate) as server:
        yield server, certificate


def test_a_certificate_that_nobody_vouches_for_is_refused(make_api, tls_server):
    server, _ = tls_server
    with pytest.raises(TransportError, match=r"certificate is not trusted.*Base URL and ca_bundle") as caught:
        make_api(server.url, auth="api_key_header", **ONCE).client.call(CREATE_GROUP)
    assert not caught.value.sent
    assert server.requests == []


def test_a_certificate_of_the_ca_bundle_is_accepted(make_api, tls_server):
    server, certificate = tls_server
    assert make_api(server.url, ca_bundle=str(certificate)).list_groups() == []


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_the_bundle_of_the_environment_is_accepted(make_api, tls_server, monkeypatch, variable):
    server, certificate = tls_server
    monkeypatch.setenv(variable, str(certificate))
    assert make_api(server.url).list_groups() == []


def test_the_certificate_of_another_host_is_refused(make_api, tls_server):
    server, certificate = tls_server
    url = server.url.replace("127.0.0.1", "localhost")
    with pytest.raises(TransportError, match="belongs to another host"):
        make_api(url, ca_bundle=str(certificate), **ONCE).list_groups()
    assert server.requests == []


def test_a_host_that_does_not_speak_tls_is_said_to(make_api, sandbox):
    with pytest.raises(TransportError, match="does not speak TLS"):
        make_api(sandbox.url.replace("http:", "https:"), **ONCE).list_groups()


def test_a_bundle_that_is_not_there_is_said_so(make_api, tls_server, monkeypatch):
    server, _ = tls_server
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/bundle.pem")
    with pytest.raises(TransportError, match="REQUESTS_CA_BUNDLE") as caught:
        make_api(server.url, auth="api_key_header", **ONCE).list_groups()
    assert not caught.value.sent


def test_without_tls_nothing_is_sent(make_api, tmp_path):
    """A connection that failed to become a secure one must not be used as a plain one."""
    (tmp_path / "empty.pem").write_text("nothing")
    with listening_ear() as (address, heard):
        for bundle in (str(tmp_path / "empty.pem"), None):
            with pytest.raises(TransportError, match=r"^TLS failed.*ca_bundle"):
                make_api(f"https://{address}", auth="api_key_header", ca_bundle=bundle, **ONCE).list_groups()
    handshake = b"\x16\x03"
    assert heard
    assert all(first[:2] in (b"", handshake) for first in heard)


# Paths

ODD_MAILS = {
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


@pytest.mark.parametrize("mail", ODD_MAILS)
def test_odd_mails_reach_the_right_route(api, sent, mail):
    with pytest.raises(NotFoundError):
        api.get_user(mail)
    with pytest.raises(NotFoundError):
        api.update_user(mail, job="Admiral")
    for operation in ("getUser", "updateUser"):
        (entry,) = sent(operation)
        assert (entry["path"], entry["user"]) == (f"/api/v1/users/{ODD_MAILS[mail]}", mail)


@pytest.mark.parametrize("user", ["", " ", ".", "..", "...", None])
@pytest.mark.parametrize("operation", ["getUser", "deleteUser"])
def test_what_would_lead_to_another_route_is_refused_before_anything_is_sent(api, sent, operation, user):
    with pytest.raises(InvalidRequestError, match=r"user is .*, but \w+ needs an id") as caught:
        api.client.call(Call(operation, path={"user": user}))
    assert caught.value.operation == operation
    assert sent() == []


def test_dates_in_queries_are_encoded(api, sent):
    api.list_courses(created_after="2026-01-01T00:00:00+01:00", modified_before="2026-02-01T00:00:00.5Z")
    (entry,) = sent("getCourses")
    assert entry["query"] == {
        "createdAfter": "2025-12-31T23:00:00.000Z",
        "modifiedBefore": "2026-02-01T00:00:00.500Z",
    }


# Connections


def test_one_connection_serves_many_calls(make_api):
    with TinyServer(with_token(lambda request: Answer([]))) as server:
        api = make_api(server.url)
        for _ in range(20):
            api.list_groups()
        assert len(server.requests) == 21
        assert server.connections == 1


def test_threads_keep_their_connections(make_api):
    ready = threading.Barrier(6)

    def respond(request):
        ready.wait(timeout=5)
        return Answer([])

    with TinyServer(respond) as server:
        api = make_api(server.url, auth="api_key_header")
        for _ in range(3):
            threads = [threading.Thread(target=api.list_groups) for _ in range(6)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert len(server.requests) == 18
        assert server.connections <= 7, "six at work, and at most one open_binary ahead of its turn"


def test_a_connection_that_the_server_closed_is_opened_anew(make_api):
    with TinyServer(lambda request: Answer([], headers={"Connection": "close"})) as server:
        api = make_api(server.url, auth="api_key_header", **ONCE)
        for _ in range(3):
            assert api.list_groups() == []
            time.sleep(0.02)
        assert server.connections == 3


@pytest.mark.parametrize("tls", [False, True])
def test_the_connection_is_open_before_the_turn_comes(make_api, tmp_path, tls):
    """A handshake that began when the request is due would make spaced sends arrive bunched."""
    accepted, arrived = [], []

    class Server(TinyServer):
        def connected(self):
            accepted.append(time.monotonic())

    def respond(request):
        arrived.append(time.monotonic())
        return Answer([])

    certificate = self_signed(tmp_path) if tls else None
    store = SqliteStore(":memory:")
    with Server(respond, certificate) as server:
        for _ in range(2):  # each like a process of its own, with no connection yet
            api = make_api(server.url, auth="api_key_header", ca_bundle=str(certificate), limits={}, store=store)
            api.client.call(Call("deleteGroup", path={"group_id": SALES_GROUP_ID}))
    assert arrived[1] - arrived[0] >= 1.0
    assert arrived[1] - accepted[1] > 0.3
    assert len(accepted) == 2


def test_an_answer_that_is_no_json_asks_about_the_base_url(make_api):
    with (
        TinyServer(lambda request: Answer(b"<html>Welcome</html>")) as server,
        pytest.raises(UnexpectedResponseError, match="is the Base URL that of 360Learning"),
    ):
        make_api(server.url, auth="api_key_header", **ONCE).list_groups()
