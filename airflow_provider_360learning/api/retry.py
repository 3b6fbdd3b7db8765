"""Whether a call that failed is sent again, and when: decisions without side effects."""

from __future__ import annotations

import random

import tenacity

from airflow_provider_360learning.api.spec import Endpoint
from airflow_provider_360learning.exceptions import (
    AuthenticationError,
    BulkApiDisabledError,
    BulkJobsLimitError,
    Learning360Error,
    OutcomeUnknownError,
    RateLimitedError,
    ServerError,
    TransportError,
    UnexpectedResponseError,
)

#: Maximum number of times that a failing call is sent, the first one included.
MAX_ATTEMPTS = 4
#: Wait before the next attempt, in seconds: it doubles from the first to the second, with jitter.
INITIAL_RETRY_WAIT, MAX_RETRY_WAIT = 0.5, 20.0
#: Wait until one of the company's bulk jobs may have ended, in seconds. How long they take is not documented.
MIN_JOB_WAIT, MAX_JOB_WAIT = 20.0, 40.0

_exponential_wait = tenacity.wait_exponential(INITIAL_RETRY_WAIT, MAX_RETRY_WAIT)


def is_failure(error: Learning360Error) -> bool:
    """Return whether an error is a failure that another attempt may not meet."""
    if isinstance(error, BulkApiDisabledError):  # for longer than the attempts take
        return False
    return error.transient and isinstance(error, ServerError | TransportError | UnexpectedResponseError)


def was_throttled(error: Learning360Error) -> bool:
    """Return whether the server throttled a request; without a status, our own rate limiter has no capacity."""
    return isinstance(error, RateLimitedError) and error.status is not None


def leaves_outcome_unknown(error: Learning360Error, endpoint: Endpoint) -> bool:
    """
    Return whether a request may have been applied although it failed.

    :param error: How it failed.
    :param endpoint: The operation.
    """
    if endpoint.is_read or isinstance(error, BulkApiDisabledError):
        return False
    if isinstance(error, TransportError):
        return error.sent
    return isinstance(error, ServerError | UnexpectedResponseError)


def outcome_unknown(error: Learning360Error, endpoint: Endpoint) -> OutcomeUnknownError:
    """
    Return the error of a request that may have been applied and must not be sent twice.

    :param error: How the request failed.
    :param endpoint: The operation.
    """
    return OutcomeUnknownError(
        f"It is not known whether {endpoint.operation} was applied, and it is not sent twice: "
        f"check in 360Learning ({error.args[0]})",
        operation=error.operation,
        status=error.status,
        code=error.code,
        url=error.url,
    )


def error_of(state: tenacity.RetryCallState) -> BaseException | None:
    """Return the error of the last attempt."""
    return state.outcome.exception() if state.outcome else None


def max_wait_for_job(error: BulkJobsLimitError) -> float:
    """
    Return the maximum number of seconds until a bulk job is submitted again.

    :param error: Why it was not.
    """
    return error.retry_after or MAX_JOB_WAIT


def seconds_before_retry(state: tenacity.RetryCallState) -> float:
    """
    Return the seconds until the next attempt.

    Zero after a 429 and after new credentials: the rate limiter spaces the former, and the latter need no wait. A 429
    about bulk jobs does not concern the rate limiter.
    """
    error = error_of(state)
    if isinstance(error, BulkJobsLimitError):
        return error.retry_after or random.uniform(MIN_JOB_WAIT, MAX_JOB_WAIT)
    if isinstance(error, RateLimitedError | AuthenticationError):
        return 0.0
    requested = error.retry_after if isinstance(error, Learning360Error) else None
    wait = _exponential_wait(state) + random.uniform(0, INITIAL_RETRY_WAIT)
    return max(wait, min(requested or 0.0, MAX_RETRY_WAIT))
