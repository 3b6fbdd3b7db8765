"""Rows that contain templates, in each way in which rows reach a task."""

from __future__ import annotations

import json
import os
from datetime import datetime

from airflow.providers.common.compat.sdk import DAG, BaseNotifier, task, task_group

from airflow_provider_360learning.operators.bulk import Learning360BulkOperator
from airflow_provider_360learning.operators.groups import Learning360CreateGroupOperator
from airflow_provider_360learning.operators.users import Learning360CreateUserOperator
from airflow_provider_360learning.sensors.paths import Learning360PathSessionCompletionSensor

TEMPLATE = os.environ["HOSTILE_TEMPLATE"]
FOLDER = os.environ["HOSTILE_RESULTS"]
#: A password under a name that Airflow does not mask.
PASSWORD = os.environ["HOSTILE_PASSWORD"]
DAG_FILE = "DAG {{ 40 + 2 }}"

create = Learning360CreateUserOperator.partial


class OfRow(Learning360CreateUserOperator):
    """An operator whose ``__init__`` makes its arguments of a row, and combines one with that of ``partial``."""

    def __init__(self, row, last_name="", mail=None, **kwargs):
        super().__init__(**{**row, "last_name": last_name + row["first_name"]}, **kwargs)


class Notifier(BaseNotifier):
    """Prints a text that Airflow renders."""

    template_fields = ("text",)

    def __init__(self):
        super().__init__()
        self.text = "NOTIFIED {{ run_report | default(exception) }}"

    def notify(self, context):
        """Print it."""
        print(self.text)


#: One for several tasks, so that it renders what it has rendered before.
NOTIFIER = Notifier()


def other(row):
    """Return a row with another column, as ``XComArg.map`` does it."""
    return {**row, "organization": row["first_name"]}


def without_dag(row):
    """Return a row that names arguments of the task itself."""
    return {**row, "dag": None, "task_group": None, "map_index_template": TEMPLATE}


def in_a_list(row):
    """Return the arguments of a bulk task."""
    return {"rows": [row]}


def user(name):
    """Return a row."""
    texts = dict.fromkeys(("first_name", "job", "custom"), TEMPLATE)
    return {"mail": f"{name}@acme.test", "mode": "create_active", "labels": [TEMPLATE], **texts}


def dag(dag_id, **arguments):
    """Return a DAG that is triggered by the test."""
    return DAG(dag_id, schedule=None, start_date=datetime(2026, 1, 1), **arguments)


@task
def rows(*names):
    """Return rows, as a task that reads a file does."""
    return [user(name) for name in names]


@task
def row(name):
    """Return one row."""
    return user(name)


@task
def texts():
    """Return texts of a file."""
    return [TEMPLATE]


@task
def named_texts():
    """Return an object of texts, each of which is mapped with its name."""
    return {TEMPLATE: TEMPLATE, "other": TEMPLATE}


with dag("mapped_rows"):
    create(task_id="kwargs").expand_kwargs(rows("kwargs"))
    create(task_id="changed_by_map").expand_kwargs(rows("changed_by_map").map(other))
    create(task_id="without_dag").expand_kwargs(rows("without_dag").map(without_dag), strict=False)
    create(task_id="one_of_them_literal").expand_kwargs(
        [{"mail": "literal_one@acme.test", "mode": "create_active", "first_name": DAG_FILE}, row("other_one")]
    )
    create(task_id="replaced", first_name=DAG_FILE, organization=DAG_FILE).expand_kwargs(rows("replaced"), strict=False)
    create(task_id="crossed", mail="crossed@acme.test", mode="create_active", organization=DAG_FILE).expand(
        first_name=texts(), last_name=[DAG_FILE]
    )
    OfRow.partial(task_id="of_a_row", last_name=DAG_FILE, organization=DAG_FILE).expand(row=rows("of_a_row"))
    Learning360CreateGroupOperator.partial(task_id="named").expand(name=texts())
    # A tuple of name and value, which is invalid and quoted.
    create(task_id="invalid", mode="create_active", on_failure_callback=NOTIFIER).expand(mail=named_texts())
    Learning360PathSessionCompletionSensor.partial(
        task_id="sensor", session_id="a" * 24, if_not_enrolled="{{ 'ignore' }}", poke_interval=1, timeout=2
    ).expand(users=texts().map(lambda text: [text]))

    @task_group
    def person(mail, mode, first_name, job, custom, labels):
        """Create a user in a mapped group."""
        Learning360CreateUserOperator(
            task_id="create", mail=mail, mode=mode, first_name=first_name, last_name=DAG_FILE, job=job, labels=[custom]
        )

    person.expand_kwargs(rows("grouped"))

with dag("bulk_rows"):
    bulk = {"action": "create_user", "column_mapping": {"Kennwort": "password"}}

    @task
    def people(name):
        """Return one valid row and one that is reported."""
        return [{**user(name), "Kennwort": PASSWORD}, {**user(name), "mail": TEMPLATE, "Kennwort": PASSWORD}]

    def create_all(name, **arguments):
        """Create users in one task."""
        arguments = {"results_path": f"{FOLDER}/{name}-{{{{ 40 + 2 }}}}", "on_invalid": "skip", **arguments}
        return Learning360BulkOperator(task_id=name, **bulk, **arguments)

    create_all("argument", rows=people("argument"), on_success_callback=NOTIFIER)
    create_all("mapped_rows", rows=people.expand(name=["mapped_rows"]).map(lambda found: found[0]))
    people.override(task_id="read")("text") >> create_all(
        "text",
        rows="{{ ti.xcom_pull(task_ids='read') | tojson }}",
        defaults=json.dumps({"organization": DAG_FILE}),
        on_success_callback=NOTIFIER,
    )
    create_all(
        "literal",
        rows=[{"mail": "literal@acme.test", "mode": "create_active", "first_name": DAG_FILE, "Kennwort": PASSWORD}],
    )
    mapped = Learning360BulkOperator.partial(
        results_path=f"{FOLDER}/{{{{ ti.task_id }}}}", on_invalid="skip", **{**bulk, "task_id": "mapped"}
    )
    mapped.expand(rows=people.expand(name=["mapped"]))
    Learning360BulkOperator.partial(
        task_id="mapped_kwargs", action="create_user", results_path=f"{FOLDER}/{{{{ ti.task_id }}}}"
    ).expand_kwargs(rows("mapped_kwargs").map(in_a_list))

with dag("native_rows", render_template_as_native_obj=True):
    read = rows("native")
    read >> Learning360BulkOperator(
        task_id="native",
        action="create_user",
        rows=f"{{{{ ti.xcom_pull(task_ids='{read.operator.task_id}') }}}}",
        results_path=f"{FOLDER}/native",
    )
    create(task_id="native_kwargs").expand_kwargs(rows("native_kwargs"))

# A path in a row is not the name of a template file, of which this folder has one.
with dag("template_files", template_searchpath=FOLDER):

    @task
    def paths():
        """Return rows with the name of a file that Airflow would render."""
        return [{"mail": "file@acme.test", "mode": "create_active", "first_name": "people.sql"}]

    Learning360BulkOperator(task_id="bulk", action="create_user", rows=paths(), results_path=f"{FOLDER}/files")
    Learning360BulkOperator.partial(
        task_id="mapped", action="create_user", results_path=f"{FOLDER}/mapped_files", defaults={"if_exists": "update"}
    ).expand(rows=[paths.override(task_id="again")()])
