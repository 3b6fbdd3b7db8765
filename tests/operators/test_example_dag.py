"""The example DAGs as Airflow parses them: without a network; and the shape of the onboarding."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "dags_examples"

#: Parses a folder in a process that may not connect anywhere, and prints what it found.
CODE = """
import json, sys

try:
    from airflow.dag_processing.dagbag import DagBag
except ImportError:
    from airflow.models.dagbag import DagBag

def refuse(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo"):
        raise PermissionError("the network was asked for")

sys.addaudithook(refuse)
bag = DagBag(sys.argv[1])
dags = {
    dag.dag_id: {
        "max_active_runs": dag.max_active_runs,
        "tasks": {task.task_id: sorted(task.downstream_task_ids) for task in dag.tasks},
        "pools": {task.task_id: task.pool for task in dag.tasks},
    }
    for dag in bag.dags.values()
}
print("\\n" + json.dumps({"errors": bag.import_errors, "dags": dags}))
"""


def parse(folder):
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", CODE, str(folder)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def parsed():
    return parse(EXAMPLES)


@pytest.fixture(scope="module")
def dag(parsed):
    return parsed["dags"]["onboarding_new_hires"]


def test_every_example_is_parsed_without_errors_and_without_a_network(parsed):
    assert parsed["errors"] == {}
    assert len(parsed["dags"]) == len(list(EXAMPLES.glob("*.py")))


def test_a_dag_that_asks_the_network_would_be_found_out(tmp_path):
    (tmp_path / "asks.py").write_text(
        "import socket\nfrom airflow import DAG\nsocket.create_connection(('127.0.0.1', 9))\n"
    )
    (error,) = parse(tmp_path)["errors"].values()
    assert "the network was asked for" in error


def test_two_runs_never_overlap(dag):
    assert dag["max_active_runs"] == 1


def test_the_work_is_divided_as_the_documentation_says(dag):
    assert set(dag["tasks"]) == {
        "read_new_hires",
        "departments",
        "department_groups",
        "accounts_to_create",
        "create_accounts",
        "existing_users",
        "existing_users_join_their_group",
        "invited_people",
        "waiting_for_acceptance",
        "find_path",
        "onboarding_session",
        "users_to_enrol",
        "enrol",
        "wait_for_completion",
        "summary",
        "refused_rows",
    }


def test_refused_rows_is_the_one_leaf_so_that_its_failure_is_the_runs(dag):
    assert [task for task, downstream in dag["tasks"].items() if not downstream] == ["refused_rows"]


def test_whatever_talks_to_360learning_through_an_operator_is_in_the_shared_pool(dag):
    shared = {task for task, pool in dag["pools"].items() if pool == "learning360"}
    assert shared >= {
        "department_groups",
        "create_accounts",
        "existing_users_join_their_group",
        "onboarding_session",
        "enrol",
        "wait_for_completion",
    }
