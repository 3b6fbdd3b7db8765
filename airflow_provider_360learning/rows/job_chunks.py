"""Group the rows that are left into chunks, each of which one bulk job does."""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from airflow_provider_360learning.api.bulk_jobs import JobStatus
from airflow_provider_360learning.rows.batches import Batch, BatchReader
from airflow_provider_360learning.rows.checkpoints import Checkpoint, OpenJob
from airflow_provider_360learning.rows.job_files import JobFiles, StoredRow
from airflow_provider_360learning.rows.job_writer import JobWriter
from airflow_provider_360learning.rows.schema import CheckedRow

#: Size of rows after which there are fewer rows in a job, because they are held in memory.
MAX_CHUNK_SIZE = 2 << 20


class Phase(enum.Enum):
    """What comes next for a chunk of rows."""

    #: To find out what is sent for each row.
    PREPARE = "prepare"
    SUBMIT = "submit"
    #: To look for the job, which may have been submitted.
    FIND = "find"
    POLL = "poll"
    READ = "read results"
    #: All rows have results.
    DONE = "done"


@dataclass(eq=False)
class Chunk(Batch):
    """
    Consecutive rows, of which some are sent in one job.

    :param stored: What is sent for each row of :attr:`to_send`.
    :param job: The job, if it may have been submitted.
    :param phase: What comes next.
    :param due: When that is due, on the monotonic clock.
    :param status: State of the job at the last poll.
    :param looks: How often the job was looked for.
    :param is_busy: Whether a step is under way.
    :param subjects: Subjects of the rows in :attr:`to_send`.
    """

    stored: list[StoredRow] = field(default_factory=list)
    job: OpenJob | None = None
    phase: Phase = Phase.PREPARE
    due: float = 0.0
    status: JobStatus | None = None
    looks: int = 0
    is_busy: bool = False
    subjects: frozenset[str] = frozenset()

    @property
    def first_row(self) -> int:
        """Number of the first row."""
        return self.rows[0].row.number

    def with_inputs(self) -> list[tuple[CheckedRow, StoredRow]]:
        """Return the rows for which something is sent, with what that is."""
        return [(row, each) for row, each in zip(self.to_send, self.stored, strict=True) if each.inputs]

    def split(self, index: int) -> tuple[Chunk, Chunk]:
        """
        Return two chunks with the rows of this one.

        :param index: Index in :attr:`to_send` of the first row of the second chunk.
        """
        known = {result.row: result for result in self.known}
        first_of_second = self.to_send[index].row.number
        parts = (Chunk(phase=self.phase), Chunk(phase=self.phase))
        for row in self.rows:
            parts[row.row.number >= first_of_second].add(row, known.get(row.row.number))
        for part, stored in zip(parts, (self.stored[:index], self.stored[index:]), strict=True):
            part.unconfirmed, part.stored = self.unconfirmed, stored
            part.subjects = frozenset(row.subject for row in part.to_send)
        return parts


class ChunkReader:
    """
    Reads the rows that are left, in chunks for jobs.

    :param rows: The rows.
    :param writer: What is done with them.
    :param files: The rows of jobs that an earlier attempt may have submitted.
    :param keep_lease: Renews the lease if that is due; called for each thousand rows that are read.
    """

    def __init__(self, rows: BatchReader, writer: JobWriter, files: JobFiles, keep_lease: Callable[[], None]) -> None:
        self._keep_lease = keep_lease
        self._rows = rows
        self._writer = writer
        self._files = files
        #: Whether reading has ended at a row that no job can do.
        self.ended_early = False

    def read(self, checkpoint: Checkpoint) -> Iterator[Chunk]:
        """
        Yield the chunks after a checkpoint; those of jobs that are known have the same rows as before.

        :param checkpoint: The checkpoint.
        :raises StoredStateError: if the rows of a job cannot be read.
        """
        jobs = deque(checkpoint.jobs)
        chunk = Chunk()
        stored: dict[int, StoredRow] = {}
        for row, known, unconfirmed in self._rows.read_rows(checkpoint):
            number = row.row.number
            if number % 1000 == 0:
                self._keep_lease()
            if jobs and number == jobs[0].first:
                if chunk.rows:
                    yield _complete(chunk)
                chunk = Chunk(unconfirmed=True, job=jobs.popleft())
                stored = {each.row: each for each in self._files.read(chunk.job)} if chunk.job else {}
            if chunk.job is not None:
                each = stored[number]
                chunk.add(row, each.result)
                if each.result is None:
                    chunk.stored.append(each)
                if number == chunk.job.last:
                    yield _complete(chunk)
                    chunk = Chunk()
                continue
            if known is None and not self._writer.accepts(row):
                self.ended_early = True
                break
            is_full = len(chunk.rows) >= 2 * self._writer.rows_per_request or chunk.size > MAX_CHUNK_SIZE
            if chunk.rows and (chunk.unconfirmed != unconfirmed or is_full):
                yield _complete(chunk)
                chunk = Chunk()
            chunk.unconfirmed = unconfirmed
            chunk.add(row, known)
            if len(chunk.to_send) == self._writer.rows_per_request:
                yield _complete(chunk)
                chunk = Chunk()
        if chunk.rows:
            yield _complete(chunk)


def _complete(chunk: Chunk) -> Chunk:
    chunk.subjects = frozenset(row.subject for row in chunk.to_send)
    if not chunk.to_send:
        chunk.end([])
        chunk.phase = Phase.DONE
    elif chunk.job is not None:
        chunk.phase = Phase.POLL if chunk.job.job_id else Phase.FIND
    return chunk
