"""Exports in DAG runs of the installed Airflow: data intervals, mapped tasks, and asset events."""

from __future__ import annotations

import textwrap
from datetime import UTC, datetime, timedelta

import pytest

from airflow_provider_360learning.files.formats import read
from demo.airflow_stack import AirflowStack
from tests.asset_events import events_of
from tests.dag_code import run_dag_code

pytestmark = pytest.mark.slow

HEADER = """
from datetime import datetime

from airflow.providers.common.compat.sdk import DAG, Asset
from airflow.timetables.interval import CronDataIntervalTimetable
from airflow_provider_360learning.operators.exports import Learning360ExportCourseStatisticsOperator

monthly = CronDataIntervalTimetable("@monthly", "UTC")
with DAG({dag_id!r}, schedule=monthly, start_date=datetime(2026, 1, 1), catchup=False) as dag:
"""


@pytest.fixture
def run(airflow_home, airflow_db, sandbox, tmp_path):
    """Return a function that runs a DAG for the last whole month, given its id and the body of its ``with`` block."""
    now = datetime.now(UTC)
    sandbox.control.settings(
        generated_attempts=2000,
        generated_from=(now - timedelta(days=100)).isoformat(),
        generated_until=now.isoformat(),
    )
    database = AirflowStack(airflow_home, airflow_home / "dags", components=[])

    def run(dag_id, body):
        body = textwrap.dedent(body).replace("FOLDER", str(tmp_path))
        code = HEADER.format(dag_id=dag_id) + textwrap.indent(body, "    ")
        run_id = run_dag_code(airflow_home, dag_id, code)
        return [
            (one["state"], one["pool"], database.xcom(dag_id, run_id, one["task_id"], one["map_index"]))
            for one in database.task_instances(dag_id, run_id)
        ]

    return run


def test_exports_the_data_interval_and_attaches_the_result_to_assets(run, airflow_db, tmp_path):
    ((state, pool, result),) = run(
        "export_statistics",
        """
        Learning360ExportCourseStatisticsOperator(
            task_id="export",
            output_path="FOLDER/{{ data_interval_start | ds }}_{{ data_interval_end | ds }}.jsonl",
            overlap=3600,
            outlets=[Asset("x-test://attempts"), Asset("x-test://more")],
        )
        """,
    )
    assert (state, pool) == ("success", "default_pool")
    (file,) = tmp_path.iterdir()
    first, after = file.stem.split("_")
    timestamps = [row["completed_at"] for _, _, row, _ in read(file)]
    an_hour_earlier = datetime.fromisoformat(first) - timedelta(hours=1)
    assert result["interval_start"] == f"{an_hour_earlier.isoformat()}.000Z" < min(timestamps)
    assert result["interval_end"] == f"{after}T00:00:00.000Z" > max(timestamps)
    assert 20 * 27 < len(timestamps) == result["rows"] < 20 * 32
    assert (result["output_path"], result["highest_timestamp"], result["complete"]) == (
        str(file),
        max(timestamps),
        True,
    )
    for uri in ("x-test://attempts", "x-test://more"):
        (extra,) = events_of(airflow_db, uri)
        assert {**extra, **result} == extra


def test_exports_can_be_mapped(run, tmp_path):
    tasks = run(
        "export_mapped",
        """
        Learning360ExportCourseStatisticsOperator.partial(task_id="export", date_field="last_activity_at").expand(
            output_path=["FOLDER/one", "FOLDER/two"]
        )
        """,
    )
    assert [(state, pool) for state, pool, _ in tasks] == [("success", "default_pool")] * 2
    assert len({result["rows"] for _, _, result in tasks}) == 1
    assert sorted(folder.name for folder in tmp_path.iterdir()) == ["one", "two"]
