"""Timestamps of API v1: text, which sorts as the times do, and milliseconds since 1970."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def text_of(milliseconds: int) -> str:
    """
    Return a timestamp as v1 writes it, e.g. ``2026-10-01T00:00:00.000Z``.

    :param milliseconds: Milliseconds since 1970.
    """
    return f"{_EPOCH + milliseconds * _MILLISECOND:%Y-%m-%dT%H:%M:%S}.{milliseconds % 1000:03}Z"


def milliseconds_of(time: str | datetime) -> int:
    """
    Return the milliseconds since 1970, rounded down.

    :param time: A timestamp as v1 writes it, or a datetime with a time zone.
    """
    return ((datetime.fromisoformat(time) if isinstance(time, str) else time) - _EPOCH) // _MILLISECOND
