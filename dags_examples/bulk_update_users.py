"""
Update users from the export of an HR system in one task, whose columns have other names than the arguments.

The DAG runs without changes against the sandbox (``airflow learning360 sandbox``). Scene 3 of ``make demo`` runs it
with 100 users.
"""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

from airflow.providers.common.compat.sdk import dag

from airflow_provider_360learning.operators.bulk import Learning360BulkOperator

JOBS = os.environ.get("BULK_JOBS", str(Path(__file__).with_name("jobs.csv")))
HOME = Path(os.environ.get("AIRFLOW_HOME", Path.home() / "airflow"))
RESULTS = os.environ.get("BULK_RESULTS", str(HOME / "bulk"))


@dag(schedule=None, default_args={"retries": 3, "retry_delay": timedelta(minutes=1)}, doc_md=__doc__)
def bulk_update_users() -> None:
    """Define the task."""
    # [START bulk_update]
    Learning360BulkOperator(
        task_id="update_users",
        learning360_conn_id="learning360_default",
        action="update_user",
        # A list, a file (CSV, JSON Lines, Parquet; local or in an object store), or a query: sql=…, sql_conn_id=…
        rows=JOBS,
        # Column names of the file to arguments; None ignores a column.
        column_mapping={"E-Mail": "user", "Job title": "job", "Remarks": None},
        # Arguments for rows that do not have them
        defaults={"organization": "Acme"},
        # One folder for the results of each run, and one that remembers, for all runs, what was accepted.
        results_path=f"{RESULTS}/{{{{ run_id }}}}",
        state_path=f"{RESULTS}/state",
        # Send the valid rows; succeed if at most 2 % of all rows are refused.
        on_invalid="skip",
        max_failure_ratio=0.02,
    )
    # [END bulk_update]


bulk_update_users()
