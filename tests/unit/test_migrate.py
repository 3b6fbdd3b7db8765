"""The command ``migrate``: what API v2 refuses or needs in the tasks of DAGs, on both lines of Airflow."""

from __future__ import annotations

import argparse
import json

import pytest

from airflow_provider_360learning.cli.commands import migrate

DAG = """
from airflow.providers.common.compat.sdk import dag, task

from airflow_provider_360learning.operators.bulk import Learning360BulkOperator
from airflow_provider_360learning.operators.courses import Learning360AddToCatalogOperator
from airflow_provider_360learning.operators.exports import (
    Learning360ExportCourseStatisticsOperator,
    Learning360ExportMembershipsOperator,
)
from airflow_provider_360learning.operators.imports import (
    Learning360ImportExternalCoursesOperator,
    Learning360ImportStatisticsOperator,
)
from airflow_provider_360learning.operators.operation import Learning360Operator
from airflow_provider_360learning.operators.paths import (
    Learning360CreatePathSessionOperator,
    Learning360EnrollUsersOperator,
)
from airflow_provider_360learning.operators.users import Learning360CreateUserOperator


@dag(schedule=None)
def moving():
{tasks}


moving()
"""
CONNECTION = {"conn_type": "learning360", "login": "the-company", "password": "the-api-key"}


@pytest.fixture
def run(tmp_path, capsys, monkeypatch, airflow_db):
    """Return exit status and printed lines of the command for a DAG with some tasks."""
    monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "")  # restored afterwards, because the command changes it

    def run(*tasks, connection=CONNECTION):
        if connection:
            monkeypatch.setenv("AIRFLOW_CONN_LEARNING360_DEFAULT", json.dumps(connection))
        file = tmp_path / "moving.py"
        file.write_text(DAG.replace("{tasks}", "\n".join(f"    {task}" for task in tasks)))
        with pytest.raises(SystemExit) as ended:
            migrate(argparse.Namespace(dags_folder=str(tmp_path)))
        lines = capsys.readouterr().out.splitlines()
        return ended.value.code, [line for line in lines if line.startswith(("CHANGE", "note", "1 task", "0 task"))]

    return run


def changes(lines):
    return [line for line in lines if line.startswith("CHANGE")]


def test_names_task_argument_reason_and_replacement(run):
    status, lines = run(
        'Learning360CreateUserOperator(task_id="one", mail="a@acme.test", group="Acme", labels=["x"], '
        'mode="create_active_and_mail_password", password="a long password")'
    )
    assert status == 1
    assert changes(lines) == [
        "CHANGE moving.one: mode 'create_active_and_mail_password' is not available in API v2, which emails no "
        "passwords: use 'invite' or 'create_active'",
        "CHANGE moving.one: labels=['x']: labels is not available in API v2: leave it out",
    ]
    assert lines[-1].startswith("1 task of 360Learning in 1 DAG; 1 must change.")


def test_ends_with_status_0_if_nothing_must_change(run):
    status, lines = run(
        'Learning360CreateUserOperator(task_id="one", mail="{{ params.mail }}", mode="{{ params.mode }}", group="A")'
    )
    assert (status, changes(lines)) == (0, [])
    assert "nothing must change" in lines[-1]


def test_never_prints_a_password(run):
    status, lines = run(
        'Learning360CreateUserOperator(task_id="one", mail="a@acme.test", group="Acme", mode="create_active", '
        'password="Zq7!")'
    )
    assert status == 1
    assert changes(lines) == ["CHANGE moving.one: password has fewer than 8 characters, the minimum in API v2"]


@pytest.mark.parametrize(
    "mapping", ['.expand(mail=["a@acme.test"], labels=[["x"], ["y"]])', '.expand_kwargs([{"labels": ["x"]}])']
)
def test_examines_the_instances_of_mapped_tasks(run, mapping):
    status, lines = run(f'Learning360CreateUserOperator.partial(task_id="many", group="Acme"){mapping}')
    assert status == 1
    assert "CHANGE moving.many: labels=['x']: labels is not available in API v2: leave it out" in lines


