"""What a long run says in the log: how long it will take, and every now and then how far it is."""

from __future__ import annotations

import logging
import time
from collections import Counter

from airflow_provider_360learning.api.limiter.limiter import Usage
from airflow_provider_360learning.rows.results import NOT_DONE

log = logging.getLogger(__name__)

#: Seconds, or the part of all rows, after which there is another line; but not more than one a second.
SECONDS_A_LINE, PART_A_LINE = 10.0, 0.05


def duration(seconds: float) -> str:
    """Say in words how long something takes."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


class ProgressLog:
    """
    Tells how far a run is.

    :param total: Number of rows.
    :param done: Of which so many were done by an earlier attempt.
    :param usage: What the calls cost.
    """

    def __init__(self, total: int, done: int, usage: Usage) -> None:
        self._total = total
        self._before = done
        self._usage = usage
        self._began = self._said_at = time.monotonic()
        self._said_of = done

    def tell(self, counts: Counter[str]) -> None:
        """WriteSpec a line, if the last one is long enough ago."""
        done = counts.total()
        since = time.monotonic() - self._said_at
        due_in = 1.0 if done - self._said_of >= PART_A_LINE * self._total else SECONDS_A_LINE
        if done == self._said_of or since < due_in:
            return
        self._said_at, self._said_of = time.monotonic(), done
        rate = (done - self._before) / max(self._said_at - self._began, 1e-6)
        log.info(
            "%s of %s rows (%.0f %%), %.2f a second, %s left, %s not done, %s answers 429",
            f"{done:,}",
            f"{self._total:,}",
            100 * done / self._total,
            rate,
            duration((self._total - done) / rate),
            sum(counts[outcome] for outcome in NOT_DONE),
            self._usage.throttled,
        )
