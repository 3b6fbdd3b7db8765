"""Reservations: the earliest time that all limits allow, shared with other threads and processes."""

from __future__ import annotations

import itertools
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import redis

from airflow_provider_360learning.api.limiter.redis import FORMAT_KEY, RedisStore
from airflow_provider_360learning.api.limiter.remote import RemoteStore
from airflow_provider_360learning.api.limiter.sqlite import SqliteStore, default_rate_limiter_dir, host_store
from airflow_provider_360learning.api.limiter.store import (
    CONSECUTIVE_429_WINDOW,
    FORMAT_VERSION,
    NoCapacityError,
    SharedLimit,
    StoreUnavailableError,
    earliest_time,
)

ROOT = Path(__file__).parents[2]
ALL = SharedLimit("all", 5, 1.0)
CREATIONS = SharedLimit("creations", 2, 1.0)


def reserve(store, *limits, max_wait=600.0, **how):
    return store.reserve(limits, max_wait=max_wait, **how)


def back_off(store, *levels, retry_after=None, delay_for=float, sent=None):
    """Back off, by default after a request that was sent just now."""
    return store.back_off(sent or reserve(store, SharedLimit("any", 1000, 1.0)), levels, retry_after, delay_for)


def max_in_a_window(times, window):
    """Return the maximum number of times in any window, by comparing all of them."""
    return max(sum(first <= other < first + window for other in times) for first in times)


def run_python(code, *arguments):
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )


# The earliest time


def is_free(times, requests, window, time):
    """Return whether a request at a time leaves every window with ``requests`` requests or fewer."""
    return not any(max(*group, time) - min(*group, time) < window for group in itertools.combinations(times, requests))


@pytest.mark.parametrize("seed", range(6))
def test_returns_the_same_time_as_trying_all_of_them(seed):
    chance = random.Random(seed)
    for _ in range(300):
        requests, window = chance.randint(1, 4), chance.randint(1, 8)
        times = sorted(chance.randint(0, 30) for _ in range(chance.randint(0, 9)))
        start = chance.randint(0, 32)
        by_trial = next(time for time in itertools.count(start) if is_free(times, requests, window, time))
        assert earliest_time(times, requests, window, start) == by_trial, (times, requests, window, start)


def test_uses_the_full_limit_and_never_exceeds_it():
    chance, times = random.Random(1), []
    for _ in range(200):
        times = sorted([*times, earliest_time(times, 3, 1.0, chance.choice([0.0, 5.0, 20.0]))])
    assert max_in_a_window(times, 1.0) == 3
    assert sum(time < 60 for time in times) >= 175


# One store


def test_grants_the_first_requests_of_a_window_at_once(store):
    waits = [reserve(store, CREATIONS).wait for _ in range(4)]
    assert waits[:2] == [0, 0]
    assert waits[2:] == pytest.approx([1, 1], abs=0.1)


def test_grants_requests_with_the_same_limits_in_order(store):
    times = [reserve(store, CREATIONS, ALL).time for _ in range(20)]
    assert times == sorted(times)


def test_respects_all_limits_of_a_request(store):
    creations = [reserve(store, CREATIONS, ALL).time for _ in range(10)]
    updates = [reserve(store, ALL).time for _ in range(20)]
    assert max_in_a_window(creations, 0.999) == 2
    assert max_in_a_window(creations + updates, 0.999) == 5


def test_uses_gaps_between_earlier_reservations(store):
    """Queued creations leave three of five requests per second for updates."""
    for _ in range(20):
        reserve(store, CREATIONS, ALL)
    waits = [reserve(store, ALL).wait for _ in range(7)]
    assert waits[:3] == [0, 0, 0]
    assert waits[3:6] == pytest.approx([1, 1, 1], abs=0.1)
    assert waits[6] == pytest.approx(2, abs=0.1)


def test_using_gaps_does_not_postpone_the_queue(store):
    queued = [reserve(store, CREATIONS, ALL) for _ in range(6)]
    for _ in range(9):
        reserve(store, ALL)
    assert reserve(store, CREATIONS, ALL).time - queued[-1].time == pytest.approx(1, abs=0.05)


def test_returns_the_limit_that_postponed_a_request(store):
    keys = [reserve(store, CREATIONS, ALL).limiting_key for _ in range(3)]
    assert keys == [None, None, "creations"]


