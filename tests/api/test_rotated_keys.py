"""An API key that is rotated while a client uses it: the key is read again once per change, and the work continues."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from pydantic import SecretStr

from airflow_provider_360learning.api.auth import MAX_RENEWALS, Credentials
from airflow_provider_360learning.exceptions import (
    AuthenticationError,
    InvalidConnectionError,
    InvalidRequestError,
    Learning360Error,
    UnreadableConnectionError,
)
from airflow_provider_360learning.sandbox.demo_company import GRACE_MAIL
from tests.api.support import Response, TinyServer, everything_about, secrets_in

AUTH_METHODS = ("oauth2", "api_key_header", "api_key_query")
every_method = pytest.mark.parametrize("auth", AUTH_METHODS)
key_methods = pytest.mark.parametrize("auth", AUTH_METHODS[1:])


class StoredKey:
    """The API key of a connection, which counts how often it is read, or fails to be."""

    def __init__(self, company_id: str, key: str) -> None:
        self.company_id = company_id
        self.key = key
        self.reads = 0
        self.problem: Exception | None = None
        self.after_reading: list[Callable[[], object]] = []

    def __call__(self) -> Credentials:
        self.reads += 1
        if self.problem:
            raise self.problem
        key = self.key
        if self.after_reading:
            self.after_reading.pop()()
        return Credentials(self.company_id, SecretStr(key))


@pytest.fixture
def stored(sandbox):
    return StoredKey(sandbox.company_id, sandbox.api_key)


@pytest.fixture
def make_rotatable(make_api, stored):
    """Return a function that creates an API whose client reads the stored key again."""
    return lambda **settings: make_api(client={"reread_credentials": stored}, **settings)


@pytest.fixture
def rotate(sandbox, stored):
    """Return a function that replaces the stored key and revokes the old one."""

    def rotate():
        old, stored.key = stored.key, sandbox.control.add_api_key()
        sandbox.control.revoke_api_key(old)
        return old

    return rotate


@every_method
def test_continues_with_the_new_key(make_rotatable, rotate, stored, sent, auth):
    api = make_rotatable(auth=auth)
    api.list_groups()
    rotate()
    assert api.list_groups()
    assert stored.reads == 1
    assert [entry["status"] for entry in sent("getGroups")] == [200, 401, 200]
    tokens = [entry["status"] for entry in sent("generateToken")]
    assert tokens == ([200, 401, 200] if auth == "oauth2" else [])


@every_method
def test_survives_one_rotation_after_the_other(make_rotatable, rotate, stored, auth):
    api = make_rotatable(auth=auth)
    for _ in range(6):
        rotate()
        assert api.list_groups()
    assert stored.reads == 6


@every_method
def test_survives_rotations_before_the_new_key_is_sent(make_rotatable, rotate, stored, sent, auth):
    api = make_rotatable(auth=auth)
    api.list_groups()
    rotate()
    stored.after_reading = [rotate, rotate]
    assert api.list_groups()
    assert stored.reads == 3
    refused = "generateToken" if auth == "oauth2" else "getGroups"
    assert [entry["status"] for entry in sent(refused)] == [200, 401, 401, 401, 200]


def test_survives_a_rotation_while_a_request_waits_with_a_new_token(make_rotatable, rotate, stored, sent):
    api = make_rotatable()
    api.list_groups()
    rotate()
    rotations = [rotate]

    def rotate_before_the_second_request():
        if len(sent("generateToken")) == 3 and rotations:
            rotations.pop()()

    api.client.before_sending = rotate_before_the_second_request
    assert api.list_groups()
    assert stored.reads == 2
    assert [entry["status"] for entry in sent("getGroups")] == [200, 401, 401, 200]


@every_method
def test_applies_a_write_once(sandbox, make_rotatable, rotate, auth):
    """A creation must not be sent twice if its outcome is unknown, but the outcome of a 401 is known."""
    api = make_rotatable(auth=auth)
    rotate()
    api.create_group(name="Lab")
    assert Counter(group["name"] for group in sandbox.control.state()["groups"])["Lab"] == 1


@every_method
def test_continues_on_an_event_loop(make_rotatable, rotate, stored, auth):
    api = make_rotatable(auth=auth)
    with ThreadPoolExecutor(1) as executor:
        asyncio.run(api.get_user.arun(executor, user=GRACE_MAIL))
        rotate()
        assert asyncio.run(api.get_user.arun(executor, user=GRACE_MAIL))["mail"] == GRACE_MAIL
    assert stored.reads == 1


def test_reads_no_key_while_tokens_are_accepted(sandbox, make_rotatable, rotate, stored, sent):
    sandbox.control.settings(tokens_outlive_keys=True)
    api = make_rotatable()
    api.list_groups()
    rotate()
    api.list_groups()
    assert stored.reads == 0
    sandbox.control.advance(4000)
    api.list_groups()
    assert stored.reads == 1
    assert [entry["status"] for entry in sent("getGroups")] == [200, 200, 401, 200]


def test_reads_no_key_if_a_new_token_is_enough(sandbox, make_rotatable, stored):
    api = make_rotatable()
    api.list_groups()
    sandbox.control.revoke_tokens()
    api.list_groups()
    assert stored.reads == 0


@every_method
def test_threads_read_the_key_once_per_change(sandbox, make_rotatable, rotate, stored, sent, auth):
    api = make_rotatable(auth=auth)
    api.list_groups()
    rotate()
    sandbox.control.settings(delay_after_ms=100)  # all of them have sent the old key
    start = threading.Barrier(8)

    def list_groups(number):
        start.wait()
        return api.list_groups()

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(list_groups, range(8)))
    assert stored.reads == 1
    assert [entry["status"] for entry in sent("getGroups")].count(401) == 8
    assert len(sent("generateToken")) == (3 if auth == "oauth2" else 0)


@every_method
def test_an_unchanged_key_is_a_permanent_error(sandbox, make_rotatable, stored, sent, caplog, auth):
    caplog.set_level(logging.INFO)
    api = make_rotatable(auth=auth)
    sandbox.control.add_api_key()
    sandbox.control.revoke_api_key(stored.key)
    with pytest.raises(AuthenticationError, match=r"check the connection's .*API key \(password\)") as caught:
        api.list_groups()
    assert not caught.value.transient
    assert stored.reads == 1
    assert len(sent()) == 1
    assert "the connection still has the same ones" in caplog.text


@every_method
def test_a_new_key_that_is_not_accepted_either_is_a_permanent_error(make_rotatable, rotate, stored, sent, auth):
    api = make_rotatable(auth=auth)
    rotate()
    stored.key = "0" * 32
    with pytest.raises(AuthenticationError):
        api.list_groups()
    assert len(sent()) == 2


@every_method
def test_keys_that_change_with_every_read_end_the_call(sandbox, make_api, sent, auth):
    keys = (Credentials(sandbox.company_id, SecretStr(f"{number:032}")) for number in range(1, 100))
    api = make_api(auth=auth, api_key="0" * 32, client={"reread_credentials": lambda: next(keys)})
    with pytest.raises(AuthenticationError):
        api.list_groups()
    assert len(sent()) == 1 + MAX_RENEWALS


@every_method
@pytest.mark.parametrize("problem", [UnreadableConnectionError, InvalidConnectionError])
def test_a_key_that_cannot_be_read_ends_one_call(make_rotatable, rotate, stored, problem, auth):
    api = make_rotatable(auth=auth)
    rotate()
    stored.problem = problem("not now")
    with pytest.raises(problem, match="not now"):
        api.list_groups()
    stored.problem = None
    assert api.list_groups()


@key_methods
def test_a_client_without_a_stored_key_sends_once(sandbox, make_api, sent, auth):
    api = make_api(auth=auth)
    sandbox.control.add_api_key()
    sandbox.control.revoke_api_key(api.client.settings.api_key)
    with pytest.raises(AuthenticationError):
        api.list_groups()
    assert len(sent()) == 1


@every_method
def test_hides_the_old_and_the_new_key(make_api, caplog, auth):
    """The server repeats both of them, and the token."""
    caplog.set_level(logging.DEBUG)
    old, new, token = "old/key with=signs", "new/key with=signs", "token/of=the new key"

    def respond(request):
        received = f"{request.target} {request.headers} {request.body!r}"
        if secrets_in(received, [old]):
            return Response(
                {"error": "invalid_client" if request.target.endswith("/token") else "invalid_api_key"}, 401
            )
        if request.target.endswith("/token"):
            return Response({"access_token": token, "expires_in": "3600"})
        return Response({"error": f"{old} {received}"}, 400)

    reread = {"reread_credentials": lambda: Credentials("", SecretStr(new))}
    with TinyServer(respond) as server, pytest.raises(InvalidRequestError, match=r"\*\*\*") as caught:
        make_api(server.url, auth=auth, api_key=old, client=reread).list_groups()
    assert secrets_in(everything_about(caught.value) + caplog.text, [old, new, token]) == []


def test_a_rejected_key_does_not_appear_in_the_error_of_an_unreadable_one(make_rotatable, rotate, stored):
    api = make_rotatable(auth="api_key_query")
    old = rotate()
    stored.problem = UnreadableConnectionError("not now")
    with pytest.raises(Learning360Error) as caught:
        api.list_groups()
    assert secrets_in(everything_about(caught.value), [old, stored.key]) == []
