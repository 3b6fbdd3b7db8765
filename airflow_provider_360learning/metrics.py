"""
Metrics, through Airflow's ``Stats``: statsd, Datadog or OpenTelemetry, as Airflow is configured.

Not imported when DAG files are parsed. A metric that cannot be sent never fails a task.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from airflow.providers.common.compat.sdk import Stats

from airflow_provider_360learning.api.limiter.usage import Counted, UsageObserver
from airflow_provider_360learning.log_text import get_logger

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Metric:
    """
    A metric.

    :param name: Its name, before which Airflow puts ``[metrics] statsd_prefix``.
    :param kind: A counter, or a timer in the unit of Airflow's own timers.
    :param tags: Names of its tags, besides :data:`COMMON_TAGS`.
    :param meaning: What is counted or measured.
    """

    name: str
    kind: Literal["counter", "timer"]
    tags: tuple[str, ...]
    meaning: str


#: Tags of every metric. Each tag has few values: DAGs, tasks, users and jobs are no tags.
COMMON_TAGS = ("conn_id", "api_version")

REQUESTS = Metric("learning360.requests", "counter", ("operation",), "Requests sent, retries and tokens included.")
THROTTLED = Metric("learning360.throttled", "counter", ("operation",), "Responses with status 429.")
RETRIES = Metric("learning360.retries", "counter", ("operation",), "Attempts after the first of each call.")
RATE_LIMIT_WAIT = Metric(
    "learning360.rate_limit_wait",
    "timer",
    ("limit",),
    "One wait for the rate limits or for a place, reported when it begins.",
)
STORE_LOST = Metric(
    "learning360.rate_limiter.store_lost",
    "counter",
    (),
    "Times that a process lost the shared store of the rate limiter, and continued with its share of the limits.",
)
ROWS_DONE = Metric("learning360.rows.done", "counter", ("action", "outcome"), "Rows that are done, or need no change.")
ROWS_REJECTED = Metric(
    "learning360.rows.rejected", "counter", ("action", "outcome"), "Rows that are invalid, refused or failed."
)
ROWS_UNCONFIRMED = Metric(
    "learning360.rows.unconfirmed", "counter", ("action", "outcome"), "Rows whose outcome is unknown."
)
JOBS_SUBMITTED = Metric("learning360.bulk_jobs.submitted", "counter", ("action",), "Bulk jobs submitted (API v2).")
JOBS_DURATION = Metric(
    "learning360.bulk_jobs.duration",
    "timer",
    ("action", "state"),
    "Time from the submission of a bulk job until a task has its results. Its number is that of ended jobs.",
)
EXPORTED_ROWS = Metric("learning360.exported_rows", "counter", ("operator",), "Rows of finished exports.")

#: All of them, as docs/deploy.md lists them.
METRICS = (
    REQUESTS,
    THROTTLED,
    RETRIES,
    RATE_LIMIT_WAIT,
    STORE_LOST,
    ROWS_DONE,
    ROWS_REJECTED,
    ROWS_UNCONFIRMED,
    JOBS_SUBMITTED,
    JOBS_DURATION,
    EXPORTED_ROWS,
)


class Metrics(UsageObserver):
    """
    The metrics of one connection; observes the usage of its clients.

    :param conn_id: The connection.
    :param api_version: Version of the API.
    """

    def __init__(self, conn_id: str, api_version: str) -> None:
        self._common = dict(zip(COMMON_TAGS, (conn_id, api_version), strict=True))

    def count(self, metric: Metric, number: int = 1, **tags: str) -> None:
        """
        Increase a counter.

        :param metric: The metric.
        :param number: By how much.
        :param tags: Its tags.
        """
        _send(lambda: Stats.incr(metric.name, number, tags={**self._common, **tags}))

    def time(self, metric: Metric, seconds: float, **tags: str) -> None:
        """
        Report one measurement of a timer.

        :param metric: The metric.
        :param seconds: The measurement.
        :param tags: Its tags.
        """
        _send(lambda: Stats.timing(metric.name, timedelta(seconds=seconds), tags={**self._common, **tags}))

    def on_count(self, what: Counted, operation: str) -> None:
        """Count a request, a 429 or a retry."""
        self.count(_COUNTED[what], operation=operation)

    def on_wait(self, limit: str, seconds: float) -> None:
        """Report a wait."""
        self.time(RATE_LIMIT_WAIT, seconds, limit=limit)

    def on_store_lost(self) -> None:
        """Count that the shared store became unavailable."""
        self.count(STORE_LOST)


_COUNTED: dict[Counted, Metric] = {"requests": REQUESTS, "throttled": THROTTLED, "retries": RETRIES}
_failures: set[type[Exception]] = set()


def _send(send: Callable[[], object]) -> None:
    """Send a metric. What fails is logged once per process and kind of error: a client can be a class of the user."""
    try:
        send()
    except Exception as error:
        if type(error) not in _failures:
            _failures.add(type(error))
            log.warning("Metrics are not sent (%s): check the section [metrics] of airflow.cfg", type(error).__name__)
