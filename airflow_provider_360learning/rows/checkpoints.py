"""
The checkpoint of a run, and the lease: the exclusive right of one attempt to write.

Each checkpoint renews the lease for 30 seconds and verifies that no other attempt holds it. An attempt that
cannot make a checkpoint stops before its next request; the next attempt starts when the lease has expired.
"""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Protocol

from airflow.providers.common.compat.sdk import ObjectStoragePath

from airflow_provider_360learning.files.permissions import PRIVATE
from airflow_provider_360learning.files.storage import remove, write_atomic
from airflow_provider_360learning.log_text import get_logger
from airflow_provider_360learning.rows.config import LeaseTimes, RowsConfig
from airflow_provider_360learning.rows.results import Result
from airflow_provider_360learning.rows.schema import digest_of
from airflow_provider_360learning.rows.stored_state import StoredStateError, check_version, read_object

log = get_logger(__name__)

#: Version of the stored checkpoint.
VERSION = 1
#: Seconds that requests under way get to end when the attempt must end.
LAST_WAIT = 2.0
#: Seconds between two looks at the lease of another attempt.
POLL_INTERVAL = 5.0
ADVICE = (
    "Restore it, or clear the task with ignore_checkpoint=True, which starts over at the first row and may send rows "
    "again."
)
_NO_LEASE = float("-inf")
_OTHER_ATTEMPT = "Another attempt is running on these rows: let it end, or stop it, and retry."


