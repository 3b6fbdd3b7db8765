"""Waits where statistics have the ids of users only, as in API v2: what is looked up, when, and what failures leave."""

from __future__ import annotations

import pytest

from airflow_provider_360learning.completion import make_condition
from airflow_provider_360learning.exceptions import NotFoundError, RefusedError, ServerError
from airflow_provider_360learning.hooks.learning360 import Learning360Hook
from airflow_provider_360learning.sandbox.demo_company import GRACE_ID, GRACE_MAIL, ROOT_GROUP_ID, WELCOME_COURSE_ID

ANA = "ana@acme.test"


@pytest.fixture(autouse=True)
def connection(sandbox, monkeypatch):
    """Connect to API v2."""
    monkeypatch.setenv("AIRFLOW_CONN_LEARNING360_DEFAULT", sandbox.connection_json(api_version="v2"))


@pytest.fixture
def poll():
    """Return a function that polls a condition once, with a client that knows no ids yet."""
    api = Learning360Hook(max_attempts=1).api

    def poll(condition):
        return api.client.run(condition.poll(api))

    return poll


def of_course(*users, **arguments):
    return make_condition("course_of_users", {"course_id": WELCOME_COURSE_ID, "users": users, **arguments})


def requests_of(sandbox):
    operations = [entry["operation"] for entry in sandbox.control.journal()]
    sandbox.control.clear_journal()
    return operations


def fail(sandbox, operation, *, after=0):
    sandbox.control.add_fault(operation, kind="status", status=503, count=10, after=after)


@pytest.mark.parametrize("after", [0, 1])
def test_users_count_after_a_failure_to_look_them_up(sandbox, enroll, poll, after):
    enroll(GRACE_MAIL)
    condition = of_course(GRACE_MAIL, GRACE_ID)
    fail(sandbox, None, after=after)
    with pytest.raises(ServerError):
        poll(condition)
    sandbox.control.clear_faults()
    assert poll(condition).result == {"users": 2, "done": 0, "pending": [GRACE_MAIL, GRACE_ID]}
    sandbox.control.advance(3600)
    assert poll(condition).is_complete


def test_a_learner_is_enrolled_after_a_failure_to_look_the_address_up(sandbox, session_id, enroll, poll):
    enroll(GRACE_MAIL)
    condition = make_condition(
        "path_session", {"session_id": session_id, "users": [GRACE_MAIL], "if_not_enrolled": "fail"}
    )
    fail(sandbox, "getUsers")
    with pytest.raises(ServerError):
        poll(condition)
    sandbox.control.clear_faults()
    assert poll(condition).failure is None


@pytest.mark.parametrize(
    ("subject", "arguments"),
    [
        ("course_of_users", {"course_id": WELCOME_COURSE_ID, "users": [ANA, GRACE_MAIL]}),
        ("group_membership", {"group_id": ROOT_GROUP_ID, "user": ANA}),
        ("user_activation", {"users": [ANA, GRACE_MAIL]}),
    ],
)
def test_an_address_of_two_users_is_an_error(sandbox, poll, subject, arguments):
    other = {"_id": "7" * 24, "mail": ANA, "status": "active"}
    sandbox.control.add_fault("getUsers", kind="status", status=200, body=[other, {**other, "_id": "8" * 24}])
    with pytest.raises(RefusedError, match="2 users have the email address"):
        poll(make_condition(subject, arguments))


def test_completions_are_read_again_after_a_failure(sandbox, enroll, poll):
    enroll(GRACE_MAIL)
    condition = of_course(GRACE_MAIL)
    assert not poll(condition).is_complete
    sandbox.control.advance(3600)
    fail(sandbox, "getAllCourseStats")
    with pytest.raises(ServerError):
        poll(condition)
    sandbox.control.clear_faults()
    assert poll(condition).is_complete


def test_a_course_that_does_not_exist_is_an_error(poll):
    with pytest.raises(NotFoundError):
        poll(of_course(GRACE_MAIL, course_id="f" * 24))


def test_an_unfinished_attempt_of_a_deleted_user_is_an_error(sandbox, api, enroll, poll):
    enroll(GRACE_MAIL)
    sandbox.control.advance(1800)
    condition = make_condition("course", {"course_id": WELCOME_COURSE_ID, "user": GRACE_ID})
    assert poll(condition).result["attempts"] == 1
    api.delete_user(user=GRACE_MAIL)
    with pytest.raises(NotFoundError) as raised:
        poll(condition)
    assert raised.value.code == "user_not_found"


@pytest.mark.parametrize("subject", ["course", "course_of_users"])
def test_a_renamed_user_is_waited_for(sandbox, api, enroll, poll, subject):
    enroll(GRACE_MAIL)
    users = {"user": GRACE_MAIL} if subject == "course" else {"users": [GRACE_MAIL]}
    condition = make_condition(subject, {"course_id": WELCOME_COURSE_ID, **users})
    poll(condition)
    api.update_user(user=GRACE_ID, mail="renamed@acme.test")
    sandbox.control.advance(3600)
    assert poll(condition).is_complete


@pytest.mark.parametrize("subject", ["course", "course_of_users"])
def test_a_wait_looks_up_who_has_the_address_now(sandbox, api, enroll, subject):
    enroll(GRACE_MAIL)  # by the same client, which remembers her id
    sandbox.control.advance(3600)
    Learning360Hook().api.update_user(user=GRACE_ID, mail="renamed@acme.test")
    sandbox.control.add_users([GRACE_MAIL])
    users = {"user": GRACE_MAIL} if subject == "course" else {"users": [GRACE_MAIL]}
    condition = make_condition(subject, {"course_id": WELCOME_COURSE_ID, **users})
    assert not api.client.run(condition.poll(api)).is_complete


def test_who_is_deleted_is_looked_up_less_often_if_that_takes_many_requests(sandbox, api, session_id, enroll, poll):
    deleted = [f"gone{number}@acme.test" for number in range(24)]
    sandbox.control.add_users(deleted)
    for mail in deleted:
        api.delete_user(user=mail)
    learners = [f"person{number}@acme.test" for number in range(14)]
    sandbox.control.add_users(learners)
    enroll(*learners)
    sandbox.control.settings(max_page_size=2)
    condition = make_condition("path_session", {"session_id": session_id})
    for lookups in (12, *[0] * 11, 12):
        assert not poll(condition).is_complete
        assert requests_of(sandbox).count("getUsers") == lookups
