"""
Import what an external provider reports of its courses: one CSV file a month, as soon as it is there.

Rows that cannot be used stop nobody else: they come back in their own format, and a notifier says how many, and where.
Months are imported in their order, past ones too, and none twice: what was imported is not sent again, however often a
month is cleared. A corrected file is put in the place of the old one, and its month cleared.

Runs as it stands against the sandbox (``airflow learning360 sandbox``), with the files in ``statistics``; for a real
platform, set the connection ``learning360_default`` and the names below.
"""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pendulum
from airflow.providers.common.compat.sdk import BaseNotifier, dag, task
from airflow.timetables.interval import CronDataIntervalTimetable

from airflow_provider_360learning.operators.external import Learning360ImportExternalCoursesOperator
from airflow_provider_360learning.operators.statistics import Learning360ImportStatisticsOperator

#: StoragePath the provider drops its files, and where it is kept what became of their rows. Both may be in an object store
#: (``s3://connection_id@bucket/statistics``); several workers must see the same folders.
DROP = os.environ.get("STATISTICS_DROP", str(Path(__file__).with_name("statistics")))
HOME = Path(os.environ.get("AIRFLOW_HOME", Path.home() / "airflow"))
KEPT = os.environ.get("STATISTICS_KEPT", str(HOME / "statistics"))

EXTERNAL_PLATFORM = os.environ.get("STATISTICS_PLATFORM", "Courses Example")
#: The group whose library has the courses, and an author of that group: those of the sandbox.
GROUP_ID = os.environ.get("STATISTICS_GROUP_ID", "64b1f0c2a9d3e40012ab0001")
AUTHOR_ID = os.environ.get("STATISTICS_AUTHOR_ID", "64b1f0c2a9d3e40012ac0001")

MONTH = "{{ data_interval_start.strftime('%Y-%m') }}"
FILE = f"{DROP}/statistics-{MONTH}.csv"


class LogNotifier(BaseNotifier):
    """Tells people who read the log of the task."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text

    def notify(self, context: Any) -> None:
        """WriteSpec the text."""
        self.log.warning("%s", self.text)


# [START notifier]
def make_notifier(month: str, text: str) -> BaseNotifier:
    """Choose who is told of rows that were not imported, and how: any of Airflow's notifiers will do."""
    return LogNotifier(text)
    # from airflow.providers.smtp.notifications.smtp import SmtpNotifier
    # return SmtpNotifier(to="learning@acme.test", subject=f"External statistics of {month}", html_content=text)
    #
    # from airflow.providers.slack.notifications.slack import SlackNotifier
    # return SlackNotifier(channel="learning", text=text)


# [END notifier]


@task.sensor(mode="reschedule", poke_interval=600, timeout=timedelta(days=14).total_seconds())
def wait_for_file(file: str) -> bool:
    """Look for the month's file, holding no worker in between. Its provider must put it there whole (by a rename)."""
    from airflow.providers.common.compat.sdk import ObjectStoragePath

    return ObjectStoragePath(file).is_file()


# An import that fails says before what became of its rows; what failed before any row was sent says nothing.
@task(trigger_rule="all_done")
def tell_about_rejects(month: str, file: str, imported: dict[str, Any] | None, **context: Any) -> None:
    """Tell people of the rows that were not imported, be the import green or red."""
    if imported is None:
        text = f"{file} was not imported. The log of import_statistics says why, or whether it never came."
    elif imported["rejected"] is None:
        return
    else:
        counts = ", ".join(f"{count} {outcome}" for outcome, count in imported["outcomes"].items())
        text = (
            f"Not all of the {imported['rows']} rows of {file} were imported ({counts}). {imported['rejected']} has "
            f"the others as they came; {imported['results']} says why, row by row."
        )
    notifier = make_notifier(month, text)
    # Called as a callback (`notifier(context)`), it would hide that nobody could be told.
    notifier.render_template_fields(context)
    notifier.notify(context)


@task
def month_is_done() -> None:
    """Fail where the import or the message failed: the state of a run is that of its last task."""


@dag(
    dag_id="scheduled_statistics_import",
    # [START monthly]
    # On Airflow 3, "@monthly" alone would mean a moment, not a month.
    schedule=CronDataIntervalTimetable("@monthly", timezone="UTC"),
    start_date=pendulum.datetime(2026, 8, 1, tz="UTC"),
    catchup=True,
    # [END monthly]
    default_args={"retries": 3, "retry_delay": timedelta(minutes=5)},
    tags=["360learning", "statistics"],
    doc_md=__doc__,
)
def scheduled_statistics_import() -> None:
    """Wire the tasks."""
    courses = Learning360ImportExternalCoursesOperator(
        task_id="import_courses",
        group_id=GROUP_ID,
        external_platform=EXTERNAL_PLATFORM,
        author_id=AUTHOR_ID,
        rows=f"{DROP}/courses.csv",
        results_path=f"{KEPT}/{MONTH}/courses",
        state_path=f"{KEPT}/courses",
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
        results_path=f"{KEPT}/{MONTH}",
        state_path=f"{KEPT}/remembered",
        on_invalid="skip",
        skip_unchanged=True,
        # What somebody began in one month goes on in the next: the older state must not come after the newer one. A
        # red month therefore keeps the next ones waiting; mark it as success to let them go on without it.
        depends_on_past=True,
        max_active_tis_per_dag=1,
    )
    # [END import]
    told = tell_about_rejects(month=MONTH, file=FILE, imported=statistics.output)
    wait_for_file(FILE) >> courses >> statistics
    [statistics, told] >> month_is_done()


scheduled_statistics_import()
