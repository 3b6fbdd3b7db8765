"""Operators with a real scheduler: their pool, their waits, and killed tasks."""

from __future__ import annotations

import os
import signal

import psutil
import pytest

pytestmark = pytest.mark.slow


def _done(platform, operation):
    return [entry for entry in platform.control.journal() if entry["operation"] == operation and entry["done"]]


def _assert_shared_pool(stack, dag_id, run_id, tasks_expected):
    tasks = stack.task_instances(dag_id, run_id)
    assert len(tasks) == tasks_expected
    assert {task["pool"] for task in tasks} == {"learning360"}


def _states(stack, dag_id, run_id):
    return {(task["task_id"], task["map_index"]): task["state"] for task in stack.task_instances(dag_id, run_id)}


@pytest.fixture(autouse=True)
def _fresh_platform(platform):
    platform.control.reset()
    platform.control.clear_journal()


@pytest.mark.airflow("<3", reason="on Airflow 3, the test with deferred waits includes it")
def test_mapped_and_plain_tasks_use_the_shared_pool(stack, platform):
    run_id = stack.trigger("two_creations")
    assert stack.wait("two_creations", run_id, timeout=300) == "success"
    _assert_shared_pool(stack, "two_creations", run_id, 3)
    assert len(_done(platform, "createOrInviteUser")) == 2


def test_a_pool_in_default_args_overrides_the_shared_one(stack):
    stack.command("pools", "set", "x", "5", "for this test")
    run_id = stack.trigger("in_pool_x")
    assert stack.wait("in_pool_x", run_id, timeout=300) == "success"
    tasks = stack.task_instances("in_pool_x", run_id)
    assert len(tasks) == 2
    assert {task["pool"] for task in tasks} == {"x"}


@pytest.mark.airflow(
    ">=3", reason="with SQLite, Airflow 2 has the SequentialExecutor only, which runs one task at a time"
)
def test_creations_run_while_more_waits_than_the_pool_has_slots_are_deferred(stack, platform):
    waits = stack.trigger("ten_waits")

    def all_deferred():
        states = _states(stack, "ten_waits", waits)
        return sum(state == "deferred" for state in states.values()) == 10

    stack.wait_until(all_deferred, 300, "not all waits were deferred")
    run_id = stack.trigger("twelve_creations")
    assert stack.wait("twelve_creations", run_id, timeout=300) == "success"
    assert all_deferred()
    _assert_shared_pool(stack, "twelve_creations", run_id, 13)
    arrivals = [entry["arrived_at"] for entry in _done(platform, "createOrInviteUser")]
    assert len(arrivals) == 12
    print(
        f"12 creations in {arrivals[-1] - arrivals[0]:.1f} s during 10 deferred waits (minimum at 2 per second: 5.3 s)"
    )
    # Not deleted: a scheduler ends if a run is deleted that it schedules.
    stack.request("PATCH", f"/api/v2/dags/ten_waits/dagRuns/{waits}", {"state": "failed"})


def test_a_write_whose_process_is_killed_is_done_once_and_its_task_succeeds(stack, platform):
    operations = ("createGroup", "createPathSession", "createOrInviteUser")
    for operation in operations:
        platform.control.add_fault(operation=operation, kind="delay", seconds=120, when="after", count=1)
    run_id = stack.trigger("killed")
    for operation in operations:
        stack.wait_until(lambda operation=operation: _done(platform, operation), 300, f"{operation} was not sent")
        (task,) = [task for task in stack.task_instances("killed", run_id) if task["task_id"] == operation]
        os.kill(task["pid"], signal.SIGKILL)
        stack.wait_until(
            lambda operation=operation: _states(stack, "killed", run_id)[operation, -1] == "success",
            300,
            f"the task of {operation} did not succeed",
        )
    assert stack.wait("killed", run_id, timeout=300) == "success"
    tries = {task["task_id"]: task["try_number"] for task in stack.task_instances("killed", run_id)}
    assert tries == dict.fromkeys(operations, 2)
    state = platform.control.state()
    assert sum(group["name"] == "Killed" for group in state["groups"]) == 1
    assert sum(session["name"] == "Killed" for session in state["sessions"]) == 1
    assert sum(user["mail"] == "killed@acme.test" for user in state["users"]) == 1
    assert [len(_done(platform, operation)) for operation in operations] == [1, 1, 1]


def test_an_attempt_whose_supervisor_is_killed_stops_before_the_next_one_sends(stack, platform):
    """Airflow does not stop the task process, which would write until the end of the task."""
    run_id = stack.trigger("orphaned")
    stack.wait_until(lambda: _done(platform, "createOrInviteUser"), 300, "createOrInviteUser was not sent")
    (task,) = stack.task_instances("orphaned", run_id)
    psutil.Process(task["pid"]).parent().kill()
    assert stack.wait("orphaned", run_id, timeout=300) == "success"
    sent = [entry["user"] for entry in platform.control.journal() if entry["operation"] == "createOrInviteUser"]
    attempts = [mail.partition(".")[0] for mail in sent]
    assert attempts == ["attempt-1"] * attempts.count("attempt-1") + ["attempt-2"] * 4
