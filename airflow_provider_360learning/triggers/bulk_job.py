"""The trigger of deferred waits for bulk jobs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Hashable, Sequence
from concurrent.futures import Executor

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_360learning.api.bulk_jobs import seconds_before_poll
from airflow_provider_360learning.api.interface import LearningApi
from airflow_provider_360learning.completion.event import MAX_CONSECUTIVE_FAILURES
from airflow_provider_360learning.exceptions import Learning360Error
from airflow_provider_360learning.hooks.learning360 import Learning360Hook
from airflow_provider_360learning.log_text import get_logger
from airflow_provider_360learning.triggers.completion import CONNECTIONS, Learning360CompletionTrigger

log = get_logger(__name__)

#: Minimum number of seconds between two polls of a job.
MIN_PAUSE = 5.0


class Learning360BulkJobTrigger(BaseTrigger):
    """
    Poll bulk jobs until all of them have ended, then yield one event; each poll renews the place of a job.

    The event has the keys ``status`` (``success``, ``timeout``, ``error`` or ``transient_error``) and ``message``.

    :param learning360_conn_id: The connection to use.
    :param jobs: The jobs: the id of each, who has its place among the jobs of the company, and when it was submitted,
        in seconds since 1970. If there are none, the trigger waits until the deadline.
    :param deadline: Time at which the wait ends at the latest, in seconds since 1970.
    """

    def __init__(
        self, *, learning360_conn_id: str, jobs: Sequence[tuple[str, str, float] | list[object]], deadline: float
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.learning360_conn_id = learning360_conn_id
        self.jobs = [(str(job_id), str(owner), float(str(since))) for job_id, owner, since in jobs]
        self.deadline = deadline

    @staticmethod
    def now() -> float:
        """Return the time in seconds since 1970; replaced in tests."""
        return time.time()

    @staticmethod
    def executor(subject: Hashable) -> Executor:
        """Return the threads in which everything runs that blocks."""
        return Learning360CompletionTrigger.executor(subject)

    def serialize(self) -> tuple[str, dict[str, object]]:
        """Return the import path and the arguments, which the metadata database stores."""
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                "learning360_conn_id": self.learning360_conn_id,
                "jobs": [list(job) for job in self.jobs],
                "deadline": self.deadline,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Poll until all jobs have ended, then yield one event."""
        yield TriggerEvent(await self._wait())  # type: ignore[no-untyped-call]

    async def _wait(self) -> dict[str, str]:
        if not self.jobs:
            await self._sleep_until(self.deadline)
            return {"status": "success", "message": "There may be a place for a bulk job again"}
        try:
            hook = Learning360Hook(self.learning360_conn_id, max_attempts=1)
            api = await hook.get_async_conn(self.executor(CONNECTIONS))
            waits = [asyncio.ensure_future(self._await_job(api, *job)) for job in self.jobs]
            try:
                await asyncio.gather(*waits)
            finally:
                for wait in waits:
                    wait.cancel()
        except TimeoutError:
            return {"status": "timeout", "message": "The bulk jobs have not ended in time"}
        except Learning360Error as error:
            message = f"The wait for bulk jobs failed: {type(error).__name__}: {error}"
            return {"status": "transient_error" if error.transient else "error", "message": message}
        except Exception as error:
            # Its text may contain secrets; the triggerer's log has the traceback.
            log.exception("Wait for 360Learning failed")
            message = f"The wait for bulk jobs failed ({type(error).__name__}); see the triggerer's log"
            return {"status": "transient_error", "message": message}
        ended = ", ".join(job_id for job_id, *_ in self.jobs)
        return {"status": "success", "message": f"Bulk jobs have ended: {ended}"}

    async def _await_job(self, api: LearningApi, job_id: str, owner: str, since: float) -> None:
        if api.jobs is None:
            return  # the connection was changed: the run reports it
        failures = 0
        while True:
            now = self.now()
            if now >= self.deadline:
                raise TimeoutError
            await self._sleep_until(min(self.deadline, now + max(MIN_PAUSE, seconds_before_poll(now - since))))
            try:
                status = await api.client.arun(api.jobs.status(job_id, owner=owner), self.executor(api.client))
            except Learning360Error as error:
                failures += 1
                if not error.transient or failures > MAX_CONSECUTIVE_FAILURES:
                    raise
                log.warning("Poll of bulk job %s failed: consecutive_failures=%s: %s", job_id, failures, error)
                continue
            failures = 0
            if status.ended:
                await api.client.arun(api.jobs.ended(owner), self.executor(api.client))
                return

    async def _sleep_until(self, end: float) -> None:
        await asyncio.sleep(max(0.0, end - self.now()))
