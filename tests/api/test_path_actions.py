"""Actions on paths, sessions, courses and statistics: their effect at the sandbox and their results."""

from __future__ import annotations

from typing import get_args

import pytest

from airflow_provider_360learning.api.models.choices import LearnerStatus
from airflow_provider_360learning.api.path_session_statuses import statuses_of_session
from airflow_provider_360learning.api.types import Call
from airflow_provider_360learning.exceptions import (
    AlreadyExistsError,
    InvalidRequestError,
    NotAvailableError,
    NotFoundError,
    RefusedError,
)
from airflow_provider_360learning.sandbox.demo_company import (
    ADMIN_MAIL,
    GRACE_ID,
    GRACE_MAIL,
    ONBOARDING_PATH_ID,
    ROOT_GROUP_ID,
    SALES_GROUP_ID,
    WELCOME_COURSE_ID,
)
from tests.versions.test_paths import DETAILS

MISSING_ID = "0" * 24
MAY = {"name": "May", "session_start": "2026-05-01T00:00:00+02:00", "group_id": ROOT_GROUP_ID}


@pytest.fixture
def session_id(api):
    return api.create_path_session(path_id=ONBOARDING_PATH_ID, **MAY)["session_id"]


def enrolled(api, session_id):
    return {user["mail"] for user in api.list_path_session_users(session_id=session_id)}


# Sessions


def test_creates_a_session_once(api, sent):
    made = api.create_path_session(
        path_id=ONBOARDING_PATH_ID,
        **MAY,
        session_end="2026-06-01T00:00:00Z",
        instructors=[ADMIN_MAIL],
        additional_information="cohort 5",
    )
    assert made == {
        "session_id": made["session_id"],
        "path_id": ONBOARDING_PATH_ID,
        "name": "May",
        "outcome": "created",
    }
    assert sent("createPathSession")[0]["body"] == {
        "sessionName": "May",
        "sessionOwnerGroup": ROOT_GROUP_ID,
        "startDate": "2026-04-30T22:00:00.000Z",
        "endDate": "2026-06-01T00:00:00.000Z",
        "sessionAdditionalInformation": "cohort 5",
        "instructorsMails": [ADMIN_MAIL],
    }
    assert api.create_path_session(path_id=ONBOARDING_PATH_ID, **MAY) == {**made, "outcome": "already_exists"}
    assert len(sent("createPathSession")) == 1
    with pytest.raises(AlreadyExistsError, match=made["session_id"]):
        api.create_path_session(path_id=ONBOARDING_PATH_ID, **MAY, if_exists="fail")


def test_identifies_a_session_by_path_name_and_group(api, session_id):
    other = api.create_path_session(path_id=ONBOARDING_PATH_ID, **{**MAY, "group_id": SALES_GROUP_ID})
    assert other["outcome"] == "created"
    assert other["session_id"] != session_id
    assert [(each["session_id"], each["group_id"]) for each in api.list_path_sessions()] == [
        (session_id, ROOT_GROUP_ID),
        (other["session_id"], SALES_GROUP_ID),
    ]


def test_refuses_to_choose_between_two_sessions(api, session_id):
    body = {"sessionName": "May", "sessionOwnerGroup": ROOT_GROUP_ID, "startDate": "2026-05-01T00:00:00.000Z"}
    api.client.call(Call("createPathSession", path={"path_id": ONBOARDING_PATH_ID}, body=body))
    with pytest.raises(RefusedError, match="2 sessions have the name 'May'"):
        api.create_path_session(path_id=ONBOARDING_PATH_ID, **MAY)


def test_finds_a_session_in_a_listing_without_path_and_group(sandbox, api, session_id, sent):
    """Only some keys of the listing are documented."""
    listing = [{"sessionId": session_id, "sessionName": "May"}]
    sandbox.control.add_fault("getPathSessions", kind="status", status=200, body=listing)
    assert api.create_path_session(path_id=ONBOARDING_PATH_ID, **MAY)["session_id"] == session_id


