"""Record how far a run is: results in parts, what was accepted, and checkpoints that say so."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from airflow_provider_360learning.exceptions import RefusedError
from airflow_provider_360learning.log_text import get_logger
from airflow_provider_360learning.rows.batches import Batch
from airflow_provider_360learning.rows.changes import Changes
from airflow_provider_360learning.rows.checkpoints import Checkpoint, Checkpoints
from airflow_provider_360learning.rows.folders import Claims
from airflow_provider_360learning.rows.progress_log import ProgressLog
from airflow_provider_360learning.rows.results import ResultStore
from airflow_provider_360learning.rows.run_metrics import RunMetrics

log = get_logger(__name__)


class TooManyFailuresError(RefusedError):
    """More rows were rejected than an attempt goes on with."""


class Recorder:
    """
    Writes what is certain. Only one thread uses it.

    :param checkpoint: The checkpoint that the run continues from.
    :param results: Where the results are written.
    :param changes: What is remembered, if anything is.
    :param checkpoints: The checkpoint and the lease; ``None`` in a dry run.
    :param claims: The claims to the folders, which are renewed with each checkpoint.
    :param progress_log: Logs how far the run is.
    :param metrics: Counts rows and jobs.
    :param stop_after_failures: Number of rejected rows after which the attempt stops.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        results: ResultStore,
        changes: Changes | None,
        checkpoints: Checkpoints | None,
        claims: Claims,
        progress_log: ProgressLog,
        metrics: RunMetrics,
        *,
        stop_after_failures: int | None = None,
    ) -> None:
        #: The last checkpoint.
        self.checkpoint = checkpoint
        self.progress_log = progress_log
        self.metrics = metrics
        self._results = results
        self._changes = changes
        self._checkpoints = checkpoints
        self._claims = claims
        self._stop_after = stop_after_failures
        self._failures = 0

    @property
    def is_dry_run(self) -> bool:
        """Whether nothing is sent, so that no checkpoint is made."""
        return self._checkpoints is None

    @property
    def is_lease_due(self) -> bool:
        """Whether the lease should be renewed."""
        return self._checkpoints is not None and self._checkpoints.is_due

    def renew_claims(self) -> None:
        """Renew the claims, and the lease if it has expired: another attempt may be writing parts of the same names."""
        if self._checkpoints is not None:
            self._claims.renew()
            if not self._checkpoints.is_valid:
                self.checkpoint = self._checkpoints.renew(self.checkpoint)

    def keep_lease(self) -> None:
        """Make the same checkpoint again, which renews the lease, if that is due."""
        if self.is_lease_due:
            self.renew_claims()
            self.save(self.checkpoint)

    def write_part(self, batches: Iterable[Batch]) -> None:
        """
        Write the results of batches as one part.

        :param batches: Consecutive batches after the last one that was written, with results.
        """
        certain = list(batches)
        rows = [pair for batch in certain for pair in zip(batch.rows, batch.results or (), strict=True)]
        if rows:
            self._results.write_part(self.checkpoint.parts + 1, rows)
            self.checkpoint = self.checkpoint.with_part([result for _, result in rows])
            if self._changes:
                for batch in certain:
                    for row, result in batch.sent():
                        self._changes.record(row, result, is_unconfirmed=batch.unconfirmed)
        self.progress_log.count(result for _, result in rows)
        self._failures += sum(not result.is_done for _, result in rows)
        if not self.is_dry_run:
            self.metrics.count_rows(result for _, result in rows)

    def save(self, checkpoint: Checkpoint) -> None:
        """
        Make a checkpoint, which renews the lease.

        :param checkpoint: The checkpoint.
        :raises TooManyFailuresError: if more rows were rejected than the attempt goes on with.
        """
        self.checkpoint = checkpoint if self._checkpoints is None else self._checkpoints.renew(checkpoint)
        self.check_failures()

    def check_failures(self, further: int = 0) -> None:
        """
        Stop the attempt at too many rejected rows.

        :param further: Number of rejected rows that are not in a part yet.
        :raises TooManyFailuresError: if more rows were rejected than the attempt goes on with.
        """
        failures = self._failures + further
        if self._stop_after is not None and failures > self._stop_after:
            raise TooManyFailuresError(
                f"{failures:,} rows were refused, failed or unknown, and the attempt stops after "
                f"{self._stop_after:,} (stop_after_failures). Rows after them were not sent."
            )

    def release(self, write_certain: Callable[[], None], is_quiet: Callable[[], bool]) -> None:
        """
        Write what is certain and return the lease, so that the next attempt has little to confirm and need not wait.

        :param write_certain: Writes it.
        :param is_quiet: Returns whether no request is under way, which may be done later.
        """
        if self._checkpoints is None:
            return
        self._checkpoints.stop()
        if not self._checkpoints.is_valid:
            return
        try:
            write_certain()
            if self._changes:
                self._claims.renew(force=True)
                self._changes.save()
                self.checkpoint = replace(self.checkpoint, remembered_up_to=self.checkpoint.done_up_to)
            self._checkpoints.release(self.checkpoint, is_quiet=is_quiet())
        except Exception as error:  # the error that ended this attempt is the one to report
            log.warning("The lease could not be returned (%s); the next attempt waits until it expires", error)
