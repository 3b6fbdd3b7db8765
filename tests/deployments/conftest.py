"""A running Airflow with the CeleryExecutor, once per test session, and the sandboxes of its tests."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from airflow_provider_360learning.api.v1.spec import API_V1
from airflow_provider_360learning.sandbox.server import Sandbox
from airflow_provider_360learning.sandbox.v1.version import DOCUMENTED_LIMITS
from tests.airflow.conftest import EARLY_DETECTION
from tests.deployments.celery_stack import CeleryStack
from tests.deployments.dags.at_the_limit import LIMITS, connection_id
from tests.deployments.kills import CELLS, FASTER
from tests.deployments.tables import TABLES
from tests.postgres_server import PostgresServer
from tests.redis_server import RedisServer

ROOT = Path(__file__).parents[2]
DAGS = Path(__file__).parent / "dags"
LATENCY = {"delay_before_ms": 50, "delay_after_ms": 50}


@pytest.fixture(scope="session")
def sandboxes() -> Iterator[dict[str, Sandbox]]:
    """Run a sandbox per limit, with the documented limits, and one per killed run, with higher ones."""
    higher = {name: FASTER * calls for name, calls in DOCUMENTED_LIMITS.items()}
    settings = {connection_id(limit): LATENCY for limit in LIMITS}
    settings |= {cell.name: {**LATENCY, "limits": higher} for cell in CELLS}
    with ExitStack() as running:
        yield {name: running.enter_context(Sandbox(settings=each)) for name, each in settings.items()}


@pytest.fixture(scope="session")
def stack(sandboxes: dict[str, Sandbox], tmp_path_factory: pytest.TempPathFactory) -> Iterator[CeleryStack]:
    """Run Airflow without workers, its PostgreSQL and its Redis, which are also servers of the rate limiter."""
    with RedisServer(tmp_path_factory.mktemp("redis")) as redis, PostgresServer() as postgres:
        connections = _connections(sandboxes)
        connections |= {"redis": json.dumps(redis.connection()), "postgres": json.dumps(postgres.connection())}
        env = {f"AIRFLOW_CONN_{name.upper()}": connection for name, connection in connections.items()}
        env |= {"PYTHONPATH": str(ROOT), **EARLY_DETECTION}
        with CeleryStack(tmp_path_factory.mktemp("celery"), DAGS, postgres, redis, env) as airflow:
            yield airflow


def _connections(sandboxes: dict[str, Sandbox]) -> dict[str, str]:
    higher = {name: FASTER * limit.requests for name, limit in API_V1.limits.items()}
    extras: dict[str, dict[str, object]] = {cell.name: {"limits": higher} for cell in CELLS}
    extras |= {connection_id(limit): {"api_version": "v2"} for limit in LIMITS if limit.startswith("v2 ")}
    return {name: sandbox.connection_json(**extras.get(name, {})) for name, sandbox in sandboxes.items()}


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the tables of the measurements, for the documentation."""
    for heading, rows in TABLES.items():
        terminalreporter.write_line("\n".join(["", heading, *rows]))
