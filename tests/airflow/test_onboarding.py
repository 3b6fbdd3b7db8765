"""The onboarding example on Airflow 2.11: each run ends as documented, and the second one creates nothing."""

from __future__ import annotations

import shutil
import subprocess
import time

import pytest

from airflow_provider_360learning.sandbox.server import Sandbox
from demo.airflow_stack import AirflowStack
from demo.run import DAG_ID, GRACE, NEW_ACCOUNTS, ROOT, Run, problems_of

pytestmark = [
    pytest.mark.slow,
    pytest.mark.airflow("<3", reason="on Airflow 3, `make demo` runs it with a real scheduler and compares the same"),
]


@pytest.fixture
def airflow(migrated_db, tmp_path):
    """Provide an Airflow without running components: `airflow dags test` runs a DAG in one process."""
    shutil.copy(migrated_db, tmp_path / "airflow.db")
    with Sandbox(settings={"learner_seconds": 3}) as sandbox:
        env = {
            "AIRFLOW_CONN_LEARNING360_DEFAULT": sandbox.connection_json(),
            "AIRFLOW__LEARNING360__RATE_LIMITER_DIR": str(tmp_path / "rate-limiter"),
            "ONBOARDING_POKE_SECONDS": "1",
        }
        with AirflowStack(tmp_path, ROOT / "dags_examples", env, components=[]) as stack:
            stack.sandbox = sandbox
            yield stack


def run_once(airflow, logical_date):
    airflow.sandbox.control.clear_journal()
    started = time.monotonic()
    command = [str(airflow.bin_dir / "airflow"), "dags", "test", DAG_ID, logical_date]
    finished = subprocess.run(command, env=airflow.env, capture_output=True, text=True, timeout=240, check=False)
    rows = airflow.query("SELECT run_id, state FROM dag_run WHERE dag_id = ? ORDER BY id DESC LIMIT 1", DAG_ID)
    assert rows, finished.stdout + finished.stderr
    run_id = rows[0]["run_id"]
    tasks = airflow.task_instances(DAG_ID, run_id)
    journal = airflow.sandbox.control.journal()
    print(finished.stdout, finished.stderr)  # shown if the test fails
    return Run(
        state=rows[0]["state"],
        summary=airflow.xcom(DAG_ID, run_id, "summary") or {},
        failed={task["task_id"] for task in tasks if task["state"] != "success"},
        journal=journal,
        sandbox_state=airflow.sandbox.control.state(),
        # In one process, 2.11 does not log a deferral; the poke of the trigger follows that of the task.
        was_deferred=sum(entry["operation"] == "getUsersPathSessionStats" for entry in journal) > 1,
        seconds=time.monotonic() - started,
    )


def test_the_example_onboards_all_users_once_and_fails_for_the_refused_row_only(airflow):
    first = run_once(airflow, "2026-01-02")
    assert "\n".join(problems_of(first, NEW_ACCOUNTS, {GRACE}, "created")) == ""
    second = run_once(airflow, "2026-01-03")
    assert "\n".join(problems_of(second, set(), NEW_ACCOUNTS | {GRACE}, "already_exists")) == ""
