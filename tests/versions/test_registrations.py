"""What only API v2 has of classrooms: themselves, registrations, waitlists and attendance sheets."""

from __future__ import annotations

import pytest

from airflow_provider_360learning.api.v2.lookups import MAX_QUERY
from airflow_provider_360learning.exceptions import (
    AlreadyExistsError,
    InvalidRequestError,
    NotFoundError,
    OutcomeUnknownError,
    RefusedError,
)
from airflow_provider_360learning.sandbox.demo_company import (
    ADMIN_ID,
    FIRST_DAY_CLASSROOM_ID,
    GRACE_ID,
    GRACE_MAIL,
    ONBOARDING_PATH_ID,
    ROOT_GROUP_ID,
    SALES_GROUP_ID,
)
from tests.api.factory import api_factory

MISSING_ID = "0" * 24
MORNING = {
    "classroom_id": FIRST_DAY_CLASSROOM_ID,
    "name": "Morning",
    "slot_start": "2026-05-04T09:00:00+02:00",
    "slot_end": "2026-05-04T12:30:00+02:00",
    "location": "Room 1",
    "duration_hours": 3,
}


@pytest.fixture
def api(sandbox):
    """Return API v2, which does not sleep between attempts."""
    with api_factory(sandbox, "v2") as make:
        yield make(client={"sleep": lambda seconds: None})


@pytest.fixture
def session_id(api):
    """Return a path session in which Grace and the administrator are enrolled."""
    made = api.create_path_session(
        path_id=ONBOARDING_PATH_ID, name="May", session_start="2026-05-01T00:00:00Z", group_id=ROOT_GROUP_ID
    )
    api.enroll_users(session_id=made["session_id"], users=[GRACE_ID, ADMIN_ID])
    return made["session_id"]


@pytest.fixture
def slot_id(api, session_id):
    """Return a slot for which Grace and the administrator are registered."""
    slot_id = api.create_classroom_slot(**MORNING, session_id=session_id)["slot_id"]
    api.register_users(slot_id=slot_id, users=[GRACE_ID, ADMIN_ID])
    return slot_id


# Classrooms of API v2


def test_creates_a_classroom_once(api):
    made = api.create_classroom(name="Lab", group="Sales", message="Bring a laptop.\nAnd a pen.")
    assert made == {"classroom_id": made["classroom_id"], "name": "Lab", "outcome": "created"}
    assert api.create_classroom(name="Lab", group_id=SALES_GROUP_ID, message="No.") == {
        **made,
        "outcome": "already_exists",
    }
    with pytest.raises(AlreadyExistsError, match=f"'Lab' exists already: {made['classroom_id']}"):
        api.create_classroom(name="Lab", group_id=SALES_GROUP_ID, if_exists="fail")
    updated = api.create_classroom(
        name="Lab", group_id=SALES_GROUP_ID, if_exists="update", training_objective="Safety", media_ids=[ADMIN_ID]
    )
    assert updated == {**made, "outcome": "updated"}
    (found,) = api.list_classrooms(group_id=SALES_GROUP_ID)
    assert found["created_at"] <= found["modified_at"]
    assert {name: value for name, value in found.items() if not name.endswith("_at")} == {
        "classroom_id": made["classroom_id"],
        "name": "Lab",
        "group_id": SALES_GROUP_ID,
        "message": "Bring a laptop.\nAnd a pen.",
        "training_objective": "Safety",
        "media_ids": [ADMIN_ID],
    }
    assert api.create_classroom(name="Lab", group_id=ROOT_GROUP_ID)["outcome"] == "created"
    assert len(api.list_classrooms()) == 3


def test_a_classroom_whose_response_is_lost_is_found(sandbox, api):
    sandbox.control.add_fault("createClassroom", kind="drop_after")
    made = api.create_classroom(name="Lab", group_id=SALES_GROUP_ID)
    (found,) = api.list_classrooms(group="Sales")
    assert (made["classroom_id"], made["outcome"]) == (found["classroom_id"], "created")


def test_finds_a_classroom_by_its_name(api, slot_id, session_id):
    named = {name: value for name, value in MORNING.items() if name != "classroom_id"}
    made = api.create_classroom_slot(**named, classroom="First day", session_id=session_id)
    assert (made["slot_id"], made["classroom_id"], made["outcome"]) == (
        slot_id,
        FIRST_DAY_CLASSROOM_ID,
        "already_exists",
    )
    assert api.update_classroom_slot(classroom="First day", slot_id=slot_id, name="Late")["outcome"] == "updated"
    (slot,) = api.list_classroom_slots(classroom="First day")
    assert slot["name"] == "Late"
    assert len(api.list_registrations(classroom="First day")) == 2
    assert api.update_classroom(classroom="First day", name="Day 1")["classroom_id"] == FIRST_DAY_CLASSROOM_ID
    with pytest.raises(InvalidRequestError, match="classroom is 'First day', but no classroom has this name"):
        api.delete_classroom_slot(classroom="First day", slot_id=slot_id)
    assert api.delete_classroom_slot(classroom="Day 1", slot_id=slot_id)["outcome"] == "deleted"


