"""Run Airflow for the benchmarks, with the DAGs of ``dags/``."""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

from airflow_provider_360learning.sandbox.demo_company import API_KEY, COMPANY_ID
from demo.airflow_stack import AirflowStack
from tests.benchmarks.support import Server

#: Maximum seconds of a DAG run.
MAX_RUN = 900.0


@contextlib.contextmanager
def airflow(server: Server, *, creations: int, updates: int, rate_limiter: str = "host") -> Iterator[AirflowStack]:
    """Run Airflow with a connection to the sandbox and this number of mapped tasks per DAG."""
    keys = {"X-company-id": COMPANY_ID, "X-apiKey": API_KEY}
    with tempfile.TemporaryDirectory() as home:
        env = {
            "AIRFLOW_CONN_LEARNING360_DEFAULT": server.connection,
            "AIRFLOW_CONN_PLATFORM": json.dumps({"conn_type": "http", "host": server.url, "extra": keys}),
            "AIRFLOW__CORE__PARALLELISM": "6",
            "AIRFLOW__LEARNING360__RATE_LIMITER": rate_limiter,
            "AIRFLOW__LEARNING360__RATE_LIMITER_DIR": str(Path(home) / "rate-limiter"),
            "BENCHMARK_CREATIONS": str(creations),
            "BENCHMARK_UPDATES": str(updates),
        }
        with AirflowStack(Path(home), Path(__file__).parent / "dags", env) as stack:
            yield stack


def run_dag(stack: AirflowStack, dag_id: str) -> None:
    """Run a DAG to its end, and print its state unless it succeeded."""
    state = stack.wait(dag_id, stack.trigger(dag_id), MAX_RUN)
    if state != "success":
        print(f"{dag_id}: {state}")
