"""Slots of classrooms of API v1, and who was present there."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from airflow_provider_360learning.api.actions import ApiAdapter, WriteSpec, action
from airflow_provider_360learning.api.classroom_results import (
    CreatedClassroomSlot,
    RecordedAttendance,
    UpdatedClassroomSlot,
)
from airflow_provider_360learning.api.fields import first_string
from airflow_provider_360learning.api.models.classrooms import CreateClassroomSlot, SetAttendance, UpdateClassroomSlot
from airflow_provider_360learning.api.models.parsers import is_id
from airflow_provider_360learning.api.timestamps import write_timestamp
from airflow_provider_360learning.api.types import ActionSteps, Call, JsonObject
from airflow_provider_360learning.exceptions import InvalidRequestError, NotAvailableError

#: What an update must give, because it replaces the slot.
_REQUIRED = ("name", "slot_start", "slot_end", "location", "virtual", "duration_hours")


def _check_classroom(arguments: CreateClassroomSlot | UpdateClassroomSlot) -> None:
    if arguments.classroom is not None:
        raise NotAvailableError(
            "classroom is not available in API v1, which lists no classrooms: give classroom_id", argument="classroom"
        )


def _check_new_slot(arguments: CreateClassroomSlot) -> None:
    _check_classroom(arguments)
    if arguments.session or arguments.path:
        name = "session" if arguments.session else "path"
        raise NotAvailableError(
            f"{name} is not available in API v1, where slots belong to sessions of programs, whose names are not "
            "looked up: give session_id",
            argument=name,
        )
    if arguments.self_registration_until is not None:
        raise NotAvailableError(
            "self_registration_until is not available in API v1", argument="self_registration_until"
        )
    if arguments.media_ids:
        raise NotAvailableError("media_ids is not available in API v1", argument="media_ids")
    if arguments.if_exists == "fail":
        raise NotAvailableError(
            "if_exists 'fail' is not available in API v1, which lists no slots", argument="if_exists"
        )
    _check_duration(arguments.duration_hours)


def _check_changed_slot(arguments: UpdateClassroomSlot) -> None:
    _check_classroom(arguments)
    missing = [name for name in _REQUIRED if getattr(arguments, name) is None]
    if missing:
        raise NotAvailableError(
            f"Without {', '.join(missing)}, update_classroom_slot is not available in API v1, which replaces the whole "
            "slot and cannot read it",
            argument=missing[0],
        )
    if arguments.notify is not None:
        raise NotAvailableError("notify is not available in API v1", argument="notify")
    _check_duration(arguments.duration_hours)


def _check_duration(hours: float | None) -> None:
    if hours is not None and not hours.is_integer():
        raise InvalidRequestError(
            f"duration_hours is {hours:g}, but API v1 takes integers only. Nothing was sent.", argument="duration_hours"
        )


class ClassroomActions(ApiAdapter):
    """Create and change slots of classrooms, and record who was present."""

    @action(
        CreateClassroomSlot,
        write=WriteSpec(
            "createClassroomSlot",
            key=("name", "slot_start", "classroom_id", "session_id"),
            makes="slot_id",
            append_only=True,
        ),
        check=_check_new_slot,
    )
    def create_classroom_slot(self, arguments: CreateClassroomSlot) -> ActionSteps[CreatedClassroomSlot]:
        """
        Create a slot of a classroom in a session of a program (``createClassroomSlot``).

        API v1 lists no slots: a slot of the same name and start is not noticed, and neither is one that was created by
        a request whose response was lost. Trainers who are given by email address are looked up.

        :return: ``slot_id`` is ``None`` if the response has no id, which is not documented.
        :raises OutcomeUnknownError: if the outcome is unknown: whether the slot exists shows in 360Learning only.
        """
        path = {"program_session_id": arguments.session_id, "classroom_id": arguments.classroom_id}
        body = yield from self._slot_fields(arguments, arguments.trainers)
        response = yield Call("createClassroomSlot", path=path, body=body)
        return {
            "slot_id": _id_in(response),
            "classroom_id": arguments.classroom_id,
            "session_id": arguments.session_id,
            "name": arguments.name,
            "outcome": "created",
        }

    @action(
        UpdateClassroomSlot,
        write=WriteSpec("updateClassroomSlot", key=("slot_id",)),
        check=_check_changed_slot,
    )
    def update_classroom_slot(self, arguments: UpdateClassroomSlot) -> ActionSteps[UpdatedClassroomSlot]:
        """
        Replace a slot of a classroom (``updateClassroomSlot``).

        Name, dates, location, ``virtual`` and duration are required, because API v1 replaces the whole slot. What it
        does to other fields that are not given is not known. Trainers who are given by email address are looked up.

        :raises NotFoundError: if the slot or a trainer does not exist.
        :raises OutcomeUnknownError: if the outcome is unknown. It is not sent again, because each update may notify the
            learners.
        """
        path = {"classroom_slot_id": arguments.slot_id}
        body = yield from self._slot_fields(arguments, arguments.trainers or ())
        yield Call("updateClassroomSlot", path=path, body=body)
        return {"slot_id": arguments.slot_id, "outcome": "updated"}

    @action(SetAttendance, write=WriteSpec("updateClassroomSlotAttendance", key=("slot_id", "users")))
    def set_attendance(self, arguments: SetAttendance) -> ActionSteps[RecordedAttendance]:
        """
        Record whether users were present in a slot (``updateClassroomSlotAttendance``), all of them in one request.

        Users who are given by email address are looked up. What API v1 does about users who are not registered for the
        slot is not known.

        :raises NotFoundError: if the slot or a user does not exist.
        """
        ids = yield from self._user_ids_of(arguments.users)
        users: list[JsonObject] = [{"userId": id, "hasAttended": arguments.attended} for id in ids]
        path = {"classroom_slot_id": arguments.slot_id}
        yield Call("updateClassroomSlotAttendance", path=path, body={"users": users})
        return {
            "slot_id": arguments.slot_id,
            "outcome": "recorded",
            "attended": arguments.attended,
            "users": len(arguments.users),
        }

    def _slot_fields(
        self, arguments: CreateClassroomSlot | UpdateClassroomSlot, trainers: Collection[str]
    ) -> ActionSteps[JsonObject]:
        trainer_ids = yield from self._user_ids_of(trainers)
        hours = arguments.duration_hours
        return {
            "name": arguments.name,
            "startDate": write_timestamp(arguments.slot_start),
            "endDate": write_timestamp(arguments.slot_end),
            "virtual": arguments.virtual,
            "location": arguments.location,
            "reportedDuration": None if hours is None else int(hours),
            "timezone": arguments.timezone,
            "trainers": trainer_ids or None,
            "maxCapacity": arguments.max_capacity,
            "message": arguments.message,
        }

    def _user_ids_of(self, users: Collection[str]) -> ActionSteps[Sequence[str]]:
        """Return the ids of users, with one request for each email address."""
        ids: dict[str, None] = {}
        for user in users:
            if is_id(user):
                ids[user] = None
            else:
                item = yield Call("getUser", path={"user": user})
                ids[first_string(item, "_id")] = None
        return list(ids)


def _id_in(response: object) -> str | None:
    """Return the id of a new slot, under any of the keys that API v1 uses elsewhere."""
    if not isinstance(response, dict):
        return None
    # Nothing is raised about it: the slot exists.
    return next((id for name in ("_id", "id") if is_id(id := response.get(name))), None)
