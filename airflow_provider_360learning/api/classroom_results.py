"""Results of the actions on classrooms, see :mod:`.results`."""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict


class CreatedClassroom(TypedDict):
    """Result of ``create_classroom``."""

    classroom_id: str
    name: str
    outcome: Literal["created", "updated", "already_exists"]


class UpdatedClassroom(TypedDict):
    """Result of ``update_classroom``."""

    classroom_id: str
    outcome: Literal["updated"]


class ClassroomRecord(TypedDict):
    """A classroom."""

    classroom_id: str
    name: str | None
    group_id: str | None
    message: str | None
    training_objective: str | None
    media_ids: list[str]
    created_at: str | None
    modified_at: str | None


class CreatedClassroomSlot(TypedDict):
    """Result of ``create_classroom_slot``; ``slot_id`` is ``None`` if the response of API v1 has no id."""

    slot_id: str | None
    classroom_id: str
    session_id: str
    name: str
    outcome: Literal["created", "already_exists"]


class UpdatedClassroomSlot(TypedDict):
    """Result of ``update_classroom_slot``."""

    slot_id: str
    outcome: Literal["updated"]


class DeletedClassroomSlot(TypedDict):
    """
    Result of ``delete_classroom_slot``.

    ``name`` and ``registrations``, the number of its registrations, are ``None`` without ``dry_run``.
    """

    slot_id: str
    name: str | None
    registrations: int | None
    outcome: Literal["deleted", "not_found", "would_delete"]


class ClassroomSlotRecord(TypedDict):
    """
    A slot of a classroom.

    ``session_id`` is the id of the session that it belongs to, and ``session_type`` says of what: ``path``, ``program``
    or ``standalone``.
    """

    slot_id: str
    classroom_id: str | None
    session_id: str | None
    session_type: str | None
    name: str | None
    slot_start: str | None
    slot_end: str | None
    location: str | None
    virtual: bool | None
    duration_hours: float | None
    max_capacity: int | None
    timezone: str | None
    trainer_ids: list[str]
    media_ids: list[str]
    self_registration_until: str | None
    created_at: str | None
    modified_at: str | None


class RecordedAttendance(TypedDict):
    """Result of ``set_attendance``; ``users`` is their number. See :class:`.EnrolledUsers` for the last key."""

    slot_id: str
    outcome: Literal["recorded"]
    attended: bool
    users: int
    pending_invitations: NotRequired[int]


class RegisteredUsers(TypedDict):
    """Result of ``register_users``; ``users`` is their number. See :class:`.EnrolledUsers` for the last key."""

    slot_id: str
    outcome: Literal["registered"]
    users: int
    pending_invitations: NotRequired[int]


class SlotRegistration(TypedDict):
    """
    A registration of a user for a slot.

    ``status`` is ``published``, or ``archived`` if it has ended. ``attended`` is ``None`` until the attendance is
    recorded, ``going`` until the user has answered. ``attendance_duration_ms`` is that of webinars.
    """

    registration_id: str
    slot_id: str
    user_id: str
    path_id: str | None
    status: str | None
    attended: bool | None
    attendance_duration_ms: int | None
    going: bool | None
    created_at: str | None
    modified_at: str | None
    archived_at: str | None


class ChangedWaitlist(TypedDict):
    """
    Result of ``add_to_waitlist`` and ``remove_from_waitlist``; ``users`` is their number.

    See :class:`.EnrolledUsers` for the last key.
    """

    slot_id: str
    outcome: Literal["added", "removed"]
    users: int
    pending_invitations: NotRequired[int]


class WaitlistEntry(TypedDict):
    """A user on the waitlist of a slot."""

    user_id: str
    requested_at: str | None


class CreatedAttendanceSheet(TypedDict):
    """Result of ``create_attendance_sheet``."""

    sheet_id: str
    name: str
    outcome: Literal["created", "already_exists"]


class UpdatedAttendanceSheet(TypedDict):
    """Result of ``update_attendance_sheet``."""

    sheet_id: str
    outcome: Literal["updated"]


class DeletedAttendanceSheet(TypedDict):
    """Result of ``delete_attendance_sheet``; ``name`` is ``None`` without ``dry_run``."""

    sheet_id: str
    name: str | None
    outcome: Literal["deleted", "not_found", "would_delete"]


class AttendanceSheetRecord(TypedDict):
    """An attendance sheet; ``status`` is ``open``, ``adjustment``, ``closed`` or ``signed``."""

    sheet_id: str
    name: str | None
    status: str | None
    check_in_code: str | None


class AttendanceRecord(TypedDict):
    """The attendance of a user; ``status`` is absent, attendancePending, present or signaturePending."""

    attendance_id: str
    user_id: str
    first_name: str | None
    last_name: str | None
    status: str | None
