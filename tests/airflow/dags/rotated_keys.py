"""A test DAG: many rows, an export and two waits, through a connection whose API key is rotated while they run."""

from __future__ import annotations

from datetime import datetime

from airflow.providers.common.compat.sdk import DAG

from airflow_provider_360learning.operators.bulk import Learning360BulkOperator
from airflow_provider_360learning.operators.exports import Learning360ExportCourseStatisticsOperator
from airflow_provider_360learning.sensors.paths import Learning360PathSessionCompletionSensor

with DAG(
    "rotated_keys",
    schedule=None,
    start_date=datetime(2026, 1, 1),
    catchup=False,
    default_args={"learning360_conn_id": "rotated"},
):
    # The waits start first, also where one task runs at a time.
    # Airflow may fail a task that is due again before its executor has reported the last poke.
    for task_id, deferrable, poke_interval in (("wait_deferred", True, 1), ("wait_rescheduled", False, 5)):
        Learning360PathSessionCompletionSensor(
            task_id=task_id,
            session_id="{{ dag_run.conf['session_id'] }}",
            deferrable=deferrable,
            poke_interval=poke_interval,
            timeout=300,
            priority_weight=10,
        )
    Learning360BulkOperator(
        task_id="bulk",
        action="create_user",
        rows=[{"mail": f"person{number}@acme.test", "mode": "create_active"} for number in range(500)],
        results_path="{{ dag_run.conf['folder'] }}/bulk",
    )
    Learning360ExportCourseStatisticsOperator(
        task_id="export",
        output_path="{{ dag_run.conf['folder'] }}/attempts.jsonl",
        interval_start="2026-01-01T00:00:00Z",
        interval_end="2026-02-01T00:00:00Z",
    )
