"""Changes of path sessions in API v2: what v2 alone does."""

from __future__ import annotations

import pytest

from airflow_provider_360learning.exceptions import NotFoundError, RefusedError
from airflow_provider_360learning.sandbox.demo_company import (
    ADMIN_ID,
    ADMIN_MAIL,
    GRACE_ID,
    GRACE_MAIL,
    ONBOARDING_PATH_ID,
    SALES_GROUP_ID,
)

MISSING_ID = "0" * 24


@pytest.fixture
def make_session(api):
    """Return a function that creates a session and returns its id."""

    def make(name):
        return api.create_path_session(
            path_id=ONBOARDING_PATH_ID,
            name=name,
            session_start="2026-05-01T00:00:00Z",
            group_id=SALES_GROUP_ID,
            registration_validation="managers",
        )["session_id"]

    return make


@pytest.fixture
def session_id(make_session):
    return make_session("May")


@pytest.fixture
def session(sandbox):
    """Return a function that returns a session as the sandbox has it."""
    return lambda id: next(each for each in sandbox.control.state()["sessions"] if each["id"] == id)


def test_keeps_what_v1_would_remove(api, session_id, session):
    api.update_path_session(session_id=session_id, user_limit=20, registration_validation="instructors")
    done = api.update_path_session(session_id=session_id, name="June")
    assert done == {"session_id": session_id, "outcome": "updated", "reset": []}
    found = session(session_id)
    assert (found["name"], found["user_limit"], found["registration_request"]) == ("June", 20, "instructors")


def test_sends_the_given_fields_only(api, sent, session_id):
    api.update_path_session(session_id=session_id, path_id=ONBOARDING_PATH_ID, instructors=[GRACE_MAIL])
    assert sent("modifyPathSession")[-1]["body"] == {"mainInstructorId": GRACE_ID, "instructorIds": []}
    assert sent("getAllPathSessions")[1:] == []


def test_changes_instructors_and_information_of_a_session_that_is_a_part_of_another(
    sandbox, api, make_session, session_id, session, sent
):
    child = make_session("Child")
    sandbox.control.change_session(child, root=session_id)
    changes = {"instructors": [GRACE_MAIL, ADMIN_MAIL], "additional_information": "cohort 5"}
    assert api.update_path_session(session_id=child, **changes)["outcome"] == "updated"
    assert sent("modifyChildPathSession")[0]["body"] == {
        "mainInstructorId": GRACE_ID,
        "instructorIds": [ADMIN_ID],
        "additionalInformation": "cohort 5",
    }
    found = session(child)
    assert (found["instructors"], found["info"]) == ([GRACE_MAIL, ADMIN_MAIL], "cohort 5")
    with pytest.raises(RefusedError, match="which determines endDate and name: change that session") as caught:
        api.update_path_session(session_id=child, name="June", session_end="2096-06-01T00:00:00Z", **changes)
    assert caught.value.code == "childPathSession"


def test_refuses_to_change_a_session_that_has_ended(sandbox, api, session_id):
    sandbox.control.change_session(session_id, end=0)
    with pytest.raises(RefusedError, match="sessionEnded"):
        api.update_path_session(session_id=session_id, name="June")


def test_an_unknown_path_is_not_a_deleted_session(sandbox, api, session_id):
    """The path may be misspelled, and the session may exist in another one."""
    with pytest.raises(NotFoundError, match="pathNotFound"):
        api.delete_path_session(session_id=session_id, path_id=MISSING_ID)
    missing = api.delete_path_session(session_id=MISSING_ID, path_id=ONBOARDING_PATH_ID)
    assert missing["outcome"] == "not_found"
    assert len(sandbox.control.state()["sessions"]) == 1
