"""Actions on an event loop: waits are awaited, only sending takes a thread, and nothing is sent again."""

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

NOBODYS_GROUP = "0" * 24


@pytest.fixture
def one_thread():
    with ThreadPoolExecutor(1) as executor:
        yield executor


def test_an_action_gives_the_same_as_in_a_thread(api, one_thread):
    assert asyncio.run(api.get_user.arun(one_thread, GRACE_MAIL)) == api.get_user(GRACE_MAIL)


def test_an_action_of_several_calls(api, one_thread):
    made = asyncio.run(api.create_user.arun(one_thread, GRACE_MAIL, job="Admiral", if_exists="update"))
    assert made == {"mail": GRACE_MAIL, "user_id": GRACE_ID, "outcome": "updated"}
    with pytest.raises(AlreadyExistsError):
        asyncio.run(api.create_user.arun(one_thread, GRACE_MAIL, if_exists="fail"))


def test_an_action_is_done_in_a_thread(api, one_thread):
    """What it makes of an answer may be much work: a session may have thousands of learners."""

    def steps():
        before = threading.current_thread()
        yield Call("getGroups")
        return before, threading.current_thread()

    found = asyncio.run(api.client.arun(steps(), one_thread))
    assert found == (one_thread.submit(threading.current_thread).result(),) * 2


def test_who_waits_for_its_turn_holds_up_neither_the_loop_nor_the_threads(make_api, one_thread):
    api = make_api(limits={})

    async def play():
        waiting = [asyncio.create_task(api.delete_group.arun(one_thread, NOBODYS_GROUP)) for _ in range(5)]
        # The one thread does what it is given in turn, so they are in the queue before this: for 4 s.
        await asyncio.sleep(0)
        await api.list_groups.arun(one_thread)
        still_waiting = [not task.done() for task in waiting]
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        return still_waiting

    assert asyncio.run(play())[-1]


def test_a_long_wait_is_logged_in_the_context_of_who_waits(make_api, one_thread):
    """By that, a triggerer knows whose log it belongs to."""
    whose = ContextVar("whose", default="nobody's")
    seen = []
    api = make_api(limits={})
    for _ in range(20):
        api.client.rate_limiter.reserve(API_V1.endpoints["deleteGroup"], 600)

    async def play():
        whose.set("mine")
        waiting = asyncio.create_task(api.delete_group.arun(one_thread, NOBODYS_GROUP))
        with when_a_call_waits(lambda: seen.append(whose.get())):
            while not seen:
                await asyncio.sleep(0.01)
        waiting.cancel()

    asyncio.run(play())
    assert seen == ["mine"]


def test_who_is_cancelled_gives_its_place_up(make_api, one_thread):
    store = SqliteStore(":memory:")
    api = make_api(limits={}, store=store)

    async def play():
        await api.delete_group.arun(one_thread, NOBODYS_GROUP)
        cancelled = [asyncio.create_task(api.delete_group.arun(one_thread, NOBODYS_GROUP)) for _ in range(5)]
        await asyncio.sleep(0.2)
        for task in cancelled:
            task.cancel()
        await asyncio.gather(*cancelled, return_exceptions=True)
        started = time.monotonic()
        await api.delete_group.arun(one_thread, NOBODYS_GROUP)
        return time.monotonic() - started

    assert asyncio.run(play()) < 4, "five places in the queue are free again"


def test_who_is_cancelled_while_its_place_is_being_booked_gives_it_up_too(make_api):
    class SlowStore(SqliteStore):
        def reserve(self, *demands, **how):
            time.sleep(0.3)
            return super().reserve(*demands, **how)

    api = make_api(limits={}, store=SlowStore(":memory:"), auth="api_key_header")

    async def give_up(executor):
        try:
            async with asyncio.timeout(0.1):
                await api.delete_group.arun(executor, NOBODYS_GROUP)
        except TimeoutError as error:
            return error

    with ThreadPoolExecutor(2) as executor:
        error = asyncio.run(give_up(executor))
    assert isinstance(error, TimeoutError), "and the frames that it came through are still there"
    assert api.client.rate_limiter.reserve(API_V1.endpoints["deleteGroup"], 600).wait == 0


def test_a_failure_is_told_at_once(sandbox, api, sent, one_thread):
    sandbox.control.add_fault("getUser", kind="status", status=503)
    with pytest.raises(ServerError):
        asyncio.run(api.get_user.arun(one_thread, GRACE_MAIL))
    assert len(sent("getUser")) == 1


def test_a_429_is_told_at_once(sandbox, api, sent, one_thread):
    sandbox.control.add_fault("getUser", kind="rate_limited", retry_after=9)
    with pytest.raises(RateLimitedError) as caught:
        asyncio.run(api.get_user.arun(one_thread, GRACE_MAIL))
    assert caught.value.retry_after == 9
    assert len(sent("getUser")) == 1


def test_a_token_is_renewed_once(sandbox, api, sent, one_thread):
    asyncio.run(api.list_groups.arun(one_thread))
    sandbox.control.revoke_tokens()
    asyncio.run(api.list_groups.arun(one_thread))
    assert [entry["status"] for entry in sent("getGroups")] == [200, 401, 200]
    assert len(sent("generateToken")) == 2


def test_coroutines_that_share_a_client_fetch_one_token(api, sent):
    async def play(executor):
        await asyncio.gather(*(api.get_group.arun(executor, SALES_GROUP_ID) for _ in range(8)))

    with ThreadPoolExecutor(4) as executor:
        asyncio.run(play(executor))
    assert len(sent("generateToken")) == 1
