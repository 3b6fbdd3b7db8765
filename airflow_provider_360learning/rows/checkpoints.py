"""
How far a run has come, kept where the next attempt finds it, and who may go on: each checkpoint is a fence.

A checkpoint proves that nobody else has taken over, and lends the right to send for :data:`LEASE` seconds more. An
attempt that cannot make one stops before its next request; the next attempt begins when the lease has run out.
"""

from __future__ import annotations

import json
import logging
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Protocol

from airflow_provider_360learning.files.storage import write_atomic
from airflow_provider_360learning.rows.results import Result

log = logging.getLogger(__name__)

#: Seconds for which a checkpoint lends the right to send.
LEASE = 30.0
#: Seconds after which a lease is renewed, though nothing else is to be kept.
BEAT = 10.0
#: Seconds by which the clocks of two workers may differ.
CLOCKS_APART = 5.0
#: When the lease of an attempt ran out that has not sent_up_to.
NEVER = float("-inf")


class LeaseLostError(Exception):
    """Another attempt is writing, or may begin to: this one must send nothing more."""


@dataclass(frozen=True)
class Progress:
    """
    How far a run has come; small, however many rows there are.

    :param run: Name of the run, fresh for each that begins at the first row.
    :param input: Digest of the rows and of what decides what is done with them.
    :param done: Rows up to here have their result in a part.
    :param sent_up_to: No row beyond this one was sent.
    :param parts: Parts that are written.
    :param counts: Rows by outcome.
    :param finished: The go that came to the end, once all is done and merged: see :class:`Checkpoints`.
    :param writer: The attempt that may send.
    :param until: Until when it may, in seconds since 1970; 0 when it has stopped.
    """

    run: str
    input: str
    done: int = 0
    sent_up_to: int = 0
    parts: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    finished: str = ""
    writer: str = ""
    until: float = 0.0

    def with_part(self, results: Sequence[Result]) -> Progress:
        """
        Return how far the run has come with one more part.

        :param results: What the part holds.
        """
        counts = Counter(self.counts) + Counter(result.outcome for result in results)
        return replace(self, parts=self.parts + 1, counts=dict(counts), done=results[-1].row)


class CheckpointStore(Protocol):
    """Keeps one small JSON object from one attempt to the next."""

    def load(self) -> dict[str, Any] | None:
        """Return what was kept last, or None."""

    def save(self, state: dict[str, Any]) -> None:
        """Keep this instead."""

    def forget(self) -> None:
        """Keep nothing any more."""


class TaskStateCheckpointStore:
    """
    Keeps it in Airflow's task state store (3.3 and later), which belongs to one task of one run.

    :param store: ``context["task_state_store"]``.
    :param key: Key in it.
    """

    def __init__(self, store: Any, key: str) -> None:
        self._store = store
        self._key = key

    def load(self) -> dict[str, Any] | None:
        """Return what was kept last, or None."""
        state = self._store.get(self._key)
        return state if isinstance(state, dict) else None

    def save(self, state: dict[str, Any]) -> None:
        """Keep this instead."""
        self._store.set(self._key, state)

    def forget(self) -> None:
        """Keep nothing any more."""
        self._store.delete(self._key)


class FileCheckpointStore:
    """
    Keeps it in a file.

    :param path: The file, an ``ObjectStoragePath``.
    """

    def __init__(self, path: Any) -> None:
        self._path = path

    def load(self) -> dict[str, Any] | None:
        """Return what was kept last, or None."""
        try:
            state = json.loads(self._path.read_bytes())
        except (FileNotFoundError, ValueError):
            return None
        return state if isinstance(state, dict) else None

    def save(self, state: dict[str, Any]) -> None:
        """Keep this instead."""
        write_atomic(self._path, json.dumps(state).encode())

    def forget(self) -> None:
        """Keep nothing any more."""
        self._path.unlink(missing_ok=True)


