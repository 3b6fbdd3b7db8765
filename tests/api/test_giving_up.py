"""Calls that end in the middle of their wait: what they reserved is free again, whatever ended them."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from airflow_provider_360learning.api.limiter.sqlite import host_store
from airflow_provider_360learning.api.v1.spec import API_V1
from airflow_provider_360learning.exceptions import RateLimitedError
from airflow_provider_360learning.sandbox.demo_company import GRACE_MAIL
from tests.api.support import when_a_call_waits

ROOT = Path(__file__).parents[2]
NOBODYS_GROUP = "0" * 24
#: One deletion of a group a second, and the guard.
WINDOW = 1.05


class Ended(BaseException):
    """What ends a call, as Airflow's timeout does."""


@pytest.fixture
def make(make_api, tmp_path):
    """Make the API with the documented limits, which all who are made share through a file."""

    def make(**how):
        return make_api(store=host_store(str(tmp_path)), limits={}, auth="api_key_header", **how)

    return make


@pytest.fixture
def next_place(make):
    """Reserve the next moment for the deletion of a group, on the store's clock; 30 are taken."""
    rate_limiter = make().client.rate_limiter

    def next_place():
        return rate_limiter.reserve(API_V1.endpoints["deleteGroup"], 600).time

    for _ in range(30):
        next_place()
    return next_place


def _may_not_wait_so_long(make):
    with pytest.raises(RateLimitedError):
        make(max_wait=5.0).delete_group(NOBODYS_GROUP)


def _is_interrupted_by_a_signal(make):
    def interrupt(number, frame):
        raise Ended

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        with when_a_call_waits(lambda: signal.setitimer(signal.ITIMER_REAL, 0.1)), pytest.raises(Ended):
            make().delete_group(NOBODYS_GROUP)
    finally:
        signal.signal(signal.SIGALRM, before)


def _is_cancelled_on_an_event_loop(make):
    async def play():
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(1) as thread:
            waiting = asyncio.create_task(make().delete_group.arun(thread, NOBODYS_GROUP))
            with when_a_call_waits(lambda: loop.call_soon_threadsafe(loop.call_later, 0.1, waiting.cancel)):
                await waiting

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(play())


@pytest.mark.parametrize(
    "ends",
    [_may_not_wait_so_long, _is_interrupted_by_a_signal, _is_cancelled_on_an_event_loop],
    ids=lambda end: end.__name__,
)
def test_who_gives_up_leaves_no_place_taken(make, next_place, sent, ends):
    last = next_place()
    ends(make)
    assert next_place() - last == pytest.approx(WINDOW, abs=0.1)
    assert sent("deleteGroup") == []


def test_who_is_killed_leaves_the_one_place_taken_that_it_had(sandbox, next_place, sent, tmp_path):
    waits = """
import logging, sys
from airflow_provider_360learning.api.limiter.limiter import RateLimiter, Share
from airflow_provider_360learning.api.client import Client
from airflow_provider_360learning.api.types import Settings
from airflow_provider_360learning.api.limiter.sqlite import host_store
from airflow_provider_360learning.api.v1 import ApiV1
from airflow_provider_360learning.api.v1.spec import API_V1

logging.basicConfig(level=logging.INFO, stream=sys.stdout)
folder, url, company_id, api_key = sys.argv[1:]
rate_limiter = RateLimiter(host_store(folder), base_url=url, company_id=company_id, fallback=Share(1.0, started=0.0))
ApiV1(Client(Settings(url, company_id, api_key, "api_key_header"), API_V1, rate_limiter)).delete_group("0" * 24)
"""
    arguments = [str(tmp_path), sandbox.url, sandbox.company_id, sandbox.api_key]
    last = next_place()
    with subprocess.Popen(
        [sys.executable, "-c", waits, *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as one:
        assert "waiting" in one.stdout.readline()
        one.kill()
    places = [next_place(), next_place()]
    assert [place - last for place in places] == pytest.approx([2 * WINDOW, 3 * WINDOW], abs=0.1)
    assert sent("deleteGroup") == []


# The check before each request


def test_each_request_is_asked_for_when_its_moment_has_come(sandbox, make_api, sent):
    asked = {}
    api = make_api(client={"before_sending": lambda: asked.update({len(sent()): time.monotonic()})})
    sandbox.control.add_fault("updateUser", kind="status", status=503)
    sandbox.control.add_fault("updateUser", kind="rate_limited", retry_after=1)
    api.update_user(GRACE_MAIL, job="Admiral")
    assert [entry["operation"] for entry in sent()] == ["generateToken", *["updateUser"] * 3]
    assert list(asked) == [0, 1, 2, 3], "retries included, and the token"
    assert asked[3] - asked[2] >= 1.0, "after the wait, not before"


def test_what_is_raised_there_ends_the_call_and_leaves_no_place_taken(make, sent):
    def refuse():
        raise Ended

    with pytest.raises(Ended):
        make(client={"before_sending": refuse}).update_user(GRACE_MAIL, job="Admiral")
    assert sent() == []
    rate_limiter = make().client.rate_limiter
    assert [rate_limiter.reserve(API_V1.endpoints["updateUser"], 600).wait for _ in range(5)] == [0] * 5
