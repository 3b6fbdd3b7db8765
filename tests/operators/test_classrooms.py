"""Operators for classrooms with API v2: the outcome of each in one line of the task's log, and what bulk rows do."""

from __future__ import annotations

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_360learning.api.v2.spec import API_V2
from airflow_provider_360learning.exceptions import OutcomeUnknownError
from airflow_provider_360learning.hooks.learning360 import Learning360Hook
from airflow_provider_360learning.operators.bulk import Learning360BulkOperator
from airflow_provider_360learning.operators.classrooms import (
    Learning360AddToWaitlistOperator,
    Learning360CreateAttendanceSheetOperator,
    Learning360CreateClassroomOperator,
    Learning360CreateClassroomSlotOperator,
    Learning360DeleteAttendanceSheetOperator,
    Learning360DeleteClassroomSlotOperator,
    Learning360RegisterUsersOperator,
    Learning360RemoveFromWaitlistOperator,
    Learning360SetAttendanceOperator,
    Learning360UpdateAttendanceSheetOperator,
    Learning360UpdateClassroomOperator,
    Learning360UpdateClassroomSlotOperator,
)
from airflow_provider_360learning.sandbox.demo_company import (
    ADMIN_ID,
    ADMIN_MAIL,
    FIRST_DAY_CLASSROOM_ID,
    GRACE_ID,
    GRACE_MAIL,
    INDUCTION_PROGRAM_ID,
)
from tests.rows.support import put_results, results_in
from tests.unlimited_sandbox import CONNECTION, make_session, operations

SLOT = {
    "classroom_id": FIRST_DAY_CLASSROOM_ID,
    "name": "Morning",
    "slot_start": "2026-10-04T09:00:00Z",
    "slot_end": "2026-10-04T12:00:00Z",
    "location": "Room 1",
    "duration_hours": 3,
}

#: Operators with arguments, and the line that each logs. ``{slot}`` and ``{sheet}`` are ids, ``{id}`` is in the result.
LINES = [
    (
        Learning360CreateClassroomOperator,
        {"name": "Fire drill", "group": "Sales"},
        'Created classroom "Fire drill" ({id}) in group Sales',
    ),
    (
        Learning360CreateClassroomOperator,
        {"name": "First day", "group": "Acme"},
        f'Classroom "First day" ({FIRST_DAY_CLASSROOM_ID}) already exists; unchanged',
    ),
    (
        Learning360UpdateClassroomOperator,
        {"classroom": "First day", "name": "Day 1", "message": "Hello"},
        f'Updated name and message of classroom "First day" ({FIRST_DAY_CLASSROOM_ID})',
    ),
    (
        Learning360CreateClassroomSlotOperator,
        {**SLOT, "name": "Noon", "session": "Autumn"},
        f"Created slot Noon ({{id}}) of classroom {FIRST_DAY_CLASSROOM_ID} in session Autumn ({{session}})",
    ),
    (
        Learning360CreateClassroomSlotOperator,
        {**SLOT, "session": "Autumn"},
        f"Slot Morning ({{slot}}) of classroom {FIRST_DAY_CLASSROOM_ID} already exists; unchanged",
    ),
    (
        Learning360UpdateClassroomSlotOperator,
        {"slot_id": "{slot}", "classroom_id": FIRST_DAY_CLASSROOM_ID, "location": "Room 2", "message": "Moved"},
        "Updated location of slot {slot}",
    ),
    (
        Learning360DeleteClassroomSlotOperator,
        {"slot_id": "{slot}", "classroom_id": FIRST_DAY_CLASSROOM_ID},
        "Deleted slot {slot} and its registrations",
    ),
    (
        Learning360DeleteClassroomSlotOperator,
        {"slot_id": "{slot}", "classroom_id": FIRST_DAY_CLASSROOM_ID, "dry_run": True},
        "Would delete slot Morning ({slot}) with 1 registration",
    ),
    (
        Learning360RegisterUsersOperator,
        {"slot_id": "{slot}", "users": [GRACE_MAIL]},
        f"Registered user {GRACE_MAIL} for slot {{slot}}",
    ),
    (
        Learning360SetAttendanceOperator,
        {"slot_id": "{slot}", "users": [GRACE_MAIL], "attended": False},
        f"Recorded user {GRACE_MAIL} as absent in slot {{slot}}",
    ),
    (
        Learning360AddToWaitlistOperator,
        {"slot_id": "{slot}", "users": [ADMIN_ID]},
        f"Added user {ADMIN_ID} to the waitlist of slot {{slot}}",
    ),
    (
        Learning360RemoveFromWaitlistOperator,
        {"slot_id": "{slot}", "users": [ADMIN_ID, GRACE_ID]},
        "Removed 2 users from the waitlist of slot {slot}",
    ),
    (
        Learning360CreateAttendanceSheetOperator,
        {"slot_id": "{slot}", "name": "Day 1"},
        'Created attendance sheet "Day 1" ({id}) of slot {slot}',
    ),
    (
        Learning360UpdateAttendanceSheetOperator,
        {"slot_id": "{slot}", "sheet_id": "{sheet}", "name": "Day 2"},
        'Renamed attendance sheet {sheet} to "Day 2"',
    ),
    (
        Learning360DeleteAttendanceSheetOperator,
        {"slot_id": "{slot}", "sheet_id": "{sheet}"},
        "Deleted attendance sheet {sheet} and the signatures on it",
    ),
    (
        Learning360DeleteAttendanceSheetOperator,
        {"slot_id": "{slot}", "sheet_id": "{sheet}", "dry_run": True},
        "Would delete attendance sheet Monday ({sheet})",
    ),
]


