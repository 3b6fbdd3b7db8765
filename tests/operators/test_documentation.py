"""The documentation of tasks in the UI: what the operator does, and where its arguments are described."""

from __future__ import annotations

import tomllib
from datetime import datetime
from pathlib import Path

import pytest

try:
    from airflow.sdk import DAG
except ImportError:  # Airflow 2
    from airflow import DAG

from airflow_provider_360learning.get_provider_info import DOCUMENTATION_URL
from airflow_provider_360learning.operators.exports import Learning360ExportUsersOperator
from airflow_provider_360learning.operators.groups import Learning360DeleteGroupOperator
from airflow_provider_360learning.operators.users import Learning360CreateUserOperator
from airflow_provider_360learning.readable_tasks import documentation_of
from airflow_provider_360learning.sensors.courses import Learning360CourseCompletionSensor
from tests.operators.support import stored_task
from tests.operators.test_arguments import OPERATORS, SENSORS, required_values

ROOT = Path(__file__).resolve().parents[2]


def make_dag(**arguments):
    return DAG("documented", schedule=None, start_date=datetime(2026, 1, 1), **arguments)


@pytest.mark.parametrize("kind", OPERATORS + SENSORS, ids=lambda kind: kind.__name__)
def test_a_task_is_documented_by_its_operator(kind):
    required, more = required_values(kind)
    task = kind(task_id="one", **required, **more)
    text = task.doc_md
    assert text.startswith(kind.__doc__.strip().splitlines()[0].replace("``", "`"))
    assert (ROOT / "docs" / kind.documentation_page).is_file()
    assert f"docs/{kind.documentation_page}" in text.splitlines()[-1]
    for markup in (":param", "seealso", ":class:", "``", "~"):
        assert markup not in text


def test_the_documentation_has_what_a_task_does_beyond_its_first_sentence():
    assert "**and all its subgroups**" in documentation_of(Learning360DeleteGroupOperator)
    assert documentation_of(Learning360ExportUsersOperator) == (
        "Export all users (`getUsers`).\n\nArguments and examples: `docs/exports.md` of airflow-provider-360learning"
    )


def test_the_documentation_is_linked_once_it_has_a_home():
    text = documentation_of(Learning360ExportUsersOperator, "https://docs.example.com")
    assert text.endswith("[exports.md](https://docs.example.com/exports.md)")
    urls = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"].get("urls", {})
    assert urls.get("Documentation", "") == DOCUMENTATION_URL


@pytest.mark.parametrize(
    ("kind", "mapped"),
    [(Learning360CreateUserOperator, {"mail": ["a@acme.test"]}), (Learning360CourseCompletionSensor, {"user": ["a"]})],
)
def test_the_scheduler_stores_the_documentation_of_plain_and_mapped_tasks(kind, mapped):
    required, more = required_values(kind)
    same = {name: value for name, value in required.items() if name not in mapped}
    with make_dag() as dag:
        kind(task_id="plain", **required, **more)
        kind.partial(task_id="mapped", **same).expand(**mapped)
    assert [stored_task(dag, name).doc_md for name in ("plain", "mapped")] == [documentation_of(kind)] * 2


def test_explicit_documentation_wins():
    with make_dag(default_args={"doc_md": "of the DAG"}) as dag:
        Learning360CreateUserOperator(task_id="plain", mail="a@acme.test", doc_md="mine")
        Learning360CreateUserOperator.partial(task_id="mapped", doc_md="mine").expand(mail=["a@acme.test"])
        Learning360CreateUserOperator(task_id="default", mail="a@acme.test")
        Learning360CreateUserOperator.partial(task_id="mapped_default").expand(mail=["a@acme.test"])
    texts = [dag.get_task(name).doc_md for name in ("plain", "mapped", "default", "mapped_default")]
    assert texts == ["mine", "mine", "of the DAG", "of the DAG"]


def test_a_subclass_documents_itself():
    class Invite(Learning360CreateUserOperator):
        """Invite a person, with the defaults of Acme."""

    class Plain(Learning360CreateUserOperator):
        pass

    assert documentation_of(Invite).startswith("Invite a person, with the defaults of Acme.\n")
    assert documentation_of(Plain).startswith("Create or invite a user")


def test_the_documentation_is_made_once_per_operator():
    """Parsing a DAG file costs nothing more: 1,000 tasks look their texts up."""
    assert documentation_of(Learning360CreateUserOperator) is documentation_of(Learning360CreateUserOperator)
