"""Slots of classrooms of API v1, and their attendance."""

from __future__ import annotations

import pytest

from airflow_provider_360learning.sandbox.demo_company import (
    ADMIN_ID,
    FIRST_DAY_CLASSROOM_ID,
    GRACE_ID,
    INDUCTION_PROGRAM_ID,
)

UNKNOWN = "0" * 24
SLOT = {
    "name": "Morning",
    "startDate": "2026-05-04T09:00:00.000Z",
    "endDate": "2026-05-04T12:00:00.000Z",
    "reportedDuration": 3,
    "virtual": False,
    "location": "Room 1",
}


@pytest.fixture
def slots(client):
    """Return the path of the slots in a session of a program in May."""
    dates = {"startDate": "2026-05-01T00:00:00.000Z", "endDate": "2026-05-31T00:00:00.000Z"}
    path = f"/programs/{INDUCTION_PROGRAM_ID}/sessions"
    session_id = client("POST", path, json={"name": "May", **dates}).json()["_id"]
    return f"/programs/sessions/{session_id}/classrooms/{FIRST_DAY_CLASSROOM_ID}/slots"


@pytest.fixture
def slot_id(client, slots):
    response = client("POST", slots, json=SLOT)
    assert response.status_code == 200, response.text
    return response.json()["_id"]


def test_an_update_replaces_the_slot(sandbox, client, slot_id):
    optional = {"trainers": [GRACE_ID], "maxCapacity": 5, "timezone": "Europe/Paris"}
    assert client("PUT", f"/classrooms/slots/{slot_id}", json={**SLOT, **optional}).status_code == 200
    (slot,) = sandbox.control.state()["slots"]
    assert (slot["trainers"], slot["capacity"], slot["timezone"]) == ([GRACE_ID], 5, "Europe/Paris")
    client("PUT", f"/classrooms/slots/{slot_id}", json={**SLOT, "location": "Room 2"})
    (slot,) = sandbox.control.state()["slots"]
    assert (slot["trainers"], slot["capacity"], slot["timezone"], slot["location"]) == ([], None, None, "Room 2")


@pytest.mark.parametrize(
    ("fields", "status", "error"),
    [
        ({"endDate": SLOT["startDate"]}, 400, "invalid_classroom_slot_dates"),
        ({"trainers": [UNKNOWN]}, 404, f"trainer_{UNKNOWN}_not_found"),
        ({"reportedDuration": 1.5}, 400, "Request validation failed: reportedDuration must be an integer number"),
        ({"location": ""}, 400, "Request validation failed: location should not be empty"),
        ({"virtual": None}, 400, "Request validation failed: virtual should not be empty"),
        (
            {"endDate": "2026-06-01T09:00:00.000Z"},
            400,
            "classroom_slot_dates_not_within_session_dates",
        ),
        ({"startDate": "x"}, 400, "Request validation failed: startDate must be a valid ISO 8601 date string"),
    ],
)
def test_invalid_slots_are_refused(client, slots, slot_id, fields, status, error):
    for method, path in (("POST", slots), ("PUT", f"/classrooms/slots/{slot_id}")):
        response = client(method, path, json={**SLOT, **fields})
        assert (response.status_code, response.json()["error"]) == (status, error)


def test_unknown_slots_classrooms_and_sessions_are_refused(client, slots):
    for method, path, body in (
        ("PUT", f"/classrooms/slots/{UNKNOWN}", SLOT),
        ("PATCH", f"/classrooms/slots/{UNKNOWN}/attendance", {"users": []}),
    ):
        response = client(method, path, json=body)
        assert (response.status_code, response.json()) == (404, {"error": "slot_not_found"})
    path = slots.replace(FIRST_DAY_CLASSROOM_ID, UNKNOWN)
    assert client("POST", path, json=SLOT).json() == {"error": "classroom_not_found"}
    path = f"/programs/sessions/{UNKNOWN}/classrooms/{FIRST_DAY_CLASSROOM_ID}/slots"
    assert client("POST", path, json=SLOT).json() == {"error": "program_session_not_found"}


@pytest.mark.parametrize("users", [None, {}, [{"userId": ADMIN_ID}], [{"userId": ADMIN_ID, "hasAttended": "yes"}]])
def test_malformed_attendance_is_refused(client, slot_id, users):
    response = client("PATCH", f"/classrooms/slots/{slot_id}/attendance", json={"users": users})
    assert response.status_code == 400
    assert response.json()["error"].startswith("Request validation failed: users")


def test_the_attendance_of_users_who_are_not_registered_is_ignored(sandbox, client, slot_id):
    body = {"users": [{"userId": GRACE_ID, "hasAttended": True}]}
    assert client("PATCH", f"/classrooms/slots/{slot_id}/attendance", json=body).status_code == 200
    assert sandbox.control.state()["registrations"] == []
