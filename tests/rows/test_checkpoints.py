"""A checkpoint proves that no other attempt writes, and its lease is what another attempt waits for."""

from __future__ import annotations

import json

import pytest

from airflow_provider_360learning.exceptions import StorageUnavailableError
from airflow_provider_360learning.files.storage import storage_path
from airflow_provider_360learning.rows.checkpoints import (
    Checkpoint,
    Checkpoints,
    FallbackCheckpointStore,
    FileCheckpointStore,
    LeaseLostError,
    TaskStateCheckpointStore,
)
from airflow_provider_360learning.rows.config import LeaseTimes
from airflow_provider_360learning.rows.stored_state import StoredStateError

TIMES = LeaseTimes()
FIRST = Checkpoint(run="r1", input="i1")
LATER = Checkpoint(run="r1", input="i1", done_up_to=20, sent_up_to=120, parts=2)
#: When the tests take place, in seconds since 1970.
START = 1_800_000_000.0


class TaskState(dict):
    """A task state store, as Airflow 3.3 provides it."""

    is_reachable = True

    def set(self, key, value):
        if not self.is_reachable:
            raise BrokenPipeError("the supervisor is gone")
        self[key] = value

    def delete(self, key):
        self.pop(key, None)


@pytest.fixture(params=["local file", "object store", "task state", "task state with fallback"])
def store(request, tmp_path):
    if request.param == "local file":
        return FileCheckpointStore(storage_path(tmp_path / "new" / "progress.json"))
    if request.param == "object store":
        request.getfixturevalue("object_store")
        return FileCheckpointStore(storage_path("memory://bucket/progress.json"))
    task_state = TaskStateCheckpointStore(TaskState(), "key")
    if request.param == "task state":
        return task_state
    return FallbackCheckpointStore(task_state, FileCheckpointStore(storage_path(tmp_path / "progress.json")))


class Attempt:
    """An attempt with clocks of its own, which it sleeps by."""

    def __init__(self, store, meanwhile=lambda: None, generation=""):
        self.now = 0.0
        self.slept = 0.0
        self.meanwhile = meanwhile
        self.checkpoints = Checkpoints(
            store,
            generation,
            sleep=self._sleep,
            clock=lambda: self.now,
            wall_clock=lambda: START + self.now,
        )

    def _sleep(self, seconds):
        self.slept += seconds
        self.now += seconds
        self.meanwhile()


@pytest.fixture
def attempt(store):
    return Attempt(store)


@pytest.fixture
def vanished(store):
    """Return an attempt that was killed after a checkpoint."""
    gone = Attempt(store)
    gone.checkpoints.start(FIRST)
    gone.checkpoints.renew(LATER)
    return gone


def test_the_first_attempt_finds_no_checkpoint_and_does_not_wait(store, attempt):
    assert attempt.checkpoints.take_over() is None
    checkpoint = attempt.checkpoints.start(FIRST)
    assert attempt.slept == 0
    assert len(checkpoint.writer) == 16
    assert checkpoint.lease_until == START + TIMES.duration
    assert store.load() == checkpoint.to_dict()


def test_stores_a_small_object_with_a_version(store, vanished):
    stored = store.load()
    assert {name: stored[name] for name in ("version", "run", "input", "done_up_to", "sent_up_to", "parts")} == {
        **{"version": 1, "run": "r1", "input": "i1"},
        **{"done_up_to": 20, "sent_up_to": 120, "parts": 2},
    }
    assert len(json.dumps(stored)) < 300


def test_does_not_wait_for_an_attempt_that_returned_its_lease(attempt, vanished):
    vanished.checkpoints.release(LATER, is_quiet=True)
    found = attempt.checkpoints.take_over()
    assert (found.done_up_to, found.sent_up_to, attempt.slept) == (20, 120, 0)


def test_waits_for_an_attempt_whose_requests_may_be_under_way(attempt, vanished):
    last = vanished.checkpoints.renew(LATER)
    vanished.checkpoints.release(last, is_quiet=False)
    assert attempt.checkpoints.take_over().done_up_to == 20
    assert attempt.slept > 0


