"""
Delete the users of people who have left, from a CSV file, behind a guard.

A deletion cannot be undone by another run, so that a wrong file must not get that far. The file is copied first, and
all tasks read the copy. A dry run validates it, and the guard fails the run if the file has more leavers than usual,
names an account that must stay, or names one by its id.

The DAG runs without changes against the sandbox (``airflow learning360 sandbox``).
"""

from __future__ import annotations

import json
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow.providers.common.compat.sdk import AirflowFailException, dag, task

from airflow_provider_360learning.operators.bulk import Learning360BulkOperator

LEAVERS = os.environ.get("OFFBOARDING_FILE", str(Path(__file__).with_name("leavers.csv")))
HOME = Path(os.environ.get("AIRFLOW_HOME", Path.home() / "airflow"))
FOLDER = os.environ.get("OFFBOARDING_RESULTS", str(HOME / "offboarding")) + "/{{ run_id }}"
MAX_LEAVERS = 20
#: Accounts that are never deleted: administrators, and users of integrations.
PROTECTED = {"admin@acme.test"}


@task
def copy_file(source: str, folder: str) -> str:
    """Copy the file, so that guard and deletion see the same rows, and return the path of the copy."""
    from airflow_provider_360learning.files.storage import open_binary, write_atomic

    copy = f"{folder}/leavers.csv"
    with open_binary(source) as file:
        write_atomic(copy, file.read())  # readable by the user of the task only
    return copy


# [START guard]
@task
def guard(plan: dict[str, Any]) -> None:
    """Fail if there are more leavers than usual, or if one of them must stay or is not named by an email address."""
    from airflow.providers.common.compat.sdk import ObjectStoragePath

    lines = ObjectStoragePath(plan["results_path"]).read_bytes().splitlines()
    leavers = {json.loads(line)["key"].lower() for line in lines}
    if len(leavers) > MAX_LEAVERS:
        raise AirflowFailException(f"{len(leavers)} leavers, at most {MAX_LEAVERS} are usual; nothing was deleted")
    if unclear := sorted(leaver for leaver in leavers if "@" not in leaver):
        raise AirflowFailException(f"Give email addresses instead of ids: {', '.join(unclear)}; nothing was deleted")
    if protected := leavers & PROTECTED:
        raise AirflowFailException(f"These accounts must stay: {', '.join(sorted(protected))}; nothing was deleted")


# [END guard]


@dag(schedule=None, max_active_runs=1, default_args={"retries": 3, "retry_delay": timedelta(minutes=1)}, doc_md=__doc__)
def offboarding() -> None:
    """Define the tasks and their order."""
    leavers = copy_file(LEAVERS, FOLDER)
    # [START offboarding]
    # No leavers are not an error: the file of a quiet day is empty.
    deletion = {"action": "delete_user", "rows": leavers, "results_path": FOLDER, "allow_empty": True}
    planned = Learning360BulkOperator(task_id="dry_run", dry_run=True, **deletion)
    deleted = Learning360BulkOperator(task_id="delete_users", **deletion)
    guard(planned.output) >> deleted
    # [END offboarding]


offboarding()
