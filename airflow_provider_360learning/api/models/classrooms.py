"""Arguments of the actions on classrooms, their slots, and who is registered and present there."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated

from pydantic import Field

from airflow_provider_360learning.api.models.base import ActionArguments, NameOf, Problem
from airflow_provider_360learning.api.models.choices import IfExists, IfMissing, IfSessionExists
from airflow_provider_360learning.api.models.fields import (
    DRY_RUN,
    GROUP,
    PATH,
    SESSION,
    Boolean,
    Capacity,
    DryRun,
    FilledUsers,
    GroupName,
    Hours,
    Id,
    Ids,
    MultilineText,
    PathName,
    SessionName,
    Text,
    Timestamp,
    Users,
    id_or_name,
)

_SLOT_ID = Field(description="Id of the slot.")
_CLASSROOM_ID = id_or_name("Id of the classroom.")
_CLASSROOM = Field(default=None, description="Name of the classroom instead of ``classroom_id``. API v2 only.")
_ClassroomName = Annotated[Text | None, NameOf("classroom", "classroom_id", is_required=True)]
_OptionalClassroomName = Annotated[Text | None, NameOf("classroom", "classroom_id")]
_SHEET_ID = Field(description="Id of the attendance sheet.")
_USERS = Field(description="Email addresses or ids of the users.")
_NAMED = "Name of the slot."
_ENDS = "When the slot ends."
_LOCATION = "Address, or URL of a virtual classroom."
_VIRTUAL = "Whether the slot is a virtual classroom."
_DURATION = "Duration to report, in hours; an integer in API v1."
_CAPACITY = "Maximum number of registrations."
_TIMEZONE = "Time zone of the slot, such as ``Europe/Paris``."
_TRAINERS = "Email addresses or ids of the trainers."


class CreateClassroom(ActionArguments):
    """Arguments of ``create_classroom``."""

    name: Text = Field(description="Name of the classroom.")
    group_id: Id = id_or_name("Id of the group that owns the classroom.")
    group: GroupName = GROUP
    message: MultilineText | None = Field(
        default=None, description="Information that 360Learning sends to registered learners by email."
    )
    training_objective: MultilineText | None = Field(default=None, description="Training objective.")
    media_ids: Ids = Field(default=(), description="Ids of media that are attached to these emails, at most 20.")
    if_exists: IfExists = Field(
        default="skip",
        description="``skip`` leaves an existing classroom unchanged; ``update`` updates ``message``, "
        "``training_objective`` and ``media_ids``; ``fail`` fails, also when a task is retried that has created the "
        "classroom.",
    )


class UpdateClassroom(ActionArguments):
    """Arguments of ``update_classroom``."""

    classroom_id: Id = _CLASSROOM_ID
    classroom: _ClassroomName = _CLASSROOM
    name: Text | None = Field(default=None, description="New name.")
    message: MultilineText | None = Field(
        default=None, description="Information that 360Learning sends to registered learners by email."
    )
    training_objective: MultilineText | None = Field(default=None, description="Training objective.")
    media_ids: Ids | None = Field(
        default=None, description="Ids of media that are attached to these emails, at most 20; they replace the others."
    )

    def conflicts(self) -> Iterator[Problem]:
        """Return that there is nothing to change."""
        if not self.given().keys() - {"classroom_id", "classroom"}:
            yield Problem(None, "update_classroom needs at least one field to change")


class ListClassrooms(ActionArguments):
    """Arguments of ``list_classrooms``."""

    group_id: Id | None = Field(default=None, description="Only the classrooms of the group with this id.")
    group: Annotated[Text | None, NameOf("group", "group_id")] = GROUP


class CreateClassroomSlot(ActionArguments):
    """Arguments of ``create_classroom_slot``."""

    classroom_id: Id = _CLASSROOM_ID
    classroom: _ClassroomName = _CLASSROOM
    session_id: Id = id_or_name("Id of the path session; in API v1, of the session of a program.")
    session: SessionName = SESSION
    path_id: Id | None = Field(default=None, description="Id of the path, where the name of the session is not unique.")
    path: PathName = PATH
    name: Text = Field(description=_NAMED)
    slot_start: Timestamp = Field(description="When the slot starts: a timestamp with a time zone.")
    slot_end: Timestamp = Field(description=_ENDS)
    location: Text = Field(description=_LOCATION)
    virtual: Boolean = Field(default=False, description=_VIRTUAL)
    duration_hours: Hours = Field(description=_DURATION)
    max_capacity: Capacity | None = Field(default=None, description=_CAPACITY)
    timezone: Text | None = Field(default=None, description=_TIMEZONE)
    trainers: Users = Field(default=(), description=_TRAINERS)
    message: Text | None = Field(default=None, description="Text to add to the notification emails. API v1 only.")
    self_registration_until: Timestamp | None = Field(
        default=None, description="Until when learners can register themselves; by default they cannot. API v2 only."
    )
    media_ids: Ids = Field(default=(), description="Ids of media of the slot, at most 20. API v2 only.")
    if_exists: IfSessionExists = Field(
        default="skip",
        description="``skip`` leaves an existing slot unchanged; ``fail`` fails, also when a task is retried that has "
        "created the slot. API v1 lists no slots and creates one each time: ``fail`` is refused there.",
    )

    def conflicts(self) -> Iterator[Problem]:
        """Return that the slot ends before it starts."""
        yield from _conflicts_of_dates(self.slot_start, self.slot_end)


class UpdateClassroomSlot(ActionArguments):
    """Arguments of ``update_classroom_slot``."""

    slot_id: Id = _SLOT_ID
    classroom_id: Id | None = Field(default=None, description="Id of the classroom; API v2 needs it, or the name.")
    classroom: _OptionalClassroomName = _CLASSROOM
    name: Text | None = Field(default=None, description=f"{_NAMED} API v1 needs it.")
    slot_start: Timestamp | None = Field(
        default=None, description="When the slot starts: a timestamp with a time zone. API v1 needs it."
    )
    slot_end: Timestamp | None = Field(default=None, description=f"{_ENDS} API v1 needs it.")
    location: Text | None = Field(default=None, description=f"{_LOCATION} API v1 needs it.")
    virtual: Boolean | None = Field(default=None, description=f"{_VIRTUAL} API v1 needs it.")
    duration_hours: Hours | None = Field(default=None, description=f"{_DURATION} API v1 needs it.")
    max_capacity: Capacity | None = Field(default=None, description=_CAPACITY)
    timezone: Text | None = Field(default=None, description=_TIMEZONE)
    trainers: Users | None = Field(default=None, description=f"{_TRAINERS} They replace the others.")
    message: Text | None = Field(default=None, description="Text to add to the notification emails.")
    notify: Boolean | None = Field(
        default=None,
        description="Whether registered learners are notified by email; by default only with ``message``. API v2 only.",
    )

    def conflicts(self) -> Iterator[Problem]:
        """Return that there is nothing to change, and conflicts of the fields with each other."""
        if not self.given().keys() - {"slot_id", "classroom_id", "classroom", "message", "notify"}:
            yield Problem(None, "update_classroom_slot needs at least one field to change")
        if self.message is not None and self.notify is False:
            yield Problem("notify", "notify is False, but message is given, which is sent by email")
        yield from _conflicts_of_dates(self.slot_start, self.slot_end)


class DeleteClassroomSlot(ActionArguments):
    """Arguments of ``delete_classroom_slot``."""

    classroom_id: Id = _CLASSROOM_ID
    classroom: _ClassroomName = _CLASSROOM
    slot_id: Id = _SLOT_ID
    if_missing: IfMissing = Field(
        default="skip",
        description="``skip`` succeeds if the slot does not exist; ``fail`` fails, also when a task is retried that "
        "has deleted the slot.",
    )
    dry_run: DryRun = DRY_RUN


class ListClassroomSlots(ActionArguments):
    """Arguments of ``list_classroom_slots``."""

    classroom_id: Id = _CLASSROOM_ID
    classroom: _ClassroomName = _CLASSROOM


class SetAttendance(ActionArguments):
    """Arguments of ``set_attendance``."""

    slot_id: Id = _SLOT_ID
    users: FilledUsers = _USERS
    attended: Boolean = Field(default=True, description="Whether they were present.")


class RegisterUsers(ActionArguments):
    """Arguments of ``register_users``."""

    slot_id: Id = _SLOT_ID
    users: FilledUsers = _USERS


class ListRegistrations(ActionArguments):
    """Arguments of ``list_registrations``."""

    slot_id: Id | None = Field(default=None, description="Id of the slot.")
    classroom_id: Id | None = Field(
        default=None, description="Id of the classroom: the registrations of all its slots."
    )
    classroom: _OptionalClassroomName = _CLASSROOM

    def conflicts(self) -> Iterator[Problem]:
        """Return that not exactly one of the two ids is given."""
        if (self.slot_id is None) == (self.classroom_id is None and self.classroom is None):
            yield Problem("slot_id", "list_registrations needs either slot_id or classroom_id (or classroom)")


class AddToWaitlist(ActionArguments):
    """Arguments of ``add_to_waitlist``."""

    slot_id: Id = _SLOT_ID
    users: FilledUsers = _USERS


class RemoveFromWaitlist(ActionArguments):
    """Arguments of ``remove_from_waitlist``."""

    slot_id: Id = _SLOT_ID
    users: FilledUsers = _USERS


class ListWaitlist(ActionArguments):
    """Arguments of ``list_waitlist``."""

    slot_id: Id = _SLOT_ID


class CreateAttendanceSheet(ActionArguments):
    """Arguments of ``create_attendance_sheet``."""

    slot_id: Id = _SLOT_ID
    name: Text = Field(description="Name of the attendance sheet.")
    if_exists: IfSessionExists = Field(
        default="skip",
        description="``skip`` leaves an existing sheet unchanged; ``fail`` fails, also when a task is retried that has "
        "created the sheet.",
    )


class UpdateAttendanceSheet(ActionArguments):
    """Arguments of ``update_attendance_sheet``."""

    slot_id: Id = _SLOT_ID
    sheet_id: Id = _SHEET_ID
    name: Text = Field(description="New name.")


class DeleteAttendanceSheet(ActionArguments):
    """Arguments of ``delete_attendance_sheet``."""

    slot_id: Id = _SLOT_ID
    sheet_id: Id = _SHEET_ID
    if_missing: IfMissing = Field(
        default="skip",
        description="``skip`` succeeds if the sheet does not exist; ``fail`` fails, also when a task is retried that "
        "has deleted the sheet.",
    )
    dry_run: DryRun = DRY_RUN


class ListAttendanceSheets(ActionArguments):
    """Arguments of ``list_attendance_sheets``."""

    slot_id: Id = _SLOT_ID


class ListAttendances(ActionArguments):
    """Arguments of ``list_attendances``."""

    slot_id: Id = _SLOT_ID
    sheet_id: Id = _SHEET_ID


def _conflicts_of_dates(start: datetime | None, end: datetime | None) -> Iterator[Problem]:
    if start is not None and end is not None and end <= start:
        yield Problem("slot_end", f"slot_end is {_iso(end)}, but must be after slot_start ({_iso(start)})")


def _iso(value: datetime) -> str:
    return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")
