"""Actions on paths and audiences that only API v2 has."""

from __future__ import annotations

import pytest

from airflow_provider_360learning.api.types import Call
from airflow_provider_360learning.exceptions import (
    InvalidRequestError,
    NotFoundError,
    OutcomeUnknownError,
    RefusedError,
)
from airflow_provider_360learning.sandbox.demo_company import (
    ADMIN_MAIL,
    GRACE_ID,
    GRACE_MAIL,
    ONBOARDING_PATH_ID,
    ROOT_GROUP_ID,
    SALES_GROUP_ID,
    SECURITY_COURSE_ID,
    WELCOME_COURSE_ID,
)
from tests.api.factory import api_factory

MISSING_ID = "0" * 24
MAY = {"path_id": ONBOARDING_PATH_ID, "name": "May", "group_id": ROOT_GROUP_ID}


@pytest.fixture
def version():
    """Return the name of the only version that has these actions."""
    return "v2"


@pytest.fixture
def state(sandbox):
    """Return a function that returns a list of the sandbox's state."""
    return lambda name: sandbox.control.state()[name]


@pytest.fixture
def session_id(api):
    return api.create_path_session(**MAY, session_start="2026-05-01T00:00:00Z")["session_id"]


@pytest.fixture
def session(sandbox):
    """Return a function that returns a session as the sandbox has it."""
    return lambda id: next(each for each in sandbox.control.state()["sessions"] if each["id"] == id)


# Archiving and deleting


def test_archives_and_restores_a_path(api, state):
    def is_archived():
        return state("paths")[0]["archived"]

    for archived, would, done in ((True, "would_archive", "archived"), (False, "would_restore", "restored")):
        planned = api.archive_path(path_id=ONBOARDING_PATH_ID, archived=archived, dry_run=True)
        assert planned == {"path_id": ONBOARDING_PATH_ID, "name": "Onboarding", "outcome": would}
        assert is_archived() is not archived
        made = api.archive_path(path_id=ONBOARDING_PATH_ID, archived=archived)
        assert made == {"path_id": ONBOARDING_PATH_ID, "name": None, "outcome": done}
        assert is_archived() is archived
    for dry_run in (False, True):
        with pytest.raises(NotFoundError):
            api.archive_path(path_id=MISSING_ID, dry_run=dry_run)


def test_an_archived_path_has_no_name(api):
    """Otherwise it would be ambiguous with the path that replaces it."""
    api.archive_path(path="Onboarding")
    with pytest.raises(InvalidRequestError, match="path is 'Onboarding', but no path has this name"):
        api.archive_path(path="Onboarding", archived=False)


def test_refuses_to_archive_a_path_with_running_sessions(api):
    api.create_path_session(**MAY, session_start="2026-05-01T00:00:00Z")
    with pytest.raises(RefusedError, match="pathHasRunningSessions"):
        api.archive_path(path="Onboarding")


def test_deletes_a_path_with_its_sessions_once(api, state):
    api.create_path_session(**MAY, session_start="2026-05-01T00:00:00Z")
    api.enroll_users(session="May", users=[GRACE_MAIL])
    unknown = {"name": None, "sessions": None}
    assert api.delete_path(path="Onboarding", dry_run=True) == {
        "path_id": ONBOARDING_PATH_ID,
        "name": "Onboarding",
        "sessions": ["May"],
        "outcome": "would_delete",
    }
    assert len(state("paths")) == 1
    assert api.delete_path(path="Onboarding") == {"path_id": ONBOARDING_PATH_ID, **unknown, "outcome": "deleted"}
    assert state("paths") == state("sessions") == state("enrollments") == []
    for dry_run in (False, True):
        missing = api.delete_path(path_id=ONBOARDING_PATH_ID, dry_run=dry_run)
        assert missing == {"path_id": ONBOARDING_PATH_ID, **unknown, "outcome": "not_found"}
        with pytest.raises(NotFoundError):
            api.delete_path(path_id=ONBOARDING_PATH_ID, if_missing="fail", dry_run=dry_run)


