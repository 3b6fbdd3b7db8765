"""Classrooms, slots, registrations, waitlists and attendance sheets of API v2."""

from __future__ import annotations

import pytest

from airflow_provider_360learning.sandbox.demo_company import (
    ADMIN_ID,
    FIRST_DAY_CLASSROOM_ID,
    GRACE_ID,
    LINUS_INVITATION_ID,
    ONBOARDING_PATH_ID,
    ROOT_GROUP_ID,
    SALES_GROUP_ID,
)

UNKNOWN = "0" * 24
CLASSROOM = f"/classrooms/{FIRST_DAY_CLASSROOM_ID}"
SLOT = {
    "name": "Morning",
    "startDate": "2026-05-04T09:00:00.000Z",
    "endDate": "2026-05-04T12:00:00.000Z",
    "reportedDuration": 3,
    "selfRegistration": {"enabled": False},
    "virtual": False,
    "location": "Room 1",
}


@pytest.fixture
def session_id(sandbox, client):
    """Return a session in May, in which Grace and the administrator are enrolled, at the beginning of May."""
    path = f"/paths/{ONBOARDING_PATH_ID}/sessions"
    body = {
        "name": "May",
        "startDate": "2026-05-01T00:00:00.000Z",
        "endDate": "2026-05-31T00:00:00.000Z",
        "mainInstructorId": ADMIN_ID,
        "registrationRequestValidation": "disabled",
    }
    session_id = client("POST", path, body).json["_id"]
    sandbox.control.change_session(session_id, end=None)  # which is in the past
    audience = {"filters": [{"type": "users", "ids": [GRACE_ID, ADMIN_ID]}], "mode": "manual"}
    assert client("PUT", f"{path}/{session_id}/audiences", audience).status == 200
    return session_id


@pytest.fixture
def slot(client, session_id):
    """Return a function that creates a slot and returns the path of what belongs to it."""

    def make(**fields):
        body = {**SLOT, "context": {"_id": session_id, "type": "path"}, **fields}
        response = client("POST", f"{CLASSROOM}/slots", body)
        assert response.status == 201, response.json
        return f"/classroom-slots/{response.json['_id']}"

    return make


def registrations(client, slot, query=""):
    return {each["userId"]: each for each in client("GET", f"{slot}/registrations{query}").json}


def test_a_new_classroom_is_returned_and_found_by_group(client):
    body = {"name": "Lab", "groupId": SALES_GROUP_ID, "message": "Hello", "mediaIds": [ADMIN_ID]}
    created = client("POST", "/classrooms", body)
    assert created.status == 201
    assert {name: created.json[name] for name in body} == body
    assert client("GET", f"/classrooms/{created.json['_id']}").json == created.json
    assert client("GET", f"/classrooms?groupId[eq]={SALES_GROUP_ID}").json == [created.json]
    assert client("GET", "/classrooms").ids == [FIRST_DAY_CLASSROOM_ID, created.json["_id"]]


def test_null_removes_the_message_of_a_classroom(client):
    client("PATCH", CLASSROOM, {"message": "Hello", "trainingObjective": "Safety"})
    changed = client("PATCH", CLASSROOM, {"message": None, "name": "Day 1"}).json
    assert ("message" in changed, changed["trainingObjective"], changed["name"]) == (False, "Safety", "Day 1")


def test_slots_come_in_pages(sandbox, client, slot):
    sandbox.control.settings(max_page_size=2)
    made = [slot(name=name).rpartition("/")[2] for name in "abc"]
    assert [page.ids for page in client.pages(f"{CLASSROOM}/slots")] == [made[:2], made[2:]]


def test_a_user_registers_once_and_may_repeat_a_missed_slot(client, slot):
    first, second = slot(), slot(name="Afternoon")
    registered = client("POST", f"{first}/registrations/{GRACE_ID}")
    assert (registered.status, registered.json["status"], registered.json["pathId"]) == (
        201,
        "published",
        ONBOARDING_PATH_ID,
    )
    assert "hasAttended" not in registered.json
    assert client("POST", f"{first}/registrations/{GRACE_ID}").code == "userAlreadyRegistered"
    again = client("POST", f"{second}/registrations/{GRACE_ID}")
    assert again.code == "userAlreadyRegisteredInAnotherNonMissedSlot"
    client("PATCH", f"{first}/registrations/{registered.json['_id']}", {"hasAttended": False})
    assert client("POST", f"{second}/registrations/{GRACE_ID}").status == 201


