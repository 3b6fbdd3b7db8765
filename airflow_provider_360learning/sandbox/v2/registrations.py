"""Registrations for slots of classrooms, waitlists, and attendance sheets."""

from __future__ import annotations

import hashlib

from airflow_provider_360learning.sandbox.clock import iso
from airflow_provider_360learning.sandbox.routing import Response
from airflow_provider_360learning.sandbox.state.classrooms import Registration, Sheet, Slot
from airflow_provider_360learning.sandbox.state.model import Person
from airflow_provider_360learning.sandbox.v2.call import NO_CONTENT, Call, Operations
from airflow_provider_360learning.sandbox.v2.classrooms import find_classroom
from airflow_provider_360learning.sandbox.v2.errors import ApiError
from airflow_provider_360learning.sandbox.v2.filters import boolean, choices, dates, ids

operations = Operations()

#: Documented maximum number of attendance sheets of a slot.
_MAX_SHEETS = 100
#: Users on a waitlist. That there is a maximum is documented, the number is not.
_MAX_WAITING = 100
_SHEET = "/classroom-slots/{classroomSlotId}/attendance-sheets/{attendanceSheetId}"


# Registrations


@operations.add(
    "addSlotRegistration",
    "POST",
    "/classroom-slots/{classroomSlotId}/registrations/{userId}",
    scope="classrooms:write",
    assumes="A slot that has started accepts registrations. A user who registers leaves the waitlist.",
)
def add_slot_registration(call: Call) -> Response:
    """Register a user who is enrolled in the session of the slot."""
    # The documented code for an unknown slot.
    slot, person = _slot(call, error="classroomNotFound"), _user(call)
    _check_enrolled(call, slot, person)
    if _is_registered(slot, person):
        raise ApiError(400, "userAlreadyRegistered")
    if any(_is_registered(each, person, unless_missed=True) for each in _others(call, slot)):
        raise ApiError(400, "userAlreadyRegisteredInAnotherNonMissedSlot")
    if slot.is_full:
        raise ApiError(400, "classroomSlotFull")
    return Response(_registration(call, slot, call.state.classrooms.register(slot, person.id)), 201)


@operations.add(
    "getSlotRegistrations",
    "GET",
    "/classroom-slots/{classroomSlotId}/registrations",
    scope="classrooms:read",
    page_size=2_000,
    filters=(
        *dates("createdAt", "modifiedAt"),
        boolean("hasAttended"),
        ids("userId"),
        choices("status", "eq", "archived", "published"),
    ),
    assumes="A registration without recorded attendance matches no filter on it.",
)
def get_slot_registrations(call: Call) -> Response:
    """List the registrations for a slot, also registrations that have ended."""
    slot = _slot(call)
    found = [
        each
        for each in slot.registrations.values()
        if call.conditions.hold(
            createdAt=each.created_at,
            modifiedAt=each.modified_at,
            hasAttended=each.attended,
            userId=each.user,
            status=each.status,
        )
    ]
    return call.page(found, lambda each: _registration(call, slot, each))


@operations.add(
    "getClassroomRegistrations",
    "GET",
    "/classrooms/{classroomId}/registrations",
    scope="classrooms:read",
    page_size=2_000,
)
def get_classroom_registrations(call: Call) -> Response:
    """List the registrations for all slots of a classroom."""
    slots = call.state.classrooms.slots_of(find_classroom(call))
    found = [(slot, each) for slot in slots for each in slot.registrations.values()]
    return call.page(found, lambda each: {**_registration(call, *each), "classroomSlotId": each[0].id})


@operations.add(
    "updateSlotRegistration",
    "PATCH",
    "/classroom-slots/{classroomSlotId}/registrations/{slotRegistrationId}",
    scope="classrooms:write",
    bodies=("json",),
    assumes="Without `hasAttended`, the attendance stays as it is; a registration that has ended can be changed.",
)
def update_slot_registration(call: Call) -> Response:
    """Record whether a user was present, or what a user answers."""
    slot, state = _slot(call, error="classroomNotFound"), call.state.classrooms
    attended, rsvp = call.boolean("hasAttended"), call.fields.get("rsvp")
    going = rsvp.get("going") if isinstance(rsvp, dict) else None
    if rsvp is not None and not isinstance(going, bool):
        raise call.malformed("rsvp must have going, a boolean.")
    found = next((each for each in slot.registrations.values() if each.id == call.path["slotRegistrationId"]), None)
    if found is None:
        raise ApiError(404, "slotRegistrationNotFound")
    if attended is not None:
        state.set_attendance(found, attended)
    if "rsvp" in call.fields:
        state.answer(found, going if isinstance(going, bool) else None)
    return Response(_registration(call, slot, found))


