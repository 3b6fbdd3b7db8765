"""Actions on paths, sessions and enrollments: the same results and the same effects in both versions of the API."""

from __future__ import annotations

from typing import get_args

import pytest

from airflow_provider_360learning.api.models.choices import LearnerStatus
from airflow_provider_360learning.exceptions import AlreadyExistsError, InvalidRequestError, NotFoundError
from airflow_provider_360learning.sandbox.demo_company import (
    ADMIN_ID,
    ADMIN_MAIL,
    GRACE_ID,
    GRACE_MAIL,
    ONBOARDING_PATH_ID,
    ROOT_GROUP_ID,
    SALES_GROUP_ID,
)

MISSING_ID = "0" * 24
#: What only API v2 returns of the state of a learner.
DETAILS = (
    *("enrolled_at", "unenrolled_at", "started_at", "due_date", "certificate_id", "self_enrolled", "status_reason"),
    "enrollment_id",
)
MAY = {
    "path_id": ONBOARDING_PATH_ID,
    "name": "May",
    "session_start": "2026-05-01T00:00:00+02:00",
    "group_id": ROOT_GROUP_ID,
}


@pytest.fixture
def session_id(api):
    return api.create_path_session(**MAY)["session_id"]


@pytest.fixture
def session(sandbox):
    """Return a function that returns the only session as the sandbox has it."""

    def read():
        (found,) = sandbox.control.state()["sessions"]
        return found

    return read


@pytest.fixture
def enrolled(sandbox):
    """Return a function that returns the email addresses of enrolled users."""
    return lambda: {enrollment["mail"] for enrollment in sandbox.control.state()["enrollments"]}


def test_creates_a_session_once(api, session):
    made = api.create_path_session(
        **MAY,
        session_end="2096-06-01T00:00:00Z",
        instructors=[GRACE_MAIL, ADMIN_MAIL],
        additional_information="cohort 5",
    )
    assert made == {
        "session_id": session()["id"],
        "path_id": ONBOARDING_PATH_ID,
        "name": "May",
        "outcome": "created",
    }
    found = session()
    assert {name: found[name] for name in ("name", "owner_group", "start", "end", "info", "instructors")} == {
        "name": "May",
        "owner_group": ROOT_GROUP_ID,
        "start": 1777586400.0,
        "end": 3989347200.0,
        "info": "cohort 5",
        "instructors": [GRACE_MAIL, ADMIN_MAIL],
    }
    assert api.create_path_session(**MAY) == {**made, "outcome": "already_exists"}
    with pytest.raises(AlreadyExistsError, match=made["session_id"]):
        api.create_path_session(**MAY, if_exists="fail")
    assert session() == found


def test_identifies_a_session_by_path_name_and_group(api, session_id):
    in_capitals = {name: MAY[name].upper() for name in ("path_id", "group_id")}
    assert api.create_path_session(**{**MAY, **in_capitals})["session_id"] == session_id
    other = api.create_path_session(**{**MAY, "group_id": SALES_GROUP_ID})
    assert (other["outcome"], other["session_id"] == session_id) == ("created", False)
    keys = ("session_id", "path_id", "name", "group_id", "session_start", "session_end")
    assert [tuple(each[key] for key in keys) for each in api.list_path_sessions()] == [
        (session_id, ONBOARDING_PATH_ID, "May", ROOT_GROUP_ID, "2026-04-30T22:00:00.000Z", None),
        (other["session_id"], ONBOARDING_PATH_ID, "May", SALES_GROUP_ID, "2026-04-30T22:00:00.000Z", None),
    ]


def test_creates_no_session_without_its_path_group_or_instructor(sandbox, api):
    for changes in (
        {"path_id": MISSING_ID},
        {"group_id": MISSING_ID},
    ):
        with pytest.raises(NotFoundError):
            api.create_path_session(**{**MAY, **changes})
    with pytest.raises(Exception, match=r"invalid_instructors|missing@acme\.test"):
        api.create_path_session(**MAY, instructors=["missing@acme.test"])
    assert sandbox.control.state()["sessions"] == []


