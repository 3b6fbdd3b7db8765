"""How sensors wait, deferred or poking: the failures that they tolerate, and how the wait ends."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
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

POLL = "getUsersPathSessionStats"


@pytest.fixture
def sensor(session_id):
    """Return a function that makes a deferrable sensor for the session."""

    def make(**arguments):
        arguments = {"session_id": session_id, "deferrable": True, **arguments}
        return Learning360PathSessionCompletionSensor(task_id="wait", **arguments)

    return make


@pytest.fixture
def poking(sensor):
    """Return a function that makes a sensor with a short interval."""

    def make(**arguments):
        return sensor(**{"deferrable": False, "mode": "poke", "poke_interval": 0.02, "timeout": 60, **arguments})

    return make


def deferred(task):
    with pytest.raises(TaskDeferred) as raised:
        task.execute({})
    return raised.value


# Deferred


def test_reschedules_by_default(session_id):
    sensor = Learning360PathSessionCompletionSensor(task_id="wait", session_id=session_id)
    assert (sensor.deferrable, sensor.mode) == (False, "reschedule")


@pytest.mark.slow
@pytest.mark.parametrize("setting", ["True", "False"])
def test_follows_the_default_of_airflows_configuration(setting):
    code = (
        "from airflow_provider_360learning.sensors.courses import Learning360CourseCompletionSensor as Sensor\n"
        "print(Sensor(task_id='wait', course_id='a' * 24, user='ana@acme.test').deferrable)"
    )
    printed = subprocess.check_output(
        [sys.executable, "-W", "ignore", "-c", code],
        env={**os.environ, "AIRFLOW__OPERATORS__DEFAULT_DEFERRABLE": setting},
        text=True,
    )
    assert printed.splitlines()[-1] == setting


def test_does_not_defer_if_the_first_poll_succeeds(sandbox, sensor, enroll):
    enroll(GRACE_MAIL)
    sandbox.control.advance(3600)
    assert sensor().execute({})["done"] == 1
    assert operations(sandbox) == [POLL]


def test_the_trigger_polls_after_one_interval_until_an_absolute_deadline(sensor):
    before = time.time()
    deferral = deferred(sensor(poke_interval=30, timeout=3600))
    after = time.time()
    kwargs = deferral.trigger.serialize()[1]
    assert before + 30 <= kwargs["first_poke"] <= after + 30
    assert before + 3600 <= kwargs["deadline"] <= after + 3600
    assert kwargs["poke_interval"] == 30
    assert deferral.method_name == "execute_complete"


def test_the_trigger_times_out_before_airflow_does(sensor):
    assert deferred(sensor(timeout=3600)).timeout > timedelta(seconds=3600)


def test_a_transient_failure_of_the_first_poll_is_counted_and_deferred(sandbox, sensor):
    sandbox.control.add_fault(POLL, kind="status", status=503)
    assert deferred(sensor()).trigger.failures == 1
    assert operations(sandbox) == [POLL]
    assert deferred(sensor()).trigger.failures == 0


def test_a_permanent_failure_of_the_first_poll_fails_the_task(sandbox, sensor):
    with pytest.raises(AirflowFailException, match="session_not_found"):
        sensor(session_id="f" * 24).execute({})


@pytest.mark.parametrize("lenient", [{"soft_fail": True}, {"never_fail": True}])
def test_a_lenient_sensor_is_skipped_instead(sandbox, sensor, lenient):
    with pytest.raises(AirflowSkipException, match="session_not_found"):
        sensor(session_id="f" * 24, **lenient).execute({})


# The event


def test_returns_the_result_of_a_success(sensor):
    event = {"status": "success", "message": "met", "result": {"enrolled": 3, "done": 3, "pending": []}}
    assert sensor().execute_complete({}, event) == {"enrolled": 3, "done": 3, "pending": []}


@pytest.mark.parametrize(
    ("status", "error"),
    [
        ("timeout", AirflowSensorTimeout),
        ("failed", AirflowFailException),
        ("error", AirflowFailException),
    ],
)
def test_a_terminal_event_fails_the_task_without_retries(sensor, status, error):
    event = {"status": status, "message": "because", "result": {}}
    with pytest.raises(error, match="because"):
        sensor().execute_complete({}, event)
    for lenient in ({"soft_fail": True}, {"never_fail": True}):
        with pytest.raises(AirflowSkipException, match="because"):
            sensor(**lenient).execute_complete({}, event)


def test_a_transient_error_reaches_the_retries_of_airflow(sensor):
    with pytest.raises(AirflowException, match="because") as raised:
        sensor().execute_complete({}, {"status": "transient_error", "message": "because", "result": {}})
    assert not isinstance(raised.value, AirflowFailException | AirflowSensorTimeout)


@pytest.mark.parametrize("event", [None, {}, {"status": "complete"}, {"status": None, "done": 1}])
def test_an_unknown_event_fails_the_task(sensor, event):
    with pytest.raises(AirflowFailException, match="unknown event"):
        sensor().execute_complete({}, event)


# Without a triggerer


def test_pokes_until_the_condition_is_met(sandbox, poking, enroll):
    enroll(GRACE_MAIL)
    with after_requests(sandbox, 2, "stats", lambda: sandbox.control.advance(3600)):
        assert poking().execute({})["done"] == 1
    assert len(operations(sandbox)) >= 3


def test_tolerates_five_consecutive_failures(sandbox, poking, enroll):
    enroll(GRACE_MAIL)
    sandbox.control.advance(3600)
    sandbox.control.add_fault(POLL, kind="status", status=503, count=5)
    assert poking().execute({})["done"] == 1
    assert operations(sandbox) == [POLL] * 6


def test_logs_the_api_usage_of_all_pokes_at_the_end(sandbox, poking, enroll, caplog):
    caplog.set_level(logging.INFO)
    enroll(GRACE_MAIL)
    with after_requests(sandbox, 2, "stats", lambda: sandbox.control.advance(3600)):
        poking().execute({})
    (line,) = [line for line in caplog.messages if "360Learning API usage: " in line]
    assert line.startswith(f"360Learning API usage: requests={len(operations(sandbox))} ")


def test_the_sixth_consecutive_failure_reaches_the_retries_of_airflow(sandbox, poking):
    sandbox.control.add_fault(POLL, kind="status", status=503, count=100)
    task = poking()
    with pytest.raises(ServerError):
        task.execute({})
    assert operations(sandbox) == [POLL] * 6
    with pytest.raises(ServerError):
        task.execute({})
    assert operations(sandbox) == [POLL] * 12, "a retry starts with 0 failures"


def test_a_success_resets_the_failures(sandbox, poking, enroll):
    enroll(GRACE_MAIL)
    sandbox.control.add_fault(POLL, kind="status", status=503, count=5)
    sandbox.control.add_fault(POLL, kind="status", status=503, after=1, count=5)
    sandbox.control.add_fault(POLL, kind="status", status=404, body={"error": "session_not_found"}, after=2)
    with pytest.raises(AirflowFailException, match="session_not_found"):
        poking().execute({})
    assert [entry["status"] for entry in sandbox.control.journal()] == [503] * 5 + [200] + [503] * 5 + [200, 404]


@pytest.mark.slow
@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "status", "status": 503},
        {"kind": "rate_limited", "retry_after": 1},
        {"kind": "drop_before"},
        {"kind": "garbage"},
    ],
)
def test_a_failed_poll_is_not_retried_within_a_poke(sandbox, poking, enroll, fault, caplog):
    enroll(GRACE_MAIL)
    sandbox.control.advance(3600)
    sandbox.control.add_fault(POLL, **fault)
    assert poking().execute({})["done"] == 1
    assert operations(sandbox) == [POLL] * 2
    assert caplog.text.count("Poll failed") == 1


def test_a_wrong_api_key_fails_without_retries(sandbox, poking, monkeypatch):
    wrong = sandbox.connection_json(limits=UNLIMITED).replace(sandbox.api_key, "wrong")
    monkeypatch.setenv(CONNECTION, wrong)
    with pytest.raises(AirflowFailException, match="invalid_client"):
        poking().execute({})
    assert operations(sandbox) == ["generateToken"]


def test_times_out(poking):
    with pytest.raises(AirflowSensorTimeout):
        poking(timeout=0.1).execute({})
    with pytest.raises(AirflowSkipException):
        poking(timeout=0.1, soft_fail=True).execute({})


# Progress


def test_a_poking_sensor_logs_its_progress_only_when_it_changes(sandbox, poking, enroll, caplog):
    caplog.set_level(logging.INFO)
    with after_requests(sandbox, 3, "/stats", lambda: enroll(GRACE_MAIL), lambda: sandbox.control.advance(3600)):
        poking().execute({})
    log = caplog.text
    assert log.count("0 of 0 completed (at least 1 must be enrolled)") == 1
    assert log.count(f"0 of 1 completed; waiting for {GRACE_MAIL}") == 1
    assert log.count("1 of 1 completed") == 1


@pytest.mark.slow
@pytest.mark.parametrize("soft_fail", [False, True])
def test_a_poking_sensor_logs_its_progress_at_its_timeout(poking, enroll, caplog, soft_fail):
    enroll(GRACE_MAIL)
    with pytest.raises((AirflowSensorTimeout, AirflowSkipException)):
        poking(timeout=2, soft_fail=soft_fail).execute({})
    assert f"The sensor timed out: 0 of 1 completed; waiting for {GRACE_MAIL}" in caplog.text


def test_a_failure_is_no_timeout(poking, caplog):
    with pytest.raises(AirflowSkipException):
        poking(users=[GRACE_MAIL], if_not_enrolled="fail", soft_fail=True).execute({})
    assert "timed out" not in caplog.text


def test_the_trigger_knows_the_progress_that_the_sensor_has_logged(sensor, enroll, caplog):
    caplog.set_level(logging.INFO)
    enroll(GRACE_MAIL)
    logged = f"0 of 1 completed; waiting for {GRACE_MAIL}"
    assert deferred(sensor()).trigger.serialize()[1]["progress"] == logged
    assert caplog.text.count(f"{logged}") == 1


@pytest.mark.slow
def test_a_deferred_sensor_logs_the_progress_of_its_success(sensor, caplog):
    caplog.set_level(logging.INFO)
    event = {"status": "success", "message": "3 of 3 completed", "result": {"done": 3}}
    sensor().execute_complete({}, event)
    assert "3 of 3 completed" in caplog.text
