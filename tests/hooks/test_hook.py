"""The hook: the API of a connection, in a task, in a script and on an event loop; and the test of a connection."""

from __future__ import annotations

import asyncio
import json
import logging
from concurrent.futures import ThreadPoolExecutor

import pytest

from airflow_provider_360learning import __version__
from airflow_provider_360learning.exceptions import TransportError
from airflow_provider_360learning.hooks.learning360 import NOBODY, Learning360Hook
from airflow_provider_360learning.sandbox.demo_company import GRACE_ID, GRACE_MAIL
from tests.api.support import (
    FREE,
    TOKEN,
    Response,
    TinyServer,
    secrets_in,
    self_signed,
    silent_server,
    unused_port,
    with_token,
)

every_way = pytest.mark.parametrize("auth", ["oauth2", "api_key_header", "api_key_query"])


def test_the_api_is_there_outside_of_a_task(connect):
    assert Learning360Hook().api.get_user(user=GRACE_MAIL)["user_id"] == GRACE_ID


def test_the_connection_id_can_be_given(sandbox, connect, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_ACME", sandbox.connection_json(auth="api_key_header", limits=FREE))
    monkeypatch.delenv("AIRFLOW_CONN_LEARNING360_DEFAULT")
    assert Learning360Hook("acme").get_conn().list_groups()
    assert Learning360Hook(learning360_conn_id="acme").api.list_groups()


def test_a_hook_keeps_its_client(sandbox, connect):
    hook = Learning360Hook()
    hook.api.list_groups()
    hook.api.list_groups()
    assert [entry["operation"] for entry in sandbox.control.journal()] == ["generateToken", "getGroups", "getGroups"]


def test_the_server_is_told_who_asks(connect):
    with TinyServer(with_token(lambda request: Response([]))) as server:
        connect(host=server.url)
        Learning360Hook().api.list_groups()
    assert {request.headers["User-Agent"] for request in server.requests} == {
        f"airflow-provider-360learning/{__version__}"
    }


def test_settings_of_the_connection_reach_the_requests(sandbox, connect):
    sandbox.control.settings(token_path="/oauth/token")
    connect(extra={"token_path": "/oauth/token"})
    assert Learning360Hook().api.list_groups()
    with silent_server() as address:
        connect(host=f"http://{address}", extra={"auth": "api_key_header", "read_timeout": "0.2"})
        with pytest.raises(TransportError, match="read_timeout"):
            Learning360Hook(max_attempts=1).api.list_groups()


def test_on_an_event_loop_all_who_wait_share_one_token(sandbox, connect):
    async def wait(executor):
        api = await Learning360Hook().get_async_conn(executor)
        return await api.get_user.arun(executor, user=GRACE_MAIL)

    async def play(executor):
        return await asyncio.gather(*(wait(executor) for _ in range(5)))

    sandbox.control.settings(token_life=3599)
    connect(extra={"read_timeout": 59})  # a connection that no other test has
    with ThreadPoolExecutor(2) as executor:
        found = asyncio.run(play(executor))
    assert {user["user_id"] for user in found} == {GRACE_ID}
    assert [entry["operation"] for entry in sandbox.control.journal()].count("generateToken") == 1


# The button "Test"


def fails_with(expected):
    works, message = Learning360Hook().test_connection()
    assert works is False
    assert expected in message
    return message


@every_way
def test_good_credentials(sandbox, connect, auth):
    connect(extra={"auth": auth})
    assert Learning360Hook().test_connection() == (True, "360Learning accepts the credentials")
    asked = [(entry["operation"], entry["method"]) for entry in sandbox.control.journal()]
    assert asked == [("generateToken", "POST")] * (auth == "oauth2") + [("getUser", "GET")]
    assert sandbox.control.journal()[-1]["user"] == NOBODY


@every_way
def test_a_wrong_company(connect, auth):
    connect(login="0" * 24, extra={"auth": auth})
    fails_with("check the connection's Company ID (login)")


@every_way
def test_a_wrong_key(sandbox, connect, auth):
    before = sandbox.control.state()
    connect(password="0" * 32, extra={"auth": auth})
    message = fails_with("and API key (password)" if auth == "oauth2" else "check the connection's API key (password)")
    assert "0" * 32 not in message
    assert sandbox.control.state() == before


@every_way
def test_nobody_there(connect, auth):
    connect(host=f"http://127.0.0.1:{unused_port()}", extra={"auth": auth})
    fails_with("The host cannot be reached")


@every_way
def test_a_host_without_an_address(connect, auth):
    connect(host="https://learning.invalid", extra={"auth": auth})
    fails_with("The host name cannot be resolved: check the connection's Base URL")


def test_a_host_that_says_nothing(connect):
    with silent_server() as address:
        connect(host=f"http://{address}", extra={"read_timeout": 0.2})
        fails_with("No response within read_timeout")


@every_way
@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (Response(b"<html>Welcome</html>"), "is the Base URL that of 360Learning?"),
        (Response(b"<html>Not here</html>", 404), "Base URL"),
        (Response({"message": "Not Found"}, 404), "Base URL"),
        (Response("", 302, {"Location": "https://elsewhere.invalid/login"}), "Base URL"),
        (Response({"_id": "1"}), "The host answered something for a user who cannot exist"),
    ],
    ids=["a page", "no page", "another API", "a redirect", "says yes to everything"],
)
def test_a_host_that_is_not_360learning(connect, auth, answer, expected):
    says_yes = answer.body == {"_id": "1"}
    with TinyServer(with_token(lambda request: answer) if says_yes else lambda request: answer) as server:
        connect(host=server.url, extra={"auth": auth})
        message = fails_with(expected)
    assert "check the connection's Company ID" not in message, "the credentials were not even looked at"
    assert all(request.method == "GET" or request.target.endswith("/token") for request in server.requests)


