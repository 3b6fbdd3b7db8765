"""A running Airflow with the CeleryExecutor, once per test session."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.airflow.conftest import EARLY_DETECTION
from tests.deployments.celery_stack import CeleryStack
from tests.deployments.tables import TABLES
from tests.postgres_server import PostgresServer
from tests.redis_server import RedisServer

ROOT = Path(__file__).parents[2]
DAGS = Path(__file__).parent / "dags"


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CeleryStack]:
    """Run Airflow without workers, its PostgreSQL and its Redis, which are also servers of the rate limiter."""
    with RedisServer(tmp_path_factory.mktemp("redis")) as redis, PostgresServer() as postgres:
        env = {
            "AIRFLOW_CONN_REDIS": json.dumps(redis.connection()),
            "AIRFLOW_CONN_POSTGRES": json.dumps(postgres.connection()),
            "PYTHONPATH": str(ROOT),
            **EARLY_DETECTION,
        }
        with CeleryStack(tmp_path_factory.mktemp("celery"), DAGS, postgres, redis, env) as airflow:
            yield airflow


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the tables."""
    for heading, rows in TABLES.items():
        terminalreporter.write_line("\n".join(["", heading, *rows]))
