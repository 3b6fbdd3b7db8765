"""Runs a DAG that a test writes, in the process of the test and the installed Airflow."""

from __future__ import annotations

from pathlib import Path

from tests.newest_execution_api import serve_newest_version_only

try:
    from airflow.dag_processing.dagbag import DagBag
except ImportError:  # Airflow 2
    from airflow.models.dagbag import DagBag


def run_dag_code(home: Path, dag_id: str, code: str) -> str:
    """
    Run a DAG once, and return the id of the run.

    :param home: Airflow's home, whose folder of DAGs has the file while the DAG runs.
    :param dag_id: The DAG.
    :param code: Content of its file.
    """
    serve_newest_version_only()
    file = home / "dags" / f"{dag_id}.py"
    file.write_text(code)
    try:
        bag = DagBag(str(file))
        assert bag.import_errors == {}
        if hasattr(bag, "sync_to_db"):  # Airflow 2 has no events of assets that it has not seen
            bag.sync_to_db()
        return str(bag.dags[dag_id].test().run_id)
    finally:
        file.unlink()
