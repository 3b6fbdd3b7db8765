"""A test DAG: a task that writes until its supervisor is killed."""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow.providers.common.compat.sdk import dag, get_current_context, task

from airflow_provider_360learning.hooks.learning360 import Learning360Hook


@task(retries=1, retry_delay=timedelta(seconds=1))
def write() -> None:
    """Create users whose email addresses contain the number of the attempt: 1000 by the first one, then 4."""
    attempt = get_current_context()["ti"].try_number
    api = Learning360Hook().api
    for number in range(1000 if attempt == 1 else 4):
        api.create_user(mail=f"attempt-{attempt}.{number}@acme.test")


@dag(schedule=None, start_date=datetime(2026, 1, 1), catchup=False)
def orphaned():
    write()


orphaned()
