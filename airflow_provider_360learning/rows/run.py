"""
One action, many rows: check them all, send what changes something at the pace of the limit, account for each.

A run survives the attempts that make it: each goes on where the last one made its checkpoint, and rows that the last
one may have sent are in doubt until they are settled.
"""

from __future__ import annotations

import json
import logging
import secrets
import tempfile
import time
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from airflow_provider_360learning.api.client import Client
from airflow_provider_360learning.exceptions import InvalidRequestError, Learning360Error, RefusedError
from airflow_provider_360learning.files.storage import atomic_writer
from airflow_provider_360learning.rows.changes import Changes
from airflow_provider_360learning.rows.checkpoints import Checkpoints, Progress
from airflow_provider_360learning.rows.ordered_executor import Batch, Latency, OrderedExecutor
from airflow_provider_360learning.rows.preflight import RowChecker
from airflow_provider_360learning.rows.progress_log import ProgressLog, duration
from airflow_provider_360learning.rows.results import (
    INVALID,
    NOT_DONE,
    UNCHANGED,
    UNKNOWN,
    Parts,
    Result,
    read_manifest,
    read_results,
)
from airflow_provider_360learning.rows.schema import CheckedRow, RowError, digest_of
from airflow_provider_360learning.rows.sources import Source
from airflow_provider_360learning.rows.writers import RowWriter, unknown

log = logging.getLogger(__name__)

#: Rows together at most, where few of them are to be sent.
MAX_ROWS_A_BATCH = 20
#: Batches whose results are held in memory, at most.
MAX_BATCHES_OPEN = 100
#: Requests that fail for now, one after the other, before the attempt ends: 360Learning is down.
MAX_FAILURES_IN_A_ROW = 5
#: Faults that are told in the log; the report has all.
MAX_FAULTS_TOLD = 20
#: Seconds that requests under way get to end, when the attempt must.
LAST_WAIT = 2.0
#: Outcome of a row that would be sent, were this not a dry run.
WOULD_SEND = "would_send"


class RowsNotDoneError(RefusedError):
    """
    More rows were not done than is allowed; the results say which, and why.

    :param summary: What the run returns otherwise.
    """

    def __init__(self, message: str, summary: Mapping[str, Any]) -> None:
        super().__init__(message)
        self.summary = dict(summary)


class UnaccountedRowError(Learning360Error):
    """The results of a run lack a row."""


class OutageError(Learning360Error):
    """Request after request failed for now: this attempt ends, and the next one goes on with the same rows."""

    transient = True


@dataclass(frozen=True, slots=True)
class Options:
    """
    How a run is done.

    :param skip_invalid: Leave rows out that do not pass the checks, instead of sending nothing.
    :param allow_empty: Take a source without rows for done.
    :param max_failures: Most rows that may not be done for the task to be green: a number, or a share below 1.
    :param retry_failed_only: Do only those rows of the last run again that can be retried.
    :param resend_unconfirmed: Of those, also the rows whose outcome is unknown.
    :param ignore_checkpoint: Forget an earlier attempt that did not come to its end.
    :param dry_run: Send nothing, and say what would be done.
    """

    skip_invalid: bool = False
    allow_empty: bool = False
    max_failures: float = 0
    retry_failed_only: bool = False
    resend_unconfirmed: bool = False
    ignore_checkpoint: bool = False
    dry_run: bool = False


