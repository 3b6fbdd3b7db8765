"""Neither the API key nor a token appears in an error or a log."""

from __future__ import annotations

import logging
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import pytest
from pydantic import SecretStr

from airflow_provider_360learning.api.auth import Token
from airflow_provider_360learning.api.types import Call, Settings
from airflow_provider_360learning.exceptions import InvalidRequestError, Learning360Error, RefusedError
from demo.ports import unused_port
from tests.api.support import Response, TinyServer, everything_about, secrets_in

#: Secrets that differ in each encoding.
KEY = "k3y/with+odd&signs ü%41"
TOKEN = "t0ken/with+odd&signs=="

every_method = pytest.mark.parametrize("auth", ["oauth2", "api_key_header", "api_key_query"])


@pytest.fixture
def output(caplog):
    """Return everything that was logged and raised so far."""
    caplog.set_level(logging.DEBUG)
    raised = []

    def output(error=None):
        if error is not None:
            raised.append(everything_about(error) + "".join(traceback.format_exception(error)))
        formatter = logging.Formatter("%(name)s %(message)s")
        return "\n".join([*map(formatter.format, caplog.records), *raised])

    return output


@pytest.fixture
def tokens():
    return []


@every_method
@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "drop_before"},
        {"kind": "drop_after"},
        {"kind": "garbage"},
        {"kind": "invalid_content"},
        {"kind": "rate_limited", "retry_after": 60},
        {"kind": "delay", "seconds": 3.5},
        {"kind": "status", "status": 401, "body": {"error": "invalid_api_key"}, "count": 2},
        {"kind": "status", "status": 302, "headers": {"Location": "https://elsewhere.invalid/"}},
        {"kind": "echo", "status": 401, "count": 2},  # the second time with a new token
        *({"kind": "echo", "status": status} for status in (400, 403, 404, 429, 500, 503)),
    ],
    ids=lambda fault: f"{fault['kind']} {fault.get('status', '')}".strip(),
)
def test_hides_secrets_of_a_failing_call(sandbox, make_api, output, tokens, auth, fault):
    read_timeout = 3.0 if fault["kind"] == "delay" else 30.0
    api = make_api(auth=auth, read_timeout=read_timeout, client={"max_attempts": 1, "on_token": tokens.append})
    sandbox.control.add_fault("createGroup", **fault)
    with pytest.raises(Learning360Error) as caught:
        api.client.call(Call("createGroup", body={"name": "Lab", "public": False}))
    text = output(caught.value)
    assert "createGroup" in text
    assert "/api/v1/groups" in text, "urllib3 logs the requests"
    assert len(tokens) == (fault.get("count", 1) if auth == "oauth2" else 0)
    assert secrets_in(text, [sandbox.api_key, *tokens]) == []


@every_method
def test_hides_an_invalid_key(make_api, output, auth):
    with pytest.raises(Learning360Error) as caught:
        make_api(auth=auth, api_key=KEY).list_groups()
    assert secrets_in(output(caught.value), [KEY]) == []


@every_method
def test_hides_secrets_of_a_refused_connection(sandbox, make_api, output, auth):
    api = make_api(f"http://127.0.0.1:{unused_port()}", auth=auth, api_key=KEY, client={"max_attempts": 1})
    with pytest.raises(Learning360Error) as caught:
        api.list_groups()
    assert secrets_in(output(caught.value), [KEY]) == []


@every_method
@pytest.mark.parametrize("encode", [str, lambda text: quote(text, safe="")])
def test_hides_secrets_that_a_server_repeats(make_api, output, auth, encode):
    def repeat(request):
        if request.target.endswith("/token"):
            return Response({"access_token": TOKEN, "expires_in": "3600"})
        received = " ".join([request.target, *request.headers.values()])
        return Response({"error": f"{received} {encode(KEY)} {encode(TOKEN)}", "message": received}, 400)

    with TinyServer(repeat) as server:
        api = make_api(server.url, auth=auth, api_key=KEY.replace("ü", ""))
        with pytest.raises(InvalidRequestError) as caught:
            api.list_groups()
    assert "***" in str(caught.value)
    assert secrets_in(output(caught.value), [KEY.replace("ü", ""), *([TOKEN] if auth == "oauth2" else [])]) == []


