"""
The names of mapped tasks: by default the arguments in which they differ, at most 250 characters, never a secret.

tests/airflow/test_operators_in_airflow.py runs mapped tasks and reads their names from Airflow's database.
"""

from __future__ import annotations

import time
from datetime import datetime
from types import SimpleNamespace

import pytest

try:
    from airflow.sdk import DAG, task_group
except ImportError:  # Airflow 2
    from airflow import DAG
    from airflow.decorators import task_group

from airflow_provider_360learning.api.v1 import ApiV1
from airflow_provider_360learning.operators.bulk import Learning360BulkOperator
from airflow_provider_360learning.operators.exports import Learning360ExportUsersOperator
from airflow_provider_360learning.operators.groups import Learning360AddUserToGroupOperator
from airflow_provider_360learning.operators.paths import Learning360EnrollUsersOperator
from airflow_provider_360learning.operators.users import Learning360CreateUserOperator
from airflow_provider_360learning.sensors.paths import Learning360PathSessionCompletionSensor
from tests.operators.test_arguments import ONE_ACTION, OPERATORS, SENSORS, own_arguments

ANA, BEN, CAT = "ana.roy@acme.test", "ben@acme.test", "cat@acme.test"
GROUP, SESSION = "b" * 24, "e" * 24
TEMPLATE = "{{ task.mapped_name(ti.map_index) }}"


def make_dag(**arguments):
    return DAG("names", schedule=None, start_date=datetime(2026, 1, 1), **arguments)


def names(operator, partial, rows, **dag_arguments):
    """Return the names that a mapped operator's template renders for these rows, as Airflow renders it."""
    with make_dag(**dag_arguments) as dag:
        operator.partial(task_id="one", **partial).expand_kwargs(rows)
    mapped = dag.get_task("one")
    template = dag.get_template_env().from_string(mapped.map_index_template)
    return [
        template.render(task=mapped.unmap(row), ti=SimpleNamespace(map_index=index)) for index, row in enumerate(rows)
    ]