def test_changes_the_given_fields_of_a_session(api, session_id, session):
    before = session()
    done = api.update_path_session(session_id=session_id, session_end="2096-06-01T00:00:00Z")
    assert (done["session_id"], done["outcome"]) == (session_id, "updated")
    changed = {name for name, value in session().items() if value != before[name]}
    assert changed - {"registration_request"} == {"end", "modified_at"}
    assert session()["end"] == 3989347200.0


def test_changes_all_fields_of_a_session_by_names(api, session_id, session):
    api.update_path_session(
        session="May",
        path="Onboarding",
        name="June",
        session_start="2090-06-01T00:00:00Z",
        session_end="2090-07-01T00:00:00Z",
        group="Sales",
        instructors=[GRACE_MAIL, ADMIN_MAIL],
        additional_information="cohort 6",
        registration_validation="disabled",
    )
    found = session()
    assert {name: found[name] for name in ("name", "owner_group", "start", "end", "info", "instructors")} == {
        "name": "June",
        "owner_group": SALES_GROUP_ID,
        "start": 3799958400.0,
        "end": 3802550400.0,
        "info": "cohort 6",
        "instructors": [GRACE_MAIL, ADMIN_MAIL],
    }
    # The listing is read again, because the name has changed.
    assert api.update_path_session(session="June", name="July")["session_id"] == session_id


def test_reports_a_change_of_a_session_that_is_none_or_invalid(api, session_id, session):
    before = session()
    for arguments, problem in (
        ({}, "needs at least one field to change"),
        (
            {"session_start": "2090-06-01T00:00:00Z", "session_end": "2090-05-01T00:00:00Z"},
            "session_end is before session_start",
        ),
    ):
        with pytest.raises(InvalidRequestError, match=f"{problem}.*Nothing was sent"):
            api.update_path_session(session_id=session_id, **arguments)
    for arguments in ({"group_id": MISSING_ID}, {"session_id": MISSING_ID, "name": "June"}):
        with pytest.raises(NotFoundError):
            api.update_path_session(**{"session_id": session_id, **arguments})
    assert session() == before


def test_deletes_a_session_once(sandbox, api, session_id):
    api.enroll_users(session_id=session_id, users=[GRACE_MAIL])
    unknown = {"name": None, "learners": None}
    assert api.delete_path_session(session="May", dry_run=True) == {
        "session_id": session_id,
        "name": "May",
        "learners": 1,
        "outcome": "would_delete",
    }
    assert len(sandbox.control.state()["enrollments"]) == 1
    deleted = api.delete_path_session(session="May")
    assert deleted == {"session_id": session_id, **unknown, "outcome": "deleted"}
    assert sandbox.control.state()["sessions"] == sandbox.control.state()["enrollments"] == []
    for dry_run in (False, True):
        missing = api.delete_path_session(session_id=session_id, dry_run=dry_run)
        assert missing == {"session_id": session_id, **unknown, "outcome": "not_found"}
        with pytest.raises(NotFoundError):
            api.delete_path_session(session_id=session_id, if_missing="fail", dry_run=dry_run)
    with pytest.raises(InvalidRequestError, match="no session has this name"):
        api.delete_path_session(session="May")


def test_a_deletion_of_a_session_whose_response_is_lost_is_done(sandbox, make_api, session_id):
    api = make_api(client={"sleep": lambda seconds: None})
    sandbox.control.add_fault("deletePathSession", kind="drop_after")
    assert api.delete_path_session(session_id=session_id, if_missing="fail")["outcome"] == "deleted"


def test_lists_paths(api, session_id):
    (path,) = api.list_paths()
    assert (path["path_id"], path["name"], path["session_ids"]) == (ONBOARDING_PATH_ID, "Onboarding", [session_id])
    assert api.list_paths(modified_after="2090-01-01T00:00:00Z") == []


def test_creates_and_enrolls_by_names(api, enrolled):
    api.create_path_session(path="Onboarding", name="May", session_start=MAY["session_start"], group="Acme")
    api.enroll_users(session="May", path="Onboarding", users=[GRACE_MAIL])
    assert enrolled() == {GRACE_MAIL}


