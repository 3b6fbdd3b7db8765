"""Classrooms of API v2 and their slots."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from airflow_provider_360learning.api.actions import WriteSpec, action, confirm_by_lookup
from airflow_provider_360learning.api.classroom_results import (
    ClassroomRecord,
    ClassroomSlotRecord,
    CreatedClassroom,
    CreatedClassroomSlot,
    DeletedClassroomSlot,
    UpdatedClassroom,
    UpdatedClassroomSlot,
)
from airflow_provider_360learning.api.fields import boolean, first_string, number, string, strings
from airflow_provider_360learning.api.models.classrooms import (
    CreateClassroom,
    CreateClassroomSlot,
    DeleteClassroomSlot,
    ListClassrooms,
    ListClassroomSlots,
    UpdateClassroom,
    UpdateClassroomSlot,
)
from airflow_provider_360learning.api.models.parsers import normalized
from airflow_provider_360learning.api.pages import all_items
from airflow_provider_360learning.api.request import without_nones
from airflow_provider_360learning.api.text import listed_ids
from airflow_provider_360learning.api.timestamps import read_timestamp, write_timestamp
from airflow_provider_360learning.api.types import ActionSteps, Call, JsonObject, ResponseObject
from airflow_provider_360learning.api.v2.lookups import Lookups
from airflow_provider_360learning.exceptions import (
    AlreadyExistsError,
    InvalidRequestError,
    NotAvailableError,
    NotFoundError,
    OutcomeUnknownError,
    RefusedError,
)

#: Maximum number of trainers of a slot, and of media of a slot or a classroom.
MAX_IDS = 20
#: Code of the error about a slot that does not exist.
SLOT_NOT_FOUND = "classroomSlotNotFound"


def _check_length(name: str, items: Sequence[str] | None) -> None:
    if items and len(items) > MAX_IDS:
        raise InvalidRequestError(
            f"{name} contains {len(items)} items, but API v2 allows at most {MAX_IDS}. Nothing was sent.", argument=name
        )


def _check_media(arguments: CreateClassroom | UpdateClassroom) -> None:
    _check_length("media_ids", arguments.media_ids)


def _check_new_slot(arguments: CreateClassroomSlot) -> None:
    if arguments.message is not None:
        raise NotAvailableError(
            "message is not available in API v2 for a new slot, only for update_classroom_slot", argument="message"
        )
    _check_length("trainers", arguments.trainers)
    _check_length("media_ids", arguments.media_ids)


def _check_changed_slot(arguments: UpdateClassroomSlot) -> None:
    if arguments.classroom_id is None and arguments.classroom is None:
        raise InvalidRequestError(
            "classroom_id or classroom is missing, which API v2 needs to find the slot. Nothing was sent.",
            argument="classroom_id",
        )
    _check_length("trainers", arguments.trainers)


class ClassroomActions(Lookups):
    """Create, read and change classrooms and their slots."""

    @action(
        CreateClassroom,
        write=WriteSpec("createClassroom", key=("name", "group_id"), makes="classroom_id"),
        check=_check_media,
    )
    def create_classroom(self, arguments: CreateClassroom) -> ActionSteps[CreatedClassroom]:
        """
        Create a classroom (``createClassroom``), unless the group has one of this name.

        The classrooms of the group are listed first, and again if the outcome of the creation is unknown; the creation
        is never sent twice.

        :return: ``outcome`` is ``created``, ``already_exists`` or ``updated``.
        :raises AlreadyExistsError: with ``if_exists="fail"``, if the classroom exists.
        :raises NotFoundError: if the group or a medium does not exist.
        :raises RefusedError: if several classrooms match, so that the choice would be arbitrary.
        :raises OutcomeUnknownError: if the outcome is unknown, and the classroom is not listed (yet) or the listing
            fails.
        """
        name = arguments.name
        found = yield from self._find_classroom(arguments)
        if found is not None:
            return (yield from self._existing_classroom(arguments, found))
        body = {"name": name, "groupId": arguments.group_id, **_classroom_fields(arguments)}
        try:
            made = yield Call("createClassroom", body=body)
        except OutcomeUnknownError as unknown:
            found = yield from confirm_by_lookup(unknown, self._find_classroom(arguments))
        else:
            found = first_string(made, "_id")
        return {"classroom_id": found, "name": name, "outcome": "created"}

    @action(UpdateClassroom, write=WriteSpec("updateClassroom", key=("classroom_id",)), check=_check_media)
    def update_classroom(self, arguments: UpdateClassroom) -> ActionSteps[UpdatedClassroom]:
        """
        Change a classroom (``updateClassroom``); fields that are not given keep their values.

        :raises NotFoundError: if the classroom or a medium does not exist.
        """
        body = {"name": arguments.name, **_classroom_fields(arguments)}
        yield Call("updateClassroom", path={"classroomId": arguments.classroom_id}, body=body)
        return {"classroom_id": arguments.classroom_id, "outcome": "updated"}

    @action(ListClassrooms)
    def list_classrooms(self, arguments: ListClassrooms) -> ActionSteps[list[ClassroomRecord]]:
        """Return all classrooms, or those of a group (``getClassrooms``)."""
        items = yield from all_items(Call("getClassrooms", query={"groupId[eq]": arguments.group_id}))
        return [_neutral_classroom(item) for item in items]

    @action(
        CreateClassroomSlot,
        write=WriteSpec(
            "createClassroomSlot", key=("name", "slot_start", "classroom_id", "session_id"), makes="slot_id"
        ),
        check=_check_new_slot,
    )
    def create_classroom_slot(self, arguments: CreateClassroomSlot) -> ActionSteps[CreatedClassroomSlot]:
        """
        Create a slot of a classroom in a path session (``createClassroomSlot``), unless it exists.

        A slot of the same classroom, session, name and start is the same one. The slots of the classroom are listed
        first, and again if the outcome of the creation is unknown; the creation is never sent twice.

        :return: ``outcome`` is ``created`` or ``already_exists``.
        :raises AlreadyExistsError: with ``if_exists="fail"``, if the slot exists.
        :raises InvalidRequestError: if the slot is not within the dates of the session.
        :raises NotFoundError: if the classroom, the session, a trainer or a medium does not exist.
        :raises RefusedError: if several slots match, so that the choice would be arbitrary.
        :raises OutcomeUnknownError: if the outcome is unknown, and the slot is not listed (yet) or the listing fails.
        """
        found = yield from self._find_slot(arguments)
        if found is not None:
            if arguments.if_exists == "fail":
                raise AlreadyExistsError(
                    f"The slot {arguments.name!r:.200} exists already: {found}", operation="createClassroomSlot"
                )
            return _created_slot(arguments, found, "already_exists")
        trainers = yield from self._trainer_ids(arguments.trainers)
        until = write_timestamp(arguments.self_registration_until)
        body: JsonObject = {
            **_slot_fields(arguments),
            "context": {"_id": arguments.session_id, "type": "path"},
            "selfRegistration": without_nones({"enabled": until is not None, "cutoffDate": until}),
            "trainerIds": trainers or None,
            "mediaIds": list(arguments.media_ids) or None,
        }
        try:
            made = yield Call("createClassroomSlot", path={"classroomId": arguments.classroom_id}, body=body)
        except OutcomeUnknownError as unknown:
            found = yield from confirm_by_lookup(unknown, self._find_slot(arguments))
        else:
            found = first_string(made, "_id")
        return _created_slot(arguments, found, "created")

    @action(UpdateClassroomSlot, write=WriteSpec("updateClassroomSlot", key=("slot_id",)), check=_check_changed_slot)
    def update_classroom_slot(self, arguments: UpdateClassroomSlot) -> ActionSteps[UpdatedClassroomSlot]:
        """
        Change a slot of a classroom (``updateClassroomSlot``); fields that are not given keep their values.

        It is not sent again if the outcome is unknown, because each update may notify the learners: the slots of the
        classroom are listed instead.

        :raises InvalidRequestError: if the slot is not within the dates of the session, or a trainer does not exist.
        :raises NotFoundError: if the classroom or the slot does not exist.
        :raises OutcomeUnknownError: if the outcome is unknown, and the slot does not have the given values.
        """
        slot_id, classroom_id = arguments.slot_id, str(arguments.classroom_id)
        given = arguments.trainers
        trainers = None if given is None else (yield from self._trainer_ids(given))
        fields = without_nones({**_slot_fields(arguments), "trainerIds": trainers})
        path = {"classroomId": classroom_id, "classroomSlotId": slot_id}
        try:
            yield Call("updateClassroomSlot", path=path, body={**fields, "notification": _notification(arguments)})
        except OutcomeUnknownError as unknown:
            yield from confirm_by_lookup(unknown, self._find_changed_slot(classroom_id, slot_id, fields))
        return {"slot_id": slot_id, "outcome": "updated"}

    @action(DeleteClassroomSlot, write=WriteSpec("deleteClassroomSlot", key=("slot_id", "classroom_id")))
    def delete_classroom_slot(self, arguments: DeleteClassroomSlot) -> ActionSteps[DeletedClassroomSlot]:
        """
        Delete a slot of a classroom, **with its registrations and their attendance** (``deleteClassroomSlot``).

        That the registrations are deleted with the slot is an assumption.

        :return: ``outcome`` is ``deleted``, ``not_found``, or ``would_delete`` with ``dry_run``.
        :raises NotFoundError: with ``if_missing="fail"``, if the slot does not exist; if the classroom does not exist.
        """
        slot_id = arguments.slot_id
        path = {"classroomId": arguments.classroom_id, "classroomSlotId": slot_id}
        result: DeletedClassroomSlot = {"slot_id": slot_id, "name": None, "registrations": None, "outcome": "deleted"}
        try:
            if arguments.dry_run:
                return (yield from self._slot_to_delete(path))
            yield Call("deleteClassroomSlot", path=path)
        except NotFoundError as error:
            if error.code != SLOT_NOT_FOUND or (arguments.if_missing == "fail" and not error.after_unknown_outcome):
                raise
            if not error.after_unknown_outcome:
                result["outcome"] = "not_found"
        return result

    @action(ListClassroomSlots)
    def list_classroom_slots(self, arguments: ListClassroomSlots) -> ActionSteps[list[ClassroomSlotRecord]]:
        """
        Return the slots of a classroom (``getClassroomSlots``).

        :raises NotFoundError: if the classroom does not exist.
        """
        items = yield from self._slots_of(arguments.classroom_id)
        return [_neutral_slot(item) for item in items]

    def _find_classroom(self, arguments: CreateClassroom) -> ActionSteps[str | None]:
        items = yield from all_items(Call("getClassrooms", query={"groupId[eq]": arguments.group_id}))
        found = [item for item in items if normalized(string(item, "name")) == arguments.name]
        return _only(found, f"classrooms of the group have the name {arguments.name!r:.200}", "createClassroom")

    def _existing_classroom(self, arguments: CreateClassroom, classroom_id: str) -> ActionSteps[CreatedClassroom]:
        name, fields = arguments.name, _classroom_fields(arguments)
        if arguments.if_exists == "fail":
            raise AlreadyExistsError(
                f"The classroom {name!r:.200} exists already: {classroom_id}", operation="createClassroom"
            )
        if arguments.if_exists == "skip" or not without_nones(fields):
            return {"classroom_id": classroom_id, "name": name, "outcome": "already_exists"}
        yield Call("updateClassroom", path={"classroomId": classroom_id}, body=fields)
        return {"classroom_id": classroom_id, "name": name, "outcome": "updated"}

    def _slots_of(self, classroom_id: str) -> ActionSteps[list[ResponseObject]]:
        return (yield from all_items(Call("getClassroomSlots", path={"classroomId": classroom_id})))

    def _find_slot(self, arguments: CreateClassroomSlot) -> ActionSteps[str | None]:
        """Return the id of the slot of this session, name and start."""
        start = write_timestamp(arguments.slot_start)
        found = [
            item
            for item in (yield from self._slots_of(arguments.classroom_id))
            if normalized(string(item, "name")) == arguments.name
            and read_timestamp("startDate", item.get("startDate")) == start
            and (_context(item)[0] or "").lower() == arguments.session_id.lower()
        ]
        return _only(found, f"slots have the name {arguments.name!r:.200} and this start", "createClassroomSlot")

    def _find_changed_slot(self, classroom_id: str, slot_id: str, fields: JsonObject) -> ActionSteps[str | None]:
        """Return the id of a slot if it has these values."""
        for item in (yield from self._slots_of(classroom_id)):
            if first_string(item, "_id").lower() == slot_id.lower():
                return slot_id if all(_has(item, name, value) for name, value in fields.items()) else None
        return None

    def _slot_to_delete(self, path: dict[str, str]) -> ActionSteps[DeletedClassroomSlot]:
        slot_id = path["classroomSlotId"]
        for item in (yield from self._slots_of(path["classroomId"])):
            if first_string(item, "_id").lower() == slot_id.lower():
                query = {"status[eq]": "published"}
                registrations = yield from all_items(
                    Call("getSlotRegistrations", path={"classroomSlotId": slot_id}, query=query)
                )
                return {
                    "slot_id": slot_id,
                    "name": string(item, "name"),
                    "registrations": len(registrations),
                    "outcome": "would_delete",
                }
        raise NotFoundError(
            f"The classroom has no slot with the id {slot_id}: check the id",
            operation="getClassroomSlots",
            code=SLOT_NOT_FOUND,
        )

    def _trainer_ids(self, trainers: Sequence[str]) -> ActionSteps[list[str]]:
        ids = yield from self.user_ids_of(trainers)
        return list(dict.fromkeys(ids[trainer] for trainer in trainers))


def _classroom_fields(arguments: CreateClassroom | UpdateClassroom) -> JsonObject:
    return {
        "message": arguments.message,
        "trainingObjective": arguments.training_objective,
        "mediaIds": list(arguments.media_ids) if arguments.media_ids else None,
    }


def _slot_fields(arguments: CreateClassroomSlot | UpdateClassroomSlot) -> JsonObject:
    return {
        "name": arguments.name,
        "startDate": write_timestamp(arguments.slot_start),
        "endDate": write_timestamp(arguments.slot_end),
        "location": arguments.location,
        "virtual": arguments.virtual,
        "reportedDuration": arguments.duration_hours,
        "maxCapacity": arguments.max_capacity,
        "timezone": arguments.timezone,
    }


def _notification(arguments: UpdateClassroomSlot) -> JsonObject | None:
    notify, message = arguments.notify, arguments.message
    if notify is None and message is None:
        return None
    return without_nones({"enabled": notify is not False, "message": message})


def _created_slot(
    arguments: CreateClassroomSlot, slot_id: str, outcome: Literal["created", "already_exists"]
) -> CreatedClassroomSlot:
    return {
        "slot_id": slot_id,
        "classroom_id": arguments.classroom_id,
        "session_id": arguments.session_id,
        "name": arguments.name,
        "outcome": outcome,
    }


def _has(item: ResponseObject, name: str, value: object) -> bool:
    """Return whether an object has a value, in whatever notation of a time."""
    found = item.get(name)
    return found == value or (name.endswith("Date") and read_timestamp(name, found) == value)


def _only(items: Sequence[ResponseObject], problem: str, operation: str) -> str | None:
    """Return the id of the only one of some objects; ``None`` if there is none."""
    ids = [first_string(item, "_id") for item in items]
    if len(ids) > 1:
        raise RefusedError(f"{len(ids)} {problem} ({listed_ids(ids)}): rename the others", operation=operation)
    return ids[0] if ids else None


def _neutral_classroom(item: ResponseObject) -> ClassroomRecord:
    return {
        "classroom_id": first_string(item, "_id"),
        "name": string(item, "name"),
        "group_id": string(item, "groupId"),
        "message": string(item, "message"),
        "training_objective": string(item, "trainingObjective"),
        "media_ids": strings(item, "mediaIds"),
        "created_at": read_timestamp("createdAt", item.get("createdAt")),
        "modified_at": read_timestamp("modifiedAt", item.get("modifiedAt")),
    }


def _neutral_slot(item: ResponseObject) -> ClassroomSlotRecord:
    session_id, session_type = _context(item)
    registration = item.get("selfRegistration")
    capacity = number(item, "maxCapacity")
    times = {name: read_timestamp(name, item.get(name)) for name in ("startDate", "endDate", "createdAt", "modifiedAt")}
    return {
        "slot_id": first_string(item, "_id"),
        "classroom_id": string(item, "classroomId"),
        "session_id": session_id,
        "session_type": session_type,
        "name": string(item, "name"),
        "slot_start": times["startDate"],
        "slot_end": times["endDate"],
        "location": string(item, "location"),
        "virtual": boolean(item, "virtual"),
        "duration_hours": number(item, "reportedDuration"),
        "max_capacity": None if capacity is None else round(capacity),
        "timezone": string(item, "timezone"),
        "trainer_ids": strings(item, "trainerIds"),
        "media_ids": strings(item, "mediaIds"),
        "self_registration_until": _cutoff(registration) if isinstance(registration, dict) else None,
        "created_at": times["createdAt"],
        "modified_at": times["modifiedAt"],
    }


def _context(item: ResponseObject) -> tuple[str | None, str | None]:
    """Return id and type of the session of a slot."""
    context = item.get("context")
    return (string(context, "_id"), string(context, "type")) if isinstance(context, dict) else (None, None)


def _cutoff(registration: ResponseObject) -> str | None:
    enabled = boolean(registration, "enabled")
    return read_timestamp("cutoffDate", registration.get("cutoffDate")) if enabled else None
