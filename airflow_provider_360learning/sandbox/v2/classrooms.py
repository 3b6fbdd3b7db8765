"""Classrooms and their slots."""

from __future__ import annotations

from airflow_provider_360learning.sandbox.clock import iso, parse_iso
from airflow_provider_360learning.sandbox.routing import Response
from airflow_provider_360learning.sandbox.state.classrooms import Classroom, Slot
from airflow_provider_360learning.sandbox.v2.call import NO_CONTENT, Call, Operations
from airflow_provider_360learning.sandbox.v2.errors import ApiError
from airflow_provider_360learning.sandbox.v2.filters import dates, ids

operations = Operations()

#: Maximum number of trainers of a slot, and of media.
_MAX_IDS = 20
_MEDIA = "Media are kept as they are given, whether they exist or not."


@operations.add(
    "createClassroom",
    "POST",
    "/classrooms",
    scope="classrooms:write",
    bodies=("json",),
    assumes=f"Names need not be unique. {_MEDIA}",
)
def create_classroom(call: Call) -> Response:
    """Create a classroom."""
    call.require("groupId", "name")
    name, media = call.text("name"), _ids(call, "mediaIds")
    message, objective = call.text("message"), call.text("trainingObjective")
    group = call.group(str(call.id("groupId")))
    created = call.state.classrooms.add(str(name), group.id)
    created.message, created.objective, created.media = message, objective, media or []
    return Response(_classroom(created), 201)


@operations.add(
    "getClassrooms",
    "GET",
    "/classrooms",
    scope="classrooms:read",
    page_size=500,
    filters=(ids("groupId"), *dates("createdAt", "modifiedAt")),
)
def get_classrooms(call: Call) -> Response:
    """List all classrooms."""
    found = [
        each
        for each in call.state.classrooms.classrooms.values()
        if call.conditions.hold(groupId=each.group, createdAt=each.created_at, modifiedAt=each.modified_at)
    ]
    return call.page(found, _classroom)


@operations.add("getClassroom", "GET", "/classrooms/{classroomId}", scope="classrooms:read")
def get_classroom(call: Call) -> Response:
    """Return one classroom."""
    return Response(_classroom(find_classroom(call)))


@operations.add(
    "updateClassroom",
    "PATCH",
    "/classrooms/{classroomId}",
    scope="classrooms:write",
    bodies=("json",),
    assumes=_MEDIA,
)
def update_classroom(call: Call) -> Response:
    """Change the given fields of a classroom; ``null`` removes a message or an objective."""
    classroom, fields = find_classroom(call), call.fields
    name, media = call.text("name"), _ids(call, "mediaIds")
    message, objective = call.text("message"), call.text("trainingObjective")
    classroom.name = name or classroom.name
    classroom.message = message if "message" in fields else classroom.message
    classroom.objective = objective if "trainingObjective" in fields else classroom.objective
    classroom.media = classroom.media if media is None else media
    call.state.classrooms.touch(classroom)
    return Response(_classroom(classroom))


@operations.add(
    "getClassroomSlots",
    "GET",
    "/classrooms/{classroomId}/slots",
    scope="classrooms:read",
    page_size=100,
    filters=dates("createdAt", "modifiedAt"),
)
def get_classroom_slots(call: Call) -> Response:
    """List the slots of a classroom."""
    slots = [
        each
        for each in call.state.classrooms.slots_of(find_classroom(call))
        if call.conditions.hold(createdAt=each.created_at, modifiedAt=each.modified_at)
    ]
    return call.page(slots, _slot)


@operations.add(
    "createClassroomSlot",
    "POST",
    "/classrooms/{classroomId}/slots",
    scope="classrooms:write",
    bodies=("json",),
    assumes=f"A slot may begin and end with its session, and end when a session without an end does not. {_MEDIA}",
)
def create_classroom_slot(call: Call) -> Response:
    """Create a slot in a path session."""
    classroom, fields = find_classroom(call), call.fields
    call.require(
        "startDate", "endDate", "reportedDuration", "selfRegistration", "virtual", "name", "context", "location"
    )
    start, end, hours = call.date("startDate"), call.date("endDate"), call.number("reportedDuration")
    name, location, virtual = call.text("name"), call.text("location"), call.boolean("virtual")
    capacity, timezone = call.number("maxCapacity"), call.text("timezone")
    trainers, media, until = _ids(call, "trainerIds"), _ids(call, "mediaIds"), _cutoff(call)
    context = fields["context"]
    if not isinstance(context, dict) or context.get("type") != "path":
        raise call.malformed("context must have the type path.")
    assert start is not None
    assert end is not None
    session = call.state.sessions.get(str(context.get("_id")).lower())
    if session is None:
        raise ApiError(404, "pathSessionNotFound")
    _check_dates(call, session.id, start, end)
    if not _exist(call, trainers):
        raise ApiError(404, "usersNotFound")
    slot = call.state.classrooms.add_slot(
        classroom.id,
        session.id,
        "path",
        name=str(name),
        start=start,
        end=end,
        hours=hours or 0,
        virtual=bool(virtual),
        location=str(location),
    )
    slot.capacity, slot.timezone = None if capacity is None else int(capacity), timezone
    slot.trainers, slot.media, slot.register_until = trainers or [], media or [], until
    return Response(_slot(slot), 201)


