"""Actions on an event loop: waits are awaited, only sending takes a thread, and nothing is sent again."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from airflow_provider_360learning.api.errors import AlreadyExistsError, RateLimitedError, ServerError
from airflow_provider_360learning.api.stores import SqliteStore
from airflow_provider_360learning.sandbox.demo_company import GRACE_ID, GRACE_MAIL, SALES_GROUP_ID

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


def test_who_waits_for_its_turn_holds_up_neither_the_loop_nor_the_threads(make_api, one_thread):
    api = make_api(limits={})

    async def play():
        await api.delete_group.arun(one_thread, NOBODYS_GROUP)
        started = time.monotonic()
        waiting = asyncio.create_task(api.delete_group.arun(one_thread, NOBODYS_GROUP))
        await asyncio.sleep(0.1)
        await api.list_groups.arun(one_thread)
        passed = time.monotonic() - started
        await waiting
        return passed, time.monotonic() - started

    passed, waited = asyncio.run(play())
    assert passed < 0.6
    assert waited >= 0.9


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

    assert asyncio.run(play()) < 1.5, "five places in the queue are free again"


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
