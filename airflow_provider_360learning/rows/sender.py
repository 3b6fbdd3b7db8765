"""Send the rows at the rate limit, write their results, and make checkpoints."""

from __future__ import annotations

import math
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import replace

from airflow_provider_360learning.exceptions import Learning360Error
from airflow_provider_360learning.ordered_executor import OrderedExecutor, Task
from airflow_provider_360learning.rows.batches import Batch, BatchReader
from airflow_provider_360learning.rows.checkpoints import LAST_WAIT
from airflow_provider_360learning.rows.recorder import Recorder, TooManyFailuresError
from airflow_provider_360learning.rows.results import Result
from airflow_provider_360learning.rows.writers import RowWriter
from airflow_provider_360learning.supervision import ignore_sigterm

#: Maximum number of batches whose results are in memory.
MAX_OPEN_BATCHES = 100
#: Maximum size of the rows in them: values in memory take up to 25 times the size that they have in a file.
MAX_OPEN_SIZE = 4 << 20
#: Consecutive transient failures after which the attempt ends, since 360Learning is down.
MAX_CONSECUTIVE_FAILURES = 5
#: Seconds that requests under way get to end when the attempt stops at too many failures: less than the lease has.
MAX_LAST_REQUESTS = 15.0
#: Latency in seconds that is assumed before the first request has ended.
INITIAL_LATENCY = 1.0
#: Factor for latencies that differ between requests.
SPARE = 1.25
#: Weight of the last request in the moving average.
WEIGHT = 0.2


class OutageError(Learning360Error):
    """Several consecutive requests failed transiently: this attempt ends, and the next one sends the same rows."""

    transient = True


