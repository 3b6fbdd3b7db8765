"""A running Airflow for the tests that need one."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.airflow_stack import AirflowStack

DAGS = Path(__file__).parent / "dags"


@pytest.fixture(scope="session")
def stack(airflow_db: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AirflowStack]:
    """All components of Airflow, with the DAGs of ``tests/airflow/dags``. Starts once a session."""
    home = tmp_path_factory.mktemp("stack")
    shutil.copy(airflow_db, home / "airflow.db")
    with AirflowStack(home, DAGS) as airflow:
        yield airflow
