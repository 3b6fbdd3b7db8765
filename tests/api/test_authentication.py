"""The three ways to authenticate, and the lifetime of a token."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from pydantic import SecretStr

from airflow_provider_360learning.api.auth import Token
from airflow_provider_360learning.api.retry import INITIAL_RETRY_WAIT
from airflow_provider_360learning.exceptions import (
    AuthenticationError,
    NotFoundError,
    ServerError,
    UnexpectedResponseError,
)
from tests.api.support import TOKEN, Response, TinyServer, with_token

AUTH_METHODS = ("oauth2", "api_key_header", "api_key_query")
every_method = pytest.mark.parametrize("auth", AUTH_METHODS)


@pytest.mark.parametrize(("auth", "seen"), list(zip(AUTH_METHODS, ("token", "headers", "query"), strict=True)))
def test_authenticates_in_three_ways(sandbox, make_api, sent, auth, seen):
    make_api(auth=auth).list_groups()
    (entry,) = sent("getGroups")
    assert (entry["auth"], entry["status"]) == (seen, 200)
    assert len(sent("generateToken")) == (1 if auth == "oauth2" else 0)


@pytest.mark.parametrize("auth", AUTH_METHODS)
def test_sends_credentials_in_one_place_only(make_api, auth):
    with TinyServer(with_token(lambda request: Response([]))) as server:
        make_api(server.url, auth=auth, company_id="c+1", api_key="k&?/ 1").list_groups()
    request = server.requests[-1]
    found = {name.lower() for name in request.headers} & {"authorization", "x-apikey", "x-company-id"}
    if auth == "oauth2":
        assert request.headers["Authorization"] == f"Bearer {TOKEN}"
        assert found == {"authorization"}
        assert server.requests[0].json == {
            "grant_type": "client_credentials",
            "client_id": "c+1",
            "client_secret": "k&?/ 1",
        }
    elif auth == "api_key_header":
        assert (request.headers["X-company-id"], request.headers["X-apiKey"]) == ("c+1", "k&?/ 1")
        assert found == {"x-company-id", "x-apikey"}
    else:
        assert found == set()
    target = "/api/v1/groups" + ("?company=c%2B1&apiKey=k%26%3F%2F+1" if auth == "api_key_query" else "")
    assert request.target == target


def test_adds_the_key_to_other_query_parameters(make_api):
    with TinyServer(lambda request: Response([])) as server:
        make_api(server.url, auth="api_key_query", company_id="c", api_key="the-key").list_users(deleted=True)
    assert server.requests[0].target == "/api/v1/users?deleted=true&company=c&apiKey=the-key"


def test_fetches_a_token_when_first_needed_and_keeps_it(api, sent):
    assert sent() == []
    api.list_groups()
    api.list_groups()
    assert [entry["operation"] for entry in sent()] == ["generateToken", "getGroups", "getGroups"]


def test_threads_that_share_a_client_fetch_one_token(sandbox, api, sent):
    sandbox.control.settings(delay_after_ms=100)  # all of them find no token
    start = threading.Barrier(8)

    def list_groups(number):
        start.wait()
        return api.list_groups()

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(list_groups, range(8)))
    assert len(sent("generateToken")) == 1
    assert len(sent("getGroups")) == 8


@pytest.mark.parametrize(
    ("life", "lead"), [("3600", 60), (3600, 60), ("600.0", 60), (599, 59.9), ("100", 10), (3, 0.3)]
)
def test_renews_a_token_before_it_expires(life, lead):
    """By a minute, or a tenth of its lifetime if that is shorter, counted from its request."""
    token = Token.from_response({"access_token": "t", "expires_in": life}, SecretStr("the key"), requested_at=1000.0)
    assert token.renew_at == pytest.approx(1000 + float(life) - lead)


@pytest.mark.realtime
def test_replaces_a_token_before_the_server_rejects_it(sandbox, api, sent):
    sandbox.control.settings(token_life=1.5)
    api.list_groups()
    time.sleep(1.4)
    api.list_groups()
    assert [entry["status"] for entry in sent("getGroups")] == [200, 200]
    assert len(sent("generateToken")) == 2


@pytest.mark.parametrize("expires_in", [3600, "3600", "3600.5", None])
def test_reads_the_lifetime_of_a_token_as_string_or_number(make_api, expires_in):
    body = {"access_token": TOKEN} | ({} if expires_in is None else {"expires_in": expires_in})
    with TinyServer(lambda request: Response(body if "token" in request.target else [])) as server:
        api = make_api(server.url)
        api.list_groups()
        api.list_groups()
    assert len(server.requests) == 3


@pytest.mark.parametrize("expires_in", ["soon", 0, "-5", "nan", "inf", [], {}])
def test_does_not_request_a_token_with_an_invalid_lifetime_forever(make_api, expires_in):
    response = Response({"access_token": TOKEN, "expires_in": expires_in})
    with TinyServer(lambda request: response) as server, pytest.raises(UnexpectedResponseError, match="expires_in"):
        make_api(server.url).list_groups()
    assert len(server.requests) == 1


@pytest.mark.parametrize("reason", ["revoked", "expired"])
def test_renews_a_rejected_token_at_once(sandbox, make_api, sent, reason):
    slept = []
    api = make_api(client={"sleep": slept.append})
    api.list_groups()
    for _ in range(3):
        if reason == "revoked":
            sandbox.control.revoke_tokens()
        else:
            sandbox.control.advance(4000)
        sandbox.control.clear_journal()
        slept.clear()
        api.list_groups()
        assert [(entry["operation"], entry["status"]) for entry in sent()] == [
            ("getGroups", 401),
            ("generateToken", 200),
            ("getGroups", 200),
        ]
        assert sum(slept) < INITIAL_RETRY_WAIT, "a new token needs no wait"


@pytest.mark.slow
def test_renews_a_token_again_that_expires_within_the_same_call(sandbox, api, sent):
    api.list_groups()
    rejection = {"error": "invalid_token", "error_description": "jwt expired"}
    for status, body in ((401, rejection), (503, None), (401, rejection)):
        sandbox.control.add_fault("getGroups", kind="status", status=status, body=body)
    assert api.list_groups()
    assert [entry["status"] for entry in sent("getGroups")] == [200, 401, 503, 401, 200]


def test_applies_a_write_with_a_rejected_token_once(sandbox, api):
    api.list_groups()
    sandbox.control.revoke_tokens()
    api.create_group(name="Lab")
    names = [group["name"] for group in sandbox.control.state()["groups"]]
    assert names.count("Lab") == 1


def test_threads_with_a_revoked_token_fetch_one_new_token(sandbox, api, sent):
    api.list_groups()
    sandbox.control.revoke_tokens()
    sandbox.control.settings(delay_after_ms=100)
    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(lambda number: api.list_groups(), range(8)))
    assert len(sent("generateToken")) == 2


@pytest.mark.parametrize("description", ["jwt expired", "invalid signature", None])
def test_renews_a_token_once(make_api, description):
    rejection = Response({"error": "invalid_token", "error_description": description}, 401)
    with (
        TinyServer(with_token(lambda request: rejection)) as server,
        pytest.raises(AuthenticationError, match="even a new one"),
    ):
        make_api(server.url).list_groups()
    assert [request.target.rpartition("/")[2] for request in server.requests] == ["token", "groups"] * 2


@pytest.mark.parametrize("auth", ["api_key_header", "api_key_query"])
def test_does_not_renew_an_api_key(make_api, auth):
    rejection = Response({"error": "invalid_token", "error_description": "jwt expired"}, 401)
    with TinyServer(lambda request: rejection) as server, pytest.raises(AuthenticationError):
        make_api(server.url, auth=auth).list_groups()
    assert len(server.requests) == 1


def test_uses_the_token_path_of_the_connection(sandbox, make_api, sent):
    sandbox.control.settings(token_path="/oauth/v1-token")
    make_api(token_path="/oauth/v1-token").list_groups()
    assert sent("generateToken")[0]["path"] == "/oauth/v1-token"


def test_reports_an_invalid_token_path(make_api):
    with pytest.raises(AuthenticationError, match="check the connection's Base URL and token path"):
        make_api(token_path="/api/v3/token").list_groups()


def test_passes_each_token_on_to_be_masked(sandbox, make_api):
    tokens = []
    api = make_api(client={"on_token": tokens.append})
    api.list_groups()
    sandbox.control.revoke_tokens()
    api.list_groups()
    assert len(set(tokens)) == 2


def test_retries_a_token_request_as_often_as_any_other(sandbox, make_api, sent):
    sandbox.control.add_fault("generateToken", kind="status", status=503, count=9)
    with pytest.raises(ServerError) as caught:
        make_api(client={"max_attempts": 2}).list_groups()
    assert caught.value.operation == "generateToken"
    assert len(sent()) == 2, "the call itself does not retry it once more"


def test_resends_a_token_request_after_a_failure(sandbox, api, sent):
    sandbox.control.add_fault("generateToken", kind="drop_after")
    api.list_groups()
    assert [entry["operation"] for entry in sent()] == ["generateToken", "generateToken", "getGroups"]


# Errors and advice


@pytest.mark.parametrize(
    ("auth", "invalid", "advice"),
    [
        ("oauth2", {"api_key": "0" * 32}, r"does not accept the API key: check .*API key \(password\)"),
        ("oauth2", {"company_id": "0" * 24}, r"does not accept the company ID: check .*Company ID \(login\)"),
        ("api_key_header", {"api_key": "0" * 32}, r"the API key is missing, invalid or revoked: .*\(password\)"),
        ("api_key_header", {"company_id": "0" * 24}, r"the company ID is invalid: check .*\(login\)"),
        ("api_key_query", {"api_key": "0" * 32}, r"the API key is missing, invalid or revoked: .*\(password\)"),
        ("api_key_query", {"company_id": "0" * 24}, r"the company ID is invalid: check .*\(login\)"),
    ],
)
def test_distinguishes_invalid_credentials(make_api, sent, auth, invalid, advice):
    with pytest.raises(AuthenticationError, match=advice) as caught:
        make_api(auth=auth, **invalid).list_groups()
    assert not caught.value.transient
    assert len(sent()) == 1, "sending them again changes nothing"


@pytest.mark.parametrize(
    ("code", "description", "advice"),
    [
        ("missing_company_id", None, r"found no company ID or access token: set .*Company ID \(login\)"),
        ("invalid_company_id", None, r"the company ID is invalid: check .*Company ID \(login\)"),
        ("invalid_api_key", None, r"the API key is missing, invalid or revoked: check .*API key \(password\)"),
        (
            "invalid_token",
            "invalid signature",
            r"malformed or forged, even a new one: check .*Base URL and token path",
        ),
        ("invalid_token", "jwt expired", r"expired, even a new one: check the clock of 360Learning's host"),
        ("unauthorized", None, r"the API key is missing or invalid: check .*API key \(password\)"),
        ("something_new", None, r"check the connection's Company ID \(login\) and API key \(password\)"),
        (None, None, r"check the connection's Company ID \(login\) and API key \(password\)"),
    ],
)
def test_gives_advice_for_each_documented_401(sandbox, api, code, description, advice):
    body = {"error": code, "error_description": description} if code else ""
    sandbox.control.add_fault("getGroups", kind="status", status=401, body=body, count=2)
    with pytest.raises(AuthenticationError, match=advice) as caught:
        api.list_groups()
    assert (caught.value.status, caught.value.code) == (401, code)


@every_method
def test_ignores_a_netrc_file(make_api, tmp_path, monkeypatch, auth):
    (tmp_path / ".netrc").write_text("default login user password secret\n")
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    with TinyServer(with_token(lambda request: Response([]))) as server:
        make_api(server.url, auth=auth).list_groups()
    for request in server.requests:
        assert not request.headers.get("Authorization", "").startswith("Basic")


@pytest.mark.realtime
def test_renews_short_tokens_during_sixty_calls_of_four_threads(sandbox, api, sent):
    sandbox.control.settings(token_life=1.5)
    first = time.monotonic()

    def get_users(thread):
        for call in range(15):
            time.sleep(max(0.0, first + call * 5 / 14 - time.monotonic()))
            with pytest.raises(NotFoundError):
                api.get_user(user=f"missing-{thread}-{call}@acme.test")

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(get_users, range(4)))
    assert time.monotonic() - first >= 5
    requests = sent("getUser")
    assert len(requests) >= 60
    assert len({entry["path"] for entry in requests if entry["status"] == 400}) == 60
    assert len(sent("generateToken")) <= 6
