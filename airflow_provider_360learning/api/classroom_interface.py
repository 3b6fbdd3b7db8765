"""The actions on classrooms, as a part of :class:`~.interface.LearningApi`."""

from __future__ import annotations

from typing import Protocol

from airflow_provider_360learning.api.actions import action
from airflow_provider_360learning.api.classroom_results import (
    AttendanceRecord,
    AttendanceSheetRecord,
    ChangedWaitlist,
    ClassroomRecord,
    ClassroomSlotRecord,
    CreatedAttendanceSheet,
    CreatedClassroom,
    CreatedClassroomSlot,
    DeletedAttendanceSheet,
    DeletedClassroomSlot,
    RecordedAttendance,
    RegisteredUsers,
    SlotRegistration,
    UpdatedAttendanceSheet,
    UpdatedClassroom,
    UpdatedClassroomSlot,
    WaitlistEntry,
)
from airflow_provider_360learning.api.models.classrooms import (
    AddToWaitlist,
    CreateAttendanceSheet,
    CreateClassroom,
    CreateClassroomSlot,
    DeleteAttendanceSheet,
    DeleteClassroomSlot,
    ListAttendances,
    ListAttendanceSheets,
    ListClassrooms,
    ListClassroomSlots,
    ListRegistrations,
    ListWaitlist,
    RegisterUsers,
    RemoveFromWaitlist,
    SetAttendance,
    UpdateAttendanceSheet,
    UpdateClassroom,
    UpdateClassroomSlot,
)
from airflow_provider_360learning.api.types import ActionSteps


class ClassroomApi(Protocol):
    """Classrooms, their slots, registrations, waitlists and attendance sheets."""

    @action(CreateClassroom)
    def create_classroom(self, arguments: CreateClassroom) -> ActionSteps[CreatedClassroom]:
        """Create a classroom, unless the group has one of this name."""
        ...

    @action(UpdateClassroom)
    def update_classroom(self, arguments: UpdateClassroom) -> ActionSteps[UpdatedClassroom]:
        """Change a classroom; fields that are not given keep their values."""
        ...

    @action(ListClassrooms)
    def list_classrooms(self, arguments: ListClassrooms) -> ActionSteps[list[ClassroomRecord]]:
        """Return all classrooms, or those of a group."""
        ...

    @action(CreateClassroomSlot)
    def create_classroom_slot(self, arguments: CreateClassroomSlot) -> ActionSteps[CreatedClassroomSlot]:
        """Create a slot of a classroom."""
        ...

    @action(UpdateClassroomSlot)
    def update_classroom_slot(self, arguments: UpdateClassroomSlot) -> ActionSteps[UpdatedClassroomSlot]:
        """Change a slot of a classroom."""
        ...

    @action(DeleteClassroomSlot)
    def delete_classroom_slot(self, arguments: DeleteClassroomSlot) -> ActionSteps[DeletedClassroomSlot]:
        """Delete a slot of a classroom, with its registrations and their attendance."""
        ...

    @action(ListClassroomSlots)
    def list_classroom_slots(self, arguments: ListClassroomSlots) -> ActionSteps[list[ClassroomSlotRecord]]:
        """Return the slots of a classroom."""
        ...

    @action(SetAttendance)
    def set_attendance(self, arguments: SetAttendance) -> ActionSteps[RecordedAttendance]:
        """Record whether users were present in a slot."""
        ...

    @action(RegisterUsers)
    def register_users(self, arguments: RegisterUsers) -> ActionSteps[RegisteredUsers]:
        """Register users for a slot."""
        ...

    @action(ListRegistrations)
    def list_registrations(self, arguments: ListRegistrations) -> ActionSteps[list[SlotRegistration]]:
        """Return the registrations for a slot, or for all slots of a classroom."""
        ...

    @action(AddToWaitlist)
    def add_to_waitlist(self, arguments: AddToWaitlist) -> ActionSteps[ChangedWaitlist]:
        """Add users to the waitlist of a slot."""
        ...

    @action(RemoveFromWaitlist)
    def remove_from_waitlist(self, arguments: RemoveFromWaitlist) -> ActionSteps[ChangedWaitlist]:
        """Remove users from the waitlist of a slot."""
        ...

    @action(ListWaitlist)
    def list_waitlist(self, arguments: ListWaitlist) -> ActionSteps[list[WaitlistEntry]]:
        """Return the users on the waitlist of a slot."""
        ...

    @action(CreateAttendanceSheet)
    def create_attendance_sheet(self, arguments: CreateAttendanceSheet) -> ActionSteps[CreatedAttendanceSheet]:
        """Create an attendance sheet, unless the slot has one of this name."""
        ...

    @action(UpdateAttendanceSheet)
    def update_attendance_sheet(self, arguments: UpdateAttendanceSheet) -> ActionSteps[UpdatedAttendanceSheet]:
        """Rename an attendance sheet."""
        ...

    @action(DeleteAttendanceSheet)
    def delete_attendance_sheet(self, arguments: DeleteAttendanceSheet) -> ActionSteps[DeletedAttendanceSheet]:
        """Delete an attendance sheet, with the signatures on it."""
        ...

    @action(ListAttendanceSheets)
    def list_attendance_sheets(self, arguments: ListAttendanceSheets) -> ActionSteps[list[AttendanceSheetRecord]]:
        """Return the attendance sheets of a slot."""
        ...

    @action(ListAttendances)
    def list_attendances(self, arguments: ListAttendances) -> ActionSteps[list[AttendanceRecord]]:
        """Return the attendances on an attendance sheet."""
        ...
