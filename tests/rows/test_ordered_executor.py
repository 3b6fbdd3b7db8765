"""As many requests are under way as it takes to reach the limit; rows on the same person never overtake each other."""

from __future__ import annotations

import itertools
import random
import threading
import time

import pytest

from airflow_provider_360learning.rows.ordered_executor import (
    INITIAL_LATENCY,
    MAX_UNDER_WAY,
    Batch,
    Latency,
    OrderedExecutor,
)
from airflow_provider_360learning.rows.results import Result
from airflow_provider_360learning.rows.schema import CheckedRow
from airflow_provider_360learning.rows.sources import Row
from airflow_provider_360learning.sandbox.demo_company import ADMIN_MAIL, GRACE_MAIL, ROOT_GROUP_ID, SALES_GROUP_ID
from airflow_provider_360learning.sandbox.server import Sandbox
from tests.rows.support import bulk, outcomes_in, people, writes
from tests.unlimited_sandbox import CONNECTION

# Order


def batch_of(number, *subjects):
    batch = Batch()
    for subject in subjects:
        batch.add(CheckedRow(Row(number, None, {}, {}), key=f"{subject} {number}", subject=subject), None)
    return batch


def done(rows):
    return [Result(row.row.number, row.key, "updated") for row in rows]


def test_rows_on_the_same_person_never_overlap_and_keep_their_order():
    random.seed(4)
    began, running, overlaps = [], set(), []
    lock = threading.Lock()

    def apply(rows, unconfirmed):
        subjects = {row.subject for row in rows}
        with lock:
            overlaps.extend(running & subjects)
            running.update(subjects)
            began.extend((row.subject, row.row.number) for row in rows)
        time.sleep(random.uniform(0, 0.004))
        with lock:
            running.difference_update(subjects)
        return done(rows)

    batches = [batch_of(number, *random.sample("abcdefgh", random.randint(1, 3))) for number in range(300)]
    expected = sorted((row.subject, row.row.number) for batch in batches for row in batch.rows)
    waiting, ended, most = batches[::-1], [], 0
    with OrderedExecutor(apply, pace=1000, latency=Latency()) as in_order:
        while len(ended) < len(batches):
            while waiting and in_order.has_capacity:
                in_order.begin(waiting.pop())
            most = max(most, len(running))
            ended += filter(None, [in_order.wait(timeout=5)])
    assert overlaps == []
    assert sorted(began) == expected
    for subject, numbers in itertools.groupby(sorted(began, key=lambda one: one[0]), key=lambda one: one[0]):
        in_turn = [number for _, number in numbers]
        assert in_turn == sorted(in_turn), subject
    assert most > 1, "others are under way meanwhile"


def test_roles_of_one_person_are_given_in_the_order_of_the_rows(sandbox, tmp_path):
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


def test_rows_on_other_people_do_not_wait_for_a_slow_one(sandbox, tmp_path):
    sandbox.control.add_fault("createOrInviteUser", kind="delay", seconds=0.6, mentions="person1@")
    bulk("create_user", people(50), results_path=tmp_path)
    arrived = {entry["user"]: entry["arrived_at"] for entry in writes(sandbox)}
    slow = arrived["person1@acme.test"]
    assert sum(moment - slow < 0.6 for moment in arrived.values()) > 25


# Pace


@pytest.mark.parametrize(
    ("pace", "seconds", "most"),
    [(5, 0.4, 5), (5, 2.0, 15), (1, 0.1, 3), (1000, 1.0, MAX_UNDER_WAY), (2, INITIAL_LATENCY, 5)],
)
def test_as_many_are_under_way_as_the_limit_needs_at_this_latency(pace, seconds, most):
    release = threading.Event()

    def apply(rows, unconfirmed):
        release.wait(20)
        return done(rows)

    latency = Latency()
    latency.seconds = seconds
    with OrderedExecutor(apply, pace, latency) as in_order:
        numbers = itertools.count(1)
        sent_up_to = 0
        while in_order.has_capacity:
            number = next(numbers)
            in_order.begin(batch_of(number, str(number)))
            sent_up_to += 1
        release.set()
        for _ in range(sent_up_to):
            in_order.wait(timeout=10)
        assert in_order.is_idle
    assert sent_up_to == most


def test_latency_is_what_was_seen_lately():
    latency = Latency()
    assert latency.seconds == INITIAL_LATENCY
    latency.done()
    assert latency.seconds == INITIAL_LATENCY, "nothing was sent"
    for _ in range(2):
        latency.sending()
        time.sleep(0.02)
        latency.sending()
        latency.done()
    assert 0.02 <= latency.seconds < INITIAL_LATENCY


@pytest.fixture
def limited(monkeypatch):
    """A sandbox with the true limits, 400 ms away."""
    with Sandbox(settings={"delay_before_ms": 200, "delay_after_ms": 200}) as server:
        monkeypatch.setenv(CONNECTION, server.connection_json(auth="api_key_header"))
        yield server


def test_at_400_ms_one_task_has_several_requests_under_way_and_stays_within_the_limit(limited, tmp_path):
    rows = [{"user": f"nobody{number}@acme.test", "group_id": ROOT_GROUP_ID} for number in range(16)]
    bulk("add_user_to_group", rows, results_path=tmp_path, max_failures=16)
    sent = limited.control.journal()
    assert [entry["status"] for entry in sent] == [400] * 16
    gaps = [later["arrived_at"] - earlier["arrived_at"] for earlier, later in itertools.pairwise(sent)]
    # One after the other, none would come sooner than 400 ms after the one before; the limit makes it 5 in 1.05 s.
    assert sum(gap < 0.39 for gap in gaps) >= 8
