"""The remaining rows, read a second time and grouped into batches of one request each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from airflow_provider_360learning.rows.changes import Changes
from airflow_provider_360learning.rows.checkpoints import Checkpoint
from airflow_provider_360learning.rows.config import RowsConfig
from airflow_provider_360learning.rows.preflight import RowChecker
from airflow_provider_360learning.rows.results import (
    UNCHANGED,
    UNKNOWN,
    WOULD_SEND,
    Result,
    ResultStore,
    read_last_results,
    result_of_invalid,
)
from airflow_provider_360learning.rows.schema import CheckedRow
from airflow_provider_360learning.rows.writers import Writer, unknown

#: Maximum number of rows in a batch of which few are to be sent.
MAX_ROWS_PER_BATCH = 20
#: Size of rows after which there are fewer rows in a batch, because batches are held in memory.
MAX_BATCH_SIZE = 1 << 20


@dataclass(eq=False)
class Batch:
    """
    Consecutive rows, of which some are sent in one request.

    :param unconfirmed: Whether an earlier attempt may have sent them.
    :param rows: All rows.
    :param to_send: The rows that are sent.
    :param known: Results of the other rows.
    :param results: Results of all rows, once they are known; set by the sender's own thread only.
    :param is_transient_failure: Whether all that was sent failed, and may succeed later.
    :param size: Size of all rows.
    """

    unconfirmed: bool = False
    rows: list[CheckedRow] = field(default_factory=list)
    to_send: list[CheckedRow] = field(default_factory=list)
    known: list[Result] = field(default_factory=list)
    results: list[Result] | None = None
    is_transient_failure: bool = False
    size: int = 0

    @property
    def last_row(self) -> int:
        """Number of the last row."""
        return self.rows[-1].row.number

    def add(self, row: CheckedRow, known: Result | None) -> None:
        """
        Add a row.

        :param row: The row.
        :param known: Its result, if it need not be sent.
        """
        self.rows.append(row)
        self.size += row.row.size
        if known is None:
            self.to_send.append(row)
        else:
            self.known.append(known)

    def end(self, sent: list[Result]) -> None:
        """
        Set the results.

        :param sent: Results of the rows that were sent.
        """
        self.is_transient_failure = bool(sent) and all(not one.is_done and one.retryable for one in sent)
        self.results = sorted([*self.known, *sent], key=lambda result: result.row)

    def sent(self) -> Iterator[tuple[CheckedRow, Result]]:
        """Yield the rows that were sent, with their results."""
        numbers = {row.row.number for row in self.to_send}
        pairs = zip(self.rows, self.results or (), strict=True)
        return ((row, result) for row, result in pairs if result.row in numbers)


class BatchReader:
    """
    Reads the rows that are left.

    :param config: The run.
    :param rows: The rows, which have been checked once.
    :param writer: What is done with them.
    :param changes: Which rows change something; ``None``: all.
    :param results: The results of this run.
    """

    def __init__(
        self, config: RowsConfig, rows: RowChecker, writer: Writer, changes: Changes | None, results: ResultStore
    ) -> None:
        self._config = config
        self._rows = rows
        self._writer = writer
        self._changes = changes
        self._results = results
        # What failed in the last run may have been done all the same. Of events, only those failed that were not sent.
        self._may_be_done = config.retry_failed_only and not writer.append_only

    def read(self, checkpoint: Checkpoint) -> Iterator[Batch]:
        """
        Yield the batches after a checkpoint.

        :param checkpoint: The checkpoint.
        :raises InvalidRequestError: if the rows differ from the checked ones; no differing row is yielded.
        """
        batch = Batch()
        max_rows = max(MAX_ROWS_PER_BATCH, 2 * self._writer.rows_per_request)
        for row, known, unconfirmed in self.read_rows(checkpoint):
            is_full = len(batch.rows) == max_rows or batch.size > MAX_BATCH_SIZE
            if batch.rows and (batch.unconfirmed != unconfirmed or is_full):
                yield batch
                batch = Batch()
            batch.unconfirmed = unconfirmed
            batch.add(row, known)
            if len(batch.to_send) == self._writer.rows_per_request:
                yield batch
                batch = Batch()
        if batch.rows:
            yield batch

    def read_rows(self, checkpoint: Checkpoint) -> Iterator[tuple[CheckedRow, Result | None, bool]]:
        """
        Yield the rows after a checkpoint.

        :param checkpoint: The checkpoint.
        :return: Each row, its result if it need not be sent, and whether an earlier attempt may have sent it.
        :raises InvalidRequestError: if the rows differ from the checked ones; no differing row is yielded.
        """
        last, earlier = self._last_results(), self._earlier_results(checkpoint)
        for row in self._rows.second_pass():
            number, known = row.row.number, next(last, None)
            if number <= checkpoint.done_up_to:
                result = next(earlier, None)
                if self._changes and result and number > checkpoint.remembered_up_to:
                    self._changes.record_earlier(row, result)
                continue
            unconfirmed = self._may_be_done or number <= checkpoint.sent_up_to
            yield row, known or self._result_without_sending(row), unconfirmed

    def _last_results(self) -> Iterator[Result | None]:
        """Yield, with retry_failed_only, the result of each row in the last run, if it stays."""
        if self._config.retry_failed_only:
            for result in read_last_results(self._config.results_path):
                is_unconfirmed = self._config.resend_unconfirmed and result.outcome == UNKNOWN
                yield None if result.retryable or is_unconfirmed else result

    def _earlier_results(self, checkpoint: Checkpoint) -> Iterator[Result]:
        """Yield the result of each row that an earlier attempt has done, unless all of them are remembered."""
        if self._changes and checkpoint.remembered_up_to < checkpoint.done_up_to:
            yield from self._results.read_parts(checkpoint.parts)

    def _result_without_sending(self, row: CheckedRow) -> Result | None:
        number, key = row.row.number, row.key
        if row.errors:
            return result_of_invalid(row)
        if self._changes and not self._changes.changes_something(row):
            return Result(number, key, UNCHANGED)
        if self._changes and self._changes.is_unconfirmed(row) and not self._config.resend_unconfirmed:
            return unknown(row, "An earlier run may have done it.")
        return Result(number, key, WOULD_SEND) if self._config.dry_run else None