def test_registrations_are_filtered(client, slot):
    first = slot()
    for user in (GRACE_ID, ADMIN_ID):
        client("POST", f"{first}/registrations/{user}")
    grace = registrations(client, first)[GRACE_ID]["_id"]
    assert client("PATCH", f"{first}/registrations/{grace}", {"hasAttended": True}).json["hasAttended"] is True
    assert set(registrations(client, first, "?hasAttended[eq]=true")) == {GRACE_ID}
    assert registrations(client, first, "?hasAttended[eq]=false") == {}
    assert set(registrations(client, first, f"?userId[in][0]={ADMIN_ID}")) == {ADMIN_ID}
    assert registrations(client, first, "?status[eq]=archived") == {}
    listed = client("GET", f"{CLASSROOM}/registrations").json
    assert {each["classroomSlotId"] for each in listed} == {first.rpartition("/")[2]}


def test_an_answer_is_kept_and_removed_without_the_attendance(client, slot):
    first = slot()
    path = f"{first}/registrations/{client('POST', f'{first}/registrations/{GRACE_ID}').json['_id']}"
    client("PATCH", path, {"hasAttended": True})
    assert client("PATCH", path, {"rsvp": {"going": False}}).json["rsvp"]["going"] is False
    changed = client("PATCH", path, {"rsvp": None}).json
    assert ("rsvp" in changed, changed["hasAttended"]) == (False, True)


def test_a_user_who_leaves_the_session_loses_the_registration(client, session_id, slot):
    first = slot()
    client("POST", f"{first}/registrations/{GRACE_ID}")
    audience = {"filters": [{"type": "users", "ids": [ADMIN_ID]}], "mode": "manual"}
    client("PUT", f"/paths/{ONBOARDING_PATH_ID}/sessions/{session_id}/audiences", audience)
    ended = registrations(client, first)[GRACE_ID]
    assert (ended["status"], ended["archivedAt"]) == ("archived", ended["modifiedAt"])


def test_the_slots_of_a_deleted_session_are_deleted(client, session_id, slot):
    first = slot()
    client("DELETE", f"/paths/{ONBOARDING_PATH_ID}/sessions/{session_id}")
    assert client("GET", f"{CLASSROOM}/slots").json == []
    assert client("GET", f"{first}/registrations").code == "classroomSlotNotFound"


def test_a_waitlist_keeps_its_order_and_ends_with_the_registration(sandbox, client, slot):
    sandbox.control.advance(-400 * 24 * 3600)
    first = slot(maxCapacity=1)
    waitlist = f"{first}/waitlist"
    assert client("POST", f"{waitlist}/{GRACE_ID}").code == "classroomSlotNotFull"
    client("POST", f"{first}/registrations/{ADMIN_ID}")
    assert client("POST", f"{waitlist}/{ADMIN_ID}").code == "userAlreadyRegisteredInAClassroomSlot"
    assert client("POST", f"{first}/registrations/{GRACE_ID}").code == "classroomSlotFull"
    assert client("POST", f"{waitlist}/{GRACE_ID}").status == 204
    assert [each["userId"] for each in client("GET", waitlist).json] == [GRACE_ID]
    client("PATCH", f"{CLASSROOM}/slots/{first.rpartition('/')[2]}", {"maxCapacity": 2})
    client("POST", f"{first}/registrations/{GRACE_ID}")
    assert client("GET", waitlist).json == []
    assert client("DELETE", f"{waitlist}/{GRACE_ID}").code == "userNotInClassroomSlotWaitlist"


def test_a_slot_that_has_started_has_no_new_waiting_users(sandbox, client, slot):
    first = slot(maxCapacity=1)
    client("POST", f"{first}/registrations/{ADMIN_ID}")
    assert client("POST", f"{first}/waitlist/{GRACE_ID}").code == "classroomSlotAlreadyStarted"


def test_sheets_show_the_attendance_of_all_registered_users(client, slot):
    first = slot()
    sheet = client("POST", f"{first}/attendance-sheets", {"name": "Monday"})
    assert (sheet.status, sheet.json["status"]) == (201, "open")
    for user in (GRACE_ID, ADMIN_ID):
        client("POST", f"{first}/registrations/{user}")
    admin = registrations(client, first)[ADMIN_ID]["_id"]
    client("PATCH", f"{first}/registrations/{admin}", {"hasAttended": False})
    path = f"{first}/attendance-sheets/{sheet.json['_id']}"
    statuses = {each["userId"]: each["status"] for each in client("GET", f"{path}/attendances").json}
    assert statuses == {GRACE_ID: "attendancePending", ADMIN_ID: "absent"}
    assert client("PUT", path, {"name": "Tuesday"}).json["name"] == "Tuesday"
    other = f"{slot(name='Other')}/attendance-sheets/{sheet.json['_id']}"
    assert client("PUT", other, {"name": "x"}).code == "attendanceSheetNotBelongToClassroomSlot"
    assert client("DELETE", path).status == 204
    assert client("GET", f"{first}/attendance-sheets").json == []


