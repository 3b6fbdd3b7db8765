"""Who may send, and until when: a checkpoint proves that nobody has taken over, and is the fence others wait at."""

from __future__ import annotations

import json
import time

import pytest

from airflow_provider_360learning.files.storage import storage_path
from airflow_provider_360learning.rows.checkpoints import (
    BEAT,
    CLOCKS_APART,
    LEASE,
    Checkpoints,
    FileCheckpointStore,
    LeaseLostError,
    Progress,
    TaskStateCheckpointStore,
)

FIRST = Progress(run="r1", input="i1")


class Store(dict):
    """A task state store, as Airflow 3.3 hands it out."""

    set = dict.__setitem__

    def delete(self, key):
        self.pop(key, None)


@pytest.fixture(params=["local file", "object store", "task state store"])
def keeper(request, tmp_path):
    if request.param == "task state store":
        return TaskStateCheckpointStore(Store(), "key")
    if request.param == "local file":
        return FileCheckpointStore(storage_path(tmp_path / "new" / "progress.json"))
    request.getfixturevalue("object_store")
    return FileCheckpointStore(storage_path("memory://bucket/progress.json"))


class Attempt:
    """An attempt with a clock of its own, which it sleeps by."""

    def __init__(self, keeper, meanwhile=lambda: None, go=""):
        self.now = 0.0
        self.slept = []
        self.meanwhile = meanwhile
        self.checkpoints = Checkpoints(keeper, go, sleep=self._sleep, clock=lambda: self.now)

    def _sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds
        self.meanwhile()


@pytest.fixture
def attempt(keeper):
    return Attempt(keeper)


@pytest.fixture
def vanished(keeper):
    """An attempt that has made a checkpoint and was never heard of again."""
    gone = Attempt(keeper)
    gone.checkpoints.begin(FIRST)
    gone.checkpoints.make(Progress("r1", "i1", done=20, sent_up_to=120, parts=2, counts={"created": 20}))
    return gone


def test_the_first_attempt_finds_nothing_and_waits_for_nobody(keeper, attempt):
    assert attempt.checkpoints.take_over() is None
    sent_up_to = attempt.checkpoints.begin(FIRST)
    assert attempt.slept == []
    assert len(sent_up_to.writer) == 16
    assert 0 < sent_up_to.until - time.time() <= LEASE
    assert keeper.load() == {**sent_up_to.__dict__}


def test_what_is_kept_is_small_and_plain(keeper, vanished):
    kept = keeper.load()
    assert {name: kept[name] for name in ("run", "input", "done", "sent_up_to", "parts", "counts")} == {
        **{"run": "r1", "input": "i1", "done": 20, "sent_up_to": 120, "parts": 2},
        "counts": {"created": 20},
    }
    assert len(json.dumps(kept)) < 250


def test_an_attempt_that_ended_properly_is_followed_at_once(attempt, vanished):
    last = vanished.checkpoints.make(Progress("r1", "i1", done=30, sent_up_to=120))
    vanished.checkpoints.end(last, may_follow_at_once=True)
    found = attempt.checkpoints.take_over()
    assert (found.done, found.sent_up_to, attempt.slept) == (30, 120, [])


def test_an_attempt_whose_requests_may_be_under_way_still_is_waited_for(attempt, vanished):
    last = vanished.checkpoints.make(Progress("r1", "i1", done=30, sent_up_to=120))
    vanished.checkpoints.end(last, may_follow_at_once=False)
    assert attempt.checkpoints.take_over().done == 30
    assert len(attempt.slept) == 1


def test_an_attempt_that_vanished_is_waited_for_until_it_cannot_send_any_more(attempt, vanished):
    found = attempt.checkpoints.take_over()
    assert (found.done, found.sent_up_to, found.parts, found.counts) == (20, 120, 2, {"created": 20})
    (slept,) = attempt.slept
    assert LEASE < slept <= LEASE + CLOCKS_APART


@pytest.mark.parametrize(
    ("seconds", "waits"), [(-3600, None), (-CLOCKS_APART - 1, None), (86400, LEASE + CLOCKS_APART)]
)
def test_nobody_waits_longer_than_a_lease_whatever_a_clock_said(keeper, attempt, vanished, seconds, waits):
    keeper.save({**keeper.load(), "until": time.time() + seconds})
    attempt.checkpoints.take_over()
    assert attempt.slept == ([] if waits is None else [waits])


def test_an_attempt_that_is_alive_is_not_taken_over(keeper, vanished):
    alive = vanished
    second = Attempt(keeper, meanwhile=lambda: alive.checkpoints.make(Progress("r1", "i1", done=40)))
    with pytest.raises(LeaseLostError, match="Another attempt is at work"):
        second.checkpoints.take_over()
    alive.checkpoints.ensure_lease()


def test_of_two_attempts_that_wait_one_gets_it(keeper, vanished):
    first = Attempt(keeper)
    second = Attempt(keeper, meanwhile=lambda: first.checkpoints.begin(first.checkpoints.take_over()))
    with pytest.raises(LeaseLostError):
        second.checkpoints.take_over()
    first.checkpoints.ensure_lease()


@pytest.mark.parametrize("known", [None, "a run that is not over"])
def test_of_two_attempts_that_looked_at_the_same_moment_one_gets_it(keeper, known):
    if known:
        last = Attempt(keeper)
        last.checkpoints.end(last.checkpoints.begin(FIRST), may_follow_at_once=True)
    first, second = Attempt(keeper), Attempt(keeper)
    for each in (first, second):
        each.checkpoints.take_over()
    first.checkpoints.begin(FIRST)
    with pytest.raises(LeaseLostError, match="Another attempt is at work"):
        second.checkpoints.begin(FIRST)
    first.checkpoints.make(FIRST)


