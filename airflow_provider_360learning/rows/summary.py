"""The end of a run: merge its results, and decide whether the task succeeds."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from airflow.providers.common.compat.sdk import ObjectStoragePath

from airflow_provider_360learning.exceptions import RefusedError
from airflow_provider_360learning.rows.checkpoints import Checkpoint
from airflow_provider_360learning.rows.results import (
    INVALID,
    NOT_DONE,
    ResultStore,
    RunSummary,
    UnaccountedRowError,
    read_manifest,
)
from airflow_provider_360learning.rows.stored_state import StoredStateError

log = logging.getLogger(__name__)


class RowsNotDoneError(RefusedError):
    """
    More rows were rejected than is allowed.

    :param summary: What the task would have returned.
    """

    def __init__(self, message: str, summary: RunSummary) -> None:
        super().__init__(message)
        self.summary = summary


def merge_results(results: ResultStore, checkpoint: Checkpoint, rows: int, manifest: Mapping[str, Any]) -> RunSummary:
    """
    Merge the results, whose counts are those of what was written.

    :param results: The results.
    :param checkpoint: The last checkpoint.
    :param rows: Number of rows.
    :param manifest: More contents of the manifest.
    :raises UnaccountedRowError: if a row has no result.
    """
    try:
        outcomes = dict(sorted(results.count_outcomes(checkpoint.parts, rows).items()))
    except StoredStateError as error:
        raise UnaccountedRowError(
            f"{error.finding}: it was lost or replaced while the rows were sent. Restore it and retry, or clear the "
            "task with ignore_checkpoint=True, which starts over at the first row and may send rows again."
        ) from error
    finished_at = datetime.now(UTC).isoformat(timespec="seconds")
    contents = {**manifest, "run": checkpoint.run, "finished_at": finished_at, "rows": rows, "outcomes": outcomes}
    results_path, rejected_path = results.merge(checkpoint.parts, contents)
    log.info("rows=%s outcomes=%s results_path=%s", f"{rows:,}", outcomes, results_path)
    return RunSummary(rows=rows, outcomes=outcomes, results_path=results_path, rejected_path=rejected_path)


def replay_summary(results_path: ObjectStoragePath, checkpoint: Checkpoint) -> RunSummary:
    """
    Return the summary of an attempt that finished, but ended before Airflow recorded its result.

    :param results_path: Folder of its results.
    :param checkpoint: Its last checkpoint.
    :raises StoredStateError: if its manifest is missing or cannot be read.
    """
    log.info("An earlier attempt has finished; nothing is sent. Clear the task to start over.")
    manifest = read_manifest(results_path)
    if manifest is None or manifest.get("run") != checkpoint.run:
        raise StoredStateError(
            results_path,
            "does not have the results of the earlier attempt, which has finished",
            "Clear the task to start over.",
        )
    return RunSummary(
        rows=manifest["rows"],
        outcomes=manifest["outcomes"],
        results_path=manifest["results_path"],
        rejected_path=manifest["rejected_path"],
    )


def check_failure_threshold(summary: RunSummary, allowed: float) -> RunSummary:
    """
    Return the summary, unless too many rows were rejected. Rows that were skipped as invalid do not count.

    :param summary: The summary of a run.
    :param allowed: Maximum number of rejected rows.
    :raises RowsNotDoneError: if more rows were rejected than is allowed.
    """
    rejected = sum(summary["outcomes"].get(outcome, 0) for outcome in NOT_DONE - {INVALID})
    if rejected > allowed:
        raise RowsNotDoneError(
            f"{rejected} of {summary['rows']} rows were rejected, but only {allowed:g} may be (max_failures, "
            f"max_failure_ratio): {summary['results_path']} has the reason of each, {summary['rejected_path']} the "
            "rows. retry_failed_only=True sends those again that can be retried.",
            summary,
        )
    return summary