def test_raises_for_a_missing_path_group_or_instructor(api):
    with pytest.raises(NotFoundError, match="path_not_found"):
        api.create_path_session(path_id=MISSING_ID, **MAY)
    with pytest.raises(NotFoundError, match="session_owner_group_not_found"):
        api.create_path_session(path_id=ONBOARDING_PATH_ID, **{**MAY, "group_id": MISSING_ID})
    with pytest.raises(InvalidRequestError, match="invalid_instructors"):
        api.create_path_session(path_id=ONBOARDING_PATH_ID, **MAY, instructors=["missing@acme.test"])


def test_sends_what_a_session_has_with_each_change(sandbox, api, sent, session_id):
    """Name, owner group and start are required each time, and the rest may be removed if it is left out."""
    session = {
        "sessionName": "May",
        "sessionOwnerGroup": ROOT_GROUP_ID,
        "startDate": "2026-04-30T22:00:00.000Z",
        "endDate": None,
        "sessionAdditionalInformation": "",
        "instructorsMails": [ADMIN_MAIL],
        "registrationRequest": {"validation": "managers"},
        "name": "that of the path",
    }
    for body, reset in (
        (session, ["user_limit"]),
        ({**session, "registrationRequest": None}, ["registration_validation", "user_limit"]),
    ):
        sandbox.control.add_fault("getPathSession", kind="status", status=200, body=body)
        done = api.update_path_session(session_id=session_id, session_end="2096-06-01T00:00:00Z")
        assert done == {"session_id": session_id, "outcome": "updated", "reset": reset}
    with_validation, without = (entry["body"] for entry in sent("updatePathSession"))
    assert without == {
        "sessionName": "May",
        "sessionOwnerGroup": ROOT_GROUP_ID,
        "startDate": "2026-04-30T22:00:00.000Z",
        "endDate": "2096-06-01T00:00:00.000Z",
        "instructorsMails": [ADMIN_MAIL],
    }
    assert with_validation == {**without, "registrationRequest": session["registrationRequest"]}


def test_switches_the_validation_of_registrations_off(sandbox, api, sent, session_id):
    session = api.client.call(Call("getPathSession", path={"session_id": session_id}))
    body = {**session, "registrationRequest": True}
    sandbox.control.add_fault("getPathSession", kind="status", status=200, body=body)
    done = api.update_path_session(session_id=session_id, registration_validation="disabled")
    assert done["reset"] == ["user_limit"]
    assert "registrationRequest" not in sent("updatePathSession")[0]["body"]


def test_asks_for_what_a_session_does_not_show(sandbox, api, sent, session_id):
    """The keys of getPathSession are not documented."""
    sandbox.control.add_fault("getPathSession", kind="status", status=200, body={"sessionName": "May"}, count=2)
    with pytest.raises(InvalidRequestError, match=r"present sessionOwnerGroup .* give group_id\. Nothing was changed"):
        api.update_path_session(session_id=session_id, session_start="2090-01-01T00:00:00Z")
    with pytest.raises(InvalidRequestError, match=r"present startDate .* give session_start"):
        api.update_path_session(session_id=session_id, group_id=SALES_GROUP_ID)
    assert sent("updatePathSession") == []


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"user_limit": 20}, "user_limit is not available in API v1, each of whose updates"),
        ({"registration_validation": "managers"}, "'managers' is not available in API v1, which can only switch"),
    ],
)
def test_refuses_what_only_v2_can_change_in_a_session(api, sent, session_id, arguments, problem):
    before = len(sent())
    with pytest.raises(NotAvailableError, match=problem):
        api.update_path_session(session_id=session_id, **arguments)
    assert len(sent()) == before


def test_refuses_to_change_a_session_that_is_a_part_of_another(sandbox, api, session_id):
    sandbox.control.settings(non_root_sessions=[session_id])
    with pytest.raises(RefusedError, match="Cannot update a non root session"):
        api.update_path_session(session_id=session_id, name="June")


def test_lists_paths(api, session_id):
    (path,) = api.list_paths()
    assert (path["path_id"], path["name"], path["session_ids"]) == (ONBOARDING_PATH_ID, "Onboarding", [session_id])
    assert api.list_paths(modified_after="2090-01-01T00:00:00Z") == []


