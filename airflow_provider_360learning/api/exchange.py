"""
The attempts at one call: authenticate, reserve a send time, send, decode or raise, and decide about a retry.

Waits are yielded, so that the same attempt can run in a thread that sleeps, or on an event loop that does not.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Executor, Future
from contextlib import closing
from contextvars import copy_context
from typing import Any, NoReturn, Protocol, cast

import requests
import tenacity

from airflow_provider_360learning.api import retry
from airflow_provider_360learning.api.auth import MAX_RENEWALS, Auth
from airflow_provider_360learning.api.limiter.limiter import RateLimiter
from airflow_provider_360learning.api.limiter.store import MAX_BACK_OFF, Reservation
from airflow_provider_360learning.api.links import job_id, next_link
from airflow_provider_360learning.api.pages import Page
from airflow_provider_360learning.api.redaction import MAX_SEARCHED, redact_values
from airflow_provider_360learning.api.request import build_path, build_request
from airflow_provider_360learning.api.response import (
    MAX_ERROR_BODY,
    MIB,
    ResponseBody,
    read_json,
    retry_after_seconds,
    shape_mismatch,
)
from airflow_provider_360learning.api.spec import MAX_QUOTE, ApiSpec, ReportedError, ResponseShape
from airflow_provider_360learning.api.transport import Transport
from airflow_provider_360learning.api.types import Call, JsonValue, Settings, StatusAndBody, WaitSteps
from airflow_provider_360learning.exceptions import (
    AuthenticationError,
    BulkJobsLimitError,
    Learning360Error,
    RateLimitedError,
    ResponseTooLargeError,
    TransportError,
    UnexpectedResponseError,
)
from airflow_provider_360learning.log_text import escape_controls, get_logger

log = get_logger(__name__)

#: A connection that was idle for longer is checked before it is used, in seconds.
LONG_IDLE = 2.0


class ExchangeClient(Protocol):
    """The client of an exchange: its connection, limits and callbacks."""

    settings: Settings
    spec: ApiSpec
    rate_limiter: RateLimiter
    transport: Transport
    auth: Auth
    user_agent: str
    max_attempts: int
    before_sending: Callable[[], None]

    def remember(self, secrets: Collection[str]) -> None:
        """Remember secrets that are sent."""

    def redact(self, text: str) -> str:
        """Replace secrets in a text of a response."""


class Exchange:
    """
    The attempts at one call.

    :param client: The client that makes the call.
    :param call: The call.
    """

    def __init__(self, client: ExchangeClient, call: Call) -> None:
        self._client = client
        self._call = call
        self._endpoint = client.spec.endpoints[call.operation]
        self._rate_limiter = client.rate_limiter
        self._auth = Auth() if call.operation == client.spec.token_operation else client.auth
        target = build_path(call, client.spec, client.settings)
        self._path = target.partition("?")[0]
        self._request = build_request(call, self._path, client.spec, client.settings, client.user_agent)
        #: The URL of a link, which is followed as it is.
        self._link = client.settings.base_url + target if call.link is not None else None
        #: The request of the current attempt, with its credentials, and the reservation that it used.
        self._prepared = requests.PreparedRequest()
        self._used: Reservation
        self._deadline = time.monotonic() + self._rate_limiter.max_wait
        self._failures = 0
        #: Number of times in a row that the credentials were renewed, and the error for which they were the last time.
        self._renewals = 0
        self._renewed_for: Learning360Error | None = None
        self._outcome_unknown = False

    # One attempt, in a thread or on an event loop

    def attempt(self) -> object:
        """Wait until the request may be sent, and send it."""
        with closing(self._wait()) as waits:
            for seconds in waits:
                time.sleep(seconds)
            return self._send()

    async def aattempt(self, executor: Executor) -> object:
        """
        Wait on the event loop until the request may be sent, and send it in a thread.

        :param executor: The threads.
        """
        waits = self._wait()

        def step() -> tuple[float | None, object]:
            # Sent by the same job that checked the reservation: it must not queue for a thread first.
            seconds = next(waits, None)
            return seconds, None if seconds is not None else self._send()

        def release(job: Future[tuple[float | None, object]]) -> None:
            # When the call is canceled, the job may still run: then its thread closes the waits, else this one.
            job.add_done_callback(lambda done: waits.close())

        while True:
            job = executor.submit(copy_context().run, step)  # Airflow finds the log of a wait by its context
            try:
                seconds, response = await asyncio.wrap_future(job)
                if seconds is None:
                    return response
                await asyncio.sleep(seconds)
            except BaseException:
                await asyncio.shield(asyncio.get_running_loop().run_in_executor(executor, release, job))
                raise

    def _wait(self) -> WaitSteps:
        """Yield the seconds to sleep before the request may be sent; release the reservation if it is not used."""
        reservation = None
        try:
            while True:
                self._auth.make_ready()
                prepared = self._request.prepare()
                prepared.url = self._link or prepared.url
                self._connect(prepared)
                left = self._deadline - time.monotonic()
                # A request that can be sent at once is sent, however little time is left; but not tried forever.
                left = left if reservation else max(0.0, left)
                reservation = self._rate_limiter.reserve(self._endpoint, left, replacing=reservation)
                due = time.monotonic() + reservation.wait
                with self._rate_limiter.measure_wait(reservation):
                    if reservation.wait > LONG_IDLE:
                        yield reservation.wait - LONG_IDLE / 2
                        self._connect(prepared)  # it may have been closed meanwhile
                    yield max(0.0, due - time.monotonic())
                self._client.before_sending()
                # All work is done before the last check; a token that expired meanwhile costs the reservation.
                self._prepared = self._auth(prepared.copy())
                if self._rate_limiter.is_current(reservation):
                    self._used, reservation = reservation, None
                    return
        finally:
            if reservation is not None:
                self._rate_limiter.release(reservation)

    def _connect(self, prepared: requests.PreparedRequest) -> None:
        try:
            self._client.transport.connect(prepared)
        except TransportError as error:
            self._raise(self._complete(error))

    def _send(self) -> object:
        prepared = self._prepared
        # A token that was accepted before may expire as well: only renewals in a row are counted.
        renewals, self._renewals = self._renewals, 0
        client, is_streamed = self._client, self._call.read is not None
        client.remember(self._call.secrets)
        try:
            # A connection that was closed meanwhile takes time to open: the right to send is verified once more.
            response = client.transport.send(prepared, is_streamed=is_streamed, on_connected=client.before_sending)
            with closing(response):
                result = self._decode(response)
            self._rate_limiter.confirm_credentials()
            return result
        except TransportError as error:
            self._raise(self._complete(error))
        except AuthenticationError as error:
            self._rate_limiter.reject_credentials(self._endpoint, self._used)
            if renewals < MAX_RENEWALS and self._auth.renew(prepared, again=renewals > 0):
                self._renewals, self._renewed_for = renewals + 1, error
            self._raise(error)
        except Learning360Error as error:
            self._raise(error)
        finally:
            # Not before it is sent: counting must not delay it.
            self._rate_limiter.usage.count("requests", self._endpoint.operation)

    def _raise(self, error: Learning360Error) -> NoReturn:
        """Raise the error of an attempt, or its meaning for an operation that must not be sent twice."""
        error.after_unknown_outcome = self._outcome_unknown
        if retry.leaves_outcome_unknown(error, self._endpoint):
            self._outcome_unknown = True
            if self._call.once or not self._endpoint.may_resend:
                raise retry.outcome_unknown(error, self._endpoint) from None
        raise error

    # Between attempts, called by tenacity

    def may_retry(self, error: BaseException) -> bool:
        """
        Return whether another attempt is useful and safe.

        :param error: The error of the last attempt.
        """
        if not isinstance(error, Learning360Error) or error.operation != self._endpoint.operation:
            return False  # a token that could not be fetched has had its own attempts
        if isinstance(error, BulkJobsLimitError):
            may_wait = self._client.max_attempts > 1
            return may_wait and time.monotonic() + retry.max_wait_for_job(error) <= self._deadline
        if isinstance(error, RateLimitedError):
            # Not counted as a failure: the rate limiter backs off for all who share it.
            may_wait = self._client.max_attempts > 1 and time.monotonic() < self._deadline
            return retry.was_throttled(error) and may_wait
        if self.credentials_were_renewed_for(error):
            return True
        if retry.is_failure(error):
            self._failures += 1
            return self._failures < self._client.max_attempts
        return False

    def credentials_were_renewed_for(self, error: BaseException) -> bool:
        """
        Return whether the token or the API key was renewed because of an error.

        :param error: The error.
        """
        return error is self._renewed_for

    def log_retry(self, state: tenacity.RetryCallState) -> None:
        """
        Count each retry, and log those after a failure; new credentials are logged once, not by each thread.

        :param state: The state of the attempts.
        """
        error = retry.error_of(state)
        self._rate_limiter.usage.count("retries", self._endpoint.operation)
        if error is not self._renewed_for:
            log.warning("Request failed: %s; retrying", error)

    # Decoding the response

    def _decode(self, response: requests.Response) -> object:
        if response.status_code < 200:
            # http.client passes over status 100 only. The connection is closed with the response, so that the final
            # one that may follow is not taken for that of another request.
            raise self._unusable(response, f"HTTP {response.status_code} is not a final response")
        is_success = response.status_code < 300
        try:
            max_size = self._client.settings.max_response_mib * MIB if is_success else MAX_ERROR_BODY
            if is_success and self._call.read:
                # Rows are checked one by one, and limit themselves. A file can be anything.
                is_file = self._endpoint.response is ResponseShape.FILE
                return self._call.read(ResponseBody(response, max_size if is_file else None))
            received = ResponseBody(response, max_size, self._call.received if is_success else 0)
            body = read_json(received, max_size)
        except UnexpectedResponseError as error:
            if is_success:
                raise self._unexpected(response, error) from None
            body, received = None, None  # the status is enough
        self._check(response, body)
        try:
            result = self._result(response, body, received.size if received else 0)
        except UnexpectedResponseError as error:
            raise self._unexpected(response, error) from None
        return StatusAndBody(response.status_code, result) if self._call.with_status else result

    def _result(self, response: requests.Response, body: JsonValue, size: int) -> object:
        """Return what the caller gets: the body, a page with its link, or the id of a job."""
        if self._endpoint.refusal_keys:
            body = redact_values(body, self._endpoint.refusal_keys, self._client.redact)
        base_url, prefix = self._client.settings.base_url, self._client.spec.path_prefix
        url = self._prepared.url or base_url
        if self._endpoint.response is ResponseShape.PAGE:
            following = next_link(response.headers.get("Link", ""), url, base_url, prefix)
            return Page(cast(list[object], body), following, size)
        if self._endpoint.response is ResponseShape.JOB:
            job_path = self._client.spec.job_path or ""
            return job_id(response.headers.get("Location", ""), url, base_url, prefix, job_path)
        return body

    def _unexpected(self, response: requests.Response, error: UnexpectedResponseError) -> Learning360Error:
        """Return the error of a success status; that of a write is not known to be permanent."""
        if isinstance(error, ResponseTooLargeError) and not self._endpoint.is_read:
            error = UnexpectedResponseError(error.args[0])
        error.status = response.status_code
        return self._complete(error)

    def _check(self, response: requests.Response, body: JsonValue) -> None:
        """Raise what a response reports, or what it lacks."""
        operation, status = self._endpoint.operation, response.status_code
        reported = self._client.spec.parse_error(operation, status, body, self._quote)
        if reported:
            raise self._reported(response, reported)
        if mismatch := shape_mismatch(body, self._endpoint):
            raise self._unusable(response, mismatch)

    def _unusable(self, response: requests.Response, problem: str) -> Learning360Error:
        message = f"360Learning's response cannot be used: {problem}"
        return self._complete(UnexpectedResponseError(message, status=response.status_code))

    def _reported(self, response: requests.Response, reported: ReportedError) -> Learning360Error:
        """Return the error that a response reports; a 429 backs off for all who share the rate limiter."""
        retry_after = retry_after_seconds(response)
        if reported.error_class is RateLimitedError:
            retry_after = self._rate_limiter.back_off(self._endpoint, self._used, retry_after)
        # Any: which arguments a class has, the parser of the version knows.
        details: Mapping[str, Any] = reported.details
        error = reported.error_class(
            reported.message,
            status=response.status_code,
            code=reported.code,
            retry_after=None if retry_after is None else min(retry_after, MAX_BACK_OFF),
            **details,
        )
        return self._complete(error)

    def _quote(self, text: str) -> str:
        """Return a text of the response as an error shows it: without secrets and control characters, shortened."""
        redacted = self._client.redact(text)
        quoted = escape_controls(redacted[:MAX_QUOTE])[:MAX_QUOTE]
        return quoted if len(redacted) <= MAX_QUOTE and len(text) <= MAX_SEARCHED else f"{quoted[: MAX_QUOTE - 1]}…"

    def _complete(self, error: Learning360Error) -> Learning360Error:
        """Add the call to its error."""
        error.operation = self._endpoint.operation
        error.url = f"{self._endpoint.method} {self._path}"
        return error
