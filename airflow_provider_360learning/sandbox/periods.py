"""The periods that listings and statistics are asked for."""

from __future__ import annotations

import math
from typing import NamedTuple

from airflow_provider_360learning.sandbox.calls import ApiError, Call
from airflow_provider_360learning.sandbox.clock import parse_iso


class Period(NamedTuple):
    """A period by its first and last millisecond."""

    first: float = -math.inf
    last: float = math.inf

    def holds(self, date: object) -> bool:
        """Tell whether a date, as answers show it, is in here. What has no date is in no period but all of time."""
        moment = parse_iso(date)
        return self == ALWAYS if moment is None else self.first <= milliseconds(moment) <= self.last

    def earlier(self, by: int) -> Period:
        """Return the period that is so many milliseconds earlier."""
        return Period(self.first - by, self.last - by)


ALWAYS = Period()


def asked_period(call: Call, *names: str) -> Period:
    """Return the period that is asked for.

    :param names: query parameters that may bound it; they end with ``After`` or ``Before``. Whether the bounds
        belong to the period is the setting ``bounds``.
    """
    first, last = ALWAYS
    for name in names:
        if name not in call.query:
            continue
        moment = parse_iso(call.query[name])
        if moment is None:
            raise ApiError(400, f"Request validation failed: {name} must be a valid ISO 8601 date string")
        if name.endswith("After"):
            first = max(first, milliseconds(moment) + (call.settings.bounds in ("exclusive", "after_exclusive")))
        else:
            last = min(last, milliseconds(moment) - (call.settings.bounds in ("exclusive", "before_exclusive")))
    return Period(first, last)


def milliseconds(moment: float) -> int:
    """Return a moment in the resolution of the API."""
    return round(moment * 1000)
