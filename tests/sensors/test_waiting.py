"""How sensors wait: deferred or poking, what they tolerate, and how they end."""

from __future__ import annotations

import logging
import time
from datetime import timedelta

import pytest
from airflow.providers.common.compat.sdk import (
    AirflowException,
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
    TaskDeferred,
)

from airflow_provider_360learning.exceptions import ServerError
from airflow_provider_360learning.sandbox.demo_company import GRACE_MAIL
from airflow_provider_360learning.sensors.paths import Learning360PathSessionCompletionSensor
from tests.unlimited_sandbox import CONNECTION, UNLIMITED, after_requests, operations

POKE = "getUsersPathSessionStats"


@pytest.fixture
def sensor(session_id):
    """Make a sensor for the session."""

    def make(**arguments):
        return Learning360PathSessionCompletionSensor(task_id="wait", **{"session_id": session_id, **arguments})

    return make


@pytest.fixture
def poking(sensor):
    """Make a sensor that pokes fast."""

    def make(**arguments):
        return sensor(**{"deferrable": False, "mode": "poke", "poke_interval": 0.02, "timeout": 20, **arguments})

    return make


def deferred(task):
    with pytest.raises(TaskDeferred) as raised:
        task.execute({})
    return raised.value


# Deferred


def test_a_sensor_defers_unless_told_otherwise_and_reschedules_unless_told_otherwise(sensor):
    assert sensor().deferrable is True
    assert sensor().mode == "reschedule"


def test_what_is_complete_at_the_first_look_needs_no_triggerer(sandbox, sensor, enroll):
    enroll(GRACE_MAIL)
    sandbox.control.advance(3600)
    assert sensor().execute({})["done"] == 1
    assert operations(sandbox) == [POKE]


def test_the_trigger_looks_after_one_interval_and_until_an_absolute_deadline(sensor):
    before = time.time()
    deferral = deferred(sensor(poke_interval=30, timeout=3600))
    after = time.time()
    kwargs = deferral.trigger.serialize()[1]
    assert before + 30 <= kwargs["first_poke"] <= after + 30
    assert before + 3600 <= kwargs["deadline"] <= after + 3600
    assert kwargs["poke_interval"] == 30
    assert deferral.method_name == "execute_complete"


def test_the_trigger_ends_the_wait_before_airflow_breaks_it_off(sensor):
    assert deferred(sensor(timeout=3600)).timeout > timedelta(seconds=3600)


def test_a_first_look_that_fails_counts_as_a_failure_and_waits_on(sandbox, sensor):
    sandbox.control.add_fault(POKE, kind="status", status=503)
    assert deferred(sensor()).trigger.failures == 1
    assert operations(sandbox) == [POKE]
    assert deferred(sensor()).trigger.failures == 0


def test_a_first_look_that_fails_for_good_fails_the_task(sandbox, sensor):
    with pytest.raises(AirflowFailException, match="session_not_found"):
        sensor(session_id="f" * 24).execute({})


@pytest.mark.parametrize("lenient", [{"soft_fail": True}, {"never_fail": True}])
def test_a_lenient_sensor_skips_where_others_fail(sandbox, sensor, lenient):
    with pytest.raises(AirflowSkipException, match="session_not_found"):
        sensor(session_id="f" * 24, **lenient).execute({})


# The event


def test_a_complete_event_is_the_result_without_its_envelope(sensor):
    event = {"status": "success", "message": "complete", "enrolled": 3, "done": 3, "pending": []}
    assert sensor().execute_complete({}, event) == {"enrolled": 3, "done": 3, "pending": []}
    assert event["status"] == "success", "the event is Airflow's"


@pytest.mark.parametrize(
    ("status", "error"),
    [
        ("timeout", AirflowSensorTimeout),
        ("failed", AirflowFailException),
        ("error", AirflowFailException),
    ],
)
def test_an_event_that_ends_the_wait_fails_the_task_for_good(sensor, status, error):
    event = {"status": status, "message": "because"}
    with pytest.raises(error, match="because"):
        sensor().execute_complete({}, event)
    for lenient in ({"soft_fail": True}, {"never_fail": True}):
        with pytest.raises(AirflowSkipException, match="because"):
            sensor(**lenient).execute_complete({}, event)


