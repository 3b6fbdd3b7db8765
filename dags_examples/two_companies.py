"""
List the users of two companies side by side, each with its own connection.

Each connection has its own company id and API key, and therefore its own rate limits.
"""

from __future__ import annotations

import os
from pathlib import Path

from airflow.providers.common.compat.sdk import dag

from airflow_provider_360learning.operators.exports import Learning360ExportUsersOperator

HOME = Path(os.environ.get("AIRFLOW_HOME", Path.home() / "airflow"))
EXPORTS = os.environ.get("USER_EXPORTS", str(HOME / "exports"))


# [START two_companies]
@dag(schedule=None)
def two_companies():
    for company in ("acme", "globex"):
        Learning360ExportUsersOperator(
            task_id=f"export_users_of_{company}",
            learning360_conn_id=f"learning360_{company}",
            output_path=f"{EXPORTS}/{company}/users.jsonl",
        )


two_companies()
# [END two_companies]