def test_waits_until_the_lease_of_a_killed_attempt_has_expired(attempt, vanished):
    found = attempt.checkpoints.take_over()
    assert (found.done_up_to, found.sent_up_to, found.parts) == (20, 120, 2)
    assert TIMES.duration < attempt.slept <= TIMES.duration + TIMES.clock_difference


def test_stops_waiting_when_the_lease_is_returned(store, vanished):
    waiting = Attempt(store, meanwhile=lambda: vanished.checkpoints.release(LATER, is_quiet=True))
    assert waiting.checkpoints.take_over().lease_until == 0
    assert waiting.slept <= TIMES.clock_difference
    waiting.meanwhile = lambda: None
    waiting.checkpoints.start(LATER)


@pytest.mark.parametrize(
    ("seconds", "waits"),
    [(-3600, 0), (-TIMES.clock_difference - 1, 0), (86400, TIMES.duration + TIMES.clock_difference)],
)
def test_waits_at_most_for_one_lease_whatever_the_other_clock_said(store, attempt, vanished, seconds, waits):
    store.save({**store.load(), "lease_until": START + seconds})
    attempt.checkpoints.take_over()
    assert attempt.slept == waits


def test_does_not_take_over_from_an_attempt_that_is_running(store, vanished):
    second = Attempt(store, meanwhile=lambda: vanished.checkpoints.renew(LATER))
    with pytest.raises(LeaseLostError, match="Another attempt is running"):
        second.checkpoints.take_over()
    vanished.checkpoints.ensure_lease()


def test_of_two_attempts_that_wait_one_takes_the_lease(store, vanished):
    first = Attempt(store)
    second = Attempt(store, meanwhile=lambda: first.checkpoints.start(first.checkpoints.take_over()))
    with pytest.raises(LeaseLostError):
        second.checkpoints.take_over()
    first.checkpoints.ensure_lease()


@pytest.mark.parametrize("known", [None, "an unfinished run"])
def test_of_two_attempts_that_looked_at_the_same_time_one_takes_the_lease(store, known):
    if known:
        last = Attempt(store)
        last.checkpoints.release(last.checkpoints.start(FIRST), is_quiet=True)
    first, second = Attempt(store), Attempt(store)
    for each in (first, second):
        each.checkpoints.take_over()
    first.checkpoints.start(FIRST)
    with pytest.raises(LeaseLostError, match="Another attempt is running"):
        second.checkpoints.start(FIRST)
    first.checkpoints.renew(FIRST)


def test_an_attempt_that_resumes_looks_again_after_it_has_taken_the_lease(store, vanished):
    vanished.checkpoints.release(FIRST, is_quiet=True)
    first, second = Attempt(store), Attempt(store)
    for each in (first, second):
        each.checkpoints.take_over()
    # Both have looked a second time before either has written.
    overtaken = store.load() | {"writer": "the second", "lease_until": START + TIMES.duration}
    first.meanwhile = lambda: store.save(overtaken)
    with pytest.raises(LeaseLostError, match="Another attempt has taken the lease"):
        first.checkpoints.start(FIRST)
    with pytest.raises(LeaseLostError):
        first.checkpoints.ensure_lease()


def test_an_attempt_that_lost_its_lease_makes_no_checkpoint_and_sends_nothing(store, attempt, vanished):
    taken = attempt.checkpoints.start(attempt.checkpoints.take_over())
    with pytest.raises(LeaseLostError, match="this one ends"):
        vanished.checkpoints.renew(LATER)
    with pytest.raises(LeaseLostError):
        vanished.checkpoints.ensure_lease()
    vanished.checkpoints.release(LATER, is_quiet=True)
    assert store.load() == taken.to_dict()
    attempt.checkpoints.ensure_lease()


def test_reads_before_the_first_checkpoint_need_no_lease(attempt):
    attempt.checkpoints.ensure_lease()


def test_a_lease_lasts_30_seconds_and_is_renewed_after_10(attempt):
    attempt.checkpoints.start(FIRST)
    assert not attempt.checkpoints.is_due
    attempt.now += TIMES.renew_after + 0.1
    assert attempt.checkpoints.is_due
    attempt.now = TIMES.duration - 0.1
    attempt.checkpoints.ensure_lease()
    attempt.checkpoints.renew(FIRST)
    attempt.now += TIMES.duration - 0.1
    attempt.checkpoints.ensure_lease()
    attempt.now += 0.2
    with pytest.raises(LeaseLostError, match="No checkpoint could be made for 30 s"):
        attempt.checkpoints.ensure_lease()


