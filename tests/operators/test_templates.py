"""Arguments as Jinja templates: rendered by Airflow, validated and sent as rendered."""

from __future__ import annotations

import pytest
from airflow.providers.common.compat.sdk import DAG, AirflowFailException, redact

from airflow_provider_360learning.exceptions import RefusedError, ServerError
from airflow_provider_360learning.operators.bulk import Learning360BulkOperator
from airflow_provider_360learning.operators.groups import Learning360AddUserToGroupOperator
from airflow_provider_360learning.operators.paths import Learning360EnrollUsersOperator
from airflow_provider_360learning.operators.users import (
    Learning360CreateUserOperator,
    Learning360SetPasswordOperator,
    Learning360UpdateUserOperator,
)
from airflow_provider_360learning.sandbox.demo_company import GRACE_MAIL, ROOT_GROUP_ID, SALES_GROUP_ID
from airflow_provider_360learning.sensors.paths import Learning360PathSessionCompletionSensor
from airflow_provider_360learning.task_mixins import fail_on_permanent_error
from tests.unlimited_sandbox import CONNECTION, UNLIMITED


def rendered(kind, context, **arguments):
    task = kind(task_id="one", **arguments)
    task.render_template_fields(context)
    return task


def test_renders_every_argument(sandbox, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_ACME", sandbox.connection_json(limits=UNLIMITED))
    monkeypatch.delenv(CONNECTION)
    person = {"mail": "ana.silva@acme.test", "first": "Ana", "groups": [ROOT_GROUP_ID], "company": "acme"}
    task = rendered(
        Learning360CreateUserOperator,
        {"person": person, "group": SALES_GROUP_ID},
        learning360_conn_id="{{ person.company }}",
        mail="{{ person.mail }}",
        first_name="{{ person.first }}",
        last_name="{{ person.last | default('Silva') }}",
        group_id="{{ group }}",
        other_group_ids=["{{ person.groups[0] }}"],
        mode="create_{{ 'active' }}",
        role="{{ 'coach' }}",
    )
    assert task.execute({})["outcome"] == "created"
    (entry,) = [entry for entry in sandbox.control.journal() if entry["operation"] == "createOrInviteUser"]
    sent = {name: value for name, value in entry["body"].items() if name != "password"}
    assert sent == {
        "mail": "ana.silva@acme.test",
        "firstName": "Ana",
        "lastName": "Silva",
        "groups": [SALES_GROUP_ID, ROOT_GROUP_ID],
        "roles": ["coach"],
        "sendCredentials": "false",
    }


def test_sends_a_list_of_templates_as_a_list(sandbox):
    task = rendered(
        Learning360EnrollUsersOperator,
        {"mail": GRACE_MAIL, "session": "a" * 24},
        session_id="{{ session }}",
        users=["{{ mail }}"],
    )
    with pytest.raises(AirflowFailException, match="path_session_not_found"):
        task.execute({})
    (entry,) = [entry for entry in sandbox.control.journal() if entry["operation"] == "addUsersToPathSession"]
    assert entry["path"] == f"/api/v1/paths/sessions/{'a' * 24}/users"
    assert entry["body"] == {"userEmails": [GRACE_MAIL]}


def test_checks_rendered_values_when_the_task_runs(sandbox):
    task = rendered(Learning360AddUserToGroupOperator, {"found": None}, group_id="{{ found }}", user=GRACE_MAIL)
    with pytest.raises(AirflowFailException, match="group_id is 'None'"):
        task.execute({})
    assert sandbox.control.journal() == []


def test_sensors_read_numbers_that_a_template_renders():
    task = rendered(
        Learning360PathSessionCompletionSensor,
        {"share": 0.5, "least": 3},
        session_id="a" * 24,
        required="{{ share }}",
        min_enrolled="{{ least }}",
    )
    condition = task.condition()
    assert (condition.required, condition.min_enrolled) == (0.5, 3)


@pytest.mark.parametrize(
    ("rows", "is_shown"),
    [
        ("/data/{{ day }}.csv", True),
        ([{"mail": GRACE_MAIL, "Kennwort": "secret"}], False),
        ({"Kennwort": "secret"}, False),
        ('[{"Kennwort": "secret {{ day }}"}]', False),
    ],
)
def test_only_the_path_of_rows_is_stored_for_the_page_of_rendered_templates(rows, is_shown):
    arguments = {"action": "create_user", "results_path": "/results", "defaults": '{"password": "{{ day }}"}'}
    task = rendered(Learning360BulkOperator, {"day": "2026-10-01"}, rows=rows, **arguments)
    hidden = "(not shown: it may contain passwords)"
    assert str(task.rows) == ("/data/2026-10-01.csv" if is_shown else hidden)
    assert str(task.defaults) == hidden
    task.render_template_fields({"day": "2026-10-01"})
    assert str(task.rows) == ("/data/2026-10-01.csv" if is_shown else hidden)


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [
        (Learning360CreateUserOperator, {"mail": GRACE_MAIL}),
        (Learning360UpdateUserOperator, {"user": GRACE_MAIL}),
        (Learning360SetPasswordOperator, {"user": GRACE_MAIL}),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_password_is_hidden_where_airflow_shows_rendered_arguments(kind, arguments):
    task = rendered(kind, {"word": "correct-horse"}, password="{{ word }}", **arguments)
    shown = {name: redact(getattr(task, name), name) for name in task.template_fields}
    assert "correct-horse" not in repr(shown)
    assert task.password == "correct-horse"


@pytest.mark.parametrize("kind", [ServerError, RefusedError])
def test_errors_contain_no_template_that_a_notifier_would_render(kind):
    shown = pytest.raises((kind, AirflowFailException), match=r"says \{ \{ conn.x }} \[createGroup, 503\]$")
    with shown, fail_on_permanent_error():
        raise kind("It says {{ conn.x }}", operation="createGroup", status=503)


def test_reads_a_query_from_a_file(tmp_path):
    (tmp_path / "people.sql").write_text("SELECT mail FROM people WHERE hired = '{{ day }}' ORDER BY mail")
    with DAG("queries", schedule=None, template_searchpath=[str(tmp_path)]):
        task = Learning360BulkOperator(
            task_id="one", action="create_user", sql="people.sql", sql_conn_id="hr", results_path="/data/{{ day }}"
        )
    task.resolve_template_files()
    task.render_template_fields({"day": "2026-10-01"})
    assert task.sql == "SELECT mail FROM people WHERE hired = '2026-10-01' ORDER BY mail"
    assert task.results_path == "/data/2026-10-01"
