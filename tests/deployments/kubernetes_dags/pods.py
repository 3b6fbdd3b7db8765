"""Test DAGs for pods: tasks at the limit, tasks in the pool, and one task with many rows in an object store."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import Context, dag

from airflow_provider_360learning.operators.bulk import Learning360BulkOperator
from airflow_provider_360learning.operators.users import Learning360UpdateUserOperator
from airflow_provider_360learning.sandbox.demo_company import GRACE_ID

if TYPE_CHECKING:
    from airflow_provider_360learning.rows.config import RowsConfig

#: Number of tasks in each DAG.
TASKS = 3
PER_POOL = 8
RETRIES = {"retries": 10, "retry_delay": timedelta(seconds=1)}
CONF: Any = "{{ dag_run.conf['%s'] }}"
DAG_ARGUMENTS: dict[str, Any] = {"schedule": None, "start_date": datetime(2026, 1, 1), "catchup": False}


class ShortLeaseOperator(Learning360BulkOperator):
    """Grants its lease for six seconds instead of 30, so that the next attempt need not wait."""

    def _config(self, context: Context) -> RowsConfig:
        from airflow_provider_360learning.rows.config import LeaseTimes

        return replace(super()._config(context), lease=LeaseTimes(6, 2, 1))


@dag(**DAG_ARGUMENTS)
def pods_in_pool():
    Learning360UpdateUserOperator.partial(
        task_id="update", learning360_conn_id=CONF % "connection", user=GRACE_ID, **RETRIES
    ).expand(job=[f"Job {number}" for number in range(PER_POOL)])


@dag(**DAG_ARGUMENTS)
def pods_at_the_limit():
    # Mapped, because without shared state a task has the time slot of its index.
    Learning360BulkOperator.partial(
        task_id="create",
        learning360_conn_id=CONF % "connection",
        action="create_user",
        defaults={"mode": "create_active"},
        **RETRIES,
    ).expand_kwargs(
        [
            {
                "rows": f"{CONF % 'folder'}/people-{number}.csv",
                "results_path": f"{CONF % 'folder'}/results-{number}",
            }
            for number in range(TASKS)
        ]
    )


@dag(**DAG_ARGUMENTS)
def pods_killed():
    ShortLeaseOperator(
        task_id="create",
        learning360_conn_id=CONF % "connection",
        action="create_user",
        rows=f"{CONF % 'folder'}/people.csv",
        results_path=f"{CONF % 'folder'}/results",
        # Each user gets an email, and must not get two.
        defaults={"mode": "create_active_and_mail_generated_password"},
        **RETRIES,
    )


pods_in_pool()
pods_at_the_limit()
pods_killed()
