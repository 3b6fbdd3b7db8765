"""The end of a run: merge its results, report them, and decide whether the task succeeds."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from datetime import UTC, datetime
from typing import Any

from airflow.providers.common.compat.sdk import ObjectStoragePath

from airflow_provider_360learning.api.text import counted
from airflow_provider_360learning.exceptions import RefusedError
from airflow_provider_360learning.log_text import get_logger
from airflow_provider_360learning.rows.checkpoints import Checkpoint
from airflow_provider_360learning.rows.config import RowsConfig
from airflow_provider_360learning.rows.results import (
    INVALID,
    NOT_DONE,
    RejectedRow,
    ResultStore,
    RunSummary,
    UnaccountedRowError,
    read_manifest,
)
from airflow_provider_360learning.rows.stored_state import StoredStateError

log = get_logger(__name__)

#: Keys of Airflow's context for callbacks and notifiers: the result of the task, and the same as text.
RUN_SUMMARY, RUN_REPORT = "run_summary", "run_report"


class RowsNotDoneError(RefusedError):
    """More rows were rejected than is allowed, or all of them."""


def merge_results(
    results: ResultStore, checkpoint: Checkpoint, rows: int, *, action: str, manifest: Mapping[str, Any]
) -> RunSummary:
    """
    Merge the results, whose counts are those of what was written.

    :param results: The results.
    :param checkpoint: The last checkpoint.
    :param rows: Number of rows.
    :param action: What was done with the rows.
    :param manifest: More contents of the manifest.
    :raises UnaccountedRowError: if a row has no result.
    """
    try:
        tally = results.tally(checkpoint.parts, rows)
    except StoredStateError as error:
        raise UnaccountedRowError(
            f"{error.finding}: it was lost or replaced while the rows were sent. Restore it and retry, or clear the "
            "task with ignore_checkpoint=True, which starts over at the first row and may send rows again."
        ) from error
    counts = {
        "action": action,
        "rows": rows,
        "outcomes": dict(sorted(tally.outcomes.items())),
        "retryable": tally.retryable,
        "first_rejected": tally.first_rejected,
    }
    finished_at = datetime.now(UTC).isoformat(timespec="seconds")
    contents = {**manifest, "run": checkpoint.run, "finished_at": finished_at, **counts}
    results_path, rejected_path = results.merge(checkpoint.parts, contents)
    return _summary_in({**contents, "results_path": results_path, "rejected_path": rejected_path})


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
    return _summary_in(manifest)


def finish(summary: RunSummary, config: RowsConfig, context: MutableMapping[str, Any]) -> RunSummary:
    """
    Report the end of a run, and return its summary.

    The report is in the log and in the context, for callbacks. Where the task fails, Airflow does not record a result,
    so that it is pushed as the XCom that the result would have been.

    :param summary: The summary of the run.
    :param config: The run.
    :param context: Airflow's context; empty outside a task.
    :raises RowsNotDoneError: if more rows were rejected than is allowed, or all of them.
    """
    first = [describe(row) for row in summary["first_rejected"]]
    for line in first:
        log.warning("%s", line)
    paths = (summary["results_path"], summary["rejected_path"])
    log.info("%s. results_path=%s rejected_path=%s", summarize(summary), *paths)
    problem = _problem_in(summary, config)
    _publish(summary, problem, context)
    if problem:
        raise RowsNotDoneError(f"{problem}. The first: {first[0]}. {_advice(summary)}")
    return summary


def report_invalid_rows(summary: RunSummary, context: MutableMapping[str, Any]) -> None:
    """
    Report that nothing was sent because rows are invalid, as :func:`finish` does.

    :param summary: The number of rows and the first invalid ones.
    :param context: Airflow's context; empty outside a task.
    """
    invalid = _share(summary["outcomes"][INVALID], summary["rows"], "invalid")
    _publish(summary, f"{invalid}, so that nothing was sent", context)


def report_break_off(
    results: ResultStore,
    checkpoint: Checkpoint,
    rows: int,
    action: str,
    error: Exception,
    context: MutableMapping[str, Any],
) -> None:
    """
    Report the rows so far of a run that has broken off, as :func:`finish` does.

    :param results: The results so far.
    :param checkpoint: The last checkpoint.
    :param rows: Number of rows.
    :param action: What was done with the rows.
    :param error: Why it has broken off; of its text, which may hold anything, only the class is reported.
    :param context: Airflow's context; empty outside a task.
    """
    try:
        tally = results.tally(checkpoint.parts, checkpoint.done_up_to)
    except StoredStateError:
        return  # the other error is the one to report
    summary = tally.summary(action=action, rows=rows, run=checkpoint.run)
    done = f"{checkpoint.done_up_to:,} of {counted(rows, 'row')}"
    _publish(summary, f"{type(error).__name__} after {done}; the next attempt resumes there", context)


def _publish(summary: RunSummary, problem: str, context: MutableMapping[str, Any]) -> None:
    first = [describe(row) for row in summary["first_rejected"]]
    failure = [f"Failed: {problem}"] if problem else []
    context[RUN_SUMMARY] = summary
    context[RUN_REPORT] = "\n".join([*failure, summarize(summary), *first, _advice(summary)])
    is_pushed = getattr(context.get("task"), "do_xcom_push", True)
    if problem and is_pushed and (task_instance := context.get("ti")):
        task_instance.xcom_push("return_value", dict(summary))


def summarize(summary: RunSummary) -> str:
    """
    Return the outcome of a run in one sentence.

    :param summary: The summary of the run.
    """
    accepted, rejected = _split(summary["outcomes"])
    total = f"{sum(accepted.values()):,} of {counted(summary['rows'], 'row')} accepted{_counts(accepted)}"
    if rejected:
        total += f", {sum(rejected.values()):,} rejected{_counts(rejected)}"
    return f"{summary['action']}: {total}"


def describe(row: RejectedRow) -> str:
    """
    Return a rejected row in one line: where it is, what it is about, and why it was rejected.

    :param row: The row.
    """
    place = f"row {row['row']}" + (f" (line {row['line']})" if row["line"] else "")
    subject = f"{place}, {row['key']}" if row["key"] else place
    return ": ".join(filter(None, (subject, row["error_code"], row["message"])))


def _summary_in(values: Mapping[str, Any]) -> RunSummary:
    return RunSummary(
        action=values["action"],
        rows=values["rows"],
        outcomes=values["outcomes"],
        results_path=values["results_path"],
        rejected_path=values["rejected_path"],
        retryable=values["retryable"],
        first_rejected=values["first_rejected"],
        run=values["run"],
    )


def _problem_in(summary: RunSummary, config: RowsConfig) -> str:
    """Return why the task fails; empty if it does not."""
    rows = summary["rows"]
    accepted, rejected = _split(summary["outcomes"])
    invalid = rejected.pop(INVALID, 0)
    failures = sum(rejected.values())
    problems = []
    if failures > (allowed := config.allowed_failures(rows)):
        what = "refused, failed or unknown"
        problems.append(_too_many(failures, rows, what, allowed, "max_failures, max_failure_ratio"))
    if invalid > (allowed := config.allowed_invalid(rows)):
        problems.append(_too_many(invalid, rows, "invalid", allowed, "max_invalid, max_invalid_ratio"))
    if rows and not accepted and not problems:
        problems.append(f"none of {counted(rows, 'row')} was accepted")
    return ", and ".join(problems)


def _too_many(count: int, rows: int, what: str, allowed: int, arguments: str) -> str:
    return f"{_share(count, rows, what)}, but only {allowed:,} may be ({arguments})"


def _share(count: int, rows: int, what: str) -> str:
    """Return how many rows are something, with the verb."""
    return f"{count:,} of {counted(rows, 'row')} {'is' if count == 1 else 'are'} {what}"


def _split(outcomes: Mapping[str, int]) -> tuple[dict[str, int], dict[str, int]]:
    """Return the counts of the rows that were accepted, and of those that were rejected."""
    accepted = {name: count for name, count in outcomes.items() if name not in NOT_DONE}
    return accepted, {name: count for name, count in outcomes.items() if name in NOT_DONE}


def _counts(outcomes: Mapping[str, int]) -> str:
    counts = ", ".join(f"{count:,} {name}" for name, count in outcomes.items())
    return f" ({counts})" if counts else ""


def _advice(summary: RunSummary) -> str:
    """Return where all results are, and what to do about rejected rows."""
    if summary["results_path"] is None:
        return f"All errors: {summary['rejected_path']}." if summary["rejected_path"] else "The log has the error."
    advice = f"Results: {summary['results_path']}."
    if summary["rejected_path"]:
        advice += f" Rejected rows, each with its reason: {summary['rejected_path']}."
    if summary["retryable"]:
        advice += f" Rows that can be retried as they are, with retry_failed_only=True: {summary['retryable']:,}."
    return advice
