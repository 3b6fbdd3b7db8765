"""
A test DAG: on each of two workers, a task per rate limit sends requests as fast as the limit allows.

All tasks start to send at the same time. The CPU that starting tasks need would delay the requests of others.
"""

from __future__ import annotations

import os
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from airflow.providers.common.compat.sdk import dag, task

LIMITS = ("createOrInviteUser", "company_writes", "v2 company_writes")
WORKERS = ("worker-1", "worker-2")


@dag(schedule=None, start_date=datetime(2026, 1, 1), catchup=False)
def at_the_limit():
    @task
    def send(limit: str, worker: str, dag_run: Any = None) -> None:
        from airflow_provider_360learning.hooks.learning360 import Learning360Hook
        from tests.benchmarks.at_the_limit import LOADS
        from tests.loopback_hosts import leave_from

        leave_from(os.environ["WORKER_ADDRESS"])
        api = Learning360Hook(connection_id(limit)).api
        await_all_tasks(Path(dag_run.conf["started"]), f"{worker}-{limit}")
        for number in range(dag_run.conf["requests"][limit]):
            LOADS[limit].send(api, f"{worker}-{number}")

    for worker in WORKERS:
        for limit in LIMITS:
            send.override(task_id=f"{worker}_{connection_id(limit)}", queue=worker)(limit, worker)


def await_all_tasks(folder: Path, name: str) -> None:
    """
    Wait until each task has created its file.

    :param folder: The folder of the files.
    :param name: The file of this task.
    """
    (folder / name).touch()
    while len(list(folder.iterdir())) < len(LIMITS) * len(WORKERS):
        time.sleep(0.05)


def connection_id(limit: str) -> str:
    """Return the id of the connection to the sandbox of a limit."""
    return limit.replace(" ", "_").lower()


at_the_limit()
