"""The trigger of the completion sensors."""

from __future__ import annotations

import asyncio
import json
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable
from concurrent.futures import Executor
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_360learning.completion import make_condition
from airflow_provider_360learning.completion.condition import CompletionCondition, CompletionStatus
from airflow_provider_360learning.completion.event import MAX_CONSECUTIVE_FAILURES, CompletionEvent, timeout_message
from airflow_provider_360learning.completion.users import USERS_FROM, AwaitedUsers, read_awaited_users
from airflow_provider_360learning.exceptions import Learning360Error
from airflow_provider_360learning.hooks.learning360 import Learning360Hook
from airflow_provider_360learning.log_text import get_logger
from airflow_provider_360learning.triggers.shared_polls import SharedPolls
from airflow_provider_360learning.triggers.threads import TransientThreads

if TYPE_CHECKING:
    from airflow_provider_360learning.api.client import Client
    from airflow_provider_360learning.api.interface import LearningApi

log = get_logger(__name__)

#: Seconds for which waits that start use a connection that was read before: a triggerer may start 2,000 at once.
CONNECTION_FRESH_FOR = 10.0
#: Seconds between two waits that get the same result. They stay apart afterwards, because each counts its interval from
#: its result. A triggerer of Airflow 3.3 processes about 200 log lines per second, and more of them block it.
STAGGER = 0.01

#: Maximum number of threads that send the requests of one connection, and of those that read connections or users. The
#: threads of the loop itself are few and shared by all providers.
_MAX_THREADS = 8
#: Subjects with threads of their own, besides each connection.
CONNECTIONS, _USERS = "connections", "users"


class _Shared:
    """State shared by the waits of one event loop."""

    def __init__(self) -> None:
        #: Threads by what they are for: a host that does not respond keeps those of its own connection only.
        self.threads: defaultdict[Hashable, Executor] = defaultdict(lambda: TransientThreads(_MAX_THREADS))
        self.apis: SharedPolls[LearningApi] = SharedPolls(_MAX_THREADS)
        # While some requests are being sent, the next ones wait for the rate limiter.
        self.polls: defaultdict[Client, SharedPolls[CompletionStatus]] = defaultdict(
            lambda: SharedPolls(2 * _MAX_THREADS, STAGGER)
        )
        #: The users of bulk tasks, by where they are read from.
        self.users: WeakValueDictionary[str, asyncio.Future[AwaitedUsers]] = WeakValueDictionary()


# A triggerer has one loop.
_shared: defaultdict[asyncio.AbstractEventLoop, _Shared] = defaultdict(_Shared)


