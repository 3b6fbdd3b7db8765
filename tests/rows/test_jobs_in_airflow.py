"""A deferred wait for a bulk job in a DAG run of the installed Airflow, whose trigger runs as well."""

from __future__ import annotations

from pathlib import Path

import pytest

try:
    from airflow.dag_processing.dagbag import DagBag
except ImportError:  # Airflow 2
    from airflow.models.dagbag import DagBag

from airflow_provider_360learning.sandbox.demo_company import ADMIN_MAIL, GRACE_MAIL, SALES_GROUP_ID
from airflow_provider_360learning.sandbox.server import Sandbox
from demo.airflow_stack import AirflowStack
from tests.newest_execution_api import serve_newest_version_only
from tests.rows.support import outcomes_in
from tests.unlimited_sandbox import CONNECTION

pytestmark = pytest.mark.slow

DAG_FILE = """
from dataclasses import replace
from datetime import datetime

from airflow.providers.common.compat.sdk import DAG
from airflow_provider_360learning.operators.bulk import Learning360BulkOperator


class DefersSoon(Learning360BulkOperator):
    def _config(self, context):
        from airflow_provider_360learning.rows.config import JobTimes

        return replace(super()._config(context), jobs=JobTimes(defer_after=0.5))


with DAG("deferred_job", schedule=None, start_date=datetime(2026, 1, 1)):
    DefersSoon(
        task_id="add",
        action="add_user_to_group",
        rows=ROWS,
        results_path="FOLDER/{{ run_id }}",
        deferrable=True,
    )
"""


def test_a_deferred_task_resumes_with_the_results(airflow_home, airflow_db, tmp_path, monkeypatch):
    rows = [{"user": user, "group_id": SALES_GROUP_ID, "role": "coach"} for user in (GRACE_MAIL, ADMIN_MAIL)]
    file = Path(airflow_home / "dags" / "deferred_job.py")
    with Sandbox(settings={"limits_enabled": False, "bulk_job_seconds": 4}) as sandbox:
        monkeypatch.setenv(CONNECTION, sandbox.connection_json(api_version="v2"))
        file.write_text(DAG_FILE.replace("FOLDER", str(tmp_path)).replace("ROWS", repr(rows)))
        try:
            serve_newest_version_only()
            bag = DagBag(str(file))
            assert bag.import_errors == {}
            run = bag.dags["deferred_job"].test()
        finally:
            file.unlink()
        operations = [entry["operation"] for entry in sandbox.control.journal()]
    assert outcomes_in(tmp_path / run.run_id) == ["added", "added"]
    assert operations.count("addUsersToGroups") == 1
    assert operations.count("generateToken") == 3, "the task, the trigger and the task that resumes"
    (task,) = AirflowStack(airflow_home, airflow_home / "dags", components=[]).task_instances(
        "deferred_job", run.run_id
    )
    assert (task["state"], task["try_number"]) == ("success", 1)
