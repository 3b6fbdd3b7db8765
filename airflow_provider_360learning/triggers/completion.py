"""The trigger behind the completion sensors."""

from __future__ import annotations

import asyncio
import json
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_360learning.completion.conditions import CompletionStatus, from_dict
from airflow_provider_360learning.exceptions import Learning360Error
from airflow_provider_360learning.hooks.learning360 import Learning360Hook
from airflow_provider_360learning.triggers.shared_polls import SharedPolls

if TYPE_CHECKING:
    from airflow_provider_360learning.api.client import Client
    from airflow_provider_360learning.api.v1 import ApiV1

#: Consecutive failures of a poke that a later poke may mend, before the wait fails.
MAX_CONSECUTIVE_FAILURES = 5

#: Seconds for which a connection that was read serves the waits that start: 2,000 of them start with a triggerer.
CONNECTION_SERVES_FOR = 10.0
#: Seconds between two waits that are told the same answer. They stay apart from then on, as each counts its interval
#: from when it was told. A triggerer of Airflow 3.3 takes in about 200 lines of log a second, and then stands still.
TOLD_APART = 0.01

# The loop's own threads are few and shared by all providers, so sending has some of its own.
_MAX_THREADS = 8
_threads = ThreadPoolExecutor(_MAX_THREADS, thread_name_prefix="learning360")


class _Shared:
    """What the waits on one event loop share."""

    def __init__(self) -> None:
        self.apis: SharedPolls[ApiV1] = SharedPolls(at_once=_MAX_THREADS)
        # While some are sent, the next ones wait for their moment.
        self.verdicts: defaultdict[Client, SharedPolls[CompletionStatus]] = defaultdict(
            lambda: SharedPolls(at_once=2 * _MAX_THREADS, apart=TOLD_APART)
        )


# A triggerer has one loop.
_shared: defaultdict[asyncio.AbstractEventLoop, _Shared] = defaultdict(_Shared)


class Learning360CompletionTrigger(BaseTrigger):
    """
    Ask 360Learning a question until it is answered with yes.

    Triggers of a process that ask the same question through the same connection share one request and its answer.

    Yields exactly one event: ``{"status", "message", …}`` with ``status`` ``success``, ``failed``,
    ``timeout``, ``error`` or ``transient_error`` (to wait anew may help), counts, and at most 20 of those still
    waited for.

    :param learning360_conn_id: The connection to use.
    :param question: What to ask, as :func:`~.questions.to_dict` writes it.
    :param poke_interval: Seconds between two pokes; never less, whatever the answer was.
    :param first_poke: Moment (seconds since 1970) of the first poke.
    :param deadline: Moment (seconds since 1970) to give up at; absolute, so that a triggerer that starts anew
        does not start the wait anew.
    :param failures: Pokes that failed in a row before the first one.
    """

    def __init__(
        self,
        *,
        learning360_conn_id: str,
        question: dict[str, Any],
        poke_interval: float,
        first_poke: float,
        deadline: float,
        failures: int = 0,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.learning360_conn_id = learning360_conn_id
        self.question = question
        self.poke_interval = poke_interval
        self.first_poke = first_poke
        self.deadline = deadline
        self.failures = failures

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """WriteSpec the trigger for the metadata database."""
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                "learning360_conn_id": self.learning360_conn_id,
                "question": self.question,
                "poke_interval": self.poke_interval,
                "first_poke": self.first_poke,
                "deadline": self.deadline,
                "failures": self.failures,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Poke until there is something to say, and say it."""
        try:
            event = await self._wait()
        except Learning360Error as error:
            status = "transient_error" if error.transient else "error"
            event = {"status": status, "message": f"{type(error).__name__}: {error}"}
        except Exception as error:
            # Its text may hold anything; the triggerer's log has the traceback.
            self.log.exception("The wait for 360Learning failed")
            event = {
                "status": "transient_error",
                "message": f"The wait failed ({type(error).__name__}); see the triggerer's log",
            }
        yield TriggerEvent(event)  # type: ignore[no-untyped-call]

    async def _wait(self) -> dict[str, Any]:
        question, asked = from_dict(self.question), json.dumps(self.question, sort_keys=True)
        shared = _shared[asyncio.get_running_loop()]
        api = await shared.apis.get(
            self.learning360_conn_id,
            lambda: Learning360Hook(self.learning360_conn_id, max_attempts=1).get_async_conn(_threads),
            CONNECTION_SERVES_FOR,
        )
        verdicts = shared.verdicts[api.client]
        failures = self.failures
        so_far: dict[str, Any] = {}
        next_poke = self.first_poke
        while next_poke < self.deadline:
            await _sleep_until(next_poke)
            try:
                verdict = await verdicts.get(
                    asked,
                    lambda: api.client.arun(question.ask(api), _threads),
                    self.poke_interval,
                    # It may have to wait for its turn, but not beyond the end of the whole wait.
                    max_wait=max(0.0, self.deadline - time.time()),
                )
            except TimeoutError:
                break
            except Learning360Error as error:
                failures += 1
                if not error.transient or failures > MAX_CONSECUTIVE_FAILURES:
                    raise
                self.log.warning("Poke failed, %s of %s in a row: %s", failures, MAX_CONSECUTIVE_FAILURES, error)
                continue
            finally:
                # Counted from the answer: the request may have waited for its turn.
                next_poke = time.time() + self.poke_interval
            failures = 0
            if so_far != (so_far := verdict.as_result()):
                self.log.info("Seen: %s", so_far)
            if verdict.is_complete:
                return {"status": "success", "message": "complete", **so_far}
            if verdict.impossible:
                return {"status": "failed", "message": verdict.impossible, **so_far}
        await _sleep_until(self.deadline)
        return {"status": "timeout", "message": "The wait took longer than the sensor's timeout", **so_far}


async def _sleep_until(moment: float) -> None:
    await asyncio.sleep(max(0.0, moment - time.time()))