def test_updates_a_classroom(api):
    updated = api.update_classroom(classroom_id=FIRST_DAY_CLASSROOM_ID, name="Day 1", message="Welcome!")
    assert updated == {"classroom_id": FIRST_DAY_CLASSROOM_ID, "outcome": "updated"}
    (found,) = api.list_classrooms()
    assert (found["name"], found["message"], found["training_objective"]) == ("Day 1", "Welcome!", None)
    with pytest.raises(NotFoundError):
        api.update_classroom(classroom_id=MISSING_ID, name="x")
    with pytest.raises(InvalidRequestError, match="needs at least one field"):
        api.update_classroom(classroom_id=FIRST_DAY_CLASSROOM_ID)


# Registrations and attendance of API v2


def test_registers_users_once(api, slot_id, session_id):
    other = api.create_classroom_slot(**{**MORNING, "name": "Other"}, session_id=session_id)["slot_id"]
    assert api.register_users(slot_id=slot_id, users=[GRACE_MAIL, ADMIN_ID]) == {
        "slot_id": slot_id,
        "outcome": "registered",
        "users": 2,
    }
    with pytest.raises(RefusedError, match="userAlreadyRegisteredInAnotherNonMissedSlot"):
        api.register_users(slot_id=other, users=[GRACE_MAIL])
    api.set_attendance(slot_id=slot_id, users=[GRACE_MAIL], attended=False)
    assert api.register_users(slot_id=other, users=[GRACE_MAIL])["users"] == 1
    listed = api.list_registrations(classroom_id=FIRST_DAY_CLASSROOM_ID)
    assert {(each["slot_id"], each["user_id"], each["attended"]) for each in listed} == {
        (slot_id, GRACE_ID, False),
        (slot_id, ADMIN_ID, None),
        (other, GRACE_ID, None),
    }


@pytest.mark.parametrize("kind", ["drop_after", "drop_before"])
def test_a_registration_whose_response_is_lost_is_looked_up(sandbox, api, sent, session_id, kind):
    slot_id = api.create_classroom_slot(**MORNING, session_id=session_id)["slot_id"]
    sandbox.control.add_fault("addSlotRegistration", kind=kind)
    if kind == "drop_after":
        assert api.register_users(slot_id=slot_id, users=[GRACE_ID])["users"] == 1
    else:
        with pytest.raises(OutcomeUnknownError):
            api.register_users(slot_id=slot_id, users=[GRACE_ID])
    assert len(sent("addSlotRegistration")) == 1


def test_lists_registrations_with_the_ended_ones(api, slot_id, session_id):
    api.set_attendance(slot_id=slot_id, users=[ADMIN_ID])
    api.unenroll_users(session_id=session_id, users=[GRACE_ID])
    grace, admin = api.list_registrations(slot_id=slot_id)
    assert (grace["user_id"], grace["status"], grace["archived_at"]) == (GRACE_ID, "archived", grace["modified_at"])
    assert admin == {
        "registration_id": admin["registration_id"],
        "slot_id": slot_id,
        "user_id": ADMIN_ID,
        "path_id": ONBOARDING_PATH_ID,
        "status": "published",
        "attended": True,
        "attendance_duration_ms": None,
        "going": None,
        "created_at": admin["created_at"],
        "modified_at": admin["modified_at"],
        "archived_at": None,
    }
    with pytest.raises(InvalidRequestError, match="needs either slot_id or classroom_id"):
        api.list_registrations()


def test_attendance_is_sent_only_where_it_changes(api, sent, slot_id):
    api.set_attendance(slot_id=slot_id, users=[GRACE_ID])
    api.set_attendance(slot_id=slot_id, users=[GRACE_MAIL, ADMIN_ID])
    api.set_attendance(slot_id=slot_id, users=[GRACE_ID, ADMIN_ID])
    assert len(sent("updateSlotRegistration")) == 2


@pytest.mark.parametrize(("users", "is_selected"), [(90, True), (91, False)])
def test_the_query_for_the_registrations_of_many_users_has_a_maximum_length(api, sent, slot_id, users, is_selected):
    with pytest.raises(NotFoundError, match=f"{users} users not registered"):
        api.set_attendance(slot_id=slot_id, users=[f"{number:024x}" for number in range(users)])
    (entry,) = sent("getSlotRegistrations")
    assert any(name.startswith("userId[in]") for name in entry["query"]) is is_selected
    assert sum(len(f"{name}={value}&") for name, value in entry["query"].items()) <= MAX_QUERY


def test_v2_records_no_attendance_of_users_who_are_not_registered(api, session_id, sent):
    slot_id = api.create_classroom_slot(**MORNING, session_id=session_id)["slot_id"]
    api.register_users(slot_id=slot_id, users=[ADMIN_ID])
    problem = f"1 user not registered for the slot {slot_id}: {GRACE_MAIL}. Nothing was recorded"
    with pytest.raises(NotFoundError, match=problem):
        api.set_attendance(slot_id=slot_id, users=[ADMIN_ID, GRACE_MAIL])
    assert sent("updateSlotRegistration") == []


