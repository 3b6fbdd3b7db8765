"""Exports of the current state: users, groups, members, courses, paths, sessions, statistics of path sessions."""

from __future__ import annotations

import tracemalloc

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_360learning.api.v1.spec import API_V1
from airflow_provider_360learning.exports.columns import COLUMNS
from airflow_provider_360learning.files.formats import read
from airflow_provider_360learning.hooks.learning360 import Learning360Hook
from airflow_provider_360learning.operators.exports import (
    Learning360ExportCoursesOperator,
    Learning360ExportGroupsOperator,
    Learning360ExportMembershipsOperator,
    Learning360ExportPathSessionsOperator,
    Learning360ExportPathSessionStatisticsOperator,
    Learning360ExportPathsOperator,
    Learning360ExportUsersOperator,
)
from airflow_provider_360learning.sandbox.demo_company import (
    GRACE_ID,
    GRACE_MAIL,
    ONBOARDING_PATH_ID,
    ROOT_GROUP_ID,
    SALES_GROUP_ID,
)
from airflow_provider_360learning.sandbox.server import Sandbox
from tests.unlimited_sandbox import CONNECTION, make_session

UNKNOWN_ID = "f" * 24


@pytest.fixture
def export(sandbox, tmp_path):
    """Export as JSON Lines, and return the result and the rows."""

    def export(operator, **arguments):
        result = operator(task_id="export", output_path=str(tmp_path / "rows.jsonl"), **arguments).execute({})
        return result, [row for _, _, row, _ in read(result["output_path"])]

    return export


LISTINGS = {
    "users": (Learning360ExportUsersOperator, "list_users"),
    "groups": (Learning360ExportGroupsOperator, "list_groups"),
    "courses": (Learning360ExportCoursesOperator, "list_courses"),
    "paths": (Learning360ExportPathsOperator, "list_paths"),
    "path_sessions": (Learning360ExportPathSessionsOperator, "list_path_sessions"),
}


@pytest.mark.parametrize("kind", LISTINGS)
def test_exports_all_that_is_listed(sandbox, export, kind):
    operator, action = LISTINGS[kind]
    make_session(sandbox, GRACE_MAIL)
    listed = getattr(Learning360Hook().api, action)()
    result, rows = export(operator)
    names = [column.name for column in COLUMNS[kind]]
    assert rows == [{name: each[name] for name in names} for each in listed]
    assert (result["rows"], result["interval_start"], result["complete"]) == (len(listed), None, True)
    assert listed != []


@pytest.mark.parametrize("format", ["csv", "parquet"])
@pytest.mark.parametrize("kind", LISTINGS)
def test_exports_every_kind_in_every_format(sandbox, tmp_path, kind, format):
    make_session(sandbox, GRACE_MAIL)
    result = LISTINGS[kind][0](task_id="export", output_path=str(tmp_path / f"rows.{format}")).execute({})
    assert [list(row) for _, _, row, _ in read(result["output_path"])] == [
        [column.name for column in COLUMNS[kind]]
    ] * result["rows"]


def test_memberships_have_a_row_per_role_and_group(export):
    api = Learning360Hook().api
    api.add_user_to_group(group_id=SALES_GROUP_ID, user=GRACE_MAIL, role="editor")
    _, rows = export(Learning360ExportMembershipsOperator)
    expected = [
        {"group_id": group["group_id"], "user_id": one["user_id"], "user_mail": one["mail"], "role": one["role"]}
        for group in api.list_groups()
        for one in api.get_group(group_id=group["group_id"])["members"]
    ]
    assert rows == expected
    grace = {(row["group_id"], row["role"]) for row in rows if row["user_id"] == GRACE_ID}
    assert {(SALES_GROUP_ID, "editor"), (ROOT_GROUP_ID, "learner")} <= grace


@pytest.mark.parametrize("format", ["csv", "jsonl", "parquet"])
def test_exports_a_user_whose_custom_is_not_a_string(sandbox, tmp_path, format, caplog):
    """A number is the string of its digits; an object becomes null with a warning."""
    users = [{"_id": f"{number:024x}", "mail": f"{number}@x.test"} for number in range(3)]
    users[0]["custom"], users[1]["custom"], users[2]["custom"] = 1001, {"employee": 1001}, "1001"
    sandbox.control.add_fault("getUsers", kind="invalid_content", body=users)
    where = str(tmp_path / f"users.{format}")
    result = Learning360ExportUsersOperator(task_id="export", output_path=where).execute({})
    nothing = "" if format == "csv" else None
    assert [row["custom"] for _, _, row, _ in read(where)] == ["1001", nothing, "1001"]
    assert (result["rows"], result["invalid_values"]) == (3, 1)
    assert "becomes null: column=custom kind=string row=2 type=dict" in caplog.text


def user_listing(count):
    return [{"_id": f"{number:024x}", "mail": f"{number}@x.test", "custom": number} for number in range(count)]