@operations.add(
    "updateClassroomSlot",
    "PATCH",
    "/classrooms/{classroomId}/slots/{classroomSlotId}",
    scope="classrooms:write",
    bodies=("json",),
    assumes="Notifications are accepted and not sent. No slot is a webinar of another platform.",
)
def update_classroom_slot(call: Call) -> Response:
    """Change the given fields of a slot."""
    slot = _slot_of_classroom(call)
    start, end, hours = call.date("startDate"), call.date("endDate"), call.number("reportedDuration")
    name, location, virtual = call.text("name"), call.text("location"), call.boolean("virtual")
    capacity, timezone, trainers = call.number("maxCapacity"), call.text("timezone"), _ids(call, "trainerIds")
    start, end = slot.start if start is None else start, slot.end if end is None else end
    _check_dates(call, slot.session, start, end)
    if not _exist(call, trainers):
        raise ApiError(400, "usersNotFound")
    slot.start, slot.end, slot.hours = start, end, slot.hours if hours is None else hours
    slot.name, slot.location = name or slot.name, location or slot.location
    slot.virtual = slot.virtual if virtual is None else virtual
    slot.capacity = slot.capacity if capacity is None else int(capacity)
    slot.timezone, slot.trainers = timezone or slot.timezone, slot.trainers if trainers is None else trainers
    call.state.classrooms.touch(slot)
    return Response(_slot(slot))


@operations.add(
    "deleteClassroomSlot",
    "DELETE",
    "/classrooms/{classroomId}/slots/{classroomSlotId}",
    scope="classrooms:write",
    assumes="Its registrations, waitlist and attendance sheets are deleted, too.",
)
def delete_classroom_slot(call: Call) -> Response:
    """Delete a slot."""
    del call.state.classrooms.slots[_slot_of_classroom(call).id]
    return NO_CONTENT


def find_classroom(call: Call) -> Classroom:
    """Return the classroom of this route, or refuse."""
    classroom = call.state.classrooms.classrooms.get(call.path["classroomId"])
    if classroom is None:
        raise ApiError(404, "classroomNotFound")
    return classroom


def _slot_of_classroom(call: Call) -> Slot:
    classroom = find_classroom(call)
    slot = call.state.classrooms.slots.get(call.path["classroomSlotId"])
    if slot is None or slot.classroom != classroom.id:
        raise ApiError(404, "classroomSlotNotFound")
    return slot


def _classroom(classroom: Classroom) -> dict[str, object]:
    """Return a classroom as responses show it. Fields without a value are absent."""
    optional = {"message": classroom.message, "trainingObjective": classroom.objective}
    return {
        "_id": classroom.id,
        "name": classroom.name,
        "groupId": classroom.group,
        "mediaIds": classroom.media,
        "createdAt": iso(classroom.created_at),
        "modifiedAt": iso(classroom.modified_at),
        **{name: value for name, value in optional.items() if value is not None},
    }


def _slot(slot: Slot) -> dict[str, object]:
    until = {} if slot.register_until is None else {"cutoffDate": iso(slot.register_until)}
    optional = {"maxCapacity": slot.capacity, "timezone": slot.timezone}
    return {
        "_id": slot.id,
        "classroomId": slot.classroom,
        "name": slot.name,
        "startDate": iso(slot.start),
        "endDate": iso(slot.end),
        "reportedDuration": slot.hours,
        "virtual": slot.virtual,
        "location": slot.location,
        "context": {"_id": slot.session, "type": slot.session_kind},
        "selfRegistration": {"enabled": bool(until), **until},
        "trainerIds": slot.trainers,
        "mediaIds": slot.media,
        "createdAt": iso(slot.created_at),
        "modifiedAt": iso(slot.modified_at),
        **{name: value for name, value in optional.items() if value is not None},
    }


def _check_dates(call: Call, session_id: str, start: float, end: float) -> None:
    """Refuse dates that are no period, or not within the session."""
    if end <= start:
        raise ApiError(400, "invalidStartOrEndDate")
    session = call.state.sessions.get(session_id) or call.state.programs.sessions.get(session_id)
    if session is not None and (start < session.start or (session.end is not None and end > session.end)):
        raise ApiError(400, "outOfPathSessionDates")


def _cutoff(call: Call) -> float | None:
    """Return until when learners register themselves; ``None`` if they cannot."""
    given = call.fields["selfRegistration"]
    if not isinstance(given, dict) or not isinstance(given.get("enabled"), bool):
        raise call.malformed("selfRegistration must have enabled, a boolean.")
    if not given["enabled"]:
        return None
    until = parse_iso(given.get("cutoffDate"))
    if until is None:
        raise call.malformed("selfRegistration must have a cutoffDate, a date (ISO 8601).")
    return until


def _ids(call: Call, name: str) -> list[str] | None:
    found = call.ids(name)
    if found and len(found) > _MAX_IDS:
        raise call.malformed(f"{name} must have at most {_MAX_IDS} items.")
    return found


def _exist(call: Call, users: list[str] | None) -> bool:
    """Return whether all of these users exist and are not deleted."""
    people = [call.state.people.get(each) for each in users or ()]
    return all(person is not None and person.status != "deleted" for person in people)