# Waitlists of API v2


def test_adds_users_to_a_waitlist_and_removes_them(sandbox, api, session_id, sent):
    sandbox.control.advance(-400 * 24 * 3600)
    slot_id = api.create_classroom_slot(**MORNING, session_id=session_id, max_capacity=1)["slot_id"]
    with pytest.raises(RefusedError, match="classroomSlotNotFull"):
        api.add_to_waitlist(slot_id=slot_id, users=[GRACE_MAIL])
    api.register_users(slot_id=slot_id, users=[ADMIN_ID])
    with pytest.raises(RefusedError, match="classroomSlotFull"):
        api.register_users(slot_id=slot_id, users=[GRACE_MAIL])
    added = {"slot_id": slot_id, "outcome": "added", "users": 1}
    for _ in range(2):
        assert api.add_to_waitlist(slot_id=slot_id, users=[GRACE_MAIL]) == added
    # The first request was refused, because the slot was not full.
    assert len(sent("joinClassroomSlotWaitlist")) == 2
    (entry,) = api.list_waitlist(slot_id=slot_id)
    assert entry["user_id"] == GRACE_ID
    for _ in range(2):
        assert api.remove_from_waitlist(slot_id=slot_id, users=[GRACE_ID]) == {**added, "outcome": "removed"}
    assert api.list_waitlist(slot_id=slot_id) == []
    with pytest.raises(NotFoundError):
        api.list_waitlist(slot_id=MISSING_ID)


def test_a_place_on_a_waitlist_whose_response_is_lost_is_looked_up(sandbox, api, session_id, sent):
    sandbox.control.advance(-400 * 24 * 3600)
    slot_id = api.create_classroom_slot(**MORNING, session_id=session_id, max_capacity=1)["slot_id"]
    api.register_users(slot_id=slot_id, users=[ADMIN_ID])
    sandbox.control.add_fault("joinClassroomSlotWaitlist", kind="drop_after")
    assert api.add_to_waitlist(slot_id=slot_id, users=[GRACE_ID])["users"] == 1
    assert len(sent("joinClassroomSlotWaitlist")) == 1


# Attendance sheets of API v2


def test_creates_renames_and_deletes_an_attendance_sheet(api, slot_id):
    made = api.create_attendance_sheet(slot_id=slot_id, name="Monday")
    assert made == {"sheet_id": made["sheet_id"], "name": "Monday", "outcome": "created"}
    assert api.create_attendance_sheet(slot_id=slot_id, name="Monday") == {**made, "outcome": "already_exists"}
    with pytest.raises(AlreadyExistsError, match="'Monday' exists already"):
        api.create_attendance_sheet(slot_id=slot_id, name="Monday", if_exists="fail")
    sheet = {"slot_id": slot_id, "sheet_id": made["sheet_id"]}
    assert api.update_attendance_sheet(**sheet, name="Day 1") == {"sheet_id": made["sheet_id"], "outcome": "updated"}
    (found,) = api.list_attendance_sheets(slot_id=slot_id)
    assert (found["sheet_id"], found["name"], found["status"]) == (made["sheet_id"], "Day 1", "open")
    planned = api.delete_attendance_sheet(**sheet, dry_run=True)
    assert planned == {"sheet_id": made["sheet_id"], "name": "Day 1", "outcome": "would_delete"}
    assert api.delete_attendance_sheet(**sheet)["outcome"] == "deleted"
    for dry_run in (False, True):
        assert api.delete_attendance_sheet(**sheet, dry_run=dry_run)["outcome"] == "not_found"
        with pytest.raises(NotFoundError):
            api.delete_attendance_sheet(**sheet, dry_run=dry_run, if_missing="fail")


def test_an_attendance_sheet_whose_response_is_lost_is_found(sandbox, api, slot_id):
    sandbox.control.add_fault("createAttendanceSheet", kind="drop_after")
    made = api.create_attendance_sheet(slot_id=slot_id, name="Monday")
    (found,) = api.list_attendance_sheets(slot_id=slot_id)
    assert (made["sheet_id"], made["outcome"]) == (found["sheet_id"], "created")


def test_lists_the_attendances_on_a_sheet(api, slot_id):
    sheet_id = api.create_attendance_sheet(slot_id=slot_id, name="Monday")["sheet_id"]
    api.set_attendance(slot_id=slot_id, users=[GRACE_MAIL])
    grace, admin = api.list_attendances(slot_id=slot_id, sheet_id=sheet_id)
    assert grace == {
        "attendance_id": grace["attendance_id"],
        "user_id": GRACE_ID,
        "first_name": "Grace",
        "last_name": "Hopper",
        "status": "present",
    }
    assert (admin["user_id"], admin["status"]) == (ADMIN_ID, "attendancePending")
    with pytest.raises(NotFoundError):
        api.list_attendances(slot_id=slot_id, sheet_id=MISSING_ID)