@pytest.mark.slow
def test_user_listing_does_not_stay_in_memory(sandbox, tmp_path):
    Learning360ExportUsersOperator(task_id="export", output_path=str(tmp_path / "few.jsonl")).execute({})  # imports
    sandbox.control.add_fault("getUsers", kind="invalid_content", body=user_listing(60_000))
    tracemalloc.start()
    try:
        result = Learning360ExportUsersOperator(task_id="export", output_path=str(tmp_path / "a.jsonl")).execute({})
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert result["rows"] == 60_000
    assert peak < 10_000_000  # of 50 million


def test_user_listing_that_breaks_loses_and_doubles_nothing(sandbox, export):
    api = Learning360Hook().api
    for number in range(40):
        api.create_user(
            mail=f"user{number}@x.test", mode="create_active", password="secret-1", first_name=f"{number:010000}"
        )
    listed = api.list_users()
    # A quarter of a megabyte is read at once: the users in it are exported before the response breaks.
    sandbox.control.add_fault("getUsers", kind="drop_midway", sent_bytes=300_000)
    _, rows = export(Learning360ExportUsersOperator)
    assert [entry["fault"] for entry in sandbox.control.journal()].count("drop_midway") == 1
    assert [row["mail"] for row in rows] == [each["mail"] for each in listed]


def test_logs_a_group_that_was_deleted_meanwhile(sandbox, export, caplog):
    missing = {"kind": "status", "status": 400, "body": {"error": "group_not_found"}}
    sandbox.control.add_fault("getGroup", path_contains=SALES_GROUP_ID, **missing)
    _, rows = export(Learning360ExportMembershipsOperator)
    assert SALES_GROUP_ID not in {row["group_id"] for row in rows}
    assert rows != []
    assert (
        f"Group was deleted after it was listed; its members are not exported: group_id={SALES_GROUP_ID}" in caplog.text
    )


def test_an_export_that_finds_none_of_the_listed_groups_fails(sandbox, export, tmp_path):
    missing = {"kind": "status", "status": 400, "body": {"error": "group_not_found"}}
    groups = len(Learning360Hook().api.list_groups())
    sandbox.control.add_fault("getGroup", count=groups, **missing)
    with pytest.raises(AirflowFailException, match=f"360Learning lists {groups} groups, but finds none of them"):
        export(Learning360ExportMembershipsOperator)
    assert list(tmp_path.iterdir()) == []


def test_warns_about_an_export_without_rows(sandbox, export, caplog, tmp_path):
    _, rows = export(Learning360ExportPathSessionsOperator)
    assert rows == []
    assert f"The export has no rows: output_path={tmp_path}/rows.jsonl" in caplog.messages


# Path sessions


@pytest.fixture
def sessions(sandbox):
    """Create three sessions: Grace completes the first, is enrolled in the second, and the third has no learners."""
    api = Learning360Hook().api
    ids = [
        api.create_path_session(
            path_id=ONBOARDING_PATH_ID, name=name, session_start="2026-10-01T00:00:00Z", group_id=ROOT_GROUP_ID
        )["session_id"]
        for name in ("first", "second", "third")
    ]
    api.enroll_users(session_id=ids[0], users=[GRACE_MAIL])
    sandbox.control.advance(3000)
    api.enroll_users(session_id=ids[1], users=[GRACE_MAIL])
    sandbox.control.advance(1000)
    return ids


def test_exports_the_current_state_of_path_sessions(sandbox, export, sessions):
    result, rows = export(Learning360ExportPathSessionStatisticsOperator, date_field=None)
    assert [(row["session_id"], row["status"]) for row in rows] == [
        (sessions[0], "successful"),
        (sessions[1], "onTime"),
    ]
    assert rows[0]["time_spent_seconds"] == 2700
    assert {
        **rows[0],
        "path_id": ONBOARDING_PATH_ID,
        "user_id": GRACE_ID,
        "user_mail": GRACE_MAIL,
        "deleted": False,
        "progress": 100,
    } == rows[0]
    assert list(rows[0]) == [column.name for column in COLUMNS["path_session_statistics"]]
    assert (result["interval_start"], result["sessions"], result["deleted_meanwhile"]) == (None, 3, 0)


@pytest.mark.parametrize("bounds", ["inclusive", "exclusive"])
def test_exports_path_sessions_by_completion(sandbox, export, sessions, bounds):
    sandbox.control.settings(bounds=bounds)
    completed_at = export(Learning360ExportPathSessionStatisticsOperator, date_field=None)[1][0]["completed_at"]
    early, late = "2000-01-01T00:00:00.000Z", "2100-01-01T00:00:00.000Z"
    for start, end, found in [
        (early, late, sessions[:1]),
        (completed_at, late, sessions[:1]),
        (early, completed_at, []),
    ]:
        result, rows = export(Learning360ExportPathSessionStatisticsOperator, interval_start=start, interval_end=end)
        assert [row["session_id"] for row in rows] == found
        assert (result["interval_start"], result["interval_end"]) == (start, end)
        assert result["highest_timestamp"] == (completed_at if found else None)


