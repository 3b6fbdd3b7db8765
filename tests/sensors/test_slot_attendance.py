"""The wait for the attendance of a slot of a classroom."""

from __future__ import annotations

import json

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, TaskDeferred

from airflow_provider_360learning.api.v2.spec import API_V2
from airflow_provider_360learning.completion import make_condition
from airflow_provider_360learning.exceptions import InvalidRequestError
from airflow_provider_360learning.sandbox.demo_company import (
    ADMIN_ID,
    ADMIN_MAIL,
    FIRST_DAY_CLASSROOM_ID,
    GRACE_ID,
    GRACE_MAIL,
)
from airflow_provider_360learning.sensors.classrooms import Learning360SlotAttendanceSensor
from tests.rows.support import put_results
from tests.sensors.test_trigger import event_of
from tests.sensors.virtual_time import VirtualTimeTrigger
from tests.unlimited_sandbox import CONNECTION, operations

SLOT = {
    "classroom_id": FIRST_DAY_CLASSROOM_ID,
    "name": "Morning",
    "slot_start": "2026-10-04T09:00:00Z",
    "slot_end": "2026-10-04T12:00:00Z",
    "location": "Room 1",
    "duration_hours": 3,
}


@pytest.fixture(autouse=True)
def connection(sandbox, monkeypatch):
    """Use API v2, without reaching its rate limits."""
    limits = dict.fromkeys(API_V2.limits, 1000)
    monkeypatch.setenv(CONNECTION, sandbox.connection_json(api_version="v2", limits=limits))


@pytest.fixture
def slot_id(api, session_id):
    """Return a slot for which Grace is registered; the administrator is enrolled, too."""
    api.enroll_users(session_id=session_id, users=[GRACE_ID, ADMIN_ID])
    slot_id = api.create_classroom_slot(**SLOT, session_id=session_id)["slot_id"]
    api.register_users(slot_id=slot_id, users=[GRACE_ID])
    return slot_id


@pytest.fixture
def poll(slot_id):
    """Return a function that polls once, and returns the result, or ``None`` if the sensor waits."""

    def poll(**arguments):
        arguments = {"slot_id": slot_id, "deferrable": True, **arguments}
        try:
            return Learning360SlotAttendanceSensor(task_id="wait", **arguments).execute({})
        except TaskDeferred:
            return None

    return poll


def test_waits_until_the_attendance_of_all_registered_users_is_recorded(api, poll, slot_id):
    api.register_users(slot_id=slot_id, users=[ADMIN_ID])
    api.set_attendance(slot_id=slot_id, users=[GRACE_ID])
    assert poll() is None
    assert poll(required="any") == {"registered": 2, "recorded": 1, "present": 1, "needed": 1, "pending": [ADMIN_ID]}
    api.set_attendance(slot_id=slot_id, users=[ADMIN_ID], attended=False)
    assert poll() == {"registered": 2, "recorded": 2, "present": 1, "needed": 2, "pending": []}


def test_waits_for_users_who_are_not_registered_yet(api, poll, slot_id):
    api.set_attendance(slot_id=slot_id, users=[GRACE_ID])
    users = [GRACE_MAIL, ADMIN_MAIL]
    assert poll(users=[GRACE_MAIL])["recorded"] == 1
    assert poll(users=users) is None
    api.register_users(slot_id=slot_id, users=[ADMIN_ID])
    assert poll(users=users) is None
    api.set_attendance(slot_id=slot_id, users=[ADMIN_ID])
    assert poll(users=[*users, GRACE_ID])["needed"] == 2


def test_a_slot_without_users_is_never_complete(api, poll, slot_id, session_id):
    api.unenroll_users(session_id=session_id, users=[GRACE_ID])
    assert poll() is None
    assert poll(required="any") is None


def test_waits_for_a_minimum_of_registrations(api, poll, slot_id):
    api.set_attendance(slot_id=slot_id, users=[GRACE_ID])
    assert poll(min_registered=2) is None
    assert poll(min_registered="1")["recorded"] == 1


def test_deleted_users_do_not_count(api, poll, slot_id):
    api.register_users(slot_id=slot_id, users=[ADMIN_ID])
    api.set_attendance(slot_id=slot_id, users=[ADMIN_ID])
    api.delete_user(user=GRACE_ID)
    assert poll()["registered"] == 1
    with pytest.raises(AirflowFailException, match="None of the users exists any more"):
        poll(users=[GRACE_ID])


def test_logs_how_far_the_wait_is(api, poll, slot_id, caplog):
    poll(users=[GRACE_MAIL, ADMIN_MAIL])
    line = f"Attendance of 0 of 2 recorded (1 not registered yet); waiting for {GRACE_MAIL} and {ADMIN_MAIL}"
    assert line in caplog.text
    poll(required=1, min_registered=3)
    line = f"Attendance of 0 of 1 recorded (at least 3 must be registered); waiting for {GRACE_ID}"
    assert line in caplog.text


def test_waits_for_the_users_of_a_bulk_task(api, poll, slot_id, tmp_path):
    users = put_results(tmp_path, [(GRACE_MAIL, "already_exists"), ("linus@acme.test", "invited")])
    assert poll(users_from=users) is None
    api.set_attendance(slot_id=slot_id, users=[GRACE_ID])
    assert poll(users_from=users)["pending_invitations"] == 1


def test_a_deferred_wait_ends_when_the_attendance_is_recorded(api, slot_id):
    sensor = Learning360SlotAttendanceSensor(task_id="wait", slot_id=slot_id, deferrable=True)
    with pytest.raises(TaskDeferred) as deferred:
        sensor.execute({})
    _, arguments = deferred.value.trigger.serialize()
    api.set_attendance(slot_id=slot_id, users=[GRACE_ID])
    event = event_of(VirtualTimeTrigger(**json.loads(json.dumps(arguments))))
    assert (event["status"], event["message"]) == ("success", "Attendance of 1 of 1 recorded")
    assert sensor.execute_complete({}, event)["present"] == 1


def test_waits_without_a_triggerer(api, poll, slot_id):
    api.set_attendance(slot_id=slot_id, users=[GRACE_ID])
    assert poll(deferrable=False, mode="poke")["recorded"] == 1


def test_a_poll_is_one_request(sandbox, api, slot_id):
    condition = make_condition("slot_attendance", {"slot_id": slot_id})
    api.client.run(condition.poll(api))
    sandbox.control.clear_journal()
    assert not api.client.run(condition.poll(api)).is_complete
    assert operations(sandbox) == ["getSlotRegistrations"]


def test_an_unknown_slot_fails_the_task(poll):
    with pytest.raises(AirflowFailException, match="classroomSlotNotFound"):
        poll(slot_id="f" * 24)


def test_fails_with_api_v1_before_anything_is_sent(sandbox, poll, monkeypatch):
    monkeypatch.setenv(CONNECTION, sandbox.connection_json())
    sandbox.control.clear_journal()
    with pytest.raises(AirflowFailException, match="list_registrations is not available: only API v2 has it"):
        poll()
    assert operations(sandbox) == []


def test_more_users_than_given_cannot_be_required():
    with pytest.raises(InvalidRequestError, match="required is 2, but users contains only 1"):
        make_condition("slot_attendance", {"slot_id": "a" * 24, "users": [GRACE_MAIL], "required": 2})
    with pytest.raises(InvalidRequestError, match="users is empty; leave it out to wait for all users"):
        make_condition("slot_attendance", {"slot_id": "a" * 24, "users": []})
