"""Invite one user: the shortest DAG, quoted by the README."""

from __future__ import annotations

# [START invite_user]
from airflow.providers.common.compat.sdk import dag

from airflow_provider_360learning.operators.users import Learning360CreateUserOperator


@dag(schedule=None)
def invite_user():
    Learning360CreateUserOperator(task_id="invite", mail="ana.roy@acme.test", first_name="Ana", last_name="Roy")


invite_user()
# [END invite_user]