def test_who_goes_on_looks_whether_another_one_began_at_that_very_moment(keeper, vanished):
    vanished.checkpoints.end(FIRST, may_follow_at_once=True)
    first, second = Attempt(keeper), Attempt(keeper)
    for each in (first, second):
        each.checkpoints.take_over()
    # Both have looked a second time before either has written.
    overtaken = keeper.load() | {"writer": "the second", "until": time.time() + LEASE}
    first.meanwhile = lambda: keeper.save(overtaken)
    with pytest.raises(LeaseLostError, match="Another attempt has sent_up_to"):
        first.checkpoints.begin(FIRST)
    with pytest.raises(LeaseLostError):
        first.checkpoints.ensure_lease()


def test_an_attempt_that_was_taken_over_makes_no_checkpoint_and_sends_nothing(keeper, attempt, vanished):
    taken = attempt.checkpoints.begin(attempt.checkpoints.take_over())
    with pytest.raises(LeaseLostError, match="this one ends here"):
        vanished.checkpoints.make(Progress("r1", "i1", done=99))
    with pytest.raises(LeaseLostError):
        vanished.checkpoints.ensure_lease()
    with pytest.raises(LeaseLostError):
        vanished.checkpoints.end(Progress("r1", "i1", done=99), may_follow_at_once=True)
    assert keeper.load() == taken.__dict__
    attempt.checkpoints.ensure_lease()


def test_what_is_read_before_the_first_checkpoint_is_free(attempt):
    attempt.checkpoints.ensure_lease()


def test_a_lease_lasts_half_a_minute_and_is_renewed_after_ten_seconds(attempt):
    attempt.checkpoints.begin(FIRST)
    assert not attempt.checkpoints.is_due
    attempt.now += BEAT + 0.1
    assert attempt.checkpoints.is_due
    attempt.now = LEASE - 0.1
    attempt.checkpoints.ensure_lease()
    attempt.checkpoints.make(FIRST)
    attempt.now += LEASE - 0.1
    attempt.checkpoints.ensure_lease()
    attempt.now += 0.2
    with pytest.raises(LeaseLostError, match="No checkpoint could be made for 30 s"):
        attempt.checkpoints.ensure_lease()


def test_a_lease_counts_from_before_it_was_kept(keeper):
    """Whoever reads it must not begin before it is over."""
    slow = Attempt(keeper)

    class SlowKeeper:
        load = staticmethod(keeper.load)

        def save(self, state):
            keeper.save(state)
            slow.now += 20

    slow.checkpoints = Checkpoints(SlowKeeper(), clock=lambda: slow.now)
    slow.checkpoints.begin(FIRST)
    slow.now += 9
    slow.checkpoints.ensure_lease()
    slow.now += 2
    with pytest.raises(LeaseLostError):
        slow.checkpoints.ensure_lease()


def test_a_lease_that_ran_out_can_be_had_again_if_nobody_else_came(attempt):
    attempt.checkpoints.begin(FIRST)
    attempt.now += 100
    attempt.checkpoints.make(FIRST)
    assert attempt.slept == [1.0], "and looked once more, whether somebody came at that very moment"
    attempt.checkpoints.ensure_lease()


def test_two_that_come_at_the_same_moment_do_not_both_send(keeper):
    late = Attempt(keeper)
    late.checkpoints.begin(FIRST)
    other = Attempt(keeper)
    late.now += 100

    def begin():
        other.checkpoints.take_over()
        other.checkpoints.begin(FIRST)

    late.meanwhile = begin
    with pytest.raises(LeaseLostError):
        late.checkpoints.make(FIRST)
    with pytest.raises(LeaseLostError):
        late.checkpoints.ensure_lease()
    other.checkpoints.make(FIRST)


def test_a_finished_run_is_forgotten_and_sends_nothing_more(keeper, attempt):
    attempt.checkpoints.finish(attempt.checkpoints.begin(FIRST))
    assert keeper.load() is None
    with pytest.raises(LeaseLostError, match="has stopped"):
        attempt.checkpoints.ensure_lease()


def test_an_attempt_that_airflow_makes_after_a_finished_one_learns_that_all_is_done(keeper):
    """The process ended before Airflow knew; whoever clears the task wants it again."""
    first = Attempt(keeper, go="2")
    first.checkpoints.finish(first.checkpoints.begin(FIRST))
    assert Attempt(keeper, go="2").checkpoints.take_over().finished == "2"
    cleared = Attempt(keeper, go="5")
    assert cleared.checkpoints.take_over() is None
    cleared.checkpoints.begin(FIRST)
    assert keeper.load()["finished"] == ""


def test_an_attempt_that_stops_sends_nothing_more(attempt):
    attempt.checkpoints.begin(FIRST)
    attempt.checkpoints.stop()
    with pytest.raises(LeaseLostError, match="has stopped"):
        attempt.checkpoints.ensure_lease()


def test_a_checkpoint_that_cannot_be_kept_lends_nothing(object_store):
    attempt = Attempt(FileCheckpointStore(storage_path("memory://bucket/progress.json")))
    attempt.checkpoints.begin(FIRST)
    object_store.breaks = True
    attempt.now += LEASE - 1
    with pytest.raises(ConnectionError):
        attempt.checkpoints.make(FIRST)
    attempt.checkpoints.ensure_lease()
    attempt.now += 2
    with pytest.raises(LeaseLostError):
        attempt.checkpoints.ensure_lease()


def test_what_a_newer_version_keeps_besides_is_passed_over(keeper, attempt, vanished):
    keeper.save({**keeper.load(), "until": 0, "colour": "red"})
    assert attempt.checkpoints.take_over().done == 20
