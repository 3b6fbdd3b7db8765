"""The executor reaches the rate limit at any latency, and never reorders rows about the same person."""

from __future__ import annotations

import itertools
import random
import threading
import time

import pytest

from airflow_provider_360learning.ordered_executor import MAX_RUNNING, OrderedExecutor
from airflow_provider_360learning.rows.sender import INITIAL_LATENCY, Latency
from airflow_provider_360learning.sandbox.demo_company import ADMIN_MAIL, GRACE_MAIL, ROOT_GROUP_ID, SALES_GROUP_ID
from airflow_provider_360learning.sandbox.server import Sandbox
from tests.rows.support import bulk, bulk_failing, outcomes_in, people, writes
from tests.unlimited_sandbox import CONNECTION

# Order


def test_items_with_a_common_key_never_overlap_and_keep_their_order():
    random.seed(4)
    began, running, overlaps = [], set(), []
    lock = threading.Lock()

    def call(item):
        number, keys = item
        with lock:
            overlaps.extend(running & keys)
            running.update(keys)
            began.extend((key, number) for key in keys)
        time.sleep(random.uniform(0, 0.004))
        with lock:
            running.difference_update(keys)

    items = [(number, frozenset(random.sample("abcdefgh", random.randint(1, 3)))) for number in range(300)]
    expected = sorted((key, number) for number, keys in items for key in keys)
    waiting, ended, most = items[::-1], [], 0
    with OrderedExecutor(call, capacity=lambda: MAX_RUNNING) as executor:
        while len(ended) < len(items):
            while waiting and executor.has_capacity:
                executor.submit(waiting[-1], waiting.pop()[1])
            most = max(most, len(running))
            ended += executor.collect(timeout=60)
        assert executor.is_idle
    assert overlaps == []
    assert sorted(began) == expected
    for key, numbers in itertools.groupby(sorted(began, key=lambda one: one[0]), key=lambda one: one[0]):
        in_turn = [number for _, number in numbers]
        assert in_turn == sorted(in_turn), key
    assert most > 1, "items without a common key run at once"


def test_a_task_that_was_not_processed_is_collected_again():
    """A signal handler may raise while the results of a task are taken in."""
    with OrderedExecutor(str, capacity=lambda: 1) as executor:
        executor.submit(1)
        interrupted = executor.collect(timeout=60)
        assert next(interrupted).result == "1"
        interrupted.close()
        assert not executor.is_idle
        assert executor.is_quiet
        assert [task.result for task in executor.collect(timeout=60)] == ["1"]
        assert executor.is_idle


def test_drain_drops_what_has_not_started_and_waits_for_the_rest():
    release = threading.Event()
    with OrderedExecutor(lambda item: release.wait(60) and item, capacity=lambda: 2) as executor:
        executor.submit("first", {"ana"})
        executor.submit("second", {"ana"})
        release.set()
        assert [task.result for task in executor.drain(timeout=60)] == ["first"]
        assert executor.is_idle


def test_map_yields_results_in_the_order_of_the_items_and_runs_few_at_once():
    running, most = set(), []
    lock = threading.Lock()

    def call(number):
        with lock:
            running.add(number)
            most.append(len(running))
        time.sleep(0.001 * (number % 5))
        with lock:
            running.discard(number)
        return number

    with OrderedExecutor(call, capacity=lambda: 4) as executor:
        assert list(executor.map(range(100))) == list(range(100))
    assert 1 < max(most) <= 4


def test_map_raises_the_first_error_and_calls_nothing_for_later_items():
    called = []

    def call(number):
        called.append(number)
        if number == 20:
            raise ValueError("twenty")

    with (
        pytest.raises(ValueError, match="twenty"),
        OrderedExecutor(call, capacity=lambda: 4) as executor,
    ):
        list(executor.map(range(1000)))
    assert len(called) < 40


