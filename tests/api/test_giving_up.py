"""Calls that end during their wait release their reservation."""

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
MISSING_GROUP = "0" * 24
#: One group deletion per second, and the margin.
WINDOW = 1.05


class Interrupted(BaseException):
    """An exception that ends a call, as Airflow's timeout does."""


@pytest.fixture
def make(make_api, tmp_path):
    """Create the API with the documented limits, shared through a file."""

    def make(**how):
        return make_api(store=host_store(str(tmp_path)), limits={}, auth="api_key_header", **how)

    return make


@pytest.fixture
def next_time(make):
    """Return a function that reserves the next group deletion, on the store's clock, after 120 others."""
    rate_limiter = make().client.rate_limiter

    def next_time():
        return rate_limiter.reserve(API_V1.endpoints["deleteGroup"], 600).time

    for _ in range(120):
        next_time()
    return next_time


def _exceeds_the_maximum_wait(make):
    with pytest.raises(RateLimitedError):
        make(max_wait=5.0).delete_group(group_id=MISSING_GROUP)


def _is_interrupted_by_a_signal(make):
    def interrupt(number, frame):
        raise Interrupted

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        with when_a_call_waits(lambda: signal.setitimer(signal.ITIMER_REAL, 0.1)), pytest.raises(Interrupted):
            make().delete_group(group_id=MISSING_GROUP)
    finally:
        signal.signal(signal.SIGALRM, before)


def _is_cancelled_on_an_event_loop(make):
    async def play():
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(1) as thread:
            waiting = asyncio.create_task(make().delete_group.arun(thread, group_id=MISSING_GROUP))
            with when_a_call_waits(lambda: loop.call_soon_threadsafe(loop.call_later, 0.1, waiting.cancel)):
                await waiting

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(play())


@pytest.mark.parametrize(
    "ends",
    [_exceeds_the_maximum_wait, _is_interrupted_by_a_signal, _is_cancelled_on_an_event_loop],
    ids=lambda end: end.__name__,
)
def test_a_call_that_ends_releases_its_reservation(make, next_time, sent, ends):
    last = next_time()
    ends(make)
    assert next_time() - last == pytest.approx(WINDOW, abs=0.1)
    assert sent("deleteGroup") == []


def test_a_killed_process_leaves_one_reservation(sandbox, next_time, sent, tmp_path):
    delete_group = """
import logging, sys
from airflow_provider_360learning.api.limiter.limiter import RateLimiter
from airflow_provider_360learning.api.limiter.share import Share
from airflow_provider_360learning.api.client import Client
from airflow_provider_360learning.api.types import Settings
from airflow_provider_360learning.api.limiter.sqlite import host_store
from airflow_provider_360learning.api.v1 import ApiV1
from airflow_provider_360learning.api.v1.spec import API_V1

logging.basicConfig(level=logging.INFO, stream=sys.stdout)
folder, url, company_id, api_key = sys.argv[1:]
rate_limiter = RateLimiter(host_store(folder), base_url=url, company_id=company_id, fallback=Share(1.0, started=0.0))
api = ApiV1(Client(Settings(url, company_id, api_key, auth="api_key_header"), API_V1, rate_limiter))
api.delete_group(group_id="0" * 24)
"""
    arguments = [str(tmp_path), sandbox.url, sandbox.company_id, sandbox.api_key]
    last = next_time()
    with subprocess.Popen(
        [sys.executable, "-c", delete_group, *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        assert "waiting" in process.stdout.readline()
        process.kill()
    times = [next_time(), next_time()]
    assert [time - last for time in times] == pytest.approx([2 * WINDOW, 3 * WINDOW], abs=0.1)
    assert sent("deleteGroup") == []


# The check before each request


@pytest.mark.slow
def test_checks_each_request_after_its_wait(sandbox, make_api, sent):
    checked = {}
    api = make_api(client={"before_sending": lambda: checked.update({len(sent()): time.monotonic()})})
    sandbox.control.add_fault("updateUser", kind="status", status=503)
    sandbox.control.add_fault("updateUser", kind="rate_limited", retry_after=1)
    api.update_user(user=GRACE_MAIL, job="Admiral")
    assert [entry["operation"] for entry in sent()] == ["generateToken", *["updateUser"] * 3]
    assert list(checked) == [0, 1, 2, 3], "retries included, and the token"
    assert checked[3] - checked[2] >= 1.0, "after the wait, not before"


def test_an_error_of_the_check_ends_the_call_and_releases_its_reservation(make, sent):
    def fail():
        raise Interrupted

    with pytest.raises(Interrupted):
        make(client={"before_sending": fail}).update_user(user=GRACE_MAIL, job="Admiral")
    assert sent() == []
    rate_limiter = make().client.rate_limiter
    assert [rate_limiter.reserve(API_V1.endpoints["updateUser"], 600).wait for _ in range(5)] == [0] * 5