def test_a_deletion_of_a_path_whose_response_is_lost_is_done(sandbox, make_api):
    api = make_api(client={"sleep": lambda seconds: None})
    sandbox.control.add_fault("deletePath", kind="drop_after")
    assert api.delete_path(path_id=ONBOARDING_PATH_ID, if_missing="fail")["outcome"] == "deleted"


# Courses and tokens


def test_replaces_the_courses_of_a_path(api, state, sent):
    both = [SECURITY_COURSE_ID, WELCOME_COURSE_ID]
    done = api.replace_path_courses(path="Onboarding", courses=["Security basics"])
    assert done == {"path_id": ONBOARDING_PATH_ID, "outcome": "replaced", "courses": 1}
    for outcome in ("replaced", "unchanged"):
        done = api.replace_path_courses(path_id=ONBOARDING_PATH_ID, course_ids=[each.upper() for each in both])
        assert done["outcome"] == outcome
    assert [step["id"] for step in state("paths")[0]["steps"]] == both
    assert len(sent("updateSteps")) == 2


def test_keeps_the_options_of_courses_that_stay(sandbox, api, state):
    options = {"optional": True, "showCorrection": "never", "showForum": "never"}
    steps = [
        {"_id": WELCOME_COURSE_ID, "type": "course", "options": {**options, "optional": False}},
        {"_id": SECURITY_COURSE_ID, "type": "course", "options": options},
    ]
    with api_factory(sandbox, "v2") as make:
        make().client.call(Call("updateSteps", path={"pathId": ONBOARDING_PATH_ID}, body={"steps": steps}))
    before = state("paths")[0]["steps"]
    api.replace_path_courses(path="Onboarding", courses=["Security basics", "Welcome to Acme"])
    assert state("paths")[0]["steps"] == before[::-1]


def test_replaces_no_courses_beside_steps_of_other_types(sandbox, api, state, sent):
    with_email = {"type": "email", "title": "Welcome", "bodyHtml": "<p>x</p>"}
    with api_factory(sandbox, "v1") as make:
        body = {"name": "Safety", "ownerGroup": ROOT_GROUP_ID, "steps": [with_email]}
        path_id = make().client.call(Call("createPath", body=body))["_id"]
    arguments = {"path_id": path_id, "course_ids": [SECURITY_COURSE_ID]}
    with pytest.raises(RefusedError, match=r"has steps of other types \(email\).* Nothing was changed"):
        api.replace_path_courses(**arguments)
    assert sent("updateSteps") == []
    assert api.replace_path_courses(**arguments, remove_other_steps=True)["outcome"] == "replaced"
    assert [step["kind"] for step in state("paths")[1]["steps"]] == ["course"]


def test_replaces_no_courses_if_one_is_missing(api, state):
    for arguments in ({"path_id": MISSING_ID}, {"course_ids": [SECURITY_COURSE_ID, MISSING_ID]}):
        with pytest.raises(NotFoundError):
            api.replace_path_courses(**{"path_id": ONBOARDING_PATH_ID, "course_ids": [SECURITY_COURSE_ID], **arguments})
    assert len(state("paths")[0]["courses"]) == 2


def test_adds_tokens_each_time(api, state):
    for _ in range(2):
        done = api.add_path_tokens(path="Onboarding", group="Sales", tokens=5, author=GRACE_MAIL)
        assert done == {
            "path_id": ONBOARDING_PATH_ID,
            "group_id": SALES_GROUP_ID,
            "outcome": "added",
            "tokens": 5,
        }
    assert state("paths")[0]["tokens"] == {SALES_GROUP_ID: 10}
    with pytest.raises(NotFoundError):
        api.add_path_tokens(path="Onboarding", group_id=MISSING_ID, tokens=5, author=GRACE_ID)
    with pytest.raises(InvalidRequestError, match="tokens is 0"):
        api.add_path_tokens(path="Onboarding", group="Sales", tokens=0, author=GRACE_ID)


