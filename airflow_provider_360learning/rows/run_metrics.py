"""The metrics of one run: rows and bulk jobs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from airflow_provider_360learning import metrics
from airflow_provider_360learning.metrics import Metrics
from airflow_provider_360learning.rows.results import NOT_DONE, UNKNOWN, Result


class RunMetrics:
    """
    Counts rows and bulk jobs of one action.

    :param conn_id: The connection.
    :param api_version: Version of the API.
    :param action: Name of the action.
    """

    def __init__(self, conn_id: str, api_version: str, action: str) -> None:
        self._metrics = Metrics(conn_id, api_version)
        self._action = action

    def count_rows(self, results: Iterable[Result]) -> None:
        """
        Count rows by what became of them.

        :param results: Their results.
        """
        for outcome, number in Counter(result.outcome for result in results).items():
            if outcome == UNKNOWN:
                metric = metrics.ROWS_UNCONFIRMED
            else:
                metric = metrics.ROWS_REJECTED if outcome in NOT_DONE else metrics.ROWS_DONE
            self._metrics.count(metric, number, action=self._action, outcome=outcome)

    def count_job(self) -> None:
        """Count a bulk job that was submitted."""
        self._metrics.count(metrics.JOBS_SUBMITTED, action=self._action)

    def measure_job(self, state: str, seconds: float) -> None:
        """
        Report how long a bulk job took.

        :param state: Its last state.
        :param seconds: Since its submission.
        """
        self._metrics.time(metrics.JOBS_DURATION, seconds, action=self._action, state=state)
