"""Programs, which paths have replaced: templates, sessions, learners and statistics."""

from __future__ import annotations

import pytest

from airflow_provider_360learning.sandbox.demo_company import (
    ADMIN_ID,
    ADMIN_MAIL,
    GRACE_ID,
    GRACE_MAIL,
    INDUCTION_PROGRAM_ID,
    ROOT_GROUP_ID,
    SALES_GROUP_ID,
    WELCOME_COURSE_ID,
)

UNKNOWN = "0" * 24
TEMPLATE = f"/programs/templates/{INDUCTION_PROGRAM_ID}"
SESSIONS = f"/programs/{INDUCTION_PROGRAM_ID}/sessions"
MAY = {"name": "May", "startDate": "2026-05-01T00:00:00Z"}


@pytest.fixture
def session(client):
    """Create a session and return its path."""
    return f"/programs/sessions/{client('POST', f'{SESSIONS}/', json=MAY).json()['_id']}"


def test_a_template_has_its_elements(client):
    template = client("GET", TEMPLATE).json()
    assert client("GET", "/programs/templates").json() == [template]
    assert (template["name"], template["author"]) == ("Induction", ADMIN_MAIL)
    assert template["elements"] == [{"type": "course", "_id": WELCOME_COURSE_ID, "title": "Welcome to Acme"}]
    assert client("GET", f"/programs/templates/{UNKNOWN}").json() == {"error": "program_template_not_found"}
    assert client("GET", "/programs/templates/none").json()["message"] == "Not Found"


def test_a_session_is_created_changed_and_deleted(client, session):
    found = client("GET", f"{session}/").json()
    assert client("GET", "/programs/sessions").json() == [found]
    assert (found["name"], found["startDate"], found["endDate"]) == ("May", "2026-05-01T00:00:00.000Z", None)
    assert (found["hasUserLimit"], "userLimit" in found) == (False, False)
    assert found["modules"] == [{"_id": WELCOME_COURSE_ID, "type": "course"}]
    changes = {"name": "June", "endDate": "2026-07-01T00:00:00Z", "tutors": [GRACE_MAIL], "userLimit": 20}
    fields = [{"_id": UNKNOWN, "value": "x"}]
    assert client("PATCH", session, json={**changes, "customFields": fields}).status_code == 200
    changed = client("GET", session).json()
    assert changed == {
        **found,
        "name": "June",
        "endDate": "2026-07-01T00:00:00.000Z",
        "tutors": [GRACE_MAIL],
        "hasUserLimit": True,
        "userLimit": 20,
        "customFields": fields,
        "modifiedAt": changed["modifiedAt"],
    }
    path = f"{SESSIONS}/{session.rpartition('/')[2]}"
    assert client("PUT", path, data={"sessionCustom": "P-17", "sendAutomatedReminders": "true"}).status_code == 200
    changed = client("GET", session).json()
    assert (changed["sessionCustom"], changed["automatedReminders"], changed["name"]) == ("P-17", True, "June")
    assert client("DELETE", session).status_code == 200
    assert client("GET", session).json() == {"error": "program_session_not_found"}


def test_dates_of_classrooms_need_json(client, sandbox):
    dates = [{"position": 1, "startDate": "2026-05-02T09:00:00Z", "endDate": "2026-05-02T10:00:00Z"}]
    assert client("POST", SESSIONS, json={**MAY, "classroom": dates}).status_code == 200
    assert client("POST", SESSIONS, data={**MAY, "userLimit": "20"}).status_code == 200
    first, second = sandbox.control.state()["program_sessions"]
    assert (first["dates"], second["user_limit"]) == ({"classroom": dates}, 20)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"name": ""}, "Request validation failed: name should not be empty"),
        ({"startDate": ""}, "Request validation failed: startDate should not be empty"),
        ({"startDate": "soon"}, "Request validation failed: startDate must be a valid ISO 8601 date string"),
        ({"endDate": "later"}, "Request validation failed: endDate must be a valid ISO 8601 date string"),
        ({"tutors": ["unknown@acme.test"]}, "user_not_found"),
        ({"userLimit": "many"}, "invalid argument : userLimit"),
        ({"classroom": ["x"]}, "invalid argument : classroom"),
    ],
)
def test_an_invalid_session_is_refused(client, changes, error):
    response = client("POST", SESSIONS, json=MAY | changes)
    assert (response.status_code, response.json()) == (400, {"error": error})
    assert client("GET", "/programs/sessions").json() == []


