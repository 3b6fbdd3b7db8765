"""Reservations: at the earliest moment that fits all limits, together with other threads and processes."""

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
from airflow_provider_360learning.api.limiter.sqlite import SqliteStore, default_state_dir, host_store
from airflow_provider_360learning.api.limiter.store import (
    CONSECUTIVE_429_WINDOW,
    NoCapacityError,
    SharedLimit,
    StoreUnavailableError,
    earliest_time,
)

ROOT = Path(__file__).parents[2]
ALL = SharedLimit("all", 5, 1.0)
CREATIONS = SharedLimit("creations", 2, 1.0)


@pytest.fixture(params=["memory", "host", "redis"])
def make_store(request, tmp_path):
    """Make stores that share their reservations."""
    if request.param == "memory":
        store = SqliteStore(":memory:")
        return lambda: store
    if request.param == "host":
        return lambda: host_store(str(tmp_path))
    server = request.getfixturevalue("redis_server")
    return lambda: RedisStore(redis.Redis(server.host, server.port), "redis")


@pytest.fixture
def store(make_store):
    return make_store()


def book(store, *limits, max_wait=600.0, **how):
    return store.reserve(limits, max_wait=max_wait, **how)


def back_off(store, *levels, retry_after=None, delay_for=float, sent=None):
    """Push back, by default after a request that was sent just now."""
    return store.back_off(sent or book(store, SharedLimit("any", 1000, 1.0)), levels, retry_after, delay_for)


def most_in_a_window(moments, window):
    """Count the most moments in any window, by nothing but comparing them."""
    moments = sorted(moments)
    return max(sum(first <= other < first + window for other in moments) for first in moments)


def run_python(code, *arguments):
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )


# StoragePath the earliest moment is


def is_free(moments, calls, window, moment):
    """Tell whether a request at a moment leaves every window with ``calls`` requests or fewer."""
    return not any(
        max(*group, moment) - min(*group, moment) < window for group in itertools.combinations(moments, calls)
    )


@pytest.mark.parametrize("seed", range(6))
def test_the_earliest_moment_is_that_of_a_model_that_tries_them_all(seed):
    chance = random.Random(seed)
    for _ in range(300):
        calls, window = chance.randint(1, 4), chance.randint(1, 8)
        moments = sorted(chance.randint(0, 30) for _ in range(chance.randint(0, 9)))
        start = chance.randint(0, 32)
        by_trial = next(moment for moment in itertools.count(start) if is_free(moments, calls, window, moment))
        assert earliest_time(moments, calls, window, start) == by_trial, (moments, calls, window, start)


def test_a_row_of_earliest_moments_keeps_to_the_limit_and_wastes_nothing():
    chance, moments = random.Random(1), []
    for _ in range(200):
        moment = earliest_time(moments, 3, 1.0, chance.choice([0.0, 5.0, 20.0]))
        moments = sorted([*moments, moment])
    assert most_in_a_window(moments, 1.0) == 3
    assert sum(0 <= moment < 60 for moment in moments) >= 175


# One store


def test_the_first_calls_of_a_window_go_at_once(store):
    waits = [book(store, CREATIONS).wait for _ in range(4)]
    assert waits[:2] == [0, 0]
    assert waits[2:] == pytest.approx([1, 1], abs=0.1)


def test_calls_with_the_same_limits_go_in_turn(store):
    moments = [book(store, CREATIONS, ALL).time for _ in range(20)]
    assert moments == sorted(moments)


def test_every_limit_is_kept_at_once(store):
    creations = [book(store, CREATIONS, ALL).time for _ in range(10)]
    updates = [book(store, ALL).time for _ in range(20)]
    assert most_in_a_window(creations, 0.999) == 2
    assert most_in_a_window(creations + updates, 0.999) == 5


def test_queued_creations_do_not_hold_up_updates(store):
    """Gaps before later reservations are used: three of five are left in each second."""
    for _ in range(20):
        book(store, CREATIONS, ALL)
    waits = [book(store, ALL).wait for _ in range(7)]
    assert waits[:3] == [0, 0, 0]
    assert waits[3:6] == pytest.approx([1, 1, 1], abs=0.1)
    assert waits[6] == pytest.approx(2, abs=0.1)