class Checkpoints:
    """
    The progress of one run, and the right of this attempt to go on with it.

    :param keeper: StoragePath it is kept.
    :param go: What the attempts have in common that Airflow makes by itself: whoever clears the task begins another go.
        Empty where nobody makes further attempts.
    :param sleep: Waits so many seconds.
    :param clock: Tells seconds, of a clock that nobody sets.
    """

    def __init__(
        self,
        keeper: CheckpointStore,
        go: str = "",
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._keeper = keeper
        self._go = go
        self._found: Progress | None = None
        self._sleep = sleep
        self._clock = clock
        self._writer = secrets.token_hex(8)
        self._ends = NEVER
        self._stopped = threading.Event()

    def take_over(self) -> Progress | None:
        """
        Wait until no other attempt may send any more, and return how far the last one came, if there was one.

        :raises LeaseLostError: if another attempt is at work.
        """
        found = self._found = self._load()
        if found is not None and found.finished and found.finished != self._go:
            return None  # whoever clears a finished run wants it again
        if found is None or not found.until:
            return found
        # Not longer than a whole lease from now, whatever a clock may have said.
        wait = min(found.until - time.time(), LEASE) + CLOCKS_APART
        if wait > 0:
            log.info("An earlier attempt may send for another %.0f s; waiting until it cannot", wait)
            self._sleep(wait)
            self._check_found()
        return found

    def begin(self, progress: Progress) -> Progress:
        """
        Make the first checkpoint of this attempt: from now on it is the one that may send.

        :raises LeaseLostError: if another attempt did so at the same moment.
        """
        self._check_found()
        progress = self._save(progress)
        if self._found is not None:
            self._check_again()
        return progress

    def make(self, progress: Progress) -> Progress:
        """
        Keep the progress, and lend the right to send once more.

        :raises LeaseLostError: if another attempt has sent_up_to.
        """
        had_run_out = not self.is_valid
        self._check_writer()
        progress = self._save(progress)
        if had_run_out:  # in a slow query, say; another attempt may have sent_up_to this very moment
            self._check_again()
        return progress

    def end(self, progress: Progress, *, may_follow_at_once: bool) -> None:
        """
        Keep the progress, for the last time.

        :param progress: How far this attempt came.
        :param may_follow_at_once: Whether the next attempt need not wait until the lease has run out.
        """
        self._check_writer()
        until = 0.0 if may_follow_at_once else progress.until
        self._keeper.save(asdict(replace(progress, writer=self._writer, until=until)))

    def finish(self, progress: Progress) -> None:
        """Note that the run is over, lest an attempt that follows in the same go does all of it again."""
        self.stop()
        if self._go:
            self._keeper.save(asdict(replace(progress, finished=self._go, until=0.0)))
        else:
            self._keeper.forget()

    @property
    def is_due(self) -> bool:
        """Whether the lease should be renewed."""
        return self._clock() > self._ends - LEASE + BEAT

    @property
    def is_valid(self) -> bool:
        """Whether the lease has not run out."""
        return self._clock() < self._ends

    def stop(self) -> None:
        """Send nothing more, in any thread."""
        self._stopped.set()

    def ensure_lease(self) -> None:
        """
        Pass the fence, before each request. It stands from the first checkpoint on; what is read before is free.

        :raises LeaseLostError: if this attempt must not send any more.
        """
        if self._stopped.is_set():
            raise LeaseLostError("This attempt has stopped.")
        if self._ends != NEVER and not self.is_valid:
            raise LeaseLostError(
                f"No checkpoint could be made for {LEASE:.0f} s, so that another attempt may have sent_up_to; this one ends "
                "here, and the next goes on where it was."
            )

    def _check_found(self) -> None:
        if self._load() != self._found:
            raise LeaseLostError("Another attempt is at work on these rows: let it end, or stop it, and try again.")

    def _check_again(self) -> None:
        """Look whether another attempt has sent_up_to, too, that had looked before this one began."""
        self._sleep(1.0)
        self._check_writer()

    def _check_writer(self) -> None:
        found = self._load()
        if found is None or found.writer != self._writer:
            self.stop()
            raise LeaseLostError("Another attempt has sent_up_to to send these rows; this one ends here.")

    def _load(self) -> Progress | None:
        state = self._keeper.load()
        known = {one.name for one in fields(Progress)}
        return Progress(**{name: value for name, value in state.items() if name in known}) if state else None

    def _save(self, progress: Progress) -> Progress:
        began = self._clock()  # before it is kept: whoever reads it must wait until later than this lease ends
        progress = replace(progress, writer=self._writer, until=time.time() + LEASE)
        self._keeper.save(asdict(progress))
        self._ends = began + LEASE
        return progress
