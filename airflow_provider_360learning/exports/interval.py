"""Which span of time an export is about."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from math import inf
from typing import Any

from airflow_provider_360learning.api.v1.complete_reader import LONG_AGO, Window
from airflow_provider_360learning.api.values import utc
from airflow_provider_360learning.exceptions import InvalidRequestError
from airflow_provider_360learning.exports.timestamps import milliseconds_of

log = logging.getLogger(__name__)

_ADVICE = (
    "give start and end, or schedule the DAG with data intervals. (On Airflow 3, runs by a cron expression have none "
    "unless [scheduler] create_cron_data_intervals is on, or the timetable is a CronDataIntervalTimetable.)"
)


def interval_of(
    start: datetime | str | None,
    end: datetime | str | None,
    overlap: timedelta | float | str,
    context: Mapping[str, Any],
) -> Window:
    """
    Return the span from ``start`` to ``end``, by default the data interval of the DAG run.

    :param start: The first moment in it.
    :param end: The first moment after it.
    :param overlap: By how much (or by how many seconds) it begins earlier.
    :param context: Of the running task; may be empty.
    :raises InvalidRequestError: if there is no such span.
    """
    first, after = start or context.get("data_interval_start"), end or context.get("data_interval_end")
    if first is None or after is None:
        raise InvalidRequestError(f"There is no data interval here: {_ADVICE}")
    span = Window(_milliseconds("start", first), _milliseconds("end", after))
    if span.length <= 0:
        raise InvalidRequestError(f"The interval from {first} to {after} is empty: {_ADVICE}")
    if span.end > 1000 * time.time():
        log.warning("The interval ends in the future, at %s: what happens until then is not in this export", after)
    return Window(max(LONG_AGO, span.start - round(1000 * _seconds(overlap))), span.end)


def _milliseconds(name: str, value: datetime | str) -> int:
    return milliseconds_of(str(utc(name, value)))


def _seconds(overlap: timedelta | float | str) -> float:
    try:
        seconds = overlap.total_seconds() if isinstance(overlap, timedelta) else float(overlap)
    except ValueError:
        seconds = -1
    if not 0 <= seconds < inf:
        raise InvalidRequestError(f"overlap is {overlap!r}, but must be a timedelta or a number of seconds.")
    return seconds
