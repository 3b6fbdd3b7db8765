"""
Rows that contain templates of Jinja: Airflow renders none of them, so that they cannot read a connection or a variable.

DAGs run in a process with ``dag.test()``, on which nothing is masked: the example DAGs, and one task for each way in
which rows reach it.
"""

from __future__ import annotations

import csv
import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from airflow_provider_360learning.sandbox.demo_company import API_KEY, GRACE_MAIL
from airflow_provider_360learning.sandbox.server import Sandbox
from demo.airflow_stack import AirflowStack
from tests.airflow.dag_runner import DagRunner

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
EXAMPLES = ROOT / "dags_examples"
VARIABLE = "variable-8f2c61d4"
PRODUCT = str(98765432123456789 * 3)
TEMPLATE = "{{ conn.learning360_default.password }} {{ var.value.get('db_password') }} {{ 98765432123456789 * 3 }}"
STATEMENT = "{% set product = 98765432123456789 * 3 %}{{ product }}"
#: What a text of the DAG file renders to.
RENDERED = "DAG 42"
PASSWORD = "Geheim-5d1c9be2"
SQL_FILE = "SELECT 'content of a file'"


class Airflow(DagRunner):
    """A process that runs DAGs against a sandbox."""

    def __init__(self, stack: AirflowStack, sandbox: Sandbox, files: Path) -> None:
        super().__init__(stack)
        self.database, self.sandbox, self.files = stack.database, sandbox, files

    def write(self, name: str, rows: list[dict[str, str]]) -> None:
        """Write a CSV file for a DAG."""
        with (self.files / name).open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)

    def users(self) -> dict[str, dict[str, object]]:
        """Return the profiles of the users by email address."""
        state = self.sandbox.control.state()
        return {user["mail"]: user["profile"] for user in [*state["users"], *state["invitations"]]}

    def rendered_fields(self, dag_id: str) -> dict[str, dict[str, object]]:
        """Return what Airflow stored for its page of rendered templates, by task."""
        query = "SELECT task_id, rendered_fields FROM rendered_task_instance_fields WHERE dag_id = ?"
        with closing(sqlite3.connect(self.database)) as database:
            return {task: json.loads(fields) for task, fields in database.execute(query, [dag_id])}

    def leaks(self, log: str) -> list[str]:
        """Return where the result of a template is: at the server, in the log, the database or a file."""
        control = self.sandbox.control
        texts = {"server": json.dumps([control.journal(), control.state()]).encode(), "log": log.encode()}
        texts |= {str(path): path.read_bytes() for path in self.home.rglob("*") if path.is_file()}
        secrets = [PRODUCT.encode(), VARIABLE.encode(), API_KEY.encode()]
        return [place for place, text in texts.items() if any(secret in text for secret in secrets)]


@pytest.fixture(scope="module")
def airflow(migrated_db, tmp_path_factory):
    """Run the examples and the DAGs of this folder."""
    home, files, dags = (tmp_path_factory.mktemp(name) for name in ("home", "files", "dags"))
    shutil.copy(migrated_db, home / "airflow.db")
    for file in [*EXAMPLES.glob("*.py"), *(Path(__file__).parent / "dags").glob("*.py")]:
        shutil.copy(file, dags)
    (home / "hostile").mkdir()
    (home / "hostile" / "people.sql").write_text(SQL_FILE)
    with Sandbox(settings={"learner_seconds": 1, "limits_enabled": False}) as sandbox:
        connection = sandbox.connection_json(auth="api_key_header")
        names = ("default", "sandbox", "acme", "globex")
        env = {
            **{f"AIRFLOW_CONN_LEARNING360_{name.upper()}": connection for name in names},
            "AIRFLOW_CONN_WAREHOUSE": json.dumps({"conn_type": "sqlite", "host": str(home / "warehouse.db")}),
            "AIRFLOW_VAR_DB_PASSWORD": VARIABLE,
            "AIRFLOW__LEARNING360__RATE_LIMITER_DIR": str(home / "rate-limiter"),
            "BULK_JOBS": str(files / "jobs.csv"),
            "HOSTILE_PASSWORD": PASSWORD,
            "HOSTILE_RESULTS": str(home / "hostile"),
            "HOSTILE_TEMPLATE": TEMPLATE,
            "OFFBOARDING_FILE": str(files / "leavers.csv"),
            "ONBOARDING_FILE": str(files / "new_hires.csv"),
            "ONBOARDING_POKE_SECONDS": "1",
            "STATISTICS_DROP": str(files),
            "SYNC_FOLDER": str(home / "sync"),
            "SYNC_PEOPLE": str(files / "people.csv"),
        }
        with AirflowStack(home, dags, env, components=[]) as stack:
            airflow = Airflow(stack, sandbox, files)
            try:
                yield airflow
            finally:
                airflow.stop()


