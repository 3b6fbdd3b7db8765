"""
Create one user in the sandbox: the shortest DAG, quoted by README and quickstart.

It cannot reach a real platform by accident: its connection is not the default one, and it sends no email.
"""

from __future__ import annotations

# [START first_user]
from airflow.providers.common.compat.sdk import dag

from airflow_provider_360learning.operators.users import Learning360CreateUserOperator


@dag(schedule=None)
def first_user():
    Learning360CreateUserOperator(
        task_id="create_user",
        learning360_conn_id="learning360_sandbox",
        mail="ana.roy@acme.test",
        first_name="Ana",
        last_name="Roy",
        mode="create_active",
    )


first_user()
# [END first_user]
