"""
Create a user for each row of a CSV file in one task, and pass those who have an account to the next task.

The file has one invalid row, which is left out (``on_invalid="skip"``) and written to the folder of rejected rows. The
DAG runs without changes against the sandbox (``airflow learning360 sandbox``).
"""

from __future__ import annotations

import json
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow.providers.common.compat.sdk import dag, task

from airflow_provider_360learning.operators.bulk import Learning360BulkOperator

PEOPLE = os.environ.get("ONBOARDING_FILE", str(Path(__file__).with_name("new_hires.csv")))
HOME = Path(os.environ.get("AIRFLOW_HOME", Path.home() / "airflow"))
RESULTS = os.environ.get("BULK_RESULTS", str(HOME / "bulk"))


# [START successful_rows]
@task
def users_with_account(created: dict[str, Any]) -> list[str]:
    """Return the email addresses of the users who have an account now."""
    from airflow.providers.common.compat.sdk import ObjectStoragePath

    results = [json.loads(line) for line in ObjectStoragePath(created["results_path"]).read_bytes().splitlines()]
    return [result["key"] for result in results if result["outcome"] in ("created", "restored", "already_exists")]


# [END successful_rows]


@dag(schedule=None, default_args={"retries": 3, "retry_delay": timedelta(minutes=1)}, doc_md=__doc__)
def bulk_create_users() -> None:
    """Define the tasks and their order."""
    # [START bulk]
    created = Learning360BulkOperator(
        task_id="create_users",
        action="create_user",
        rows=PEOPLE,
        column_mapping={"department": None},
        defaults={"mode": "create_active"},
        on_invalid="skip",
        results_path=f"{RESULTS}/{{{{ run_id }}}}",
    )
    users_with_account(created.output)
    # [END bulk]


bulk_create_users()
