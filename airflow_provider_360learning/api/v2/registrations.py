"""Who is registered for a slot of a classroom in API v2, and who was present."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from airflow_provider_360learning.api.actions import WriteSpec, action, confirm_by_lookup
from airflow_provider_360learning.api.classroom_results import (
    ChangedWaitlist,
    RecordedAttendance,
    RegisteredUsers,
    SlotRegistration,
    WaitlistEntry,
)
from airflow_provider_360learning.api.fields import boolean, first_string, number, string
from airflow_provider_360learning.api.models.classrooms import (
    AddToWaitlist,
    ListRegistrations,
    ListWaitlist,
    RegisterUsers,
    RemoveFromWaitlist,
    SetAttendance,
)
from airflow_provider_360learning.api.pages import all_items
from airflow_provider_360learning.api.text import counted, listed
from airflow_provider_360learning.api.timestamps import read_timestamp
from airflow_provider_360learning.api.types import ActionSteps, Call, JsonValue, ResponseObject
from airflow_provider_360learning.api.v2.lookups import MAX_LISTED, Lookups
from airflow_provider_360learning.exceptions import AlreadyExistsError, NotFoundError, OutcomeUnknownError

#: Maximum number of users whose registrations are selected in the query of a request: with 40 characters each, it is
#: shorter than :data:`~.lookups.MAX_QUERY`.
MAX_SELECTED = 90


class RegistrationActions(Lookups):
    """Register users for slots of classrooms, and record who was present."""

    @action(
        SetAttendance,
        write=WriteSpec(
            "updateSlotRegistration", key=("slot_id", "users"), writes=lambda arguments: len(arguments.users)
        ),
    )
    def set_attendance(self, arguments: SetAttendance) -> ActionSteps[RecordedAttendance]:
        """
        Record whether users were present in a slot (``updateSlotRegistration``), with one request per user.

        The registrations are read first. Requests that would change nothing are not sent.

        :raises NotFoundError: if the slot does not exist, or a user does not exist or is not registered for it; nothing
            was recorded.
        """
        ids = yield from self.user_ids_of(arguments.users)
        registrations = yield from self._registrations_of(arguments.slot_id, ids.values())
        missing = [user for user, id in ids.items() if id.lower() not in registrations]
        if missing:
            raise NotFoundError(
                f"{counted(len(missing), 'user')} not registered for the slot {arguments.slot_id}: "
                f"{listed(missing, MAX_LISTED * 80)}. Nothing was recorded",
                operation="getSlotRegistrations",
            )
        for id in dict.fromkeys(id.lower() for id in ids.values()):
            registration = registrations[id]
            if boolean(registration, "hasAttended") is not arguments.attended:
                yield Call(
                    "updateSlotRegistration",
                    path={
                        "classroomSlotId": arguments.slot_id,
                        "slotRegistrationId": first_string(registration, "_id"),
                    },
                    body={"hasAttended": arguments.attended},
                )
        return {
            "slot_id": arguments.slot_id,
            "outcome": "recorded",
            "attended": arguments.attended,
            "users": len(arguments.users),
        }

    @action(
        RegisterUsers,
        write=WriteSpec("addSlotRegistration", key=("slot_id", "users"), writes=lambda arguments: len(arguments.users)),
    )
    def register_users(self, arguments: RegisterUsers) -> ActionSteps[RegisteredUsers]:
        """
        Register users for a slot (``addSlotRegistration``), with one request per user; registered ones stay so.

        The first user whom 360Learning refuses ends the action: the users before stay registered.

        :raises NotFoundError: if the slot or a user does not exist.
        :raises RefusedError: if the slot is full, or a user is not enrolled in its path session, or is registered for
            another slot of the classroom and has not missed it.
        :raises OutcomeUnknownError: if the outcome is unknown, and the user is not registered (yet).
        """
        slot_id = arguments.slot_id
        ids = yield from self.user_ids_of(arguments.users)
        for user_id in dict.fromkeys(ids.values()):
            try:
                yield Call("addSlotRegistration", path={"classroomSlotId": slot_id, "userId": user_id})
            except AlreadyExistsError:
                continue
            except OutcomeUnknownError as unknown:
                yield from confirm_by_lookup(unknown, self._find_registration(slot_id, user_id))
        return {"slot_id": slot_id, "outcome": "registered", "users": len(arguments.users)}

    @action(ListRegistrations)
    def list_registrations(self, arguments: ListRegistrations) -> ActionSteps[list[SlotRegistration]]:
        """
        Return the registrations for a slot (``getSlotRegistrations``), or for all slots of a classroom.

        The latter takes another operation (``getClassroomRegistrations``). Registrations that have ended are returned,
        too.

        :raises NotFoundError: if the slot or the classroom does not exist.
        """
        slot_id, classroom_id = arguments.slot_id, arguments.classroom_id
        if slot_id is not None:
            items = yield from all_items(Call("getSlotRegistrations", path={"classroomSlotId": slot_id}))
        else:
            items = yield from all_items(Call("getClassroomRegistrations", path={"classroomId": str(classroom_id)}))
        return [_neutral_registration(item, slot_id) for item in items]

    @action(
        AddToWaitlist,
        write=WriteSpec(
            "joinClassroomSlotWaitlist", key=("slot_id", "users"), writes=lambda arguments: len(arguments.users)
        ),
    )
    def add_to_waitlist(self, arguments: AddToWaitlist) -> ActionSteps[ChangedWaitlist]:
        """
        Add users to the waitlist of a slot (``joinClassroomSlotWaitlist``), in their order, with one request per user.

        Users who are on it already are left out. The first user whom 360Learning refuses ends the action: the users
        before stay on the waitlist.

        :raises NotFoundError: if the slot or a user does not exist, or the slot has no waitlist.
        :raises RefusedError: if the slot is not full or has started, the waitlist is full, or a user is registered for
            a slot of the classroom or not enrolled in its path session.
        :raises OutcomeUnknownError: if the outcome is unknown, and the user is not on the waitlist (yet).
        """
        slot_id = arguments.slot_id
        ids = yield from self.user_ids_of(arguments.users)
        waiting = {first_string(item, "userId").lower() for item in (yield _waitlist(slot_id))}
        for user_id in dict.fromkeys(ids[user] for user in arguments.users):
            if user_id.lower() in waiting:
                continue
            try:
                yield Call("joinClassroomSlotWaitlist", path={"classroomSlotId": slot_id, "userId": user_id})
            except OutcomeUnknownError as unknown:
                yield from confirm_by_lookup(unknown, _find_on_waitlist(slot_id, user_id))
        return {"slot_id": slot_id, "outcome": "added", "users": len(arguments.users)}

    @action(
        RemoveFromWaitlist,
        write=WriteSpec(
            "leaveClassroomSlotWaitlist", key=("slot_id", "users"), writes=lambda arguments: len(arguments.users)
        ),
    )
    def remove_from_waitlist(self, arguments: RemoveFromWaitlist) -> ActionSteps[ChangedWaitlist]:
        """
        Remove users from the waitlist of a slot (``leaveClassroomSlotWaitlist``), with one request per user.

        Users who are not on it are accepted.

        :raises NotFoundError: if the slot or a user does not exist, or the slot has no waitlist.
        """
        slot_id = arguments.slot_id
        ids = yield from self.user_ids_of(arguments.users)
        for user_id in dict.fromkeys(ids.values()):
            try:
                yield Call("leaveClassroomSlotWaitlist", path={"classroomSlotId": slot_id, "userId": user_id})
            except NotFoundError as error:
                if error.code != "userNotInClassroomSlotWaitlist":
                    raise
        return {"slot_id": slot_id, "outcome": "removed", "users": len(arguments.users)}

    @action(ListWaitlist)
    def list_waitlist(self, arguments: ListWaitlist) -> ActionSteps[list[WaitlistEntry]]:
        """
        Return the users on the waitlist of a slot (``getClassroomSlotWaitlist``).

        :raises NotFoundError: if the slot does not exist, or has no waitlist.
        """
        items = yield _waitlist(arguments.slot_id)
        return [
            {
                "user_id": first_string(item, "userId"),
                "requested_at": read_timestamp("requestedAt", item.get("requestedAt")),
            }
            for item in items
        ]

    def _registrations_of(self, slot_id: str, user_ids: Collection[str]) -> ActionSteps[Mapping[str, ResponseObject]]:
        """
        Return the registrations of users that have not ended, by id of the user in lower case.

        Few users are selected by the server, because the registrations of a large slot are several pages.
        """
        ids = list(dict.fromkeys(user_ids))
        query: dict[str, JsonValue] = {"status[eq]": "published"}
        if len(ids) <= MAX_SELECTED:
            query["userId[in]"] = ids
        items = yield from all_items(Call("getSlotRegistrations", path={"classroomSlotId": slot_id}, query=query))
        return {first_string(item, "userId").lower(): item for item in items}

    def _find_registration(self, slot_id: str, user_id: str) -> ActionSteps[str | None]:
        found = yield from self._registrations_of(slot_id, [user_id])
        registration = found.get(user_id.lower())
        return None if registration is None else first_string(registration, "_id")


def _waitlist(slot_id: str) -> Call:
    return Call("getClassroomSlotWaitlist", path={"classroomSlotId": slot_id})


def _find_on_waitlist(slot_id: str, user_id: str) -> ActionSteps[str | None]:
    """Return the id of a user who is on the waitlist of a slot, or ``None``."""
    items = yield _waitlist(slot_id)
    return user_id if any(first_string(item, "userId").lower() == user_id.lower() for item in items) else None


def _neutral_registration(item: ResponseObject, slot_id: str | None) -> SlotRegistration:
    rsvp = item.get("rsvp")
    duration = number(item, "attendanceDuration")
    return {
        "registration_id": first_string(item, "_id"),
        "slot_id": slot_id or first_string(item, "classroomSlotId"),
        "user_id": first_string(item, "userId"),
        "path_id": string(item, "pathId"),
        "status": string(item, "status"),
        "attended": boolean(item, "hasAttended"),
        "attendance_duration_ms": None if duration is None else round(duration),
        "going": boolean(rsvp, "going") if isinstance(rsvp, dict) else None,
        "created_at": read_timestamp("createdAt", item.get("createdAt")),
        "modified_at": read_timestamp("modifiedAt", item.get("modifiedAt")),
        "archived_at": read_timestamp("archivedAt", item.get("archivedAt")),
    }
