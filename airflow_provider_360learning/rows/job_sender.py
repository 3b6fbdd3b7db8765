"""Submit rows as bulk jobs, wait for these, write the results of the rows, and make checkpoints."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import takewhile
from typing import Any

from airflow_provider_360learning.api.bulk_jobs import JobStatus, LostJob, seconds_before_poll
from airflow_provider_360learning.api.text import counted
from airflow_provider_360learning.exceptions import (
    BulkApiDisabledError,
    Learning360Error,
    MissingScopeError,
    NotFoundError,
    OutcomeUnknownError,
    RateLimitedError,
)
from airflow_provider_360learning.log_text import get_logger
from airflow_provider_360learning.ordered_executor import OrderedExecutor, Task
from airflow_provider_360learning.rows.batches import BatchReader
from airflow_provider_360learning.rows.checkpoints import LAST_WAIT, Checkpoint, OpenJob
from airflow_provider_360learning.rows.config import JobTimes
from airflow_provider_360learning.rows.job_chunks import Chunk, ChunkReader, Phase
from airflow_provider_360learning.rows.job_files import JobFiles, StoredRow
from airflow_provider_360learning.rows.job_writer import JobWriter
from airflow_provider_360learning.rows.progress_log import duration
from airflow_provider_360learning.rows.recorder import Recorder
from airflow_provider_360learning.rows.results import NOT_DONE, Result
from airflow_provider_360learning.supervision import ignore_sigterm

log = get_logger(__name__)

#: Maximum number of jobs of one run at the same time: as many as a company may have.
MAX_OPEN_JOBS = 3
#: Maximum size of the rows of all jobs: values in memory take up to 25 times the size that they have in a file.
MAX_OPEN_SIZE = 4 << 20
#: Seconds between two attempts to get a place among the jobs of the company.
PAUSE_WITHOUT_PLACE = 30.0
#: Seconds of a deferred wait for a place.
DEFERRAL_WITHOUT_PLACE = 120.0
#: Maximum number of seconds to wait for the end of steps under way.
_MAX_COLLECT = 0.5


@dataclass(frozen=True, slots=True)
class AwaitedJob:
    """
    A job that a deferred wait is for.

    :param job_id: Its id.
    :param owner: Who has its place among the jobs of the company.
    :param since: When it was submitted at the earliest, in seconds since 1970.
    """

    job_id: str
    owner: str
    since: float


class DeferWait(Exception):
    """
    The wait for bulk jobs is long, and is to be deferred; the lease is returned.

    Not a :class:`Learning360Error`, which would become the result of a row.

    :param jobs: The jobs; empty if no place is free for one.
    :param deadline: When the wait ends at the latest, in seconds since 1970.
    """

    def __init__(self, jobs: tuple[AwaitedJob, ...], deadline: float) -> None:
        super().__init__(f"waiting for {counted(len(jobs), 'bulk job')}")
        self.jobs = jobs
        self.deadline = deadline


class JobsNotAvailableError(Exception):
    """
    Jobs cannot do the rows that are left, but requests can.

    :param reason: Why.
    """


@dataclass(frozen=True)
class _Step:
    """A step of a chunk, which sends requests in a thread."""

    chunk: Chunk
    phase: Phase
    function: Callable[[], Any]


class JobSender:
    """
    Sends rows by bulk jobs.

    One thread owns all state: the threads that send requests only return what these returned. A job is recorded in the
    checkpoint before it is submitted, and its id before it is waited for. Rows with the same subject are in one job, or
    in jobs of which one has ended before the other is submitted.

    :param rows: The rows.
    :param writer: What is done with them.
    :param recorder: Records how far the run is.
    :param files: The rows of jobs.
    :param times: Times of jobs.
    :param deferrable: Whether a long wait is deferred.
    :param clock: Returns seconds of a monotonic clock.
    :param wall_clock: Returns seconds since 1970.
    """

    def __init__(
        self,
        rows: BatchReader,
        writer: JobWriter,
        recorder: Recorder,
        files: JobFiles,
        times: JobTimes,
        *,
        deferrable: bool,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._reader = ChunkReader(rows, writer, files, recorder.keep_lease)
        self._writer = writer
        self._recorder = recorder
        self._files = files
        self._times = times
        self._deferrable = deferrable
        self._clock = clock
        self._wall_clock = wall_clock
        self._executor: OrderedExecutor[_Step, Any] = OrderedExecutor(
            lambda step: step.function(), capacity=lambda: MAX_OPEN_JOBS + 1
        )
        #: Chunks in the order of the rows whose results are not in a part.
        self._open: deque[Chunk] = deque()
        self._sent_before = recorder.checkpoint.sent_up_to
        #: Why requests must do the rows that are left.
        self._unavailable: str | None = None
        #: Since when there has been no place for a job; ``None`` if there was one.
        self._without_place_since: float | None = None

    def send(self) -> None:
        """
        Send all rows after the last checkpoint.

        If it cannot, it writes what is certain and returns the lease.

        :raises JobsNotAvailableError: if requests must do the rows after the last checkpoint.
        :raises DeferWait: if the wait is to be deferred.
        :raises LeaseLostError: if another attempt has the lease.
        """
        with self._executor:
            try:
                self._send_all(self._reader.read(self._recorder.checkpoint))
            except BaseException:
                with ignore_sigterm():
                    self._recorder.release(self._write_certain, lambda: self._executor.is_quiet)
                raise
        if self._unavailable is None and self._reader.ended_early:
            self._unavailable = "no bulk job can do all of the rows"
        if self._unavailable is not None:
            raise JobsNotAvailableError(self._unavailable)

    def _send_all(self, chunks: Iterator[Chunk]) -> None:
        following = next(chunks, None)
        while following or self._open or not self._executor.is_idle:
            while following and self._unavailable is None and self._may_open(following):
                self._open.append(following)
                following = next(chunks, None)
            if self._unavailable is not None:
                following = None
            self._recorder.keep_lease()
            self._start_steps()
            self._check_deferral()
            self._collect_steps()
            self._write_done()
            self._recorder.progress_log.report(self._outcomes_in_memory)

    def _may_open(self, chunk: Chunk) -> bool:
        """Return whether the rows of a chunk may be held in memory, too."""
        if len(self._open) >= MAX_OPEN_JOBS:
            return False
        return not self._open or sum(one.size for one in self._open) + chunk.size <= MAX_OPEN_SIZE

    # Steps, in threads

    def _start_steps(self) -> None:
        for chunk in self._open:
            if chunk.is_busy or chunk.phase is Phase.DONE or chunk.due > self._clock():
                continue
            if chunk.phase is Phase.SUBMIT and not self._may_submit(chunk):
                continue
            chunk.is_busy = True
            self._executor.submit(_Step(chunk, chunk.phase, self._function_of(chunk)))

    def _may_submit(self, chunk: Chunk) -> bool:
        """Return whether it is the turn of a chunk: in order, and after the end of jobs with the same subjects."""
        before = list(takewhile(lambda one: one is not chunk, self._open))
        if any(one.phase in (Phase.PREPARE, Phase.SUBMIT, Phase.FIND) for one in before):
            return False
        others = [one for one in self._open if one is not chunk]
        running = [one for one in others if one.job is not None and one.phase is not Phase.DONE]
        return len(running) < MAX_OPEN_JOBS and all(one.subjects.isdisjoint(chunk.subjects) for one in running)

    def _function_of(self, chunk: Chunk) -> Callable[[], Any]:
        writer, job = self._writer, chunk.job
        if chunk.phase is Phase.PREPARE:
            return lambda: writer.prepare(chunk.to_send)
        pairs = chunk.with_inputs()
        rows, stored = [row for row, _ in pairs], [each for _, each in pairs]
        owner = self._owner(chunk)
        if chunk.phase is Phase.SUBMIT:
            self._record_intent(chunk)
            return lambda: writer.submit(stored, owner)
        if job is None:  # only a chunk with a job gets this far
            raise ValueError(f"the rows from {chunk.first_row} have no job")
        if chunk.phase is Phase.FIND:
            since = datetime.fromtimestamp(job.since, UTC)
            known = [one.job.job_id for one in self._open if one.job and one.job.job_id]
            return lambda: writer.find_lost(stored, since, known, owner)
        if chunk.phase is Phase.POLL:
            return lambda: writer.status(job.job_id, owner)
        status = chunk.status
        return lambda: writer.results(rows, stored, status, job.job_id)

    def _owner(self, chunk: Chunk) -> str:
        """Return who has the place of a job: the same in all attempts of the run."""
        return f"{self._recorder.checkpoint.run}x{chunk.first_row}"

    def _record_intent(self, chunk: Chunk) -> None:
        """Record that a job may be submitted, before it is."""
        not_sent = [StoredRow(result.row, result=result) for result in chunk.known]
        self._recorder.renew_claims()
        self._files.write(sorted([*chunk.stored, *not_sent], key=lambda row: row.row))
        chunk.job = OpenJob(first=chunk.first_row, last=chunk.last_row, since=self._wall_clock())
        self._save_jobs()

    def _save_jobs(self) -> None:
        self._recorder.renew_claims()
        self._recorder.save(self._with_jobs())

    def _with_jobs(self) -> Checkpoint:
        """Return the last checkpoint with the jobs as they are now."""
        checkpoint = self._recorder.checkpoint
        jobs = tuple(chunk.job for chunk in self._open if chunk.job and chunk.last_row > checkpoint.done_up_to)
        sent_up_to = max([self._sent_before, checkpoint.done_up_to, *(job.last for job in jobs)])
        return replace(checkpoint, jobs=jobs, sent_up_to=sent_up_to)

    # What came of them

    def _collect_steps(self) -> None:
        if self._executor.is_idle:
            if any(chunk.phase is not Phase.DONE for chunk in self._open):
                # All steps that can be started have been: others wait for their time, or for those.
                pauses = [chunk.due - self._clock() for chunk in self._open if chunk.due > self._clock()]
                time.sleep(max(0.0, min([*pauses, _MAX_COLLECT])))
            return
        for task in self._executor.collect(timeout=_MAX_COLLECT):
            self._collect(task)

    def _collect(self, task: Task[_Step, Any]) -> None:
        chunk, phase = task.item.chunk, task.item.phase
        chunk.is_busy = False
        if task.error is not None:
            self._on_error[phase](self, chunk, task.error)
        else:
            self._on_result[phase](self, chunk, task.result)

    def _on_prepared(self, chunk: Chunk, stored: list[StoredRow]) -> None:
        chunk.stored, chunk.phase = stored, Phase.SUBMIT
        if not any(each.inputs for each in stored):
            self._end(chunk, [])
            return
        total = 0
        for index, each in enumerate(stored):
            total += len(each.inputs)
            if index and total > self._writer.kind.max_rows:
                first, rest = chunk.split(index)
                place = self._open.index(chunk)
                self._open[place] = first
                self._open.insert(place + 1, rest)
                self._on_prepared(rest, rest.stored)
                return

    def _on_submitted(self, chunk: Chunk, job_id: str) -> None:
        self._without_place_since = None
        self._use_job(chunk, job_id)
        self._recorder.metrics.count_job()
        sent = sum(bool(each.inputs) for each in chunk.stored)
        log.info("Bulk job %s submitted: rows=%s (%s to %s)", job_id, f"{sent:,}", chunk.first_row, chunk.last_row)

    def _use_job(self, chunk: Chunk, job_id: str) -> None:
        if chunk.job is None:
            raise ValueError(f"the rows from {chunk.first_row} have no job")
        chunk.job = replace(chunk.job, job_id=job_id)
        chunk.phase = Phase.POLL
        chunk.due = self._clock() + seconds_before_poll(self._elapsed(chunk.job))
        self._save_jobs()

    def _on_not_submitted(self, chunk: Chunk, error: BaseException) -> None:
        if isinstance(error, OutcomeUnknownError):
            log.warning("It is not known whether a bulk job was submitted; looking for it: %s", error)
            chunk.phase, chunk.looks = Phase.FIND, 0
            chunk.due = self._clock() + self._times.pauses_before_looking[0]
            return
        if not _was_not_sent(error):  # an error of the lease or the supervisor
            raise error
        chunk.job = None
        if isinstance(error, MissingScopeError | BulkApiDisabledError) and self._writer.has_alternative:
            self._unavailable = str(error)
            while self._open[-1] is not chunk:  # later ones, which have no jobs
                self._open.pop()
            self._open.pop()
            self._save_jobs()
            return
        others = any(one.job is not None for one in self._open)
        if isinstance(error, RateLimitedError) and (others or self._deferrable):
            if self._without_place_since is None:
                self._without_place_since = self._clock()
                log.info("No place is free for another bulk job; waiting: %s", error)
            chunk.due = self._clock() + PAUSE_WITHOUT_PLACE
            return
        raise error

    def _on_looked(self, chunk: Chunk, found: LostJob) -> None:
        chunk.looks += 1
        if found.job_id is not None:
            log.info("Bulk job %s found: it has the rows %s to %s", found.job_id, chunk.first_row, chunk.last_row)
            self._use_job(chunk, found.job_id)
            return
        if found.undecided:
            chunk.looks = 0  # the others are looked at again when these have ended
            if self._is_given_up(chunk):
                self._end_unknown(chunk, "A bulk job that may have this row has not ended.")
            chunk.due = self._clock() + seconds_before_poll(self._elapsed(chunk.job))
            return
        if chunk.looks < len(self._times.pauses_before_looking):
            chunk.due = self._clock() + self._times.pauses_before_looking[chunk.looks]
        elif self._writer.may_resubmit:
            log.info("No bulk job has the rows %s to %s; submitting one", chunk.first_row, chunk.last_row)
            chunk.phase = Phase.SUBMIT
        else:
            self._end_unknown(chunk, "An attempt ended, or got no response, while it submitted this row in a bulk job.")

    def _on_polled(self, chunk: Chunk, status: JobStatus) -> None:
        chunk.status = status
        if status.ended:
            chunk.phase = Phase.READ
        elif self._is_given_up(chunk):
            hours = duration(self._elapsed(chunk.job))
            self._end_unknown(chunk, f"Bulk job {status.job_id} has not ended within {hours}.")
        else:
            chunk.due = self._clock() + seconds_before_poll(self._elapsed(chunk.job))

    def _on_gone(self, chunk: Chunk, error: BaseException) -> None:
        """React to an error of a poll or of reading the results."""
        if not isinstance(error, NotFoundError) or chunk.job is None:
            raise error
        self._end_unknown(chunk, f"Bulk job {chunk.job.job_id} or its results do not exist any more.")

    def _on_look_failed(self, chunk: Chunk, error: BaseException) -> None:
        if not isinstance(error, OutcomeUnknownError):
            raise error
        self._end_unknown(chunk, str(error.args[0]))

    def _on_results(self, chunk: Chunk, results: list[Result]) -> None:
        counts = Counter(result.outcome for result in results)
        state = chunk.status.state if chunk.status else "ended"
        failed = sum(counts[outcome] for outcome in NOT_DONE)
        job_id = chunk.job.job_id if chunk.job else ""
        log.info("Bulk job %s: state=%s rows=%s rejected=%s", job_id, state, f"{len(results):,}", f"{failed:,}")
        if chunk.status and chunk.status.error:
            log.warning("Bulk job %s ended with the error: %s", job_id, chunk.status.error)
        self._recorder.metrics.measure_job(state, self._elapsed(chunk.job))
        self._end(chunk, results)

    def _on_place_returned(self, chunk: Chunk, result: None) -> None:
        pass

    def _on_place_kept(self, chunk: Chunk, error: BaseException) -> None:
        if not isinstance(error, Learning360Error):
            raise error
        log.info("The place of a bulk job could not be given back, and expires: %s", error)

    def _raise(self, chunk: Chunk, error: BaseException) -> None:
        raise error

    _on_result: dict[Phase, Callable[[Any, Chunk, Any], None]] = {  # noqa: RUF012 - constant
        Phase.PREPARE: _on_prepared,
        Phase.SUBMIT: _on_submitted,
        Phase.FIND: _on_looked,
        Phase.POLL: _on_polled,
        Phase.READ: _on_results,
        Phase.DONE: _on_place_returned,
    }
    _on_error: dict[Phase, Callable[[Any, Chunk, BaseException], None]] = {  # noqa: RUF012 - constant
        Phase.PREPARE: _raise,
        Phase.SUBMIT: _on_not_submitted,
        Phase.FIND: _on_look_failed,
        Phase.POLL: _on_gone,
        Phase.READ: _on_gone,
        Phase.DONE: _on_place_kept,
    }

    def _end_unknown(self, chunk: Chunk, reason: str) -> None:
        log.warning("Rows %s to %s are unknown. %s", chunk.first_row, chunk.last_row, reason)
        self._end(chunk, [self._writer.unknown(row, reason) for row, _ in chunk.with_inputs()])

    def _end(self, chunk: Chunk, results: list[Result]) -> None:
        rejected = [each.result for each in chunk.stored if each.result is not None]
        chunk.end([*results, *rejected])
        chunk.phase = Phase.DONE
        if chunk.job is not None:
            owner = self._owner(chunk)
            self._executor.submit(_Step(chunk, Phase.DONE, lambda: self._writer.give_back_place(owner)))

    def _elapsed(self, job: OpenJob | None) -> float:
        return 0.0 if job is None else self._wall_clock() - job.since

    def _is_given_up(self, chunk: Chunk) -> bool:
        return self._elapsed(chunk.job) > self._times.give_up_after

    # The end of jobs

    def _write_done(self) -> None:
        """Write the results of the first chunks as a part, as far as they have results."""
        done = list(takewhile(lambda chunk: chunk.phase is Phase.DONE, self._open))
        if not done:
            return
        self._recorder.renew_claims()
        self._write_part(done)
        self._recorder.save(self._with_jobs())
        for chunk in done:
            if chunk.job is not None:
                self._files.remove(chunk.first_row)

    def _write_part(self, done: list[Chunk]) -> None:
        self._recorder.write_part(done)
        while self._open and self._open[0].last_row <= self._recorder.checkpoint.done_up_to:
            self._open.popleft()

    def _write_certain(self) -> None:
        """Write what is certain when the attempt ends."""
        for task in self._executor.drain(LAST_WAIT):
            is_submission = task.item.phase is Phase.SUBMIT
            if task.error is None:
                self._collect(task)
            elif is_submission and _was_not_sent(task.error):
                task.item.chunk.job = None
        self._write_part(list(takewhile(lambda chunk: chunk.phase is Phase.DONE, self._open)))
        self._recorder.checkpoint = self._with_jobs()

    def _outcomes_in_memory(self) -> Counter[str]:
        counts = Counter(result.outcome for chunk in self._open for result in chunk.results or ())
        for chunk in self._open:
            if chunk.phase is not Phase.DONE and chunk.status is not None:
                counts[""] += min(chunk.status.progress or 0, len(chunk.stored))
        return counts

    def _check_deferral(self) -> None:
        """Defer the wait if it is long; called when all steps that can be started have been."""
        if not self._deferrable or not self._executor.is_idle:
            return
        phases = {chunk.phase for chunk in self._open}
        if phases - {Phase.POLL, Phase.SUBMIT, Phase.DONE}:
            return
        jobs = [(chunk, chunk.job) for chunk in self._open if chunk.phase is Phase.POLL and chunk.job]
        now, without_place = self._wall_clock(), self._without_place_since
        if jobs:
            since = min(job.since for _, job in jobs)
            if now - since > self._times.defer_after:
                awaited = tuple(AwaitedJob(job.job_id, self._owner(chunk), job.since) for chunk, job in jobs)
                raise DeferWait(awaited, since + self._times.give_up_after)
        elif without_place is not None and self._clock() - without_place > self._times.defer_after:
            raise DeferWait((), now + DEFERRAL_WITHOUT_PLACE)


def _was_not_sent(error: BaseException) -> bool:
    """Return whether a submission that failed has certainly not been done."""
    return isinstance(error, Learning360Error) and not isinstance(error, OutcomeUnknownError)