@pytest.mark.parametrize(
    ("arguments", "argument"),
    [
        ('rows="x.csv", defaults={"mode": "create_active_and_mail_generated_password"}', "mode"),
        ('rows="x.csv", column_mapping={"Days": "invitation_expires_after_days"}', "invitation_expires_after_days"),
        ('rows=[{"mail": "a@acme.test", "Days": 3}], column_mapping={"Days": "invitation_expires_after_days"}', "=3"),
    ],
)
def test_examines_defaults_columns_and_rows_of_bulk_tasks(run, arguments, argument):
    status, lines = run(
        f'Learning360BulkOperator(task_id="all", action="create_user", results_path="/tmp/results", {arguments})'
    )
    assert status == 1
    assert argument in changes(lines)[0]


def test_does_not_refuse_a_column_of_choices(run):
    status, _ = run(
        'Learning360BulkOperator(task_id="all", action="create_user", results_path="/tmp/results", rows="x.csv", '
        'column_mapping={"Kind": "mode", "Role": "role"})'
    )
    assert status == 0


def test_names_an_export_by_a_date_that_v2_cannot_select(run):
    status, lines = run(
        'Learning360ExportCourseStatisticsOperator(task_id="all", output_path="/tmp/x", date_field="last_activity_at")'
    )
    assert status == 1
    assert "completed_at" in changes(lines)[0]


def test_examines_the_rows_of_an_import(run):
    statistic = (
        '{"external_id": "c", "mail": "a@acme.test", "progress": 100, "time_spent_seconds": 1, '
        '"first_activity": "2026-10-01T08:00:00Z", "last_activity": "2026-10-02T08:00:00Z", "completed_at": "%s"}'
    )
    operator = (
        'Learning360ImportStatisticsOperator(task_id="%s", group="G", external_platform="P", results_path="/tmp/%s", '
        "rows=[%s])"
    )
    status, lines = run(
        operator % ("same", "same", statistic % "2026-10-02T10:00:00+02:00"),
        operator % ("earlier", "earlier", statistic % "2026-10-01T09:00:00Z"),
        operator % ("incomplete", "incomplete", '{"completed_at": "2026-10-01T09:00:00Z"}'),
    )
    assert status == 1
    (change,) = changes(lines)
    assert change.startswith("CHANGE moving.earlier: completed_at='2026-10-01T09:00:00Z': ")
    assert "must be equal to last_activity" in change


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ('"language": "xx"', "language has 'xx'"),
        ('"alternative_languages": ["fr", "qq"]', "alternative_languages has 'qq'"),
        ('"content_type": "essay"', "content_type is 'essay'"),
        ('"duration_minutes": "200000"', "duration_minutes is 200000"),
    ],
)
def test_names_a_value_of_an_external_course_that_v2_refuses(run, value, reason):
    course = '"external_id": "c", "title": "T", "launch_url": "https://a.example/", "language": "en"'
    row = "{" + f'{course}, "duration_minutes": "20", {value}' + "}"
    status, lines = run(
        'Learning360ImportExternalCoursesOperator(task_id="courses", group="G", external_platform="P", '
        f'author_id="a" * 24, results_path="/tmp/results", rows=[{row}])'
    )
    assert status == 1
    assert reason in changes(lines)[0]


@pytest.mark.parametrize(
    "mapping",
    [
        'defaults={"mode": "create_active"}).expand(rows=[[{"mail": "a@acme.test", "labels": ["x"]}]])',
        'rows=[{"mail": "a@acme.test"}]).expand(defaults=[{"labels": ["x"]}])',
        'rows=[{"mail": "a@acme.test"}]).expand_kwargs([{"defaults": {"labels": ["x"]}}])',
    ],
)
def test_examines_the_rows_and_defaults_of_mapped_bulk_tasks(run, mapping):
    start = 'Learning360BulkOperator.partial(task_id="all", action="create_user", results_path="/tmp/results", '
    status, lines = run(start + mapping)
    assert status == 1
    assert changes(lines) == ["CHANGE moving.all: labels=['x']: labels is not available in API v2: leave it out"]