def test_a_released_time_is_free_again(store):
    first, _ = reserve(store, CREATIONS), reserve(store, CREATIONS)
    store.release(first)
    assert reserve(store, CREATIONS).wait == 0
    assert reserve(store, CREATIONS).wait == pytest.approx(1, abs=0.1)


def test_distinguishes_two_reservations_of_the_same_time(store, pass_time):
    """Two gates that open at the same time let two requests through then."""
    gates, both = (SharedLimit("gate 1", 1, 1.0), SharedLimit("gate 2", 1, 1.0)), SharedLimit("both", 2, 1.0)
    reserve(store, *gates)
    pass_time(0.01)
    first, second = (reserve(store, gate, both) for gate in gates)
    assert first.time == second.time
    store.release(first)
    store.release(first)
    assert reserve(store, gates[0], both).time == second.time
    assert reserve(store, both).time == pytest.approx(second.time + 1, abs=0.001)


def test_a_replaced_reservation_keeps_its_place(store):
    first, _ = reserve(store, CREATIONS), reserve(store, CREATIONS)
    assert reserve(store, CREATIONS, replacing=first).wait == 0
    assert reserve(store, CREATIONS).wait == pytest.approx(1, abs=0.1)


def test_does_not_reserve_a_time_after_the_maximum_wait(store):
    for _ in range(4):
        reserve(store, CREATIONS, ALL)
    with pytest.raises(NoCapacityError) as caught:
        reserve(store, CREATIONS, ALL, max_wait=1.5)
    assert caught.value.wait == pytest.approx(2, abs=0.1)
    assert reserve(store, CREATIONS, ALL).wait == pytest.approx(2, abs=0.1)
    assert [reserve(store, ALL).wait for _ in range(3)] == [0, 0, 0]


def test_grants_a_request_without_wait_if_there_is_capacity(store):
    per_minute = SharedLimit("minute", 2, 60.0)
    reserve(store, per_minute)
    assert reserve(store, per_minute, max_wait=0.0).wait == 0
    with pytest.raises(NoCapacityError):
        reserve(store, per_minute, max_wait=0.0)


def test_respects_the_minimum_wait(store):
    assert reserve(store, ALL, min_wait=3.0).wait == pytest.approx(3, abs=0.1)


def test_does_not_count_requests_before_the_window(store, pass_time):
    short = SharedLimit("short", 1, 0.1)
    for _ in range(3):
        reservation = reserve(store, short)
        pass_time(reservation.wait)
        assert reservation.wait < 0.15


def test_returns_the_lateness_unless_a_back_off_closed_the_time(store, pass_time):
    reservation = reserve(store, CREATIONS)
    pass_time(0.05)
    assert 0.049 <= store.lateness(reservation) < 5
    back_off(store, [CREATIONS], retry_after=5)
    assert store.lateness(reservation) is None


# After a 429


def test_a_back_off_closes_the_first_level_only(store):
    assert back_off(store, [CREATIONS], [ALL], retry_after=3.0) == 3.0
    assert reserve(store, CREATIONS, ALL).wait == pytest.approx(3, abs=0.1)
    assert reserve(store, ALL).wait == 0


def test_consecutive_429s_close_all_levels(store, pass_time):
    back_off(store, [CREATIONS], [ALL], retry_after=0.1)
    pass_time(0.12)
    back_off(store, [CREATIONS], [ALL], retry_after=3.0)
    assert reserve(store, ALL).wait == pytest.approx(3, abs=0.1)


def test_requests_sent_before_the_back_off_do_not_add_up(store):
    """They close neither more limits, nor for longer."""
    already_sent = [reserve(store, CREATIONS, ALL) for _ in range(5)]
    closed_for = [
        back_off(store, [CREATIONS], [ALL], delay_for=lambda count: 3.0 * count, sent=sent) for sent in already_sent
    ]
    assert closed_for == pytest.approx([3] * 5, abs=0.1)
    assert reserve(store, ALL).wait < 1.1


def test_a_late_response_to_an_earlier_request_closes_nothing(store, pass_time):
    already_sent = reserve(store, ALL)
    back_off(store, [ALL], retry_after=0.1)
    pass_time(0.15)
    assert back_off(store, [ALL], sent=already_sent) == 0
    assert reserve(store, ALL).wait < 0.5


def test_a_shorter_back_off_reopens_nothing(store):
    back_off(store, [ALL], retry_after=5.0)
    back_off(store, [ALL], retry_after=1.0)
    assert reserve(store, ALL).wait == pytest.approx(5, abs=0.1)


