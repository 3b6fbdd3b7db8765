"""Places: one of a limited number, or a lock, held by one owner of any process until it is released or expires."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from airflow_provider_360learning.api.actions import holding
from airflow_provider_360learning.api.limiter.limiter import RateLimiter
from airflow_provider_360learning.api.limiter.remote import RemoteStore
from airflow_provider_360learning.api.limiter.share import Share
from airflow_provider_360learning.api.limiter.sqlite import SqliteStore
from airflow_provider_360learning.api.limiter.store import (
    MAX_PLACE_SECONDS,
    MAX_POLL_SECONDS,
    POLL_SECONDS,
    WAITER_LIFETIME,
    SharedLimit,
    StoreUnavailableError,
)
from airflow_provider_360learning.api.types import Acquire, Call, Hold, Release, Renew, Sleep
from airflow_provider_360learning.exceptions import NotFoundError, RateLimitedError
from tests.api.stores import open_store
from tests.api.support import FREE, FakeClock

ROOT = Path(__file__).parents[2]


def ask(store, owner, places=2, seconds=60.0, key="jobs"):
    """Return whether the owner holds a place now."""
    return store.acquire_place(key, places, owner, seconds) == 0


# One store


def test_grants_as_many_places_as_there_are(store):
    assert [ask(store, owner) for owner in "abc"] == [True, True, False]
    assert ask(store, "c", key="others")


def test_an_owner_holds_one_place(store):
    assert [ask(store, "a") for _ in range(3)] == [True] * 3
    assert [ask(store, "b"), ask(store, "c")] == [True, False]


def test_a_released_place_is_free(store):
    assert [ask(store, owner) for owner in "abc"] == [True, True, False]
    store.release_place("jobs", "a")
    store.release_place("jobs", "unknown")
    assert [ask(store, "c"), ask(store, "a")] == [True, False]


def test_a_place_that_is_not_renewed_is_free_again(store, pass_time):
    assert ask(store, "a", places=1, seconds=0.2)
    assert not ask(store, "b", places=1)
    pass_time(0.1)
    assert store.renew_place("jobs", 1, "a", 0.2)
    pass_time(0.15)
    assert not ask(store, "b", places=1)
    pass_time(0.1)
    assert ask(store, "b", places=1)


def test_renewing_takes_an_expired_place_again_unless_another_owner_has_it(store, pass_time):
    assert ask(store, "a", places=1, seconds=0.05)
    pass_time(0.1)
    assert store.renew_place("jobs", 1, "a", 0.05)
    pass_time(0.1)
    assert ask(store, "b", places=1)
    assert not store.renew_place("jobs", 1, "a", 60.0)
    store.release_place("jobs", "b")
    assert ask(store, "c", places=1), "an owner that renews in vain does not queue"


def test_renewing_does_not_overtake_owners_that_wait(store, pass_time):
    assert ask(store, "a", places=1, seconds=0.05)
    assert not ask(store, "b", places=1)
    pass_time(0.1)
    assert not store.renew_place("jobs", 1, "a", 60.0)
    assert ask(store, "b", places=1)


def test_places_are_granted_in_the_order_of_the_first_requests(store, pass_time):
    assert ask(store, "first", places=1)
    for owner in "cab":
        assert not ask(store, owner, places=1)
        pass_time(0.002)
    granted = []
    holder = "first"
    for _ in range(3):
        store.release_place("jobs", holder)
        (holder,) = [owner for owner in "abc" if owner not in granted and ask(store, owner, places=1)]
        granted.append(holder)
    assert granted == ["c", "a", "b"]


def test_asking_again_keeps_the_order(store, pass_time):
    assert ask(store, "holder", places=1)
    for owner in "ba":
        assert not ask(store, owner, places=1)
        pass_time(0.002)
    assert not ask(store, "b", places=1)
    store.release_place("jobs", "holder")
    assert [ask(store, "a", places=1), ask(store, "b", places=1)] == [False, True]


def test_an_owner_that_no_longer_asks_is_not_waited_for(store, pass_time):
    assert ask(store, "a", places=1)
    assert not ask(store, "killed", places=1)
    pass_time(0.001)
    assert not ask(store, "b", places=1)
    store.release_place("jobs", "a")
    if isinstance(store, RemoteStore):
        pytest.skip("its clock is real, and WAITER_LIFETIME is long")
    assert not ask(store, "b", places=1)
    pass_time(WAITER_LIFETIME / 2)
    assert not ask(store, "b", places=1)
    pass_time(WAITER_LIFETIME / 2)
    assert ask(store, "b", places=1)


def test_an_owner_that_leaves_the_queue_is_not_waited_for(store, pass_time):
    assert ask(store, "a", places=1)
    assert not ask(store, "impatient", places=1)
    pass_time(0.001)
    assert not ask(store, "b", places=1)
    store.release_place("jobs", "impatient")
    store.release_place("jobs", "a")
    assert ask(store, "b", places=1)


def test_owners_at_the_end_of_the_queue_ask_less_often(store, pass_time):
    assert ask(store, "holder", places=1)
    waits = []
    for number in range(20):
        waits.append(store.acquire_place("jobs", 1, f"{number:02}", 60.0))
        pass_time(0.001)
    assert waits[0] == POLL_SECONDS
    assert waits == sorted(waits)
    assert waits[-1] == MAX_POLL_SECONDS


def test_fewer_places_than_are_held_are_possible(store):
    """Connections of one company may have different ``limits``."""
    assert [ask(store, owner, places=3) for owner in "abc"] == [True] * 3
    assert not ask(store, "d", places=1)
    for owner in "ab":
        store.release_place("jobs", owner)
        assert not ask(store, "d", places=1)
    store.release_place("jobs", "c")
    assert ask(store, "d", places=1)


def test_a_place_is_held_for_the_maximum_at_most(store, clock):
    assert ask(store, "a", places=1, seconds=1e9)
    assert not ask(store, "b", places=1)
    if isinstance(store, RemoteStore):
        pytest.skip("its clock is real, and MAX_PLACE_SECONDS is long")
    clock.advance(MAX_PLACE_SECONDS - 1)
    assert not ask(store, "b", places=1)
    clock.advance(1)
    assert ask(store, "b", places=1)


def test_threads_never_hold_more_places_than_there_are(store):
    running, at_once, lock = set(), [], threading.Lock()

    def work(owner):
        while not ask(store, owner, places=3):
            time.sleep(0.001)
        with lock:
            running.add(owner)
            at_once.append(len(running))
        with lock:
            running.discard(owner)
        store.release_place("jobs", owner)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(work, [str(number) for number in range(40)]))
    assert len(at_once) == 40
    assert max(at_once) <= 3


# Several processes

WORKER = """
import os, sys, time
from tests.api.stores import open_store
store = open_store(*sys.argv[1:3])
if sys.argv[3] == "die":
    store.acquire_place("jobs", 1, "killed", 0.6)
    os.kill(os.getpid(), 9)