def test_a_timeout_says_how_far_it_was(sensor):
    with pytest.raises(AirflowSensorTimeout, match="'done': 2"):
        sensor().execute_complete({}, {"status": "timeout", "message": "too long", "done": 2})


def test_a_wait_that_broke_off_can_be_retried(sensor):
    with pytest.raises(AirflowException, match="because") as raised:
        sensor().execute_complete({}, {"status": "transient_error", "message": "because"})
    assert not isinstance(raised.value, AirflowFailException | AirflowSensorTimeout)


@pytest.mark.parametrize("event", [None, {}, {"status": "complete"}, {"status": None, "done": 1}])
def test_an_event_that_is_not_known_is_not_taken_for_success(sensor, event):
    with pytest.raises(AirflowFailException, match="not taken for success"):
        sensor().execute_complete({}, event)


# Poking


def test_poking_goes_on_until_the_wait_is_over(sandbox, poking, enroll):
    enroll(GRACE_MAIL)
    with after_requests(sandbox, 2, "stats", act=lambda: sandbox.control.advance(3600)):
        assert poking().execute({})["done"] == 1
    assert len(operations(sandbox)) >= 3


def test_five_failures_in_a_row_are_tolerated_while_poking(sandbox, poking, enroll):
    enroll(GRACE_MAIL)
    sandbox.control.advance(3600)
    sandbox.control.add_fault(POKE, kind="status", status=503, count=5)
    assert poking().execute({})["done"] == 1
    assert operations(sandbox) == [POKE] * 6


def test_logs_the_api_usage_of_all_pokes_at_the_end(sandbox, poking, enroll, caplog):
    caplog.set_level(logging.INFO)
    enroll(GRACE_MAIL)
    with after_requests(sandbox, 2, "stats", act=lambda: sandbox.control.advance(3600)):
        poking().execute({})
    (line,) = [line for line in caplog.messages if "360Learning API usage: " in line]
    assert line.startswith(f"360Learning API usage: requests={len(operations(sandbox))} ")


def test_the_sixth_failure_in_a_row_reaches_the_retries_of_airflow(sandbox, poking):
    sandbox.control.add_fault(POKE, kind="status", status=503, count=100)
    task = poking()
    with pytest.raises(ServerError):
        task.execute({})
    assert operations(sandbox) == [POKE] * 6
    with pytest.raises(ServerError):
        task.execute({})
    assert operations(sandbox) == [POKE] * 12, "the next try starts anew"


def test_a_success_in_between_forgets_the_failures(sandbox, poking, enroll):
    enroll(GRACE_MAIL)
    sandbox.control.add_fault(POKE, kind="status", status=503, count=5)
    sandbox.control.add_fault(POKE, kind="status", status=503, after=1, count=5)
    sandbox.control.add_fault(POKE, kind="status", status=404, body={"error": "session_not_found"}, after=2)
    with pytest.raises(AirflowFailException, match="session_not_found"):
        poking().execute({})
    assert [entry["status"] for entry in sandbox.control.journal()] == [503] * 5 + [200] + [503] * 5 + [200, 404]


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "status", "status": 503},
        {"kind": "rate_limited", "retry_after": 1},
        {"kind": "drop_before"},
        {"kind": "garbage"},
    ],
)
def test_a_poke_that_fails_is_not_repeated_before_its_time(sandbox, poking, enroll, fault):
    enroll(GRACE_MAIL)
    sandbox.control.advance(3600)
    sandbox.control.add_fault(POKE, **fault)
    assert poking(poke_interval=0.5).execute({})["done"] == 1
    first, second = [entry["arrived_at"] for entry in sandbox.control.journal()]
    assert second - first >= 0.5


def test_a_wrong_key_fails_at_once(sandbox, poking, monkeypatch):
    wrong = sandbox.connection_json(limits=UNLIMITED).replace(sandbox.api_key, "wrong")
    monkeypatch.setenv(CONNECTION, wrong)
    with pytest.raises(AirflowFailException, match="invalid_client"):
        poking().execute({})
    assert operations(sandbox) == ["generateToken"]


def test_poking_ends_with_the_timeout(poking):
    with pytest.raises(AirflowSensorTimeout):
        poking(timeout=0.1).execute({})
    with pytest.raises(AirflowSkipException):
        poking(timeout=0.1, soft_fail=True).execute({})
