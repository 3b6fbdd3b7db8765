"""The shortest DAG: one invitation. The README quotes it."""

from __future__ import annotations

# [START five_lines]
from airflow.providers.common.compat.sdk import dag

from airflow_provider_360learning.operators.users import Learning360CreateUserOperator


@dag(schedule=None)
def invite_somebody():
    Learning360CreateUserOperator(task_id="invite", mail="ana.roy@acme.test", first_name="Ana", last_name="Roy")


invite_somebody()
# [END five_lines]