# The example DAGs


PERSON = {"first_name": TEMPLATE, "last_name": STATEMENT, "department": TEMPLATE, "job": TEMPLATE}
#: Email addresses of the sync's people, and their keys.
KEYS = {"lise@acme.test": "1001", "emmy@acme.test": TEMPLATE}


def hostile_files(airflow: Airflow) -> None:
    """Write the input files of the examples, each with rows that are accepted and rows that are reported."""
    airflow.write("new_hires.csv", [{"mail": mail, **PERSON} for mail in ("ana@acme.test", TEMPLATE)])
    jobs = [{"E-Mail": mail, "Job title": TEMPLATE, "Remarks": STATEMENT} for mail in (GRACE_MAIL, TEMPLATE)]
    airflow.write("jobs.csv", jobs)
    airflow.write("leavers.csv", [{"user": TEMPLATE}, {"user": "nobody@acme.test"}])
    course = {"external_id": "one", "launch_url": "https://courses.example/one", "language": "en"}
    airflow.write("courses.csv", [{**course, "title": TEMPLATE}, {**course, "external_id": "two", "title": STATEMENT}])
    times = dict.fromkeys(("first_activity", "last_activity"), "2026-08-20T08:00:00Z")
    statistic = {"external_id": "one", "progress": "40", "time_spent_seconds": "60", **times}
    rows = [{**statistic, "mail": GRACE_MAIL}, {**statistic, "mail": TEMPLATE}, {**statistic, "mail": GRACE_MAIL}]
    rows[2]["external_id"] = STATEMENT
    airflow.write("statistics-2026-08.csv", rows)
    airflow.write("people.csv", [{"personnel_number": key, "mail": mail, **PERSON} for mail, key in KEYS.items()])


#: The examples and their days; those that export run last, with the users and groups that the others have created.
RUNS = {
    "first_user": "2026-09-01",
    "bulk_create_users": "2026-09-01",
    "onboarding_new_hires": "2026-09-01",
    "bulk_update_users": "2026-09-01",
    "offboarding": "2026-09-01",
    "scheduled_statistics_import": "2026-09-01",
    "sync_people": "2026-09-01",
    "course_statistics_export": "2026-09-01",
    "two_companies": "2026-09-01",
    "any_operation": "2026-09-01",
}


@pytest.mark.parametrize("dag_id", RUNS)
def test_no_example_renders_rows(airflow, dag_id):
    hostile_files(airflow)
    run = airflow.run(dag_id, RUNS[dag_id])
    print(run.log)
    assert "360Learning API usage" in run.log, "its tasks ran"
    assert airflow.leaks(run.log) == []


def test_tasks_that_follow_do_not_render_the_rows_that_were_accepted(airflow):
    airflow.write("new_hires.csv", [{"mail": "bo@acme.test", **PERSON}])
    run = airflow.run("onboarding_new_hires", "2026-09-02")
    print(run.log)
    assert run.state == "success"
    assert airflow.leaks(run.log) == []


