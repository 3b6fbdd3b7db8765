"""A running Airflow and its database, for the tests of this folder."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_provider_360learning.api.v1.spec import API_V1
from airflow_provider_360learning.sandbox.server import Sandbox
from demo.airflow_stack import AirflowStack
from tests.conftest import STACK_FILES

DAGS = Path(__file__).parent / "dags"
#: Airflow retries a task whose supervisor was killed after ten seconds instead of five minutes.
EARLY_DETECTION = {
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "10",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "1",
    "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
    # The same on Airflow 2
    "AIRFLOW__SCHEDULER__SCHEDULER_ZOMBIE_TASK_THRESHOLD": "10",
    "AIRFLOW__SCHEDULER__ZOMBIE_DETECTION_INTERVAL": "1",
    "AIRFLOW__SCHEDULER__JOB_HEARTBEAT_SEC": "1",
    # An approval without a response in time
    "AIRFLOW__SCHEDULER__TRIGGER_TIMEOUT_CHECK_INTERVAL": "1",
}
#: Multiple of the documented limits in the connection ``faster``. A test must set the same limits in the sandbox.
FASTER = 10


def execute_sql(env: dict[str, str], statement: str) -> list[tuple[object, ...]]:
    """Execute a statement in the metadata database of an Airflow home and return the rows."""
    with contextlib.closing(sqlite3.connect(Path(env["AIRFLOW_HOME"]) / "airflow.db")) as database, database:
        return database.execute(statement).fetchall()


def insert_pool(env: dict[str, str], slots: int, include_deferred: int = 0) -> None:
    """Insert the pool ``learning360`` into the metadata database."""
    execute_sql(
        env,
        "INSERT INTO slot_pool (pool, slots, include_deferred, description) "
        f"VALUES ('learning360', {slots}, {include_deferred}, 'mine')",
    )


@pytest.fixture(scope="session")
def platform() -> Iterator[Sandbox]:
    """Run the sandbox of the running Airflow, once per test session."""
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture(scope="session")
def stack(migrated_db: Path, platform: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AirflowStack]:
    """Run all components of Airflow with the DAGs of ``tests/airflow/dags``, once per test session."""
    home = tmp_path_factory.mktemp("stack")
    shutil.copy(migrated_db, home / "airflow.db")
    env = {
        "AIRFLOW_CONN_LEARNING360_DEFAULT": platform.connection_json(),
        "AIRFLOW_CONN_LEARNING360_V2": platform.connection_json(api_version="v2"),
        "AIRFLOW_CONN_FASTER": platform.connection_json(
            limits={name: FASTER * API_V1.limits[name].requests for name in API_V1.limits}
        ),
        "AIRFLOW__LEARNING360__RATE_LIMITER_DIR": str(home / "rate-limiter"),
        "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
        "SYNC_PEOPLE": str(home / "people.csv"),
        "SYNC_FOLDER": str(home / "sync"),
        **EARLY_DETECTION,
    }
    with AirflowStack(home, DAGS, env) as airflow:
        _running.append(airflow)
        yield airflow


_running: list[AirflowStack] = []


def pytest_runtest_teardown(nextitem: pytest.Item | None) -> None:
    """Stop the running Airflow after the last test that uses it: idle, it would take CPU from all later tests."""
    if nextitem is None or nextitem.nodeid.partition("::")[0] not in STACK_FILES:
        while _running:
            _running.pop().stop()
