"""Timestamps in the filters of API v2, which have a precision of one second."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow_provider_360learning.api.timestamps import write_timestamp

_SECOND = timedelta(seconds=1)


def at_or_after(time: datetime) -> str:
    """
    Return the value of a ``gte`` filter: rounded down to the second, so that nothing is missed.

    :param time: A timestamp with a time zone.
    """
    return str(write_timestamp(time.astimezone(UTC).replace(microsecond=0)))


def before(time: datetime) -> str:
    """
    Return the value of an ``lt`` filter: rounded up to the second, so that nothing is missed.

    :param time: A timestamp with a time zone.
    """
    utc = time.astimezone(UTC)
    return str(write_timestamp(utc.replace(microsecond=0) + (_SECOND if utc.microsecond else timedelta())))