def test_exports_given_sessions_only(sandbox, export, sessions):
    sandbox.control.clear_journal()
    _, rows = export(Learning360ExportPathSessionStatisticsOperator, date_field=None, session_ids=[sessions[1]])
    assert [row["session_id"] for row in rows] == [sessions[1]]
    assert [entry["operation"] for entry in sandbox.control.journal()] == ["getUsersPathSessionStats"]


def test_exports_named_sessions_only(sandbox, export, sessions):
    named = {session["session_id"]: session["name"] for session in Learning360Hook().api.list_path_sessions()}
    sandbox.control.clear_journal()
    arguments = {"sessions": [named[sessions[1]]], "path": "Onboarding"}
    _, rows = export(Learning360ExportPathSessionStatisticsOperator, date_field=None, **arguments)
    assert [row["session_id"] for row in rows] == [sessions[1]]
    listed = ["getPaths", "getPathSessions", "getUsersPathSessionStats"]
    assert [entry["operation"] for entry in sandbox.control.journal()] == listed
    with pytest.raises(AirflowFailException, match=r"sessions\[0\] is 'Nowhere', but no session of this path"):
        export(Learning360ExportPathSessionStatisticsOperator, date_field=None, **arguments | {"sessions": "Nowhere"})
    with pytest.raises(AirflowFailException, match="path is given without sessions"):
        export(Learning360ExportPathSessionStatisticsOperator, date_field=None, path="Onboarding")


@pytest.mark.parametrize("nothing", [[], "", " "])
@pytest.mark.parametrize("argument", ["session_ids", "sessions"])
def test_exports_nothing_if_no_session_is_selected(sandbox, export, sessions, argument, nothing):
    _, rows = export(Learning360ExportPathSessionStatisticsOperator, date_field=None, **{argument: nothing})
    assert rows == []


def test_an_export_that_finds_none_of_the_listed_sessions_fails_and_keeps_the_file(sandbox, export, sessions, tmp_path):
    export(Learning360ExportPathSessionStatisticsOperator, date_field=None)
    before = (tmp_path / "rows.jsonl").read_bytes()
    missing = {"kind": "status", "status": 404, "body": {"error": "session_not_found"}}
    sandbox.control.add_fault("getUsersPathSessionStats", count=len(sessions), **missing)
    with pytest.raises(AirflowFailException, match="360Learning lists 3 path sessions, but finds none of them"):
        export(Learning360ExportPathSessionStatisticsOperator, date_field=None)
    assert (tmp_path / "rows.jsonl").read_bytes() == before


def test_logs_and_counts_a_session_that_was_deleted_meanwhile(sandbox, export, sessions, caplog):
    missing = {"kind": "status", "status": 404, "body": {"error": "session_not_found"}}
    sandbox.control.add_fault("getUsersPathSessionStats", path_contains=sessions[0], **missing)
    result, rows = export(Learning360ExportPathSessionStatisticsOperator, date_field=None)
    assert [row["session_id"] for row in rows] == [sessions[1]]
    assert (result["sessions"], result["deleted_meanwhile"]) == (2, 1)
    assert (
        f"Session was deleted after it was listed; its learners are not exported: session_id={sessions[0]}"
        in caplog.text
    )


def test_given_session_must_exist(sandbox, export, tmp_path):
    with pytest.raises(AirflowFailException, match="session_not_found"):
        export(Learning360ExportPathSessionStatisticsOperator, date_field=None, session_ids=[UNKNOWN_ID])
    assert list(tmp_path.iterdir()) == []


def test_refuses_another_date_field(sandbox, export):
    with pytest.raises(AirflowFailException, match="date_field is 'last_activity_at'"):
        export(Learning360ExportPathSessionStatisticsOperator, date_field="last_activity_at")


# Several requests at a time


@pytest.mark.realtime
def test_reaches_the_read_limit_at_any_latency(tmp_path, monkeypatch):
    with Sandbox(settings={"delay_before_ms": 200, "delay_after_ms": 200, "limits_enabled": False}) as slow:
        limits = dict.fromkeys([name for name in API_V1.limits if "reads" not in name], 1000)
        monkeypatch.setenv(CONNECTION, slow.connection_json(auth="api_key_header", limits=limits))
        groups = [{"_id": f"{number:024x}"} for number in range(30)]
        slow.control.add_fault("getGroups", kind="invalid_content", body=groups)
        slow.control.add_fault("getGroup", kind="status", status=200, body=groups[0], count=30)
        Learning360ExportMembershipsOperator(task_id="export", output_path=str(tmp_path / "rows.csv")).execute({})
        arrivals = sorted(entry["arrived_at"] for entry in slow.control.journal() if entry["operation"] == "getGroup")
    assert len(arrivals) == 30
    # Ten requests take a second at the limit, and four if each waits for the one before. The median, because a busy
    # machine delays some.
    durations = [later - earlier for earlier, later in zip(arrivals, arrivals[10:], strict=False)]
    assert sorted(durations)[len(durations) // 2] < 3.5
