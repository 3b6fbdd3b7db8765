"""What the actions on classrooms did."""

from __future__ import annotations

from airflow_provider_360learning.api.classroom_results import (
    ChangedWaitlist,
    CreatedAttendanceSheet,
    CreatedClassroom,
    CreatedClassroomSlot,
    DeletedAttendanceSheet,
    DeletedClassroomSlot,
    RecordedAttendance,
    RegisteredUsers,
    UpdatedAttendanceSheet,
    UpdatedClassroom,
    UpdatedClassroomSlot,
)
from airflow_provider_360learning.api.models.classrooms import (
    AddToWaitlist,
    CreateAttendanceSheet,
    CreateClassroom,
    CreateClassroomSlot,
    DeleteAttendanceSheet,
    DeleteClassroomSlot,
    RegisterUsers,
    RemoveFromWaitlist,
    SetAttendance,
    UpdateAttendanceSheet,
    UpdateClassroom,
    UpdateClassroomSlot,
)
from airflow_provider_360learning.api.sentences.parts import (
    changed,
    deletion,
    first_or_number,
    label,
    left_out,
    outcome_sentence,
    quoted,
)
from airflow_provider_360learning.api.text import counted, one_line


@outcome_sentence.register
def _created_classroom(arguments: CreateClassroom, result: CreatedClassroom) -> str:
    classroom = label(result["name"], result["classroom_id"])
    if result["outcome"] == "already_exists":
        return f"Classroom {classroom} already exists; unchanged"
    if result["outcome"] == "updated":
        return f"Updated classroom {classroom}"
    return f"Created classroom {classroom} in group {quoted(arguments.group or arguments.group_id)}"


@outcome_sentence.register
def _updated_classroom(arguments: UpdateClassroom, result: UpdatedClassroom) -> str:
    fields = changed(arguments, {"classroom_id", "classroom"})
    return f"Updated {fields} of classroom {label(arguments.classroom, result['classroom_id'])}"


@outcome_sentence.register
def _created_slot(arguments: CreateClassroomSlot, result: CreatedClassroomSlot) -> str:
    classroom = label(arguments.classroom, result["classroom_id"])
    slot = f"{label(result['name'], result['slot_id'])} of classroom {classroom}"
    if result["outcome"] == "already_exists":
        return f"Slot {slot} already exists; unchanged"
    return f"Created slot {slot} in session {label(arguments.session, result['session_id'])}"


@outcome_sentence.register
def _updated_slot(arguments: UpdateClassroomSlot, result: UpdatedClassroomSlot) -> str:
    fields = changed(arguments, {"slot_id", "classroom_id", "classroom", "message", "notify"})
    return f"Updated {fields} of slot {result['slot_id']}"


@outcome_sentence.register
def _deleted_slot(arguments: DeleteClassroomSlot, result: DeletedClassroomSlot) -> str:
    slot = label(result["name"], result["slot_id"])
    if result["outcome"] == "would_delete":
        return f"Would delete slot {slot} with {counted(result['registrations'] or 0, 'registration')}"
    return deletion("slot", slot, result["outcome"] == "deleted", " and its registrations")


@outcome_sentence.register
def _recorded_attendance(arguments: SetAttendance, result: RecordedAttendance) -> str:
    presence = "present" if result["attended"] else "absent"
    users = first_or_number(arguments.users, result["users"])
    return f"Recorded {users} as {presence} in slot {result['slot_id']}{left_out(result)}"


@outcome_sentence.register
def _registered_users(arguments: RegisterUsers, result: RegisteredUsers) -> str:
    users = first_or_number(arguments.users, result["users"])
    return f"Registered {users} for slot {result['slot_id']}{left_out(result)}"


@outcome_sentence.register
def _added_to_waitlist(arguments: AddToWaitlist, result: ChangedWaitlist) -> str:
    users = first_or_number(arguments.users, result["users"])
    return f"Added {users} to the waitlist of slot {result['slot_id']}{left_out(result)}"


@outcome_sentence.register
def _removed_from_waitlist(arguments: RemoveFromWaitlist, result: ChangedWaitlist) -> str:
    users = first_or_number(arguments.users, result["users"])
    return f"Removed {users} from the waitlist of slot {result['slot_id']}{left_out(result)}"


@outcome_sentence.register
def _created_sheet(arguments: CreateAttendanceSheet, result: CreatedAttendanceSheet) -> str:
    sheet = label(result["name"], result["sheet_id"])
    if result["outcome"] == "already_exists":
        return f"Attendance sheet {sheet} already exists; unchanged"
    return f"Created attendance sheet {sheet} of slot {one_line(arguments.slot_id)}"


@outcome_sentence.register
def _updated_sheet(arguments: UpdateAttendanceSheet, result: UpdatedAttendanceSheet) -> str:
    return f"Renamed attendance sheet {result['sheet_id']} to {quoted(arguments.name)}"


@outcome_sentence.register
def _deleted_sheet(arguments: DeleteAttendanceSheet, result: DeletedAttendanceSheet) -> str:
    sheet = label(result["name"], result["sheet_id"])
    if result["outcome"] == "would_delete":
        return f"Would delete attendance sheet {sheet}"
    return deletion("attendance sheet", sheet, result["outcome"] == "deleted", " and the signatures on it")
