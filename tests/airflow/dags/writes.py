"""Test DAGs: writes and waits in the shared pool, and in a pool of ``default_args``."""

from __future__ import annotations

from datetime import datetime

from airflow.providers.common.compat.sdk import DAG, dag

from airflow_provider_360learning.operators.paths import Learning360CreatePathSessionOperator
from airflow_provider_360learning.operators.users import Learning360CreateUserOperator, Learning360UpdateUserOperator
from airflow_provider_360learning.sandbox.demo_company import GRACE_ID, ONBOARDING_PATH_ID, ROOT_GROUP_ID
from airflow_provider_360learning.sensors.paths import Learning360PathSessionCompletionSensor


def creations(dag_id, count):
    with DAG(dag_id, schedule=None, start_date=datetime(2026, 1, 1), catchup=False) as writes:
        Learning360CreateUserOperator.partial(task_id="create", mode="create_active").expand(
            mail=[f"new-{number}@acme.test" for number in range(count)]
        )
        Learning360UpdateUserOperator(task_id="update", user=GRACE_ID, job="Rear Admiral")
    return writes


@dag(schedule=None, start_date=datetime(2026, 1, 1), catchup=False, default_args={"pool": "x"})
def in_pool_x():
    Learning360CreateUserOperator.partial(task_id="create", mode="create_active").expand(mail=["x-0@acme.test"])
    Learning360UpdateUserOperator(task_id="update", user=GRACE_ID, job="Rear Admiral")


@dag(schedule=None, start_date=datetime(2026, 1, 1), catchup=False)
def ten_waits():
    session = Learning360CreatePathSessionOperator(
        task_id="session",
        path_id=ONBOARDING_PATH_ID,
        name="No learners",
        session_start="2026-12-01T09:00:00Z",
        group_id=ROOT_GROUP_ID,
    )
    Learning360PathSessionCompletionSensor.partial(
        task_id="wait", session_id=session.output["session_id"], deferrable=True, poke_interval=5, timeout=600
    ).expand(min_enrolled=list(range(1, 11)))


two_creations = creations("two_creations", 2)
twelve_creations = creations("twelve_creations", 12)
in_pool_x()
ten_waits()
