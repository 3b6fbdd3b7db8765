"""Which span of time an export is about: the one that is given, or that of the DAG run; never none without a word."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pendulum
import pytest

from airflow_provider_360learning.exceptions import InvalidRequestError
from airflow_provider_360learning.exports.interval import interval_of
from airflow_provider_360learning.exports.timestamps import milliseconds_of, text_of

DAY = pendulum.datetime(2026, 10, 1)
RUN = {"data_interval_start": DAY, "data_interval_end": DAY.add(days=1)}


def texts(interval_start=None, interval_end=None, overlap=0, context=RUN):
    span = interval_of(interval_start, interval_end, overlap, context)
    return text_of(span.start), text_of(span.end)


def test_by_default_it_is_the_data_interval_of_the_run():
    assert texts() == ("2026-10-01T00:00:00.000Z", "2026-10-02T00:00:00.000Z")


@pytest.mark.parametrize(
    "start",
    [
        datetime(2026, 9, 30, 12, tzinfo=UTC),
        "2026-09-30T12:00:00Z",
        "2026-09-30 14:00:00+02:00",  # as templates render moments
        "2026-09-30T12:00:00.000999+00:00",
    ],
)
def test_what_is_given_wins(start):
    assert texts(start) == ("2026-09-30T12:00:00.000Z", "2026-10-02T00:00:00.000Z")
    assert texts(start, "2026-10-01T00:00:00Z", context={}) == ("2026-09-30T12:00:00.000Z", "2026-10-01T00:00:00.000Z")


@pytest.mark.parametrize(
    "overlap", [timedelta(hours=2), 7200, "7200", 7200.0, pendulum.duration(hours=2)], ids=lambda overlap: type(overlap)
)
def test_the_overlap_lets_it_begin_earlier(overlap):
    assert texts(overlap=overlap) == ("2026-09-30T22:00:00.000Z", "2026-10-02T00:00:00.000Z")


@pytest.mark.parametrize("overlap", ["a day", -1, timedelta(-1), "inf", "nan"])
def test_an_overlap_is_a_duration(overlap):
    with pytest.raises(InvalidRequestError, match="overlap is"):
        texts(overlap=overlap)


@pytest.mark.parametrize(
    "context",
    [
        {},
        {"data_interval_start": None, "data_interval_end": None},
        {"data_interval_start": DAY, "data_interval_end": DAY},  # Airflow 3 has such for a cron expression
        {"data_interval_start": DAY.add(days=1), "data_interval_end": DAY},
    ],
)
def test_a_run_without_an_interval_is_told_what_to_do(context):
    with pytest.raises(InvalidRequestError, match=r"give start and end.*CronDataIntervalTimetable"):
        texts(context=context)


def test_everything_begins_in_1970():
    assert texts("1900-01-01T00:00:00Z")[0] == "1970-01-01T00:00:00.000Z"


@pytest.mark.parametrize("start", ["2026-09-30T12:00:00", "yesterday", "None"])
def test_moments_need_a_zone(start):
    with pytest.raises(InvalidRequestError, match=r"start is .* a moment with a time zone"):
        texts(start)


def test_an_interval_that_is_not_over_is_warned_of(caplog):
    texts()
    assert caplog.text == ""
    texts(interval_end=datetime.now(UTC) + timedelta(hours=1))
    assert "The interval ends in the future" in caplog.text


@pytest.mark.parametrize("text", ["1970-01-01T00:00:00.000Z", "2026-10-01T23:59:59.999Z", "1969-12-31T23:59:59.999Z"])
def test_moments_stay_what_they_are(text):
    assert text_of(milliseconds_of(text)) == text