def test_a_slot_has_a_maximum_number_of_sheets(client, slot):
    sheets = f"{slot()}/attendance-sheets"
    assert {client("POST", sheets, {"name": str(number)}).status for number in range(100)} == {201}
    assert client("POST", sheets, {"name": "x"}).code == "maxAttendanceSheetsReached"


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("POST", "/classrooms", {"name": "x", "groupId": UNKNOWN}, 404, "groupNotFound"),
        ("GET", f"/classrooms/{UNKNOWN}", None, 404, "classroomNotFound"),
        ("PATCH", f"/classrooms/{UNKNOWN}", {"name": "x"}, 404, "classroomNotFound"),
        ("GET", f"/classrooms/{UNKNOWN}/slots", None, 404, "classroomNotFound"),
        ("GET", f"/classrooms/{UNKNOWN}/registrations", None, 404, "classroomNotFound"),
        ("PATCH", f"{CLASSROOM}/slots/{UNKNOWN}", {"name": "x"}, 404, "classroomSlotNotFound"),
        ("DELETE", f"{CLASSROOM}/slots/{UNKNOWN}", None, 404, "classroomSlotNotFound"),
        ("POST", f"/classroom-slots/{UNKNOWN}/registrations/{GRACE_ID}", None, 404, "classroomNotFound"),
        ("PATCH", f"/classroom-slots/{UNKNOWN}/registrations/{UNKNOWN}", {}, 404, "classroomNotFound"),
        ("GET", f"/classroom-slots/{UNKNOWN}/waitlist", None, 404, "classroomSlotNotFound"),
        ("GET", f"/classroom-slots/{UNKNOWN}/attendance-sheets", None, 404, "classroomSlotNotFound"),
        ("POST", f"/classroom-slots/{UNKNOWN}/attendance-sheets", {"name": "x"}, 404, "classroomSlotNotFound"),
        ("DELETE", f"/classroom-slots/{UNKNOWN}/attendance-sheets/{UNKNOWN}", None, 404, "attendanceSheetNotFound"),
    ],
)
def test_documented_errors(client, method, path, body, status, code):
    response = client(method, path, body)
    assert (response.status, response.code) == (status, code)


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"endDate": SLOT["startDate"]}, 400, "invalidStartOrEndDate"),
        ({"startDate": "2026-04-30T00:00:00.000Z"}, 400, "outOfPathSessionDates"),
        ({"trainerIds": [UNKNOWN]}, 404, "usersNotFound"),
        ({"context": {"_id": UNKNOWN, "type": "path"}}, 404, "pathSessionNotFound"),
    ],
)
def test_documented_errors_of_a_new_slot(client, session_id, fields, status, code):
    body = {**SLOT, "context": {"_id": session_id, "type": "path"}, **fields}
    response = client("POST", f"{CLASSROOM}/slots", body)
    assert (response.status, response.code) == (status, code)


def test_documented_errors_of_users(client, slot):
    first = slot()
    codes = {user: client("POST", f"{first}/registrations/{user}").code for user in (UNKNOWN, LINUS_INVITATION_ID)}
    assert codes == {UNKNOWN: "userNotFound", LINUS_INVITATION_ID: "userNotEnrolledInPathSession"}
    assert client("PATCH", f"{first}/registrations/{UNKNOWN}", {}).code == "slotRegistrationNotFound"
    assert client("GET", f"{first}/waitlist").code == "classroomSlotWaitlistNotFound"
    changed = client("PATCH", f"{CLASSROOM}/slots/{first.rpartition('/')[2]}", {"trainerIds": [UNKNOWN]})
    assert (changed.status, changed.code) == (400, "usersNotFound")


@pytest.mark.unpublished_requests
@pytest.mark.parametrize(
    "fields",
    [
        {"context": {"_id": ROOT_GROUP_ID, "type": "program"}},
        {"context": "path"},
        {"selfRegistration": {"enabled": True}},
        {"selfRegistration": {}},
        {"trainerIds": [GRACE_ID] * 21},
        {"reportedDuration": "3"},
    ],
)
def test_malformed_slots_are_refused(client, session_id, fields):
    body = {**SLOT, "context": {"_id": session_id, "type": "path"}, **fields}
    assert client("POST", f"{CLASSROOM}/slots", body).status == 400
