"""Syncs in DAG runs of the installed Airflow: the events of their assets."""

from __future__ import annotations

import textwrap

import pytest

from airflow_provider_360learning.sandbox.demo_company import ROOT_GROUP_ID
from demo.airflow_stack import AirflowStack
from tests.asset_events import events_of
from tests.dag_code import run_dag_code
from tests.sync.sync_runs import row

pytestmark = pytest.mark.slow

DAG_FILE = """
from datetime import datetime

from airflow.providers.common.compat.sdk import DAG, Asset
from airflow_provider_360learning.operators.sync import Learning360SyncUsersOperator

with DAG({dag_id!r}, schedule=None, start_date=datetime(2026, 1, 1)) as dag:
    Learning360SyncUsersOperator(
        task_id="sync",
        mode="plan_and_apply",
        rows={rows!r},
        key_namespace="hr:",
        default_group={group!r},
        joiner_mode="create_active",
        max_joiners={max_joiners!r},
        plan_path={plans!r},
        state_path={state!r},
        outlets=[Asset("x-test://{dag_id}")],
    )
"""


@pytest.fixture
def run(syncs, version, airflow_home, airflow_db, tmp_path):
    """Return a function that runs a DAG with one sync, and returns the state, the result and the events so far."""
    database = AirflowStack(airflow_home, airflow_home / "dags", components=[])

    def run(dag_id, rows, max_joiners=None):
        dag_id = f"{dag_id}_{version}"
        places = {"plans": str(tmp_path / "plans"), "state": str(tmp_path / "state"), "group": ROOT_GROUP_ID}
        code = DAG_FILE.format(dag_id=dag_id, rows=rows, max_joiners=max_joiners, **places)
        run_id = run_dag_code(airflow_home, dag_id, textwrap.dedent(code))
        [task] = database.task_instances(dag_id, run_id)
        return task["state"], database.xcom(dag_id, run_id, "sync"), events_of(airflow_db, f"x-test://{dag_id}")

    return run


def test_the_event_of_an_asset_has_the_counts(run):
    state, result, events = run("sync_with_outlet", [row("ana"), row("bo")])
    assert (state, result["counts"], result["outcomes"]) == ("success", {"create": 2}, {"created": 2})
    assert [{**extra, **result} for extra in events] == events
    assert len(events) == 1


def test_a_refused_plan_has_a_result_and_no_event(run):
    state, result, events = run("refused_sync_with_outlet", [row("ana"), row("bo")], max_joiners=1)
    assert (state, result["guards"]["max_joiners"]) == ("failed", {"limit": 1, "actual": 2, "passed": False})
    assert events == []