def test_a_shorter_back_off_of_another_operation_reopens_nothing(store, pass_time):
    back_off(store, [ALL], retry_after=5.0)
    back_off(store, [CREATIONS], [ALL], retry_after=0.1)
    pass_time(0.12)
    back_off(store, [CREATIONS], [ALL], retry_after=0.5)
    assert reserve(store, ALL).wait == pytest.approx(5, abs=0.3)


def test_consecutive_back_offs_grow_and_are_forgotten(store, pass_time):
    def next_delay():
        seconds = back_off(store, [ALL], delay_for=lambda count: 0.1 * count)
        pass_time(seconds + 0.05)
        return seconds

    assert [next_delay() for _ in range(3)] == pytest.approx([0.1, 0.2, 0.3])
    pass_time(CONSECUTIVE_429_WINDOW)
    assert next_delay() == pytest.approx(0.1)


def test_a_limit_reopens_slower_and_evenly_spaced(store):
    """Two per second, less 15 %: one per 0.588 s. A burst would meet those of another client."""
    back_off(store, [CREATIONS], retry_after=2.0)
    waits = [reserve(store, CREATIONS).wait for _ in range(4)]
    assert waits == pytest.approx([2, 2.588, 3.176, 3.765], abs=0.1)


def test_earlier_requests_slow_a_limit_down_once(store):
    already_sent = [reserve(store, CREATIONS) for _ in range(3)]
    for sent in already_sent:
        back_off(store, [CREATIONS], retry_after=2.0, sent=sent)
    waits = [reserve(store, CREATIONS).wait for _ in range(2)]
    assert waits[1] - waits[0] == pytest.approx(0.588, abs=0.01)


def test_consecutive_back_offs_slow_a_limit_down_further(store, pass_time):
    fast = SharedLimit("fast", 100, 1.0)

    def spacing():
        back_off(store, [fast], retry_after=0.02)
        pass_time(0.03)
        first, second = (reserve(store, fast, min_wait=0.5) for _ in range(2))
        store.release(first)
        store.release(second)
        return second.time - first.time

    spacings = [spacing() for _ in range(3)]
    assert spacings == sorted(spacings)
    assert spacings[2] > 1.2 * spacings[0]


def test_the_pace_recovers(store, pass_time):
    """It is complete again after as many requests as the limit allows in a second or two."""
    quick = SharedLimit("quick", 250, 1.0)
    back_off(store, [quick], retry_after=0.01)
    slow = [reserve(store, quick, min_wait=0.02) for _ in range(2)]
    assert slow[1].time > slow[0].time + 0.003
    pass_time(1.3)
    assert [reserve(store, quick).wait for _ in range(10)] == [0] * 10


def test_a_slow_limit_does_not_postpone_others(store):
    back_off(store, [CREATIONS], [ALL], retry_after=0.0)
    for _ in range(5):
        reserve(store, CREATIONS, ALL)
    assert reserve(store, ALL).wait == 0


# Several threads, several processes


def test_threads_share_a_store(store):
    limit = SharedLimit("all", 10, 1.0)
    with ThreadPoolExecutor(8) as threads:
        times = list(threads.map(lambda number: reserve(store, limit).time, range(100)))
    assert max_in_a_window(times, 0.999) == 10
    assert max(times) - min(times) == pytest.approx(9, abs=0.5)


# A long queue


class Model:
    """All reservations of a test, and the time of the next one, computed from all of them."""

    def __init__(self):
        self.reservations = []

    def place(self, limits, start):
        found = None
        while found != start:
            found = start
            for limit in limits:
                taken = sorted(each.time for each in self.reservations if limit.key in each.keys)
                start = earliest_time(taken, limit.requests, limit.window, start)
        return found