# Enrollment


def test_enrolls_users_by_address_and_id(api, sent, session_id):
    """The route takes one list at a time."""
    done = api.enroll_users(session_id=session_id, users=[GRACE_ID, ADMIN_MAIL, GRACE_ID], path_id=ONBOARDING_PATH_ID)
    assert done == {"session_id": session_id, "outcome": "enrolled", "users": 2}
    assert [entry["body"] for entry in sent("addUsersToPathSession")] == [
        {"userEmails": [ADMIN_MAIL]},
        {"userIds": [GRACE_ID]},
    ]
    assert enrolled(api, session_id) == {GRACE_MAIL, ADMIN_MAIL}
    assert api.list_path_session_users(session_id=session_id)[0].keys() == api.list_users()[0].keys()


def test_enrolls_groups(api, session_id):
    done = api.enroll_groups(session_id=session_id, group_ids=[ROOT_GROUP_ID])
    assert done == {"session_id": session_id, "outcome": "enrolled", "groups": 1}
    assert enrolled(api, session_id) == {GRACE_MAIL, ADMIN_MAIL}


def test_unenrolls_users_by_address(api, sent, session_id):
    api.enroll_users(session_id=session_id, users=[GRACE_MAIL, ADMIN_MAIL])
    done = api.unenroll_users(session_id=session_id, users=[GRACE_ID])
    assert done == {"session_id": session_id, "outcome": "unenrolled", "users": 1}
    assert sent("removeUsersFromPathSession")[0]["body"] == {"userEmails": [GRACE_MAIL]}
    assert enrolled(api, session_id) == {ADMIN_MAIL}


def test_raises_for_missing_users_groups_and_sessions(api, session_id):
    with pytest.raises(NotFoundError, match="path_session_not_found"):
        api.enroll_users(session_id=MISSING_ID, users=[GRACE_MAIL])
    with pytest.raises(NotFoundError, match="user_not_found"):
        api.enroll_users(session_id=session_id, users=["missing@acme.test"])
    with pytest.raises(NotFoundError, match="group_not_found"):
        api.enroll_groups(session_id=session_id, group_ids=[MISSING_ID])
    with pytest.raises(NotFoundError, match="user_not_found"):
        api.unenroll_users(session_id=session_id, users=[MISSING_ID])


# Statistics


def test_returns_statistics_of_a_session(sandbox, api, session_id):
    api.enroll_users(session_id=session_id, users=[GRACE_MAIL])
    (before,) = api.list_path_session_stats(session_id=session_id)
    assert (before["user_id"], before["mail"], before["deleted"]) == (GRACE_ID, GRACE_MAIL, False)
    assert (before["completed_at"], before["progress"]) == (None, 0)
    sandbox.control.advance(60)
    (after,) = api.list_path_session_stats(session_id=session_id)
    assert (after["status"], after["progress"]) == ("successful", 100)
    assert after["completed_at"].endswith("Z")
    assert after["time_spent_ms"] > 0
    assert after["session_id"] == session_id
    assert after["path_id"] == ONBOARDING_PATH_ID
    assert set(after) == {
        "session_id",
        "path_id",
        "user_id",
        "mail",
        "deleted",
        "progress",
        "score",
        "completed_at",
        "time_spent_ms",
        "status",
        *DETAILS,
    }
    with pytest.raises(NotFoundError, match="session_not_found"):
        api.list_path_session_stats(session_id=MISSING_ID)


@pytest.mark.parametrize("word", ["unsuccessful", "Unsuccessful"])
def test_reads_a_status_in_both_documented_spellings(sandbox, api, session_id, word):
    sandbox.control.settings(unsuccessful_mails=[GRACE_MAIL], unsuccessful_word=word)
    api.enroll_users(session_id=session_id, users=[GRACE_MAIL])
    sandbox.control.advance(60)
    assert api.list_path_session_stats(session_id=session_id)[0]["status"] == "unsuccessful"