def test_who_takes_the_gaps_does_not_push_the_queue_back(store):
    queued = [book(store, CREATIONS, ALL) for _ in range(6)]
    for _ in range(9):
        book(store, ALL)
    assert book(store, CREATIONS, ALL).time - queued[-1].time == pytest.approx(1, abs=0.05)


def test_it_is_told_which_limit_held(store):
    held = [book(store, CREATIONS, ALL).limiting_key for _ in range(3)]
    assert held == [None, None, "creations"]


def test_what_is_released_is_free_again(store):
    first, _ = book(store, CREATIONS), book(store, CREATIONS)
    store.release(first)
    assert book(store, CREATIONS).wait == 0
    assert book(store, CREATIONS).wait == pytest.approx(1, abs=0.1)


def test_two_reservations_of_one_moment_are_told_apart(store):
    """Two gates that open at the same moment let two begin at the very same one."""
    gates, both = (SharedLimit("gate 1", 1, 1.0), SharedLimit("gate 2", 1, 1.0)), SharedLimit("both", 2, 1.0)
    book(store, *gates)
    first, second = (book(store, gate, both) for gate in gates)
    assert first.time == second.time
    store.release(first)
    store.release(first)
    assert book(store, gates[0], both).time == second.time
    assert book(store, both).time == pytest.approx(second.time + 1, abs=0.001)


def test_a_reservation_can_be_replaced_without_losing_its_place(store):
    first, _ = book(store, CREATIONS), book(store, CREATIONS)
    assert book(store, CREATIONS, replacing=first).wait == 0
    assert book(store, CREATIONS).wait == pytest.approx(1, abs=0.1)


def test_what_would_wait_too_long_is_not_booked(store):
    for _ in range(4):
        book(store, CREATIONS, ALL)
    with pytest.raises(NoCapacityError) as caught:
        book(store, CREATIONS, ALL, max_wait=1.5)
    assert caught.value.wait == pytest.approx(2, abs=0.1)
    assert book(store, CREATIONS, ALL).wait == pytest.approx(2, abs=0.1)
    assert [book(store, ALL).wait for _ in range(3)] == [0, 0, 0]


def test_what_has_room_needs_no_time_to_wait(store):
    a_minute = SharedLimit("minute", 2, 60.0)
    book(store, a_minute)
    assert book(store, a_minute, max_wait=0.0).wait == 0
    with pytest.raises(NoCapacityError):
        book(store, a_minute, max_wait=0.0)


def test_some_seconds_can_be_let_pass_first(store):
    assert book(store, ALL, min_wait=3.0).wait == pytest.approx(3, abs=0.1)


def test_what_is_over_counts_no_more(store):
    short = SharedLimit("short", 1, 0.1)
    for _ in range(3):
        reservation = book(store, short)
        time.sleep(reservation.wait)
        assert reservation.wait < 0.15


def test_lateness_is_told_and_a_closed_moment_is_none(store):
    reservation = book(store, CREATIONS)
    time.sleep(0.05)
    assert 0.05 <= store.lateness(reservation) < 5
    back_off(store, [CREATIONS], retry_after=5)
    assert store.lateness(reservation) is None


# After a 429


def test_a_push_back_closes_the_first_level_only(store):
    assert back_off(store, [CREATIONS], [ALL], retry_after=3.0) == 3.0
    assert book(store, CREATIONS, ALL).wait == pytest.approx(3, abs=0.1)
    assert book(store, ALL).wait == 0


def test_a_second_one_in_short_order_closes_all_levels(store):
    back_off(store, [CREATIONS], [ALL], retry_after=0.1)
    time.sleep(0.12)
    back_off(store, [CREATIONS], [ALL], retry_after=3.0)
    assert book(store, ALL).wait == pytest.approx(3, abs=0.1)


def test_answers_to_requests_that_were_under_way_do_not_add_up(store):
    """They were sent before anybody knew: neither do they close more limits, nor for longer."""
    under_way = [book(store, CREATIONS, ALL) for _ in range(5)]
    closed_for = [
        back_off(store, [CREATIONS], [ALL], delay_for=lambda times: 2.0 * times, sent=sent) for sent in under_way
    ]
    assert closed_for == pytest.approx([2] * 5, abs=0.1)
    assert book(store, ALL).wait < 1.1


