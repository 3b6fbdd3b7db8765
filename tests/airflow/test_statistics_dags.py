"""The example DAGs of statistics in real Airflow: each month is imported once, and each night exported to a table."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing

import pytest

from airflow_provider_360learning.rows.sources import make_source
from airflow_provider_360learning.sandbox.server import Sandbox
from demo.airflow_stack import AirflowStack
from demo.run import ROOT
from tests.airflow.dag_runner import DagRunner
from tests.postgres_server import PostgresServer

pytestmark = pytest.mark.slow

EXAMPLES = ROOT / "dags_examples"
IMPORT, EXPORT = "scheduled_statistics_import", "course_statistics_export"
#: August, September and October, each imported by a run on a day of the next month.
MONTHS = ("2026-09-{:02}", "2026-10-{:02}", "2026-11-{:02}")
HEADER, *SEPTEMBER = (EXAMPLES / "statistics/statistics-2026-09.csv").read_text().splitlines()


class Runner(DagRunner):
    """A process that runs the DAGs of statistics against a sandbox, and reads what they did."""

    def __init__(self, stack, sandbox, drop):
        super().__init__(stack)
        self.sandbox, self.drop = sandbox, drop

    def sent(self, operation):
        return [entry["body"] for entry in self.sandbox.control.journal() if entry["operation"] == operation]

    def table(self, sql):
        with closing(sqlite3.connect(self.home / "warehouse.db")) as database:
            return database.execute(sql).fetchall()


@pytest.fixture(scope="module")
def runner(migrated_db, tmp_path_factory):
    home, drop = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("drop")
    shutil.copy(migrated_db, home / "airflow.db")
    with Sandbox(settings={"limits_enabled": False}) as sandbox:
        env = {
            "AIRFLOW_CONN_LEARNING360_DEFAULT": sandbox.connection_json(),
            "AIRFLOW__LEARNING360__RATE_LIMITER_DIR": str(home / "rate-limiter"),
            "STATISTICS_DROP": drop.as_uri(),
        }
        with AirflowStack(home, EXAMPLES, env, components=[]) as stack:
            runner = Runner(stack, sandbox, drop)
            try:
                yield runner
            finally:
                runner.stop()


@pytest.fixture
def airflow(runner):
    """Restore the files of the example and remove all imports."""
    runner.sandbox.control.reset()
    runner.sandbox.control.clear_journal()
    shutil.rmtree(runner.home / "statistics", ignore_errors=True)
    shutil.copytree(EXAMPLES / "statistics", runner.drop, dirs_exist_ok=True)
    return runner


def test_imports_three_months_once(airflow):
    first = [airflow.run(IMPORT, month.format(1)) for month in MONTHS]
    assert [run.state for run in first] == ["success"] * 3, first
    assert [len(body["statistics"]) for body in airflow.sent("importExternalCoursesStats")] == [2, 1, 3]
    there = airflow.sandbox.control.state()
    assert {(one["external_id"], one["mail"], one["progress"]) for one in there["external_attempts"]} == {
        ("spreadsheets-1", "grace.hopper@acme.test", 100),  # 40 in August
        ("spreadsheets-1", "admin@acme.test", 100),
        ("fire-safety", "grace.hopper@acme.test", 100),
        ("fire-safety", "admin@acme.test", 30),
    }
    assert [course["times_sent"] for course in there["external_courses"]] == [1, 1]

    airflow.sandbox.control.clear_journal()
    again = [airflow.run(IMPORT, month.format(15)) for month in MONTHS]
    assert [run.state for run in again] == ["success"] * 3, again
    assert airflow.sent("importExternalCoursesStats") == airflow.sent("importExternalCourses") == []
    assert airflow.sandbox.control.state()["external_attempts"] == there["external_attempts"]


def test_reports_rejected_rows_and_imports_them_after_correction(airflow):
    run = airflow.run(IMPORT, "2026-10-02")
    rejected = airflow.home / "statistics/2026-09/rejected/rejected.csv"
    assert run.state == "success"
    shown = "Statistics of 2026-09, import_statistics: import_statistics: 1 of 3 rows accepted (1 imported), 2 rejected"
    assert f"{shown} (2 invalid)" in run.log
    assert "row 2 (line 3), " in run.log
    assert f"Rejected rows, each with its reason: {rejected}." in run.log
    header, *rows = rejected.read_text().splitlines()
    assert header == f"{HEADER},rejected_row,rejected_reason"
    assert [row.startswith(before) for row, before in zip(rows, SEPTEMBER[1:], strict=True)] == [True, True]

    airflow.sandbox.control.clear_journal()
    corrected = [row.replace("nobody@", "admin@").replace(",140,", ",40,") for row in SEPTEMBER]
    (airflow.drop / "statistics-2026-09.csv").write_text("\n".join([HEADER, *corrected]))
    run = airflow.run(IMPORT, "2026-10-16")
    assert "Statistics of 2026-09, import_statistics: import_statistics: 3 of 3 rows accepted" in run.log
    (body,) = airflow.sent("importExternalCoursesStats")
    assert [(one["mail"], one["progress"]) for one in body["statistics"]] == [
        ("admin@acme.test", 100),
        ("admin@acme.test", 40),
    ]


def test_reports_a_failed_import_and_fails_the_run(airflow):
    (airflow.drop / "statistics-2026-09.csv").write_text(
        "\n".join([HEADER, SEPTEMBER[0], SEPTEMBER[0].replace("spreadsheets-1", "unknown")])
    )
    run = airflow.run(IMPORT, "2026-10-03")
    assert "Statistics of 2026-09, import_statistics: Failed: 1 of 2 rows is refused, failed or unknown" in run.log
    assert "1 of 2 rows accepted (1 imported), 1 rejected (1 refused)" in run.log
    assert run.tasks["import_statistics"] == "failed"
    assert run.state == "failed"


@pytest.mark.airflow("!=3.1.*,!=3.2.*", reason="callbacks of dag.test() have no exception in Airflow 3.1 and 3.2")
def test_reports_the_exception_of_an_import_that_has_no_report(airflow):
    (airflow.drop / "statistics-2026-09.csv").write_text("who,what\n1,2\n")
    run = airflow.run(IMPORT, "2026-10-04")
    shown = "Statistics of 2026-09, import_statistics: InvalidRequestError: "
    assert f"{shown}file://" in run.log or f"{shown}/" in run.log
    assert "statistics-2026-09.csv has none of the columns that" in run.log
    assert run.state == "failed"


def test_exports_nights_to_postgres_and_repeated_runs_change_nothing(airflow, monkeypatch):
    """The queries on the table run in this process, through the hook of this version of Airflow."""
    airflow.sandbox.control.settings(
        # Ten per day
        generated_attempts=920,
        generated_from="2026-08-01T00:00:00Z",
        generated_until="2026-11-01T00:00:00Z",
    )
    per_day = (
        "SELECT to_char(completed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD') AS day, count(*) AS attempts,"
        " count(DISTINCT attempt_id) AS different FROM course_statistics GROUP BY 1 ORDER BY 1"
    )
    with PostgresServer() as server:
        connection = {"AIRFLOW_CONN_WAREHOUSE": json.dumps(server.connection())}
        monkeypatch.setenv(*next(iter(connection.items())))

        def table(sql):
            return [row.values for row in make_source(sql=sql, sql_conn_id="warehouse").rows()]

        # The nights of 10 August, 10 September and 10 October, each with the day before, and two consecutive ones.
        nights = ["2026-08-11", "2026-09-11", "2026-10-11", "2026-10-12"]
        runs = [airflow.run(EXPORT, night, connection) for night in nights]
        assert [run.state for run in runs] == ["success"] * 4, runs
        days = ["2026-08-09", "2026-08-10", "2026-09-09", "2026-09-10", "2026-10-09", "2026-10-10", "2026-10-11"]
        assert table(per_day) == [{"day": day, "attempts": 10, "different": 10} for day in days]
        rows = table("SELECT * FROM course_statistics ORDER BY attempt_id")

        # The same nights at another hour, the last one first.
        runs = [airflow.run(EXPORT, f"{night}T12:00", connection) for night in reversed(nights)]
        assert [run.state for run in runs] == ["success"] * 4, runs
        assert table("SELECT * FROM course_statistics ORDER BY attempt_id") == rows


def test_exports_the_same_nights_to_sqlite_through_api_v2(airflow):
    airflow.sandbox.control.settings(
        generated_attempts=920, generated_from="2026-08-01T00:00:00Z", generated_until="2026-11-01T00:00:00Z"
    )
    columns = "attempt_id, user_id, course_id, path_id, session_id, progress, score, first_activity, last_activity"
    rows = f"SELECT {columns}, completed_at, time_spent_seconds FROM course_statistics ORDER BY attempt_id"
    tables = {}
    for version, hour in (("v2", "06:00"), ("v1", "18:00")):
        connections = {
            "AIRFLOW_CONN_LEARNING360_DEFAULT": airflow.sandbox.connection_json(api_version=version),
            "AIRFLOW_CONN_WAREHOUSE": json.dumps({"conn_type": "sqlite", "host": str(airflow.home / "warehouse.db")}),
        }
        airflow.sandbox.control.clear_journal()
        runs = [airflow.run(EXPORT, f"{night}T{hour}", connections) for night in ("2026-08-21", "2026-08-22")]
        assert [run.state for run in runs] == ["success"] * 2, runs
        assert {entry["version"] for entry in airflow.sandbox.control.journal()} == {version}
        tables[version] = airflow.table(rows)
    assert len(tables["v1"]) >= 30
    assert tables["v2"] == tables["v1"]