@every_way
def test_a_certificate_that_nobody_vouches_for(connect, tmp_path, auth):
    with TinyServer(with_token(lambda request: Response([])), self_signed(tmp_path)) as server:
        connect(host=server.url, extra={"auth": auth})
        fails_with("TLS failed: the host's certificate is not trusted")
    assert server.requests == []


def test_each_of_these_is_told_from_the_others(sandbox, connect, tmp_path):
    with (
        TinyServer(lambda request: Response({"message": "Not Found"}, 404)) as other,
        TinyServer(lambda request: Response([]), self_signed(tmp_path)) as tls,
    ):
        messages = set()
        for problem in (
            {"login": "0" * 24},
            {"password": "0" * 32},
            {"host": f"http://127.0.0.1:{unused_port()}"},
            {"host": "https://learning.invalid"},
            {"host": other.url},
            {"host": tls.url},
            {"login": ""},
        ):
            connect(**problem, extra={"auth": "api_key_header"})
            messages.add(fails_with("").partition(" [")[0])
    assert len(messages) == 7


def test_a_malformed_connection_is_named(sandbox, connect):
    connect(extra={"auth": "basic"})
    fails_with("field extra.auth")
    assert sandbox.control.journal() == []


def test_a_connection_that_is_not_there(monkeypatch):
    monkeypatch.delenv("AIRFLOW_CONN_NOWHERE", raising=False)
    works, message = Learning360Hook("nowhere").test_connection()
    assert not works
    assert "NotFound" in message


def test_a_missing_user_in_other_words_is_no_proof(sandbox, connect):
    sandbox.control.add_fault("getUser", kind="status", status=404, body={"error": "platform_not_found"})
    fails_with("platform_not_found")


def test_whoever_pressed_the_button_is_not_kept_waiting(sandbox, connect):
    sandbox.control.add_fault("getUser", kind="status", status=503, count=9)
    fails_with("360Learning failed")
    assert len([entry for entry in sandbox.control.journal() if entry["operation"] == "getUser"]) == 1


def test_a_rate_limit_is_said_to_be_one(sandbox, connect):
    connect(extra={"read_timeout": 58, "auth": "api_key_header"})
    sandbox.control.add_fault("getUser", kind="rate_limited", retry_after=0)
    fails_with("the rate limit left no room to try the credentials")


@every_way
@pytest.mark.parametrize("fault", ["echo", "drop_before", "status"])
def test_no_secret_is_shown(sandbox, connect, caplog, auth, fault):
    caplog.set_level(logging.DEBUG)
    connect(extra={"auth": auth})
    sandbox.control.add_fault("getUser", kind=fault)
    message = fails_with("")
    assert message
    assert secrets_in(message + caplog.text, [sandbox.api_key]) == []
    assert "eyJ" not in message + caplog.text, "no token either"


def test_tokens_are_handed_to_airflows_masker(connect):
    from airflow.providers.common.compat.sdk import redact

    with TinyServer(with_token(lambda request: Response([]))) as server:
        connect(host=server.url)
        Learning360Hook().api.list_groups()
    assert TOKEN not in json.dumps(redact(f"Bearer {TOKEN}"))