class Latency:
    """
    Measures the seconds from sending a request to the end of its batch, as a moving average.

    Called by the threads that send.

    :param clock: Returns seconds of a monotonic clock.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.seconds = INITIAL_LATENCY
        self._clock = clock
        self._sending = threading.local()
        self._is_measured = False

    def start(self) -> None:
        """Record that this thread sends now; of several requests for one batch, the first counts."""
        if getattr(self._sending, "since", None) is None:
            self._sending.since = self._clock()

    def stop(self) -> None:
        """Record that the batch of this thread has ended."""
        if (since := getattr(self._sending, "since", None)) is not None:
            took = self._clock() - since
            self.seconds = (1 - WEIGHT) * self.seconds + WEIGHT * took if self._is_measured else took
            self._is_measured, self._sending.since = True, None

    def requests_to_reach(self, pace: float) -> int:
        """
        Return how many requests must be under way to send at this pace, and no more.

        Each one that waits for its send time takes a reservation that another task would have had sooner.

        :param pace: Requests per second.
        """
        return math.ceil(pace * self.seconds * SPARE) + 2


class Sender:
    """
    Sends rows and records what became of them.

    One thread owns all state: the threads that send only return results. Every count is derived from what that thread
    has written.

    :param batches: The rows.
    :param writer: What is done with them.
    :param recorder: Records how far the run is.
    :param pace: Requests per second that the rate limit allows.
    :param latency: Latency of the requests.
    """

    def __init__(
        self,
        batches: BatchReader,
        writer: RowWriter,
        recorder: Recorder,
        *,
        pace: float,
        latency: Latency,
    ) -> None:
        self._batches = batches
        self._writer = writer
        self._recorder = recorder
        self._latency = latency
        self._executor = OrderedExecutor(self._apply, lambda: latency.requests_to_reach(pace))
        #: Batches in the order of the rows whose results are not in a part.
        self._open: deque[Batch] = deque()
        #: Those that failed transiently since the last success: the next attempt sends them again if this one ends.
        self._consecutive_failures: list[Batch] = []

    def send(self) -> None:
        """
        Send all rows after the last checkpoint.

        If it cannot, it writes what is certain and returns the lease, so that the next attempt has little to confirm
        and need not wait.

        :raises LeaseLostError: if another attempt has the lease.
        :raises OutageError: if 360Learning is down.
        """
        with self._executor:
            try:
                try:
                    self._send_all(self._batches.read(self._recorder.checkpoint))
                except TooManyFailuresError:
                    self._drain(MAX_LAST_REQUESTS)  # no hurry: no account is left half made
                    raise
            except BaseException:
                with ignore_sigterm():
                    self._recorder.release(self._write_certain, lambda: self._executor.is_quiet)
                raise

    def _apply(self, batch: Batch) -> list[Result]:
        """Send a batch, in a thread."""
        try:
            return self._writer.recover(batch.to_send) if batch.unconfirmed else self._writer.send(batch.to_send)
        finally:
            self._latency.stop()

    def _send_all(self, batches: Iterator[Batch]) -> None:
        following = next(batches, None)
        while following or self._open:
            while following and self._executor.has_capacity and self._may_submit(following):
                self._submit(following)
                following = next(batches, None)
            if not self._executor.is_idle:
                for task in self._executor.collect(timeout=0.5):
                    self._collect(task)
                self._check_outage()
                self._recorder.check_failures(self._failures_in_memory)
            if self._is_checkpoint_due(following):
                self._make_checkpoint(following)
            self._recorder.progress_log.report(self._outcomes_in_memory)

    def _may_submit(self, batch: Batch) -> bool:
        """Return whether the last checkpoint covers these rows; number and size of open batches are bounded, too."""
        if self._open and sum(one.size for one in self._open) + batch.size > MAX_OPEN_SIZE:
            return False
        if not batch.to_send or self._recorder.is_dry_run:
            return len(self._open) < MAX_OPEN_BATCHES
        return batch.last_row <= self._recorder.checkpoint.sent_up_to

    def _submit(self, batch: Batch) -> None:
        self._open.append(batch)
        if batch.to_send:
            self._executor.submit(batch, {row.subject for row in batch.to_send})
        else:
            batch.end([])

    def _collect(self, task: Task[Batch, list[Result]]) -> None:
        """Take in the results of a batch; repeating it changes nothing."""
        if task.error is not None:
            raise task.error
        batch = task.item
        batch.end(task.result or [])
        if not batch.is_transient_failure:
            self._consecutive_failures.clear()
        elif batch not in self._consecutive_failures:
            self._consecutive_failures.append(batch)

    def _check_outage(self) -> None:
        if len(self._consecutive_failures) >= MAX_CONSECUTIVE_FAILURES:
            raise self._outage()

    def _outage(self) -> OutageError:
        last = self._consecutive_failures[-1].results or []
        return OutageError(
            f"{len(self._consecutive_failures)} consecutive requests failed; the last one: "
            f"{last[0].message if last else ''} A later attempt resumes from here."
        )

    def _outcomes_in_memory(self) -> Counter[str]:
        return Counter(result.outcome for batch in self._open for result in batch.results or ())

    @property
    def _failures_in_memory(self) -> int:
        done_up_to = self._recorder.checkpoint.done_up_to
        results = (each for batch in self._open if batch.last_row > done_up_to for each in batch.results or ())
        return sum(not result.is_done for result in results)

    # Checkpoints

    def _is_checkpoint_due(self, following: Batch | None) -> bool:
        if following is None and self._executor.is_idle:
            return True
        # Whatever is under way, and for however long.
        is_lease_due = self._recorder.is_lease_due
        if following is None or not self._executor.has_capacity or self._may_submit(following):
            return is_lease_due
        # The last checkpoint does not cover the next rows. One checkpoint per row would be too many, though.
        if self._executor.is_idle and self._consecutive_failures:
            raise self._outage()
        certain = sum(len(batch.rows) for batch in self._certain())
        return is_lease_due or self._executor.is_idle or 3 * certain >= self._writer.rows_ahead

    def _certain(self, *, at_end: bool = False) -> Iterator[Batch]:
        """Yield the open batches, in order, whose results will not change any more."""
        for batch in self._open:
            if batch.results is None or (batch in self._consecutive_failures and not at_end):
                return
            if batch.last_row > self._recorder.checkpoint.done_up_to:
                yield batch

    def _make_checkpoint(self, following: Batch | None) -> None:
        """Write what is certain as a part, then a checkpoint that says so and which rows may be sent next."""
        is_idle = self._executor.is_idle
        self._recorder.renew_claims()
        self._write_part(at_end=following is None and is_idle)
        if self._recorder.is_dry_run:
            return
        checkpoint = self._recorder.checkpoint
        allowed = checkpoint.done_up_to + self._writer.rows_ahead
        if following is not None and is_idle:
            allowed = max(allowed, following.last_row)
        self._recorder.save(replace(checkpoint, sent_up_to=max(checkpoint.sent_up_to, allowed)))

    def _write_part(self, *, at_end: bool) -> None:
        self._recorder.write_part(self._certain(at_end=at_end))
        done_up_to = self._recorder.checkpoint.done_up_to
        while self._open and self._open[0].results and self._open[0].last_row <= done_up_to:
            self._open.popleft()

    def _write_certain(self) -> None:
        """Write what is certain when the attempt ends."""
        self._drain(LAST_WAIT)
        self._write_part(at_end=False)

    def _drain(self, timeout: float) -> None:
        """Take in the results of the requests that end in time."""
        for task in self._executor.drain(timeout):
            if task.error is None:
                self._collect(task)
