"""Slots of classrooms, and who was present there."""

from __future__ import annotations

from typing import NamedTuple

from airflow_provider_360learning.sandbox.clock import parse_iso
from airflow_provider_360learning.sandbox.routing import Response
from airflow_provider_360learning.sandbox.state.classrooms import Slot
from airflow_provider_360learning.sandbox.state.model import Session
from airflow_provider_360learning.sandbox.state.programs import ProgramSession
from airflow_provider_360learning.sandbox.v1.call import ApiError, Call, Operations

operations = Operations()

#: What is documented as required.
_REQUIRED = ("name", "startDate", "endDate", "virtual", "location", "reportedDuration")


class _Fields(NamedTuple):
    """The fields of a body, valid ones."""

    name: str
    start: float
    end: float
    virtual: bool
    location: str
    hours: int
    trainers: list[str]
    capacity: int | None
    timezone: str | None


@operations.add(
    "createClassroomSlot",
    "POST",
    "/programs/sessions/{programSessionId}/classrooms/{classroomId}/slots",
    bodies=("json",),
    assumes="All errors, and the response.",
)
def create_classroom_slot(call: Call) -> Response:
    """Create a slot in a session of a program."""
    classroom = call.state.classrooms.classrooms.get(call.path["classroomId"].lower())
    if classroom is None:
        raise ApiError(404, "classroom_not_found")
    session = call.state.programs.sessions.get(call.path["programSessionId"].lower())
    if session is None:
        raise ApiError(404, "program_session_not_found")
    fields = _fields(call)
    _check_dates(session, fields)
    slot = call.state.classrooms.add_slot(
        classroom.id,
        session.id,
        "program",
        name=fields.name,
        start=fields.start,
        end=fields.end,
        hours=fields.hours,
        virtual=fields.virtual,
        location=fields.location,
    )
    slot.trainers, slot.capacity, slot.timezone = fields.trainers, fields.capacity, fields.timezone
    key = call.settings.slot_id_key
    return call.acknowledge() if key is None else Response({key: slot.id})


@operations.add(
    "updateClassroomSlot",
    "PUT",
    "/classrooms/slots/{classroomSlotId}",
    bodies=("json",),
    assumes="The texts of the errors for invalid values. Optional fields that are not given lose their values. "
    "Messages are accepted and not sent. No slot is a webinar of another platform.",
)
def update_classroom_slot(call: Call) -> Response:
    """Replace a slot."""
    slot, fields = _slot(call), _fields(call)
    _check_dates(_session_of(call, slot), fields)
    slot.name, slot.start, slot.end, slot.hours = fields.name, fields.start, fields.end, fields.hours
    slot.virtual, slot.location, slot.trainers = fields.virtual, fields.location, fields.trainers
    slot.capacity, slot.timezone = fields.capacity, fields.timezone
    call.state.classrooms.touch(slot)
    return call.acknowledge()


@operations.add(
    "updateClassroomSlotAttendance",
    "PATCH",
    "/classrooms/slots/{classroomSlotId}/attendance",
    bodies=("json",),
    assumes="The errors. Users who are not registered for the slot are ignored.",
)
def update_classroom_slot_attendance(call: Call) -> Response:
    """Record whether users were present. Others keep their attendance."""
    slot, users = _slot(call), call.fields.get("users")
    if not isinstance(users, list) or not all(map(_is_attendance, users)):
        raise _invalid("users must be a list of users with userId and hasAttended")
    for user in users:
        registration = slot.registrations.get(user["userId"].lower())
        if registration is not None:
            call.state.classrooms.set_attendance(registration, user["hasAttended"])
    return call.acknowledge()


def _slot(call: Call) -> Slot:
    slot = call.state.classrooms.slots.get(call.path["classroomSlotId"].lower())
    if slot is None:
        raise ApiError(404, "slot_not_found")
    return slot


def _session_of(call: Call, slot: Slot) -> Session | ProgramSession:
    """Return the session of a slot, which is deleted with it."""
    state = call.state
    return state.sessions[slot.session] if slot.session_kind == "path" else state.programs.sessions[slot.session]


def _check_dates(session: Session | ProgramSession, fields: _Fields) -> None:
    if fields.start < session.start or (session.end is not None and fields.end > session.end):
        raise ApiError(400, "classroom_slot_dates_not_within_session_dates")


def _fields(call: Call) -> _Fields:
    """Return the fields of the body, or refuse."""
    body = call.fields
    for name in _REQUIRED:
        if body.get(name) is None:
            raise _invalid(f"{name} should not be empty")
    start, end = parse_iso(body["startDate"]), parse_iso(body["endDate"])
    if start is None or end is None:
        raise _invalid(f"{'startDate' if start is None else 'endDate'} must be a valid ISO 8601 date string")
    if end <= start:
        raise ApiError(400, "invalid_classroom_slot_dates")
    trainers = [each.lower() for each in call.strings("trainers") or ()]
    for trainer in trainers:
        person = call.state.people.get(trainer)
        if person is None or not call.visible(person):
            raise ApiError(404, f"trainer_{trainer}_not_found")
    return _Fields(
        _text(call, "name"),
        start,
        end,
        bool(call.boolean("virtual")),
        _text(call, "location"),
        _integer(call, "reportedDuration") or 0,
        trainers,
        _integer(call, "maxCapacity"),
        _text(call, "timezone") if body.get("timezone") is not None else None,
    )


def _text(call: Call, name: str) -> str:
    value = call.fields[name]
    if not isinstance(value, str) or not value:
        raise _invalid(f"{name} should not be empty")
    return value


def _integer(call: Call, name: str) -> int | None:
    value = call.fields.get(name)
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    raise _invalid(f"{name} must be an integer number")


def _is_attendance(user: object) -> bool:
    return isinstance(user, dict) and isinstance(user.get("userId"), str) and isinstance(user.get("hasAttended"), bool)


def _invalid(problem: str) -> ApiError:
    return ApiError(400, f"Request validation failed: {problem}")