@pytest.mark.parametrize(
    ("operator", "partial", "rows", "expected"),
    [
        (Learning360CreateUserOperator, {}, [{"mail": ANA}, {"mail": BEN}], [ANA, BEN]),
        (Learning360AddUserToGroupOperator, {"group_id": GROUP}, [{"user": ANA}, {"user": BEN}], [ANA, BEN]),
        (Learning360AddUserToGroupOperator, {"user": ANA}, [{"group_id": GROUP}], [GROUP]),
        (Learning360AddUserToGroupOperator, {}, [{"group_id": GROUP, "user": ANA}], [f"{ANA}, {GROUP}"]),
        (Learning360AddUserToGroupOperator, {}, [{"group": "Acme/Sales", "user": ANA}], [f"{ANA}, Acme/Sales"]),
        (Learning360EnrollUsersOperator, {"session_id": SESSION}, [{"users": [ANA, BEN]}], [f"{ANA} and {BEN}"]),
        (
            Learning360PathSessionCompletionSensor,
            {},
            [{"session_id": SESSION, "users": [ANA, BEN, CAT] * 100}],
            [f"{SESSION}, {ANA}, {BEN}, {CAT}, {ANA} and 296 more"],
        ),
        (
            Learning360PathSessionCompletionSensor,
            {},
            [{"session": "New hires"}, {"session": "Leavers"}],
            ["New hires", "Leavers"],
        ),
        (Learning360ExportUsersOperator, {}, [{"output_path": "/data/users.csv"}], ["/data/users.csv"]),
        (
            Learning360BulkOperator,
            {"action": "create_user", "results_path": "/results"},
            [
                {"rows": "s3://hr/berlin.csv"},
                {"rows": "s3://key:secret@hr/paris.csv"},
                {"rows": "https://hr.test/rome.csv?sig=secret"},
                {"rows": "/data/where?.csv"},
            ],
            ["s3://hr/berlin.csv", "s3://***@hr/paris.csv", "https://hr.test/rome.csv", "/data/where?.csv"],
        ),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_name_consists_of_the_arguments_that_differ(operator, partial, rows, expected):
    assert names(operator, partial, rows) == expected


@pytest.mark.parametrize(
    ("operator", "partial", "rows", "expected"),
    [
        # The main argument is the same for all
        (Learning360CreateUserOperator, {"mail": ANA}, [{"job": "Clerk"}, {"job": "Cook"}], [f"{ANA} 0", f"{ANA} 1"]),
        # Rows are not names, and may contain secrets, also as the text that a template makes of them
        (
            Learning360BulkOperator,
            {"action": "create_user", "results_path": "/results"},
            [
                {"rows": [{"mail": ANA, "password": "secret"}]},
                {"rows": "[{'mail': 'ben@acme.test', 'password': 'secret'}]"},
                {"rows": "[{'mail': 'ben@acme.test', 'password': 'sec"},
                {"rows": "[{mail: ben@acme.test, password: secret}]"},
                {"rows": "mail,password\nben@acme.test,secret"},
                {"rows": ["ben@acme.test,secret"]},
            ],
            [f"create_user {index}" for index in range(6)],
        ),
        # Characters that are not visible
        (Learning360CreateUserOperator, {}, [{"mail": "\u200b"}, {"mail": "\ud800"}], ["0", "1"]),
        # An argument that a template has made empty
        (Learning360CreateUserOperator, {}, [{"mail": ""}, {"mail": None}], ["0", "1"]),
    ],
)
def test_a_name_ends_with_the_index_where_no_argument_differs(operator, partial, rows, expected):
    assert names(operator, partial, rows) == expected


@pytest.mark.parametrize("native", [False, True])
@pytest.mark.parametrize(
    "name", ["2026", "None", "[Sales]", "(Sales)", "'quoted'", '"', "{{ 6 * 7 }}", "a\\nb", "Économie"]
)
def test_a_name_is_text_whatever_it_looks_like(name, native):
    """A native template would make a number of 2026, which Airflow refuses after the task has done its work."""
    rows = [{"mail": name}]
    assert names(Learning360CreateUserOperator, {}, rows, render_template_as_native_obj=native) == [name]


def test_a_name_fits_airflows_database_and_its_line():
    (name,) = names(Learning360CreateUserOperator, {}, [{"mail": "a\n\x1b" * 1000}])
    assert len(name) == 250
    assert name.isprintable()
    (name,) = names(Learning360CreateUserOperator, {"mail": "x" * 1000}, [{"job": "Clerk"}])
    assert len(name) == 250
    assert name.endswith("… 0")


@pytest.mark.parametrize("mail", ["//" + ":" * 1_000_000, "a://" * 300_000, "['" + "'" * 1_000_000], ids=len)
def test_a_long_argument_is_named_in_no_time(mail):
    """A row of another task may have any size."""
    before = time.process_time()
    (name,) = names(Learning360CreateUserOperator, {}, [{"mail": mail}])
    assert name == f"{mail[:249]}…"
    assert time.process_time() - before < 5


@pytest.mark.parametrize("kind", OPERATORS + SENSORS, ids=lambda kind: kind.__name__)
def test_every_operator_and_sensor_has_names_of_its_arguments(kind):
    assert kind.name_arguments
    assert set(kind.name_arguments) <= own_arguments(kind).keys()


@pytest.mark.parametrize("operator", ONE_ACTION, ids=lambda operator: operator.__name__)
def test_no_secret_is_part_of_a_name(operator):
    assert not set(operator.name_arguments) & getattr(ApiV1, operator.action).model.secret_fields


# The template


def templates_of(**arguments):
    """Return the templates of a mapped task, of a task in a mapped group, and of a plain task."""
    dag_arguments = arguments.pop("dag", {})

    @task_group
    def person(mail):
        Learning360CreateUserOperator(task_id="grouped", mail=mail, **arguments)

    with make_dag(**dag_arguments) as dag:
        Learning360CreateUserOperator.partial(task_id="mapped", **arguments).expand(mail=[ANA])
        person.expand(mail=[ANA])
        Learning360CreateUserOperator(task_id="plain", mail=ANA, **arguments)
    return [dag.get_task(name).map_index_template for name in ("mapped", "person.grouped", "plain")]


def test_mapped_tasks_and_those_of_mapped_groups_have_a_template():
    assert templates_of() == [TEMPLATE, TEMPLATE, None]


@pytest.mark.parametrize("template", ["{{ task.mail }}", None])
def test_an_explicit_template_wins(template):
    assert templates_of(map_index_template=template) == [template] * 3


def test_a_template_of_default_args_wins():
    assert templates_of(default_args={"map_index_template": "{{ 1 }}"}) == ["{{ 1 }}"] * 3
    assert templates_of(dag={"default_args": {"map_index_template": "{{ 1 }}"}}) == ["{{ 1 }}"] * 3