# Waitlists


@operations.add(
    "getClassroomSlotWaitlist",
    "GET",
    "/classroom-slots/{classroomSlotId}/waitlist",
    scope="classrooms:read",
    assumes="A slot has a waitlist if it has a maximum number of registrations.",
)
def get_classroom_slot_waitlist(call: Call) -> Response:
    """List the users who wait for a place, in order."""
    slot = _slot_with_waitlist(call)
    return Response([{"userId": user, "requestedAt": iso(since)} for user, since in slot.waitlist.items()])


@operations.add(
    "joinClassroomSlotWaitlist",
    "POST",
    "/classroom-slots/{classroomSlotId}/waitlist/{userId}",
    scope="classrooms:write",
    assumes=f"A waitlist has at most {_MAX_WAITING} users; a user who is on it keeps the place.",
)
def join_classroom_slot_waitlist(call: Call) -> Response:
    """Put a user on the waitlist of a slot that is full."""
    slot, person = _slot_with_waitlist(call), _user(call)
    _check_enrolled(call, slot, person)
    if any(_is_registered(each, person) for each in (slot, *_others(call, slot))):
        raise ApiError(400, "userAlreadyRegisteredInAClassroomSlot")
    if slot.start <= call.now:
        raise ApiError(400, "classroomSlotAlreadyStarted")
    if not slot.is_full:
        raise ApiError(400, "classroomSlotNotFull")
    if len(slot.waitlist) >= _MAX_WAITING and person.id not in slot.waitlist:
        raise ApiError(400, "classroomSlotWaitlistFull")
    call.state.classrooms.wait(slot, person.id)
    return NO_CONTENT


@operations.add(
    "leaveClassroomSlotWaitlist",
    "DELETE",
    "/classroom-slots/{classroomSlotId}/waitlist/{userId}",
    scope="classrooms:write",
)
def leave_classroom_slot_waitlist(call: Call) -> Response:
    """Remove a user from a waitlist."""
    slot, person = _slot_with_waitlist(call), _user(call)
    if slot.waitlist.pop(person.id, None) is None:
        raise ApiError(400, "userNotInClassroomSlotWaitlist")
    return NO_CONTENT


# Attendance sheets


@operations.add(
    "createAttendanceSheet",
    "POST",
    "/classroom-slots/{classroomSlotId}/attendance-sheets",
    scope="attendanceSheets:write",
    bodies=("json",),
    assumes="Names need not be unique. Sheets stay open, because trainers close them in the web interface.",
)
def create_attendance_sheet(call: Call) -> Response:
    """Create an attendance sheet."""
    slot = _slot(call)
    call.require("name")
    name = call.text("name")
    if len(slot.sheets) >= _MAX_SHEETS:
        raise ApiError(400, "maxAttendanceSheetsReached")
    return Response(_sheet(call.state.classrooms.add_sheet(slot, str(name))), 201)


@operations.add(
    "getAttendanceSheets",
    "GET",
    "/classroom-slots/{classroomSlotId}/attendance-sheets",
    scope="attendanceSheets:read",
    page_size=3_000,
)
def get_attendance_sheets(call: Call) -> Response:
    """List the attendance sheets of a slot."""
    return call.page(list(_slot(call).sheets.values()), _sheet)


@operations.add("updateAttendanceSheet", "PUT", _SHEET, scope="attendanceSheets:write", bodies=("json",))
def update_attendance_sheet(call: Call) -> Response:
    """Rename an attendance sheet."""
    call.require("name")
    name = call.text("name")
    _, sheet = _slot_and_sheet(call)
    sheet.name = str(name)
    return Response(_sheet(sheet))


