"""Conditions of sensors, polled at the sandbox: the same in both versions of the API."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, TaskDeferred

from airflow_provider_360learning.api.versions import VERSIONS
from airflow_provider_360learning.completion import make_condition
from airflow_provider_360learning.operators.users import Learning360CreateUserOperator, Learning360DeleteUserOperator
from airflow_provider_360learning.sandbox.demo_company import (
    GRACE_ID,
    GRACE_MAIL,
    SECURITY_COURSE_ID,
    WELCOME_COURSE_ID,
)
from airflow_provider_360learning.sensors.courses import Learning360CourseCompletionSensor
from airflow_provider_360learning.sensors.paths import Learning360PathSessionCompletionSensor

ANA = "ana@acme.test"
SESSION = "5" * 24


@pytest.fixture(params=list(VERSIONS), autouse=True)
def version(request, sandbox, monkeypatch):
    """Return the API version of the connection."""
    monkeypatch.setenv("AIRFLOW_CONN_LEARNING360_DEFAULT", sandbox.connection_json(api_version=request.param))
    return request.param


def poll(sensor, **arguments):
    """Poll once; return the result, or ``None`` if the sensor waits."""
    try:
        return sensor(task_id="wait", deferrable=True, **arguments).execute({})
    except TaskDeferred:
        return None


def test_waits_until_all_enrolled_users_have_completed_the_session(sandbox, session_id, enroll):
    assert poll(Learning360PathSessionCompletionSensor, session_id=session_id) is None
    Learning360CreateUserOperator(task_id="ana", mail=ANA, mode="create_active").execute({})
    enroll(GRACE_MAIL, ANA)
    assert poll(Learning360PathSessionCompletionSensor, session_id=session_id) is None
    sandbox.control.advance(3600)
    done = poll(Learning360PathSessionCompletionSensor, session_id=session_id)
    assert done == {"enrolled": 2, "done": 2, "needed": 2, "unsuccessful": 0, "pending": []}


def test_finds_a_user_by_id_and_by_email_address(sandbox, session_id, enroll):
    enroll(GRACE_MAIL)
    sandbox.control.advance(3600)
    assert poll(Learning360PathSessionCompletionSensor, session_id=session_id, users=[GRACE_ID])["done"] == 1
    assert (
        poll(Learning360PathSessionCompletionSensor, session_id=session_id, users=[GRACE_MAIL, GRACE_ID])["done"] == 1
    )


def test_does_not_wait_for_a_deleted_learner(sandbox, session_id, enroll):
    Learning360CreateUserOperator(task_id="ana", mail=ANA, mode="create_active").execute({})
    enroll(GRACE_MAIL)
    sandbox.control.advance(3600)
    enroll(ANA)
    assert poll(Learning360PathSessionCompletionSensor, session_id=session_id) is None
    Learning360DeleteUserOperator(task_id="delete", user=ANA).execute({})
    assert poll(Learning360PathSessionCompletionSensor, session_id=session_id)["enrolled"] == 1
    assert poll(Learning360PathSessionCompletionSensor, session_id=session_id, users=[GRACE_MAIL, ANA])["needed"] == 1


@pytest.mark.parametrize("word", ["unsuccessful", "Unsuccessful"])
def test_an_unsuccessful_learner_has_completed_without_success(sandbox, session_id, enroll, word):
    sandbox.control.settings(unsuccessful_mails=[GRACE_MAIL], unsuccessful_word=word)
    enroll(GRACE_MAIL)
    sandbox.control.advance(3600)
    assert poll(Learning360PathSessionCompletionSensor, session_id=session_id)["done"] == 1
    assert poll(Learning360PathSessionCompletionSensor, session_id=session_id, status="successful") is None
    with pytest.raises(AirflowFailException, match="1 learners must be successful, but only 0 still can"):
        poll(
            Learning360PathSessionCompletionSensor,
            session_id=session_id,
            status="successful",
            if_unsuccessful="fail",
        )


def test_fails_if_a_required_user_is_not_enrolled(sandbox, session_id):
    with pytest.raises(AirflowFailException, match=f"not enrolled: {GRACE_MAIL}"):
        poll(
            Learning360PathSessionCompletionSensor,
            session_id=session_id,
            users=[GRACE_MAIL],
            if_not_enrolled="fail",
        )


def poll_course(**arguments):
    return poll(Learning360CourseCompletionSensor, **{"course_id": WELCOME_COURSE_ID, "user": GRACE_MAIL, **arguments})


def test_waits_for_a_course_without_attempts(sandbox):
    assert poll_course() is None


def test_waits_until_the_course_is_completed(sandbox, enroll):
    enroll(GRACE_MAIL)
    sandbox.control.advance(1800)
    assert poll_course() is None
    sandbox.control.advance(1800)
    done = poll_course()
    assert done == {"attempts": 1, "completed": 1, "progress": 100, "pending": []}
    assert poll_course(user=GRACE_ID, course_id=SECURITY_COURSE_ID)["completed"] == 1


def test_only_completions_since_a_time_count(sandbox, enroll):
    enroll(GRACE_MAIL)
    sandbox.control.advance(3600)
    (row,) = sandbox.control.state()["enrollments"]
    # The first of two courses is completed 5/8 of an hour after the enrollment: a quarter idle, then half of the rest.
    completed_at = row["since"] + 3600 * 5 / 8
    assert poll_course(since=at(completed_at - 2)) is not None
    assert poll_course(since=at(completed_at + 2)) is None
    assert poll_course(since=at(completed_at - 2).isoformat()) is not None


def at(seconds):
    return datetime.fromtimestamp(seconds, UTC)


def test_only_a_sufficient_score_counts(sandbox, enroll):
    enroll(GRACE_MAIL)
    sandbox.control.advance(3600)
    assert poll_course(min_score=90) is not None
    assert poll_course(min_score="90") is not None
    assert poll_course(min_score=90.5) is None


def test_fails_if_the_user_or_the_course_does_not_exist(sandbox):
    with pytest.raises(AirflowFailException, match=f"NotFoundError: .*(user_not_found|{ANA})"):
        poll_course(user=ANA)
    with pytest.raises(AirflowFailException, match=r"NotFoundError: .*(course_not_found|courseNotFound)"):
        poll_course(course_id="f" * 24)
    with pytest.raises(AirflowFailException, match=r"NotFoundError: .*(session_not_found|has a session)"):
        poll(Learning360PathSessionCompletionSensor, session_id=SESSION)


def test_the_progress_of_a_course(sandbox, enroll, caplog):
    def log_of_a_poll():
        caplog.clear()
        poll_course()
        return caplog.text

    assert f"{GRACE_MAIL} has not started the course" in log_of_a_poll()
    enroll(GRACE_MAIL)
    sandbox.control.advance(1800)
    assert re.search(rf"{GRACE_MAIL} is at [1-9]\d? % of the course \(1 attempt\)", log_of_a_poll())
    sandbox.control.advance(1800)
    assert f"{GRACE_MAIL} has completed the course" in log_of_a_poll()


# API v1 is asked about one user at a time, at the rate limit.
only_v2 = pytest.mark.parametrize("version", ["v2"], indirect=True)


@only_v2
def test_the_requests_per_poll_do_not_grow_with_the_users(sandbox, api, session_id, enroll):
    users = [f"person{number}@acme.test" for number in range(200)]
    sandbox.control.add_users(users)
    conditions = {
        "path_session": make_condition("path_session", {"session_id": session_id, "users": users}),
        "course_of_users": make_condition("course_of_users", {"course_id": WELCOME_COURSE_ID, "users": users}),
    }
    enroll(*users)
    requests = {}
    for subject, condition in conditions.items():
        api.client.run(condition.poll(api))  # looks the users up
        sandbox.control.clear_journal()
        assert not api.client.run(condition.poll(api)).is_complete
        requests[subject] = len(sandbox.control.journal())
    assert requests == {"path_session": 1, "course_of_users": 1}


@only_v2
def test_all_users_of_a_course_are_found_at_later_polls(sandbox, api, enroll):
    users = [f"person{number}@acme.test" for number in range(200)]
    sandbox.control.add_users(users)
    condition = make_condition("course_of_users", {"course_id": WELCOME_COURSE_ID, "users": users})
    enroll(*users[:150])
    sandbox.control.advance(3600)
    assert api.client.run(condition.poll(api)).result["done"] == 150
    enroll(*users[150:])
    sandbox.control.advance(3600)
    assert api.client.run(condition.poll(api)).is_complete


def test_a_user_who_is_deleted_during_the_wait_does_not_count(sandbox, api, enroll):
    Learning360CreateUserOperator(task_id="ana", mail=ANA, mode="create_active").execute({})
    condition = make_condition("course_of_users", {"course_id": WELCOME_COURSE_ID, "users": [ANA, GRACE_MAIL]})
    enroll(GRACE_MAIL)
    sandbox.control.advance(3600)
    assert api.client.run(condition.poll(api)).result == {"users": 2, "done": 1, "pending": [ANA]}
    Learning360DeleteUserOperator(task_id="delete", user=ANA).execute({})
    for _ in range(10):
        status = api.client.run(condition.poll(api))
    assert (status.is_complete, status.result["users"]) == (True, 1)
