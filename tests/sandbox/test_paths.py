"""Paths, their sessions, enrollments, and learners whose progress follows the sandbox's clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from airflow_provider_360learning.sandbox.demo_company import (
    ADMIN_MAIL,
    DELETED_COURSE_ID,
    DRAFT_COURSE_ID,
    GRACE_ID,
    GRACE_MAIL,
    LINUS_MAIL,
    ONBOARDING_PATH_ID,
    ROOT_GROUP_ID,
    SALES_GROUP_ID,
    SECURITY_COURSE_ID,
    WELCOME_COURSE_ID,
)

UNKNOWN = "0" * 24


def timestamp(**ago):
    """Format a time in the past, or, for negative values, in the future."""
    when = datetime.now(UTC) - timedelta(**ago)
    return when.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def session_body(**changes):
    body = {"sessionName": "Intake", "sessionOwnerGroup": ROOT_GROUP_ID, "startDate": timestamp(days=1)}
    return body | changes


@pytest.fixture
def add_session(client):
    def add(**changes):
        response = client("POST", f"/paths/{ONBOARDING_PATH_ID}/sessions/", json=session_body(**changes))
        assert response.status_code == 200, response.text
        return response.json()["id"]

    return add


@pytest.fixture
def stats(client):
    """Return the three statistics of a session and one learner."""

    def read(session, user=GRACE_ID):
        base = f"/paths/sessions/{session}/stats"
        return [client("GET", path).json() for path in (base, f"{base}/users", f"{base}/{user}")]

    return read


def test_onboarding_path_has_two_courses_and_no_session(client):
    (path,) = client("GET", "/paths").json()
    assert path == client("GET", f"/paths/{ONBOARDING_PATH_ID}").json()
    assert (path["name"], path["sessionIds"]) == ("Onboarding", [])
    assert [step["title"] for step in path["steps"]] == ["Welcome to Acme", "Security basics"]
    assert client("GET", "/paths/sessions").json() == []
    assert client("GET", "/paths", params={"modifiedAfter": timestamp(days=-1)}).json() == []


@pytest.mark.parametrize(
    ("path", "changes", "status", "error"),
    [
        (UNKNOWN, {}, 404, "path_not_found"),
        ("no-id", {}, 404, "path_not_found"),
        (ONBOARDING_PATH_ID, {"sessionName": ""}, 400, "invalid_session_name"),
        (ONBOARDING_PATH_ID, {"sessionName": None}, 400, "invalid_session_name"),
        (ONBOARDING_PATH_ID, {"startDate": "soon"}, 400, "invalid_start_date"),
        (ONBOARDING_PATH_ID, {"startDate": ""}, 400, "invalid_start_date"),
        (ONBOARDING_PATH_ID, {"endDate": "later"}, 400, "invalid_end_date"),
        (ONBOARDING_PATH_ID, {"sessionOwnerGroup": None}, 400, "invalid_session_owner_group"),
        (ONBOARDING_PATH_ID, {"sessionOwnerGroup": "no-id"}, 400, "invalid_session_owner_group"),
        (ONBOARDING_PATH_ID, {"sessionOwnerGroup": UNKNOWN}, 400, "session_owner_group_not_found"),
        (ONBOARDING_PATH_ID, {"instructorsMails": None}, 400, "invalid_instructors"),
        (ONBOARDING_PATH_ID, {"instructorsMails": ["unknown@acme.test"]}, 400, "invalid_instructors"),
    ],
)
def test_invalid_sessions_are_refused(client, path, changes, status, error):
    response = client("POST", f"/paths/{path}/sessions/", json=session_body(**changes))
    assert (response.status_code, response.json()) == (status, {"error": error})
    assert client("GET", "/paths/sessions").json() == []


@pytest.mark.parametrize("key", ["id", "_id", "sessionId"])
def test_key_of_the_new_session_id_can_be_switched(sandbox, client, key):
    sandbox.control.settings(session_id_key=key)
    created = client("POST", f"/paths/{ONBOARDING_PATH_ID}/sessions", json=session_body(instructorsMails=[])).json()
    (listed,) = client("GET", "/paths/sessions").json()
    assert created == {key: listed["sessionId"]}
    assert listed["pathId"] == ONBOARDING_PATH_ID
    assert client("GET", f"/paths/{ONBOARDING_PATH_ID}").json()["sessionIds"] == [listed["sessionId"]]


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"sessionName": ""}, "Request validation failed: sessionName should not be empty"),
        ({"startDate": "soon"}, "Request validation failed: startDate must be a valid ISO 8601 date string"),
        ({"endDate": "soon"}, "Request validation failed: endDate must be a valid ISO 8601 date string"),
        ({"instructorsMails": []}, "Request validation failed: instructorsMails should not be empty"),
        ({"instructorsMails": ["unknown@acme.test"]}, "invalid_instructors"),
        (
            {"startDate": timestamp(days=-3)},
            "Session startDate cannot be updated because the session is running and has enrolled learners.",
        ),
        ({"endDate": timestamp(hours=1)}, "Session cannot be updated because new session end date is in the past."),
    ],
)
def test_invalid_updates_of_a_running_session_are_refused(client, add_session, changes, error):
    start = timestamp(days=1)
    session = add_session(startDate=start)
    client("PATCH", f"/paths/sessions/{session}/users", json={"userIds": [GRACE_ID]})
    before = client("GET", f"/paths/sessions/{session}").json()
    body = session_body(startDate=start, sessionName="Renamed") | changes
    response = client("PATCH", f"/paths/sessions/{session}", json=body)
    assert (response.status_code, response.json()) == (400, {"error": error})
    assert client("GET", f"/paths/sessions/{session}").json() == before


def test_invalid_dates_of_a_future_session_are_refused(sandbox, client, add_session):
    session = add_session(startDate=timestamp(days=-1))
    refused = "Session cannot be updated because new session "
    for changes, error in (
        ({"startDate": timestamp(days=1)}, f"{refused}start date is in the past."),
        ({"endDate": timestamp(hours=-1)}, f"{refused}end date precedes session start date."),
    ):
        body = session_body(startDate=timestamp(days=-2)) | changes
        assert client("PATCH", f"/paths/sessions/{session}", json=body).json() == {"error": error}
    sandbox.control.settings(non_root_sessions=[session])
    response = client("PATCH", f"/paths/sessions/{session}", json=session_body())
    assert response.json() == {"error": "Cannot update a non root session"}


def test_session_accepts_its_own_fields(client, add_session):
    # Responses show milliseconds, whatever precision was sent.
    session = add_session(startDate=timestamp(days=1).replace("Z", "987Z"))
    client("PATCH", f"/paths/sessions/{session}/users", json={"userIds": [GRACE_ID]})
    read = client("GET", f"/paths/sessions/{session}").json()
    body = {name: read[name] for name in ("sessionOwnerGroup", "startDate")} | {"sessionName": "Renamed"}
    assert client("PATCH", f"/paths/sessions/{session}", json=body).status_code == 200
    assert client("GET", f"/paths/sessions/{session}").json()["sessionName"] == "Renamed"


@pytest.mark.parametrize("status", [200, 204])
def test_session_is_deleted(sandbox, client, add_session, status):
    sandbox.control.settings(delete_session_status=status)
    session = add_session()
    assert client("DELETE", f"/paths/sessions/{session}").status_code == status
    response = client("GET", f"/paths/sessions/{session}/users")
    assert (response.status_code, response.json()) == (404, {"error": "path_session_not_found"})


@pytest.mark.parametrize(
    "body",
    [
        {"json": {"userEmails": [GRACE_MAIL, ADMIN_MAIL]}},
        {"data": {"userEmails[0]": GRACE_MAIL, "userEmails[1]": ADMIN_MAIL}},
        {"data": {"userEmails[]": [GRACE_MAIL, ADMIN_MAIL]}},
        {"json": {"userIds": [GRACE_ID, ADMIN_MAIL]}},
    ],
)
def test_enrolling_adds_and_can_be_repeated(client, add_session, body):
    session = add_session()
    for _ in range(2):
        assert client("PATCH", f"/paths/sessions/{session}/users", **body).status_code == 200
    users = client("GET", f"/paths/sessions/{session}/users").json()
    assert [user["mail"] for user in users] == [GRACE_MAIL, ADMIN_MAIL]
    removed = client("DELETE", f"/paths/sessions/{session}/users", json={"userEmails": [ADMIN_MAIL]})
    assert removed.status_code == 200
    assert len(client("GET", f"/paths/sessions/{session}/users").json()) == 1


def test_enrolling_again_keeps_the_time_of_enrollment(sandbox, client, add_session, stats):
    session = add_session()
    for seconds in (0, 20):
        sandbox.control.advance(seconds)
        client("PATCH", f"/paths/sessions/{session}/users", json={"userIds": [GRACE_ID]})
    assert stats(session)[2]["status"] == "completed"


@pytest.mark.parametrize(("response", "enrolled"), [("user_not_found", []), ("ignore", [GRACE_MAIL])])
def test_effect_of_an_unknown_email_in_an_enrollment_can_be_switched(sandbox, client, add_session, response, enrolled):
    sandbox.control.settings(unknown_mail_in_enrollment=response)
    session = add_session()
    body = {"userEmails": [GRACE_MAIL, LINUS_MAIL, "unknown@acme.test"]}
    refused = client("PATCH", f"/paths/sessions/{session}/users", json=body)
    assert refused.status_code == (200 if enrolled else 400)
    users = client("GET", f"/paths/sessions/{session}/users").json()
    assert [user["mail"] for user in users] == enrolled


@pytest.mark.parametrize("grow", [True, False])
def test_members_of_an_enrolled_group_are_enrolled(sandbox, client, add_session, add_user, grow):
    sandbox.control.settings(enrolled_groups_grow=grow)
    add_user("early@acme.test", SALES_GROUP_ID)
    session = add_session()
    body = {"groupIds": [SALES_GROUP_ID]}
    assert client("PATCH", f"/paths/sessions/{session}/groups", json=body).status_code == 200
    add_user("late@acme.test", SALES_GROUP_ID)
    users = [user["mail"] for user in client("GET", f"/paths/sessions/{session}/users").json()]
    enrollments = sandbox.control.state()["enrollments"]
    assert [(each["session"], each["mail"]) for each in enrollments] == [(session, mail) for mail in users]
    assert users == ["early@acme.test", *(["late@acme.test"] if grow else [])]


def test_learner_progresses_with_the_clock(sandbox, client, add_session, stats):
    sandbox.control.settings(learner_seconds=4000)
    session = add_session()
    client("PATCH", f"/paths/sessions/{session}/users", json={"userIds": [GRACE_ID]})

    counts, listed, one = stats(session)
    none = {"completed": 0, "enrolled": 1, "inProgress": 0, "selfEnrolled": 0, "started": 0}
    assert (counts["usersStatus"], counts["detailedStatus"]) == (none, {"notYetStarted": 1})
    assert (counts["sessionName"], counts["pathName"], counts["pathId"]) == ("Intake", "Onboarding", ONBOARDING_PATH_ID)
    assert one["detailedStatus"] == {"type": "notYetStarted"}

    sandbox.control.advance(2500)
    counts, listed, one = stats(session)
    assert counts["usersStatus"] == none | {"inProgress": 1, "started": 1}
    assert (one["progress"], one["score"], one["status"], one["completedAt"]) == (50, None, "onTime", None)
    (entry,) = listed["usersStats"]
    assert (entry["_id"], entry["deleted"], entry["progress"]) == (GRACE_ID, False, 50)
    assert entry["totalTimeSpentInSeconds"] == pytest.approx(1500, abs=20)

    sandbox.control.advance(1500)
    counts, listed, one = stats(session)
    assert counts["usersStatus"] == none | {"completed": 1, "started": 1}
    assert (one["progress"], one["score"], one["status"]) == (100, 90, "completed")
    assert one["detailedStatus"] == {"type": "successful"}
    assert one["globalTime"] == 3_000_000
    assert listed["usersStats"][0]["completedAt"] == one["completedAt"]


def test_progress_in_a_path_yields_attempts_on_its_courses(sandbox, client, add_session, stats):
    sandbox.control.settings(learner_seconds=4000)
    session = add_session()
    client("PATCH", f"/paths/sessions/{session}/users", json={"userIds": [GRACE_ID]})
    attempts = lambda course, **query: client(  # noqa: E731
        "GET", f"/courses/{course}/stats/{GRACE_MAIL}", params=query
    ).json()["attempts"]
    assert attempts(WELCOME_COURSE_ID) == []
    sandbox.control.advance(3000)
    (welcome,), (security,) = attempts(WELCOME_COURSE_ID), attempts(SECURITY_COURSE_ID)
    assert (welcome["progress"], welcome["score"], welcome["pathSession"]) == (100, 90, session)
    assert 33 <= security["progress"] < 100
    assert "completedAt" not in security
    sandbox.control.advance(1000)
    (security,) = attempts(SECURITY_COURSE_ID)
    assert security["completedAt"] == stats(session)[2]["completedAt"]
    assert security["globalTime"] == 1_500_000
    # A completion at a bound is within it, after as well as before.
    assert attempts(SECURITY_COURSE_ID, completedAtAfter=security["completedAt"]) == [security]
    assert attempts(SECURITY_COURSE_ID, completedAtBefore=security["completedAt"]) == [security]
    assert attempts(WELCOME_COURSE_ID, completedAtAfter=security["completedAt"]) == []
    listed = client("GET", f"/courses/{WELCOME_COURSE_ID}/stats").json()
    assert listed == [{"attempts": [welcome], "user": {"_id": GRACE_ID, "mail": GRACE_MAIL}}]
    sandbox.control.settings(course_stats_cap=0)
    assert client("GET", f"/courses/{WELCOME_COURSE_ID}/stats").json() == []


def test_learner_can_complete_without_success(sandbox, client, add_session, stats):
    sandbox.control.settings(unsuccessful_mails=[GRACE_MAIL], users_status_key="userStatus")
    session = add_session()
    client("PATCH", f"/paths/sessions/{session}/users", json={"userIds": [GRACE_ID]})
    sandbox.control.advance(20)
    counts, _, one = stats(session)
    assert counts["userStatus"]["completed"] == 1
    assert (one["status"], one["detailedStatus"], one["score"]) == ("completed", {"type": "unsuccessful"}, 40)
    sandbox.control.settings(unsuccessful_word="Unsuccessful")
    assert stats(session)[0]["detailedStatus"] == {"Unsuccessful": 1}


def test_statistics_filter_by_completion(sandbox, client, add_session, add_user):
    session = add_session()
    enroll = lambda user: client("PATCH", f"/paths/sessions/{session}/users", json={"userIds": [user]})  # noqa: E731
    enroll(GRACE_ID)
    sandbox.control.advance(100)
    late = add_user("late@acme.test")
    enroll(late)
    listed = lambda **query: [  # noqa: E731
        user["_id"]
        for user in client("GET", f"/paths/sessions/{session}/stats/users", params=query).json()["usersStats"]
    ]
    first = client("GET", f"/paths/sessions/{session}/stats/{GRACE_ID}").json()["completedAt"]
    assert listed() == [GRACE_ID, late]
    assert listed(completedAfter=first) == [GRACE_ID]
    sandbox.control.advance(100)
    assert listed(completedAfter=first) == [GRACE_ID, late]
    assert listed(completedBefore=first) == [GRACE_ID]
    sandbox.control.settings(bounds="exclusive")
    assert (listed(completedAfter=first), listed(completedBefore=first)) == ([late], [])
    invalid = client("GET", f"/paths/sessions/{session}/stats/users", params={"completedAfter": "soon"})
    assert invalid.status_code == 400


def test_status_follows_opening_and_end_of_the_session(sandbox, client, add_session, stats):
    sandbox.control.settings(learner_seconds=10_000)
    session = add_session(startDate=timestamp(seconds=-1000), endDate=timestamp(seconds=-5000))
    client("PATCH", f"/paths/sessions/{session}/users", json={"userIds": [GRACE_ID]})
    assert stats(session)[2]["detailedStatus"] == {"type": "sessionNotOpened"}
    sandbox.control.advance(2000)
    assert stats(session)[2]["detailedStatus"] == {"type": "notYetStarted"}
    sandbox.control.advance(4000)
    assert (stats(session)[2]["detailedStatus"], stats(session)[2]["status"]) == ({"type": "late"}, "late")
    sandbox.control.advance(6000)
    assert stats(session)[2]["detailedStatus"] == {"type": "successful"}


def test_statistics_return_the_documented_errors(client, add_session):
    session = add_session()
    for path, error in (
        (f"{UNKNOWN}/stats", "session_not_found"),
        (f"{UNKNOWN}/stats/unknown@acme.test", "path_session_not_found"),
        (f"{session}/stats/unknown@acme.test", "user_not_found"),
        (f"{session}/stats/{GRACE_MAIL}", "user_not_enrolled"),
    ):
        response = client("GET", f"/paths/sessions/{path}")
        assert (response.status_code, response.json()) == (404, {"error": error})


@pytest.mark.parametrize("counted", [True, False])
def test_statistics_contain_deleted_users(sandbox, client, add_session, stats, counted):
    sandbox.control.settings(deleted_users_in_counts=counted)
    session = add_session()
    client("PATCH", f"/paths/sessions/{session}/users", json={"userIds": [GRACE_ID]})
    client("DELETE", f"/users/{GRACE_ID}")
    counts, listed, _ = stats(session)
    assert counts["usersStatus"]["enrolled"] == int(counted)
    assert [user["deleted"] for user in listed["usersStats"]] == [True]


def test_invited_learner_starts_after_accepting(sandbox, client, add_session, stats):
    sandbox.control.settings(invited_user_routes="known")
    session = add_session()
    client("PATCH", f"/paths/sessions/{session}/users", json={"userEmails": [LINUS_MAIL]})
    sandbox.control.advance(1000)
    assert stats(session, LINUS_MAIL)[2]["detailedStatus"] == {"type": "notYetStarted"}
    sandbox.control.accept_invitation(LINUS_MAIL)
    assert stats(session, LINUS_MAIL)[2]["detailedStatus"] == {"type": "notYetStarted"}
    sandbox.control.advance(20)
    assert stats(session, LINUS_MAIL)[2]["status"] == "completed"


def test_catalog_contains_sessions(sandbox, client, add_session):
    session = add_session()
    catalog = f"/groups/{SALES_GROUP_ID}/catalog"
    assert client("PUT", catalog, data={"pathSessions[0]": session}).status_code == 200
    assert client("GET", catalog).json()["paths"] == [{"_id": session, "name": "Intake"}]
    sandbox.control.settings(catalog_paths="path")
    assert client("GET", catalog).json()["paths"] == [{"_id": ONBOARDING_PATH_ID, "name": "Onboarding"}]
    client("DELETE", f"/paths/sessions/{session}")
    assert client("GET", catalog).json()["paths"] == []


def test_courses_of_every_status_are_listed_with_unchanged_names(client):
    courses = {course["_id"]: (course["status"], course["name"]) for course in client("GET", "/courses").json()}
    assert courses == {
        WELCOME_COURSE_ID: ("published", "Welcome to Acme"),
        SECURITY_COURSE_ID: ("published", "Security basics"),
        DRAFT_COURSE_ID: ("draft", ""),
        DELETED_COURSE_ID: ("deleted", " Welcome\u00a0to Acme 2024\n\u00a0"),
    }


def test_courses_are_filtered_by_date(client):
    assert len(client("GET", "/courses", params={"createdBefore": timestamp(days=-1)}).json()) == 4
    assert client("GET", "/courses", params={"createdAfter": timestamp(days=-1)}).json() == []
    assert client("GET", f"/courses/{WELCOME_COURSE_ID}").json()["groupName"] == "Acme"
    assert client("GET", f"/courses/{UNKNOWN}").status_code == 400


def test_sessions_of_a_group_are_listed(client, add_session):
    session, _ = add_session(), add_session()
    sessions = f"/groups/{SALES_GROUP_ID}/pathsSessions"
    assert client("GET", sessions).json() == []
    client("PATCH", f"/paths/sessions/{session}/groups", json={"groupIds": [SALES_GROUP_ID]})
    assert [each["sessionId"] for each in client("GET", sessions).json()] == [session]
    client("DELETE", f"/paths/sessions/{session}/groups", json={"groupIds": [SALES_GROUP_ID]})
    assert client("GET", sessions).json() == []
