"""Exports of course statistics: complete whatever the cap of the sandbox, and whole or not at all."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import chain

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_360learning.api.course_attempts import Attempt
from airflow_provider_360learning.api.v1.course_attempts import read_course_stats
from airflow_provider_360learning.exports.columns import COLUMNS
from airflow_provider_360learning.files.formats import columns_of, read
from airflow_provider_360learning.hooks.learning360 import Learning360Hook
from airflow_provider_360learning.operators.exports import Learning360ExportCourseStatisticsOperator
from airflow_provider_360learning.sandbox.demo_company import GRACE_MAIL
from tests.unlimited_sandbox import make_session

FROM = datetime(2026, 1, 1, tzinfo=UTC)
UNTIL = datetime(2026, 2, 1, tzinfo=UTC)
BOUNDS = ("inclusive", "after_exclusive", "before_exclusive", "exclusive")


@pytest.fixture
def attempts(sandbox):
    """Return a function that generates attempts and returns all of them."""

    def make(count=2000, **settings):
        settings = {"generated_courses": 20, "generated_users": 100, **settings}
        sandbox.control.settings(generated_attempts=count, **settings)
        return read_course_stats(Learning360Hook().api.client, lambda batches: list(chain.from_iterable(batches)))

    return make


@pytest.fixture
def export(tmp_path):
    """Return a function that exports, by default what was completed in January, and returns the result."""

    def export(name="attempts.jsonl", **arguments):
        arguments = {"interval_start": FROM, "interval_end": UNTIL, **arguments}
        path = str(tmp_path / name)
        return Learning360ExportCourseStatisticsOperator(task_id="export", output_path=path, **arguments).execute({})

    return export


def iso(time):
    return time.isoformat(timespec="milliseconds")


def rows_in(path):
    return [Attempt(**values) for _, _, values, _ in read(path)]


# Complete


@pytest.mark.slow
@pytest.mark.parametrize("bounds", BOUNDS)
@pytest.mark.parametrize("cap", [None, 1000, 150])
def test_exports_all_attempts_once_whatever_the_cap(sandbox, attempts, export, cap, bounds):
    everything = attempts()
    sandbox.control.settings(course_stats_cap=cap, bounds=bounds)
    result = export()
    assert Counter(rows_in(result["output_path"])) == Counter(everything)
    assert (result["rows"], result["complete"], result["incomplete_at"]) == (2000, True, [])
    assert result["highest_timestamp"] == max(one.completed_at for one in everything)


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("cap", [200, 60])
def test_exports_all_attempts_once_if_the_cap_counts_statistics(sandbox, attempts, export, cap, first):
    """In any order of keys. A statistic has several attempts of a user at a course."""
    everything = attempts(generated_courses=4)
    sandbox.control.settings(course_stats_cap=cap, course_stats_cap_counts="statistics", attempts_first=first)
    assert Counter(rows_in(export()["output_path"])) == Counter(everything)


@pytest.mark.parametrize("bounds", BOUNDS)
def test_attempts_of_one_millisecond_stay_together(sandbox, attempts, export, bounds):
    """Twenty per millisecond, and windows that start and end between any two."""
    everything = attempts(generated_until=iso(FROM + timedelta(milliseconds=100)))
    sandbox.control.settings(course_stats_cap=150, bounds=bounds)
    result = export(interval_end=FROM + timedelta(seconds=1))
    assert Counter(rows_in(result["output_path"])) == Counter(everything)


def test_interval_contains_its_start_and_not_its_end(attempts, export):
    everything = attempts()
    middle = sorted(one.completed_at for one in everything)[1000]
    before, after = export("before.csv", interval_end=middle), export("after.csv", interval_start=middle)
    assert (before["rows"], after["rows"]) == (1000, 1000)
    assert middle in {one.completed_at for one in rows_in(after["output_path"])}


def test_more_attempts_of_a_millisecond_than_the_cap_fail_the_task(sandbox, attempts, export, tmp_path):
    attempts(generated_until=iso(FROM + timedelta(milliseconds=1)))
    sandbox.control.settings(course_stats_cap=500)
    with pytest.raises(AirflowFailException, match=r"500 attempts around 2026-01-01T00:00:00.*allow_incomplete"):
        export()
    assert list(tmp_path.iterdir()) == []


def test_allow_incomplete_reports_what_may_be_missing(sandbox, attempts, export, caplog):
    attempts(generated_until=iso(FROM + timedelta(milliseconds=1)))
    sandbox.control.settings(course_stats_cap=500, bounds="before_exclusive")
    result = export(allow_incomplete=True)
    assert (result["rows"], result["complete"], result["likely_cap"]) == (500, False, 500)
    assert "2026-01-01T00:00:00.000Z" in result["incomplete_at"]
    assert "timestamp=2026-01-01T00:00:00.000Z attempts=500" in caplog.text


def test_reports_the_likely_cap_if_responses_were_cut(sandbox, attempts, export, caplog):
    caplog.set_level("INFO")
    attempts()
    assert export()["likely_cap"] is None
    assert "Largest response: attempts=1000 likely_cap=None" in caplog.text
    sandbox.control.settings(course_stats_cap=300)
    result = export()
    assert (result["largest_response"], result["likely_cap"]) == (300, 300)
    assert "Largest response: attempts=300 likely_cap=300" in caplog.text


# Responses that break


@pytest.mark.slow
@pytest.mark.parametrize("format", ["csv", "jsonl", "parquet"])
def test_response_that_breaks_loses_and_doubles_nothing(sandbox, attempts, export, format):
    """It has 4,000 attempts: the quarter of a megabyte that is read at once holds less than half of them."""
    everything = attempts(8000, generated_users=1000)
    sandbox.control.add_fault("getCoursesStats", kind="drop_midway", sent_bytes=1_000_000, after=21)
    result = export(f"attempts.{format}")
    assert [entry["fault"] for entry in sandbox.control.journal()].count("drop_midway") == 1
    exported = Counter(row["attempt_id"] for _, _, row, _ in read(result["output_path"]))
    assert exported == Counter(one.attempt_id for one in everything)


def test_failing_export_leaves_the_existing_file(sandbox, attempts, export, tmp_path):
    attempts()
    sandbox.control.add_fault("getCoursesStats", kind="status", status=403, body={"error": "forbidden"}, after=12)
    (tmp_path / "attempts.jsonl").write_text("yesterday's")
    with pytest.raises(AirflowFailException, match="refuses"):
        export()
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("attempts.jsonl", "yesterday's")]


# Files


def test_rerun_replaces_the_file_by_an_equal_one(sandbox, attempts, export, tmp_path):
    attempts()
    sandbox.control.settings(course_stats_cap=300)
    export()
    first = (tmp_path / "attempts.jsonl").read_bytes()
    export()
    assert (tmp_path / "attempts.jsonl").read_bytes() == first
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("format", ["csv", "jsonl", "parquet"])
def test_interval_without_attempts_is_a_file_without_rows(attempts, export, format):
    attempts()
    result = export(f"empty.{format}", interval_start="2027-01-01T00:00:00Z", interval_end="2027-02-01T00:00:00Z")
    assert (result["rows"], result["highest_timestamp"], result["complete"]) == (0, None, True)
    assert list(read(result["output_path"])) == []
    assert columns_of(result["output_path"]) == (None if format == "jsonl" else list(Attempt._fields))


def test_all_formats_hold_the_same(attempts, export):
    attempts(50)
    json_lines, parquet, csv = (
        [row for _, _, row, _ in read(export(f"attempts.{name}")["output_path"])]
        for name in ("jsonl", "parquet", "csv")
    )
    for row in parquet:
        for name in ("first_activity", "last_activity", "completed_at"):
            row[name] = row[name].isoformat(timespec="milliseconds").replace("+00:00", "Z")
    assert parquet == json_lines
    assert csv == [{name: "" if value is None else str(value) for name, value in row.items()} for row in json_lines]


def test_columns_are_the_fields_of_an_attempt():
    assert tuple(column.name for column in COLUMNS["course_statistics"]) == Attempt._fields


def test_format_can_be_given(attempts, export, tmp_path):
    attempts(10)
    assert export("attempts.txt", format="csv")["rows"] == 10
    assert (tmp_path / "attempts.txt").read_text().startswith("attempt_id,")
    with pytest.raises(AirflowFailException, match="format is 'xls'"):
        export(format="xls")
    with pytest.raises(AirflowFailException, match="must end in"):
        export("attempts.txt")


# The feed of changes


def test_each_run_adds_a_file_to_the_feed(attempts, export, tmp_path):
    everything = attempts()
    first, second, third = (
        export("feed", date_field="last_activity_at", format=format) for format in (None, None, "csv")
    )
    files = {first["output_path"], second["output_path"], third["output_path"]}
    assert files == {str(file) for file in (tmp_path / "feed").iterdir()}
    assert sorted(file.rsplit(".", 1)[1] for file in files) == ["csv", "jsonl", "jsonl"]
    assert Counter(rows_in(first["output_path"])) == Counter(everything)
    assert third["rows"] == second["rows"] == first["rows"] == 2000
    assert first["highest_timestamp"] == max(one.last_activity for one in everything)


def test_feed_has_attempts_that_are_not_completed(sandbox, export):
    make_session(sandbox, GRACE_MAIL)
    now = datetime.fromtimestamp(sandbox.control.advance(1000), UTC)  # of the hour that learners need
    interval = {"interval_start": now - timedelta(days=1), "interval_end": now + timedelta(days=1)}
    (attempt,) = rows_in(export("feed", date_field="last_activity_at", **interval)["output_path"])
    assert (attempt.user_mail, attempt.completed_at) == (GRACE_MAIL, None)
    assert 0 < attempt.progress < 100
    assert export(**interval)["rows"] == 0


def test_feed_needs_a_folder(attempts, export):
    with pytest.raises(AirflowFailException, match=r"looks like a file\. By last_activity_at"):
        export("feed.jsonl", date_field="last_activity_at")


def test_refuses_another_date_field(sandbox, export):
    with pytest.raises(AirflowFailException, match="date_field is 'first_activity_at'"):
        export(date_field="first_activity_at")