class Learning360CompletionTrigger(BaseTrigger):
    """
    Poll until a completion condition is met or can never be met, then yield one event.

    Triggers of one process that poll the same condition through the same connection share one request.

    The event is a :class:`~airflow_provider_360learning.completion.event.CompletionEvent`.

    :param learning360_conn_id: The connection to use.
    :param subject: Subject of the condition, a key of :data:`~airflow_provider_360learning.completion.CONDITIONS`.
    :param arguments: Arguments of the condition, as JSON can express them. ``users_from`` and ``include_invited`` stand
        for its users if these are more than a trigger can carry.
    :param poke_interval: Minimum number of seconds between two polls, whatever the response.
    :param first_poke: Time of the first poll, in seconds since 1970.
    :param deadline: Time at which the wait times out, in seconds since 1970; absolute, so that a restart of the
        triggerer does not extend it.
    :param failures: Number of consecutive failures before the first poll.
    :param progress: Progress that the sensor has logged, so that only changes are logged.
    :param pending_invitations: Number of people who are not waited for because they have not accepted their invitation:
        a key of the result, unless it is ``None``.
    """

    def __init__(
        self,
        *,
        learning360_conn_id: str,
        subject: str,
        arguments: dict[str, object],
        poke_interval: float,
        first_poke: float,
        deadline: float,
        failures: int = 0,
        progress: str = "",
        pending_invitations: int | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.learning360_conn_id = learning360_conn_id
        self.subject = subject
        self.arguments = arguments
        self.poke_interval = poke_interval
        self.first_poke = first_poke
        self.deadline = deadline
        self.failures = failures
        self.progress = progress
        self.pending_invitations = pending_invitations
        self._users: asyncio.Future[AwaitedUsers] | None = None

    @staticmethod
    def now() -> float:
        """Return the time in seconds since 1970; replaced in tests."""
        return time.time()

    @staticmethod
    def executor(subject: Hashable) -> Executor:
        """Return the threads in which everything runs that blocks; replaced in tests."""
        return _shared[asyncio.get_running_loop()].threads[subject]

    def serialize(self) -> tuple[str, dict[str, object]]:
        """Return the import path and the arguments, which the metadata database stores."""
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                "learning360_conn_id": self.learning360_conn_id,
                "subject": self.subject,
                "arguments": self.arguments,
                "poke_interval": self.poke_interval,
                "first_poke": self.first_poke,
                "deadline": self.deadline,
                "failures": self.failures,
                "progress": self.progress,
                "pending_invitations": self.pending_invitations,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Poll until a terminal status, then yield one event."""
        yield TriggerEvent(await self._wait())  # type: ignore[no-untyped-call]

    async def _wait(self) -> CompletionEvent:
        try:
            return await self._poll_until_terminal(await self._make_poll())
        except Learning360Error as error:
            message = f"{type(error).__name__}: {error}"
            return {"status": "transient_error" if error.transient else "error", "message": message, "result": {}}
        except Exception as error:
            # Its text may contain secrets; the triggerer's log has the traceback.
            log.exception("Wait for 360Learning failed")
            message = f"The wait failed ({type(error).__name__}); see the triggerer's log"
            return {"status": "transient_error", "message": message, "result": {}}

    async def _make_condition(self) -> CompletionCondition:
        arguments = dict(self.arguments)
        if USERS_FROM in arguments:
            arguments["users"] = await self._load_users(arguments.pop(USERS_FROM), arguments.pop("include_invited"))
        return make_condition(self.subject, arguments)

    async def _load_users(self, users_from: object, include_invited: object) -> AwaitedUsers:
        """Read the users of bulk tasks in a thread, once for all triggers that wait for them at the same time."""
        loop = asyncio.get_running_loop()
        loaded = _shared[loop].users
        key = json.dumps([users_from, include_invited], sort_keys=True)
        # Kept by each trigger that uses the users, so that the memory is freed with the last one.
        self._users = loaded.get(key)
        if self._users is None:
            self._users = loop.run_in_executor(self.executor(_USERS), read_awaited_users, users_from, include_invited)
            loaded[key] = self._users
        try:
            return await asyncio.shield(self._users)
        except Exception:
            loaded.pop(key, None)  # a later trigger tries again
            raise

    async def _make_poll(self) -> Callable[[], Awaitable[CompletionStatus]]:
        """Return a function that polls, or waits for a poll of another trigger, until the deadline at most."""
        condition = await self._make_condition()
        shared = _shared[asyncio.get_running_loop()]
        api = await shared.apis.get(
            self.learning360_conn_id,
            lambda: Learning360Hook(self.learning360_conn_id, max_attempts=1).get_async_conn(
                self.executor(CONNECTIONS)
            ),
            CONNECTION_FRESH_FOR,
        )
        key = json.dumps([self.subject, self.arguments], sort_keys=True)
        polls = shared.polls[api.client]

        def poll() -> Awaitable[CompletionStatus]:
            return polls.get(
                key,
                lambda: api.client.arun(condition.poll(api), self.executor(api.client)),
                self.poke_interval,
                max_wait=max(0.0, self.deadline - self.now()),
            )

        return poll

    async def _poll_until_terminal(self, poll: Callable[[], Awaitable[CompletionStatus]]) -> CompletionEvent:
        failures, last = self.failures, CompletionStatus(is_complete=False, result={}, progress=self.progress)
        next_poke = self.first_poke
        while next_poke < self.deadline:
            await self._sleep_until(next_poke)
            try:
                status = await poll()
            except TimeoutError:
                break
            except Learning360Error as error:
                failures += 1
                if not error.transient or failures > MAX_CONSECUTIVE_FAILURES:
                    raise
                self._log_failure(failures, error)
                continue
            finally:
                # Counted from the response: the request may have waited for the rate limiter.
                next_poke = self.now() + self.poke_interval
            failures = 0
            if status.is_complete:  # logged by the sensor
                return {"status": "success", "message": status.progress, "result": self._result(status)}
            if status.progress != last.progress:
                log.info("%s", status.progress)
            last = status
            if status.failure:
                return {"status": "failed", "message": status.failure, "result": self._result(status)}
        await self._sleep_until(self.deadline)
        return {"status": "timeout", "message": timeout_message(last.progress), "result": self._result(last)}

    def _result(self, status: CompletionStatus) -> dict[str, object]:
        if self.pending_invitations is None:
            return dict(status.result)
        return {**status.result, "pending_invitations": self.pending_invitations}

    def _log_failure(self, failures: int, error: Learning360Error) -> None:
        log.warning(
            "Poll failed: consecutive_failures=%s tolerated=%s; polling again in %s s: %s",
            failures,
            MAX_CONSECUTIVE_FAILURES,
            self.poke_interval,
            error,
        )

    async def _sleep_until(self, end: float) -> None:
        await asyncio.sleep(max(0.0, end - self.now()))