def test_a_lease_counts_from_before_it_was_stored(tmp_path):
    """An attempt that reads it must not start before it has expired."""
    store = FileCheckpointStore(storage_path(tmp_path / "progress.json"))
    slow = Attempt(store)

    class SlowStore(FileCheckpointStore):
        def save(self, state):
            super().save(state)
            slow.now += 20

    slow.checkpoints = Checkpoints(SlowStore(storage_path(tmp_path / "progress.json")), clock=lambda: slow.now)
    slow.checkpoints.start(FIRST)
    slow.now += 9
    slow.checkpoints.ensure_lease()
    slow.now += 2
    with pytest.raises(LeaseLostError):
        slow.checkpoints.ensure_lease()


def test_an_expired_lease_is_renewed_if_no_other_attempt_has_taken_it(attempt):
    attempt.checkpoints.start(FIRST)
    attempt.now += 100
    attempt.checkpoints.renew(FIRST)
    assert attempt.slept == TIMES.settle, "and verified once more"
    attempt.checkpoints.ensure_lease()


def test_two_attempts_that_take_the_lease_at_the_same_time_do_not_both_send(store):
    late = Attempt(store)
    late.checkpoints.start(FIRST)
    other = Attempt(store)
    late.now += 100

    def take():
        other.checkpoints.take_over()
        other.checkpoints.start(FIRST)

    late.meanwhile = take
    with pytest.raises(LeaseLostError):
        late.checkpoints.renew(FIRST)
    with pytest.raises(LeaseLostError):
        late.checkpoints.ensure_lease()
    other.checkpoints.renew(FIRST)


def test_a_finished_run_leaves_no_checkpoint_and_sends_nothing_more(store, attempt):
    attempt.checkpoints.finish(attempt.checkpoints.start(FIRST))
    assert store.load() is None
    with pytest.raises(LeaseLostError, match="has stopped"):
        attempt.checkpoints.ensure_lease()


def test_a_retry_after_a_finished_run_finds_it_and_a_cleared_task_does_not(store):
    """The process may end before Airflow has recorded its result."""
    first = Attempt(store, generation="2")
    first.checkpoints.finish(first.checkpoints.start(FIRST))
    assert Attempt(store, generation="2").checkpoints.take_over().finished
    cleared = Attempt(store, generation="5")
    assert cleared.checkpoints.take_over() is None
    cleared.checkpoints.start(FIRST)
    assert store.load()["finished"] is False


def test_an_attempt_that_stops_sends_nothing_more(attempt):
    attempt.checkpoints.start(FIRST)
    attempt.checkpoints.stop()
    with pytest.raises(LeaseLostError, match="has stopped"):
        attempt.checkpoints.ensure_lease()


def test_a_checkpoint_that_cannot_be_stored_renews_nothing(object_store):
    attempt = Attempt(FileCheckpointStore(storage_path("memory://bucket/progress.json")))
    attempt.checkpoints.start(FIRST)
    object_store.breaks = True
    attempt.now += TIMES.duration - 1
    with pytest.raises(StorageUnavailableError):
        attempt.checkpoints.renew(FIRST)
    attempt.checkpoints.ensure_lease()
    attempt.now += 2
    with pytest.raises(LeaseLostError):
        attempt.checkpoints.ensure_lease()


# Damaged and foreign checkpoints

