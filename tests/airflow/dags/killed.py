"""A test DAG: three writes whose processes are killed before the response, and retried."""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow.providers.common.compat.sdk import dag

from airflow_provider_360learning.operators.groups import Learning360CreateGroupOperator
from airflow_provider_360learning.operators.paths import Learning360CreatePathSessionOperator
from airflow_provider_360learning.operators.users import Learning360CreateUserOperator
from airflow_provider_360learning.sandbox.demo_company import ONBOARDING_PATH_ID, ROOT_GROUP_ID


@dag(
    schedule=None,
    start_date=datetime(2026, 1, 1),
    catchup=False,
    default_args={"retries": 2, "retry_delay": timedelta(seconds=1)},
)
def killed():
    group = Learning360CreateGroupOperator(task_id="createGroup", name="Killed")
    session = Learning360CreatePathSessionOperator(
        task_id="createPathSession",
        path_id=ONBOARDING_PATH_ID,
        name="Killed",
        session_start="2026-12-01T09:00:00Z",
        group_id=ROOT_GROUP_ID,
    )
    user = Learning360CreateUserOperator(
        task_id="createOrInviteUser", mail="killed@acme.test", mode="create_active", group_id=ROOT_GROUP_ID
    )
    # One after the other: each process is killed while the sandbox delays the response.
    group >> session >> user


killed()
