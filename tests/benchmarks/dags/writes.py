"""DAGs for the benchmarks: creations and updates by our operators and by HttpOperator, with a mapped task per write."""

from __future__ import annotations

import json
import os
from datetime import timedelta

from airflow.providers.common.compat.sdk import dag
from airflow.providers.http.operators.http import HttpOperator

from airflow_provider_360learning.operators.users import Learning360CreateUserOperator, Learning360UpdateUserOperator
from airflow_provider_360learning.sandbox.demo_company import GRACE_ID

CREATIONS, UPDATES = (range(int(os.environ[f"BENCHMARK_{name}"])) for name in ("CREATIONS", "UPDATES"))
AS_OUR_TASKS = {
    "pool": "learning360",
    "retries": 20,
    "retry_delay": timedelta(seconds=1),
    "retry_exponential_backoff": True,
    "max_retry_delay": timedelta(seconds=30),
}


@dag(schedule=None)
def our_creations():
    Learning360CreateUserOperator.partial(task_id="create", mode="create_active").expand(
        mail=[f"mapped-{number}@acme.test" for number in CREATIONS]
    )


@dag(schedule=None)
def our_updates():
    Learning360UpdateUserOperator.partial(task_id="update", user=GRACE_ID).expand(
        job=[f"Rear Admiral {number}" for number in UPDATES]
    )


@dag(schedule=None)
def http_creations():
    HttpOperator.partial(task_id="create", http_conn_id="platform", endpoint="api/v1/users", **AS_OUR_TASKS).expand(
        data=[
            {"mail": f"http-{number}@acme.test", "password": "correct horse", "sendCredentials": "false"}
            for number in CREATIONS
        ]
    )


@dag(schedule=None)
def http_updates():
    HttpOperator.partial(
        task_id="update",
        http_conn_id="platform",
        method="PUT",
        endpoint=f"api/v1/users/{GRACE_ID}",
        headers={"Content-Type": "application/json"},
        **AS_OUR_TASKS,
    ).expand(data=[json.dumps({"job": f"Rear Admiral {number}"}) for number in UPDATES])


our_creations()
our_updates()
http_creations()
http_updates()