def test_assigns_roles_of_one_person_in_the_order_of_the_rows(sandbox, tmp_path):
    """The first request of each person takes longest."""
    rows = [
        {"user": user, "group_id": group, "role": role}
        for group, role in itertools.product((ROOT_GROUP_ID, SALES_GROUP_ID), ("learner", "coach", "editor"))
        for user in (GRACE_MAIL, ADMIN_MAIL)
    ]
    for user in (GRACE_MAIL, ADMIN_MAIL):
        sandbox.control.add_fault("addUserToGroup", kind="delay", seconds=0.3, mentions=user)
    bulk("add_user_to_group", rows, results_path=tmp_path)
    assert outcomes_in(tmp_path) == ["added"] * 12
    words = {"learner": "learner", "coach": "coach", "author": "editor"}
    for user in (GRACE_MAIL, ADMIN_MAIL):
        sent = [entry for entry in writes(sandbox) if entry["user"] == user]
        in_turn = [(entry["path"].split("/")[4], words[entry["body"]["role"]]) for entry in sent]
        assert in_turn == [(row["group_id"], row["role"]) for row in rows if row["user"] == user]


@pytest.mark.realtime
def test_a_slow_row_does_not_delay_rows_about_other_people(sandbox, tmp_path):
    sandbox.control.add_fault("createOrInviteUser", kind="delay", seconds=0.6, mentions="person1@")
    bulk("create_user", people(50), results_path=tmp_path)
    arrived = {entry["user"]: entry["arrived_at"] for entry in writes(sandbox)}
    slow = arrived["person1@acme.test"]
    assert sum(at - slow < 0.6 for at in arrived.values()) > 25


# Pace


@pytest.mark.parametrize(
    ("pace", "seconds", "requests"), [(5, 0.4, 5), (5, 2.0, 15), (1, 0.1, 3), (2, INITIAL_LATENCY, 5)]
)
def test_as_many_requests_are_under_way_as_the_limit_needs_at_this_latency(pace, seconds, requests):
    latency = Latency()
    latency.seconds = seconds
    assert latency.requests_to_reach(pace) == requests


def test_capacity_is_bounded():
    release = threading.Event()
    with OrderedExecutor(lambda item: release.wait(60), capacity=lambda: 1000) as executor:
        submitted = 0
        while executor.has_capacity:
            executor.submit(submitted)
            submitted += 1
        release.set()
        assert submitted == MAX_RUNNING


def test_latency_is_a_moving_average():
    now = [0.0]
    latency = Latency(clock=lambda: now[0])
    assert latency.seconds == INITIAL_LATENCY
    latency.stop()
    assert latency.seconds == INITIAL_LATENCY, "nothing was sent"
    for seconds, expected in ((0.5, 0.5), (1.0, 0.6)):
        latency.start()
        now[0] += seconds / 2
        latency.start()
        now[0] += seconds / 2
        latency.stop()
        assert latency.seconds == pytest.approx(expected)


@pytest.fixture
def limited(monkeypatch):
    """Run a sandbox with the documented limits and 400 ms of latency."""
    with Sandbox(settings={"delay_before_ms": 200, "delay_after_ms": 200}) as server:
        monkeypatch.setenv(CONNECTION, server.connection_json(auth="api_key_header"))
        yield server


@pytest.mark.realtime
def test_at_400_ms_one_task_has_several_requests_under_way_and_stays_within_the_limit(limited, tmp_path):
    rows = [{"user": f"absent{number}@acme.test", "group_id": ROOT_GROUP_ID} for number in range(16)]
    bulk_failing("add_user_to_group", rows, results_path=tmp_path)
    sent = limited.control.journal()
    assert [entry["status"] for entry in sent] == [400] * 16
    gaps = [later["arrived_at"] - earlier["arrived_at"] for earlier, later in itertools.pairwise(sent)]
    # One after the other, none would come sooner than 400 ms after the one before; the limit makes it 5 in 1.05 s.
    assert sum(gap < 0.39 for gap in gaps) >= 8