def test_hides_secrets_that_a_token_endpoint_repeats(make_api, output):
    def repeat(request):
        return Response({"error": "bad", "error_description": request.json["client_secret"]}, 403)

    with TinyServer(repeat) as server, pytest.raises(RefusedError, match=r"\*\*\*") as caught:
        make_api(server.url, api_key=KEY).list_groups()
    assert secrets_in(output(caught.value), [KEY]) == []


def test_hides_a_token_that_was_replaced_during_a_request(make_api, output):
    """The response quotes a token that is not the current one."""
    renewed, issued = threading.Event(), []

    def respond(request):
        if request.target.endswith("/token"):
            issued.append(f"token-number-{len(issued)}-with-a-tail")
            return Response({"access_token": issued[-1], "expires_in": 3600})
        if request.target.endswith("/paths"):
            if len(issued) == 1:
                return Response({"error": "invalid_token"}, 401)
            renewed.set()
            return Response([])
        if request.target.endswith("/groups"):
            renewed.wait(60)
        return Response({"error": request.headers["Authorization"]}, 400)

    with TinyServer(respond) as server, ThreadPoolExecutor(1) as thread:
        api = make_api(server.url)
        with pytest.raises(InvalidRequestError):
            api.list_courses()
        waiting = thread.submit(api.list_groups)
        while not any(request.target.endswith("/groups") for request in server.requests):
            pass
        api.list_paths()
        error = waiting.exception()
    assert len(issued) == 2
    assert "***" in str(error)
    assert secrets_in(output(error), issued) == []


def test_truncates_long_responses_in_errors(sandbox, api):
    sandbox.control.add_fault("getGroups", kind="status", status=400, body={"error": "x" * 5000})
    with pytest.raises(InvalidRequestError) as caught:
        api.list_groups()
    assert len(str(caught.value)) < 500
    assert len(caught.value.code) < 500


def test_hides_secrets_in_representations(sandbox):
    settings = Settings(sandbox.url, "acme", KEY, proxy=f"http://user:{KEY}@proxy.test")
    assert secrets_in(repr(Token(KEY, renew_at=0.0, api_key=SecretStr(KEY))), [KEY]) == []
    call = Call("updateUser", path={"user": "a@b.test"}, body={"password": KEY}, query={"apiKey": KEY})
    assert secrets_in(f"{settings!r} {settings} {call!r} {call}", [KEY]) == []


# The search itself finds secrets


@every_method
def test_finds_a_planted_secret(sandbox, make_api, output, tokens, auth):
    make_api(auth=auth, client={"on_token": tokens.append}).list_groups()
    secret = (tokens or [sandbox.api_key])[0]
    assert secrets_in(output(), [secret]) == []
    logging.getLogger("other").debug("sent %s", {"header": secret})
    assert secrets_in(output(), [secret]) == [secret]


@pytest.mark.parametrize("encode", [str, lambda text: quote(text, safe="")])
def test_finds_a_secret_planted_in_an_error(output, encode):
    def fail():
        try:
            raise ValueError(f"GET /groups?apiKey={encode(KEY)}")
        except ValueError:
            raise RuntimeError("no secret here") from None

    with pytest.raises(RuntimeError) as caught:
        fail()
    assert secrets_in(output(caught.value), [KEY]) == [KEY]


def test_urllib3_logs_requests_without_the_key(make_api, caplog):
    """The tests above rely on urllib3 logging requests with their queries."""
    caplog.set_level(logging.DEBUG)
    make_api(auth="api_key_query").list_groups()
    assert "apiKey=***" in caplog.text