def test_a_late_answer_to_what_was_under_way_closes_nothing(store):
    under_way = book(store, ALL)
    back_off(store, [ALL], retry_after=0.1)
    time.sleep(0.15)
    assert back_off(store, [ALL], sent=under_way) == 0
    assert book(store, ALL).wait < 0.5


def test_a_shorter_push_back_reopens_nothing(store):
    back_off(store, [ALL], retry_after=5.0)
    back_off(store, [ALL], retry_after=1.0)
    assert book(store, ALL).wait == pytest.approx(5, abs=0.1)


def test_nor_does_the_push_back_of_another_route(store):
    back_off(store, [ALL], retry_after=5.0)
    back_off(store, [CREATIONS], [ALL], retry_after=0.1)
    time.sleep(0.12)
    back_off(store, [CREATIONS], [ALL], retry_after=0.5)
    assert book(store, ALL).wait == pytest.approx(5, abs=0.3)


def test_push_backs_in_a_row_grow_and_are_forgotten(store):
    def next_one():
        seconds = back_off(store, [ALL], delay_for=lambda times: 0.1 * times)
        time.sleep(seconds + 0.05)
        return seconds

    assert [next_one() for _ in range(3)] == pytest.approx([0.1, 0.2, 0.3])
    time.sleep(CONSECUTIVE_429_WINDOW)
    assert next_one() == pytest.approx(0.1)


def test_a_limit_comes_back_slower_and_evenly(store):
    """Two a second, less 15 %: one in 0.588 s. A burst would meet those of whoever else uses the limit."""
    back_off(store, [CREATIONS], retry_after=2.0)
    waits = [book(store, CREATIONS).wait for _ in range(4)]
    assert waits == pytest.approx([2, 2.588, 3.176, 3.765], abs=0.1)


def test_it_is_slowed_down_once_for_what_was_under_way(store):
    under_way = [book(store, CREATIONS) for _ in range(3)]
    for sent in under_way:
        back_off(store, [CREATIONS], retry_after=2.0, sent=sent)
    waits = [book(store, CREATIONS).wait for _ in range(2)]
    assert waits[1] - waits[0] == pytest.approx(0.588, abs=0.01)


def test_push_backs_in_a_row_slow_it_down_further_but_never_stop_it(store):
    fast = SharedLimit("fast", 100, 1.0)

    def spacing():
        back_off(store, [fast], retry_after=0.02)
        time.sleep(0.03)
        first, second = (book(store, fast, min_wait=0.5) for _ in range(2))
        store.release(first)
        store.release(second)
        return second.time - first.time

    spacings = [spacing() for _ in range(3)]
    assert spacings == sorted(spacings)
    assert spacings[2] > 1.2 * spacings[0]


def test_the_pace_comes_back(store):
    """After as many requests as the limit allows in a second or two, it is whole again."""
    quick = SharedLimit("quick", 250, 1.0)
    back_off(store, [quick], retry_after=0.01)
    slow = [book(store, quick, min_wait=0.02) for _ in range(2)]
    assert slow[1].time > slow[0].time + 0.003
    time.sleep(1.3)
    assert [book(store, quick).wait for _ in range(10)] == [0] * 10


def test_a_slow_limit_does_not_hold_up_others(store):
    back_off(store, [CREATIONS], [ALL], retry_after=0.0)
    for _ in range(5):
        book(store, CREATIONS, ALL)
    assert book(store, ALL).wait == 0


# Several threads, several processes


def test_threads_share_a_store(store):
    limit = SharedLimit("all", 10, 1.0)
    with ThreadPoolExecutor(8) as threads:
        moments = list(threads.map(lambda number: book(store, limit).time, range(100)))
    assert most_in_a_window(moments, 0.999) == 10
    assert max(moments) - min(moments) == pytest.approx(9, abs=0.5)


# A long queue


class Model:
    """All reservations of a test, and where the next one belongs: read anew each time."""

    def __init__(self):
        self.booked = []

    def place(self, limits, start):
        moment = None
        while moment != start:
            moment = start
            for limit in limits:
                taken = sorted(one.time for one in self.booked if limit.key in one.keys)
                start = earliest_time(taken, limit.requests, limit.window, start)
        return moment


