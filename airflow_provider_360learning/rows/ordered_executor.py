"""
Several requests under way at a time, and their results in the order of the rows.

As many are under way as it takes to reach the rate limit, whatever the latency, and no more: each one waiting for
room takes a place that another task would have had sooner. Rows about the same person never overtake each other.
"""

from __future__ import annotations

import math
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Self

from airflow_provider_360learning.rows.results import Result
from airflow_provider_360learning.rows.schema import CheckedRow

#: Most requests under way.
MAX_UNDER_WAY = 32
#: Most rows that wait for another one about the same person.
MAX_HELD = 200
#: Latency, in seconds, that is reckoned with before any was seen.
INITIAL_LATENCY = 1.0
#: Room for latencies that differ from request to request.
SPARE = 1.25

Apply = Callable[[Sequence[CheckedRow], bool], list[Result]]


class Batch:
    """
    Rows that follow each other, of which some are sent together, and the others need not be sent.

    :param unconfirmed: Whether an earlier attempt may have sent them.
    """

    def __init__(self, unconfirmed: bool = False) -> None:
        self.unconfirmed = unconfirmed
        #: All rows.
        self.rows: list[CheckedRow] = []
        #: Those that are sent.
        self.to_send: list[CheckedRow] = []
        #: Whom or what these are about.
        self.subjects: set[str] = set()
        #: What became of all rows, when it is known.
        self.results: list[Result] | None = None
        #: What ended it otherwise.
        self.error: BaseException | None = None
        #: Whether nothing of what was sent worked, and all of it may work later.
        self.is_transient_failure = False
        self._known: list[Result] = []

    def add(self, row: CheckedRow, known: Result | None) -> None:
        """
        Add a row.

        :param row: The row.
        :param known: What became of it, if it need not be sent.
        """
        self.rows.append(row)
        if known is None:
            self.to_send.append(row)
            self.subjects.add(row.subject)
        else:
            self._known.append(known)

    def end(self, sent: Sequence[Result]) -> None:
        """
        Say what became of the rows that were sent.

        :param sent: In their order.
        """
        self.is_transient_failure = bool(sent) and all(not one.is_done and one.retryable for one in sent)
        self.results = sorted([*self._known, *sent], key=lambda result: result.row)


class Latency:
    """How long requests take from being sent to being done with, lately; told by the threads that send them."""

    def __init__(self) -> None:
        self.seconds = INITIAL_LATENCY
        self._sent = threading.local()
        self._seen = False

    def sending(self) -> None:
        """Note that this thread sends now; of several requests for one batch, the first counts."""
        if getattr(self._sent, "at", None) is None:
            self._sent.at = time.monotonic()

    def done(self) -> None:
        """Note that this thread is done."""
        if (at := getattr(self._sent, "at", None)) is not None:
            took = time.monotonic() - at
            self.seconds = 0.8 * self.seconds + 0.2 * took if self._seen else took
            self._seen, self._sent.at = True, None


class OrderedExecutor:
    """
    Applies batches at the pace of the limit.

    :param apply: Does it, in a thread.
    :param pace: Requests a second that the limit leaves.
    :param latency: How long a request takes.
    """

    def __init__(self, apply: Apply, pace: float, latency: Latency) -> None:
        self._apply = apply
        self._pace = pace
        self._latency = latency
        self._threads = ThreadPoolExecutor(MAX_UNDER_WAY, thread_name_prefix="learning360-rows")
        self._ended: queue.SimpleQueue[Batch] = queue.SimpleQueue()
        self._under_way = 0
        self._held: deque[Batch] = deque()
        self._busy: set[str] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        # Threads that wait for their turn find the fence closed; nobody waits for them.
        self._threads.shutdown(wait=False, cancel_futures=True)

    @property
    def has_capacity(self) -> bool:
        """Whether another batch may be sent_up_to."""
        enough = math.ceil(self._pace * self._latency.seconds * SPARE) + 2
        return self._under_way < min(enough, MAX_UNDER_WAY) and len(self._held) < MAX_HELD

    @property
    def is_idle(self) -> bool:
        """Whether nothing is under way."""
        return not self._under_way

    def begin(self, batch: Batch) -> None:
        """Send a batch, or hold it back until what came before about the same person is done."""
        self._held.append(batch)
        self._start_held()

    def wait(self, timeout: float) -> Batch | None:
        """
        Return a batch that has ended, or None if none does in time.

        :param timeout: Seconds.
        """
        try:
            batch = self._ended.get(timeout=timeout)
        except queue.Empty:
            return None
        self._under_way -= 1
        self._busy -= batch.subjects
        self._start_held()
        return batch

    def _start_held(self) -> None:
        waiting, self._held = self._held, deque()
        taken = set(self._busy)
        for each in waiting:
            if each.subjects & taken:
                self._held.append(each)
            else:
                self._start(each)
            taken |= each.subjects

    def _start(self, batch: Batch) -> None:
        self._under_way += 1
        self._busy |= batch.subjects
        self._threads.submit(copy_context().run, self._work, batch)

    def _work(self, batch: Batch) -> None:
        try:
            batch.end(self._apply(batch.to_send, batch.unconfirmed))
        except BaseException as error:
            batch.error = error
        finally:
            self._latency.done()
            self._ended.put(batch)
