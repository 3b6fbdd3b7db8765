"""What is done with rows that a bulk job can do: many rows per job, instead of requests for one row or a few."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from airflow_provider_360learning.api.bulk_jobs import (
    BulkJobs,
    JobKind,
    JobRowResult,
    JobStatus,
    JobTarget,
    LostJob,
    match_results,
    result_of_row,
)
from airflow_provider_360learning.api.client import Client
from airflow_provider_360learning.api.spec import MAX_QUOTE
from airflow_provider_360learning.api.text import one_line
from airflow_provider_360learning.api.types import JsonObject
from airflow_provider_360learning.exceptions import Learning360Error
from airflow_provider_360learning.rows.job_files import StoredRow, inputs_of
from airflow_provider_360learning.rows.results import REFUSED, Result
from airflow_provider_360learning.rows.schema import CheckedRow, RowSchema
from airflow_provider_360learning.rows.writers import ENDS_ATTEMPT, RowWriter, rejected, unknown


class JobWriter:
    """
    Submits rows as bulk jobs, and reads what became of each row.

    Each method sends requests, and is called in a thread.

    :param client: Makes the calls.
    :param jobs: The bulk jobs.
    :param kind: Kind of the jobs.
    :param target: What all rows are done to.
    :param name: Name of the action.
    :param target_name: The same as :attr:`Writer.target`.
    :param schema: The columns of a row.
    :param single: Does the rows that no job can do; ``None`` if there are none.
    :param resend_unconfirmed: Whether rows that may have been done are sent again.
    """

    def __init__(
        self,
        client: Client,
        jobs: BulkJobs,
        kind: JobKind,
        target: JobTarget,
        *,
        name: str,
        target_name: str,
        schema: RowSchema,
        single: RowWriter | None,
        resend_unconfirmed: bool,
    ) -> None:
        self.name = name
        self.target = target_name
        self.append_only = not kind.may_resend
        self.operation = kind.operation
        self.rows_per_request = kind.max_rows
        self.schema = schema
        self.kind = kind
        self.single = single
        #: Whether :attr:`single` does all rows where jobs are not available.
        self.has_alternative = single is not None and kind.has_single_requests
        #: Whether rows are sent again whose job may have been submitted and cannot be found.
        self.may_resubmit = kind.may_resend or resend_unconfirmed
        self._client = client
        self._jobs = jobs
        self._target = target

    def accepts(self, row: CheckedRow) -> bool:
        """
        Return whether a job can do a row.

        :param row: A valid row.
        """
        return self.single is None or self.kind.accepts(row.valid_arguments())

    def prepare(self, rows: Sequence[CheckedRow]) -> list[StoredRow]:
        """
        Return what is sent for each row, or its result if it cannot be sent, such as an unknown user.

        :param rows: The rows.
        """
        arguments = [row.valid_arguments() for row in rows]
        found = self._client.run(self._jobs.inputs(self.kind, arguments, self._target))
        return [_prepared(row, each) for row, each in zip(rows, found, strict=True)]

    def submit(self, rows: Sequence[StoredRow], owner: str) -> str:
        """
        Submit a job and return its id.

        :param rows: The rows.
        :param owner: Who has the place among the jobs of the company.
        :raises OutcomeUnknownError: if it may have been submitted.
        """
        return self._client.run(self._jobs.submit(self.kind, inputs_of(rows), self._target, owner=owner))

    def find_lost(self, rows: Sequence[StoredRow], since: datetime, known: Collection[str], owner: str) -> LostJob:
        """
        Look for a job that may have been submitted, and renew its place while it may run.

        :param rows: Its rows.
        :param since: When it was submitted at the earliest.
        :param known: Ids of other jobs.
        :param owner: Who has the place.
        """
        found = self._client.run(self._jobs.find_lost(self.kind, inputs_of(rows), since, known=known))
        for job_id in found.undecided:
            self.status(job_id, owner)
        return found

    def status(self, job_id: str, owner: str) -> JobStatus:
        """
        Return the state of a job, and renew its place.

        :param job_id: Its id.
        :param owner: Who has the place.
        """
        return self._client.run(self._jobs.status(job_id, owner=owner))

    def give_back_place(self, owner: str) -> None:
        """
        Give back the place of a job that has ended, or that was not submitted.

        :param owner: Who has the place.
        """
        self._client.run(self._jobs.ended(owner))

    def results(
        self, rows: Sequence[CheckedRow], stored: Sequence[StoredRow], status: JobStatus | None, job_id: str
    ) -> list[Result]:
        """
        Return the results of the rows of a job that has ended.

        :param rows: The rows that were sent.
        :param stored: What was sent for each.
        :param status: How the job ended.
        :param job_id: Its id.
        """
        found = self._client.run(self._jobs.results(job_id))
        matched = iter(match_results(self.kind, inputs_of(stored), found))
        results = []
        for row, each in zip(rows, stored, strict=True):
            result = result_of_row([next(matched) for _ in each.inputs])
            results.append(self._result(row, result, status, job_id))
        return results

    def _result(self, row: CheckedRow, result: JobRowResult | None, status: JobStatus | None, job_id: str) -> Result:
        number, key = row.row.number, row.key
        if result is None:
            reason = f"The results of bulk job {job_id} do not mention this row."
            if status and status.error:
                reason += f" It ended with the error: {one_line(status.error, MAX_QUOTE)}."
            return self.unknown(row, reason)
        if result.error is None:
            return Result(number, key, self.kind.outcome)
        outcome = self._client.run(self._jobs.outcome_of_refused(self.kind, row.valid_arguments()))
        if outcome is not None:
            return Result(number, key, outcome)
        reason = one_line(result.error, MAX_QUOTE)
        return Result(number, key, REFUSED, error_code=reason, message=f"360Learning refuses it: {reason}")

    def unknown(self, row: CheckedRow, reason: str) -> Result:
        """
        Return the result of a row that may have been done.

        :param row: The row.
        :param reason: Why that is unknown.
        """
        return unknown(row, reason, retryable=self.kind.may_resend)


def _prepared(row: CheckedRow, found: Sequence[JsonObject] | Learning360Error) -> StoredRow:
    if not isinstance(found, Learning360Error):
        return StoredRow(row.row.number, found)
    if isinstance(found, ENDS_ATTEMPT):
        raise found
    return StoredRow(row.row.number, result=rejected(row, found))
