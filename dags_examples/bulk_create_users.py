"""
Create a user for each row of a CSV file in one task, and give those who have an account a role in a group in the next.

The file has one invalid row, which is left out (``on_invalid="skip"``) and written to the folder of rejected rows. The
DAG runs without changes against the sandbox (``airflow learning360 sandbox``).
"""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

from airflow.providers.common.compat.sdk import dag

from airflow_provider_360learning.operators.bulk import Learning360BulkOperator

PEOPLE = os.environ.get("ONBOARDING_FILE", str(Path(__file__).with_name("new_hires.csv")))
HOME = Path(os.environ.get("AIRFLOW_HOME", Path.home() / "airflow"))
RESULTS = os.environ.get("BULK_RESULTS", str(HOME / "bulk"))
#: Name of the group that the users join. The default exists in the sandbox.
GROUP = os.environ.get("BULK_GROUP", "Sales")


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
        results_path=f"{RESULTS}/{{{{ run_id }}}}/users",
    )
    # [END bulk]
    # [START users_from]
    Learning360BulkOperator(
        task_id="join_group",
        action="add_user_to_group",
        users_from=created.output,
        defaults={"group": GROUP, "role": "learner"},
        results_path=f"{RESULTS}/{{{{ run_id }}}}/members",
    )
    # [END users_from]


bulk_create_users()