@pytest.mark.parametrize("path", [{}, {"path_id": ONBOARDING_PATH_ID}], ids=["session", "session and path"])
def test_enrolls_and_unenrolls_users(api, session_id, session, enrolled, path):
    users = [GRACE_ID, ADMIN_MAIL, GRACE_ID]
    for _ in range(2):
        assert api.enroll_users(session_id=session_id, users=users, **path) == {
            "session_id": session_id,
            "outcome": "enrolled",
            "users": 2,
        }
    assert enrolled() == {GRACE_MAIL, ADMIN_MAIL}
    assert sorted(session()["users"]) == [ADMIN_ID, GRACE_ID]
    for _ in range(2):
        assert api.unenroll_users(session_id=session_id, users=[GRACE_ID], **path) == {
            "session_id": session_id,
            "outcome": "unenrolled",
            "users": 1,
        }
    assert enrolled() == {ADMIN_MAIL}
    assert session()["excluded"] == []


def test_enrolls_groups_and_excludes_members(api, session_id, session, enrolled):
    done = api.enroll_groups(session_id=session_id, group_ids=[ROOT_GROUP_ID])
    assert done == {"session_id": session_id, "outcome": "enrolled", "groups": 1}
    assert enrolled() == {GRACE_MAIL, ADMIN_MAIL}
    api.unenroll_users(session_id=session_id, users=[GRACE_MAIL])
    assert enrolled() == {ADMIN_MAIL}
    assert (session()["groups"], session()["excluded"]) == ([ROOT_GROUP_ID], [GRACE_ID])
    api.enroll_users(session_id=session_id, users=[GRACE_MAIL])
    assert enrolled() == {GRACE_MAIL, ADMIN_MAIL}
    assert (session()["users"], session()["excluded"]) == ([GRACE_ID], [])


def test_unenrolls_groups_but_not_users_who_are_enrolled_otherwise(sandbox, api, session_id, session, enrolled):
    sandbox.control.add_users(["ana@acme.test", "ben@acme.test"])
    api.add_user_to_group(group="Sales", user="ana@acme.test")
    api.enroll_users(session_id=session_id, users=[GRACE_MAIL])
    api.enroll_groups(session_id=session_id, groups=["Acme", "Sales"])
    assert enrolled() == {GRACE_MAIL, ADMIN_MAIL, "ana@acme.test", "ben@acme.test"}
    for _ in range(2):
        done = api.unenroll_groups(session="May", groups=["Acme"])
        assert done == {"session_id": session_id, "outcome": "unenrolled", "groups": 1}
        assert enrolled() == {GRACE_MAIL, "ana@acme.test"}
    assert session()["groups"] == [SALES_GROUP_ID]


def test_lists_enrolled_users_as_all_users_are_listed(api, session_id):
    assert api.list_path_session_users(session_id=session_id) == []
    api.enroll_users(session_id=session_id, users=[GRACE_MAIL])
    (grace,) = (user for user in api.list_users() if user["user_id"] == GRACE_ID)
    assert api.list_path_session_users(session_id=session_id, path_id=ONBOARDING_PATH_ID) == [grace]


def test_returns_statistics_of_a_session(sandbox, api, session_id):
    sandbox.control.settings(unsuccessful_mails=[ADMIN_MAIL])
    api.enroll_users(session_id=session_id, users=[GRACE_MAIL, ADMIN_MAIL])

    def read():
        rows = api.list_path_session_stats(session_id=session_id, with_mails=True)
        return sorted(rows, key=lambda row: row["mail"], reverse=True)

    before, _ = read()
    # What API v2 alone returns, from the start; API v1 has none of it.
    details = {name: before[name] for name in DETAILS}
    has = {name for name, value in details.items() if value is not None}
    assert has in (set(), {"enrolled_at", "self_enrolled", "enrollment_id"})
    assert details["self_enrolled"] in (None, False)
    assert before == {
        **details,
        "session_id": session_id,
        "path_id": ONBOARDING_PATH_ID,
        "user_id": GRACE_ID,
        "mail": GRACE_MAIL,
        "deleted": False,
        "progress": 0,
        "score": None,
        "completed_at": None,
        "time_spent_ms": 0,
        "status": "notYetStarted",
    }
    sandbox.control.advance(60)
    after, unsuccessful = read()
    completed_at = after["completed_at"]
    assert after == {
        **before,
        "progress": 100,
        "score": 90,
        "completed_at": completed_at,
        "time_spent_ms": 15_000,
        "status": "successful",
        "started_at": after["started_at"],
        "certificate_id": after["certificate_id"],
    }
    assert (after["started_at"] is None) == (not has)
    assert (unsuccessful["mail"], unsuccessful["status"]) == (ADMIN_MAIL, "unsuccessful")
    period = {"completed_after": "2020-01-01T00:00:00Z", "completed_before": "2090-01-01T00:00:00Z"}
    assert len(api.list_path_session_stats(session_id=session_id, **period)) == 2
    assert api.list_path_session_stats(session_id=session_id, completed_after=period["completed_before"]) == []
    assert api.list_path_session_stats(session_id=session_id, completed_before=period["completed_after"]) == []


