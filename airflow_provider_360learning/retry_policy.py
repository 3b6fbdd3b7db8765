"""A retry policy for Airflow 3.3 and later: ``retry_policy=Learning360RetryPolicy()``."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from airflow.providers.common.compat.sdk import RetryDecision, RetryPolicy

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context


#: Maximum delay before a retry, in seconds.
MAX_DELAY = 3600.0


class Learning360RetryPolicy(RetryPolicy):
    """
    Retry transient errors of this package after the delay that they suggest, and fail on permanent ones.

    Errors of other packages follow the task's own settings. ``retries`` limits the number of attempts in every case.
    """

    def evaluate(
        self, exception: BaseException, try_number: int, max_tries: int, context: Context | None = None
    ) -> RetryDecision:
        """Decide whether and when a failed task is retried."""
        from airflow_provider_360learning.exceptions import Learning360Error

        if not isinstance(exception, Learning360Error):
            return RetryDecision.default()
        if not exception.transient:
            return RetryDecision.fail(reason=type(exception).__name__)
        if exception.retry_after is None:
            return RetryDecision.default()
        delay = timedelta(seconds=max(0.0, min(exception.retry_after, MAX_DELAY)))
        return RetryDecision.retry(delay, reason=type(exception).__name__)