def test_returns_attempts_of_a_user_at_a_course(sandbox, api, session_id):
    assert api.get_user_course_stats(course_id=WELCOME_COURSE_ID, user=GRACE_MAIL) == []
    api.enroll_users(session_id=session_id, users=[GRACE_MAIL])
    sandbox.control.advance(60)
    (attempt,) = api.get_user_course_stats(course_id=WELCOME_COURSE_ID, user=GRACE_ID)
    assert (attempt["progress"], attempt["completed_at"] is None) == (100, False)
    assert set(attempt) == {
        "attempt_id",
        "progress",
        "score",
        "first_activity",
        "last_activity",
        "completed_at",
        "time_spent_ms",
        *("path_id", "session_id", "version_number", "lang"),
    }
    with pytest.raises(NotFoundError, match="course_not_found"):
        api.get_user_course_stats(course_id=MISSING_ID, user=GRACE_MAIL)


def test_lists_courses(api):
    course = next(each for each in api.list_courses() if each["course_id"] == WELCOME_COURSE_ID)
    expected = {"name": "Welcome to Acme", "status": "published", "author_id": None, "author_mail": ADMIN_MAIL}
    assert course.items() >= expected.items()
    assert api.list_courses(created_after="2090-01-01T00:00:00Z") == []


@pytest.mark.parametrize(
    ("action", "arguments", "problem"),
    [
        ("create_path_session", {"path_id": "x", **MAY}, "path_id is 'x'"),
        ("create_path_session", {"path_id": ONBOARDING_PATH_ID, **MAY, "name": ""}, "name is missing or empty"),
        ("create_path_session", {"path_id": ONBOARDING_PATH_ID, **MAY, "group_id": "x"}, "group_id is 'x'"),
        ("create_path_session", {"path_id": ONBOARDING_PATH_ID, **MAY, "session_start": "2026-05-01"}, "session_start"),
        ("create_path_session", {"path_id": ONBOARDING_PATH_ID, **MAY, "session_end": "x"}, "session_end is 'x'"),
        (
            "create_path_session",
            {"path_id": ONBOARDING_PATH_ID, **MAY, "instructors": ["x"]},
            r"instructors\[0\] is 'x'",
        ),
        (
            "create_path_session",
            {"path_id": ONBOARDING_PATH_ID, **MAY, "registration_validation": "open"},
            "registration_validation is 'open'",
        ),
        ("enroll_users", {"session_id": MISSING_ID, "users": []}, "users is empty"),
        ("enroll_users", {"session_id": MISSING_ID, "users": 7}, "users is 7, but must be a list"),
        ("enroll_users", {"session_id": MISSING_ID, "users": [GRACE_MAIL, "x"]}, r"users\[1\] is 'x'"),
        ("enroll_users", {"session_id": MISSING_ID, "users": [GRACE_MAIL], "path_id": "x"}, "path_id is 'x'"),
        ("enroll_groups", {"session_id": MISSING_ID, "group_ids": []}, "group_ids is empty"),
        ("unenroll_users", {"session_id": "x", "users": [GRACE_MAIL]}, "session_id is 'x'"),
        ("list_path_session_stats", {"session_id": ""}, "session_id or session is missing or empty"),
        ("get_user_course_stats", {"course_id": "x", "user": GRACE_MAIL}, "course_id is 'x'"),
        ("list_courses", {"created_after": "yesterday"}, "created_after is 'yesterday'"),
    ],
)
def test_reports_an_invalid_argument_before_anything_is_sent(api, sent, action, arguments, problem):
    with pytest.raises(InvalidRequestError, match=f"{problem}.*Nothing was sent"):
        getattr(api, action)(**arguments)
    assert sent() == []


def test_a_learner_with_a_status_that_is_not_known_is_enrolled():
    counts = statuses_of_session(MISSING_ID, {"successful": 2, "paused": 1})
    assert (counts["enrolled"], counts["statuses"]["successful"], counts["statuses"]["late"]) == (3, 2, 0)
    assert set(counts["statuses"]) == set(get_args(LearnerStatus))
