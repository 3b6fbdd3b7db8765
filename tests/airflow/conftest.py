"""A running Airflow for the tests that need one."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_provider_360learning.api.v1.spec import API_V1
from airflow_provider_360learning.sandbox.server import Sandbox
from demo.airflow_stack import AirflowStack

DAGS = Path(__file__).parent / "dags"
#: A task whose supervisor is killed is tried again after ten seconds instead of five minutes.
SOON_MISSED = {
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "10",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "1",
    "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
    # The same on Airflow 2
    "AIRFLOW__SCHEDULER__SCHEDULER_ZOMBIE_TASK_THRESHOLD": "10",
    "AIRFLOW__SCHEDULER__ZOMBIE_DETECTION_INTERVAL": "1",
    "AIRFLOW__SCHEDULER__JOB_HEARTBEAT_SEC": "1",
}
#: Times the documented limits, as the connection ``faster`` says; the sandbox must be told so, too.
FASTER = 10


@pytest.fixture(scope="session")
def platform() -> Iterator[Sandbox]:
    """The sandbox that the running Airflow's connection leads to. Starts once a session."""
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture(scope="session")
def stack(airflow_db: Path, platform: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AirflowStack]:
    """All components of Airflow, with the DAGs of ``tests/airflow/dags``. Starts once a session."""
    home = tmp_path_factory.mktemp("stack")
    shutil.copy(airflow_db, home / "airflow.db")
    env = {
        "AIRFLOW_CONN_LEARNING360_DEFAULT": platform.connection_json(),
        "AIRFLOW_CONN_FASTER": platform.connection_json(
            limits={name: FASTER * API_V1.limits[name].requests for name in API_V1.limits}
        ),
        "AIRFLOW__LEARNING360__RATE_LIMITER_DIR": str(home / "budget"),
        **SOON_MISSED,
    }
    with AirflowStack(home, DAGS, env) as airflow:
        yield airflow