def test_users_and_groups_are_assigned_and_removed(client, session, segment):
    for _ in range(2):
        assert client("PUT", f"{session}/users/{segment(GRACE_MAIL)}").json() == {}
        assert client("PUT", f"{session}/groups/{ROOT_GROUP_ID}").json() == {}
    users = {user["mail"] for user in client("GET", f"{session}/users").json()}
    assert users == {GRACE_MAIL, ADMIN_MAIL} == {user["mail"] for user in client("GET", f"{TEMPLATE}/users").json()}
    found = client("GET", session).json()
    assert (found["groups"], {user["_id"] for user in found["users"]}) == ([ROOT_GROUP_ID], {GRACE_ID, ADMIN_ID})
    assert [each["name"] for each in client("GET", f"/users/{GRACE_ID}/programs").json()] == ["May"]
    assert [each["name"] for each in client("GET", f"/groups/{ROOT_GROUP_ID}/programs").json()] == ["May"]
    assert client("GET", f"/groups/{SALES_GROUP_ID}/programs").json() == []
    for _ in range(2):
        assert client("DELETE", f"{session}/groups/{ROOT_GROUP_ID}").status_code == 204
    assert [user["mail"] for user in client("GET", f"{session}/users").json()] == [GRACE_MAIL]
    for _ in range(2):
        assert client("DELETE", f"{session}/users/{segment(GRACE_MAIL)}").status_code == 204
    assert client("GET", f"{session}/users").json() == []


def test_a_deleted_group_leaves_its_sessions(client, session):
    client("PUT", f"{session}/groups/{SALES_GROUP_ID}")
    client("DELETE", f"/groups/{SALES_GROUP_ID}")
    assert client("GET", session).json()["groups"] == []


def test_learners_progress_with_the_clock(sandbox, client, session):
    client("PUT", f"{session}/users/{GRACE_ID}")
    before = client("GET", f"{session}/stats").json()
    assert (before["name"], before["registered"], before["attendees"], before["completed"]) == ("May", 1, 0, 0)
    sandbox.control.advance(60)
    after = client("GET", f"{session}/stats").json()
    assert (after["attendees"], after["completed"]) == (1, 1)
    (statistic,) = after["usersStats"]
    assert statistic == client("GET", f"{session}/stats/{GRACE_ID}").json()
    assert (statistic["mail"], statistic["score"], statistic["progress"]) == (GRACE_MAIL, 90, 100)
    assert statistic["startTime"] < statistic["endTime"]
    assert client("GET", f"{session}/stats/{ADMIN_ID}").json() == {"error": "user_not_enrolled"}


def test_scorm_courses_of_a_learner_are_unblocked(sandbox, client, session):
    unblock = f"{session}/unblockScorm"
    assert client("PUT", unblock, data={"user_email": GRACE_MAIL}).json() == {"error": "user_not_enrolled"}
    client("PUT", f"{session}/users/{GRACE_ID}")
    for _ in range(2):
        assert client("PUT", unblock, data={"user_email": GRACE_MAIL}).status_code == 200
    assert sandbox.control.state()["program_sessions"][0]["unblocked"] == [GRACE_ID]
    assert client("PUT", unblock, data={}).json() == {"error": "user_not_found"}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("PATCH", ""),
        ("DELETE", ""),
        ("GET", "/users"),
        ("GET", "/stats"),
        ("PUT", f"/users/{GRACE_ID}"),
        ("DELETE", f"/groups/{ROOT_GROUP_ID}"),
    ],
)
def test_an_unknown_session_is_not_found(client, method, path):
    response = client(method, f"/programs/sessions/{UNKNOWN}{path}")
    assert (response.status_code, response.json()) == (404, {"error": "program_session_not_found"})
