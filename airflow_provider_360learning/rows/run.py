"""
One run: check all rows, resume or start, create missing groups, send in order, record the results, finish.

A run survives its attempts. Each one resumes at the last checkpoint, and rows that the one before may have sent are
unconfirmed until they are settled.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import ExitStack, closing, contextmanager
from typing import Any

from airflow_provider_360learning.api.interface import LearningApi
from airflow_provider_360learning.exceptions import AuthenticationError
from airflow_provider_360learning.hooks.learning360 import Learning360Hook
from airflow_provider_360learning.rows.batches import BatchReader
from airflow_provider_360learning.rows.changes import open_changes
from airflow_provider_360learning.rows.checkpoints import Checkpoints, open_checkpoints
from airflow_provider_360learning.rows.config import RowsConfig
from airflow_provider_360learning.rows.error_report import InvalidRowsError, check_all
from airflow_provider_360learning.rows.folders import Claims, open_folders
from airflow_provider_360learning.rows.jobs import make_writer
from airflow_provider_360learning.rows.names import RowNames
from airflow_provider_360learning.rows.preflight import RowChecker
from airflow_provider_360learning.rows.progress_log import ProgressLog, log_expectation
from airflow_provider_360learning.rows.results import ResultStore, RunSummary, known_columns, secret_columns
from airflow_provider_360learning.rows.resume import start_or_resume
from airflow_provider_360learning.rows.schema import digest_of
from airflow_provider_360learning.rows.sender import Latency, OutageError, Sender
from airflow_provider_360learning.rows.summary import (
    finish,
    merge_results,
    replay_summary,
    report_break_off,
    report_invalid_rows,
)
from airflow_provider_360learning.supervision import exit_orphaned, is_orphaned, is_supervised


class SupervisorLostError(Exception):
    """
    The supervisor of this process is gone, so that Airflow retries the task.

    Not a :class:`Learning360Error`, which would become the result of a row.
    """


def run(config: RowsConfig, context: MutableMapping[str, Any]) -> RunSummary:
    """
    Do what an operator was asked for.

    :param config: What to do, with which rows, and where the files are.
    :param context: Airflow's context, which gets the summary for callbacks; empty outside a task.
    :return: Counts, paths and the first rejected rows.
    :raises InvalidRequestError: if rows are invalid; nothing was sent.
    :raises RowsNotDoneError: if more rows were rejected than is allowed, or all of them.
    :raises LeaseLostError: if another attempt is running.
    """
    latency = Latency()
    try:
        with open_folders(config, context) as claims:
            checkpoints = open_checkpoints(config, context)
            with _connect(config, context, checkpoints, latency) as api:
                summary = _run(config, api, claims, checkpoints, latency, context)
                if config.source.pending_invitations is not None:
                    summary["pending_invitations"] = config.source.pending_invitations
                return finish(summary, config, context)
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

        pace = api.client.rate_limiter.pace(api.client.spec.endpoints[writer.operation])
        log_expectation(writer, api.client, rows.total - checkpoint.done_up_to, pace)
        sender = Sender(
            BatchReader(config, rows, writer, changes, results),
            writer,
            results,
            changes,
            None if config.dry_run else checkpoints,
            pace=pace,
            latency=latency,
            progress_log=ProgressLog(rows.total, checkpoint.done_up_to, api.client.usage),
            claims=claims,
        )
        try:
            checkpoint = sender.send(checkpoint)
        except (AuthenticationError, OutageError) as error:
            report_break_off(results, sender.checkpoint, rows.total, writer.name, error, context)
            raise

        claims.renew(force=True)  # before files are replaced
        summary = merge_results(results, checkpoint, rows.total, action=writer.name, manifest={"input": digest})
        if not config.dry_run:
            if changes:
                changes.save()
            checkpoints.finish(checkpoint)
        results.remove_parts()
        return summary


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
        before_sending=before_sending,
    )
    with hook.log_api_usage():
        yield hook.api