@operations.add("deleteAttendanceSheet", "DELETE", _SHEET, scope="attendanceSheets:write")
def delete_attendance_sheet(call: Call) -> Response:
    """Delete an attendance sheet."""
    slot, sheet = _slot_and_sheet(call)
    del slot.sheets[sheet.id]
    return NO_CONTENT


@operations.add(
    "getAttendances",
    "GET",
    f"{_SHEET}/attendances",
    scope="attendanceSheets:read",
    page_size=3_000,
    assumes="All registered users are on each sheet, with the attendance of their registration.",
)
def get_attendances(call: Call) -> Response:
    """List the attendances on an attendance sheet."""
    slot, sheet = _slot_and_sheet(call)
    return call.page(slot.current, lambda each: _attendance(call, sheet, each))


# Objects of responses


def _registration(call: Call, slot: Slot, registration: Registration) -> dict[str, object]:
    session = call.state.sessions.get(slot.session)
    ended, going = registration.archived_at, registration.going
    optional: dict[str, object] = {
        "pathId": None if session is None else session.path,
        "hasAttended": registration.attended,
        "archivedAt": None if ended is None else iso(ended),
        "rsvp": None if going is None else {"going": going, "lastUpdatedAt": iso(registration.answered_at)},
    }
    return {
        "_id": registration.id,
        "userId": registration.user,
        "status": registration.status,
        "createdAt": iso(registration.created_at),
        "modifiedAt": iso(registration.modified_at),
        **{name: value for name, value in optional.items() if value is not None},
    }


def _sheet(sheet: Sheet) -> dict[str, object]:
    return {"_id": sheet.id, "name": sheet.name, "status": "open", "checkInCode": sheet.code}


def _attendance(call: Call, sheet: Sheet, registration: Registration) -> dict[str, object]:
    profile = call.state.people[registration.user].profile
    statuses = {None: "attendancePending", True: "present", False: "absent"}
    return {
        "_id": hashlib.sha256(f"attendance|{sheet.id}|{registration.id}".encode()).hexdigest()[:24],
        "userId": registration.user,
        "firstName": profile.get("first_name", ""),
        "lastName": profile.get("last_name", ""),
        "status": statuses[registration.attended],
    }


# State


def _slot(call: Call, *, error: str = "classroomSlotNotFound") -> Slot:
    """Return the slot of this route, or refuse."""
    slot = call.state.classrooms.slots.get(call.path["classroomSlotId"])
    if slot is None:
        raise ApiError(404, error)
    return slot


def _slot_with_waitlist(call: Call) -> Slot:
    slot = _slot(call)
    if slot.capacity is None:
        raise ApiError(404, "classroomSlotWaitlistNotFound")
    return slot


def _slot_and_sheet(call: Call) -> tuple[Slot, Sheet]:
    """Return the slot and the attendance sheet of this route, or refuse. An unknown slot has no sheet."""
    slots, sheet_id = call.state.classrooms.slots, call.path["attendanceSheetId"]
    for slot in slots.values():
        if sheet_id in slot.sheets:
            if slot.id != call.path["classroomSlotId"]:
                raise ApiError(400, "attendanceSheetNotBelongToClassroomSlot")
            return slot, slot.sheets[sheet_id]
    raise ApiError(404, "attendanceSheetNotFound")


def _user(call: Call) -> Person:
    """Return the user of this route; a deleted one is not found (assumption)."""
    person = call.person(call.path["userId"])
    if person.status == "deleted":
        raise ApiError(404, "userNotFound")
    return person


def _check_enrolled(call: Call, slot: Slot, person: Person) -> None:
    session = call.state.sessions.get(slot.session)
    if session is not None and person.id not in session.enrolled:
        raise ApiError(400, "userNotEnrolledInPathSession")


def _others(call: Call, slot: Slot) -> list[Slot]:
    """Return the other slots of the same classroom and session."""
    slots = call.state.classrooms.slots.values()
    return [
        each for each in slots if (each.classroom, each.session) == (slot.classroom, slot.session) and each is not slot
    ]


def _is_registered(slot: Slot, person: Person, *, unless_missed: bool = False) -> bool:
    """
    Return whether a user is registered for a slot.

    :param unless_missed: whether a registration does not count whose user was absent.
    """
    found = slot.registrations.get(person.id)
    return found is not None and found.archived_at is None and not (unless_missed and found.attended is False)