def test_counts_the_learners_of_a_session_by_status(sandbox, api, session_id):
    sandbox.control.settings(unsuccessful_mails=[ADMIN_MAIL])
    none = api.get_path_session_statuses(session_id=session_id)
    assert (none["session_id"], none["enrolled"], set(none["statuses"].values())) == (session_id, 0, {0})
    api.enroll_users(session_id=session_id, users=[GRACE_MAIL, ADMIN_MAIL])

    def read(**path):
        counts = api.get_path_session_statuses(session_id=session_id, **path)
        return counts["enrolled"], {status: count for status, count in counts["statuses"].items() if count}

    assert read() == (2, {"notYetStarted": 2})
    sandbox.control.advance(60)
    assert read(path_id=ONBOARDING_PATH_ID) == (2, {"successful": 1, "unsuccessful": 1})
    assert set(api.get_path_session_statuses(session_id=session_id)["statuses"]) == set(get_args(LearnerStatus))
    with pytest.raises(NotFoundError):
        api.get_path_session_statuses(session_id=MISSING_ID)


def test_leaves_out_who_was_unenrolled(api, session_id):
    api.enroll_users(session_id=session_id, users=[GRACE_MAIL, ADMIN_MAIL])
    api.unenroll_users(session_id=session_id, users=[GRACE_MAIL])
    assert [row["user_id"] for row in api.list_path_session_stats(session_id=session_id)] == [ADMIN_ID]
    assert [user["user_id"] for user in api.list_path_session_users(session_id=session_id)] == [ADMIN_ID]


def test_marks_deleted_learners(api, session_id):
    api.enroll_users(session_id=session_id, users=[GRACE_MAIL])
    api.delete_user(user=GRACE_MAIL)
    (row,) = api.list_path_session_stats(session_id=session_id, with_mails=True)
    assert (row["user_id"], row["deleted"]) == (GRACE_ID, True)
    assert api.list_path_session_users(session_id=session_id) == []


def test_enrolls_beside_learners_who_were_deleted(api, session_id, enrolled):
    api.enroll_users(session_id=session_id, users=[GRACE_MAIL])
    api.delete_user(user=GRACE_MAIL)
    api.enroll_users(session_id=session_id, users=[ADMIN_MAIL])
    assert ADMIN_MAIL in enrolled()


def test_raises_for_missing_users_groups_and_sessions(api, session_id, enrolled):
    for action, arguments in (
        (api.enroll_users, {"session_id": MISSING_ID, "users": [GRACE_MAIL]}),
        (api.enroll_users, {"session_id": session_id, "users": [GRACE_MAIL, "missing@acme.test"]}),
        (api.enroll_users, {"session_id": session_id, "users": [GRACE_ID, MISSING_ID]}),
        (api.enroll_groups, {"session_id": session_id, "group_ids": [ROOT_GROUP_ID, MISSING_ID]}),
        (api.unenroll_users, {"session_id": session_id, "users": ["missing@acme.test"]}),
        (api.unenroll_users, {"session_id": MISSING_ID, "users": [GRACE_MAIL]}),
        (api.unenroll_groups, {"session_id": MISSING_ID, "group_ids": [ROOT_GROUP_ID]}),
        (api.list_path_session_users, {"session_id": MISSING_ID}),
        (api.list_path_session_stats, {"session_id": MISSING_ID}),
    ):
        with pytest.raises(NotFoundError):
            action(**arguments)
    assert enrolled() == set()