def test_the_rows_of_the_examples_have_arrived(airflow):
    assert {path.stem for path in EXAMPLES.glob("*.py")} == RUNS.keys()
    state = airflow.sandbox.control.state()
    users = airflow.users()
    assert users["ana@acme.test"]["first_name"] == TEMPLATE
    assert {mail: users[mail]["custom"] for mail in KEYS} == {mail: f"hr:{key}" for mail, key in KEYS.items()}
    assert users[GRACE_MAIL]["job"] == TEMPLATE
    assert TEMPLATE in {group["name"] for group in state["groups"]}
    assert {TEMPLATE, STATEMENT} <= {course["title"] for course in state["external_courses"]}


# Each way in which rows reach a task


@pytest.fixture(scope="module")
def finished(airflow):
    """Run the DAGs of this folder."""
    dag_ids = ("mapped_rows", "bulk_rows", "native_rows", "template_files")
    return {dag_id: airflow.run(dag_id, "2026-09-01") for dag_id in dag_ids}


def test_nothing_that_comes_from_another_task_is_rendered(airflow, finished):
    logs = "".join(run.log for run in finished.values())
    print(logs)
    states = {task: state for run in finished.values() for task, state in run.tasks.items()}
    assert {task for task, state in states.items() if state != "success"} == {"invalid", "sensor"}
    assert airflow.leaks(logs) == []


@pytest.mark.parametrize(
    "name",
    [
        "kwargs",
        "changed_by_map",
        "other_one",
        "replaced",
        "without_dag",
        "crossed",
        "of_a_row",
        "grouped",
        "argument",
        "text",
        "mapped_rows",
        "mapped",
        "mapped_kwargs",
        "native",
        "native_kwargs",
    ],
)
def test_a_row_of_another_task_is_sent_as_it_is(airflow, finished, name):
    assert airflow.users()[f"{name}@acme.test"]["first_name"] == TEMPLATE


@pytest.mark.parametrize(
    ("name", "argument"),
    [
        ("literal_one", "first_name"),  # a list of the DAG file in expand_kwargs
        ("crossed", "last_name"),  # a list of the DAG file in expand, beside one of another task
        ("crossed", "organization"),  # partial, with expand
        ("replaced", "organization"),  # partial, with expand_kwargs
        ("of_a_row", "organization"),
        ("grouped", "last_name"),
        ("literal", "first_name"),  # rows in the DAG file
        ("text", "organization"),  # defaults
    ],
)
def test_what_the_dag_file_contains_is_rendered(airflow, finished, name, argument):
    assert airflow.users()[f"{name}@acme.test"][argument] == RENDERED


def test_an_argument_that_combines_a_row_with_the_dag_file_is_not_rendered(airflow, finished):
    assert airflow.users()["of_a_row@acme.test"]["last_name"] == "DAG {{ 40 + 2 }}" + TEMPLATE


def test_a_row_does_not_name_a_template_file(airflow, finished):
    assert airflow.users()["file@acme.test"]["first_name"] == "people.sql"


@pytest.mark.parametrize(
    ("dag_id", "text"),
    [
        ("bulk_rows", "NOTIFIED create_user: 1 of 2 rows accepted"),  # a report
        ("mapped_rows", "NOTIFIED InvalidRequestError: mail is "),  # an exception
    ],
)
def test_a_notifier_that_is_called_twice_does_not_render_the_rows_that_it_has_shown(airflow, finished, dag_id, text):
    log = finished[dag_id].log
    assert log.count(text) == 2
    assert "{ { 98765432123456789 * 3 }}" in log
    assert airflow.leaks(log) == []


def test_the_page_of_rendered_templates_shows_no_rows(airflow, finished):
    shown = airflow.rendered_fields("bulk_rows")
    bulk_tasks = {"argument", "mapped_rows", "text", "literal", "mapped", "mapped_kwargs"}
    assert {task for task, fields in shown.items() if "rows" in fields} == bulk_tasks
    assert PASSWORD not in json.dumps(shown)
    assert {shown[task]["rows"] for task in bulk_tasks} == {"(not shown: it may contain passwords)"}
    assert shown["text"]["defaults"] == "(not shown: it may contain passwords)"
