"""Paths and sessions of API v2: what v2 alone does."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from airflow_provider_360learning.api.types import Call
from airflow_provider_360learning.exceptions import (
    AlreadyExistsError,
    InvalidRequestError,
    Learning360Error,
    NotFoundError,
    OutcomeUnknownError,
    RefusedError,
)
from airflow_provider_360learning.sandbox.demo_company import (
    ADMIN_ID,
    ADMIN_MAIL,
    GRACE_ID,
    GRACE_MAIL,
    ONBOARDING_PATH_ID,
    ROOT_GROUP_ID,
    SALES_GROUP_ID,
)

MAY = {
    "path_id": ONBOARDING_PATH_ID,
    "name": "May",
    "session_start": "2026-05-01T00:00:00+02:00",
    "group_id": SALES_GROUP_ID,
}
CREATE, MODIFY = "createPathSession", "modifyPathSession"
MARK = f"Being created by Airflow; its owner group will be {SALES_GROUP_ID}"


@pytest.fixture
def sessions(sandbox):
    """Return a function that returns name, owner group and additional information of all sessions."""
    return lambda: [(each["name"], each["owner_group"], each["info"]) for each in sandbox.control.state()["sessions"]]


def cut(api, steps, calls):
    """
    Make some calls of an action, as a process does that is killed before the next one.

    :return: whether the action ended before.
    """
    outcome = None
    for _ in range(calls):
        try:
            step = steps.throw(outcome) if isinstance(outcome, Learning360Error) else steps.send(outcome)
        except StopIteration:
            return True
        outcome = api.client.call(step)
    return False


# Creating a session


def test_sends_what_is_required_and_sets_the_owner_group_then(api, sent):
    made = api.create_path_session(
        **MAY,
        session_end="2096-06-01T00:00:00Z",
        instructors=[GRACE_MAIL, ADMIN_MAIL],
        additional_information="cohort 5",
        registration_validation="managers",
    )
    assert sent(CREATE)[0]["body"] == {
        "name": "May",
        "startDate": "2026-04-30T22:00:00.000Z",
        "endDate": "2096-06-01T00:00:00.000Z",
        "mainInstructorId": GRACE_ID,
        "instructorIds": [ADMIN_ID],
        "registrationRequestValidation": "managers",
        "additionalInformation": MARK,
    }
    (modified,) = sent(MODIFY)
    assert modified["path"].endswith(made["session_id"])
    assert modified["body"] == {"groupId": SALES_GROUP_ID, "additionalInformation": "cohort 5"}


def test_the_owner_of_the_platform_is_the_main_instructor_by_default(sandbox, api, sent):
    """Members of the root group are read until the owner is found, once."""
    sandbox.control.settings(max_page_size=2)
    sandbox.control.add_users(["other@acme.test"])
    for name in ("May", "June"):
        api.create_path_session(**{**MAY, "name": name})
    assert [entry["body"]["mainInstructorId"] for entry in sent(CREATE)] == [ADMIN_ID, ADMIN_ID]
    assert [entry["body"]["additionalInformation"] for entry in sent(MODIFY)] == [None, None]
    assert len(sent("getGroupMembers")) == 1


def test_requires_instructors_of_a_platform_without_an_owner(sandbox, api, sessions):
    sandbox.control.add_fault("getGroupMembers", kind="status", status=200, body=[])
    with pytest.raises(RefusedError, match="no owner to be it: give instructors"):
        api.create_path_session(**MAY)
    assert sessions() == []


def test_refuses_more_instructors_than_a_session_has(api, sent):
    mails = [f"user.{number}@acme.test" for number in range(102)]
    with pytest.raises(InvalidRequestError, match=r"102 addresses.*at most 101.*Nothing was sent"):
        api.create_path_session(**MAY, instructors=mails)
    assert sent() == []


def test_creates_nothing_in_a_group_that_does_not_exist(api, sent):
    with pytest.raises(NotFoundError, match="groupNotFound"):
        api.create_path_session(**{**MAY, "group_id": "0" * 24})
    assert sent(CREATE, MODIFY) == []


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"session_start": "2099-05-01T00:00:00Z", "session_end": "2099-04-01T00:00:00Z"}, "invalidStartOrEndDate"),
        ({}, "pathArchived"),
    ],
)
def test_reports_what_360learning_refuses(sandbox, api, sessions, changes, code):
    sandbox.control.change_path(ONBOARDING_PATH_ID, archived=code == "pathArchived")
    with pytest.raises((RefusedError, InvalidRequestError), match=code) as refused:
        api.create_path_session(**{**MAY, **changes})
    assert not refused.value.transient
    assert sessions() == []


def test_a_retry_completes_a_session_wherever_its_creation_was_cut(make_api, sessions):
    calls = 0
    while True:
        name = f"Session {calls}"
        arguments = {**MAY, "name": name, "instructors": [GRACE_MAIL], "additional_information": "cohort 5"}
        api = make_api()
        is_done = cut(api, api.create_path_session.steps(**arguments), calls)
        retried = make_api().create_path_session(**arguments)
        assert retried["outcome"] == ("already_exists" if sessions()[-1:] and calls > 4 else "created"), calls
        assert [each for each in sessions() if each[0] == name] == [(name, SALES_GROUP_ID, "cohort 5")]
        if is_done:
            break
        calls += 1
    assert calls == 6


def test_completes_a_session_as_the_retry_wants_it(api, sandbox, sessions):
    cut(api, api.create_path_session.steps(**MAY, instructors=[GRACE_MAIL]), 4)
    assert sessions() == [("May", ROOT_GROUP_ID, MARK)]
    api.create_path_session(**{**MAY, "session_start": "2026-05-02T00:00:00Z"}, registration_validation="managers")
    (session,) = sandbox.control.state()["sessions"]
    assert (session["owner_group"], session["info"]) == (SALES_GROUP_ID, None)
    assert (session["start"], session["instructors"]) == (1777680000.0, [ADMIN_MAIL])
    assert session["registration_request"] == "managers"


def test_leaves_sessions_of_other_groups_alone(api, sessions):
    """One of the same name in another group, and one whose creation for another group was cut."""
    cut(api, api.create_path_session.steps(**{**MAY, "group_id": ROOT_GROUP_ID}), 5)
    api.create_path_session(**MAY)
    assert [session[1:] for session in sessions()] == [
        (ROOT_GROUP_ID, MARK.replace(SALES_GROUP_ID, ROOT_GROUP_ID)),
        (SALES_GROUP_ID, None),
    ]


def test_creates_no_session_that_could_not_be_completed(api, sessions):
    """The second request, which sets the owner group, is refused for a session that has ended."""
    past = {"session_start": "2020-05-01T00:00:00Z", "session_end": "2020-05-02T00:00:00Z"}
    with pytest.raises(InvalidRequestError, match=r"session_end is 2020-05-02.*Nothing was created") as refused:
        api.create_path_session(**{**MAY, **past})
    assert (refused.value.argument, sessions()) == ("session_end", [])


def test_a_session_that_exists_may_have_ended(api):
    made = api.create_path_session(**MAY)
    again = api.create_path_session(
        **{**MAY, "session_start": "2020-05-01T00:00:00Z", "session_end": "2020-05-02T00:00:00Z"}
    )
    assert again == {**made, "outcome": "already_exists"}


@pytest.mark.parametrize("operation", [CREATE, MODIFY])
@pytest.mark.parametrize("kind", ["drop_after", "garbage"])
def test_a_lost_response_creates_nothing_twice(sandbox, api, sent, sessions, operation, kind):
    sandbox.control.add_fault(operation, kind=kind)
    assert api.create_path_session(**MAY)["outcome"] == "created"
    assert sessions() == [("May", SALES_GROUP_ID, None)]
    assert len(sent(CREATE)) == 1


def test_reports_a_creation_of_unknown_outcome(sandbox, api, sessions):
    sandbox.control.add_fault(CREATE, kind="drop_before")
    with pytest.raises(OutcomeUnknownError):
        api.create_path_session(**MAY)
    assert sessions() == []
    assert api.create_path_session(**MAY)["outcome"] == "created"


def test_a_session_that_was_completed_fails_as_existing(api):
    cut(api, api.create_path_session.steps(**MAY), 5)
    made = api.create_path_session(**MAY, if_exists="fail")
    assert made["outcome"] == "created"
    with pytest.raises(AlreadyExistsError, match=made["session_id"]):
        api.create_path_session(**MAY, if_exists="fail")


def test_refuses_to_choose_between_two_sessions(api, sent):
    api.create_path_session(**MAY)
    other = api.create_path_session(**{**MAY, "name": "Other"})["session_id"]
    path = {"pathId": ONBOARDING_PATH_ID, "sessionId": other}
    api.client.call(Call(MODIFY, path=path, body={"name": " May "}))
    with pytest.raises(RefusedError, match="2 sessions have the name 'May'"):
        api.create_path_session(**MAY)


# Lists


def test_lists_published_paths_and_all_of_their_sessions(sandbox, api, sent):
    sandbox.control.settings(max_page_size=2)
    made = [api.create_path_session(**{**MAY, "name": f"Session {number}"})["session_id"] for number in range(5)]
    (path,) = api.list_paths()
    assert path["session_ids"] == made
    assert [session["session_id"] for session in api.list_path_sessions()] == made
    sandbox.control.change_path(ONBOARDING_PATH_ID, archived=True)
    assert api.list_paths() == []
    assert sent()[-1]["operation"] == "getPaths"


def test_lists_learners_without_requests_for_their_path(sandbox, api, sent):
    session_id = api.create_path_session(**MAY)["session_id"]
    api.enroll_users(session_id=session_id, users=[GRACE_ID], path_id=ONBOARDING_PATH_ID)
    sandbox.control.clear_journal()
    where = {"session_id": session_id, "path_id": ONBOARDING_PATH_ID}
    (row,) = api.list_path_session_stats(**where)
    assert (row["user_id"], row["mail"], row["deleted"]) == (GRACE_ID, None, None)
    api.list_path_session_users(**where)
    assert [entry["operation"] for entry in sent()] == ["getUserStats", "getEnrollments", "getUser"]


def test_compares_completions_to_the_millisecond(sandbox, api, sent):
    """Filters of API v2 count whole seconds; the start of the interval is included, the end is not."""
    session_id = api.create_path_session(**MAY)["session_id"]
    api.enroll_users(session_id=session_id, users=[GRACE_ID])
    sandbox.control.advance(60)
    (row,) = api.list_path_session_stats(session_id=session_id)
    time = row["completed_at"]
    later = (datetime.fromisoformat(time) + timedelta(milliseconds=1)).isoformat()
    for interval, found in (
        ({"completed_after": time}, [row]),
        ({"completed_after": later}, []),
        ({"completed_before": time}, []),
        ({"completed_before": later}, [row]),
        ({"completed_after": time, "completed_before": later}, [row]),
    ):
        assert api.list_path_session_stats(session_id=session_id, **interval) == found


def test_counts_a_learner_who_is_enrolled_again(sandbox, api):
    session_id = api.create_path_session(**MAY)["session_id"]
    row = {
        "_id": "1" * 24,
        "userId": GRACE_ID,
        "progress": 0,
        "status": {"type": "late"},
        "timeSpent": 1.6,
        "selfEnrolled": False,
        "enrolledAt": "2026-02-01T00:00:00.000Z",
        "unenrolledAt": "2026-01-31T00:00:00.000Z",
    }
    ended = {**row, "userId": ADMIN_ID, "unenrolledAt": "2026-02-02T00:00:00.000Z"}
    sandbox.control.add_fault("getUserStats", kind="status", status=200, body=[row, ended])
    (found,) = api.list_path_session_stats(session_id=session_id)
    assert (found["user_id"], found["time_spent_ms"], found["status"]) == (GRACE_ID, 2, "late")


@pytest.mark.parametrize("page_size", [None, 7])
def test_reads_large_sessions_in_pages(sandbox, api, page_size):
    sandbox.control.settings(max_page_size=page_size)
    sandbox.control.add_users(f"user.{number}@acme.test" for number in range(30))
    session_id = api.create_path_session(**MAY)["session_id"]
    api.enroll_groups(session_id=session_id, group_ids=[ROOT_GROUP_ID])
    rows = api.list_path_session_stats(session_id=session_id, with_mails=True)
    users = api.list_path_session_users(session_id=session_id)
    assert len(rows) == len(users) == 32
    assert (
        {row["mail"] for row in rows}
        == {user["mail"] for user in users}
        == {user["mail"] for user in api.list_users()} - {"linus.pauling@acme.test"}
    )


def test_lists_all_fields_of_a_session(sandbox, api):
    session_id = api.create_path_session(**MAY, instructors=[GRACE_MAIL, ADMIN_MAIL])["session_id"]
    api.update_path_session(session_id=session_id, user_limit=20, session_end="2096-06-01T00:00:00Z")
    (session,) = api.list_path_sessions()
    assert session == {
        "session_id": session_id,
        "path_id": ONBOARDING_PATH_ID,
        "name": "May",
        "group_id": SALES_GROUP_ID,
        "session_start": "2026-04-30T22:00:00.000Z",
        "session_end": "2096-06-01T00:00:00.000Z",
        "additional_information": None,
        "main_instructor_id": GRACE_ID,
        "instructor_ids": [ADMIN_ID],
        "instructor_mails": None,
        "registration_validation": "disabled",
        "user_limit": 20,
        "automatic_reenrollment": None,
        "ip_filtering": None,
        "is_audience_builder": True,
        "root_session_id": None,
        "created_at": session["created_at"],
        "modified_at": session["modified_at"],
    }
