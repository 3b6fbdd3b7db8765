"""Sensors for active users, memberships, published courses and numbers of learners: the same in both versions."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from typing import get_type_hints

import pytest
from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException, TaskDeferred

from airflow_provider_360learning.api.versions import VERSIONS
from airflow_provider_360learning.completion import make_condition
from airflow_provider_360learning.completion.course_publication import CoursePublicationResult
from airflow_provider_360learning.completion.group_membership import GroupMembershipResult
from airflow_provider_360learning.completion.path_session_statuses import PathSessionStatusResult
from airflow_provider_360learning.completion.user_activation import UserActivationResult
from airflow_provider_360learning.sandbox.demo_company import (
    ADMIN_ID,
    ADMIN_MAIL,
    DRAFT_COURSE_ID,
    GRACE_ID,
    GRACE_MAIL,
    LINUS_MAIL,
    ROOT_GROUP_ID,
    SALES_GROUP_ID,
    SECURITY_COURSE_ID,
    WELCOME_COURSE_ID,
)
from airflow_provider_360learning.sensors.courses import Learning360CoursePublishedSensor
from airflow_provider_360learning.sensors.groups import Learning360GroupMembershipSensor
from airflow_provider_360learning.sensors.paths import Learning360PathSessionStatusSensor
from airflow_provider_360learning.sensors.users import Learning360UserActiveSensor
from tests.api.factory import api_factory
from tests.rows.support import put_results
from tests.unlimited_sandbox import CONNECTION, operations

ANA, BEN = "ana@acme.test", "ben@acme.test"
LONG_AGO, IN_THE_FUTURE = "2020-01-01T00:00:00Z", "2090-01-01T00:00:00Z"
MISSING_ID = "0" * 24
SENSORS = {
    Learning360UserActiveSensor: UserActivationResult,
    Learning360GroupMembershipSensor: GroupMembershipResult,
    Learning360CoursePublishedSensor: CoursePublicationResult,
    Learning360PathSessionStatusSensor: PathSessionStatusResult,
}


@pytest.fixture(params=list(VERSIONS), autouse=True)
def version(request, sandbox, monkeypatch):
    """Return the API version of the connection, whose rate limits are never reached."""
    limits = dict.fromkeys(VERSIONS[request.param].spec.limits, 1000)
    monkeypatch.setenv(CONNECTION, sandbox.connection_json(api_version=request.param, limits=limits))
    return request.param


def poll(sensor, **arguments):
    """Poll once; return the result, or ``None`` if the sensor waits."""
    try:
        return sensor(task_id="wait", deferrable=True, **arguments).execute({})
    except TaskDeferred:
        return None


# Active users


def test_waits_until_an_invitation_is_accepted(sandbox):
    assert poll(Learning360UserActiveSensor, users=[LINUS_MAIL]) is None
    sandbox.control.accept_invitation(LINUS_MAIL)
    done = poll(Learning360UserActiveSensor, users=[LINUS_MAIL, GRACE_ID])
    assert done == {"users": 2, "done": 2, "pending": []}
    assert poll(Learning360UserActiveSensor, users=f"{LINUS_MAIL};{GRACE_MAIL}")["users"] == 2


def test_waits_for_users_who_do_not_exist_and_for_deleted_ones(sandbox, api):
    assert poll(Learning360UserActiveSensor, users=[GRACE_MAIL, ANA]) is None
    assert poll(Learning360UserActiveSensor, users=[MISSING_ID]) is None
    api.delete_user(user=GRACE_MAIL)
    assert poll(Learning360UserActiveSensor, users=[GRACE_MAIL]) is None
    assert poll(Learning360UserActiveSensor, users=[GRACE_ID]) is None


def test_does_not_poll_active_users_again(sandbox, api):
    users = [f"person{number}@acme.test" for number in range(150)]
    sandbox.control.add_users(users[:120])
    condition = make_condition("user_activation", {"users": users})

    def polled():
        sandbox.control.clear_journal()
        status = api.client.run(condition.poll(api))
        return status, len([each for each in operations(sandbox) if each in ("getUser", "getUsers")])

    status, requests = polled()
    assert (status.is_complete, status.result["done"], status.result["pending"]) == (False, 120, users[120:140])
    assert status.progress.startswith("120 of 150 active; waiting for person120@acme.test, ")
    assert status.progress.endswith("and 26 more")
    sandbox.control.add_users(users[120:])
    status, again = polled()
    assert (status.is_complete, status.progress) == (True, "150 of 150 active")
    assert again < requests


def test_a_poll_ends_after_100_users_some_of_whom_are_not_active(sandbox, api):
    users = [f"person{number}@acme.test" for number in range(250)]
    sandbox.control.add_users(users[1:])
    condition = make_condition("user_activation", {"users": users})
    assert api.client.run(condition.poll(api)).result == {"users": 250, "done": 99, "pending": users[:1]}
    sandbox.control.add_users(users[:1])
    assert api.client.run(condition.poll(api)).is_complete


@pytest.mark.parametrize("version", ["v2"], indirect=True)  # API v1 is asked with the given letters
def test_an_id_that_is_given_twice_in_different_letters_is_one_user(sandbox):
    assert poll(Learning360UserActiveSensor, users=[GRACE_ID, GRACE_ID.upper(), GRACE_MAIL])["done"] == 3


def test_waits_for_the_invited_users_of_a_bulk_task(sandbox, tmp_path):
    accounts = put_results(tmp_path, [(LINUS_MAIL, "invited"), (GRACE_MAIL, "created"), (BEN, "failed")])
    assert poll(Learning360UserActiveSensor, users_from=accounts) is None
    sandbox.control.accept_invitation(LINUS_MAIL)
    done = poll(Learning360UserActiveSensor, users_from=accounts)
    assert done == {"users": 2, "done": 2, "pending": [], "pending_invitations": 1}


@pytest.mark.parametrize("arguments", [{}, {"users": [ANA], "users_from": {}}])
def test_takes_either_users_or_the_result_of_a_bulk_task(arguments):
    with pytest.raises(AirflowException, match="give either users or users_from"):
        Learning360UserActiveSensor(task_id="wait", **arguments)


# Memberships


def test_waits_until_a_user_is_a_member(sandbox, api):
    member = {"group": "Acme/Sales", "user": GRACE_MAIL}
    assert poll(Learning360GroupMembershipSensor, **member) is None
    api.add_user_to_group(group_id=SALES_GROUP_ID, user=GRACE_MAIL, role="learner")
    done = poll(Learning360GroupMembershipSensor, **member)
    assert done == {"group_id": SALES_GROUP_ID, "user": GRACE_MAIL, "roles": ["learner"]}
    assert poll(Learning360GroupMembershipSensor, group_id=SALES_GROUP_ID.upper(), user=GRACE_ID) is not None


def test_waits_for_a_role(sandbox, api):
    coach = {"group_id": ROOT_GROUP_ID, "user": GRACE_MAIL, "role": "coach"}
    assert poll(Learning360GroupMembershipSensor, **coach) is None
    api.add_user_to_group(**coach)
    assert sorted(poll(Learning360GroupMembershipSensor, **coach)["roles"]) == ["coach", "learner"]


def test_waits_for_a_user_who_does_not_exist_yet(sandbox, api):
    member = {"group_id": ROOT_GROUP_ID, "user": ANA}
    assert poll(Learning360GroupMembershipSensor, **member) is None
    api.create_user(mail=ANA, mode="create_active")
    assert poll(Learning360GroupMembershipSensor, **member)["roles"] == ["learner"]


@pytest.mark.parametrize(
    ("arguments", "progress"),
    [
        ({"user": ANA}, f"{ANA} does not exist, or has not accepted the invitation"),
        ({"user": GRACE_MAIL}, f"{GRACE_MAIL} is not a member of the group {SALES_GROUP_ID}"),
        (
            {"user": GRACE_MAIL, "group_id": ROOT_GROUP_ID, "role": "admin"},
            f"{GRACE_MAIL} is learner, but not admin in the group {ROOT_GROUP_ID}",
        ),
        ({"user": GRACE_MAIL, "group_id": ROOT_GROUP_ID}, f"{GRACE_MAIL} is learner in the group {ROOT_GROUP_ID}"),
    ],
)
def test_the_progress_of_a_membership(sandbox, api, arguments, progress):
    condition = make_condition("group_membership", {"group_id": SALES_GROUP_ID, **arguments})
    assert api.client.run(condition.poll(api)).progress == progress


def test_a_role_that_this_version_does_not_have_is_not_waited_for(sandbox, version):
    analyst = {"group_id": ROOT_GROUP_ID, "user": GRACE_MAIL, "role": "analyst"}
    if version == "v2":
        assert poll(Learning360GroupMembershipSensor, **analyst) is None
        return
    with pytest.raises(AirflowFailException, match=r"NotAvailableError: .*'analyst'"):
        poll(Learning360GroupMembershipSensor, **analyst)
    assert operations(sandbox) == []


# Published courses


@pytest.fixture
def publish(sandbox):
    """Return a function that publishes a course of another provider, or replaces it."""
    with api_factory(sandbox, "v1") as make:
        api = make()

        def publish():
            api.add_user_to_group(group_id=SALES_GROUP_ID, user=ADMIN_ID, role="editor")
            course = {"external_id": "1", "title": "Negotiation", "launch_url": "https://a.test/1", "language": "en"}
            platform = {"group_id": SALES_GROUP_ID, "external_platform": "Other", "author_id": ADMIN_ID}
            api.import_external_courses(**platform, courses=[course])

        yield publish


def an_hour_later(sandbox):
    """Let an hour pass, and return a time of the last minute."""
    return datetime.fromtimestamp(sandbox.control.advance(3600) - 60, UTC)


def test_waits_until_courses_are_published(sandbox):
    assert poll(Learning360CoursePublishedSensor, since=IN_THE_FUTURE) is None
    done = poll(Learning360CoursePublishedSensor, since=LONG_AGO)
    assert done == {"courses": 2, "course_ids": [WELCOME_COURSE_ID, SECURITY_COURSE_ID]}
    assert DRAFT_COURSE_ID not in done["course_ids"]
    assert poll(Learning360CoursePublishedSensor, since=datetime(2020, 1, 1, tzinfo=UTC)) is not None


def test_waits_for_a_number_of_courses_and_for_a_name(sandbox):
    assert poll(Learning360CoursePublishedSensor, since=LONG_AGO, min_courses="3") is None
    named = poll(Learning360CoursePublishedSensor, since=LONG_AGO, name=" Security  basics ")
    assert named["course_ids"] == [SECURITY_COURSE_ID]
    assert poll(Learning360CoursePublishedSensor, since=LONG_AGO, name="Welcome") is None


def test_waits_for_the_courses_of_a_group(sandbox, publish):
    assert poll(Learning360CoursePublishedSensor, since=LONG_AGO, group="Acme/Sales") is None
    publish()
    assert poll(Learning360CoursePublishedSensor, since=LONG_AGO, group="Acme/Sales")["courses"] == 1
    assert poll(Learning360CoursePublishedSensor, since=LONG_AGO, group_id=ROOT_GROUP_ID.upper())["courses"] == 2


@pytest.fixture
def listed_without_groups(sandbox):
    """Let API v1 list a course without its group."""
    dates = dict.fromkeys(("creationDate", "modificationDate"), "2026-01-01T00:00:00.000Z")
    course = {"_id": WELCOME_COURSE_ID, "name": "Welcome", "status": "published", **dates}
    sandbox.control.add_fault("getCourses", kind="status", status=200, body=[course], count=2)


@pytest.mark.parametrize("version", ["v1"], indirect=True)
def test_looks_up_the_group_of_a_course_once_where_it_is_not_listed(sandbox, api, listed_without_groups):
    for group_id, is_complete in ((SALES_GROUP_ID, False), (ROOT_GROUP_ID, True)):
        condition = make_condition("course_publication", {"since": LONG_AGO, "group_id": group_id})
        for _ in range(2):
            assert api.client.run(condition.poll(api)).is_complete is is_complete
    assert operations(sandbox).count("getCourse") == 1


@pytest.mark.parametrize("version", ["v1"], indirect=True)
def test_a_course_that_is_deleted_while_its_group_is_looked_up_does_not_count(sandbox, listed_without_groups):
    missing = {"kind": "status", "status": 400, "body": {"error": "course_not_found"}}
    sandbox.control.add_fault("getCourse", **missing)
    assert poll(Learning360CoursePublishedSensor, since=LONG_AGO, group_id=ROOT_GROUP_ID) is None


def test_a_course_that_was_created_earlier_counts_by_its_modification_only(sandbox, publish):
    publish()
    since = an_hour_later(sandbox)
    publish()
    assert poll(Learning360CoursePublishedSensor, since=since) is None
    assert poll(Learning360CoursePublishedSensor, since=since, date_field="modified_at")["courses"] == 1


@pytest.mark.parametrize(
    ("arguments", "progress"),
    [
        ({}, "2 courses published since 2020-01-01T00:00:00+00:00: Welcome to Acme and Security basics"),
        ({"name": "Nothing"}, "0 courses published since 2020-01-01T00:00:00+00:00"),
        (
            {"name": "Security basics", "min_courses": 2},
            "1 course published since 2020-01-01T00:00:00+00:00 (2 needed): Security basics",
        ),
    ],
)
def test_the_progress_of_published_courses(sandbox, api, arguments, progress):
    condition = make_condition("course_publication", {"since": LONG_AGO, **arguments})
    assert api.client.run(condition.poll(api)).progress == progress


# Numbers of learners


def test_waits_until_all_learners_are_successful(sandbox, session_id, enroll):
    assert poll(Learning360PathSessionStatusSensor, session_id=session_id) is None
    enroll(GRACE_MAIL, ADMIN_MAIL)
    assert poll(Learning360PathSessionStatusSensor, session="Autumn", path="Onboarding") is None
    sandbox.control.advance(3600)
    done = poll(Learning360PathSessionStatusSensor, session="Autumn", path="Onboarding")
    assert (done["enrolled"], done["done"], done["needed"], done["statuses"]["successful"]) == (2, 2, 2, 2)
    assert poll(Learning360PathSessionStatusSensor, session_id=session_id, min_enrolled=3) is None


def test_a_poll_is_one_request_whatever_the_number_of_learners(sandbox, api, session_id, enroll, version):
    users = [f"person{number}@acme.test" for number in range(200)]
    sandbox.control.add_users(users)
    enroll(*users)
    condition = make_condition("path_session_statuses", {"session_id": session_id})
    api.client.run(condition.poll(api))  # looks the path up
    sandbox.control.clear_journal()
    assert api.client.run(condition.poll(api)).result["statuses"]["notYetStarted"] == 200
    assert len(operations(sandbox)) == 1


@pytest.mark.parametrize(
    ("arguments", "counts", "is_complete", "progress"),
    [
        ({}, {}, False, "0 of 0 successful (at least 1 must be enrolled)"),
        ({}, {"successful": 2}, True, "2 of 2 successful"),
        ({}, {"successful": 2, "late": 1}, False, "2 of 3 successful"),
        ({"required": "any"}, {"successful": 1, "late": 9}, True, "1 of 10 successful (1 needed)"),
        ({"required": "0.8"}, {"successful": 7, "late": 3}, False, "7 of 10 successful (8 needed)"),
        (
            {"required": 1, "statuses": "late;toRetake"},
            {"toRetake": 1, "onTime": 1},
            True,
            "1 of 2 late or toRetake (1 needed)",
        ),
        ({"min_enrolled": 3}, {"successful": 2}, False, "2 of 2 successful (at least 3 must be enrolled)"),
    ],
)
def test_enough_learners_have_a_status(arguments, counts, is_complete, progress):
    condition = make_condition("path_session_statuses", {"session_id": "a" * 24, **arguments})
    status = condition.evaluate(counts, sum(counts.values()))
    assert (status.is_complete, status.progress) == (is_complete, progress)


# What they have in common


@pytest.fixture
def waits(sandbox, api, session_id, enroll, publish):
    """Return each sensor with its arguments, and a function that makes what it waits for happen."""
    coach = {"group_id": ROOT_GROUP_ID, "user": GRACE_MAIL, "role": "coach"}
    since = an_hour_later(sandbox)
    enroll(GRACE_MAIL)
    return {
        Learning360UserActiveSensor: ({"users": [LINUS_MAIL]}, lambda: sandbox.control.accept_invitation(LINUS_MAIL)),
        Learning360GroupMembershipSensor: (coach, lambda: api.add_user_to_group(**coach)),
        Learning360CoursePublishedSensor: ({"since": since}, publish),
        Learning360PathSessionStatusSensor: ({"session_id": session_id}, lambda: sandbox.control.advance(3600)),
    }


@pytest.mark.parametrize("sensor", SENSORS, ids=lambda sensor: sensor.__name__)
@pytest.mark.parametrize("mode", ["poke", "reschedule", "deferrable"])
def test_waits_in_every_mode(waits, sensor, mode):
    arguments, happen = waits[sensor]
    mode_arguments = {"deferrable": True} if mode == "deferrable" else {"deferrable": False, "mode": mode}
    task = sensor(task_id="wait", poke_interval=0.01, timeout=60, **arguments, **mode_arguments)
    if mode != "deferrable":
        assert not task.poke({}).is_done
        happen()
        result = task.poke({}).xcom_value
    else:
        with pytest.raises(TaskDeferred) as raised:
            task.execute({})
        happen()
        result = task.execute_complete({}, event_of(raised.value.trigger))
    assert set(get_type_hints(SENSORS[sensor])) == set(result)
    assert all(f"``{key}``" in sensor.__doc__ for key in result)


def event_of(trigger):
    """Run a trigger to its end, after a round trip through its serialized form."""
    _, kwargs = trigger.serialize()

    async def wait():
        return [event.payload async for event in type(trigger)(**json.loads(json.dumps(kwargs))).run()]

    (event,) = asyncio.run(wait())
    return event


@pytest.mark.parametrize(
    ("sensor", "arguments", "problem"),
    [
        (Learning360UserActiveSensor, {"users": []}, "users is empty"),
        (Learning360UserActiveSensor, {"users": ["Ana"]}, r"users\[0\] is 'Ana'"),
        (Learning360GroupMembershipSensor, {"group_id": "Acme", "user": ANA}, "group_id is 'Acme'"),
        (Learning360GroupMembershipSensor, {"group_id": "a" * 24, "user": ANA, "role": "boss"}, "role is 'boss'"),
        (Learning360CoursePublishedSensor, {"since": "yesterday"}, "since is 'yesterday'"),
        (Learning360CoursePublishedSensor, {"since": LONG_AGO, "date_field": "published_at"}, "date_field is 'publ"),
        (Learning360CoursePublishedSensor, {"since": LONG_AGO, "min_courses": 0}, "min_courses is 0"),
        (Learning360PathSessionStatusSensor, {"session_id": "a" * 24, "statuses": "done"}, r"statuses\[0\] is 'done'"),
        (Learning360PathSessionStatusSensor, {"session_id": "a" * 24, "statuses": []}, "statuses is empty"),
        (Learning360PathSessionStatusSensor, {"session_id": "a" * 24, "required": "most"}, "required is 'most'"),
    ],
)
def test_names_an_invalid_argument_before_anything_is_sent(sandbox, sensor, arguments, problem):
    with pytest.raises(AirflowFailException, match=problem):
        poll(sensor, **arguments)
    assert operations(sandbox) == []


@pytest.mark.parametrize(
    ("sensor", "arguments", "error"),
    [
        (Learning360GroupMembershipSensor, {"group": "Saels", "user": ANA}, r"no group has this name \(similar: "),
        (Learning360PathSessionStatusSensor, {"session_id": MISSING_ID}, "NotFoundError"),
    ],
)
def test_fails_for_what_does_not_exist(sandbox, sensor, arguments, error):
    with pytest.raises(AirflowFailException, match=error):
        poll(sensor, **arguments)