@pytest.mark.parametrize("seed", range(3))
def test_reserves_the_same_times_as_a_model(store, clock, seed):
    """For any order of reserving, releasing and replacing, with different limits and margins."""
    slow, fast = SharedLimit("slow", 2, 1.0), SharedLimit("all", 5, 1.0)
    kinds = [
        (slow, fast),
        (SharedLimit("slow", 2, 1.02),),
        (fast,),
        (SharedLimit("all", 5, 1.05),),
        (SharedLimit("all", 3, 1.0),),
    ]
    chance, model = random.Random(seed), Model()
    read_clock = time.time if isinstance(store, RemoteStore) else clock
    for _ in range(250):
        limits, ahead, replaced = chance.choice(kinds), chance.choice([0.5, 0.5, 0.5, 15.0, 40.0]), None
        if model.reservations and chance.random() < 0.3:
            released = model.reservations.pop(chance.randrange(len(model.reservations)))
            if released.keys == tuple(limit.key for limit in limits):
                replaced = released
            else:
                store.release(released)
        earliest = read_clock()
        reservation = reserve(store, *limits, min_wait=ahead, replacing=replaced)
        soonest, latest = model.place(limits, earliest + ahead), model.place(limits, read_clock() + ahead)
        assert soonest - 0.001 <= reservation.time <= latest + 0.001
        model.reservations.append(reservation)


WORKER = """
import sys, time
from airflow_provider_360learning.api.limiter.store import SharedLimit
from tests.api.stores import open_store
store = open_store(*sys.argv[1:])
input()
for number in range(15):
    reservation = store.reserve([SharedLimit("all", 10, 0.5)], max_wait=60)
    time.sleep(reservation.wait)
    print(reservation.time)
"""


@pytest.mark.realtime
@pytest.mark.parametrize("backend", ["host", "redis", "postgres"])
def test_processes_share_a_limit(backend, tmp_path, request):
    """Each process waits for its times, so that old reservations are deleted meanwhile."""
    place = tmp_path if backend == "host" else request.getfixturevalue(f"{backend}_server").url
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, backend, str(place)],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for worker in workers:
        worker.stdin.write("go\n")
        worker.stdin.flush()
    each = [[float(line) for line in worker.communicate(timeout=180)[0].split()] for worker in workers]
    assert [len(times) for times in each] == [15] * 4
    together = sorted(itertools.chain.from_iterable(each))
    assert max_in_a_window(together, 0.4999) == 10
    assert together[-1] - together[0] < 10, "60 requests at 10 per half second; a busy machine is late for some"


@pytest.mark.realtime
def test_reservations_of_a_killed_process_block_one_window(tmp_path):
    reserve_and_die = """
import os, sys
from airflow_provider_360learning.api.limiter.sqlite import host_store
from airflow_provider_360learning.api.limiter.store import SharedLimit
store = host_store(sys.argv[1])
for number in range(3):
    store.reserve([SharedLimit("all", 3, 0.5)], max_wait=60)
os.kill(os.getpid(), 9)
"""
    assert run_python(reserve_and_die, tmp_path).wait(timeout=180) == -9
    store = host_store(str(tmp_path))
    reservation = reserve(store, SharedLimit("all", 3, 0.5))
    assert reservation.wait <= 0.5
    time.sleep(reservation.wait)
    assert reserve(store, SharedLimit("all", 3, 0.5)).wait < 0.05


# Unavailable stores


@contextmanager
def locked(folder, seconds):
    """Lock the file of a host store, as a process does that gets no CPU."""
    (file,) = folder.glob("rate-limits-*.sqlite3")
    is_locked = threading.Event()

    def hold():
        with closing(sqlite3.connect(file, isolation_level=None)) as db:
            db.execute("BEGIN EXCLUSIVE")
            is_locked.set()
            time.sleep(seconds)
            db.execute("ROLLBACK")

    thread = threading.Thread(target=hold)
    thread.start()
    is_locked.wait()
    yield
    thread.join()


def test_lateness_includes_the_wait_for_the_file(tmp_path):
    store = host_store(str(tmp_path))
    reservation = reserve(store, ALL)
    with locked(tmp_path, 0.3):
        assert store.lateness(reservation) >= 0.29


def test_a_signal_during_a_transaction_releases_the_file(tmp_path):
    """A task timeout arrives as a signal."""
    store = host_store(str(tmp_path))

    def interrupt(number, frame):
        raise InterruptedError

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        with locked(tmp_path, 0.3):
            signal.setitimer(signal.ITIMER_REAL, 0.1)
            with pytest.raises(InterruptedError):
                reserve(store, ALL)
    finally:
        signal.signal(signal.SIGALRM, before)
    reserve(store, ALL)
    reserve(host_store(str(tmp_path)), ALL)


def test_a_reservation_in_a_redis_that_lost_its_data_is_lost(redis_server):
    """The server may grant its time to another request."""
    client = redis.Redis(redis_server.host, redis_server.port)
    store = RedisStore(client, "redis")
    reservation = reserve(store, ALL)
    client.flushall()
    assert store.lateness(reservation) is None
    assert store.lateness(reserve(store, ALL)) is not None


