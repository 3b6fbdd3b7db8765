"""Slots of classrooms and their attendance: the same in both versions of the API."""

from __future__ import annotations

import pytest

from airflow_provider_360learning.api.types import Call
from airflow_provider_360learning.exceptions import (
    AlreadyExistsError,
    InvalidRequestError,
    NotAvailableError,
    NotFoundError,
    OutcomeUnknownError,
    RefusedError,
)
from airflow_provider_360learning.sandbox.demo_company import (
    ADMIN_ID,
    FIRST_DAY_CLASSROOM_ID,
    GRACE_ID,
    GRACE_MAIL,
    INDUCTION_PROGRAM_ID,
    ONBOARDING_PATH_ID,
    ROOT_GROUP_ID,
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
#: What an update needs in API v1.
WHOLE = {**MORNING, "virtual": False}

only_v1 = pytest.mark.parametrize("version", ["v1"], indirect=True)
only_v2 = pytest.mark.parametrize("version", ["v2"], indirect=True)


@pytest.fixture
def api(make_api):
    """Return the API, which does not sleep between attempts."""
    return make_api(client={"sleep": lambda seconds: None})


@pytest.fixture
def v2(sandbox):
    """Return API v2, to prepare and read what API v1 cannot."""
    with api_factory(sandbox, "v2") as make:
        yield make()


@pytest.fixture
def session_id(v2):
    """Return a path session in which Grace and the administrator are enrolled."""
    made = v2.create_path_session(
        path_id=ONBOARDING_PATH_ID, name="May", session_start="2026-05-01T00:00:00Z", group_id=ROOT_GROUP_ID
    )
    v2.enroll_users(session_id=made["session_id"], users=[GRACE_ID, ADMIN_ID])
    return made["session_id"]


@pytest.fixture
def place(api, version, request):
    """Return the id of a session that a slot can be created in: of a program in API v1."""
    if version == "v2":
        return request.getfixturevalue("session_id")
    body = {"name": "May", "startDate": "2026-05-01T00:00:00.000Z"}
    made = api.client.call(Call("createProgramSession", path={"template_id": INDUCTION_PROGRAM_ID}, body=body))
    return made["_id"]


@pytest.fixture
def slot_id(v2, session_id):
    """Return a slot for which Grace and the administrator are registered."""
    slot_id = v2.create_classroom_slot(**MORNING, session_id=session_id)["slot_id"]
    v2.register_users(slot_id=slot_id, users=[GRACE_ID, ADMIN_ID])
    return slot_id


@pytest.fixture
def slots(sandbox):
    """Return a function that returns the slots as the sandbox has them."""
    return lambda: sandbox.control.state()["slots"]


@pytest.fixture
def attendance(v2, slot_id):
    """Return a function that returns the attendance of the slot by user."""
    return lambda: {each["user_id"]: each["attended"] for each in v2.list_registrations(slot_id=slot_id)}


# Slots, in both versions


def test_creates_a_slot(api, version, place, slots):
    made = api.create_classroom_slot(
        **MORNING,
        session_id=place,
        virtual=True,
        max_capacity=12,
        timezone="Europe/Paris",
        trainers=[GRACE_MAIL, ADMIN_ID],
    )
    (slot,) = slots()
    assert made == {
        "slot_id": slot["id"],
        "classroom_id": FIRST_DAY_CLASSROOM_ID,
        "session_id": place,
        "name": "Morning",
        "outcome": "created",
    }
    expected = {
        "classroom": FIRST_DAY_CLASSROOM_ID,
        "session": place,
        "session_kind": {"v1": "program", "v2": "path"}[version],
        "name": "Morning",
        "start": 1777878000.0,
        "end": 1777890600.0,
        "hours": 3,
        "virtual": True,
        "location": "Room 1",
        "capacity": 12,
        "timezone": "Europe/Paris",
        "trainers": [GRACE_ID, ADMIN_ID],
    }
    assert {name: slot[name] for name in expected} == expected


def test_updates_a_slot(api, slot_id, slots):
    updated = api.update_classroom_slot(
        **{**WHOLE, "name": "Early morning", "location": "Room 2", "slot_start": "2026-05-04T08:00:00+02:00"},
        slot_id=slot_id,
        max_capacity=5,
        trainers=[GRACE_MAIL],
        message="We start earlier.",
    )
    assert updated == {"slot_id": slot_id, "outcome": "updated"}
    (slot,) = slots()
    changed = ("name", "location", "start", "end", "hours", "capacity", "trainers")
    assert [slot[name] for name in changed] == [
        "Early morning",
        "Room 2",
        1777874400.0,
        1777890600.0,
        3,
        5,
        [GRACE_ID],
    ]


@pytest.mark.parametrize("action", ["create_classroom_slot", "update_classroom_slot"])
def test_refuses_dates_that_are_no_period(api, sent, session_id, action):
    id = {"session_id": session_id} if action == "create_classroom_slot" else {"slot_id": MISSING_ID}
    before = len(sent())
    with pytest.raises(
        InvalidRequestError, match=r"slot_end is 2026-05-04T07:00:00.000Z, but must be after slot_start"
    ):
        api.actions[action](**{**WHOLE, "slot_end": MORNING["slot_start"]}, **id)
    assert len(sent()) == before


def test_an_update_needs_a_field(api):
    with pytest.raises(InvalidRequestError, match="needs at least one field to change"):
        api.update_classroom_slot(slot_id=MISSING_ID, classroom_id=FIRST_DAY_CLASSROOM_ID, message="Hello")


def test_an_update_without_notification_has_no_message(api):
    with pytest.raises(InvalidRequestError, match="notify is False, but message is given"):
        api.update_classroom_slot(**WHOLE, slot_id=MISSING_ID, message="Hello", notify=False)


def test_an_unknown_slot_and_an_unknown_trainer_are_not_found(api, slot_id):
    with pytest.raises(NotFoundError):
        api.update_classroom_slot(**WHOLE, slot_id=MISSING_ID)
    with pytest.raises(NotFoundError):
        api.update_classroom_slot(**WHOLE, slot_id=slot_id, trainers=["nobody@acme.test"])


def test_a_slot_outside_of_its_session_is_refused(api, slot_id):
    early = {"slot_start": "2026-04-01T09:00:00Z", "slot_end": "2026-04-01T12:00:00Z"}
    with pytest.raises(InvalidRequestError, match=r"outOfPathSessionDates|not_within_session_dates"):
        api.update_classroom_slot(**{**WHOLE, **early}, slot_id=slot_id)


# Attendance, in both versions


def test_records_attendance(api, slot_id, attendance):
    recorded = api.set_attendance(slot_id=slot_id, users=[GRACE_MAIL, ADMIN_ID])
    assert recorded == {"slot_id": slot_id, "outcome": "recorded", "attended": True, "users": 2}
    assert attendance() == {GRACE_ID: True, ADMIN_ID: True}
    assert api.set_attendance(slot_id=slot_id, users=[GRACE_ID], attended=False)["attended"] is False
    assert attendance() == {GRACE_ID: False, ADMIN_ID: True}


def test_a_lost_response_to_attendance_is_repeated(sandbox, api, version, slot_id, attendance):
    operation = {"v1": "updateClassroomSlotAttendance", "v2": "updateSlotRegistration"}[version]
    sandbox.control.add_fault(operation, kind="drop_after")
    assert api.set_attendance(slot_id=slot_id, users=[GRACE_ID])["outcome"] == "recorded"
    assert attendance() == {GRACE_ID: True, ADMIN_ID: None}


def test_attendance_of_an_unknown_user_or_slot_is_not_recorded(api, slot_id, attendance):
    with pytest.raises(NotFoundError):
        api.set_attendance(slot_id=slot_id, users=[GRACE_ID, "nobody@acme.test"])
    with pytest.raises(NotFoundError):
        api.set_attendance(slot_id=MISSING_ID, users=[GRACE_ID])
    assert attendance() == {GRACE_ID: None, ADMIN_ID: None}


# What API v1 cannot do


@only_v1
@pytest.mark.parametrize(
    ("arguments", "argument", "problem"),
    [
        ({"classroom": "First day", "classroom_id": None}, "classroom", "which lists no classrooms: give classroom_id"),
        ({"session": "May"}, "session", "whose names are not looked up: give session_id"),
        ({"path": "Onboarding", "session_id": MISSING_ID}, "path", "whose names are not looked up: give session_id"),
        ({"self_registration_until": "2026-05-01T00:00:00Z"}, "self_registration_until", "not available in API v1"),
        ({"media_ids": [MISSING_ID]}, "media_ids", "not available in API v1"),
        ({"if_exists": "fail"}, "if_exists", "which lists no slots"),
        ({"duration_hours": 1.5}, "duration_hours", "is 1.5, but API v1 takes integers only"),
    ],
)
def test_v1_refuses_what_only_v2_knows_of_a_new_slot(api, sent, arguments, argument, problem):
    session = {} if "session" in arguments else {"session_id": MISSING_ID}
    with pytest.raises(InvalidRequestError, match=problem) as raised:
        api.create_classroom_slot(**{**MORNING, **session, **arguments})
    assert raised.value.argument == argument
    assert sent() == []


@only_v1
def test_v1_needs_the_whole_slot_for_an_update(api, sent):
    with pytest.raises(NotAvailableError, match="Without location, virtual, update_classroom_slot is not available"):
        api.update_classroom_slot(
            slot_id=MISSING_ID, **{name: value for name, value in MORNING.items() if name != "location"}
        )
    with pytest.raises(NotAvailableError, match="notify is not available in API v1"):
        api.update_classroom_slot(slot_id=MISSING_ID, **WHOLE, notify=True)
    assert sent() == []


@only_v1
def test_v1_reports_a_slot_whose_response_was_lost_as_unknown(sandbox, api, place, slots):
    sandbox.control.add_fault("createClassroomSlot", kind="drop_after")
    with pytest.raises(OutcomeUnknownError, match="It is not known whether createClassroomSlot was applied"):
        api.create_classroom_slot(**MORNING, session_id=place)
    assert len(slots()) == 1


@only_v1
@pytest.mark.parametrize("key", ["_id", "id", None])
def test_v1_creates_a_slot_whatever_the_response_has(sandbox, api, place, slots, key):
    sandbox.control.settings(slot_id_key=key)
    made = api.create_classroom_slot(**MORNING, session_id=place)
    (slot,) = slots()
    assert (made["slot_id"], made["outcome"]) == (slot["id"] if key else None, "created")


# Slots of API v2


@only_v2
def test_creates_a_slot_once(api, session_id, slots):
    made = api.create_classroom_slot(**MORNING, session="May", path="Onboarding")
    assert (made["session_id"], made["outcome"]) == (session_id, "created")
    assert api.create_classroom_slot(**MORNING, session_id=session_id.upper())["outcome"] == "already_exists"
    with pytest.raises(AlreadyExistsError, match=f"'Morning' exists already: {made['slot_id']}"):
        api.create_classroom_slot(**MORNING, session_id=session_id, if_exists="fail")
    later = {"slot_start": "2026-05-05T09:00:00Z", "slot_end": "2026-05-05T10:00:00Z"}
    assert api.create_classroom_slot(**{**MORNING, **later}, session_id=session_id)["outcome"] == "created"
    assert len(slots()) == 2


@only_v2
def test_a_slot_whose_response_is_lost_is_found(sandbox, api, session_id, slots):
    sandbox.control.add_fault("createClassroomSlot", kind="drop_after")
    made = api.create_classroom_slot(**MORNING, session_id=session_id)
    (slot,) = slots()
    assert (made["slot_id"], made["outcome"]) == (slot["id"], "created")


@only_v2
def test_a_slot_that_was_not_created_is_reported_as_unknown(sandbox, api, session_id, slots):
    sandbox.control.add_fault("createClassroomSlot", kind="drop_before")
    with pytest.raises(OutcomeUnknownError):
        api.create_classroom_slot(**MORNING, session_id=session_id)
    assert slots() == []


@only_v2
def test_refuses_to_choose_between_two_equal_slots(api, slot_id, session_id):
    afternoon = api.create_classroom_slot(**{**MORNING, "name": "Afternoon"}, session_id=session_id)["slot_id"]
    api.update_classroom_slot(slot_id=afternoon, classroom_id=FIRST_DAY_CLASSROOM_ID, name="Morning")
    with pytest.raises(RefusedError, match="2 slots have the name 'Morning' and this start"):
        api.create_classroom_slot(**MORNING, session_id=session_id)


@only_v2
def test_lists_slots(api, session_id):
    until = "2026-05-03T00:00:00.000Z"
    made = api.create_classroom_slot(
        **{**MORNING, "duration_hours": 3.5}, session_id=session_id, self_registration_until=until, media_ids=[ADMIN_ID]
    )
    (slot,) = api.list_classroom_slots(classroom_id=FIRST_DAY_CLASSROOM_ID)
    assert slot.pop("created_at") == slot.pop("modified_at")
    assert slot == {
        "slot_id": made["slot_id"],
        "classroom_id": FIRST_DAY_CLASSROOM_ID,
        "session_id": session_id,
        "session_type": "path",
        "name": "Morning",
        "slot_start": "2026-05-04T07:00:00.000Z",
        "slot_end": "2026-05-04T10:30:00.000Z",
        "location": "Room 1",
        "virtual": False,
        "duration_hours": 3.5,
        "max_capacity": None,
        "timezone": None,
        "trainer_ids": [],
        "media_ids": [ADMIN_ID],
        "self_registration_until": until,
    }
    with pytest.raises(NotFoundError):
        api.list_classroom_slots(classroom_id=MISSING_ID)


@only_v2
def test_an_update_of_v2_changes_the_given_fields_only(api, slot_id, slots):
    (before,) = slots()
    api.update_classroom_slot(slot_id=slot_id, classroom_id=FIRST_DAY_CLASSROOM_ID, location="Room 9", notify=False)
    (after,) = slots()
    assert {name for name in after if after[name] != before[name]} == {"location", "modified_at"}


@only_v2
@pytest.mark.parametrize("kind", ["drop_after", "drop_before"])
def test_an_update_whose_response_is_lost_is_confirmed_and_not_repeated(sandbox, api, sent, slot_id, kind):
    sandbox.control.add_fault("updateClassroomSlot", kind=kind)
    change = {"slot_id": slot_id, "classroom_id": FIRST_DAY_CLASSROOM_ID, "slot_end": "2026-05-04T13:00:00+02:00"}
    if kind == "drop_after":
        assert api.update_classroom_slot(**change)["outcome"] == "updated"
    else:
        with pytest.raises(OutcomeUnknownError):
            api.update_classroom_slot(**change)
    assert len(sent("updateClassroomSlot")) == 1


@only_v2
def test_v2_refuses_what_only_v1_knows_of_a_slot(api, sent):
    with pytest.raises(NotAvailableError, match="message is not available in API v2 for a new slot"):
        api.create_classroom_slot(**MORNING, session_id=MISSING_ID, message="Hello")
    with pytest.raises(InvalidRequestError, match="classroom_id or classroom is missing, which API v2 needs"):
        api.update_classroom_slot(slot_id=MISSING_ID, name="Noon")
    many = [f"{number:024x}" for number in range(21)]
    with pytest.raises(InvalidRequestError, match="trainers contains 21 items, but API v2 allows at most 20"):
        api.create_classroom_slot(**MORNING, session_id=MISSING_ID, trainers=many)
    assert sent() == []


@only_v2
def test_deletes_a_slot_once(sandbox, api, slot_id, slots):
    slot = {"classroom_id": FIRST_DAY_CLASSROOM_ID, "slot_id": slot_id}
    planned = api.delete_classroom_slot(**slot, dry_run=True)
    assert planned == {"slot_id": slot_id, "name": "Morning", "registrations": 2, "outcome": "would_delete"}
    assert len(slots()) == 1
    deleted = api.delete_classroom_slot(**slot)
    assert deleted == {"slot_id": slot_id, "name": None, "registrations": None, "outcome": "deleted"}
    for dry_run in (False, True):
        assert api.delete_classroom_slot(**slot, dry_run=dry_run)["outcome"] == "not_found"
        with pytest.raises(NotFoundError):
            api.delete_classroom_slot(**slot, dry_run=dry_run, if_missing="fail")
    with pytest.raises(NotFoundError):
        api.delete_classroom_slot(classroom_id=MISSING_ID, slot_id=slot_id)
    assert sandbox.control.state()["registrations"] == []


@only_v2
def test_a_deletion_of_a_slot_whose_response_is_lost_is_done(sandbox, api, slot_id):
    sandbox.control.add_fault("deleteClassroomSlot", kind="drop_after")
    deleted = api.delete_classroom_slot(classroom_id=FIRST_DAY_CLASSROOM_ID, slot_id=slot_id, if_missing="fail")
    assert deleted["outcome"] == "deleted"