class LeaseLostError(Exception):
    """
    This attempt does not hold the lease and must send nothing more.

    Not a :class:`Learning360Error`, which would become the result of a row.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenJob:
    """
    A bulk job that may have been submitted, and whose results are not in a part.

    :param first: Number of its first row.
    :param last: Number of its last row.
    :param since: When it was submitted at the earliest, in seconds since 1970.
    :param job_id: Its id; empty while it is not known.
    """

    first: int
    last: int
    since: float
    job_id: str = ""

    @classmethod
    def parse(cls, state: object, place: object) -> OpenJob:
        """
        Return a stored job.

        :param state: The stored object.
        :param place: Where it is stored, for errors.
        :raises StoredStateError: if it is damaged.
        """
        if not isinstance(state, dict):
            raise StoredStateError(place, f"is damaged: it has {state!r:.200} in the place of a bulk job", ADVICE)
        return cls(**_checked(state, cls, place))


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """
    How far a run is; of constant size.

    :param run: Id of the run.
    :param input: Digest of the rows and of everything else that decides what is sent.
    :param done_up_to: Every row up to this number has its result in a part.
    :param sent_up_to: No row after this number was sent.
    :param parts: Number of parts that are written.
    :param remembered_up_to: The remembered state has every row up to this number.
    :param finished: Whether the results are merged.
    :param generation: What the attempts have in common that Airflow makes by itself; clearing the task starts another.
    :param writer: Id of the attempt that wrote the checkpoint.
    :param lease_until: When its lease expires, in seconds since 1970; 0 if it has returned the lease.
    :param sequence: Increases with each checkpoint: of two stores, the higher one is the newer.
    :param jobs: The bulk jobs of rows that have no result yet, in the order of the rows: a few at most.
    """

    run: str
    input: str
    done_up_to: int = 0
    sent_up_to: int = 0
    parts: int = 0
    remembered_up_to: int = 0
    finished: bool = False
    generation: str = ""
    writer: str = ""
    lease_until: float = 0.0
    sequence: int = 0
    jobs: tuple[OpenJob, ...] = ()

    @classmethod
    def parse(cls, state: Mapping[str, Any], place: object) -> Checkpoint:
        """
        Return a stored checkpoint.

        :param state: The stored object.
        :param place: Where it is stored, for errors.
        :raises StoredStateError: if it is damaged or of another version.
        """
        check_version(state, place, VERSION, ADVICE)
        values = {name: value for name, value in state.items() if name not in ("version", "jobs")}
        jobs = state.get("jobs", [])  # a run that began before there were jobs has none
        if not isinstance(jobs, list | tuple):
            raise StoredStateError(place, f"is damaged: jobs is {jobs!r:.200}", ADVICE)
        return cls(**_checked(values, cls, place), jobs=tuple(OpenJob.parse(job, place) for job in jobs))

    def to_dict(self) -> dict[str, Any]:
        """Return the object to store."""
        return {"version": VERSION, **asdict(self), "jobs": [asdict(job) for job in self.jobs]}

    def with_part(self, results: Sequence[Result]) -> Checkpoint:
        """
        Return the checkpoint after one more part.

        :param results: The results in the part.
        """
        last = results[-1].row
        jobs = tuple(job for job in self.jobs if job.last > last)
        return replace(self, parts=self.parts + 1, done_up_to=last, jobs=jobs)


#: More than any number of rows, or of seconds from 1970 until the year 5000.
_MAX_NUMBER = 1e11
_KINDS: dict[str, type | tuple[type, ...]] = {"str": str, "int": int, "bool": bool, "float": (int, float)}


def _checked(values: dict[str, Any], cls: type, place: object) -> dict[str, Any]:
    """Return the stored values of an object, if they are those of its fields."""
    kinds = {field.name: _KINDS[str(field.type)] for field in fields(cls) if str(field.type) in _KINDS}
    if values.keys() != kinds.keys():
        wrong = ", ".join(sorted(values.keys() ^ kinds.keys()))
        raise StoredStateError(place, f"is damaged: it lacks or must not have {wrong}", ADVICE)
    for name, kind in kinds.items():
        value = values[name]
        is_number = kind is not str and kind is not bool
        if not isinstance(value, kind) or (is_number and not _is_valid_number(value)):
            raise StoredStateError(place, f"is damaged: {name} is {value!r:.200}", ADVICE)
    return values


def _is_valid_number(value: Any) -> bool:
    return not isinstance(value, bool) and 0 <= value <= _MAX_NUMBER


class CheckpointStore(Protocol):
    """Stores one small JSON object from one attempt to the next."""

    @property
    def name(self) -> str:
        """Name of the place, for errors."""

    def load(self) -> dict[str, Any] | None:
        """
        Return the stored object, or ``None`` if there is none.

        :raises StoredStateError: if there is one that cannot be read.
        """

    def save(self, state: dict[str, Any]) -> None:
        """Store this object instead."""

    def delete(self) -> None:
        """Store nothing."""


class TaskStateCheckpointStore:
    """
    Stores the checkpoint in Airflow's task state store (3.3 and later), which belongs to one task of one DAG run.

    :param store: ``context["task_state_store"]``; ``Any``, since older versions of Airflow have no such class.
    :param key: Key in the store.
    """

    def __init__(self, store: Any, key: str) -> None:
        self._store = store
        self._key = key

    @property
    def name(self) -> str:
        """Name of the place, for errors."""
        return f"The task state {self._key}"

    def load(self) -> dict[str, Any] | None:
        """Return the stored object, or ``None`` if there is none."""
        state = self._store.get(self._key)
        if state is not None:
            check_version(state, self.name, VERSION, ADVICE)
        return state  # type: ignore[no-any-return]  # checked

    def save(self, state: dict[str, Any]) -> None:
        """Store this object instead."""
        self._store.set(self._key, state)

    def delete(self) -> None:
        """Store nothing."""
        self._store.delete(self._key)


class FileCheckpointStore:
    """
    Stores the checkpoint in a file.

    :param path: Path of the file.
    :param file_mode: Its permissions.
    """

    def __init__(self, path: ObjectStoragePath, file_mode: int = PRIVATE) -> None:
        self._path = path
        self._file_mode = file_mode

    @property
    def name(self) -> str:
        """Name of the place, for errors."""
        return f"The checkpoint {self._path}"

    def load(self) -> dict[str, Any] | None:
        """Return the stored object, or ``None`` if the file does not exist."""
        return read_object(self._path, self.name, VERSION, ADVICE)

    def save(self, state: dict[str, Any]) -> None:
        """Store this object instead."""
        write_atomic(self._path, json.dumps(state).encode(), file_mode=self._file_mode)

    def delete(self) -> None:
        """Store nothing."""
        remove(self._path)


class FallbackCheckpointStore:
    """
    Stores the checkpoint in a primary store, and in another where the primary one cannot be reached; the newer counts.

    The task state store is reached through the supervisor, so that an attempt whose supervisor is gone returns its
    lease through the other. A run that began under an Airflow without a task state store has its checkpoint there, too.

    :param primary: The primary store.
    :param fallback: The other.
    """

    def __init__(self, primary: CheckpointStore, fallback: CheckpointStore) -> None:
        self._primary = primary
        self._fallback = fallback
        self._is_fallback_used = False

    @property
    def name(self) -> str:
        """Name of the place, for errors."""
        return self._primary.name

    def load(self) -> dict[str, Any] | None:
        """Return the newer of the stored objects, or ``None`` if there is none."""
        kept, other = self._primary.load(), self._fallback.load()
        self._is_fallback_used = other is not None
        found = [
            Checkpoint.parse(each, store.name)
            for each, store in ((kept, self._primary), (other, self._fallback))
            if each
        ]
        return max(found, key=lambda one: one.sequence).to_dict() if found else None

    def save(self, state: dict[str, Any]) -> None:
        """Store this object in the primary store, instead of both."""
        self._primary.save(state)
        if self._is_fallback_used:
            self._fallback.delete()
            self._is_fallback_used = False

    def save_last(self, state: dict[str, Any]) -> None:
        """Store the last object of an attempt: in the other store where the primary one cannot be reached."""
        try:
            self.save(state)
        except Exception as error:  # of any class: the supervisor may be gone
            log.warning("%s cannot be written (%s); writing %s instead", self._primary.name, error, self._fallback.name)
            self._fallback.save(state)

    def delete(self) -> None:
        """Store nothing."""
        self._primary.delete()
        self._fallback.delete()


class Checkpoints:
    """
    The checkpoint of one run, and the lease of this attempt.

    :param store: Where the checkpoint is stored.
    :param generation: See :class:`Checkpoint`; empty where Airflow makes no further attempts.
    :param times: Times of the lease.
    :param sleep: Waits for a number of seconds.
    :param clock: Returns seconds of a monotonic clock.
    :param wall_clock: Returns seconds since 1970.
    """

    def __init__(
        self,
        store: CheckpointStore,
        generation: str = "",
        times: LeaseTimes | None = None,
        *,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._generation = generation
        self._times = times or LeaseTimes()
        self._sleep = sleep
        self._clock = clock
        self._wall_clock = wall_clock
        self._writer = secrets.token_hex(8)
        self._found: Checkpoint | None = None
        self._sequence = 0
        self._lease_ends = _NO_LEASE
        self._stopped = threading.Event()

    def take_over(self, *, ignore: bool = False) -> Checkpoint | None:
        """
        Wait until no other attempt may send, and return the last checkpoint.

        :param ignore: Whether a checkpoint that cannot be read counts as none.
        :return: ``None`` if there is none, or that of a finished run and the task was cleared.
        :raises LeaseLostError: if another attempt is running.
        :raises StoredStateError: if there is one that cannot be read.
        """
        try:
            self._found = self._load()
        except StoredStateError as error:
            if not ignore:
                raise
            log.warning("Ignoring the checkpoint: %s", error)
            self._store.delete()
            self._found = None
        found = self._found
        if found is not None:
            found = self._found = self._await_lease(found)
            self._sequence = found.sequence
        return self._unless_cleared(found)

    def peek(self) -> Checkpoint | None:
        """
        Return the last checkpoint without waiting for the lease.

        :return: As :meth:`take_over`.
        :raises StoredStateError: if there is one that cannot be read.
        """
        return self._unless_cleared(self._load())

    def start(self, checkpoint: Checkpoint) -> Checkpoint:
        """
        Make the first checkpoint of this attempt, which takes the lease.

        :raises LeaseLostError: if another attempt took it at the same time.
        """
        self._check_found()
        checkpoint = self._save(checkpoint)
        if self._found is not None:
            self._check_again()
        return checkpoint

    def renew(self, checkpoint: Checkpoint) -> Checkpoint:
        """
        Store the checkpoint and renew the lease.

        :raises LeaseLostError: if another attempt has taken the lease.
        """
        was_expired = not self.is_valid
        self._check_writer()
        checkpoint = self._save(checkpoint)
        if was_expired:  # during a slow query, for example; another attempt may have taken it at the same time
            self._check_again()
        return checkpoint

    def release(self, checkpoint: Checkpoint, *, is_quiet: bool) -> None:
        """
        Store the last checkpoint of this attempt, unless its lease has expired.

        :param checkpoint: How far it is.
        :param is_quiet: Whether no request is under way, so that the next attempt need not wait for the lease.
        """
        self.stop()
        if not self.is_valid:  # another attempt may have taken it; its checkpoint must stay
            return
        lease_until = 0.0 if is_quiet else checkpoint.lease_until
        self._save_last(replace(checkpoint, lease_until=lease_until))

    def finish(self, checkpoint: Checkpoint) -> None:
        """Record that the run is finished, so that a later attempt of the same generation sends nothing."""
        self.stop()
        if self._generation:
            self._save_last(replace(checkpoint, finished=True, lease_until=0.0))
        else:
            self._store.delete()

    @property
    def is_due(self) -> bool:
        """Whether the lease should be renewed."""
        return self._clock() > self._lease_ends - self._times.duration + self._times.renew_after

    @property
    def is_valid(self) -> bool:
        """Whether the lease has not expired."""
        return self._clock() < self._lease_ends

    def stop(self) -> None:
        """Prevent further requests in all threads."""
        self._stopped.set()

    def ensure_lease(self) -> None:
        """
        Verify, before each request, that this attempt may send. Reads before the first checkpoint need no lease.

        :raises LeaseLostError: if it may not.
        """
        if self._stopped.is_set():
            raise LeaseLostError("This attempt has stopped.")
        if self._lease_ends != _NO_LEASE and not self.is_valid:
            raise LeaseLostError(
                f"No checkpoint could be made for {self._times.duration:.0f} s, so that another attempt may have "
                "started. This one ends; the next one resumes."
            )

    def _await_lease(self, found: Checkpoint) -> Checkpoint:
        """Wait until the lease that was found has expired or is returned."""
        # Not longer than a lease from now, whatever the clock of the other worker said.
        remaining = min(found.lease_until - self._wall_clock(), self._times.duration) + self._times.clock_difference
        if not found.lease_until or remaining <= 0:
            return found
        log.info("An earlier attempt holds the lease; waiting up to %.0f s", remaining)
        while remaining > 0:
            self._sleep(min(remaining, POLL_INTERVAL))
            remaining -= POLL_INTERVAL
            now = self._load()
            if now is not None and now.writer == found.writer and not now.lease_until:
                return now
            if now != found:
                raise LeaseLostError(_OTHER_ATTEMPT)
        return found

    def _check_found(self) -> None:
        if self._load() != self._found:
            raise LeaseLostError(_OTHER_ATTEMPT)

    def _check_again(self) -> None:
        """Verify that no attempt which had looked before has taken the lease after this one."""
        self._sleep(self._times.settle)
        self._check_writer()

    def _check_writer(self) -> None:
        found = self._load()
        if found is None or found.writer != self._writer:
            self.stop()
            self._lease_ends = _NO_LEASE
            raise LeaseLostError("Another attempt has taken the lease on these rows; this one ends.")

    def _unless_cleared(self, found: Checkpoint | None) -> Checkpoint | None:
        """Return a checkpoint, unless it is that of a finished run and the task was cleared."""
        return None if found and found.finished and found.generation != self._generation else found

    def _load(self) -> Checkpoint | None:
        state = self._store.load()
        return None if state is None else Checkpoint.parse(state, self._store.name)

    def _save(self, checkpoint: Checkpoint) -> Checkpoint:
        before = self._clock()  # before it is stored: an attempt that reads it must wait until later than this
        checkpoint = self._stamped(replace(checkpoint, lease_until=self._wall_clock() + self._times.duration))
        self._store.save(checkpoint.to_dict())
        self._lease_ends = before + self._times.duration
        return checkpoint

    def _save_last(self, checkpoint: Checkpoint) -> None:
        state = self._stamped(checkpoint).to_dict()
        save = self._store.save_last if isinstance(self._store, FallbackCheckpointStore) else self._store.save
        save(state)

    def _stamped(self, checkpoint: Checkpoint) -> Checkpoint:
        self._sequence += 1
        return replace(checkpoint, writer=self._writer, generation=self._generation, sequence=self._sequence)


def open_checkpoints(config: RowsConfig, context: Mapping[str, Any]) -> Checkpoints:
    """
    Return the checkpoints of a task.

    They are in Airflow's task state store (3.3 and later), otherwise beside the results.

    :param config: The run.
    :param context: Airflow's context; empty outside a task.
    """
    results_path = config.results_path
    task_instance, task_state = context.get("ti"), context.get("task_state_store")
    if task_instance is None:
        return Checkpoints(FileCheckpointStore(results_path / "progress.json", config.file_mode), times=config.lease)
    # Each DAG run resumes its own, even if all use the same folder.
    identity = (task_instance.dag_id, task_instance.task_id, task_instance.run_id, str(task_instance.map_index))
    path = results_path / f"progress-{digest_of(*identity)[:16]}.json"
    store: CheckpointStore = FileCheckpointStore(path, config.file_mode)
    if task_state is not None:
        key = f"learning360_{digest_of(str(results_path))[:16]}"
        store = FallbackCheckpointStore(TaskStateCheckpointStore(task_state, key), store)
    # Clearing a task raises its maximum number of tries.
    return Checkpoints(store, str(task_instance.max_tries), config.lease)