def test_a_group_by_its_name_is_a_group(run):
    _, lines = run('Learning360CreateUserOperator(task_id="one", mail="a@acme.test", other_groups=["Acme"])')
    assert not any("moving.one" in line for line in lines)


def test_says_what_v2_does_in_another_way(run):
    status, lines = run(
        'Learning360CreateUserOperator(task_id="one", mail="a@acme.test")',
        'Learning360CreatePathSessionOperator(task_id="two", path="P", name="N", group="G", session_start="{{ ts }}")',
        'Learning360ImportStatisticsOperator(task_id="three", group="G", external_platform="P", rows="x.csv", '
        'results_path="/tmp/results")',
        'Learning360ExportMembershipsOperator(task_id="mails", output_path="/tmp/x.csv")',
        'Learning360AddToCatalogOperator(task_id="catalog", group="G", courses=["C"])',
        'Learning360EnrollUsersOperator(task_id="enroll", session="S", users=["a@acme.test"])',
        'task(task_id="four")(lambda: Learning360Hook().api.list_users())()',
    )
    notes = [line for line in lines if line.startswith("note   moving")]
    assert status == 0
    assert [line.partition(":")[0] for line in notes] == [
        "note   moving.one",
        "note   moving.two",
        "note   moving.three",
        "note   moving.mails",
        "note   moving.catalog",
        "note   moving.enroll",
        "note   moving.four",
    ]


def test_names_the_fields_of_a_connection_that_v2_refuses(run):
    extra = {"auth": "api_key_header", "limits": {"deleteUser": 1}}
    status, lines = run(
        'Learning360CreateUserOperator(task_id="one", mail="a@acme.test", group="Acme")',
        connection={**CONNECTION, "extra": extra},
    )
    (change,) = changes(lines)
    assert status == 1
    assert change.startswith("CHANGE connection learning360_default: field extra.auth: ")
    assert "field extra.limits.deleteUser" in change
    assert "company_id=the-company" in lines[-2]
    assert not any("the-api-key" in line for line in lines)


def test_a_connection_that_cannot_be_read_is_not_examined(run):
    status, lines = run(
        'Learning360CreateUserOperator(task_id="one", mail="a@acme.test", group="Acme")', connection=None
    )
    assert status == 0
    assert "note   connection learning360_default: is not examined" in lines[-2]


def test_a_file_that_cannot_be_imported_must_change(run):
    status, lines = run("raise ValueError('no such department')")
    assert status == 1
    assert changes(lines)[0].endswith("cannot be imported: ValueError: no such department")


def test_refuses_a_folder_that_does_not_exist(tmp_path):
    with pytest.raises(SystemExit, match="does not exist"):
        migrate(argparse.Namespace(dags_folder=str(tmp_path / "missing")))


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (
            'operation="addManagerToUser"',
            "is an operation of API v1, and tasks are moved to API v2: its counterpart here is addManager",
        ),
        (
            'operation="getUser", path_params={"user": "{{ params.user }}"}',
            "path_params has no 'user' (similar: 'userId')",
        ),
        ('operation="getUserz"', "operation is 'getUserz', but API v2 has no such operation (similar: "),
    ],
)
def test_names_operations_and_parameters_that_api_v2_does_not_have(run, arguments, expected):
    status, lines = run(f'Learning360Operator(task_id="one", {arguments})')
    assert status == 1
    assert expected in changes(lines)[0]


def test_an_operation_that_api_v2_has_needs_no_change(run):
    status, _ = run('Learning360Operator(task_id="one", operation="getGroups", paginate=True)')
    assert status == 0
