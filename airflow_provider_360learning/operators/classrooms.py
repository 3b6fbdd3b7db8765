"""Operators for classrooms, their slots, registrations, waitlists and attendance sheets."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow_provider_360learning.operators.base import Learning360BaseOperator
from airflow_provider_360learning.operators.user_lists import Learning360UserListOperator

if TYPE_CHECKING:
    from airflow_provider_360learning.api.models.choices import IfExists, IfMissing, IfSessionExists


class Learning360CreateClassroomOperator(Learning360BaseOperator):
    """
    Create a classroom (``createClassroom``), unless the group has one of this name. Only API v2 has it.

    Returns ``{"classroom_id", "name", "outcome"}``; ``outcome`` is ``created``, ``already_exists`` or ``updated``.

    :param name: Name of the classroom.
    :param group_id: Id of the group that owns the classroom.
    :param group: Name of the group instead of ``group_id``; where it is not unique, after those of its parents:
        ``Acme/Sales``.
    :param message: Information that 360Learning sends to registered learners by email.
    :param training_objective: Training objective.
    :param media_ids: Ids of media that are attached to these emails, at most 20.
    :param if_exists: ``skip`` leaves an existing classroom unchanged; ``update`` updates ``message``,
        ``training_objective`` and ``media_ids``; ``fail`` fails, also when a task is retried that has created the
        classroom.
    """

    action = "create_classroom"
    required_pairs = (("group_id", "group"),)
    name_arguments = ("name", "group", "group_id")

    def __init__(
        self,
        *,
        name: str,
        group_id: str | None = None,
        group: str | None = None,
        message: str | None = None,
        training_objective: str | None = None,
        media_ids: Sequence[str] = (),
        if_exists: IfExists = "skip",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._assign_arguments(locals())


class Learning360UpdateClassroomOperator(Learning360BaseOperator):
    """
    Change a classroom (``updateClassroom``); fields that are not given keep their values. Only API v2 has it.

    Returns ``{"classroom_id", "outcome": "updated"}``.

    :param classroom_id: Id of the classroom.
    :param classroom: Name of the classroom instead of ``classroom_id``. API v2 only.
    :param name: New name.
    :param message: Information that 360Learning sends to registered learners by email.
    :param training_objective: Training objective.
    :param media_ids: Ids of media that are attached to these emails, at most 20; they replace the others.
    """

    action = "update_classroom"
    required_pairs = (("classroom_id", "classroom"),)
    name_arguments = ("classroom", "classroom_id")

    def __init__(
        self,
        *,
        classroom_id: str | None = None,
        classroom: str | None = None,
        name: str | None = None,
        message: str | None = None,
        training_objective: str | None = None,
        media_ids: Sequence[str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._assign_arguments(locals())


class Learning360CreateClassroomSlotOperator(Learning360BaseOperator):
    """
    Create a slot of a classroom (``createClassroomSlot``) in a path session; with API v1, in the session of a program.

    API v2 leaves a slot of the same classroom, session, name and start unchanged. API v1 lists no slots: a task that is
    killed after its request, and tried again by Airflow, creates a second slot. Returns ``{"slot_id", "classroom_id",
    "session_id", "name", "outcome"}``; ``outcome`` is ``created`` or ``already_exists``, and ``slot_id`` is ``None`` if
    the response of API v1 has no id.

    :param classroom_id: Id of the classroom.
    :param classroom: Name of the classroom instead of ``classroom_id``. API v2 only.
    :param session_id: Id of the path session; in API v1, of the session of a program.
    :param session: Name of the session instead of ``session_id``; where it is not unique, with the path.
    :param path_id: Id of the path, where the name of the session is not unique.
    :param path: Name of the path instead of ``path_id``.
    :param name: Name of the slot.
    :param slot_start: When the slot starts: a timestamp with a time zone.
    :param slot_end: When the slot ends.
    :param location: Address, or URL of a virtual classroom.
    :param virtual: Whether the slot is a virtual classroom.
    :param duration_hours: Duration to report, in hours; an integer in API v1.
    :param max_capacity: Maximum number of registrations.
    :param timezone: Time zone of the slot, such as ``Europe/Paris``.
    :param trainers: Email addresses or ids of the trainers.
    :param message: Text to add to the notification emails. API v1 only.
    :param self_registration_until: Until when learners can register themselves; by default they cannot. API v2 only.
    :param media_ids: Ids of media of the slot, at most 20. API v2 only.
    :param if_exists: ``skip`` leaves an existing slot unchanged; ``fail`` fails, also when a task is retried that has
        created the slot. API v1 lists no slots and creates one each time: ``fail`` is refused there.
    """

    action = "create_classroom_slot"
    required_pairs = (
        ("classroom_id", "classroom"),
        ("session_id", "session"),
    )
    name_arguments = ("name", "classroom", "classroom_id")

    def __init__(
        self,
        *,
        classroom_id: str | None = None,
        classroom: str | None = None,
        session_id: str | None = None,
        session: str | None = None,
        path_id: str | None = None,
        path: str | None = None,
        name: str,
        slot_start: datetime | str,
        slot_end: datetime | str,
        location: str,
        virtual: bool = False,
        duration_hours: float,
        max_capacity: int | None = None,
        timezone: str | None = None,
        trainers: Sequence[str] = (),
        message: str | None = None,
        self_registration_until: datetime | str | None = None,
        media_ids: Sequence[str] = (),
        if_exists: IfSessionExists = "skip",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._assign_arguments(locals())


class Learning360UpdateClassroomSlotOperator(Learning360BaseOperator):
    """
    Change a slot of a classroom (``updateClassroomSlot``); with API v1, the whole slot is replaced.

    With API v2, fields that are not given keep their values. Returns ``{"slot_id", "outcome": "updated"}``.

    :param slot_id: Id of the slot.
    :param classroom_id: Id of the classroom; API v2 needs it, or the name.
    :param classroom: Name of the classroom instead of ``classroom_id``. API v2 only.
    :param name: Name of the slot. API v1 needs it.
    :param slot_start: When the slot starts: a timestamp with a time zone. API v1 needs it.
    :param slot_end: When the slot ends. API v1 needs it.
    :param location: Address, or URL of a virtual classroom. API v1 needs it.
    :param virtual: Whether the slot is a virtual classroom. API v1 needs it.
    :param duration_hours: Duration to report, in hours; an integer in API v1. API v1 needs it.
    :param max_capacity: Maximum number of registrations.
    :param timezone: Time zone of the slot, such as ``Europe/Paris``.
    :param trainers: Email addresses or ids of the trainers. They replace the others.
    :param message: Text to add to the notification emails.
    :param notify: Whether registered learners are notified by email; by default only with ``message``. API v2 only.
    """

    action = "update_classroom_slot"
    name_arguments = ("slot_id",)

    def __init__(
        self,
        *,
        slot_id: str,
        classroom_id: str | None = None,
        classroom: str | None = None,
        name: str | None = None,
        slot_start: datetime | str | None = None,
        slot_end: datetime | str | None = None,
        location: str | None = None,
        virtual: bool | None = None,
        duration_hours: float | None = None,
        max_capacity: int | None = None,
        timezone: str | None = None,
        trainers: Sequence[str] | None = None,
        message: str | None = None,
        notify: bool | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._assign_arguments(locals())


class Learning360DeleteClassroomSlotOperator(Learning360BaseOperator):
    """
    Delete a slot of a classroom, **with its registrations and their attendance** (``deleteClassroomSlot``).

    Only API v2 has it. Returns ``{"slot_id", "name", "registrations", "outcome"}``; ``outcome`` is ``deleted``,
    ``not_found`` or ``would_delete``; without ``dry_run``, ``name`` and ``registrations`` are ``None``.

    :param classroom_id: Id of the classroom.
    :param classroom: Name of the classroom instead of ``classroom_id``. API v2 only.
    :param slot_id: Id of the slot.
    :param if_missing: ``skip`` succeeds if the slot does not exist; ``fail`` fails, also when a task is retried that
        has deleted the slot.
    :param dry_run: Whether to change nothing, and only look up and return what would be changed.
    """

    action = "delete_classroom_slot"
    required_pairs = (("classroom_id", "classroom"),)
    name_arguments = ("slot_id",)

    def __init__(
        self,
        *,
        classroom_id: str | None = None,
        classroom: str | None = None,
        slot_id: str,
        if_missing: IfMissing = "skip",
        dry_run: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._assign_arguments(locals())


class Learning360RegisterUsersOperator(Learning360UserListOperator):
    """
    Register users for a slot (``addSlotRegistration``); users who are registered already stay so. Only API v2 has it.

    The first user whom 360Learning refuses ends the task: the users before stay registered. Returns ``{"slot_id",
    "outcome": "registered", "users"}``; ``users`` is their number.

    :param slot_id: Id of the slot.
    :param users: Email addresses or ids of the users.
    """

    action = "register_users"
    batch_size = 50  # API v2 takes a request per user
    name_arguments = ("slot_id", "users")

    def __init__(
        self,
        *,
        slot_id: str,
        users: Sequence[str] | None = None,
        users_from: Any = None,
        include_invited: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._assign_arguments(locals())
        self._check_users()


class Learning360SetAttendanceOperator(Learning360UserListOperator):
    """
    Record whether users were present in a slot (``updateClassroomSlotAttendance``).

    API v2 takes one request per user who does not have the attendance yet (``updateSlotRegistration``), and refuses
    users who are not registered before anything is recorded. Returns ``{"slot_id", "outcome": "recorded", "attended",
    "users"}``; ``users`` is their number.

    :param slot_id: Id of the slot.
    :param users: Email addresses or ids of the users.
    :param attended: Whether they were present.
    """

    action = "set_attendance"
    batch_size = 50  # API v2 takes a request per user
    name_arguments = ("slot_id", "users")

    def __init__(
        self,
        *,
        slot_id: str,
        users: Sequence[str] | None = None,
        attended: bool = True,
        users_from: Any = None,
        include_invited: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._assign_arguments(locals())
        self._check_users()


class Learning360AddToWaitlistOperator(Learning360UserListOperator):
    """
    Add users to the waitlist of a full slot (``joinClassroomSlotWaitlist``), in their order. Only API v2 has it.

    Users who are on it already keep their place. The first user whom 360Learning refuses ends the task: the users
    before stay on the waitlist. Returns ``{"slot_id", "outcome": "added", "users"}``; ``users`` is their number.

    :param slot_id: Id of the slot.
    :param users: Email addresses or ids of the users.
    """

    action = "add_to_waitlist"
    batch_size = 50  # API v2 takes a request per user
    name_arguments = ("slot_id", "users")

    def __init__(
        self,
        *,
        slot_id: str,
        users: Sequence[str] | None = None,
        users_from: Any = None,
        include_invited: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._assign_arguments(locals())
        self._check_users()


class Learning360RemoveFromWaitlistOperator(Learning360UserListOperator):
    """
    Remove users from the waitlist of a slot (``leaveClassroomSlotWaitlist``). Only API v2 has it.

    Users who are not on it are accepted. Returns ``{"slot_id", "outcome": "removed", "users"}``; ``users`` is their
    number.

    :param slot_id: Id of the slot.
    :param users: Email addresses or ids of the users.
    """

    action = "remove_from_waitlist"
    batch_size = 50  # API v2 takes a request per user
    name_arguments = ("slot_id", "users")

    def __init__(
        self,
        *,
        slot_id: str,
        users: Sequence[str] | None = None,
        users_from: Any = None,
        include_invited: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._assign_arguments(locals())
        self._check_users()


class Learning360CreateAttendanceSheetOperator(Learning360BaseOperator):
    """
    Create an attendance sheet (``createAttendanceSheet``), unless the slot has one of this name. Only API v2 has it.

    Returns ``{"sheet_id", "name", "outcome"}``; ``outcome`` is ``created`` or ``already_exists``.

    :param slot_id: Id of the slot.
    :param name: Name of the attendance sheet.
    :param if_exists: ``skip`` leaves an existing sheet unchanged; ``fail`` fails, also when a task is retried that has
        created the sheet.
    """

    action = "create_attendance_sheet"
    name_arguments = ("name", "slot_id")

    def __init__(
        self,
        *,
        slot_id: str,
        name: str,
        if_exists: IfSessionExists = "skip",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._assign_arguments(locals())


class Learning360UpdateAttendanceSheetOperator(Learning360BaseOperator):
    """
    Rename an attendance sheet (``updateAttendanceSheet``). Only API v2 has it.

    Returns ``{"sheet_id", "outcome": "updated"}``.

    :param slot_id: Id of the slot.
    :param sheet_id: Id of the attendance sheet.
    :param name: New name.
    """

    action = "update_attendance_sheet"
    name_arguments = ("name", "sheet_id")

    def __init__(
        self,
        *,
        slot_id: str,
        sheet_id: str,
        name: str,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._assign_arguments(locals())


class Learning360DeleteAttendanceSheetOperator(Learning360BaseOperator):
    """
    Delete an attendance sheet, **with the signatures on it** (``deleteAttendanceSheet``). Only API v2 has it.

    Returns ``{"sheet_id", "name", "outcome"}``; ``outcome`` is ``deleted``, ``not_found`` or ``would_delete``; ``name``
    is ``None`` without ``dry_run``.

    :param slot_id: Id of the slot.
    :param sheet_id: Id of the attendance sheet.
    :param if_missing: ``skip`` succeeds if the sheet does not exist; ``fail`` fails, also when a task is retried that
        has deleted the sheet.
    :param dry_run: Whether to change nothing, and only look up and return what would be changed.
    """

    action = "delete_attendance_sheet"
    name_arguments = ("sheet_id",)

    def __init__(
        self,
        *,
        slot_id: str,
        sheet_id: str,
        if_missing: IfMissing = "skip",
        dry_run: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._assign_arguments(locals())
