"""
Load the course attempts of all users into a database table every night.

Each run exports the attempts that were completed in its data interval, and in the day before it for late arrivals, to
a file. The next task replaces exactly that interval in the table, in one transaction, so that a rerun ends with the
same rows. Other DAGs can be scheduled on the asset; its events hold the path and the interval of the file.

The email addresses of learners are looked up in API v2, which needs the scope ``users:read``.

The DAG runs without changes against the sandbox (``airflow learning360 sandbox``) and SQLite. For a real platform, set
the connection ``learning360_default``; for another database, set the connection ``warehouse``.
"""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pendulum
from airflow.providers.common.compat.sdk import Asset, dag, task
from airflow.timetables.interval import CronDataIntervalTimetable

from airflow_provider_360learning.operators.exports import Learning360ExportCourseStatisticsOperator

HOME = Path(os.environ.get("AIRFLOW_HOME", Path.home() / "airflow"))
#: Folder of the exported files: one that all workers can read, or one in an object store.
EXPORTS = os.environ.get("COURSE_STATISTICS_EXPORTS", str(HOME / "exports"))
#: A connection to any database for which Airflow has a ``DbApiHook``.
WAREHOUSE = "warehouse"
TABLE = "course_statistics"
COLUMNS = {
    "attempt_id": "TEXT",
    "user_id": "TEXT",
    "user_mail": "TEXT",
    "course_id": "TEXT",
    "path_id": "TEXT",
    "session_id": "TEXT",
    "progress": "DOUBLE PRECISION",
    "score": "DOUBLE PRECISION",
    "first_activity": "TIMESTAMP WITH TIME ZONE",
    "last_activity": "TIMESTAMP WITH TIME ZONE",
    "completed_at": "TIMESTAMP WITH TIME ZONE",
    "time_spent_seconds": "DOUBLE PRECISION",
}
ROWS_PER_INSERT = 1000


# The intervals of two nights overlap: if they were loaded at the same time, both would insert the rows they share.
# [START load]
@task(max_active_tis_per_dag=1)
def load(export: dict[str, Any]) -> int:
    """Replace the rows of the exported interval in one transaction, reading the file as a stream."""
    from contextlib import closing
    from itertools import islice

    from airflow.providers.common.compat.sdk import BaseHook

    from airflow_provider_360learning.files.formats import read

    hook = BaseHook.get_connection(WAREHOUSE).get_hook()
    value = hook.placeholder
    columns = ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())
    insert = f"INSERT INTO {TABLE} ({', '.join(COLUMNS)}) VALUES ({', '.join([value] * len(COLUMNS))})"
    rows = ([row[name] for name in COLUMNS] for _, _, row, _ in read(export["output_path"]))
    with closing(hook.get_conn()) as connection, closing(connection.cursor()) as cursor:
        cursor.execute(f"CREATE TABLE IF NOT EXISTS {TABLE} ({columns})")
        cursor.execute(
            f"DELETE FROM {TABLE} WHERE completed_at >= {value} AND completed_at < {value}",
            (export["interval_start"], export["interval_end"]),
        )
        while batch := list(islice(rows, ROWS_PER_INSERT)):
            cursor.executemany(insert, batch)
        connection.commit()
    return export["rows"]


# [END load]


@dag(
    dag_id="course_statistics_export",
    # On Airflow 3, a plain "@daily" has no data interval.
    schedule=CronDataIntervalTimetable("@daily", timezone="UTC"),
    start_date=pendulum.datetime(2026, 8, 1, tz="UTC"),
    catchup=False,  # use a backfill for past nights
    default_args={"retries": 3, "retry_delay": timedelta(minutes=5)},
    tags=["360learning", "statistics"],
    doc_md=__doc__,
)
def course_statistics_export() -> None:
    """Define the tasks and their order."""
    # [START export]
    exported = Learning360ExportCourseStatisticsOperator(
        task_id="export",
        output_path=f"{EXPORTS}/course-statistics-{{{{ data_interval_start | ds }}}}.jsonl",
        overlap=timedelta(days=1),
        with_mails=True,
        outlets=[Asset("course_statistics")],
    )
    load(exported.output)
    # [END export]


course_statistics_export()
