"""An API key that is rotated while a sensor waits, deferred or poking: the wait continues."""

from __future__ import annotations

import asyncio
import time
from collections import Counter

import pytest

from airflow_provider_360learning.sandbox.demo_company import GRACE_MAIL
from airflow_provider_360learning.sensors.paths import Learning360PathSessionCompletionSensor
from tests.unlimited_sandbox import CONNECTION, UNLIMITED, after_requests, make_trigger, rotate_key

every_method = pytest.mark.parametrize("auth", ["oauth2", "api_key_header", "api_key_query"])


@pytest.fixture
def store(sandbox, monkeypatch):
    """Return a function that stores a connection with the newest key."""
    return lambda auth: monkeypatch.setenv(CONNECTION, sandbox.connection_json(auth=auth, limits=UNLIMITED))


@pytest.fixture
def poke(session_id):
    """Return a function that waits in a task and returns the result."""

    def poke():
        sensor = Learning360PathSessionCompletionSensor(
            task_id="wait", session_id=session_id, deferrable=False, mode="poke", poke_interval=0.02, timeout=60
        )
        return sensor.execute({})

    return poke


@pytest.fixture
def wait_deferred(session_id):
    """Return a function that waits on an event loop and returns the payload of the event."""

    def wait(**arguments):
        async def event():
            (event,) = [event async for event in make_trigger(session_id, **arguments).run()]
            return event.payload

        return asyncio.run(event())

    return wait


def statuses(sandbox):
    polls = [entry for entry in sandbox.control.journal() if "stats" in entry["path"]]
    return Counter(entry["status"] for entry in polls)


@every_method
@pytest.mark.parametrize("deferred", [False, True])
def test_continues_with_the_new_key(sandbox, store, enroll, poke, wait_deferred, auth, deferred):
    def rotate_and_complete():
        rotate_key(sandbox, lambda: store(auth))
        before = len(sandbox.control.journal())
        while len(sandbox.control.journal()) < before + 5:
            time.sleep(0.02)
        sandbox.control.advance(3600)

    store(auth)
    enroll(GRACE_MAIL)
    with after_requests(sandbox, 2, "stats", rotate_and_complete):
        result = wait_deferred()["result"] if deferred else poke()
    assert result["done"] == 1
    assert statuses(sandbox)[401] in ((1, 2) if auth == "oauth2" else (1,)), "a token may have expired as well"


@pytest.mark.slow
@pytest.mark.parametrize(("auth", "requests"), [("oauth2", 3), ("api_key_header", 2)])
def test_a_deferred_wait_polls_again_if_the_connection_cannot_be_read(
    sandbox, store, enroll, wait_deferred, monkeypatch, auth, requests
):
    def revoke():
        rotate_key(sandbox, lambda: monkeypatch.delenv(CONNECTION))

    def restore():
        assert 401 in statuses(sandbox)
        store(auth)
        sandbox.control.advance(3600)

    store(auth)
    enroll(GRACE_MAIL)
    # With the token, two polls, then one that has failed and the next one; five failures are tolerated.
    with after_requests(sandbox, requests, "", revoke, restore):
        assert wait_deferred(poke_interval=1)["status"] == "success"


def test_a_deferred_wait_ends_if_the_connection_has_the_old_key(sandbox, store, enroll, wait_deferred):
    store("api_key_header")
    enroll(GRACE_MAIL)
    with after_requests(sandbox, 2, "stats", lambda: rotate_key(sandbox, lambda: None)):
        event = wait_deferred()
    assert event["status"] == "error"
    assert "AuthenticationError" in event["message"]
    assert statuses(sandbox)[401] == 1