class Run:
    """
    A run, as one attempt sees it.

    :param source: The rows.
    :param work: What is done with them.
    :param client: Makes the calls.
    :param checkpoints: How far earlier attempts came.
    :param results: Folder of the results, an ``ObjectStoragePath``.
    :param rejected: Folder of the rows that were not done, an ``ObjectStoragePath``.
    :param options: How it is done.
    :param changes: Which rows change something; by default all.
    :param last_results: Folder of the results of the run before, for ``retry_failed_only``.
    :param latency: How long requests take.
    :param secret_columns: RowSchema of the source that hold secrets.
    """

    def __init__(
        self,
        source: Source,
        work: RowWriter,
        client: Client,
        checkpoints: Checkpoints,
        results: Any,
        rejected: Any,
        options: Options,
        *,
        changes: Changes | None,
        last_results: Any,
        latency: Latency,
        secret_columns: Iterable[str] = (),
    ) -> None:
        self._source = source
        self._work = work
        self._client = client
        self._checkpoints = checkpoints
        self._results = results
        self._rejected = rejected
        self._options = options
        self._changes = changes
        self._last_results = last_results
        self._latency = latency
        self._secret_columns = list(secret_columns)
        self._check = RowChecker(source, work.columns)
        self._pace = client.rate_limiter.pace(client.spec.endpoints[work.operation])
        self._counts: Counter[str] = Counter()
        #: Begun in the order of the rows, and not kept in a part yet.
        self._open: deque[Batch] = deque()
        #: Those that failed for now since the last one that did not: they are tried again if the attempt ends.
        self._failures_in_a_row: list[Batch] = []

    def execute(self) -> dict[str, Any]:
        """
        Do all of it, and return counts and where the results are.

        :raises InvalidRequestError: if rows did not pass the checks; nothing was sent.
        :raises RowsNotDoneError: if more rows were not done than is allowed.
        :raises LeaseLostError: if another attempt is at work.
        """
        try:
            self._check_all()
            progress = self._start_or_resume()
            self._parts = self._parts_of(progress)
            if progress.finished:
                return self._replay_summary(progress)
            progress = self._send_all(progress)
            return self._finish(progress)
        finally:
            self._check.close()
            if self._changes:
                self._changes.close()

    # Before the first write

    def _check_all(self) -> None:
        rows_with_faults = 0
        with tempfile.TemporaryFile("w+") as report:
            for row in self._check.all_rows():
                for fault in row.errors:
                    report.write(json.dumps(asdict(fault), ensure_ascii=False) + "\n")
                rows_with_faults += bool(row.errors)
                if self._changes and not row.errors:
                    self._changes.look_ahead(row)
            faults_file = self._rejected / "errors.jsonl"
            if rows_with_faults:
                report.seek(0)
                with atomic_writer(faults_file) as file:
                    file.writelines(line.encode() for line in report)
                report.seek(0)
                first = [RowError(**json.loads(line)) for line in islice(report, MAX_FAULTS_TOLD)]
                self._report_errors(rows_with_faults, first, faults_file)
            else:
                faults_file.unlink(missing_ok=True)
        if not self._check.total and not self._options.allow_empty:
            raise InvalidRequestError(
                f"{self._source.name} has no rows; nothing was sent. Was it written to its end? If it may be empty, "
                "use allow_empty=True."
            )
        if self._changes:
            self._changes.read_listing()

    def _report_errors(self, rows: int, faults: list[RowError], report: Any) -> None:
        for fault in faults:
            log.warning("%s", fault)
        said = f"{rows} of {self._check.total} rows of {self._source.name} are wrong: {report} names every fault"
        if self._options.skip_invalid:
            log.warning("%s. They are left out.", said)
        else:
            raise InvalidRequestError(
                f"{said}. The first: {faults[0]}. Nothing was sent. Correct them, or use on_invalid='skip'.",
                argument=faults[0].field,
            )

    def _start_or_resume(self) -> Progress:
        parts = (self._client.company, self._work.name, self._work.target, self._check.fingerprint)
        self._input = digest = digest_of(*parts)
        found = None if self._options.dry_run else self._checkpoints.take_over()
        if self._options.retry_failed_only:
            self._check_last_run()
            digest += " (only retryable)"
        if found is not None and self._options.ignore_checkpoint:
            self._parts_of(found).clean_up(found.parts)
            found = None
        if found is not None:
            if found.input != digest:
                raise InvalidRequestError(
                    f"{self._source.name} (or what is to be done with it) changed since an earlier attempt, which had "
                    f"done {found.done} rows of it. Nothing was sent. Give the old input back to let that one come to "
                    "its end, or begin anew with ignore_checkpoint=True."
                )
            if found.finished:
                return found
            progress = self._with_last_part(found)
            log.info("An earlier attempt came to row %s; going on from there", progress.done)
            self._counts.update(progress.counts)
        else:
            progress = Progress(run=secrets.token_hex(4), input=digest)
        self._say_what_to_expect(self._check.total - progress.done)
        return progress if self._options.dry_run else self._checkpoints.begin(progress)

    def _with_last_part(self, progress: Progress) -> Progress:
        """Count a part in that was written by an attempt that ended before it could say so."""
        last = self._parts_of(progress).read_one(progress.parts + 1)
        if not last or last[0].row != progress.done + 1:
            return progress
        return progress.with_part(last)

    def _parts_of(self, progress: Progress) -> Parts:
        return Parts(self._results, self._rejected, progress.run, self._source, self._secret_columns)

    def _check_last_run(self) -> None:
        last = read_manifest(self._last_results)
        if last is None or last.get("input") != self._input:
            raise InvalidRequestError(
                f"retry_failed_only=True does rows of the last run again, but {self._last_results} has no results of "
                "these rows. Nothing was sent."
            )

    def _say_what_to_expect(self, rows: int) -> None:
        requests = -(-rows // self._work.rows_per_request)
        share = self._client.rate_limiter.share
        log.info(
            "%s: %s rows, up to %s requests at %.2f a second (%s): about %s if all of them are sent and nobody else "
            "uses the limit%s",
            self._work.name,
            f"{rows:,}",
            f"{requests:,}",
            self._pace,
            self._work.operation,
            duration(requests / self._pace),
            ""
            if share == 1
            else f". That is {100 * share:.0f} % of the limit ([learning360] rate_limiter = pool_slots): pool_slots of this task "
            "decides how much of it it gets",
        )

    # Sending

    def _send_all(self, progress: Progress) -> Progress:
        told = ProgressLog(self._check.total, progress.done, self._client.usage)
        batches = self._batches(progress)
        with OrderedExecutor(self._work.apply, self._pace, self._latency) as in_order:
            try:
                following = next(batches, None)
                while following or self._open:
                    while following and in_order.has_capacity and self._may_begin(following, progress):
                        self._begin(following, in_order)
                        following = next(batches, None)
                    if not in_order.is_idle:
                        self._take(in_order.wait(timeout=0.5))
                    if self._is_time_to_keep(following, in_order, progress):
                        progress = self._keep(progress, following, in_order)
                    told.tell(self._counts)
            except BaseException:
                self._give_up(progress, in_order)
                raise
        return progress

    def _batches(self, progress: Progress) -> Iterator[Batch]:
        """Read the rows that are left, with what need not be sent between those that are."""
        batch = Batch()
        earlier = self._earlier_results(progress)
        most = max(MAX_ROWS_A_BATCH, 2 * self._work.rows_per_request)
        # What failed in the last run may have been done all the same; of facts, only those failed that were not sent.
        again = self._options.retry_failed_only and not self._work.append_only
        for row in self._check.second_pass():
            number, known = row.row.number, next(earlier, None)
            if number <= progress.done:
                self._remember(row, known)
                continue
            unconfirmed = number <= progress.sent_up_to or again
            if batch.rows and (batch.unconfirmed != unconfirmed or len(batch.rows) == most):
                yield batch
                batch = Batch()
            batch.unconfirmed = unconfirmed
            batch.add(row, known or self._without_sending(row))
            if len(batch.to_send) == self._work.rows_per_request:
                yield batch
                batch = Batch()
        if batch.rows:
            yield batch

    def _earlier_results(self, progress: Progress) -> Iterator[Result | None]:
        """Tell, row by row, what is known already: kept by this run, or, with retry_failed_only, by the one before."""
        if self._options.retry_failed_only:
            for result in read_results(self._last_results):
                again = result.retryable or (self._options.resend_unconfirmed and result.outcome == UNKNOWN)
                yield None if again else result
        elif progress.done and self._changes:
            yield from self._parts.read(progress.parts)

    def _without_sending(self, row: CheckedRow) -> Result | None:
        number = row.row.number
        if row.errors:
            said = "; ".join(fault.problem for fault in row.errors)
            return Result(number, row.key, INVALID, error_code="invalid", message=said)
        if self._changes and not self._changes.are_in(row):
            return Result(number, row.key, UNCHANGED)
        if self._changes and self._changes.may_be_done(row) and not self._options.resend_unconfirmed:
            return unknown(row, "An earlier run may have done it.")
        return Result(number, row.key, WOULD_SEND) if self._options.dry_run else None

    def _may_begin(self, batch: Batch, progress: Progress) -> bool:
        """Whether the last checkpoint says that these rows may have been sent; and memory is bounded, too."""
        if not batch.to_send:
            return len(self._open) < MAX_BATCHES_OPEN
        return batch.rows[-1].row.number <= progress.sent_up_to

    def _begin(self, batch: Batch, in_order: OrderedExecutor) -> None:
        self._open.append(batch)
        if batch.to_send:
            in_order.begin(batch)
        else:
            batch.end([])
            self._count(batch)

    def _take(self, batch: Batch | None) -> None:
        if batch is None:
            return
        if batch.error is not None:
            raise batch.error
        self._count(batch)
        if batch.is_transient_failure:
            self._failures_in_a_row.append(batch)
        else:
            self._failures_in_a_row.clear()
        if len(self._failures_in_a_row) >= MAX_FAILURES_IN_A_ROW:
            raise self._outage()

    def _count(self, batch: Batch) -> None:
        for result in batch.results or ():
            self._counts[result.outcome] += 1

    # Keeping

    def _is_time_to_keep(self, following: Batch | None, in_order: OrderedExecutor, progress: Progress) -> bool:
        if following is None and in_order.is_idle:
            return True
        if following is None or not in_order.has_capacity or self._may_begin(following, progress):
            return not self._options.dry_run and self._checkpoints.is_due
        # The next row is beyond what the last checkpoint allows. Not a checkpoint for each row, though.
        if in_order.is_idle and self._failures_in_a_row:
            raise self._outage()
        certain = sum(len(batch.rows) for batch in self._certain())
        return in_order.is_idle or 3 * certain >= self._work.rows_ahead

    def _certain(self, everything: bool = False) -> Iterator[Batch]:
        """List the batches, in order, whose results will not change any more."""
        for batch in self._open:
            if batch.results is None or (batch in self._failures_in_a_row and not everything):
                return
            yield batch

    def _keep(self, progress: Progress, following: Batch | None, in_order: OrderedExecutor) -> Progress:
        """WriteSpec what is certain as a part, then say so; and which rows may be sent until the next time."""
        if not self._options.dry_run and not self._checkpoints.is_valid:
            progress = self._checkpoints.make(progress)  # another attempt may be writing parts of the same names
        progress = self._write_part(progress, everything=following is None and in_order.is_idle)
        if self._options.dry_run:
            return progress
        allowed = progress.done + self._work.rows_ahead
        if following is not None and in_order.is_idle:
            allowed = max(allowed, following.rows[-1].row.number)
        return self._checkpoints.make(replace(progress, sent_up_to=max(progress.sent_up_to, allowed)))

    def _write_part(self, progress: Progress, everything: bool) -> Progress:
        ended = list(self._certain(everything))
        if not ended:
            return progress
        rows = [pair for batch in ended for pair in zip(batch.rows, batch.results or (), strict=True)]
        self._parts.write(progress.parts + 1, rows)
        for row, result in rows:
            self._remember(row, result)
        for _ in ended:
            self._open.popleft()
        return progress.with_part([result for _, result in rows])

    def _remember(self, row: CheckedRow, result: Result | None) -> None:
        if self._changes and result and result.is_done:
            self._changes.accept(row)
        elif self._changes and result and result.outcome == UNKNOWN:
            self._changes.doubt(row)

    def _give_up(self, progress: Progress, in_order: OrderedExecutor) -> None:
        """Keep what is certain, so that the next attempt has little in doubt and need not wait."""
        self._checkpoints.stop()
        if self._options.dry_run or not self._checkpoints.is_valid:
            return
        try:
            deadline = time.monotonic() + LAST_WAIT
            while not in_order.is_idle and time.monotonic() < deadline:
                batch = in_order.wait(timeout=0.1)
                if batch and batch.is_transient_failure:
                    self._failures_in_a_row.append(batch)
            progress = self._write_part(progress, everything=False)
            # What is still under way may be done any moment: the next attempt had better wait and see.
            self._checkpoints.end(progress, may_follow_at_once=in_order.is_idle)
        except Exception as error:  # what ended this attempt is what must be told
            log.warning("No last checkpoint could be made (%s): the next attempt waits for this one's lease", error)

    def _outage(self) -> OutageError:
        last = self._failures_in_a_row[-1].results
        return OutageError(
            f"{len(self._failures_in_a_row)} requests failed one after the other, the last one so: "
            f"{last[0].message if last else ''} A later attempt goes on from here."
        )

    # The end

    def _finish(self, progress: Progress) -> dict[str, Any]:
        self._check_parts(progress)
        summary: dict[str, Any] = {"rows": self._check.total, "outcomes": dict(sorted(self._counts.items()))}
        files = self._parts.merge(
            progress.parts,
            {
                "action": self._work.name,
                "run": progress.run,
                "input": self._input,
                "finished_at": datetime.now(UTC).isoformat(timespec="seconds"),
                **summary,
            },
        )
        if not self._options.dry_run:
            if self._changes:
                self._changes.keep()
            self._checkpoints.finish(progress)
        self._parts.clean_up(progress.parts)
        summary |= files
        log.info("%s rows: %s. Results: %s", f"{self._check.total:,}", summary["outcomes"], files["results_path"])
        self._check_failure_threshold(summary)
        return summary

    def _check_parts(self, progress: Progress) -> None:
        """Make sure that each row has its line: no attempt that slept through its lease has written over a part."""
        following = 1
        for result in self._parts.read(progress.parts):
            if result.row != following:
                break
            following += 1
        if following != self._check.total + 1:
            raise UnaccountedRowError(
                f"The results do not hold row {following}: another attempt must have written over a part of them. What "
                "was sent was sent; clear the task with ignore_checkpoint=True to go through all rows again."
            )

    def _replay_summary(self, progress: Progress) -> dict[str, Any]:
        """Say what an attempt had done that was ended before Airflow knew."""
        log.info("An earlier attempt has done all of it; nothing is sent again. Clear the task to have it done again.")
        self._parts.clean_up(progress.parts)
        manifest = read_manifest(self._results) or {}
        self._counts.update(progress.counts)
        summary = {name: manifest.get(name) for name in ("rows", "outcomes", "results_path", "rejected_path")}
        self._check_failure_threshold(summary)
        return summary

    def _check_failure_threshold(self, summary: Mapping[str, Any]) -> None:
        """Decide whether the task is green. Rows that were left out on purpose do not count."""
        failed = sum(self._counts[outcome] for outcome in NOT_DONE - {INVALID})
        most = self._options.max_failures
        allowed = most * self._check.total if 0 < most < 1 else most
        if failed > allowed:
            raise RowsNotDoneError(
                f"{failed} of {self._check.total} rows were not done (max_failures={most:g}): {summary['results_path']} says "
                f"why each, {summary['rejected_path']} has them as they came. retry_failed_only=True does again what can be "
                "done as it is.",
                summary,
            )
