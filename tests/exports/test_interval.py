"""The interval of an export: the given one, or that of the DAG run; without any, an error."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pendulum
import pytest

from airflow_provider_360learning.exceptions import InvalidRequestError
from airflow_provider_360learning.exports.interval import interval_of

DAY = pendulum.datetime(2026, 10, 1)
RUN = {"data_interval_start": DAY, "data_interval_end": DAY.add(days=1)}


def bounds(interval_start=None, interval_end=None, overlap=0, context=RUN):
    interval = interval_of(interval_start, interval_end, overlap, context)
    return interval.start_text, interval.end_text


def test_default_is_the_data_interval_of_the_run():
    assert bounds() == ("2026-10-01T00:00:00.000Z", "2026-10-02T00:00:00.000Z")


@pytest.mark.parametrize(
    "start",
    [
        datetime(2026, 9, 30, 12, tzinfo=UTC),
        "2026-09-30T12:00:00Z",
        "2026-09-30 14:00:00+02:00",  # as templates render times
        "2026-09-30T12:00:00.000999+00:00",
    ],
)
def test_arguments_override_the_data_interval(start):
    assert bounds(start) == ("2026-09-30T12:00:00.000Z", "2026-10-02T00:00:00.000Z")
    assert bounds(start, "2026-10-01T00:00:00Z", context={}) == ("2026-09-30T12:00:00.000Z", "2026-10-01T00:00:00.000Z")


@pytest.mark.parametrize(
    "overlap", [timedelta(hours=2), 7200, "7200", 7200.0, pendulum.duration(hours=2)], ids=lambda overlap: type(overlap)
)
def test_overlap_moves_the_start(overlap):
    assert bounds(overlap=overlap) == ("2026-09-30T22:00:00.000Z", "2026-10-02T00:00:00.000Z")


@pytest.mark.parametrize("overlap", ["a day", -1, timedelta(-1), "inf", "nan", [1]])
def test_refuses_an_invalid_overlap(overlap):
    with pytest.raises(InvalidRequestError, match="overlap is"):
        bounds(overlap=overlap)


@pytest.mark.parametrize(
    "context",
    [
        {},
        {"data_interval_start": None, "data_interval_end": None},
        {"data_interval_start": DAY, "data_interval_end": DAY},  # Airflow 3 has such for a cron expression
        {"data_interval_start": DAY.add(days=1), "data_interval_end": DAY},
    ],
)
def test_run_without_an_interval_is_an_error_with_advice(context):
    with pytest.raises(InvalidRequestError, match=r"give interval_start and interval_end.*CronDataIntervalTimetable"):
        bounds(context=context)


def test_earliest_start_is_1970():
    assert bounds("1900-01-01T00:00:00Z")[0] == "1970-01-01T00:00:00.000Z"
    assert bounds(overlap=timedelta.max)[0] == "1970-01-01T00:00:00.000Z"


@pytest.mark.parametrize(
    "start", ["2026-09-30T12:00:00", datetime(2026, 9, 30), "yesterday", "None", 1, "0001-01-01T00:00:00+01:00"]
)
def test_refuses_invalid_times_and_times_without_a_zone(start):
    with pytest.raises(InvalidRequestError, match=r"interval_start is .* a timestamp with a time zone"):
        bounds(start)


def test_warns_about_an_interval_that_ends_in_the_future(caplog):
    bounds()
    assert caplog.text == ""
    bounds(interval_end=datetime.now(UTC) + timedelta(hours=1))
    assert "The interval ends in the future" in caplog.text


def test_interval_contains_its_start_and_not_its_end():
    interval = interval_of(DAY, DAY.add(days=1), 0, {})
    assert [
        interval.contains(timestamp)
        for timestamp in (
            None,
            "2026-09-30T23:59:59.999Z",
            "2026-10-01T00:00:00.000Z",
            "2026-10-01T23:59:59.999Z",
            "2026-10-02T00:00:00.000Z",
        )
    ] == [False, False, True, True, False]
