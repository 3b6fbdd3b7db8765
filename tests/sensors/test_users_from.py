"""Waits for the users of bulk tasks: a few in the arguments of the trigger, more by the path of the results."""

from __future__ import annotations

import asyncio
import gc
import json
import threading
from urllib.parse import unquote

import pytest
from airflow.providers.common.compat.sdk import (
    DAG,
    AirflowException,
    AirflowFailException,
    AirflowSkipException,
    TaskDeferred,
)

from airflow_provider_360learning.completion.course import MAX_POLLED
from airflow_provider_360learning.completion.users import MAX_USERS_IN_TRIGGER
from airflow_provider_360learning.files.storage import storage_path
from airflow_provider_360learning.operators.users import Learning360CreateUserOperator, Learning360DeleteUserOperator
from airflow_provider_360learning.sandbox.demo_company import GRACE_ID, GRACE_MAIL, WELCOME_COURSE_ID
from airflow_provider_360learning.sensors.classrooms import Learning360SlotAttendanceSensor
from airflow_provider_360learning.sensors.courses import Learning360CourseCompletionSensor
from airflow_provider_360learning.sensors.paths import Learning360PathSessionCompletionSensor
from airflow_provider_360learning.triggers import completion
from tests.rows.support import put_results
from tests.sensors.test_trigger import all_events_of, event_of
from tests.sensors.virtual_time import VirtualTimeTrigger, run
from tests.unlimited_sandbox import operations

ANA, BEN = "ana@acme.test", "ben@acme.test"
MANY = MAX_USERS_IN_TRIGGER + 1


@pytest.fixture
def two_users(sandbox):
    """Create Ana and Ben."""
    for mail in (ANA, BEN):
        Learning360CreateUserOperator(task_id="create", mail=mail, mode="create_active").execute({})
    sandbox.control.clear_journal()


def wait_for_path(session_id, users_from, **arguments):
    arguments = {"session_id": session_id, "users_from": users_from, "deferrable": True, **arguments}
    return Learning360PathSessionCompletionSensor(task_id="wait", **arguments).execute({})


def wait_for_course(users_from, **arguments):
    arguments = {"course_id": WELCOME_COURSE_ID, "users_from": users_from, "deferrable": True, **arguments}
    return Learning360CourseCompletionSensor(task_id="wait", **arguments).execute({})


def deferral(wait, *positional, **arguments):
    with pytest.raises(TaskDeferred) as raised:
        wait(*positional, **arguments)
    return raised.value


def put_many(folder):
    """Write the results of a bulk task with more users than a trigger carries; only Grace exists."""
    rows = [(f"person{number}@acme.test", "created") for number in range(MANY - 1)]
    return put_results(folder, [(GRACE_MAIL, "already_exists"), *rows])


def in_virtual_time(deferred):
    """Return the trigger of a deferral on the clock of a virtual loop, after a round trip through JSON."""
    _, kwargs = deferred.trigger.serialize()
    return VirtualTimeTrigger(**json.loads(json.dumps(kwargs)))


# A path session


def test_waits_for_the_users_of_a_bulk_task(sandbox, session_id, enroll, two_users, tmp_path):
    users = put_results(tmp_path, [(ANA, "created"), (BEN, "refused"), ("linus@acme.test", "invited")])
    enroll(ANA, BEN)
    deferral(wait_for_path, session_id, users)
    sandbox.control.advance(3600)
    assert wait_for_path(session_id, users) == {
        "enrolled": 1,
        "done": 1,
        "needed": 1,
        "unsuccessful": 0,
        "pending": [],
        "pending_invitations": 1,
    }


def test_waits_for_invited_people_on_request(sandbox, session_id, enroll, two_users, tmp_path):
    users = put_results(tmp_path, [(ANA, "created"), ("linus@acme.test", "invited")])
    enroll(ANA)
    sandbox.control.advance(3600)
    assert wait_for_path(session_id, users)["done"] == 1
    deferral(wait_for_path, session_id, users, include_invited=True)


def test_a_deferred_wait_ends_with_the_number_of_pending_invitations(session_id, tmp_path):
    deferred = deferral(
        wait_for_path, session_id, put_results(tmp_path, [(ANA, "created"), (BEN, "invited")]), timeout=90
    )
    event = event_of(in_virtual_time(deferred))
    assert event["result"]["pending_invitations"] == 1


