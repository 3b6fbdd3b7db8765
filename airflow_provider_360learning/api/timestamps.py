"""Timestamps of requests and responses: text, which sorts as the times do, and milliseconds since 1970."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from airflow_provider_360learning.exceptions import UnexpectedResponseError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def text_of(milliseconds: int) -> str:
    """
    Return a timestamp as responses write it, e.g. ``2026-10-01T00:00:00.000Z``.

    :param milliseconds: Milliseconds since 1970.
    """
    return f"{_EPOCH + milliseconds * _MILLISECOND:%Y-%m-%dT%H:%M:%S}.{milliseconds % 1000:03}Z"


def milliseconds_of(time: str | datetime) -> int:
    """
    Return the milliseconds since 1970, rounded down.

    :param time: A timestamp as responses write it, or a datetime with a time zone.
    """
    return ((datetime.fromisoformat(time) if isinstance(time, str) else time) - _EPOCH) // _MILLISECOND


def write_timestamp(value: datetime | None) -> str | None:
    """Write a timestamp in UTC: ``2022-05-16T22:00:00.000Z``."""
    return None if value is None else value.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def read_timestamp(name: str, value: object) -> str | None:
    """
    Read a timestamp of a response; one without a time zone is taken for UTC (assumption).

    :param name: Name of the key.
    :param value: ISO 8601 text; missing, ``None`` and ``""`` mean that there is none.
    :return: ISO 8601 in UTC with milliseconds, or ``None``.
    :raises UnexpectedResponseError: if it is something else.
    """
    if not value:
        return None
    if isinstance(value, str):
        try:
            read = datetime.fromisoformat(value)
            return write_timestamp(read.astimezone(UTC) if read.tzinfo else read.replace(tzinfo=UTC))
        except (ValueError, OverflowError):
            pass
    raise UnexpectedResponseError(f"360Learning's response cannot be used: {name} is not a timestamp")


# Any: its type is not looked at first, because this runs millions of times.
def read_usual_timestamp(name: str, value: Any) -> str | None:
    """
    Read a timestamp like :func:`read_timestamp`, faster where it is written as the API usually does.

    :param name: Name of the key.
    :param value: ISO 8601 text, or ``None``.
    :raises UnexpectedResponseError: if it is something else.
    """
    # As 360Learning writes them; parsing millions would take a minute. No other notation is as long and ends so.
    if value is None or (len(value) == 24 and value[10] == "T" and value[23] == "Z"):
        return value  # type: ignore[no-any-return]
    return read_timestamp(name, value)


class Interval(NamedTuple):
    """
    An interval of time: its start belongs to it, its end does not.

    :param start: ``None`` for no start.
    :param end: ``None`` for no end.
    """

    start: datetime | None
    end: datetime | None

    def has(self, timestamp: str | None) -> bool:
        """
        Return whether a timestamp of a response belongs to the interval.

        :param timestamp: As :func:`read_timestamp` returns it. ``None`` belongs to it: the server has selected the
            object by a timestamp that it does not show.
        """
        if timestamp is None:
            return True
        start, end = write_timestamp(self.start), write_timestamp(self.end)
        return (start is None or timestamp >= start) and (end is None or timestamp < end)