@pytest.mark.parametrize("seed", range(3))
def test_each_place_is_that_of_a_model(store, seed):
    """Whatever is booked, given up and replaced, with limits and guards that differ."""
    slow, fast = SharedLimit("slow", 2, 1.0), SharedLimit("all", 5, 1.0)
    kinds = [
        (slow, fast),
        (SharedLimit("slow", 2, 1.02),),
        (fast,),
        (SharedLimit("all", 5, 1.05),),
        (SharedLimit("all", 3, 1.0),),
    ]
    chance, model = random.Random(seed), Model()
    clock = time.time if isinstance(store, RedisStore) else time.monotonic
    for _ in range(250):
        limits, ahead, replaced = chance.choice(kinds), chance.choice([0.5, 0.5, 0.5, 15.0, 40.0]), None
        if model.booked and chance.random() < 0.3:
            given_up = model.booked.pop(chance.randrange(len(model.booked)))
            if given_up.keys == tuple(limit.key for limit in limits):
                replaced = given_up
            else:
                store.release(given_up)
        sent_up_to = clock()
        reservation = book(store, *limits, min_wait=ahead, replacing=replaced)
        soonest, latest = model.place(limits, sent_up_to + ahead), model.place(limits, clock() + ahead)
        assert soonest - 0.001 <= reservation.time <= latest + 0.001
        model.booked.append(reservation)


WORKER = """
import sys, time
from airflow_provider_360learning.api.limiter.sqlite import host_store
from airflow_provider_360learning.api.limiter.store import SharedLimit
if sys.argv[1] == "redis":
    import redis
    from airflow_provider_360learning.api.limiter.redis import RedisStore
    store = RedisStore(redis.Redis("127.0.0.1", int(sys.argv[2])), "redis")
else:
    store = host_store(sys.argv[2])
input()
for number in range(15):
    reservation = store.reserve([SharedLimit("all", 10, 0.5)], max_wait=60)
    time.sleep(reservation.wait)
    print(reservation.time)
"""


@pytest.mark.parametrize("kind", ["host", "redis"])
def test_processes_share_a_limit(kind, tmp_path, request):
    """Each process waits for its moments, so that old ones are forgotten while new ones are made."""
    place = tmp_path if kind == "host" else request.getfixturevalue("redis_server").port
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, kind, str(place)],
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
    each = [[float(line) for line in worker.communicate(timeout=30)[0].split()] for worker in workers]
    assert [len(moments) for moments in each] == [15] * 4
    together = sorted(itertools.chain.from_iterable(each))
    assert most_in_a_window(together, 0.4999) == 10
    assert together[-1] - together[0] < 10, "60 calls at 10 in half a second; a busy machine is late for some"


def test_who_dies_with_reservations_blocks_others_for_a_window_only(tmp_path):
    dies = """
import os, sys
from airflow_provider_360learning.api.limiter.sqlite import host_store
from airflow_provider_360learning.api.limiter.store import SharedLimit
store = host_store(sys.argv[1])
for number in range(3):
    store.reserve([SharedLimit("all", 3, 0.5)], max_wait=60)
os.kill(os.getpid(), 9)
"""
    assert run_python(dies, tmp_path).wait(timeout=30) == -9
    store = host_store(str(tmp_path))
    reservation = book(store, SharedLimit("all", 3, 0.5))
    assert reservation.wait <= 0.5
    time.sleep(reservation.wait)
    assert book(store, SharedLimit("all", 3, 0.5)).wait < 0.05


# When the store is in trouble


@contextmanager
def held(folder, seconds):
    """Hold the file of a host store for a while, as a process does that gets no CPU."""
    (file,) = folder.glob("rate-limits-*.sqlite3")
    holding = threading.Event()

    def hold():
        with closing(sqlite3.connect(file, isolation_level=None)) as db:
            db.execute("BEGIN EXCLUSIVE")
            holding.set()
            time.sleep(seconds)
            db.execute("ROLLBACK")

    thread = threading.Thread(target=hold)
    thread.start()
    holding.wait()
    yield
    thread.join()


def test_a_look_that_had_to_wait_for_the_file_is_late_itself(tmp_path):
    store = host_store(str(tmp_path))
    reservation = book(store, ALL)
    with held(tmp_path, 0.3):
        assert store.lateness(reservation) >= 0.29