store.check()
input()
pid = os.fork()  # the store of the parent is used in both
for number in range(4):
    owner = f"{os.getpid()} {number}"
    while store.acquire_place("jobs", 3, owner, 60.0):
        time.sleep(0.005)
    os.write(1, b"+ %.6f\\n" % time.monotonic())  # in one piece
    time.sleep(0.02)
    os.write(1, b"- %.6f\\n" % time.monotonic())
    store.release_place("jobs", owner)
if pid:
    os.waitpid(pid, 0)
"""


def start_worker(backend, place, what):
    return subprocess.Popen(
        [sys.executable, "-c", WORKER, backend, str(place), what],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.fixture(params=["host", "redis", "postgres"])
def backend(request, tmp_path):
    """Return the name of a backend, where it is, and its store in this process."""
    is_host = request.param == "host"
    place = str(tmp_path) if is_host else request.getfixturevalue(f"{request.param}_server").url
    return request.param, place, open_store(request.param, place)


@pytest.mark.realtime
def test_processes_and_their_forks_share_places(backend):
    workers = [start_worker(*backend[:2], "work") for _ in range(2)]
    for worker in workers:
        worker.stdin.write("go\n")
        worker.stdin.flush()
    lines = [line.split() for worker in workers for line in worker.communicate(timeout=180)[0].splitlines()]
    steps = sorted((float(time_), 1 if sign == "+" else -1) for sign, time_ in lines)
    at_once = [sum(step for _, step in steps[:end]) for end in range(1, len(steps) + 1)]
    assert len(steps) == 2 * 2 * 2 * 4
    assert 2 <= max(at_once) <= 3


@pytest.mark.realtime
def test_the_place_of_a_killed_process_comes_back(backend):
    assert start_worker(*backend[:2], "die").wait(timeout=180) == -9
    store = backend[2]
    assert store.acquire_place("jobs", 1, "next", 60.0)
    time.sleep(0.65)
    assert not store.acquire_place("jobs", 1, "next", 60.0)


# Stored state


def test_a_file_of_the_earlier_format_is_converted_when_it_is_not_in_use(tmp_path):
    """The first format had no places."""
    clock = FakeClock()
    path = tmp_path / "rate-limits.sqlite3"
    SqliteStore(str(path), clock=clock).reserve([SharedLimit("all", 5, 1.0)], max_wait=1)
    with closing(sqlite3.connect(path)) as db:
        db.execute("DROP TABLE places")
        db.execute("PRAGMA user_version = 1")
        db.commit()
    with pytest.raises(StoreUnavailableError, match="format version 1"):
        SqliteStore(str(path), clock=clock).check()
    clock.advance(121)
    assert ask(SqliteStore(str(path), clock=clock), "a")


# Actions


@pytest.fixture
def sleeps():
    return []


@pytest.fixture
def client(make_api, sleeps):
    """Return a client that sleeps for a fraction of the time, and keeps how long it was to sleep."""

    def sleep(seconds):
        sleeps.append(seconds)
        time.sleep(seconds / 100)

    return make_api(client={"sleep": sleep}).client


LOCK = Acquire("lock 1", 1, "ours")


def is_free(client, acquire=LOCK):
    """Return whether another owner gets the place, and release it."""
    other = Hold(acquire.name, acquire.places, "other", 60.0)
    is_free = client.rate_limiter.renew(other)
    client.rate_limiter.withdraw(other)
    return is_free


def test_an_action_holds_a_place_until_it_releases_it(client):
    def steps():
        hold = yield LOCK
        held = is_free(client)
        yield Release(hold)
        return held, is_free(client)

    assert client.run(steps()) == (False, True)


@pytest.mark.parametrize("error", [NotFoundError("gone"), ValueError("bug"), KeyboardInterrupt()], ids=repr)
def test_an_action_that_fails_releases_its_places(client, error):
    def steps():
        yield LOCK
        assert not is_free(client)
        raise error

    with pytest.raises(type(error)):
        client.run(steps())
    assert is_free(client)


def test_a_place_can_be_kept_for_the_action_that_follows(client):
    def first():
        yield Acquire("jobs", 1, "job 1", keep=True)

    def second():
        hold = Hold("jobs", 1, "job 1", 60.0)
        renewed = yield Renew(hold)
        yield Release(hold)
        return renewed

    client.run(first())
    assert not is_free(client, Acquire("jobs", 1))
    assert client.run(second())
    assert is_free(client, Acquire("jobs", 1))


def test_holding_releases_the_place_when_the_steps_end_or_fail(client):
    def work(fail):
        yield Call("getGroups")
        assert not is_free(client)
        if fail:
            raise NotFoundError("gone")
        return "done"

    def steps(fail):
        try:
            return (yield from holding(LOCK, work(fail)))
        except NotFoundError:
            return is_free(client)
        finally:
            assert is_free(client)

    assert client.run(steps(fail=False)) == "done"
    assert client.run(steps(fail=True)) is True


def test_an_action_waits_for_its_place(client, sleeps):
    other = Acquire("lock 1", 1, "another task")
    assert client.rate_limiter.acquire(other) == 0

    def withdraw_once_waited_for():
        while not sleeps:
            time.sleep(0.001)
        client.rate_limiter.withdraw(other.hold)

    threading.Thread(target=withdraw_once_waited_for, daemon=True).start()

    def steps():
        return (yield LOCK)

    assert client.run(steps()) == LOCK.hold
    assert sleeps
    assert all(0.75 * POLL_SECONDS <= seconds <= 1.25 * POLL_SECONDS for seconds in sleeps)
    assert str(client.usage.waits).endswith("(lock)")


def test_the_wait_for_a_place_has_a_maximum(client, sleeps):
    assert client.rate_limiter.acquire(Acquire("lock 1", 1, "another task")) == 0

    def steps(**how):
        try:
            yield Acquire("lock 1", 1, **how)
        except RateLimitedError as error:
            client.rate_limiter.withdraw(Hold("lock 1", 1, "another task", 60.0))
            assert is_free(client), "an owner that has given up is not waited for"
            return str(error)

    assert "All 1 places of lock 1 were in use" in client.run(steps(max_wait=3.0))
    assert 2.5 < sum(sleeps) <= 3.0


@pytest.mark.slow
def test_places_are_renewed_before_each_call_of_a_long_action(client):
    def steps():
        yield Acquire("lock 1", 1, seconds=3.0)
        for _ in range(4):
            yield Sleep(100.0)  # 1 s
            yield Call("getGroups")
            assert not is_free(client)

    client.run(steps())


def test_an_action_on_an_event_loop_waits_without_a_thread(client):
    other = Acquire("lock 1", 1, "another task")
    assert client.rate_limiter.acquire(other) == 0

    def steps():
        hold = yield LOCK
        yield Sleep(0.01)
        yield Call("getGroups")
        yield Release(hold)
        return hold

    async def play(executor):
        waiting = asyncio.create_task(client.arun(steps(), executor))
        await asyncio.sleep(0.1)
        client.rate_limiter.withdraw(other.hold)
        return await waiting

    with ThreadPoolExecutor(1) as executor:
        assert asyncio.run(play(executor)) == LOCK.hold
    assert is_free(client)


@pytest.mark.parametrize("is_held", [True, False])
def test_a_canceled_action_on_an_event_loop_releases_its_place(client, is_held):
    other = Acquire("lock 1", 1, "another task")
    if not is_held:
        assert client.rate_limiter.acquire(other) == 0

    def steps():
        yield LOCK
        yield Sleep(60)

    async def play(executor):
        waiting = asyncio.create_task(client.arun(steps(), executor))
        await asyncio.sleep(0.1)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        client.rate_limiter.withdraw(other.hold)
        return is_free(client)

    with ThreadPoolExecutor(2) as executor:
        assert asyncio.run(play(executor))


# Without a shared store


def test_without_a_shared_store_the_places_in_use_are_counted(make_api, sandbox, sleeps):
    counts = iter([3, 3, 2])

    def count():
        yield Call("getGroups")
        return next(counts)

    def steps():
        return (yield Acquire("jobs", 3, count=count))

    rate_limiter = RateLimiter(
        None, base_url=sandbox.url, company_id="a", overrides=FREE, fallback=Share(1.0, started=0.0)
    )
    api = make_api(rate_limiter=rate_limiter, client={"sleep": sleeps.append})
    api.client.run(steps())
    assert len(sleeps) == 2
    assert all(10 <= seconds <= 20 for seconds in sleeps)


def test_with_a_shared_store_nothing_is_counted(client):
    def steps():
        return (yield Acquire("jobs", 3, "ours", count=lambda: pytest.fail("counted")))

    assert client.run(steps()).owner == "ours"


def test_places_of_other_versions_companies_and_hosts_are_others(tmp_path):
    store = SqliteStore(str(tmp_path / "rate-limits.sqlite3"))

    def acquire(**differs):
        facts = {"base_url": "https://a.test", "company_id": "acme", "api_version": "v2", **differs}
        limiter = RateLimiter(store, fallback=Share(1.0, started=0.0), **facts)
        return limiter.acquire(Acquire("lock 1", 1)) == 0

    assert acquire()
    assert acquire(base_url="https://b.test")
    assert acquire(company_id="globex")
    assert acquire(api_version="v1")
    assert not acquire()


def test_the_limits_of_a_connection_change_the_number_of_places():
    limiter = RateLimiter(
        SqliteStore(":memory:"),
        base_url="https://a.test",
        company_id="acme",
        overrides={"jobs": 1},
        fallback=Share(1.0, started=0.0),
    )
    assert [limiter.acquire(Acquire("jobs", 3)) == 0 for _ in range(2)] == [True, False]


def test_credentials_that_were_never_accepted_take_no_place_from_others():
    store = SqliteStore(":memory:")

    def limiter(**how):
        return RateLimiter(store, base_url="https://a.test", company_id="acme", fallback=Share(1.0, started=0.0), **how)

    forged = limiter(api_key="invented", overrides={"jobs": 100})
    assert [forged.acquire(Acquire("jobs", 3)) == 0 for _ in range(4)] == [True] * 3 + [False]
    assert limiter().acquire(Acquire("jobs", 3)) == 0