@pytest.fixture
def program_session(sandbox):
    """Return the id of a session of a program, which a slot can be created in with API v1."""
    path, body = {"template_id": INDUCTION_PROGRAM_ID}, {"name": "Autumn", "startDate": "2026-10-01T00:00:00.000Z"}
    made = Learning360Hook().call("createProgramSession", path_params=path, body=body)
    sandbox.control.clear_journal()
    return made["_id"]


@pytest.fixture
def made(sandbox, monkeypatch):
    """Use API v2, and return the ids of a session, a full slot for which Grace is registered, and a sheet."""
    limits = dict.fromkeys(API_V2.limits, 1000)
    monkeypatch.setenv(CONNECTION, sandbox.connection_json(api_version="v2", limits=limits))
    session = make_session(sandbox, GRACE_ID, ADMIN_ID)
    api = Learning360Hook().api
    slot = api.create_classroom_slot(**SLOT, session_id=session, max_capacity=1)["slot_id"]
    api.register_users(slot_id=slot, users=[GRACE_ID])
    sheet = api.create_attendance_sheet(slot_id=slot, name="Monday")["sheet_id"]
    sandbox.control.advance(-400 * 24 * 3600)
    return {"session": session, "slot": slot, "sheet": sheet}


@pytest.mark.parametrize(("operator", "arguments", "line"), LINES, ids=lambda value: getattr(value, "__name__", ""))
def test_an_operator_logs_its_outcome_in_one_line(made, caplog, operator, arguments, line):
    filled = {name: value.format(**made) if isinstance(value, str) else value for name, value in arguments.items()}
    caplog.clear()
    result = operator(task_id="one", **filled).execute({})
    id = next((result[name] for name in ("sheet_id", "slot_id", "classroom_id") if name in result), None)
    assert caplog.text.count(line.format(id=id, **made)) == 1


def apply(action, rows, folder, **arguments):
    """Apply an action to rows, and return the outcome of each."""
    Learning360BulkOperator(
        task_id="bulk", action=action, rows=rows, results_path=str(folder), max_failures=len(rows), **arguments
    ).execute({})
    return [one["outcome"] for one in results_in(folder)]


def test_attendance_is_recorded_by_rows(made, tmp_path):
    rows = [
        {"slot_id": made["slot"], "users": GRACE_MAIL, "attended": "true"},
        {"slot_id": made["slot"], "users": ADMIN_ID, "attended": "false"},
    ]
    assert apply("set_attendance", rows, tmp_path) == ["recorded", "refused"]