@pytest.mark.parametrize("wait", [wait_for_path, wait_for_course])
def test_is_skipped_without_users(sandbox, session_id, tmp_path, wait):
    users = put_results(tmp_path, [(ANA, "invited"), (BEN, "already_invited")])
    arguments = [session_id] if wait is wait_for_path else []
    for deferrable in (True, False):
        with pytest.raises(AirflowSkipException, match="No user to work on: 2 invitations not accepted yet"):
            wait(*arguments, users, deferrable=deferrable, mode="poke")
    assert operations(sandbox) == []


def test_refuses_results_that_are_missing(sandbox, session_id, tmp_path):
    users = put_results(tmp_path, [(ANA, "created")])
    (storage_path(tmp_path) / "results.jsonl").unlink()
    with pytest.raises(AirflowFailException, match=r"results\.jsonl is missing"):
        wait_for_path(session_id, users)
    assert operations(sandbox) == []


@pytest.mark.parametrize("is_mapped", [False, True])
@pytest.mark.parametrize(
    ("sensor", "of"),
    [
        (Learning360PathSessionCompletionSensor, "session_id"),
        (Learning360CourseCompletionSensor, "course_id"),
        (Learning360SlotAttendanceSensor, "slot_id"),
    ],
)
def test_refuses_the_result_of_a_task_that_was_skipped(sandbox, session_id, enroll, sensor, of, is_mapped):
    """The learners of the session, who have completed it, must not take the place of the users."""
    enroll(GRACE_MAIL)
    sandbox.control.advance(3600)
    sandbox.control.clear_journal()
    arguments = {"task_id": "wait", "mode": "poke", of: WELCOME_COURSE_ID if of == "course_id" else session_id}
    if is_mapped:
        with DAG("waits", schedule=None):
            mapped = sensor.partial(**arguments).expand(users_from=[None])
        task = mapped.unmap({**arguments, "users_from": None})
    else:
        task = sensor(**arguments, users_from=[])
        task.users_from = None  # as templates render it
    with pytest.raises(AirflowFailException, match=r"users_from is None.* A task that was skipped returns nothing"):
        task.execute({})
    assert operations(sandbox) == []


@pytest.mark.parametrize(
    ("sensor", "arguments"),
    [
        (Learning360PathSessionCompletionSensor, {"session_id": "a" * 24, "users": [ANA], "users_from": {}}),
        (Learning360CourseCompletionSensor, {"course_id": "a" * 24, "user": ANA, "users_from": {}}),
        (Learning360CourseCompletionSensor, {"course_id": "a" * 24}),
        (Learning360SlotAttendanceSensor, {"slot_id": "a" * 24, "users": [ANA], "users_from": {}}),
    ],
)
def test_users_from_takes_the_place_of_a_list(sensor, arguments):
    with pytest.raises(AirflowException, match=r"give either users? or users_from"):
        sensor(task_id="wait", **arguments)


# In a trigger


def test_a_trigger_carries_up_to_1000_users(session_id, tmp_path):
    users = put_results(tmp_path, [(f"person{number}@acme.test", "created") for number in range(1000)])
    arguments = deferral(wait_for_path, session_id, users).trigger.arguments
    assert len(arguments["users"]) == 1000
    assert "users_from" not in arguments


@pytest.mark.parametrize("rows", [MANY, 300], ids=["many", "long"])
def test_a_trigger_carries_the_path_of_more_users(session_id, object_store, rows):
    name = "person" if rows == MANY else "p" * 150
    users = put_results("memory://bucket/users", [(f"{name}{each}@acme.test", "created") for each in range(rows)])
    _, kwargs = deferral(wait_for_path, session_id, users).trigger.serialize()
    assert kwargs["arguments"] == {
        "session_id": session_id,
        "users_from": [{"results_path": users["results_path"], "run": users["run"]}],
        "include_invited": False,
    }


def test_a_trigger_waits_for_users_that_it_reads(sandbox, session_id, enroll, object_store):
    enroll(GRACE_MAIL)
    deferred = deferral(wait_for_path, session_id, put_many("memory://bucket/users"), required=1)
    sandbox.control.advance(3600)
    event = event_of(in_virtual_time(deferred))
    assert event["status"] == "success"
    assert (event["result"]["enrolled"], event["result"]["done"]) == (1, 1)


