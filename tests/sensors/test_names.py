"""Sensors for a session or a course that is given by its name, which is looked up once."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, AirflowSkipException, TaskDeferred

from airflow_provider_360learning.exceptions import ServerError
from airflow_provider_360learning.sandbox.demo_company import GRACE_MAIL, ONBOARDING_PATH_ID, ROOT_GROUP_ID
from airflow_provider_360learning.sensors.courses import Learning360CourseCompletionSensor
from airflow_provider_360learning.sensors.paths import Learning360PathSessionCompletionSensor
from tests.unlimited_sandbox import after_requests, operations

POLL = "getUsersPathSessionStats"
NAMED = {"session": "Autumn", "path": "Onboarding"}


@pytest.fixture
def sensor(session_id):
    """Return a function that makes a sensor for a session by its name."""

    def make(**arguments):
        return Learning360PathSessionCompletionSensor(task_id="wait", **{"deferrable": True, **NAMED, **arguments})

    return make


def deferred(task):
    with pytest.raises(TaskDeferred) as raised:
        task.execute({})
    return raised.value.trigger


class StateStore(dict):
    """Airflow's task state store, as far as sensors use it."""

    set = dict.__setitem__


def test_the_trigger_gets_the_ids_and_lists_nothing(sandbox, sensor, session_id, enroll):
    enroll(GRACE_MAIL)
    trigger = deferred(sensor(poke_interval=0.02))
    assert trigger.serialize()[1]["arguments"] == {"session_id": session_id, "path_id": ONBOARDING_PATH_ID}
    assert operations(sandbox) == ["getPaths", "getPathSessions", POLL]
    sandbox.control.clear_journal()
    sandbox.control.advance(3600)

    async def wait():
        return [event.payload async for event in trigger.run()]

    (event,) = asyncio.run(wait())
    assert (event["status"], event["result"]["done"]) == ("success", 1)
    assert set(operations(sandbox)) == {POLL}


def test_lists_once_for_all_pokes_of_a_process(sandbox, sensor, enroll):
    enroll(GRACE_MAIL)
    with after_requests(sandbox, 2, "stats", lambda: sandbox.control.advance(3600)):
        assert sensor(deferrable=False, mode="poke", poke_interval=0.02, timeout=60).execute({})["done"] == 1
    assert len(operations(sandbox)) > 4
    assert operations(sandbox)[:2] == ["getPaths", "getPathSessions"]
    assert set(operations(sandbox)[2:]) == {POLL}


def test_lists_once_for_all_pokes_of_an_attempt(sandbox, sensor, enroll):
    """Each poke that reschedules is a process of its own, and Airflow 3.3 keeps a state for them."""
    enroll(GRACE_MAIL)
    context = {"task_state_store": StateStore(), "ti": SimpleNamespace(try_number=1)}

    def poke():
        sandbox.control.clear_journal()
        sensor(deferrable=False, mode="reschedule").poke(context)
        return operations(sandbox)

    assert poke() == ["getPaths", "getPathSessions", POLL]
    assert poke() == [POLL]
    context["ti"] = SimpleNamespace(try_number=2)
    assert poke() == ["getPaths", "getPathSessions", POLL], "a retry looks the names up again"


def test_an_id_needs_no_listing(sandbox, sensor, session_id, enroll):
    enroll(GRACE_MAIL)
    deferred(sensor(session=None, path=None, session_id=session_id))
    assert operations(sandbox) == [POLL]


def test_an_unknown_name_fails_without_retries(sandbox, sensor):
    with pytest.raises(
        AirflowFailException, match=r"session is 'Autumn 2', but no session of this path has this name \(similar"
    ):
        sensor(session="Autumn 2").execute({})
    assert POLL not in operations(sandbox)
    with pytest.raises(AirflowSkipException, match="session is 'Autumn 2'"):
        sensor(session="Autumn 2", soft_fail=True).execute({})


def test_a_name_of_several_sessions_fails_without_retries(sandbox, sensor, api):
    api.create_path_session(path="Onboarding", name="Autumn", session_start="2026-10-01T00:00:00Z", group="Sales")
    with pytest.raises(AirflowFailException, match="which matches 2 sessions"):
        sensor().execute({})


def test_a_transient_failure_of_the_listing_never_reaches_the_trigger(sandbox, sensor, session_id, enroll):
    enroll(GRACE_MAIL)
    sandbox.control.add_fault("getPathSessions", kind="status", status=503)
    trigger = deferred(sensor())
    assert trigger.serialize()[1]["arguments"]["session_id"] == session_id
    assert trigger.failures == 1
    sandbox.control.add_fault("getPathSessions", kind="status", status=503, count=2)
    with pytest.raises(ServerError):  # Airflow retries
        sensor().execute({})


def test_waits_for_a_course_by_its_name(sandbox, api):
    session_id = api.create_path_session(
        path="Onboarding", name="Winter", session_start="2026-10-01T00:00:00Z", group_id=ROOT_GROUP_ID
    )["session_id"]
    api.enroll_users(session_id=session_id, users=[GRACE_MAIL])
    sandbox.control.advance(3600)
    task = Learning360CourseCompletionSensor(task_id="wait", course="Security basics", user=GRACE_MAIL)
    assert task.poke({}).xcom_value["completed"] == 1


def test_renders_names(sensor):
    task = sensor(session="{{ name }}")
    task.render_template_fields({"name": "Autumn"})
    assert task.condition().session == "Autumn"
