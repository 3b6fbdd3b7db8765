"""The hook: the actions in scripts and on an event loop, and the connection test."""

from __future__ import annotations

import asyncio
import json
import logging
from concurrent.futures import ThreadPoolExecutor

import pytest

from airflow_provider_360learning import __version__
from airflow_provider_360learning.api.access import UNUSED_MAIL
from airflow_provider_360learning.exceptions import TransportError
from airflow_provider_360learning.hooks.learning360 import Learning360Hook
from airflow_provider_360learning.sandbox.demo_company import GRACE_ID, GRACE_MAIL
from demo.ports import unused_port
from tests.api.support import (
    FREE,
    TOKEN,
    Response,
    TinyServer,
    secrets_in,
    self_signed,
    silent_server,
    with_token,
)

every_way = pytest.mark.parametrize("auth", ["oauth2", "api_key_header", "api_key_query"])


def test_works_outside_a_task(connect):
    assert Learning360Hook().api.get_user(user=GRACE_MAIL)["user_id"] == GRACE_ID


def test_uses_the_given_connection(sandbox, connect, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_ACME", sandbox.connection_json(auth="api_key_header", limits=FREE))
    monkeypatch.delenv("AIRFLOW_CONN_LEARNING360_DEFAULT")
    assert Learning360Hook("acme").get_conn().list_groups()
    assert Learning360Hook(learning360_conn_id="acme").api.list_groups()


def test_the_calls_of_a_hook_share_one_token(sandbox, connect):
    hook = Learning360Hook()
    hook.api.list_groups()
    hook.api.list_groups()
    assert [entry["operation"] for entry in sandbox.control.journal()] == ["generateToken", "getGroups", "getGroups"]


def test_sends_the_version_of_the_package_as_user_agent(connect):
    with TinyServer(with_token(lambda request: Response([]))) as server:
        connect(host=server.url)
        Learning360Hook().api.list_groups()
    assert {request.headers["User-Agent"] for request in server.requests} == {
        f"airflow-provider-360learning/{__version__}"
    }


def test_requests_follow_the_settings_of_the_connection(sandbox, connect):
    sandbox.control.settings(token_path="/oauth/token")
    connect(extra={"token_path": "/oauth/token"})
    assert Learning360Hook().api.list_groups()
    with silent_server() as address:
        connect(host=f"http://{address}", extra={"auth": "api_key_header", "read_timeout": "0.2"})
        with pytest.raises(TransportError, match="read_timeout"):
            Learning360Hook(max_attempts=1).api.list_groups()


def test_waits_on_an_event_loop_share_one_token(sandbox, connect):
    async def wait(executor):
        api = await Learning360Hook().get_async_conn(executor)
        return await api.get_user.arun(executor, user=GRACE_MAIL)

    async def wait_all(executor):
        return await asyncio.gather(*(wait(executor) for _ in range(5)))

    sandbox.control.settings(token_life=3599)
    connect(extra={"read_timeout": 59})  # unlike the connection of any other test
    with ThreadPoolExecutor(2) as executor:
        found = asyncio.run(wait_all(executor))
    assert {user["user_id"] for user in found} == {GRACE_ID}
    assert [entry["operation"] for entry in sandbox.control.journal()].count("generateToken") == 1


# The connection test


def assert_failure(expected):
    works, message = Learning360Hook().test_connection()
    assert works is False
    assert expected in message
    return message


@every_way
def test_accepts_valid_credentials(sandbox, connect, auth):
    connect(extra={"auth": auth})
    assert Learning360Hook().test_connection() == (True, "360Learning accepts the credentials")
    sent = [(entry["operation"], entry["method"]) for entry in sandbox.control.journal()]
    assert sent == [("generateToken", "POST")] * (auth == "oauth2") + [("getUser", "GET")]
    assert sandbox.control.journal()[-1]["user"] == UNUSED_MAIL


@every_way
def test_reports_a_wrong_company_id(connect, auth):
    connect(login="0" * 24, extra={"auth": auth})
    assert_failure("check the connection's Company ID (login)")


@every_way
def test_reports_a_wrong_api_key(sandbox, connect, auth):
    before = sandbox.control.state()
    connect(password="0" * 32, extra={"auth": auth})
    message = assert_failure(
        "and API key (password)" if auth == "oauth2" else "check the connection's API key (password)"
    )
    assert "0" * 32 not in message
    assert sandbox.control.state() == before


@every_way
def test_reports_an_unreachable_host(connect, auth):
    connect(host=f"http://127.0.0.1:{unused_port()}", extra={"auth": auth})
    assert_failure("The host cannot be reached")


@every_way
def test_reports_an_unresolvable_host_name(connect, auth):
    connect(host="https://learning.invalid", extra={"auth": auth})
    assert_failure("The host name cannot be resolved: check the connection's Base URL")


def test_reports_a_silent_host(connect):
    with silent_server() as address:
        connect(host=f"http://{address}", extra={"read_timeout": 0.2})
        assert_failure("No response within read_timeout")


@every_way
@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (Response(b"<html>Welcome</html>"), "Base URL"),
        (Response(b"<html>Not here</html>", 404), "Base URL"),
        (Response({"message": "Not Found"}, 404), "Base URL"),
        (Response("", 302, {"Location": "https://elsewhere.invalid/login"}), "Base URL"),
        (Response({"_id": "1"}), "The host found a user who cannot exist"),
    ],
    ids=["a page", "no page", "another API", "a redirect", "finds every user"],
)
def test_reports_a_host_that_is_not_360learning(connect, auth, response, expected):
    finds_every_user = response.body == {"_id": "1"}
    with TinyServer(with_token(lambda request: response) if finds_every_user else lambda request: response) as server:
        connect(host=server.url, extra={"auth": auth})
        message = assert_failure(expected)
    assert "check the connection's Company ID" not in message, "the credentials were not examined"
    assert all(request.method == "GET" or request.target.endswith("/token") for request in server.requests)


