"""Exports of course statistics: complete whatever the cap of the sandbox, whole or not at all, as documented."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import chain

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_360learning.api.v1.complete_reader import Size, Window
from airflow_provider_360learning.api.v1.courses import Attempt
from airflow_provider_360learning.exports.columns import COLUMNS
from airflow_provider_360learning.exports.course_statistics import _DATES, _Attempts
from airflow_provider_360learning.files.formats import columns_of, open_rows, read
from airflow_provider_360learning.hooks.learning360 import Learning360Hook
from airflow_provider_360learning.operators.exports import Learning360ExportCourseStatisticsOperator
from airflow_provider_360learning.sandbox.demo_company import GRACE_MAIL
from tests.unlimited_sandbox import make_session

FROM = datetime(2026, 1, 1, tzinfo=UTC)
UNTIL = datetime(2026, 2, 1, tzinfo=UTC)
BOUNDS = ("inclusive", "after_exclusive", "before_exclusive", "exclusive")


@pytest.fixture
def attempts(sandbox):
    """Make attempts up, and return them all."""

    def make(count=2000, **settings):
        settings = {"generated_courses": 20, "generated_users": 100, **settings}
        sandbox.control.settings(generated_attempts=count, **settings)
        return list(Learning360Hook().api.read_course_stats(lambda batches: list(chain.from_iterable(batches))))

    return make


@pytest.fixture
def export(tmp_path):
    """Export to a file, by default what was completed in January, and return the result."""

    def export(name="attempts.jsonl", **arguments):
        arguments = {"start": FROM, "end": UNTIL, **arguments}
        path = str(tmp_path / name)
        return Learning360ExportCourseStatisticsOperator(task_id="export", output_path=path, **arguments).execute({})

    return export


def iso(moment):
    return moment.isoformat(timespec="milliseconds")


def rows_in(path):
    return [Attempt(**values) for _, _, values, _ in read(path)]


# Complete


@pytest.mark.parametrize("bounds", BOUNDS)
@pytest.mark.parametrize("cap", [None, 1000, 150])
def test_all_attempts_are_exported_once_whatever_the_cap(sandbox, attempts, export, cap, bounds):
    everything = attempts()
    sandbox.control.settings(course_stats_cap=cap, bounds=bounds)
    result = export()
    assert Counter(rows_in(result["path"])) == Counter(everything)
    assert (result["rows"], result["complete"], result["incomplete_at"]) == (2000, True, [])
    assert result["highest_timestamp"] == max(one.completed_at for one in everything)


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("cap", [200, 60])
def test_all_attempts_are_exported_once_if_the_cap_counts_statistics(sandbox, attempts, export, cap, first):
    """And wherever course and user stand. A statistic has several attempts of a user at a course."""
    everything = attempts(generated_courses=4)
    sandbox.control.settings(course_stats_cap=cap, course_stats_cap_counts="statistics", attempts_first=first)
    assert Counter(rows_in(export()["path"])) == Counter(everything)


@pytest.mark.parametrize("bounds", BOUNDS)
def test_attempts_at_the_same_millisecond_stay_together(sandbox, attempts, export, bounds):
    """Twenty a millisecond, and windows that begin and end between any two."""
    everything = attempts(generated_until=iso(FROM + timedelta(milliseconds=100)))
    sandbox.control.settings(course_stats_cap=150, bounds=bounds)
    result = export(interval_end=FROM + timedelta(seconds=1))
    assert Counter(rows_in(result["path"])) == Counter(everything)


def test_an_interval_has_its_first_moment_and_not_its_last(attempts, export):
    everything = attempts()
    middle = sorted(one.completed_at for one in everything)[1000]
    before, after = export("before.csv", interval_end=middle), export("after.csv", interval_start=middle)
    assert (before["rows"], after["rows"]) == (1000, 1000)
    assert middle in {one.completed_at for one in rows_in(after["path"])}


def test_more_attempts_of_a_millisecond_than_the_cap_fail_the_task(sandbox, attempts, export, tmp_path):
    attempts(generated_until=iso(FROM + timedelta(milliseconds=1)))
    sandbox.control.settings(course_stats_cap=500)
    with pytest.raises(AirflowFailException, match=r"500 attempts around 2026-01-01T00:00:00.*allow_incomplete"):
        export()
    assert list(tmp_path.iterdir()) == []


def test_what_may_be_missing_is_said_where_that_is_allowed(sandbox, attempts, export, caplog):
    attempts(generated_until=iso(FROM + timedelta(milliseconds=1)))
    sandbox.control.settings(course_stats_cap=500, bounds="before_exclusive")
    result = export(allow_incomplete=True)
    assert (result["rows"], result["complete"], result["likely_cap"]) == (500, False, 500)
    assert "2026-01-01T00:00:00.000Z" in result["incomplete_at"]
    assert "INCOMPLETE: 500 attempts of 2026-01-01T00:00:00.000Z" in caplog.text


def test_the_largest_answer_is_said_to_be_the_cap_if_answers_were_cut(sandbox, attempts, export, caplog):
    caplog.set_level("INFO")
    attempts()
    assert export()["likely_cap"] is None
    assert "likely the cap" not in caplog.text
    sandbox.control.settings(course_stats_cap=300)
    result = export()
    assert (result["largest_answer"], result["likely_cap"]) == (300, 300)
    assert "The largest answer had 300 attempts (likely the cap of API v1)" in caplog.text


def test_no_more_is_read_than_it_takes_to_know_that_there_is_more(tmp_path):
    """StoragePath only the size of an answer counts, it may be that of all attempts there ever were."""
    read_so_far = []

    class Api:
        def read_course_stats(self, take, **bounds):
            return take(read_so_far.append(number) or [attempt] * 3 for number in range(1_000_000))

    attempt = Attempt(*[None] * 10, "2026-01-01T00:00:00.000Z", None)
    with open_rows(tmp_path / "x.csv", COLUMNS["course_statistics"]) as rows:
        source = _Attempts(Api(), rows, _DATES["completed_at"])
        answer = source.count(Window(0, 2**41), enough=Size(60, 50))
    assert (answer.size, answer.inside, answer.whole) == (Size(153, 51), 153, False)
    assert len(read_so_far) == 51
    assert rows.rows == 0


# Answers that break


@pytest.mark.parametrize("format", ["csv", "jsonl", "parquet"])
def test_an_answer_that_breaks_midway_costs_nothing_and_doubles_nothing(sandbox, attempts, export, format):
    """It has 4,000 attempts: a quarter of a megabyte, which is read at once, is not yet half of them."""
    everything = attempts(8000, generated_users=1000)
    sandbox.control.add_fault("getCoursesStats", kind="drop_midway", sent_bytes=1_000_000, after=21)
    result = export(f"attempts.{format}")
    assert [entry["fault"] for entry in sandbox.control.journal()].count("drop_midway") == 1
    exported = Counter(row["attempt_id"] for _, _, row, _ in read(result["path"]))
    assert exported == Counter(one.attempt_id for one in everything)


def test_an_export_that_fails_leaves_what_was_there_before(sandbox, attempts, export, tmp_path):
    attempts()
    sandbox.control.add_fault("getCoursesStats", kind="status", status=403, body={"error": "forbidden"}, after=12)
    (tmp_path / "attempts.jsonl").write_text("yesterday's")
    with pytest.raises(AirflowFailException, match="refuses"):
        export()
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("attempts.jsonl", "yesterday's")]


# Files


def test_a_rerun_replaces_the_file_by_an_equal_one(sandbox, attempts, export, tmp_path):
    attempts()
    sandbox.control.settings(course_stats_cap=300)
    export()
    first = (tmp_path / "attempts.jsonl").read_bytes()
    export()
    assert (tmp_path / "attempts.jsonl").read_bytes() == first
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("format", ["csv", "jsonl", "parquet"])
def test_an_interval_without_attempts_is_a_file_without_rows(attempts, export, format):
    attempts()
    result = export(f"empty.{format}", interval_start="2027-01-01T00:00:00Z", interval_end="2027-02-01T00:00:00Z")
    assert (result["rows"], result["highest_timestamp"], result["complete"]) == (0, None, True)
    assert list(read(result["path"])) == []
    assert columns_of(result["path"]) == (None if format == "jsonl" else list(Attempt._fields))


def test_all_formats_hold_the_same(attempts, export):
    attempts(50)
    json_lines, parquet, csv = (
        [row for _, _, row, _ in read(export(f"attempts.{name}")["path"])] for name in ("jsonl", "parquet", "csv")
    )
    for row in parquet:
        for name in ("first_activity", "last_activity", "completed_at"):
            row[name] = row[name].isoformat(timespec="milliseconds").replace("+00:00", "Z")
    assert parquet == json_lines
    assert csv == [{name: "" if value is None else str(value) for name, value in row.items()} for row in json_lines]


def test_the_columns_are_the_attempts_own():
    assert tuple(column.name for column in COLUMNS["course_statistics"]) == Attempt._fields


def test_the_format_can_be_said_where_the_name_does_not(attempts, export, tmp_path):
    attempts(10)
    assert export("attempts.txt", format="csv")["rows"] == 10
    assert (tmp_path / "attempts.txt").read_text().startswith("attempt_id,")
    with pytest.raises(AirflowFailException, match="format is 'xls'"):
        export(format="xls")
    with pytest.raises(AirflowFailException, match="must end in"):
        export("attempts.txt")


# The feed of what changed


def test_the_feed_has_what_changed_and_each_run_adds_to_it(attempts, export, tmp_path):
    everything = attempts()
    first, second, third = (
        export("feed", date_field="last_activity_at", format=format) for format in (None, None, "csv")
    )
    files = {first["path"], second["path"], third["path"]}
    assert files == {str(file) for file in (tmp_path / "feed").iterdir()}
    assert sorted(file.rsplit(".", 1)[1] for file in files) == ["csv", "jsonl", "jsonl"]
    assert Counter(rows_in(first["path"])) == Counter(everything)
    assert third["rows"] == second["rows"] == first["rows"] == 2000
    assert first["highest_timestamp"] == max(one.last_activity for one in everything)


def test_the_feed_has_what_is_not_completed(sandbox, export):
    make_session(sandbox, GRACE_MAIL)
    now = datetime.fromtimestamp(sandbox.control.advance(1000), UTC)  # of the hour that learners need
    interval = {"start": now - timedelta(days=1), "end": now + timedelta(days=1)}
    (sent_up_to,) = rows_in(export("feed", date_field="last_activity_at", **interval)["path"])
    assert (sent_up_to.user_mail, sent_up_to.completed_at) == (GRACE_MAIL, None)
    assert 0 < sent_up_to.progress < 100
    assert export(**interval)["rows"] == 0


def test_a_feed_needs_a_folder(attempts, export):
    with pytest.raises(AirflowFailException, match="a feed needs a folder"):
        export("feed.jsonl", date_field="last_activity_at")


def test_there_is_no_other_date_to_go_by(sandbox, export):
    with pytest.raises(AirflowFailException, match="by is 'first_activity_at'"):
        export(date_field="first_activity_at")
