"""The interval of an export."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import inf
from typing import Any

from airflow_provider_360learning.exceptions import InvalidRequestError
from airflow_provider_360learning.log_text import get_logger

log = get_logger(__name__)

_MILLISECOND = timedelta(milliseconds=1)
_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
_ADVICE = (
    "give interval_start and interval_end, or schedule the DAG with data intervals. (On Airflow 3, runs by a cron "
    "expression have none unless [scheduler] create_cron_data_intervals is on, or the timetable is a "
    "CronDataIntervalTimetable.)"
)


@dataclass(frozen=True, slots=True)
class Interval:
    """
    An interval in UTC, by the millisecond.

    :param start: The start, which belongs to it.
    :param end: The end, which does not.
    """

    start: datetime
    end: datetime

    @property
    def start_text(self) -> str:
        """The start, as exports write timestamps."""
        return timestamp_text(self.start)

    @property
    def end_text(self) -> str:
        """The end, as exports write timestamps."""
        return timestamp_text(self.end)

    @property
    def bounds(self) -> tuple[datetime, datetime]:
        """
        Bounds to request.

        It is not known whether the server includes bounds, so the start is a millisecond earlier, and
        :meth:`contains` decides on what comes.
        """
        return self.start - _MILLISECOND, self.end

    def contains(self, timestamp: str | None) -> bool:
        """Return whether a timestamp, written as by exports, is in the interval."""
        return timestamp is not None and self.start_text <= timestamp < self.end_text

    @property
    def file_name(self) -> str:
        """The interval as a part of a file's name."""
        return "_".join(re.sub(r"[-:.]", "", text) for text in (self.start_text, self.end_text))


def timestamp_text(time: datetime) -> str:
    """
    Return a time as exports write timestamps: ``2026-10-01T00:00:00.000Z``. Such texts sort as the times do.

    :param time: A time in UTC.
    """
    return f"{time.replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"


def interval_of(
    start: datetime | str | None,
    end: datetime | str | None,
    overlap: timedelta | float | str,
    context: Mapping[str, Any],
) -> Interval:
    """
    Return the interval from ``start`` to ``end``, by default the data interval of the DAG run.

    :param start: Its start.
    :param end: Its end.
    :param overlap: A timedelta, or a number of seconds, by which it starts earlier.
    :param context: Context of the running task; may be empty.
    :raises InvalidRequestError: if one of them is invalid, or the interval is empty.
    """
    first, after = start or context.get("data_interval_start"), end or context.get("data_interval_end")
    if first is None or after is None:
        raise InvalidRequestError(f"This run has no data interval: {_ADVICE}")
    interval = Interval(_time("interval_start", first), _time("interval_end", after))
    if interval.start >= interval.end:
        raise InvalidRequestError(f"The interval from {first} to {after} is empty: {_ADVICE}")
    if interval.end > datetime.now(UTC):
        log.warning("The interval ends in the future; later data is not in this export: interval_end=%s", after)
    try:
        return Interval(max(_EARLIEST, interval.start - _duration(overlap)), interval.end)
    except OverflowError:  # an overlap of thousands of years
        return Interval(_EARLIEST, interval.end)


def _time(name: str, value: datetime | str) -> datetime:
    expected = "a timestamp with a time zone, such as 2026-12-01T09:00:00Z"
    try:
        time = datetime.fromisoformat(value) if isinstance(value, str) else value
        if time.tzinfo is None:
            raise ValueError("no time zone")
        utc = time.astimezone(UTC)
    except (AttributeError, TypeError, ValueError, OverflowError):
        raise InvalidRequestError(f"{name} is {value!r}, but must be {expected}.", argument=name) from None
    utc = datetime(utc.year, utc.month, utc.day, utc.hour, utc.minute, utc.second, utc.microsecond, UTC)
    return utc - timedelta(microseconds=utc.microsecond % 1000)


def _duration(overlap: timedelta | float | str) -> timedelta:
    try:
        seconds = overlap.total_seconds() if isinstance(overlap, timedelta) else float(overlap)
    except (TypeError, ValueError):
        seconds = -1
    if not 0 <= seconds < inf:
        raise InvalidRequestError(
            f"overlap is {overlap!r}, but must be a timedelta or a number of seconds.", argument="overlap"
        )
    return round(1000 * seconds) * _MILLISECOND
