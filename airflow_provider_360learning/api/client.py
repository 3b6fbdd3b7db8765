"""
One call: authenticate, wait for room in the rate_limiter, send, retry where that can help, decode or raise.

The client knows HTTP and the table of operations, and nothing of users or groups. Actions (``v1.py``) hand it
:class:`Call` objects through generators, so that each action can be run in a thread that sleeps, or on an event
loop that does not.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
import time
from collections.abc import Callable, Generator, Mapping
from concurrent.futures import Executor, Future
from contextlib import closing
from contextvars import copy_context
from dataclasses import dataclass, field
from typing import Any, NoReturn, TypeVar
from urllib.parse import quote, quote_plus

import requests
import tenacity

from airflow_provider_360learning.api.auth import ApiKeyInHeaders, ApiKeyInQuery, Auth, OAuth2Token
from airflow_provider_360learning.api.limiter.limiter import MAX_BACK_OFF, RateLimiter, Usage
from airflow_provider_360learning.api.limiter.store import Reservation
from airflow_provider_360learning.api.spec import ApiSpec, BodyFormat
from airflow_provider_360learning.api.transport import ResponseBody, Transport
from airflow_provider_360learning.api.wire import (
    encode_form,
    error_of,
    fault_in,
    form_value,
    retry_after_of,
    segment,
    without_nones,
)
from airflow_provider_360learning.exceptions import (
    AuthenticationError,
    InvalidRequestError,
    Learning360Error,
    OutcomeUnknownError,
    RateLimitedError,
    ServerError,
    TransportError,
    UnexpectedResponseError,
    advice_for,
    class_for,
)

log = logging.getLogger(__name__)

R = TypeVar("R")

#: How often a call that failed (and may be sent again) is sent in all.
MAX_ATTEMPTS = 4
#: Wait before the next attempt, in seconds: doubling from the first, with jitter.
INITIAL_RETRY_WAIT, MAX_RETRY_WAIT = 0.5, 20.0
#: A connection that was idle for longer is looked after before it is used, in seconds.
LONG_IDLE = 2.0
#: How much of an answer's text goes into an error, in characters.
MAX_QUOTE = 300


@dataclass(frozen=True, slots=True)
class Call:
    """
    A call to be made.

    :param operation: Name in the table of operations.
    :param path: Values of the path's segments, unencoded.
    :param query: Query parameters; ``None`` values are left out.
    :param body: Body; ``None`` values are left out.
    :param read: Reads the answer, for one that is too long to be held whole: it is handed the body of a success, as it
        comes in, and what it returns is the answer. It is called anew when the call is sent again, and raises
        :class:`UnexpectedResponseError` for what it cannot use.
    """

    operation: str
    path: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, Any] = field(default_factory=dict, repr=False)
    #: Not shown: it may hold passwords, and that of the token request holds the API key.
    body: Mapping[str, Any] = field(default_factory=dict, repr=False)
    read: Callable[[ResponseBody], Any] | None = field(default=None, repr=False)


#: An action in the making: yields calls, is sent their answers (or has their errors raised), returns a result.
ActionSteps = Generator[Call, Any, R]


#: Yields seconds to sleep, until it is the request's turn.
WaitSteps = Generator[float, None, None]


@dataclass(frozen=True, slots=True)
class Settings:
    """
    StoragePath and how to reach 360Learning.

    :param base_url: Without a trailing slash.
    :param company_id: The company ID.
    :param api_key: The API key.
    :param auth: ``oauth2``, ``api_key_header`` or ``api_key_query``.
    :param token_path: Path of the token endpoint.
    :param connect_timeout: Seconds.
    :param read_timeout: Seconds.
    :param ca_bundle: Path of certificates to trust, instead of the usual ones.
    :param proxy: URL of a proxy, instead of the one in the environment.
    """

    base_url: str
    company_id: str
    api_key: str = field(repr=False)
    auth: str = "oauth2"
    token_path: str | None = None
    connect_timeout: float = 10.0
    read_timeout: float = 60.0
    ca_bundle: str | None = None
    proxy: str | None = field(default=None, repr=False)


class Client:
    """
    Calls operations of the API.

    :param settings: StoragePath and how to reach 360Learning.
    :param rate_limiter: When a request may be sent.
    :param user_agent: What the requests say they come from.
    :param max_attempts: How often a call is sent in all that fails and may be sent again; with 1, whoever asks again
        and again (a sensor) decides alone when.
    :param on_token: Told of each new token (to have it masked).
    :param before_sending: Asked before each request is sent, its wait included: what it raises ends the call, and the
        reserved place is given up.
    """

    def __init__(
        self,
        settings: Settings,
        spec: ApiSpec,
        rate_limiter: RateLimiter,
        *,
        user_agent: str = "airflow-provider-360learning",
        max_attempts: int = MAX_ATTEMPTS,
        on_token: Callable[[str], None] = lambda value: None,
        before_sending: Callable[[], None] = lambda: None,
    ) -> None:
        self._settings = settings
        #: The version of the API that it speaks.
        self.spec = spec
        #: When a request may be sent.
        self.rate_limiter = rate_limiter
        self._user_agent = user_agent
        self._max_attempts = max_attempts
        self._before_sending = before_sending
        self._transport = Transport(
            settings.base_url,
            (settings.connect_timeout, settings.read_timeout),
            ca_bundle=settings.ca_bundle,
            proxy=settings.proxy,
        )
        self._auth = self._choose_auth(on_token)

    @property
    def usage(self) -> Usage:
        """What the calls so far cost."""
        return self.rate_limiter.usage

    @property
    def company(self) -> str:
        """Whose data this is: host and company ID."""
        return f"{self._settings.base_url} {self._settings.company_id}"

    def run(self, steps: ActionSteps[R]) -> R:
        """
        Run an action in this thread.

        :param steps: The action.
        :raises Learning360Error: as the calls and the action raise.
        """
        outcome: Any = None
        while True:
            call, result = _advance(steps, outcome)
            if call is None:
                return result  # type: ignore[no-any-return]
            try:
                outcome = self.call(call)
            except Learning360Error as error:
                outcome = error

    async def arun(self, steps: ActionSteps[R], executor: Executor) -> R:
        """
        Run an action on an event loop: waits are awaited, all work is done in threads.

        Calls that fail are not sent again: whoever polls does that.

        :param steps: The action.
        :param executor: Threads to send in, and to read answers in: one may list thousands of learners.
        :raises Learning360Error: as the calls and the action raise.
        """
        outcome: Any = None
        while True:
            call, result = await asyncio.get_running_loop().run_in_executor(executor, _advance, steps, outcome)
            if call is None:
                return result  # type: ignore[no-any-return]
            try:
                outcome = await self.acall(call, executor)
            except Learning360Error as error:
                outcome = error

    def call(self, call: Call) -> Any:
        """
        Make a call and return its decoded answer (``None`` for an empty one).

        :param call: The call.
        :raises Learning360Error: one of the family, after the retries that can help.
        """
        exchange = _Exchange(self, call)
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception(exchange.may_try_again),
            wait=exchange.wait_before_next,
            before_sleep=exchange.note_retry,
            reraise=True,
        )
        return retrying(exchange.once)

    async def acall(self, call: Call, executor: Executor) -> Any:
        """
        Make a call from an event loop, once (and once more where the token had to be renewed).

        :param call: The call.
        :param executor: Threads to send in.
        :raises Learning360Error: one of the family.
        """
        exchange = _Exchange(self, call)
        try:
            return await exchange.aonce(executor)
        except Learning360Error as error:
            if not exchange.was_renewed_for(error):
                raise
        return await exchange.aonce(executor)

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def redact(self, text: str, *more: str) -> str:
        """
        Replace every secret of this connection in a text that came from outside.

        :param text: The text.
        :param more: Further secrets.
        """
        for secret in filter(None, {*self._auth.secrets, self._settings.api_key, *more}):
            for form in {secret, quote(secret, safe=""), quote_plus(secret)}:
                text = text.replace(form, "***")
        return text

    def _choose_auth(self, on_token: Callable[[str], None]) -> Auth:
        company_id, api_key = self._settings.company_id, self._settings.api_key
        if self._settings.auth == "oauth2":
            return OAuth2Token(self._fetch_token, api_key, on_token)
        return (ApiKeyInQuery if self._settings.auth == "api_key_query" else ApiKeyInHeaders)(company_id, api_key)

    def _fetch_token(self) -> dict[str, Any]:
        self.rate_limiter.usage.tokens += 1
        body = {
            "grant_type": "client_credentials",
            "client_id": self._settings.company_id,
            "client_secret": self._settings.api_key,
        }
        try:
            return self.call(Call(self.spec.token_operation, body=body))  # type: ignore[no-any-return]
        except (AuthenticationError, InvalidRequestError) as error:
            raise _no_token(error) from None


class _Exchange:
    """The attempts at one call."""

    def __init__(self, client: Client, call: Call) -> None:
        self._client = client
        self._call = call
        self._endpoint = client.spec.endpoints[call.operation]
        self._rate_limiter = client.rate_limiter
        self._auth = Auth() if call.operation == client.spec.token_operation else client._auth
        self._path = self._build_path()
        self._request = self._build_request()
        self._prepared = requests.PreparedRequest()
        self._used: Reservation
        self._deadline = time.monotonic() + self._rate_limiter.max_wait
        self._failures = 0
        self._renewed_for: Learning360Error | None = None
        self._outcome_unknown = False

    # One attempt, in a thread or on an event loop

    def once(self) -> Any:
        """Wait for the turn and send."""
        with closing(self._turn()) as turn:
            for wait in turn:
                time.sleep(wait)
            return self._send()

    async def aonce(self, executor: Executor) -> Any:
        """Wait for the turn on the event loop and send in a thread."""
        turn = self._turn()

        def step() -> tuple[float | None, Any]:
            # Sent by the same job that looked whether the moment holds: it must not queue for a thread first.
            wait = next(turn, None)
            return wait, None if wait is not None else self._send()

        def give_up(job: Future[tuple[float | None, Any]]) -> None:
            # StoragePath the call is cancelled, the job may still run: its thread closes the turn then, else this one.
            job.add_done_callback(lambda done: turn.close())

        while True:
            job = executor.submit(copy_context().run, step)  # by its context, Airflow finds a wait's own log
            try:
                wait, answer = await asyncio.wrap_future(job)
                if wait is None:
                    return answer
                await asyncio.sleep(wait)
            except BaseException:
                await asyncio.shield(asyncio.get_running_loop().run_in_executor(executor, give_up, job))
                raise

    def _turn(self) -> WaitSteps:
        """Yield the seconds to sleep until it is this request's turn; give up its place if it never comes."""
        reservation = None
        try:
            while True:
                self._auth.make_ready()
                prepared = self._client._transport.prepare(self._request)
                self._connect(prepared)
                left = self._deadline - time.monotonic()
                # What has room at once is sent, however little time there is; but not tried for ever.
                left = left if reservation else max(0.0, left)
                reservation = self._rate_limiter.reserve(self._endpoint, left, replacing=reservation)
                due = time.monotonic() + reservation.wait
                if reservation.wait > LONG_IDLE:
                    yield reservation.wait - LONG_IDLE / 2
                    self._connect(prepared)  # it may have been closed meanwhile
                yield max(0.0, due - time.monotonic())
                self._client._before_sending()
                # All work is done before the last look at the clock; a token that ended meanwhile costs the moment.
                self._prepared = self._auth(prepared.copy())
                if self._rate_limiter.is_current(reservation):
                    self._used, reservation = reservation, None
                    return
        finally:
            if reservation is not None:
                self._rate_limiter.release(reservation)

    def _connect(self, prepared: requests.PreparedRequest) -> None:
        try:
            self._client._transport.connect(prepared)
        except TransportError as error:
            self._complete(error)
            self._raise(error)

    def _send(self) -> Any:
        self._rate_limiter.usage.requests += 1
        prepared = self._prepared
        # One that was accepted meanwhile may end as well: only a fresh one that is refused is not renewed again.
        is_fresh, self._renewed_for = self._renewed_for is not None, None
        try:
            with closing(self._client._transport.send(prepared, stream=self._call.read is not None)) as response:
                return self._decode(response)
        except TransportError as error:
            self._complete(error)
            self._raise(error)
        except Learning360Error as error:
            if error.code == "invalid_token" and not is_fresh and self._auth.renew(prepared):
                self._renewed_for = error
            self._raise(error)

    def _raise(self, error: Learning360Error) -> NoReturn:
        """Raise an error of an attempt, or what it means for an operation that must not be sent twice."""
        error.after_unknown_outcome = self._outcome_unknown
        if self._leaves_outcome_unknown(error):
            self._outcome_unknown = True
            if not self._endpoint.may_resend:
                raise OutcomeUnknownError(
                    f"It is not known whether {self._endpoint.operation} was done, and it is not sent twice: "
                    f"check in 360Learning. ({error.args[0]})",
                    operation=error.operation,
                    status=error.status,
                    code=error.code,
                    url=error.url,
                ) from None
        raise error

    def _leaves_outcome_unknown(self, error: Learning360Error) -> bool:
        if self._endpoint.is_read:
            return False
        if isinstance(error, TransportError):
            return error.sent
        return isinstance(error, ServerError | UnexpectedResponseError)

    # What happens between attempts, told to tenacity

    def may_try_again(self, error: BaseException) -> bool:
        """Decide whether another attempt can help, and cannot harm."""
        if not isinstance(error, Learning360Error) or error.operation != self._endpoint.operation:
            return False  # nor does a token that could not be fetched get a second round of attempts
        if isinstance(error, RateLimitedError):
            # Not its own retry: the budget is pushed back for everybody. No status: the budget has no room.
            return error.status == 429 and self._client._max_attempts > 1 and time.monotonic() < self._deadline
        if self.was_renewed_for(error):
            return True
        if isinstance(error, ServerError | TransportError | UnexpectedResponseError):
            self._failures += 1
            return self._failures < self._client._max_attempts
        return False

    def was_renewed_for(self, error: BaseException) -> bool:
        """Tell whether the token was renewed because of this very error."""
        return error is self._renewed_for

    def wait_before_next(self, state: tenacity.RetryCallState) -> float:
        """Seconds until the next attempt; where the budget or a new token is all it takes, none."""
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, RateLimitedError | AuthenticationError):
            return 0.0
        grown = tenacity.wait_exponential(INITIAL_RETRY_WAIT, MAX_RETRY_WAIT)(state)
        asked = error.retry_after if isinstance(error, Learning360Error) else None
        return max(grown + random.uniform(0, INITIAL_RETRY_WAIT), min(asked or 0.0, MAX_RETRY_WAIT))

    def note_retry(self, state: tenacity.RetryCallState) -> None:
        """Leave a line in the log for each retry."""
        error = state.outcome.exception() if state.outcome else None
        self._rate_limiter.usage.retries += 1
        if error is self._renewed_for:
            log.info("The token was not accepted any more; trying again with a new one")
        else:
            log.warning("%s Trying again.", error)

    # Building the request

    def _build_path(self) -> str:
        values = {name: segment(name, value, self._endpoint) for name, value in self._call.path.items()}
        if self._call.operation == self._client.spec.token_operation:
            return self._client._settings.token_path or self._client.spec.token_path
        return self._client.spec.path_prefix + self._endpoint.path.format(**values)

    def _build_request(self) -> requests.Request:
        body = without_nones(self._call.body)
        return requests.Request(
            self._endpoint.method,
            self._client._settings.base_url + self._path,
            headers={"User-Agent": self._client._user_agent, "Accept": "application/json", **self._client.spec.headers},
            params={name: form_value(value) for name, value in without_nones(self._call.query).items()},
            json=body if self._endpoint.body is BodyFormat.JSON else None,
            data=encode_form(body) if self._endpoint.body is BodyFormat.FORM else None,
            # Credentials are added when the request is sent; this keeps requests from looking elsewhere.
            auth=Auth(),
        )

    # CompleteReader the answer

    def _decode(self, response: requests.Response) -> Any:
        if response.status_code >= 300:
            self._refuse(response)
        if self._call.read:
            return self._read(response, self._call.read)
        answer = self._json(response)
        fault = fault_in(answer, self._endpoint)
        if fault:
            raise self._unusable(response, fault)
        return answer

    def _read(self, response: requests.Response, read: Callable[[ResponseBody], Any]) -> Any:
        try:
            return read(ResponseBody(response))
        except UnexpectedResponseError as error:
            error.status = response.status_code
            raise self._complete(error) from None

    def _json(self, response: requests.Response) -> Any:
        if not response.content.strip():
            return None
        try:
            return json.loads(response.content)
        except ValueError:
            raise self._unusable(response, "it is not JSON; is the Base URL that of 360Learning?") from None

    def _unusable(self, response: requests.Response, fault: str) -> Learning360Error:
        return self._complete(
            UnexpectedResponseError(f"360Learning's answer cannot be used: {fault}", status=response.status_code)
        )

    def _refuse(self, response: requests.Response) -> NoReturn:
        code, description = error_of(response)
        kind = class_for(response.status_code, code)
        if kind is RateLimitedError:
            backed_off = self._rate_limiter.back_off(self._endpoint, self._used, retry_after_of(response))
        error = kind(
            self._redact(advice_for(kind, response.status_code, code, description))[:MAX_QUOTE],
            status=response.status_code,
            code=self._redact(code)[:MAX_QUOTE] if code else None,
            retry_after=backed_off if kind is RateLimitedError else _capped(retry_after_of(response)),
        )
        raise self._complete(error)

    def _redact(self, text: str) -> str:
        """Replace the connection's secrets, and the password that this call sets."""
        return self._client.redact(text, str(self._call.body.get("password") or ""))

    def _complete(self, error: Learning360Error) -> Learning360Error:
        """Say which call an error belongs to."""
        error.operation = self._endpoint.operation
        error.url = f"{self._endpoint.method} {self._path}"
        return error


def _capped(seconds: float | None) -> float | None:
    return None if seconds is None else min(seconds, MAX_BACK_OFF)


def _no_token(error: Learning360Error) -> AuthenticationError:
    """Say why there is no token: only the token endpoint's own words speak of the credentials."""
    if error.code in ("invalid_client", "invalid_request"):
        advice = advice_for(AuthenticationError, 401, error.code, None)
    else:
        advice = f"No token was given out: check the connection's Base URL and token path ({error.args[0]})"
    return AuthenticationError(advice, operation=error.operation, status=error.status, code=error.code, url=error.url)


def _advance(steps: ActionSteps[Any], outcome: Any) -> tuple[Call | None, Any]:
    """Hand an action the outcome of its last call and get the next call, or none and its result."""
    try:
        return (steps.throw(outcome) if isinstance(outcome, Learning360Error) else steps.send(outcome)), None
    except StopIteration as end:  # which no future can carry out of a thread
        return None, end.value
