"""Paths, sessions, audiences, enrollments and statistics of API v2, in front of the same state as API v1."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from airflow_provider_360learning.sandbox.demo_company import (
    ADMIN_ID,
    ADMIN_MAIL,
    GRACE_ID,
    GRACE_MAIL,
    LINUS_INVITATION_ID,
    LINUS_MAIL,
    ONBOARDING_PATH_ID,
    ROOT_GROUP_ID,
    SALES_GROUP_ID,
)
from tests.sandbox.conftest import Client as ClientOfV1

UNKNOWN = "0" * 24
PATH = f"/paths/{ONBOARDING_PATH_ID}"


def timestamp(**ago):
    """Format a time in the past, or, for negative values, in the future."""
    when = datetime.now(UTC) - timedelta(**ago)
    return when.isoformat(timespec="milliseconds").replace("+00:00", "Z")


@pytest.fixture
def v2(client):
    """Return the client of API v2, apart from that of API v1."""
    return client


@pytest.fixture
def v1(sandbox):
    client = ClientOfV1(sandbox)
    yield client
    client.close()


def session_body(**changes):
    return {
        "name": "Intake",
        "mainInstructorId": ADMIN_ID,
        "registrationRequestValidation": "disabled",
        "startDate": timestamp(days=1),
    } | changes


@pytest.fixture
def add_session(v2):
    def add(**changes):
        response = v2("POST", f"{PATH}/sessions", session_body(**changes))
        assert response.status == 200, response.content
        return response.json["_id"]

    return add


@pytest.fixture
def put_audience(v2):
    def put(session, mode="dynamicEnrollment", **filters):
        body = {"mode": mode, "filters": [{"type": kind, "ids": ids} for kind, ids in filters.items()]}
        return v2("PUT", f"{PATH}/sessions/{session}/audiences", body)

    return put


@pytest.fixture
def enrolled(v2):
    """Return the users with a published enrollment in a session."""

    def read(session):
        query = f"sessionId[eq]={session}&status[eq]=published"
        return [each["userId"] for each in v2("GET", f"{PATH}/enrollments?{query}").json]

    return read


def code_of(response):
    return response.status, response.code


# Paths and sessions


def test_a_change_through_api_v1_removes_the_user_limit_and_the_validation(v2, v1, add_session):
    session = add_session(userLimit=20, registrationRequestValidation="managers")
    read = v2("GET", f"{PATH}/sessions/{session}").json
    assert (read["userLimit"], read["registrationRequestValidation"]) == (20, "managers")
    body = {"sessionName": "June", "sessionOwnerGroup": SALES_GROUP_ID, "startDate": read["startDate"]}
    assert v1("PATCH", f"/paths/sessions/{session}", json=body).status_code == 200
    read = v2("GET", f"{PATH}/sessions/{session}").json
    assert (read["name"], "userLimit" in read, read["registrationRequestValidation"]) == ("June", False, "disabled")
    assert v2("PATCH", f"{PATH}/sessions/{session}", {"userLimit": 30}).json["userLimit"] == 30
    assert "userLimit" not in v2("PATCH", f"{PATH}/sessions/{session}", {"userLimit": None}).json


def test_a_session_that_is_a_part_of_another_follows_its_instructors(v2, sandbox, add_session):
    root, child = add_session(), add_session()
    sandbox.control.change_session(child, root=root)
    base = f"{PATH}/child-sessions"
    changes = {"additionalInformation": "part", "instructorIds": [GRACE_ID]}
    changed = v2("PATCH", f"{base}/{child}", changes).json
    assert (changed["rootSessionId"], changed["additionalInformation"], changed["mainInstructorId"]) == (
        root,
        "part",
        ADMIN_ID,
    )
    assert changed == v2("GET", f"{PATH}/sessions/{child}").json
    assert code_of(v2("PATCH", f"{PATH}/sessions/{child}", {"name": "x"})) == (400, "childPathSession")
    assert code_of(v2("PATCH", f"{base}/{root}", changes)) == (400, "rootPathSession")
    assert code_of(v2("PATCH", f"{base}/{UNKNOWN}", changes)) == (404, "sessionNotFound")
    v2("PATCH", f"{PATH}/sessions/{root}", {"mainInstructorId": GRACE_ID, "instructorIds": []})
    assert v2("GET", f"{PATH}/sessions/{child}").json["mainInstructorId"] == GRACE_ID
    sandbox.control.change_session(child, end=0)
    assert code_of(v2("PATCH", f"{base}/{child}", changes)) == (400, "sessionEnded")
    assert v2("DELETE", f"{PATH}/sessions/{root}").status == 204
    assert v2("GET", "/paths/sessions").json == []


def test_lists_paths_by_status_and_time(v2):
    (path,) = v2("GET", "/paths").json
    assert path == v2("GET", PATH).json
    assert (path["name"], path["status"], len(path["steps"])) == ("Onboarding", "published", 2)
    assert v2("PUT", f"{PATH}/archive", {"archived": True}).status == 200
    assert v2("GET", "/paths?status[eq]=published").json == []
    assert len(v2("GET", f"/paths?status[eq]=archived&modifiedAt[gte]={timestamp(hours=1)}").json) == 1
    assert v2("GET", f"/paths?modifiedAt[gte]={timestamp(hours=-1)}").json == []


def test_creates_changes_and_deletes_a_session(v2, v1, add_session):
    session = add_session(instructorIds=[GRACE_ID], endDate=timestamp(days=-1), additionalInformation="cohort 5")
    read = v2("GET", f"{PATH}/sessions/{session}").json
    assert read["groupId"] == ROOT_GROUP_ID
    assert (read["mainInstructorId"], read["instructorIds"]) == (ADMIN_ID, [GRACE_ID])
    assert (read["additionalInformation"], read["isAudienceBuilder"]) == ("cohort 5", True)
    changes = {"groupId": SALES_GROUP_ID, "additionalInformation": None, "endDate": None, "instructorIds": []}
    changed = v2("PATCH", f"{PATH}/sessions/{session}", changes).json
    assert (changed["groupId"], changed["instructorIds"], changed["name"]) == (SALES_GROUP_ID, [], "Intake")
    assert not {"additionalInformation", "endDate", "rootSessionId"} & set(changed)
    (listed,) = v2("GET", f"/paths/sessions?pathId[eq]={ONBOARDING_PATH_ID}&sessionId[in][0]={session}").json
    assert {**listed, "translations": []} == changed
    assert v2("GET", f"{PATH}/sessions").json == [changed]
    assert v2("GET", f"/paths/sessions?createdAt[gte]={timestamp(hours=-1)}").json == []
    (of_v1,) = v1("GET", "/paths/sessions").json()
    assert (of_v1["sessionId"], of_v1["sessionOwnerGroup"]) == (session, SALES_GROUP_ID)
    assert v1("GET", f"/paths/sessions/{session}").json()["instructorsMails"] == [ADMIN_MAIL]
    assert v2("DELETE", f"{PATH}/sessions/{session}").status == 204
    assert code_of(v2("GET", f"{PATH}/sessions/{session}")) == (404, "sessionNotFound")


def test_shows_a_session_of_v1(v2, v1):
    body = {"sessionName": "Intake", "sessionOwnerGroup": ROOT_GROUP_ID, "startDate": timestamp(days=1)}
    v1("POST", f"{PATH}/sessions/", json=body)
    (session,) = v2("GET", "/paths/sessions").json
    assert (session["name"], session["mainInstructorId"]) == ("Intake", ADMIN_ID)
    assert session["registrationRequestValidation"] == "disabled"


def test_derives_the_owner_group_from_the_main_instructor(v1, v2, add_session):
    body = {"role": "author"}
    v1("PUT", f"/groups/{ROOT_GROUP_ID}/users/{GRACE_MAIL}", data=body)
    v1("PUT", f"/groups/{SALES_GROUP_ID}/users/{GRACE_MAIL}", data=body)
    session = add_session(mainInstructorId=GRACE_ID)
    # Public groups come first.
    assert v2("GET", f"{PATH}/sessions/{session}").json["groupId"] == SALES_GROUP_ID


@pytest.mark.parametrize(
    ("path", "changes", "error"),
    [
        (UNKNOWN, {}, (404, "pathNotFound")),
        (ONBOARDING_PATH_ID, {"mainInstructorId": UNKNOWN}, (404, "usersNotFound")),
        (ONBOARDING_PATH_ID, {"instructorIds": [UNKNOWN]}, (404, "usersNotFound")),
        (ONBOARDING_PATH_ID, {"endDate": timestamp(days=2)}, (400, "invalidStartOrEndDate")),
    ],
)
def test_refuses_invalid_sessions(v2, path, changes, error):
    assert code_of(v2("POST", f"/paths/{path}/sessions", session_body(**changes))) == error
    assert v2("GET", "/paths/sessions").json == []


@pytest.mark.unpublished_requests
@pytest.mark.parametrize("missing", ["name", "mainInstructorId", "registrationRequestValidation", "startDate"])
def test_requires_the_documented_fields_of_a_session(v2, missing):
    body = {name: value for name, value in session_body().items() if name != missing}
    assert v2("POST", f"{PATH}/sessions", body).status == 400


def test_refuses_a_session_of_another_path_or_of_an_archived_one(sandbox, v2, add_session):
    session = add_session(startDate=timestamp(days=-1))
    body = session_body()
    sandbox.control.change_path(ONBOARDING_PATH_ID, archived=True)
    assert code_of(v2("POST", f"{PATH}/sessions", body)) == (400, "pathArchived")
    assert code_of(v2("GET", f"/paths/{UNKNOWN}/sessions/{session}")) == (404, "pathNotFound")


def test_refuses_changes_of_child_and_ended_sessions(sandbox, v2, add_session, put_audience):
    session = add_session()
    path = f"{PATH}/sessions/{session}"
    assert code_of(v2("PATCH", path, {"groupId": UNKNOWN})) == (404, "groupNotFound")
    sandbox.control.change_session(session, root=UNKNOWN)
    assert v2("GET", path).json["rootSessionId"] == UNKNOWN
    for response in (
        v2("PATCH", path, {"name": "Other"}),
        put_audience(session),
        v2("DELETE", f"{path}/self-enrollments/{GRACE_ID}"),
    ):
        assert code_of(response) == (400, "childPathSession")
    sandbox.control.change_session(session, root=None, end=0.0)
    assert code_of(v2("PATCH", path, {"endDate": timestamp(days=-1)})) == (400, "unsupportedEndDateUpdate")
    for response in (
        v2("PATCH", path, {"name": "Other"}),
        put_audience(session),
        v2("DELETE", f"{path}/self-enrollments/{GRACE_ID}"),
    ):
        assert code_of(response) == (400, "sessionEnded")


# Audiences


def test_both_versions_change_the_same_audience(v1, v2, add_session, put_audience, enrolled):
    session = add_session()
    audience = f"{PATH}/sessions/{session}/audiences"
    assert v2("GET", audience).json == {"filters": [], "mode": "dynamicEnrollment"}
    v1("PATCH", f"/paths/sessions/{session}/users", json={"userIds": [GRACE_ID]})
    v1("PATCH", f"/paths/sessions/{session}/groups", json={"groupIds": [ROOT_GROUP_ID]})
    v1("DELETE", f"/paths/sessions/{session}/users", json={"userEmails": [ADMIN_MAIL]})
    filters = [
        {"type": "users", "ids": [GRACE_ID]},
        {"type": "groups", "ids": [ROOT_GROUP_ID]},
        {"type": "excludedLearners", "ids": [ADMIN_ID]},
    ]
    assert v2("GET", audience).json == {"filters": filters, "mode": "dynamicEnrollment"}
    assert enrolled(session) == [GRACE_ID]
    assert put_audience(session, "manual", groups=[ROOT_GROUP_ID.upper()]).json == {
        "filters": [filters[1]],
        "mode": "manual",
    }
    assert [user["_id"] for user in v1("GET", f"/paths/sessions/{session}/users").json()] == [GRACE_ID, ADMIN_ID]
    assert put_audience(session).json["filters"] == []
    assert v1("GET", f"/paths/sessions/{session}/users").json() == []


@pytest.mark.parametrize(
    ("mode", "joined", "left"),
    [
        ("dynamic", True, False),
        ("dynamicEnrollment", True, True),
        ("dynamicUnenrollment", False, False),
        ("manual", False, True),
    ],
)
def test_an_audience_follows_its_groups_as_its_mode_says(v1, add_session, put_audience, enrolled, mode, joined, left):
    session = add_session()
    v1("PUT", f"/groups/{SALES_GROUP_ID}/users/{ADMIN_MAIL}", data={})
    put_audience(session, mode, groups=[SALES_GROUP_ID])
    v1("PUT", f"/groups/{SALES_GROUP_ID}/users/{GRACE_MAIL}", data={})
    assert (GRACE_ID in enrolled(session)) == joined
    v1("DELETE", f"/groups/{SALES_GROUP_ID}/users/{ADMIN_MAIL}", data={})
    assert (ADMIN_ID in enrolled(session)) == left


def test_invited_members_of_a_group_are_enrolled_when_they_accept(sandbox, v1, add_session, put_audience, enrolled):
    session = add_session()
    body = {"mail": "invited@acme.test", "groups": [SALES_GROUP_ID], "sendCredentials": False}
    v1("POST", "/users", json=body)
    put_audience(session, groups=[SALES_GROUP_ID])
    assert enrolled(session) == []
    sandbox.control.accept_invitation("invited@acme.test")
    assert len(enrolled(session)) == 1


def test_a_restored_user_keeps_the_statistics(sandbox, client, add_session, put_audience):
    def times():
        return [each["since"] for each in sandbox.control.state()["enrollments"] if each["user"] == GRACE_ID]

    session = add_session()
    put_audience(session, users=[GRACE_ID])
    before = times()
    sandbox.control.advance(60)
    client("DELETE", f"/users/{GRACE_ID}")
    membership = {"groupId": SALES_GROUP_ID, "role": "learner"}
    client("POST", "/users", {"mail": GRACE_MAIL, "membership": membership})
    client("PUT", f"/users/{GRACE_ID}/activate")
    assert (times(), len(before)) == (before, 1)


@pytest.mark.parametrize(
    ("filters", "error"),
    [
        ({"users": [UNKNOWN]}, (404, "usersNotFound")),
        ({"excludedLearners": [UNKNOWN]}, (404, "usersNotFound")),
        ({"groups": [UNKNOWN]}, (404, "groupsNotFound")),
    ],
)
def test_refuses_unknown_users_and_groups(add_session, put_audience, enrolled, filters, error):
    session = add_session()
    put_audience(session, users=[GRACE_ID])
    assert code_of(put_audience(session, **filters)) == error
    assert enrolled(session) == [GRACE_ID]


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"has_audience_builder": False}, "sessionIsNotAudienceBuilder"),
        ({"has_other_filters": True}, "unsupportedAudienceFilter"),
    ],
)
def test_refuses_audiences_that_the_api_does_not_know(sandbox, v2, add_session, put_audience, changes, error):
    session = add_session()
    sandbox.control.change_session(session, **changes)
    assert code_of(v2("GET", f"{PATH}/sessions/{session}/audiences")) == (400, error)
    assert code_of(put_audience(session, users=[GRACE_ID])) == (400, error)


def test_refuses_two_filters_of_one_type(v2, add_session):
    session = add_session()
    path = f"{PATH}/sessions/{session}/audiences"
    users = {"type": "users", "ids": [GRACE_ID]}
    twice = v2("PUT", path, {"mode": "manual", "filters": [users, users]})
    assert code_of(twice) == (400, "invalidAudienceBuilderShape")


@pytest.mark.unpublished_requests
def test_refuses_malformed_audiences(v2, add_session):
    path = f"{PATH}/sessions/{add_session()}/audiences"
    users = {"type": "users", "ids": [GRACE_ID]}
    for body in (
        {"filters": [users]},
        {"mode": "manual"},
        {"mode": "other", "filters": []},
        {"mode": "manual", "filters": [users, users, users, users]},
        {"mode": "manual", "filters": [{"type": "users"}]},
        {"mode": "manual", "filters": [{"type": "other", "ids": []}]},
        {"mode": "manual", "filters": [{"type": "groups", "ids": [UNKNOWN] * 5_001}]},
    ):
        assert v2("PUT", path, body).status == 400


def test_a_path_that_takes_tokens_accepts_users_only(sandbox, add_session, put_audience, enrolled):
    sandbox.control.change_path(ONBOARDING_PATH_ID, uses_tokens=True)
    session = add_session()
    assert put_audience(session, "manual", users=[GRACE_ID]).status == 200
    assert code_of(put_audience(session, "manual", groups=[ROOT_GROUP_ID])) == (400, "tokenBasedPathAudienceFilter")
    excluded = put_audience(session, "manual", excludedLearners=[ADMIN_ID])
    assert code_of(excluded) == (400, "tokenBasedPathExcludedLearners")
    assert code_of(put_audience(session, "dynamic", users=[ADMIN_ID])) == (400, "tokenBasedPathMode")
    assert enrolled(session) == [GRACE_ID]


# Enrollments and statistics


def test_self_enrollments_are_independent_of_the_audience(sandbox, v2, add_session, put_audience, enrolled):
    session = add_session()
    sandbox.control.self_enroll(session, GRACE_MAIL)
    put_audience(session, users=[ADMIN_ID])
    put_audience(session)
    assert enrolled(session) == [GRACE_ID]
    path = f"{PATH}/sessions/{session}/self-enrollments"
    assert v2("DELETE", f"{path}/{GRACE_ID}").status == 204
    assert code_of(v2("DELETE", f"{path}/{GRACE_ID}")) == (404, "learnerNotEnrolled")
    put_audience(session, users=[GRACE_ID])
    assert code_of(v2("DELETE", f"{path}/{GRACE_ID}")) == (400, "learnerNotSelfEnrolled")


def test_lists_enrollments_that_have_ended(v2, add_session, put_audience):
    session = add_session()
    put_audience(session, users=[GRACE_ID, ADMIN_ID])
    put_audience(session, users=[ADMIN_ID])
    listed = {each["userId"]: each for each in v2("GET", f"{PATH}/enrollments").json}
    assert {id: each["status"] for id, each in listed.items()} == {ADMIN_ID: "published", GRACE_ID: "archived"}
    assert "archivedAt" in listed[GRACE_ID]
    assert [each["userId"] for each in v2("GET", f"{PATH}/enrollments?status[eq]=archived").json] == [GRACE_ID]
    put_audience(session, users=[GRACE_ID])
    again = {each["userId"]: each for each in v2("GET", f"{PATH}/enrollments").json}
    assert again[GRACE_ID]["_id"] == listed[GRACE_ID]["_id"]
    assert again[GRACE_ID]["status"] == "published"


def test_statistics_follow_the_clock(sandbox, v2, add_session, put_audience):
    sandbox.control.settings(unsuccessful_mails=[ADMIN_MAIL])
    session = add_session(endDate=timestamp(days=-1))
    put_audience(session, users=[GRACE_ID, ADMIN_ID, LINUS_INVITATION_ID])
    path = f"{PATH}/sessions/{session}"
    assert [each["status"] for each in v2("GET", f"{path}/user-stats").json] == [{"type": "notYetStarted"}] * 3
    sandbox.control.advance(60)
    counts = v2("GET", f"{path}/user-statuses").json["usersCountByStatus"]
    assert {status: count for status, count in counts.items() if count} == {
        "successful": 1,
        "unsuccessful": 1,
        "notYetStarted": 1,
    }
    assert len(counts) == 8
    (grace,) = v2("GET", f"{path}/user-stats?userId[in][0]={GRACE_ID}").json
    assert (grace["progress"], grace["score"], grace["timeSpent"]) == (100, 90, 15_000)
    assert (grace["status"], grace["selfEnrolled"]) == ({"type": "successful"}, False)
    assert {"completedAt", "startedAt", "dueDate", "enrolledAt"} <= set(grace)
    since = v2("GET", f"{path}/user-stats?completedAt[gte]={timestamp(hours=1)}").json
    assert [each["userId"] for each in since] == [GRACE_ID, ADMIN_ID]
    assert v2("GET", f"{path}/user-stats?completedAt[lt]={timestamp(hours=1)}").json == []
    everywhere = v2("GET", f"/paths/stats?pathId[eq]={ONBOARDING_PATH_ID}&userId[eq]={GRACE_ID}&status[eq]=published")
    assert everywhere.json == [{**grace, "pathId": ONBOARDING_PATH_ID, "sessionId": session}]
    sandbox.control.accept_invitation(LINUS_MAIL)
    sandbox.control.change_session(session, end=0.0)
    (linus,) = v2("GET", f"{path}/user-stats?userId[eq]={LINUS_INVITATION_ID}").json
    assert linus["status"] == {"type": "unsuccessful", "reason": "sessionEnded"}


@pytest.mark.parametrize("included", [True, False])
def test_statistics_of_unenrolled_learners_stay_as_they_were(sandbox, v2, add_session, put_audience, included):
    sandbox.control.settings(unenrolled_in_statistics=included)
    session = add_session()
    put_audience(session, users=[GRACE_ID])
    sandbox.control.advance(10)
    put_audience(session)
    sandbox.control.advance(60)
    rows = v2("GET", f"{PATH}/sessions/{session}/user-stats").json
    assert [row["progress"] for row in rows] == ([33] if included else [])
    assert all("unenrolledAt" in row for row in rows)
    assert not any(v2("GET", f"{PATH}/sessions/{session}/user-statuses").json["usersCountByStatus"].values())