def test_triggers_read_the_same_users_once_and_never_on_the_event_loop(
    session_id,
    object_store,
    monkeypatch,
):
    deferred = deferral(wait_for_path, session_id, put_many("memory://bucket/users"), timeout=1)
    opened, plain_open = [], object_store._open

    def open_and_record(path, mode="rb", **options):
        if path.endswith("results.jsonl"):
            opened.append(threading.current_thread())
        return plain_open(path, mode, **options)

    monkeypatch.setattr(object_store, "_open", open_and_record)

    async def wait():
        return threading.current_thread(), await all_events_of(in_virtual_time(deferred) for _ in range(5))

    loop_thread, events = run(wait())
    assert [event["status"] for event in events] == ["timeout"] * 5
    assert len(opened) == 1
    assert opened[0] is not loop_thread


def test_the_users_are_released_with_the_last_trigger(session_id, object_store):
    deferred = deferral(wait_for_path, session_id, put_many("memory://bucket/users"), timeout=1)

    async def wait():
        trigger = in_virtual_time(deferred)
        (event,) = [event.payload async for event in trigger.run()]
        loaded = completion._shared[asyncio.get_running_loop()].users
        before = len(loaded)
        del trigger
        gc.collect()
        return event["status"], before, len(loaded)

    assert run(wait()) == ("timeout", 1, 0)


def test_a_trigger_reports_results_that_were_replaced(session_id, object_store):
    deferred = deferral(wait_for_path, session_id, put_many("memory://bucket/users"))
    put_results("memory://bucket/users", [(ANA, "created")], run="99999999")
    event = event_of(in_virtual_time(deferred))
    assert event["status"] == "error"
    assert "has the results of another run" in event["message"]


@pytest.mark.parametrize("executor", ["CeleryExecutor", "LocalExecutor,KubernetesExecutor"])
def test_a_local_path_is_an_error_if_the_triggerer_may_be_on_another_host(session_id, tmp_path, monkeypatch, executor):
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", executor)
    users = put_many(tmp_path)
    with pytest.raises(AirflowFailException, match=r"may not see: \[core\] executor .*deferrable=False") as raised:
        wait_for_path(session_id, users)
    assert f"users_from has {MANY:,} users" in str(raised.value)
    with pytest.raises(AirflowSkipException):
        wait_for_path(session_id, users, soft_fail=True)
    few = put_results(tmp_path / "few", [(ANA, "created")])
    assert deferral(wait_for_path, session_id, few).trigger.arguments["users"] == [ANA]


def test_a_local_path_is_an_error_in_kubernetes(session_id, tmp_path, monkeypatch):
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    with pytest.raises(AirflowFailException, match="this process runs in Kubernetes"):
        wait_for_path(session_id, put_many(tmp_path))


def test_a_local_path_is_carried_if_all_components_share_a_host(session_id, tmp_path, monkeypatch):
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", "LocalExecutor")
    arguments = deferral(wait_for_path, session_id, put_many(tmp_path)).trigger.arguments
    assert arguments["users_from"][0]["results_path"].endswith(f"{tmp_path}/results.jsonl")


def test_a_longer_list_of_users_cannot_be_deferred(session_id):
    sensor = Learning360PathSessionCompletionSensor(
        task_id="wait",
        session_id=session_id,
        users=[f"person{number}@acme.test" for number in range(MANY)],
        deferrable=True,
    )
    with pytest.raises(AirflowFailException, match="users contains 1,001 users, and a trigger carries at most 1,000"):
        sensor.execute({})


def test_paths_that_are_too_long_for_a_trigger_are_an_error(session_id, tmp_path, monkeypatch):
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", "LocalExecutor")
    folder = tmp_path / ("x" * 200) / ("y" * 200) / ("z" * 200)
    results = [
        put_results(folder / str(number), [(f"a{number}-{each}@acme.test", "created") for each in range(17)])
        for number in range(60)
    ]
    with pytest.raises(AirflowFailException, match="the paths of 60 results, which are too long"):
        wait_for_path(session_id, results)


# A course


