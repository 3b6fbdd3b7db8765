"""Bulk jobs of the company: work that is submitted at once, and done later on the sandbox's clock."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from airflow_provider_360learning.sandbox.clock import Clock
from airflow_provider_360learning.sandbox.state.budget import MemoryBudget, StorageFullError

JobState = Literal["pending", "queued", "running", "completed", "error"]

#: Part of a job's duration after which it is queued, and after which it starts unless others run.
_QUEUED_AFTER, _STARTS_AFTER = 0.1, 0.2


class RowError(Exception):
    """Refuses one row of a job, for the reason that its text gives."""


@dataclass(frozen=True)
class RowResult:
    """
    What a job did with a row.

    :param input: the row as it was submitted.
    :param resource_id: id of what was changed; ``None`` if the row was refused.
    :param error: why it was refused.
    """

    input: Mapping[str, object]
    resource_id: str | None = None
    error: str | None = None


@dataclass(frozen=True)
class Behavior:
    """
    How a job behaves, from the settings at its submission.

    :param seconds: duration, if it need not wait for others.
    :param max_running: maximum number of jobs that run at once; others wait in the queue.
    :param never_ends: whether it runs forever.
    :param fails_after: number of rows after which it ends in error; ``None`` if it does not.
    :param refused: rows that contain one of these texts are refused.
    :param unmentioned: rows that contain one of these texts are done and have no result.
    """

    seconds: float
    max_running: int
    never_ends: bool = False
    fails_after: int | None = None
    refused: Sequence[str] = ()
    unmentioned: Sequence[str] = ()


def _refuse_row(row: Mapping[str, object]) -> str:
    raise RowError("The sandbox was restarted.")


@dataclass
class BulkJob:
    """
    A job, whose times are known from its submission.

    :param apply: does one row and returns the id of what it changed, or raises :class:`RowError`. It is not saved.
    :param results: ``None`` until it has ended.
    :param error: why it ended in error.
    """

    id: str
    type: str
    inputs: Sequence[Mapping[str, object]]
    behavior: Behavior
    created_at: float
    queued_at: float
    started_at: float
    ended_at: float
    apply: Callable[[Mapping[str, object]], str] = field(default=_refuse_row, metadata={"saved": False})
    results: list[RowResult] | None = None
    error: str | None = None

    def state(self, now: float) -> JobState:
        """Return what it is doing."""
        if self.results is not None:
            return "completed" if self.error is None else "error"
        if now < self.queued_at:
            return "pending"
        return "queued" if now < self.started_at else "running"

    def index(self, now: float) -> int:
        """Return the index of the last row that it has processed."""
        if self.results is not None or self.ended_at == math.inf:
            return max(0, len(self.results or ()) - 1)
        part = (now - self.started_at) / max(self.ended_at - self.started_at, 1e-9)
        return max(0, min(len(self.inputs) - 1, int(part * len(self.inputs))))

    def run(self) -> None:
        """Do all rows."""
        self.results = []
        behavior = self.behavior
        for number, row in enumerate(self.inputs):
            if number == behavior.fails_after:
                self.error = "An unexpected failure ended the operation."
                return
            try:
                result = self._result(row)
            except StorageFullError as error:
                self.error = str(error)
                return
            if not _contains(row, behavior.unmentioned):
                self.results.append(result)
        if behavior.fails_after is not None and behavior.fails_after >= len(self.inputs):
            self.error = "An unexpected failure ended the operation."

    def _result(self, row: Mapping[str, object]) -> RowResult:
        if _contains(row, self.behavior.refused):
            return RowResult(row, error="This row is refused by a setting of the sandbox.")
        try:
            return RowResult(row, resource_id=self.apply(row))
        except RowError as error:
            return RowResult(row, error=str(error))


@dataclass
class BulkJobs:
    """
    All jobs, oldest first.

    :param clock: the sandbox's clock.
    :param budget: bounds the memory of the company.
    :param record: records an event for webhooks.
    """

    clock: Clock
    budget: MemoryBudget
    record: Callable[..., None]
    jobs: dict[str, BulkJob] = field(default_factory=dict)

    def submit(
        self,
        id: str,
        type: str,
        inputs: Sequence[Mapping[str, object]],
        behavior: Behavior,
        apply: Callable[[Mapping[str, object]], str],
    ) -> BulkJob:
        """Create a job."""
        self.budget.take()
        created_at = self.clock.now()
        started_at = self._start(created_at + _STARTS_AFTER * behavior.seconds, behavior.max_running)
        lasts = math.inf if behavior.never_ends else (1 - _STARTS_AFTER) * behavior.seconds
        queued_at = created_at + _QUEUED_AFTER * behavior.seconds
        job = BulkJob(id, type, inputs, behavior, created_at, queued_at, started_at, started_at + lasts, apply)
        self.jobs[id] = job
        self.record("bulk.operation.created", bulkOperationId=id, type=type, createdAt=created_at)
        return job

    def interrupt(self) -> None:
        """End the jobs that have not ended in error, without having done a row."""
        now = self.clock.now()
        for job in self.jobs.values():
            if job.results is None:
                job.results, job.error = [], "The sandbox was stopped before the operation ended."
                job.started_at, job.ended_at = min(job.started_at, now), min(job.ended_at, now)

    def advance(self) -> None:
        """Do the work of all jobs whose time is over, in the order of their ends."""
        now = self.clock.now()
        due = [job for job in self.jobs.values() if job.results is None and job.ended_at <= now]
        for job in sorted(due, key=lambda job: job.ended_at):
            job.run()
            self.record(
                "bulk.operation.ended",
                bulkOperationId=job.id,
                type=job.type,
                createdAt=job.created_at,
                endedAt=job.ended_at,
                status=job.state(now),
            )

    def count(self, *, running_only: bool) -> int:
        """
        Return how many jobs have not ended.

        :param running_only: count running jobs only.
        """
        self.advance()
        now = self.clock.now()
        states = [job.state(now) for job in self.jobs.values() if job.results is None]
        return states.count("running") if running_only else len(states)

    def _start(self, earliest: float, max_running: int) -> float:
        """Return when a job can start at the earliest, with no more than so many at once."""
        ends = sorted(job.ended_at for job in self.jobs.values() if job.results is None and job.ended_at > earliest)
        return earliest if len(ends) < max_running else ends[-max_running]


def _contains(row: Mapping[str, object], texts: Sequence[str]) -> bool:
    text = json.dumps(row, ensure_ascii=False) if texts else ""
    return any(each in text for each in texts)
