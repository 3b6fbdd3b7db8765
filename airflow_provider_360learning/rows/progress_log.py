"""Log lines of a long run: how long it will take, and at intervals how far it is."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Iterable

from airflow_provider_360learning.api.client import Client
from airflow_provider_360learning.api.limiter.usage import Usage
from airflow_provider_360learning.log_text import get_logger
from airflow_provider_360learning.rows.results import NOT_DONE, Result
from airflow_provider_360learning.rows.writers import Writer

log = get_logger(__name__)

#: Seconds after which there is another line.
INTERVAL = 10.0
#: Share of all rows after which there is another line, but not more than one per second.
SHARE, MIN_INTERVAL = 0.05, 1.0


def duration(seconds: float) -> str:
    """Return a duration as text."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def log_expectation(writer: Writer, client: Client, rows: int, pace: float, *, writes_per_row: float) -> None:
    """
    Log how long a run will take. Its reads are not counted: they have a limit of their own, which is higher.

    :param writer: What is done with the rows.
    :param client: The client.
    :param rows: Number of rows that are left.
    :param pace: Writes per second that the rate limit allows.
    :param writes_per_row: How many writes a row needs on average.
    """
    writes = math.ceil(-(-rows // writer.rows_per_request) * writes_per_row)
    share = client.rate_limiter.share
    log.info(
        "%s: rows=%s writes=%s rate=%.2f/s (%s): about %s if no other client uses the limit%s",
        writer.name,
        f"{rows:,}",
        f"{writes:,}",
        pace,
        writer.operation,
        duration(writes / pace),
        ""
        if share == 1
        else f". That is {100 * share:.0f} % of the limit: with [learning360] rate_limiter = pool_slots, the share of "
        "a task depends on its pool_slots",
    )


def log_expected_jobs(writer: Writer, rows: int) -> None:
    """
    Log that rows are sent by bulk jobs.

    :param writer: What is done with them.
    :param rows: Number of rows that are left.
    """
    jobs = -(-rows // writer.rows_per_request)
    log.info(
        "%s: rows=%s bulk_jobs>=%s of up to %s rows (%s)",
        writer.name,
        f"{rows:,}",
        f"{jobs:,}",
        f"{writer.rows_per_request:,}",
        writer.operation,
    )


class ProgressLog:
    """
    Logs how far a run is.

    :param total: Number of rows.
    :param done: How many of them earlier attempts have done.
    :param usage: API usage so far.
    :param clock: Returns seconds of a monotonic clock.
    """

    def __init__(self, total: int, done: int, usage: Usage, clock: Callable[[], float] = time.monotonic) -> None:
        self._total = total
        self._before = done
        self._usage = usage
        self._clock = clock
        self._written = Counter({"": done})
        self._started = self._logged_at = clock()
        self._logged = done

    def count(self, results: Iterable[Result]) -> None:
        """
        Count results that are written.

        :param results: The results.
        """
        self._written.update(result.outcome for result in results)

    def report(self, in_memory: Callable[[], Counter[str]]) -> None:
        """
        Log a line, if the last one is long enough ago.

        :param in_memory: Returns outcomes that are not written yet.
        """
        elapsed = self._clock() - self._logged_at
        if elapsed < MIN_INTERVAL:
            return
        counts = self._written + in_memory()
        done = counts.total()
        interval = MIN_INTERVAL if done - self._logged >= SHARE * self._total else INTERVAL
        if done == self._logged or elapsed < interval:
            return
        self._logged_at, self._logged = self._clock(), done
        rate = (done - self._before) / max(self._logged_at - self._started, 1e-6)
        log.info(
            "rows=%s/%s (%.0f %%) rate=%.2f/s remaining=%s rejected=%s throttled=%s",
            f"{done:,}",
            f"{self._total:,}",
            100 * done / self._total,
            rate,
            duration((self._total - done) / rate),
            sum(counts[outcome] for outcome in NOT_DONE),
            self._usage.throttled,
        )
