"""The sandbox's clock, timestamps and periods of time."""

from __future__ import annotations

import math
import time
from datetime import UTC, datetime
from typing import NamedTuple


class Clock:
    """
    Seconds since the epoch in the sandbox's time, which tests advance instead of sleeping.

    Tokens and learners follow it, rate limits do not.
    """

    def __init__(self) -> None:
        # Monotonic underneath, because a correction of the machine's clock must not expire tokens.
        self._start = time.time() - time.monotonic()

    def now(self) -> float:
        """Return the current time."""
        return self._start + time.monotonic()

    def advance(self, seconds: float) -> None:
        """
        Move the clock forward, or back.

        :param seconds: how far; negative to move back.
        """
        self._start += seconds

    @property
    def ahead(self) -> float:
        """How many seconds this clock is ahead of the machine's."""
        return self.now() - time.time()


class Period(NamedTuple):
    """
    A period of time.

    :param first: the first millisecond since the epoch that belongs to it.
    :param last: the last one.
    """

    first: float = -math.inf
    last: float = math.inf

    def holds(self, seconds: float | None) -> bool:
        """
        Return whether a time is in this period.

        :param seconds: seconds since the epoch; ``None`` (no date) is only in the unbounded period.
        """
        return self == ALWAYS if seconds is None else self.first <= milliseconds(seconds) <= self.last


ALWAYS = Period()


def milliseconds(seconds: float) -> int:
    """Return a time in whole milliseconds, as responses show it."""
    return round(seconds * 1e6) // 1000


def iso(seconds: float) -> str:
    """Format a time as ISO 8601 in UTC, with milliseconds and ``Z``."""
    whole, fraction = divmod(milliseconds(seconds), 1000)
    return f"{datetime.fromtimestamp(whole, UTC):%Y-%m-%dT%H:%M:%S}.{fraction:03}Z"


def parse_iso(value: object) -> float | None:
    """
    Parse an ISO 8601 date; a date without a zone is taken as UTC (assumption).

    :return: seconds since the epoch; ``None`` if the value is not such a date.
    """
    if not isinstance(value, str):
        return None
    try:
        date = datetime.fromisoformat(value)
        return (date.astimezone(UTC) if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):  # not a date, or not in one of the years 1 to 9999 in UTC
        return None
