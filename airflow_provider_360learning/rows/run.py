"""
One run: check all rows, resume or start, create missing groups, send in order, record the results, finish.

A run survives its attempts. Each one resumes at the last checkpoint, and rows that the one before may have sent are
unconfirmed until they are settled.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from typing import Any

from airflow_provider_360learning.api.interface import LearningApi
from airflow_provider_360learning.config import max_rate_limit_wait
from airflow_provider_360learning.exceptions import AuthenticationError
from airflow_provider_360learning.hooks.learning360 import Learning360Hook
from airflow_provider_360learning.log_text import get_logger
from airflow_provider_360learning.rows.batches import BatchReader
from airflow_provider_360learning.rows.changes import open_changes
from airflow_provider_360learning.rows.checkpoints import Checkpoints, open_checkpoints
from airflow_provider_360learning.rows.config import RowsConfig
from airflow_provider_360learning.rows.error_report import InvalidRowsError, check_all
from airflow_provider_360learning.rows.folders import Claims, FolderOwner, open_folders
from airflow_provider_360learning.rows.job_files import JobFiles
from airflow_provider_360learning.rows.job_sender import JobSender, JobsNotAvailableError
from airflow_provider_360learning.rows.job_writer import JobWriter
from airflow_provider_360learning.rows.make_writer import make_writer
from airflow_provider_360learning.rows.names import RowNames
from airflow_provider_360learning.rows.preflight import RowChecker
from airflow_provider_360learning.rows.progress_log import ProgressLog, log_expectation, log_expected_jobs
from airflow_provider_360learning.rows.recorder import Recorder
from airflow_provider_360learning.rows.results import ResultStore, RunSummary, known_columns, secret_columns
from airflow_provider_360learning.rows.resume import start_or_resume
from airflow_provider_360learning.rows.run_metrics import RunMetrics
from airflow_provider_360learning.rows.schema import digest_of
from airflow_provider_360learning.rows.sender import Latency, OutageError, Sender
from airflow_provider_360learning.rows.summary import (
    finish,
    merge_results,
    replay_summary,
    report_break_off,
    report_invalid_rows,
)
from airflow_provider_360learning.rows.writers import RowWriter, Writer
from airflow_provider_360learning.supervision import exit_orphaned, is_orphaned, is_supervised

log = get_logger(__name__)

#: Maximum number of seconds that one call waits for the rate limits where long waits are deferred.
MAX_WAIT_IF_DEFERRABLE = 60.0


class SupervisorLostError(Exception):
    """
    The supervisor of this process is gone, so that Airflow retries the task.

    Not a :class:`Learning360Error`, which would become the result of a row.
    """


def run(config: RowsConfig, context: MutableMapping[str, Any], held: Sequence[FolderOwner] = ()) -> RunSummary:
    """
    Do what an operator was asked for.

    :param config: What to do, with which rows, and where the files are.
    :param context: Airflow's context, which gets the summary for callbacks; empty outside a task.
    :param held: Claims of the caller to further folders, which are renewed with those of the run.
    :return: Counts, paths and the first rejected rows.
    :raises InvalidRequestError: if rows are invalid; nothing was sent.
    :raises RowsNotDoneError: if more rows were rejected than is allowed, or all of them.
    :raises TooManyFailuresError: if the attempt has stopped at too many of them.
    :raises LeaseLostError: if another attempt is running.
    :raises DeferWait: if the wait for bulk jobs is to be deferred; another call then resumes.
    """
    latency = Latency()
    try:
        with open_folders(config, context, held) as claims:
            checkpoints = open_checkpoints(config, context)
            with _connect(config, context, checkpoints, latency) as api:
                summary = _run(config, api, claims, checkpoints, latency, {} if config.is_part else context)
                if config.source.pending_invitations is not None:
                    summary["pending_invitations"] = config.source.pending_invitations
                return summary if config.is_part else finish(summary, config, context)
    except SupervisorLostError:  # the lease is returned
        exit_orphaned()
    except InvalidRowsError as error:
        report_invalid_rows(error.summary, context)
        raise


def _run(
    config: RowsConfig,
    api: LearningApi,
    claims: Claims,
    checkpoints: Checkpoints,
    latency: Latency,
    context: MutableMapping[str, Any],
) -> RunSummary:
    names = RowNames(config, api, checkpoints)
    writer = make_writer(config, api, names)
    writer.schema.checked_up_to = _checked_up_to(config, checkpoints)
    with ExitStack() as resources:
        changes = open_changes(config, api, writer.name, writer.target, append_only=writer.append_only)
        if changes:
            resources.enter_context(closing(changes))
        rows = resources.enter_context(closing(RowChecker(config.source, writer.schema)))
        check_all(config, rows, changes, claims.renew, writer.name)
        if changes:
            changes.read_listing()

        secrets = secret_columns(writer.schema, config.column_mapping)
        known = known_columns(writer.schema, config.column_mapping)

        def results_of(run: str) -> ResultStore:
            return ResultStore(
                config.results_folder,
                config.rejected_folder,
                run,
                config.source,
                secrets,
                known,
                escape_formulas=config.escape_formulas,
                file_mode=config.file_mode,
            )

        digest = digest_of(api.client.company, writer.name, writer.target, rows.fingerprint)
        checkpoint = start_or_resume(config, checkpoints, results_of, digest, rows.total)
        results = results_of(checkpoint.run)
        if checkpoint.finished:
            results.remove_parts()
            return replay_summary(config.results_path, checkpoint)
        checkpoint = names.prepare(checkpoint, rows.new_groups, claims.renew)

        recorder = Recorder(
            checkpoint,
            results,
            changes,
            None if config.dry_run else checkpoints,
            claims,
            ProgressLog(rows.total, checkpoint.done_up_to, api.client.usage),
            RunMetrics(config.learning360_conn_id, api.client.spec.name, writer.name),
            stop_after_failures=config.stop_after_failures,
        )

        def reader_of(writer: Writer) -> BatchReader:
            return BatchReader(config, rows, writer, changes, results)

        try:
            _send(config, api, writer, reader_of, recorder, results, latency, rows)
        except (AuthenticationError, OutageError) as error:
            report_break_off(results, recorder.checkpoint, rows.total, writer.name, error, context)
            raise
        checkpoint = recorder.checkpoint

        claims.renew(force=True)  # before files are replaced
        summary = merge_results(results, checkpoint, rows.total, action=writer.name, manifest={"input": digest})
        if not config.dry_run:
            if changes:
                changes.save()
            checkpoints.finish(checkpoint)
        results.remove_parts()
        return summary


def _checked_up_to(config: RowsConfig, checkpoints: Checkpoints) -> float:
    """
    Return the number of the last row that an earlier attempt has found to be valid, or has sent.

    A user who is deleted while rows are sent must not make rows invalid that were valid, and fail the attempt.
    """
    found = None if config.dry_run or config.ignore_checkpoint else checkpoints.peek()
    if found is None:
        return 0
    return math.inf if config.on_invalid == "fail" else max(found.sent_up_to, found.done_up_to)


def _send(
    config: RowsConfig,
    api: LearningApi,
    writer: RowWriter | JobWriter,
    reader_of: Callable[[Writer], BatchReader],
    recorder: Recorder,
    results: ResultStore,
    latency: Latency,
    rows: RowChecker,
) -> None:
    """Send all rows: by bulk jobs where they are available, otherwise by requests."""
    left = rows.total - recorder.checkpoint.done_up_to
    if isinstance(writer, JobWriter):
        files = JobFiles(results.parts_folder, config.file_mode)
        log_expected_jobs(writer, left)
        jobs = JobSender(reader_of(writer), writer, recorder, files, config.jobs, deferrable=config.deferrable)
        try:
            jobs.send()
            return
        except JobsNotAvailableError as error:
            if writer.single is None:
                raise
            log.warning("Rows are sent by single requests, because %s", error)
        writer = writer.single
    pace = api.client.rate_limiter.pace(api.client.spec.endpoints[writer.operation])
    left = rows.total - recorder.checkpoint.done_up_to  # jobs may have done some
    log_expectation(writer, api.client, left, pace, writes_per_row=rows.writes_per_row)
    Sender(reader_of(writer), writer, recorder, pace=pace, latency=latency).send()


@contextmanager
def _connect(
    config: RowsConfig, context: Mapping[str, Any], checkpoints: Checkpoints, latency: Latency
) -> Iterator[LearningApi]:
    supervised = is_supervised(context.get("ti"))

    def before_sending() -> None:
        checkpoints.ensure_lease()
        if supervised and is_orphaned():
            raise SupervisorLostError
        latency.start()

    hook = Learning360Hook(
        config.learning360_conn_id,
        task=config,  # has its pool slots and user
        max_attempts=config.max_attempts,
        max_wait=min(max_rate_limit_wait(), MAX_WAIT_IF_DEFERRABLE) if config.deferrable else None,
        before_sending=before_sending,
    )
    with hook.log_api_usage():
        yield hook.api