@every_way
def test_reports_an_untrusted_certificate(connect, tmp_path, auth):
    with TinyServer(with_token(lambda request: Response([])), self_signed(tmp_path)) as server:
        connect(host=server.url, extra={"auth": auth})
        assert_failure("TLS failed: the host's certificate is not trusted")
    assert server.requests == []


def test_each_failure_has_a_message_of_its_own(sandbox, connect, tmp_path):
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
            messages.add(assert_failure("").partition(" [")[0])
    assert len(messages) == 7


def test_names_an_invalid_field(sandbox, connect):
    connect(extra={"auth": "basic"})
    assert_failure("field extra.auth")
    assert sandbox.control.journal() == []


def test_reports_a_connection_that_is_not_defined(monkeypatch):
    monkeypatch.delenv("AIRFLOW_CONN_NOWHERE", raising=False)
    works, message = Learning360Hook("nowhere").test_connection()
    assert not works
    assert "NotFound" in message


def test_another_missing_object_does_not_prove_the_credentials(sandbox, connect):
    sandbox.control.add_fault("getUser", kind="status", status=404, body={"error": "platform_not_found"})
    assert_failure("platform_not_found")


def test_the_connection_test_is_not_retried(sandbox, connect):
    sandbox.control.add_fault("getUser", kind="status", status=503, count=9)
    assert_failure("360Learning failed")
    assert len([entry for entry in sandbox.control.journal() if entry["operation"] == "getUser"]) == 1


def test_reports_a_rate_limit(sandbox, connect):
    connect(extra={"read_timeout": 58, "auth": "api_key_header"})
    sandbox.control.add_fault("getUser", kind="rate_limited", retry_after=0)
    assert_failure("the rate limit had no capacity to test the credentials")


@pytest.mark.slow
@every_way
@pytest.mark.parametrize("fault", ["echo", "drop_before", "status"])
def test_shows_no_secret(sandbox, connect, caplog, auth, fault):
    caplog.set_level(logging.DEBUG)
    connect(extra={"auth": auth})
    sandbox.control.add_fault("getUser", kind=fault)
    message = assert_failure("")
    assert message
    assert secrets_in(message + caplog.text, [sandbox.api_key]) == []
    assert "eyJ" not in message + caplog.text, "no token either"


def test_registers_tokens_with_airflows_secrets_masker(connect):
    from airflow.providers.common.compat.sdk import redact

    with TinyServer(with_token(lambda request: Response([]))) as server:
        connect(host=server.url)
        Learning360Hook().api.list_groups()
    assert TOKEN not in json.dumps(redact(f"Bearer {TOKEN}"))