VALID = FIRST.to_dict()


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ("", "is empty"),
        (json.dumps(VALID)[:40], "is damaged: it is not valid JSON"),
        ("[]", "is damaged: it is a list, not an object"),
        ("null", "is damaged: it is a NoneType"),
        ("{}", "has format version None, but this version of the provider reads 1"),
        (json.dumps({**VALID, "version": 2}), "has format version 2"),
        (json.dumps({**VALID, "version": True}), "has format version True"),
        (json.dumps({name: VALID[name] for name in VALID if name != "parts"}), "lacks or must not have parts"),
        (json.dumps({**VALID, "color": "red"}), "lacks or must not have color"),
        (json.dumps({**VALID, "parts": "2"}), "is damaged: parts is '2'"),
        (json.dumps({**VALID, "done_up_to": None}), "is damaged: done_up_to is None"),
        (json.dumps({**VALID, "finished": 1}), "is damaged: finished is 1"),
        (json.dumps({**VALID, "version": 1.0}), "has format version 1.0"),
        (json.dumps({**VALID, "parts": -1}), "is damaged: parts is -1"),
        (json.dumps({**VALID, "done_up_to": -5}), "is damaged: done_up_to is -5"),
        (json.dumps({**VALID, "lease_until": float("nan")}), "is damaged: lease_until is nan"),
        (json.dumps({**VALID, "lease_until": float("inf")}), "is damaged: lease_until is inf"),
        ("[" * 100_000, "is damaged: it is not valid JSON"),
    ],
)
def test_a_damaged_checkpoint_is_an_error_that_names_the_file(tmp_path, data, problem):
    path = tmp_path / "progress.json"
    path.write_text(data)
    attempt = Attempt(FileCheckpointStore(storage_path(path)))
    with pytest.raises(StoredStateError) as raised:
        attempt.checkpoints.take_over()
    assert f"The checkpoint {path} " in str(raised.value)
    assert problem in str(raised.value)
    assert "ignore_checkpoint=True" in str(raised.value)
    assert path.read_text() == data
    assert attempt.checkpoints.take_over(ignore=True) is None
    attempt.checkpoints.start(FIRST)


def test_a_directory_in_the_place_of_the_checkpoint_is_an_error(tmp_path):
    (tmp_path / "progress.json").mkdir()
    attempt = Attempt(FileCheckpointStore(storage_path(tmp_path / "progress.json")))
    with pytest.raises(StoredStateError, match=r"progress\.json is a directory"):
        attempt.checkpoints.take_over()


@pytest.mark.parametrize("state", ["text", [], {}, {**VALID, "version": 7}, {**VALID, "parts": "2"}])
def test_a_damaged_task_state_is_an_error(state):
    attempt = Attempt(TaskStateCheckpointStore(TaskState(key=state), "key"))
    with pytest.raises(StoredStateError, match="The task state key"):
        attempt.checkpoints.take_over()


# Two stores


@pytest.fixture
def two_stores(tmp_path):
    task_state = TaskState()
    file = FileCheckpointStore(storage_path(tmp_path / "progress.json"))
    return task_state, file, FallbackCheckpointStore(TaskStateCheckpointStore(task_state, "key"), file)


def test_resumes_a_run_that_began_under_an_airflow_without_task_state(two_stores):
    task_state, file, both = two_stores
    earlier = Attempt(file)
    earlier.checkpoints.start(FIRST)
    earlier.checkpoints.renew(LATER)
    upgraded = Attempt(both)
    found = upgraded.checkpoints.take_over()
    assert (found.done_up_to, upgraded.slept > TIMES.duration) == (20, True)
    upgraded.checkpoints.start(found)
    assert file.load() is None, "from now on, the task state has it"
    assert task_state["key"]["done_up_to"] == 20


def test_the_newer_of_two_checkpoints_counts(two_stores):
    task_state, file, both = two_stores
    newer = LATER.to_dict() | {"sequence": 8}
    for states in ((FIRST.to_dict() | {"sequence": 7}, newer), (newer, FIRST.to_dict() | {"sequence": 7})):
        task_state["key"], other = states
        file.save(other)
        assert Attempt(both).checkpoints.take_over().done_up_to == 20


def test_returns_the_lease_through_the_file_if_the_supervisor_is_gone(two_stores):
    task_state, file, both = two_stores
    orphan = Attempt(both)
    orphan.checkpoints.start(FIRST)
    task_state.is_reachable = False
    orphan.checkpoints.release(LATER, is_quiet=True)
    task_state.is_reachable = True
    following = Attempt(both)
    assert following.checkpoints.take_over().done_up_to == 20
    assert following.slept == 0
    following.checkpoints.start(LATER)
    assert file.load() is None
