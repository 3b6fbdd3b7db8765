"""
Call an operation of the API by its name, for which this package has no operator of its own.

The operation has the same name in both API versions. `airflow learning360 operations` lists all of them.
"""

from __future__ import annotations

import os
from pathlib import Path

from airflow.providers.common.compat.sdk import dag

from airflow_provider_360learning.operators.operation import Learning360Operator

HOME = Path(os.environ.get("AIRFLOW_HOME", Path.home() / "airflow"))
RESPONSES = os.environ.get("RESPONSES", str(HOME / "responses"))


# [START any_operation]
@dag(schedule=None)
def any_operation():
    Learning360Operator(
        task_id="list_groups",
        operation="getGroups",
        paginate=True,
        output_path=f"{RESPONSES}/groups.jsonl",
    )


any_operation()
# [END any_operation]
