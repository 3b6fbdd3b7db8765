"""Resume the run of an earlier attempt, or start one."""

from __future__ import annotations

import secrets
from collections.abc import Callable

from airflow_provider_360learning.exceptions import InvalidRequestError
from airflow_provider_360learning.log_text import get_logger
from airflow_provider_360learning.rows.checkpoints import Checkpoint, Checkpoints
from airflow_provider_360learning.rows.config import RowsConfig
from airflow_provider_360learning.rows.results import ResultStore, read_last_results, read_manifest

log = get_logger(__name__)


def start_or_resume(
    config: RowsConfig,
    checkpoints: Checkpoints,
    results_of: Callable[[str], ResultStore],
    digest: str,
    total: int,
) -> Checkpoint:
    """
    Return the checkpoint to continue from; this attempt then holds the lease, unless it is a dry run.

    :param config: The run.
    :param checkpoints: Its checkpoints.
    :param results_of: Returns the results of a run by its id.
    :param digest: Digest of the rows and of everything else that decides what is sent.
    :param total: Number of rows.
    :raises InvalidRequestError: if an earlier attempt had other rows.
    :raises LeaseLostError: if another attempt is running.
    :raises StoredStateError: if the checkpoint or a part cannot be read.
    """
    if config.retry_failed_only:
        _check_last_run(config, digest, total)
        digest += " retry_failed_only"
    new = Checkpoint(run=secrets.token_hex(4), input=digest)
    if config.dry_run:
        return new
    found = checkpoints.take_over(ignore=config.ignore_checkpoint)
    if found is not None and config.ignore_checkpoint:
        results_of(found.run).remove_parts()
        found = None
    if found is None:
        return checkpoints.start(new)
    if found.input != digest:
        raise InvalidRequestError(
            f"{config.source.name} or an argument of the task has changed since an earlier attempt, which had done "
            f"{found.done_up_to} rows. Nothing was sent. Restore the earlier input so that the run can finish, or "
            "start over with ignore_checkpoint=True."
        )
    if found.finished:
        return found
    found = _with_written_parts(found, results_of(found.run))
    log.info("Resuming after row %s", found.done_up_to)
    return checkpoints.start(found)


def _with_written_parts(found: Checkpoint, results: ResultStore) -> Checkpoint:
    """Check the parts, and add one that was written after the last checkpoint."""
    results.tally(found.parts, found.done_up_to)
    following = results.read_next_part(found.parts)
    if not following or following[0].row != found.done_up_to + 1:
        return found
    found = found.with_part(following)
    results.tally(found.parts, found.done_up_to)
    return found


def _check_last_run(config: RowsConfig, digest: str, total: int) -> None:
    last = read_manifest(config.results_path)
    if last is None or last.get("input") != digest:
        raise InvalidRequestError(
            f"retry_failed_only=True sends rows of the last run again, but {config.results_path} has no results of "
            "these rows. Nothing was sent."
        )
    count = sum(1 for _ in read_last_results(config.results_path))
    if count != total:
        raise InvalidRequestError(
            f"retry_failed_only=True needs the results of the last run, but {config.results_path} has {count} of "
            f"{total} rows. Nothing was sent."
        )
