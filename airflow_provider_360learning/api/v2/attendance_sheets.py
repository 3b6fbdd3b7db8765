"""Attendance sheets of API v2, which learners and trainers sign."""

from __future__ import annotations

from airflow_provider_360learning.api.actions import ApiAdapter, WriteSpec, action, confirm_by_lookup
from airflow_provider_360learning.api.classroom_results import (
    AttendanceRecord,
    AttendanceSheetRecord,
    CreatedAttendanceSheet,
    DeletedAttendanceSheet,
    UpdatedAttendanceSheet,
)
from airflow_provider_360learning.api.fields import first_string, string
from airflow_provider_360learning.api.models.classrooms import (
    CreateAttendanceSheet,
    DeleteAttendanceSheet,
    ListAttendances,
    ListAttendanceSheets,
    UpdateAttendanceSheet,
)
from airflow_provider_360learning.api.models.parsers import normalized
from airflow_provider_360learning.api.pages import all_items, first_item
from airflow_provider_360learning.api.types import ActionSteps, Call
from airflow_provider_360learning.exceptions import AlreadyExistsError, NotFoundError, OutcomeUnknownError

#: Code of the error about a sheet that does not exist.
SHEET_NOT_FOUND = "attendanceSheetNotFound"


class AttendanceSheetActions(ApiAdapter):
    """Create, read, rename and delete attendance sheets, and read the attendances on them."""

    @action(CreateAttendanceSheet, write=WriteSpec("createAttendanceSheet", key=("name", "slot_id"), makes="sheet_id"))
    def create_attendance_sheet(self, arguments: CreateAttendanceSheet) -> ActionSteps[CreatedAttendanceSheet]:
        """
        Create an attendance sheet (``createAttendanceSheet``), unless the slot has one of this name.

        The sheets of the slot are listed first, and again if the outcome of the creation is unknown; the creation is
        never sent twice.

        :return: ``outcome`` is ``created`` or ``already_exists``.
        :raises AlreadyExistsError: with ``if_exists="fail"``, if the sheet exists; if another client creates one at the
            same time.
        :raises NotFoundError: if the slot does not exist.
        :raises RefusedError: if the slot has as many sheets as 360Learning allows.
        :raises OutcomeUnknownError: if the outcome is unknown, and the sheet is not listed (yet) or the listing fails.
        """
        name = arguments.name
        found = yield from _find_sheet(arguments.slot_id, name)
        if found is not None:
            if arguments.if_exists == "fail":
                raise AlreadyExistsError(
                    f"The attendance sheet {name!r:.200} exists already: {found}", operation="createAttendanceSheet"
                )
            return {"sheet_id": found, "name": name, "outcome": "already_exists"}
        try:
            made = yield Call("createAttendanceSheet", path={"classroomSlotId": arguments.slot_id}, body={"name": name})
        except OutcomeUnknownError as unknown:
            found = yield from confirm_by_lookup(unknown, _find_sheet(arguments.slot_id, name))
        else:
            found = first_string(made, "_id")
        return {"sheet_id": found, "name": name, "outcome": "created"}

    @action(UpdateAttendanceSheet, write=WriteSpec("updateAttendanceSheet", key=("sheet_id", "slot_id")))
    def update_attendance_sheet(self, arguments: UpdateAttendanceSheet) -> ActionSteps[UpdatedAttendanceSheet]:
        """
        Rename an attendance sheet (``updateAttendanceSheet``).

        :raises NotFoundError: if the sheet does not exist.
        :raises RefusedError: if it belongs to another slot.
        """
        path = {"classroomSlotId": arguments.slot_id, "attendanceSheetId": arguments.sheet_id}
        yield Call("updateAttendanceSheet", path=path, body={"name": arguments.name})
        return {"sheet_id": arguments.sheet_id, "outcome": "updated"}

    @action(DeleteAttendanceSheet, write=WriteSpec("deleteAttendanceSheet", key=("sheet_id", "slot_id")))
    def delete_attendance_sheet(self, arguments: DeleteAttendanceSheet) -> ActionSteps[DeletedAttendanceSheet]:
        """
        Delete an attendance sheet, **with the signatures on it** (``deleteAttendanceSheet``).

        :return: ``outcome`` is ``deleted``, ``not_found``, or ``would_delete`` with ``dry_run``.
        :raises NotFoundError: with ``if_missing="fail"``, if the sheet does not exist.
        :raises RefusedError: if it belongs to another slot.
        """
        slot_id, sheet_id = arguments.slot_id, arguments.sheet_id
        result: DeletedAttendanceSheet = {"sheet_id": sheet_id, "name": None, "outcome": "deleted"}
        try:
            if arguments.dry_run:
                name = yield from _name_of_sheet(slot_id, sheet_id)
                return {"sheet_id": sheet_id, "name": name, "outcome": "would_delete"}
            yield Call("deleteAttendanceSheet", path={"classroomSlotId": slot_id, "attendanceSheetId": sheet_id})
        except NotFoundError as error:
            if error.code != SHEET_NOT_FOUND or (arguments.if_missing == "fail" and not error.after_unknown_outcome):
                raise
            if not error.after_unknown_outcome:
                result["outcome"] = "not_found"
        return result

    @action(ListAttendanceSheets)
    def list_attendance_sheets(self, arguments: ListAttendanceSheets) -> ActionSteps[list[AttendanceSheetRecord]]:
        """
        Return the attendance sheets of a slot (``getAttendanceSheets``).

        :raises NotFoundError: if the slot does not exist.
        """
        items = yield from all_items(_sheets(arguments.slot_id))
        return [
            {
                "sheet_id": first_string(item, "_id"),
                "name": string(item, "name"),
                "status": string(item, "status"),
                "check_in_code": string(item, "checkInCode"),
            }
            for item in items
        ]

    @action(ListAttendances)
    def list_attendances(self, arguments: ListAttendances) -> ActionSteps[list[AttendanceRecord]]:
        """
        Return the attendances on an attendance sheet (``getAttendances``).

        :raises NotFoundError: if the sheet does not exist.
        :raises RefusedError: if it belongs to another slot.
        """
        path = {"classroomSlotId": arguments.slot_id, "attendanceSheetId": arguments.sheet_id}
        items = yield from all_items(Call("getAttendances", path=path))
        return [
            {
                "attendance_id": first_string(item, "_id"),
                "user_id": first_string(item, "userId"),
                "first_name": string(item, "firstName"),
                "last_name": string(item, "lastName"),
                "status": string(item, "status"),
            }
            for item in items
        ]


def _sheets(slot_id: str) -> Call:
    return Call("getAttendanceSheets", path={"classroomSlotId": slot_id})


def _find_sheet(slot_id: str, name: str) -> ActionSteps[str | None]:
    """Return the id of the first sheet with a name, or ``None``."""
    sheet = yield from first_item(_sheets(slot_id), lambda item: normalized(string(item, "name")) == name)
    return None if sheet is None else first_string(sheet, "_id")


def _name_of_sheet(slot_id: str, sheet_id: str) -> ActionSteps[str | None]:
    sheet = yield from first_item(_sheets(slot_id), lambda item: first_string(item, "_id").lower() == sheet_id.lower())
    if sheet is None:
        raise NotFoundError(
            f"The slot has no attendance sheet with the id {sheet_id}: check the id",
            operation="getAttendanceSheets",
            code=SHEET_NOT_FOUND,
        )
    return string(sheet, "name")