def test_a_redis_that_accepts_no_writes_is_unavailable(redis_server):
    client = redis.Redis(redis_server.host, redis_server.port)
    store = RedisStore(client, "the server")
    store.check()
    client.config_set("maxmemory", 1)
    with pytest.raises(StoreUnavailableError, match=r"the server: .*maxmemory"):
        store.check()


def test_does_not_wait_for_a_redis_whose_clock_was_set_back(redis_server):
    """To a client, its reserved time is then in the future."""
    store = RedisStore(redis.Redis(redis_server.host, redis_server.port), "redis")
    ahead = reserve(store, ALL, min_wait=30.0)
    assert store.lateness(ahead) is None


# The file of a host store


def test_reports_a_file_in_the_place_of_the_folder(tmp_path):
    (tmp_path / "taken").write_text("")
    for folder in (tmp_path / "taken", tmp_path / "taken" / "below"):
        with pytest.raises(StoreUnavailableError, match="taken"):
            host_store(str(folder))


def test_reports_a_damaged_file(tmp_path):
    host_store(str(tmp_path))
    (file,) = tmp_path.glob("rate-limits-*.sqlite3")
    file.write_bytes(b"not a database, but as long as one" * 100)
    with pytest.raises(StoreUnavailableError, match=r"rate-limits-.*not a database"):
        host_store(str(tmp_path))


def test_refuses_a_file_of_another_format_version(tmp_path):
    host_store(str(tmp_path))
    (file,) = tmp_path.glob("rate-limits-*.sqlite3")
    with closing(sqlite3.connect(file)) as db:
        db.execute("PRAGMA user_version = 3")
    problem = rf"{file.name}: has format version 3, .* uses format version 2\. .*delete the file"
    with pytest.raises(StoreUnavailableError, match=problem):
        host_store(str(tmp_path))


def test_refuses_a_file_with_other_columns(tmp_path):
    """A further column once raised ``TypeError`` at the first request."""
    host_store(str(tmp_path))
    (file,) = tmp_path.glob("rate-limits-*.sqlite3")
    with closing(sqlite3.connect(file)) as db:
        db.execute("ALTER TABLE limits ADD COLUMN lowest INTEGER")
    with pytest.raises(StoreUnavailableError, match=r"has other tables, .*delete the file"):
        host_store(str(tmp_path))


def test_uses_a_file_again_after_it_was_deleted_because_of_its_format(tmp_path):
    store = SqliteStore(str(tmp_path / "limits.sqlite3"))
    with closing(sqlite3.connect(tmp_path / "limits.sqlite3")) as db:
        db.execute("CREATE TABLE reserved (key TEXT)")
    with pytest.raises(StoreUnavailableError, match="format version 0"):
        store.check()
    (tmp_path / "limits.sqlite3").unlink()
    reserve(store, ALL)


def test_refuses_a_redis_that_another_format_version_uses(redis_server):
    client = redis.Redis(redis_server.host, redis_server.port)
    reserve(RedisStore(client, "redis"), ALL)
    assert client.get(FORMAT_KEY) == str(FORMAT_VERSION).encode()
    assert 0 < client.ttl(FORMAT_KEY) <= 120, "another version may start two minutes after the last use"
    client.set(FORMAT_KEY, "1")
    with pytest.raises(StoreUnavailableError, match=r"redis: .*\(format version 1, here 2\)\. Run one version"):
        RedisStore(client, "redis").check()


@pytest.fixture
def temporary_directory(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_creates_a_private_default_folder(temporary_directory):
    host_store()
    folder = default_rate_limiter_dir()
    assert folder.parent == temporary_directory
    assert str(os.getuid()) in folder.name
    assert folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("problem", ["open to others", "a link elsewhere"])
def test_rejects_a_default_folder_that_another_user_could_have_created(temporary_directory, problem):
    if problem == "open to others":
        default_rate_limiter_dir().mkdir()
        default_rate_limiter_dir().chmod(0o777)
    else:
        (temporary_directory / "theirs").mkdir(mode=0o700)
        default_rate_limiter_dir().symlink_to(temporary_directory / "theirs")
    with pytest.raises(StoreUnavailableError, match="private"):
        host_store()


def test_accepts_a_configured_folder_that_is_shared(tmp_path):
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared").chmod(0o770)
    reserve(host_store(str(tmp_path / "shared")), ALL)