def test_a_signal_in_the_middle_locks_nobody_out(tmp_path):
    """As the timeout of a task comes."""
    store = host_store(str(tmp_path))

    def interrupt(number, frame):
        raise InterruptedError

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        with held(tmp_path, 0.3):
            signal.setitimer(signal.ITIMER_REAL, 0.1)
            with pytest.raises(InterruptedError):
                book(store, ALL)
    finally:
        signal.signal(signal.SIGALRM, before)
    book(store, ALL)
    book(host_store(str(tmp_path)), ALL)


def test_a_place_in_a_redis_that_lost_its_data_is_lost(redis_server):
    """Others are given it anew."""
    client = redis.Redis(redis_server.host, redis_server.port)
    store = RedisStore(client, "redis")
    reservation = book(store, ALL)
    client.flushall()
    assert store.lateness(reservation) is None
    assert store.lateness(book(store, ALL)) is not None


def test_a_redis_that_takes_no_writes_cannot_be_used(redis_server):
    client = redis.Redis(redis_server.host, redis_server.port)
    store = RedisStore(client, "the server")
    store.check()
    client.config_set("maxmemory", 1)
    with pytest.raises(StoreUnavailableError, match=r"the server: .*maxmemory"):
        store.check()


def test_a_redis_whose_clock_was_set_back_makes_nobody_wait_for_it(redis_server):
    """As far as a client can tell: its moment is in the future."""
    store = RedisStore(redis.Redis(redis_server.host, redis_server.port), "redis")
    ahead = book(store, ALL, min_wait=30.0)
    assert store.lateness(ahead) is None


# StoragePath the file lives


def test_a_file_in_the_place_of_the_folder_is_said_so(tmp_path):
    (tmp_path / "taken").write_text("")
    for folder in (tmp_path / "taken", tmp_path / "taken" / "below"):
        with pytest.raises(StoreUnavailableError, match="taken"):
            host_store(str(folder))


def test_a_damaged_file_is_said_so(tmp_path):
    host_store(str(tmp_path))
    (file,) = tmp_path.glob("rate-limits-*.sqlite3")
    file.write_bytes(b"not a database, but as long as one" * 100)
    with pytest.raises(StoreUnavailableError, match=r"rate-limits-.*not a database"):
        host_store(str(tmp_path))


def test_refuses_a_file_of_another_format_version(tmp_path):
    host_store(str(tmp_path))
    (file,) = tmp_path.glob("rate-limits-*.sqlite3")
    with closing(sqlite3.connect(file)) as db:
        db.execute("PRAGMA user_version = 2")
    problem = rf"{file.name}: has format version 2, .* uses format version 1\. .*delete the file"
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
    book(store, ALL)


def test_refuses_a_redis_that_another_format_version_uses(redis_server):
    client = redis.Redis(redis_server.host, redis_server.port)
    book(RedisStore(client, "redis"), ALL)
    assert client.get(FORMAT_KEY) == b"1"
    assert 0 < client.ttl(FORMAT_KEY) <= 120, "two minutes after the last use, another version may begin"
    client.set(FORMAT_KEY, "2")
    with pytest.raises(StoreUnavailableError, match=r"redis: .*\(format version 2, here 1\)\. Run one version"):
        RedisStore(client, "redis").check()


@pytest.fixture
def temporary_directory(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_the_default_folder_is_private_to_the_user(temporary_directory):
    host_store()
    folder = default_state_dir()
    assert folder.parent == temporary_directory
    assert str(os.getuid()) in folder.name
    assert folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("trap", ["open to others", "a link elsewhere"])
def test_a_default_folder_that_others_could_have_made_is_refused(temporary_directory, trap):
    if trap == "open to others":
        default_state_dir().mkdir()
        default_state_dir().chmod(0o777)
    else:
        (temporary_directory / "theirs").mkdir(mode=0o700)
        default_state_dir().symlink_to(temporary_directory / "theirs")
    with pytest.raises(StoreUnavailableError, match="private"):
        host_store()


def test_a_folder_of_ones_own_choice_may_be_shared(tmp_path):
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared").chmod(0o770)
    book(host_store(str(tmp_path / "shared")), ALL)
