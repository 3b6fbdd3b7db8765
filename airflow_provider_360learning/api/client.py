"""
The client of one API version: runs actions, and makes their calls.

It knows HTTP and the operations of its :class:`~.spec.ApiSpec`, and nothing of users or groups. Actions hand it
:class:`~.types.Call` objects through generators, so that the same action can run in a thread that sleeps, or on an
event loop that does not.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from contextvars import copy_context
from functools import partial
from typing import Any, TypeVar

import tenacity
from pydantic import SecretStr

from airflow_provider_360learning.api import retry
from airflow_provider_360learning.api.auth import (
    ApiKey,
    ApiKeyInHeaders,
    ApiKeyInQuery,
    Auth,
    Credentials,
    OAuth2Token,
)
from airflow_provider_360learning.api.exchange import Exchange
from airflow_provider_360learning.api.limiter.limiter import RateLimiter
from airflow_provider_360learning.api.limiter.usage import Usage
from airflow_provider_360learning.api.places import HeldPlaces, Result
from airflow_provider_360learning.api.redaction import MAX_PATTERNS, MAX_SEARCHED, redact, redact_http_logs
from airflow_provider_360learning.api.spec import ApiSpec
from airflow_provider_360learning.api.transport import Transport
from airflow_provider_360learning.api.types import ActionSteps, Call, JsonObject, Settings, Sleep
from airflow_provider_360learning.exceptions import Learning360Error
from airflow_provider_360learning.log_text import rewrite_error

R = TypeVar("R")

#: Number of sent secrets that are remembered. Together with those of the connection, their patterns are kept, too.
MAX_SENT = MAX_PATTERNS // 2
#: Minimum number of characters of a secret that is replaced in a text of ours, in which a shorter one is by chance.
MIN_IN_OUR_TEXTS = 6


class Client:
    """
    Calls operations of one version of the API.

    :param settings: Address and credentials of 360Learning.
    :param spec: The API version.
    :param rate_limiter: Reserves the send times of requests.
    :param user_agent: Value of the ``User-Agent`` header.
    :param max_attempts: Maximum number of times that a failing call is sent. With 1, a caller that polls (a sensor)
        decides alone when to retry.
    :param on_token: Called with each new token (to mask it in logs).
    :param reread_credentials: Returns the API key that is stored now, and its login. Called in the thread that sends,
        when the server does not accept the current key; what it raises ends the call. ``None`` if they cannot
        change.
    :param before_sending: Called before each request, after its wait. What it raises ends the call, and the
        reservation is released.
    :param sleep: Waits in a thread, between attempts at a call and for a :class:`~.types.Sleep` of an action.
    """

    def __init__(
        self,
        settings: Settings,
        spec: ApiSpec,
        rate_limiter: RateLimiter,
        *,
        user_agent: str = "airflow-provider-360learning",
        max_attempts: int = retry.MAX_ATTEMPTS,
        on_token: Callable[[str], None] = lambda value: None,
        reread_credentials: Callable[[], Credentials] | None = None,
        before_sending: Callable[[], None] = lambda: None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.settings = settings
        #: The API version.
        self.spec = spec
        #: Reserves the send times of requests.
        self.rate_limiter = rate_limiter
        self.user_agent = user_agent
        self.max_attempts = max_attempts
        self.before_sending = before_sending
        self._sleep = sleep
        self._sent: tuple[str, ...] = ()
        self._sent_lock = threading.Lock()
        self.transport = Transport(
            settings.base_url,
            (settings.connect_timeout, settings.read_timeout),
            settings.total_timeout,
            ca_bundle=settings.ca_bundle,
            proxy=settings.proxy,
        )
        credentials = Credentials(settings.login, SecretStr(settings.api_key))
        self.auth = self._choose_auth(ApiKey(credentials, reread_credentials), on_token)
        redact_http_logs(self)

    @property
    def usage(self) -> Usage:
        """The requests and waits of this client so far."""
        return self.rate_limiter.usage

    @property
    def secrets(self) -> tuple[str, ...]:
        """Values that must never appear in a log or an error."""
        return (*self.auth.secrets, *self.transport.secrets)

    @property
    def company(self) -> str:
        """Base URL and company ID, which identify the data that this client works on."""
        return f"{self.settings.base_url} {self.settings.company_id}"

    def run(self, steps: ActionSteps[R]) -> R:
        """
        Run an action in this thread.

        :param steps: The action.
        :return: Its result.
        :raises Learning360Error: as the calls and the action raise.
        """
        with self._redacting_errors(), HeldPlaces(self) as held:
            return self._run(steps, held)

    async def arun(self, steps: ActionSteps[R], executor: Executor) -> R:
        """
        Run an action on an event loop: waits are awaited, all work is done in threads.

        Calls that fail are not retried, because the caller polls.

        :param steps: The action.
        :param executor: Threads to send in, and to process responses in: one may list thousands of learners.
        :return: Its result.
        :raises Learning360Error: as the calls and the action raise.
        """
        held = HeldPlaces(self)
        try:
            with self._redacting_errors():
                return await self._arun(steps, held, executor)
        finally:
            if held.are_used:  # also if the action is canceled: the loop must not wait for a store
                await asyncio.shield(asyncio.get_running_loop().run_in_executor(executor, held.release))

    # Any: the type of a response depends on the operation.
    def call(self, call: Call) -> Any:
        """
        Make a call and return its decoded response (``None`` for an empty one).

        :param call: The call.
        :raises Learning360Error: one of the family, after the retries.
        """
        with self._redacting_errors():
            return self._call(call, self._sleep)

    def _call(self, call: Call, sleep: Callable[[float], None]) -> Any:
        exchange = Exchange(self, call)
        retrying = tenacity.Retrying(
            sleep=sleep,
            retry=tenacity.retry_if_exception(exchange.may_retry),
            wait=retry.seconds_before_retry,
            before_sleep=exchange.log_retry,
            reraise=True,
        )
        return retrying(exchange.attempt)

    async def acall(self, call: Call, executor: Executor) -> object:
        """
        Make a call from an event loop: once, and once more if the credentials had to be renewed.

        :param call: The call.
        :param executor: Threads to send in.
        :raises Learning360Error: one of the family.
        """
        exchange = Exchange(self, call)
        try:
            return await exchange.aattempt(executor)
        except Learning360Error as error:
            if not exchange.credentials_were_renewed_for(error):
                raise
        return await exchange.aattempt(executor)

    def close(self) -> None:
        """Close the connections."""
        self.transport.close()

    def remember(self, secrets: Collection[str]) -> None:
        """
        Remember secrets of a request, such as the password of a row: any later response may repeat them.

        :param secrets: The secrets; the last ones are kept.
        """
        if not secrets:
            return
        with self._sent_lock:
            self._sent = (*(one for one in self._sent if one not in secrets), *secrets)[-MAX_SENT:]

    def redact(self, text: str) -> str:
        """
        Replace every secret of this connection, and the secrets that it sent last, in a text of a response.

        :param text: The text, of which only the start is returned if it is very long.
        """
        return redact(text[:MAX_SEARCHED], (*self.secrets, *self._sent))

    @contextmanager
    def _redacting_errors(self) -> Iterator[None]:
        """
        Replace the secrets of this connection in errors: an action may quote any value of a response.

        Passwords of rows are replaced in the texts of responses only, and so are very short secrets. In a text of ours,
        what is missing would reveal a password that is a word of it.
        """
        try:
            yield
        except Learning360Error as error:
            secrets = [secret for secret in self.secrets if len(secret) >= MIN_IN_OUR_TEXTS]
            rewrite_error(error, lambda text: redact(text, secrets))
            error.url = error.url and redact(error.url, secrets)  # ids of responses become parts of paths
            raise

    def _run(self, steps: ActionSteps[R], held: HeldPlaces) -> R:
        outcome: object = None
        while True:
            step = held.advance(steps, outcome)
            try:
                match step:
                    case Result():
                        return step.value
                    case Sleep():
                        self._sleep(step.seconds)
                        outcome = None
                    case Call():
                        outcome = self._call(step, held.renewing(self._sleep))
                    case _:
                        outcome = self._run(held.steps(step), held)
            except Learning360Error as error:
                outcome = error

    async def _arun(self, steps: ActionSteps[R], held: HeldPlaces, executor: Executor) -> R:
        outcome: object = None
        while True:
            # Airflow finds the log of a wait by its context.
            advance = partial(copy_context().run, held.advance, steps, outcome)
            step = await asyncio.get_running_loop().run_in_executor(executor, advance)
            try:
                match step:
                    case Result():
                        return step.value
                    case Sleep():
                        await asyncio.sleep(step.seconds)
                        outcome = None
                    case Call():
                        outcome = await self.acall(step, executor)
                    case _:
                        outcome = await self._arun(held.steps(step), held, executor)
            except Learning360Error as error:
                outcome = error

    def _choose_auth(self, api_key: ApiKey, on_token: Callable[[str], None]) -> Auth:
        if self.settings.auth == "oauth2":
            return OAuth2Token(self._fetch_token, api_key, on_token)
        place = ApiKeyInQuery if self.settings.auth == "api_key_query" else ApiKeyInHeaders
        return place(self.settings.company_id, api_key)

    def _fetch_token(self, credentials: Credentials) -> JsonObject:
        self.usage.tokens += 1
        call = Call(
            self.spec.token_operation,
            body={
                "grant_type": "client_credentials",
                "client_id": credentials.login,
                "client_secret": credentials.api_key.get_secret_value(),
            },
        )
        return self.call(call)  # type: ignore[no-any-return]