def test_waits_until_all_users_have_completed_a_course(sandbox, enroll, two_users, tmp_path):
    users = put_results(tmp_path, [(ANA, "created"), (GRACE_ID, "updated"), ("linus@acme.test", "invited")])
    enroll(ANA)
    sandbox.control.advance(3600)
    enroll(GRACE_MAIL)
    deferred = deferral(wait_for_course, users)
    sandbox.control.advance(3600)
    sandbox.control.clear_journal()
    assert wait_for_course(users) == {"users": 2, "done": 2, "pending": [], "pending_invitations": 1}
    assert event_of(in_virtual_time(deferred))["result"] == wait_for_course(users)


def test_does_not_poll_users_again_who_have_completed_the_course(sandbox, enroll, two_users, tmp_path):
    enroll(ANA)
    sandbox.control.advance(3600)
    deferred = deferral(
        wait_for_course, put_results(tmp_path, [(ANA, "created"), (BEN, "created")]), poke_interval=60, timeout=170
    )
    sandbox.control.clear_journal()
    event = event_of(in_virtual_time(deferred))
    assert (event["status"], event["result"]) == (
        "timeout",
        {"users": 2, "done": 1, "pending": [BEN], "pending_invitations": 0},
    )
    polled = [unquote(entry["path"]).rpartition("/")[2] for entry in sandbox.control.journal()]
    assert polled == [ANA, BEN, BEN]


def test_a_poll_of_a_course_ends_after_100_users_who_have_not_completed_it(sandbox, api, tmp_path):
    mails = [f"person{number}@acme.test" for number in range(101)]
    for mail in mails:
        api.create_user(mail=mail, mode="create_active")
    sandbox.control.clear_journal()
    deferral(wait_for_course, put_results(tmp_path, [(mail, "created") for mail in mails]))
    assert len(operations(sandbox)) == 100


@pytest.mark.slow
def test_a_poll_of_a_course_ends_after_600_users_and_the_next_one_continues(sandbox, enroll, tmp_path, caplog):
    enroll(GRACE_MAIL)
    sandbox.control.advance(3600)
    mails = [GRACE_MAIL, *(f"person{number}@acme.test" for number in range(MAX_POLLED))]
    users = put_results(tmp_path, [(mail, "created") for mail in mails])
    sensor = Learning360CourseCompletionSensor(
        task_id="wait", course_id=WELCOME_COURSE_ID, users_from=users, mode="poke"
    )
    assert not sensor.poke({}).is_done
    assert len(operations(sandbox)) == MAX_POLLED
    assert "1 of 2 have completed the course; 1 not polled yet" in caplog.text
    sandbox.control.clear_journal()
    assert sensor.poke({}).xcom_value["users"] == 1
    assert len(operations(sandbox)) == 1


def test_a_course_sensor_that_would_start_over_at_each_poll_is_refused(tmp_path):
    users = put_results(tmp_path, [(ANA, "created")])
    arguments = {"course_id": WELCOME_COURSE_ID, "users_from": users}
    with pytest.raises(AirflowException, match=r"users_from needs deferrable=True, or mode='poke'"):
        Learning360CourseCompletionSensor(task_id="wait", **arguments)
    for allowed in ({"deferrable": True}, {"mode": "poke"}):
        Learning360CourseCompletionSensor(task_id="wait", **arguments, **allowed)


def test_deleted_users_of_a_course_do_not_count(sandbox, enroll, two_users, tmp_path):
    enroll(ANA)
    sandbox.control.advance(3600)
    Learning360DeleteUserOperator(task_id="delete", user=BEN).execute({})
    users = put_results(tmp_path, [(ANA, "created"), (BEN, "created")])
    assert wait_for_course(users)["users"] == 1
    with pytest.raises(AirflowFailException, match="None of the users exists any more"):
        wait_for_course(put_results(tmp_path / "gone", [(BEN, "created")]))


# Names


def test_waits_for_a_path_session_and_a_course_by_name(sandbox, session_id, enroll, two_users, object_store):
    enroll(GRACE_MAIL)
    many = put_many("memory://bucket/users")
    by_name = {"session": "Autumn", "path": "Onboarding", "required": 1}
    deferred = deferral(wait_for_path, None, many, **by_name)
    assert deferred.trigger.arguments["session_id"] == session_id
    assert deferred.trigger.arguments["users_from"][0]["run"] == many["run"]
    sandbox.control.advance(3600)
    assert event_of(in_virtual_time(deferred))["status"] == "success"
    few = put_results("memory://bucket/few", [(GRACE_MAIL, "already_exists")])
    assert wait_for_course(few, course_id=None, course="Welcome to Acme")["done"] == 1