def test_tokens_whose_response_is_lost_are_not_added_twice(sandbox, api, state):
    sandbox.control.add_fault("addTokens", kind="drop_after")
    with pytest.raises(OutcomeUnknownError):
        api.add_path_tokens(path="Onboarding", group="Sales", tokens=5, author=GRACE_ID)
    assert state("paths")[0]["tokens"] == {SALES_GROUP_ID: 5}


# Replacing an audience


@pytest.fixture
def enrolled(sandbox):
    """Return a function that returns the email addresses of enrolled users."""
    return lambda: {enrollment["mail"] for enrollment in sandbox.control.state()["enrollments"]}


def test_replaces_who_is_enrolled(sandbox, api, session_id, session, enrolled):
    sandbox.control.add_users(["ana@acme.test", "ben@acme.test"])
    api.enroll_users(session_id=session_id, users=["ben@acme.test"])
    sandbox.control.self_enroll(session_id, ADMIN_MAIL)
    api.add_user_to_group(group="Sales", user="ana@acme.test")
    api.add_user_to_group(group="Sales", user=GRACE_MAIL)
    done = api.replace_path_session_audience(
        session="May", users=[GRACE_ID.upper()], groups=["Sales"], excluded_users=["ana@acme.test"], mode="manual"
    )
    assert done == {"session_id": session_id, "outcome": "replaced", "users": 1, "groups": 1, "excluded_users": 1}
    assert enrolled() == {GRACE_MAIL, ADMIN_MAIL}
    assert (session(session_id)["groups"], session(session_id)["mode"]) == ([SALES_GROUP_ID], "manual")
    api.replace_path_session_audience(session="May", users=["ben@acme.test"])
    assert enrolled() == {"ben@acme.test", ADMIN_MAIL}
    assert (session(session_id)["groups"], session(session_id)["mode"]) == ([], "manual")


def test_an_audience_that_is_as_wanted_is_not_written(api, session_id, sent):
    for _ in range(2):
        api.replace_path_session_audience(session_id=session_id, users=[GRACE_MAIL])
    assert len(sent("updateSessionAudience")) == 1


def test_empties_an_audience_on_request_only(api, session_id, sent, enrolled):
    api.enroll_users(session_id=session_id, users=[GRACE_MAIL])
    before = len(sent())
    with pytest.raises(InvalidRequestError, match="are empty, which unenrolls all learners: give allow_empty=True"):
        api.replace_path_session_audience(session_id=session_id, users=[])
    assert len(sent()) == before
    done = api.replace_path_session_audience(session_id=session_id, allow_empty=True)
    assert (done["users"], enrolled()) == (0, set())


def test_refuses_an_audience_that_excludes_its_users(api, session_id):
    with pytest.raises(InvalidRequestError, match=f"excluded_users contains '{GRACE_MAIL}', which users contains"):
        api.replace_path_session_audience(
            session_id=session_id, users=[GRACE_MAIL.upper()], excluded_users=[GRACE_MAIL]
        )


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"users": ["missing@acme.test"]}, "No active or invited user has the email address"),
        ({"users": [GRACE_ID, MISSING_ID]}, f"No active or invited user has the id {MISSING_ID}"),
        ({"group_ids": [SALES_GROUP_ID, MISSING_ID]}, f"No group has the id {MISSING_ID}"),
        ({"session_id": MISSING_ID, "users": [GRACE_ID]}, "No path has a session with the id"),
    ],
)
def test_changes_no_audience_for_what_does_not_exist(api, session_id, enrolled, arguments, problem):
    api.enroll_users(session_id=session_id, users=[ADMIN_MAIL])
    with pytest.raises(NotFoundError, match=problem):
        api.replace_path_session_audience(**{"session_id": session_id, **arguments})
    assert enrolled() == {ADMIN_MAIL}