def test_attendance_is_recorded_again_if_another_row_may_have_changed_it(made, tmp_path):
    api, slot = Learning360Hook().api, made["slot"]
    api.update_classroom_slot(slot_id=slot, classroom_id=FIRST_DAY_CLASSROOM_ID, max_capacity=2)
    api.register_users(slot_id=slot, users=[ADMIN_ID])
    both = f"{GRACE_MAIL};{ADMIN_MAIL}"
    outcomes = [
        apply(
            "set_attendance", [{"slot_id": slot, "users": users, "attended": attended}], tmp_path, skip_unchanged=True
        )
        for users, attended in ((both, "true"), (both, "true"), (GRACE_MAIL, "false"), (both, "true"))
    ]
    assert outcomes == [["recorded"], ["unchanged"], ["recorded"], ["recorded"]]


def test_the_users_of_a_bulk_task_are_registered_and_present(sandbox, made, tmp_path, caplog):
    api, slot = Learning360Hook().api, made["slot"]
    api.update_classroom_slot(slot_id=slot, classroom_id=FIRST_DAY_CLASSROOM_ID, max_capacity=2)
    rows = [(GRACE_MAIL, "already_exists"), (ADMIN_MAIL, "created"), ("linus@acme.test", "invited")]
    users = put_results(tmp_path, rows)
    result = Learning360RegisterUsersOperator(task_id="one", slot_id=slot, users_from=users).execute({})
    assert result == {"slot_id": slot, "outcome": "registered", "users": 2, "pending_invitations": 1}
    assert f"Registered 2 users for slot {slot}; 1 invitation not accepted yet" in caplog.text
    task = Learning360SetAttendanceOperator(task_id="one", slot_id=slot, users_from=users, attended=False)
    assert task.execute({})["users"] == 2
    assert {each["attended"] for each in api.list_registrations(slot_id=slot)} == {False}


def test_a_full_slot_ends_the_registration_of_the_users_of_a_bulk_task(sandbox, made, tmp_path):
    mails = [f"person{number}@acme.test" for number in range(8)]
    sandbox.control.add_users(mails)
    Learning360Hook().api.enroll_users(session_id=made["session"], users=mails)
    sandbox.control.clear_journal()
    users = put_results(tmp_path, [(mail, "created") for mail in mails])
    with pytest.raises(AirflowFailException, match="classroomSlotFull"):
        Learning360RegisterUsersOperator(task_id="one", slot_id=made["slot"], users_from=users).execute({})
    assert operations(sandbox).count("addSlotRegistration") == 1


@pytest.mark.parametrize("kind", ["drop_after", "drop_before"])
def test_a_slot_of_v1_whose_outcome_is_unknown_is_created_by_no_retry(sandbox, program_session, kind):
    sandbox.control.add_fault("createClassroomSlot", kind=kind)
    task = Learning360CreateClassroomSlotOperator(task_id="one", **SLOT, session_id=program_session)
    with pytest.raises(AirflowFailException, match="OutcomeUnknownError: It is not known whether createClassroomSlot"):
        task.execute({})
    assert operations(sandbox) == ["createClassroomSlot"]


def test_a_slot_of_v2_whose_outcome_is_unknown_may_be_created_by_a_retry(sandbox, made):
    sandbox.control.add_fault("createClassroomSlot", kind="drop_before")
    task = Learning360CreateClassroomSlotOperator(task_id="one", **{**SLOT, "name": "Noon"}, session_id=made["session"])
    with pytest.raises(OutcomeUnknownError):
        task.execute({})
    assert task.execute({})["outcome"] == "created"


def test_a_slot_of_v1_whose_outcome_is_unknown_is_an_unconfirmed_row(sandbox, program_session, tmp_path):
    rows = [{**SLOT, "session_id": program_session, "name": name} for name in ("a", "b")]
    sandbox.control.add_fault("createClassroomSlot", kind="drop_after", mentions='"a"')
    assert apply("create_classroom_slot", rows, tmp_path) == ["unknown", "created"]
    again = apply("create_classroom_slot", rows, tmp_path, retry_failed_only=True)
    assert (again, len(sandbox.control.state()["slots"])) == (["unknown", "created"], 2)
    again = apply("create_classroom_slot", rows, tmp_path, retry_failed_only=True, resend_unconfirmed=True)
    assert (again, len(sandbox.control.state()["slots"])) == (["created", "created"], 3)
