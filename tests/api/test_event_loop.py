"""Actions on an event loop: waits are awaited, only sending takes a thread, and failed calls are not retried."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar

import pytest

from airflow_provider_360learning.api.limiter.sqlite import SqliteStore
from airflow_provider_360learning.api.types import Call
from airflow_provider_360learning.api.v1.spec import API_V1
from airflow_provider_360learning.exceptions import AlreadyExistsError, RateLimitedError, ServerError
from airflow_provider_360learning.sandbox.demo_company import GRACE_ID, GRACE_MAIL, SALES_GROUP_ID
from tests.api.support import when_a_call_waits

MISSING_GROUP = "0" * 24


@pytest.fixture
def one_thread():
    with ThreadPoolExecutor(1) as executor:
        yield executor


def test_returns_the_same_as_in_a_thread(api, one_thread):
    assert asyncio.run(api.get_user.arun(one_thread, user=GRACE_MAIL)) == api.get_user(user=GRACE_MAIL)


def test_runs_an_action_of_several_calls(api, one_thread):
    created = asyncio.run(api.create_user.arun(one_thread, mail=GRACE_MAIL, job="Admiral", if_exists="update"))
    assert created == {"mail": GRACE_MAIL, "user_id": GRACE_ID, "outcome": "updated"}
    with pytest.raises(AlreadyExistsError):
        asyncio.run(api.create_user.arun(one_thread, mail=GRACE_MAIL, if_exists="fail"))


def test_runs_the_action_itself_in_a_thread(api, one_thread):
    """It may have much to process: a session can have thousands of learners."""

    def steps():
        before = threading.current_thread()
        yield Call("getGroups")
        return before, threading.current_thread()

    found = asyncio.run(api.client.arun(steps(), one_thread))
    assert found == (one_thread.submit(threading.current_thread).result(),) * 2


def test_waiting_calls_block_neither_the_loop_nor_the_threads(make_api, one_thread):
    api = make_api(limits={})

    async def play():
        waiting = [asyncio.create_task(api.delete_group.arun(one_thread, group_id=MISSING_GROUP)) for _ in range(20)]
        # The thread works in order, so they are in the queue before the next call: for 19 s.
        await asyncio.sleep(0)
        await api.list_groups.arun(one_thread)
        still_waiting = [not task.done() for task in waiting]
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        return still_waiting

    assert asyncio.run(play())[-1]


def test_logs_a_long_wait_in_the_context_of_the_caller(make_api, one_thread):
    """From the context, a triggerer knows which trigger's log it belongs to."""
    trigger = ContextVar("trigger", default="none")
    seen = []
    api = make_api(limits={})
    for _ in range(20):
        api.client.rate_limiter.reserve(API_V1.endpoints["deleteGroup"], 600)

    async def play():
        trigger.set("ours")
        waiting = asyncio.create_task(api.delete_group.arun(one_thread, group_id=MISSING_GROUP))
        with when_a_call_waits(lambda: seen.append(trigger.get())):
            while not seen:
                await asyncio.sleep(0.01)
        waiting.cancel()

    asyncio.run(play())
    assert seen == ["ours"]


@pytest.mark.slow
def test_a_cancelled_call_releases_its_reservation(make_api, one_thread):
    store = SqliteStore(":memory:")
    api = make_api(limits={}, store=store)

    async def play():
        await api.delete_group.arun(one_thread, group_id=MISSING_GROUP)
        canceled = [asyncio.create_task(api.delete_group.arun(one_thread, group_id=MISSING_GROUP)) for _ in range(30)]
        await asyncio.sleep(0.2)
        for task in canceled:
            task.cancel()
        await asyncio.gather(*canceled, return_exceptions=True)
        started = time.monotonic()
        await api.delete_group.arun(one_thread, group_id=MISSING_GROUP)
        return time.monotonic() - started

    assert asyncio.run(play()) < 20, "the reservations of thirty calls are free again"


def test_a_call_cancelled_while_reserving_releases_its_reservation(make_api):
    class SlowStore(SqliteStore):
        def reserve(self, *arguments, **options):
            time.sleep(0.3)
            return super().reserve(*arguments, **options)

    api = make_api(limits={}, store=SlowStore(":memory:"), auth="api_key_header")

    async def cancel(executor):
        try:
            async with asyncio.timeout(0.1):
                await api.delete_group.arun(executor, group_id=MISSING_GROUP)
        except TimeoutError as error:
            return error

    with ThreadPoolExecutor(2) as executor:
        error = asyncio.run(cancel(executor))
    assert isinstance(error, TimeoutError), "its frames still exist"
    assert api.client.rate_limiter.reserve(API_V1.endpoints["deleteGroup"], 600).wait == 0


def test_raises_a_failure_at_once(sandbox, api, sent, one_thread):
    sandbox.control.add_fault("getUser", kind="status", status=503)
    with pytest.raises(ServerError):
        asyncio.run(api.get_user.arun(one_thread, user=GRACE_MAIL))
    assert len(sent("getUser")) == 1


def test_raises_a_429_at_once(sandbox, api, sent, one_thread):
    sandbox.control.add_fault("getUser", kind="rate_limited", retry_after=9)
    with pytest.raises(RateLimitedError) as caught:
        asyncio.run(api.get_user.arun(one_thread, user=GRACE_MAIL))
    assert caught.value.retry_after == 9
    assert len(sent("getUser")) == 1


def test_renews_a_token_once(sandbox, api, sent, one_thread):
    asyncio.run(api.list_groups.arun(one_thread))
    sandbox.control.revoke_tokens()
    asyncio.run(api.list_groups.arun(one_thread))
    assert [entry["status"] for entry in sent("getGroups")] == [200, 401, 200]
    assert len(sent("generateToken")) == 2


def test_coroutines_that_share_a_client_fetch_one_token(api, sent):
    async def play(executor):
        await asyncio.gather(*(api.get_group.arun(executor, group_id=SALES_GROUP_ID) for _ in range(8)))

    with ThreadPoolExecutor(4) as executor:
        asyncio.run(play(executor))
    assert len(sent("generateToken")) == 1
