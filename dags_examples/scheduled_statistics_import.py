"""
Import the statistics of an external course provider: one CSV file per month, as soon as it arrives.

Invalid rows do not stop the others. They are written to a file in the format of the input, and a notification lists the
first ones with the reasons. Months are imported in order, past months included. No row is imported twice, however
often a month is cleared. To correct rows, replace the file of the month and clear its DAG run.

The DAG runs without changes against the sandbox (``airflow learning360 sandbox``) and the files in ``statistics``. For
a real platform, set the connection ``learning360_default`` and the names below.
"""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pendulum
from airflow.providers.common.compat.sdk import BaseNotifier, dag, task
from airflow.timetables.interval import CronDataIntervalTimetable

from airflow_provider_360learning.operators.imports import (
    Learning360ImportExternalCoursesOperator,
    Learning360ImportStatisticsOperator,
)

#: Folder in which the provider puts its files, and folder of the results. Both may be in an object store
#: (``s3://connection_id@bucket/statistics``); all workers must see the same folders.
DROP = os.environ.get("STATISTICS_DROP", str(Path(__file__).with_name("statistics")))
HOME = Path(os.environ.get("AIRFLOW_HOME", Path.home() / "airflow"))
RESULTS = os.environ.get("STATISTICS_RESULTS", str(HOME / "statistics"))

EXTERNAL_PLATFORM = os.environ.get("STATISTICS_PLATFORM", "Courses Example")
#: The group whose library holds the courses, and an author of that group. The defaults exist in the sandbox.
GROUP_ID = os.environ.get("STATISTICS_GROUP_ID", "64b1f0c2a9d3e40012ab0001")
AUTHOR_ID = os.environ.get("STATISTICS_AUTHOR_ID", "64b1f0c2a9d3e40012ac0001")

MONTH = "{{ data_interval_start.strftime('%Y-%m') }}"
FILE = f"{DROP}/statistics-{MONTH}.csv"


# [START notifier]
class LogNotifier(BaseNotifier):
    """Write a notification to the log of the task: a stand-in for any notifier of Airflow."""

    template_fields = ("text",)

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text

    def notify(self, context: Any) -> None:
        """Log the text, which Airflow has rendered."""
        self.log.warning("%s", self.text)


def notifier() -> BaseNotifier:
    """Return the notifier of a task."""
    # A bulk task that ends has a report, any other task that fails has an exception.
    text = f"Statistics of {MONTH}, {{{{ ti.task_id }}}}: {{{{ run_report | default(exception) }}}}"
    return LogNotifier(text)
    # from airflow.providers.slack.notifications.slack import SlackNotifier
    # return SlackNotifier(channel="learning", text=text)
    #
    # from airflow.providers.smtp.notifications.smtp import SmtpNotifier
    # body = "<pre>{{ run_report | default(exception) | e }}</pre>"  # e: rows may hold anything, HTML included
    # return SmtpNotifier(to="learning@acme.test", subject=f"Statistics of {MONTH}", html_content=body)


# [END notifier]


@task.sensor(mode="reschedule", poke_interval=600, timeout=timedelta(days=14).total_seconds())
def wait_for_file(file: str) -> bool:
    """Check whether the file of the month exists. Its provider must move it there when it is complete."""
    from airflow.providers.common.compat.sdk import ObjectStoragePath

    return ObjectStoragePath(file).is_file()


@dag(
    dag_id="scheduled_statistics_import",
    # [START monthly]
    # On Airflow 3, a plain "@monthly" has no data interval.
    schedule=CronDataIntervalTimetable("@monthly", timezone="UTC"),
    start_date=pendulum.datetime(2026, 8, 1, tz="UTC"),
    catchup=True,
    # [END monthly]
    default_args={"retries": 3, "retry_delay": timedelta(minutes=5), "on_failure_callback": notifier()},
    tags=["360learning", "statistics"],
    doc_md=__doc__,
)
def scheduled_statistics_import() -> None:
    """Define the tasks and their order."""
    courses = Learning360ImportExternalCoursesOperator(
        task_id="import_courses",
        group_id=GROUP_ID,
        external_platform=EXTERNAL_PLATFORM,
        author_id=AUTHOR_ID,
        rows=f"{DROP}/courses.csv",
        results_path=f"{RESULTS}/{MONTH}/courses",
        state_path=f"{RESULTS}/state/courses",
        skip_unchanged=True,
        depends_on_past=True,
        max_active_tis_per_dag=1,
    )
    # [START import]
    statistics = Learning360ImportStatisticsOperator(
        task_id="import_statistics",
        group_id=GROUP_ID,
        external_platform=EXTERNAL_PLATFORM,
        rows=FILE,
        results_path=f"{RESULTS}/{MONTH}",
        state_path=f"{RESULTS}/state/statistics",
        on_invalid="skip",
        skip_unchanged=True,
        # A course that a learner begins in one month continues in the next: the older state must not overwrite the
        # newer one. A failed month therefore blocks the following ones; mark it as success to skip it.
        depends_on_past=True,
        max_active_tis_per_dag=1,
        on_success_callback=notifier(),
        on_failure_callback=notifier(),
    )
    # [END import]
    wait_for_file(FILE) >> courses >> statistics


scheduled_statistics_import()
