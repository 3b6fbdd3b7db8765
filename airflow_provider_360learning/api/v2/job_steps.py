"""
The steps of bulk jobs of API v2: submitted, polled until they end, and read.

A submission is never sent twice blindly. If its response is lost, the job is looked for among those of its kind, and
recognized by the inputs in its results.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import cast, get_args

from airflow_provider_360learning.api.bulk_jobs import (
    JobKind,
    JobRowResult,
    JobState,
    JobStatus,
    JobTarget,
    LostJob,
    canonical,
    has_inputs,
    match_results,
    seconds_before_poll,
)
from airflow_provider_360learning.api.fields import first_string, number, string
from airflow_provider_360learning.api.json_stream import unusable
from airflow_provider_360learning.api.pages import all_items
from airflow_provider_360learning.api.spec import MAX_QUOTE
from airflow_provider_360learning.api.text import listed, one_line
from airflow_provider_360learning.api.timestamps import read_timestamp
from airflow_provider_360learning.api.types import (
    Acquire,
    ActionSteps,
    Call,
    Hold,
    JsonObject,
    Release,
    Renew,
    ResponseObject,
    Sleep,
    new_owner,
)
from airflow_provider_360learning.api.v2.spec import BULK_JOBS
from airflow_provider_360learning.api.v2.timestamps import at_or_after
from airflow_provider_360learning.exceptions import (
    Learning360Error,
    OutcomeUnknownError,
    RefusedError,
    ServerError,
)
from airflow_provider_360learning.log_text import get_logger

log = get_logger(__name__)

#: Maximum difference between the server's clock and that of this host, within which a lost job is found.
MAX_CLOCK_DIFFERENCE = timedelta(minutes=1)
#: Seconds that a place is kept without being renewed: longer than the longest pause between two polls.
PLACE_SECONDS = 120.0
#: Seconds that an action waits for a job. How long jobs take at most is not documented.
MAX_JOB_SECONDS = 4 * 3600.0
#: Maximum number of reasons that an error lists.
MAX_REASONS = 5

_STATES = get_args(JobState)
_NOT_ENDED = ("pending", "queued", "running")


def submit_job(kind: JobKind, inputs: Sequence[JsonObject], target: JobTarget, *, owner: str) -> ActionSteps[str]:
    """
    Submit a job, once there is a place among the company's jobs, and return its id.

    .. seealso:: :meth:`~..bulk_jobs.BulkJobs.submit` for the arguments and errors.
    """
    path = {} if target.integration_id is None else {"integrationId": target.integration_id}
    job_id = yield from _submit(Call(kind.operation, path=path, body={"input": list(inputs)}), owner)
    log.info("Submitted %s as bulk job: job=%s rows=%d", kind.action, job_id, len(inputs))
    return job_id


def submit_call(call: Call, *, owner: str) -> ActionSteps[str]:
    """
    Submit any job by its call, once there is a place among the company's jobs, and return its id.

    .. seealso:: :meth:`~..bulk_jobs.BulkJobs.submit` for the errors.
    """
    job_id = yield from _submit(call, owner)
    log.info("Submitted a bulk job: operation=%s job=%s", call.operation, job_id)
    return job_id


def wait_for_results(job_id: str, operation: str, *, owner: str) -> ActionSteps[list[ResponseObject]]:
    """
    Wait until a job has ended, and return its results as the server returns them.

    .. seealso:: :meth:`~..bulk_jobs.BulkJobs.wait_for_results` for the arguments and errors.
    """
    try:
        yield from _wait_for(job_id, owner, MAX_JOB_SECONDS)
        results = yield Call("getBulkOperationResults", path={"bulkOperationId": job_id})
    except Learning360Error as error:
        raise _unknown(operation, job_id, str(error.args[0])) from error
    yield from give_back_place(owner)
    return list(results)


def _submit(call: Call, owner: str) -> ActionSteps[str]:
    hold = yield Acquire(BULK_JOBS.name, BULK_JOBS.places, owner, PLACE_SECONDS, keep=True, count=running_jobs)
    try:
        return str((yield call))
    except OutcomeUnknownError:
        raise  # the job may run, and have the place
    except Learning360Error:
        yield Release(hold)
        raise


def find_lost_job(
    kind: JobKind, inputs: Sequence[JsonObject], since: datetime, *, known: Collection[str] = ()
) -> ActionSteps[LostJob]:
    """
    Look for a job whose submission got no response, among the jobs of its kind.

    Assumption: the clocks of the server and of this host differ by a minute at most, and a job that exists is in the
    list.

    .. seealso:: :meth:`~..bulk_jobs.BulkJobs.find_lost` for the arguments and errors.
    """
    # The type of a job is the name of its operation (documented).
    query = {"type[eq]": kind.operation, "createdAt[gte]": at_or_after(since - MAX_CLOCK_DIFFERENCE)}
    items = yield from all_items(Call("getBulkOperations", query=query))
    undecided, unclear = [], []
    for job in map(_status, items):
        if job.job_id in known:
            continue
        if not job.ended:
            undecided.append(job.job_id)
            continue
        results = yield from results_of(job.job_id)
        if has_inputs(inputs, results):
            return LostJob(job.job_id)
        if sum(each is not None for each in match_results(kind, inputs, results)) == len(results):
            unclear.append(job.job_id)
    if unclear and not undecided:
        raise OutcomeUnknownError(
            f"The response to the submission of a bulk job was lost, and {' or '.join(unclear)} may be that job, "
            f"but its results do not mention all {len(inputs)} rows: look at what it has done",
            operation=kind.operation,
        )
    return LostJob(undecided=tuple(undecided))


def status_of(job_id: str, owner: str | None) -> ActionSteps[JobStatus]:
    """
    Return the state of a job, and renew its place if it has not ended.

    :param job_id: Its id.
    :param owner: Who keeps its place; ``None`` if the caller keeps none.
    """
    status = _status((yield Call("getBulkOperation", path={"bulkOperationId": job_id})))
    if owner is not None and not status.ended:
        yield Renew(_hold(owner))
    return status


def results_of(job_id: str) -> ActionSteps[list[JobRowResult]]:
    """
    Return the results of a job that has ended, in the order of the server.

    :param job_id: Its id.
    """
    items = yield Call("getBulkOperationResults", path={"bulkOperationId": job_id})
    return [_row_result(item) for item in items]


def refusal_of(item: ResponseObject) -> str | None:
    """
    Return why a row was refused, ``None`` if it was not.

    :param item: The result of a row, as the server returns it.
    """
    if string(item, "status") == "success":
        return None
    return one_line(string(item, "errorMessage") or "refused without a reason", MAX_QUOTE)


def give_back_place(owner: str) -> ActionSteps[None]:
    """
    Give back the place of a job that has ended.

    :param owner: Who keeps it.
    """
    yield Release(_hold(owner))


def running_jobs() -> ActionSteps[int]:
    """Return how many jobs of the company have not ended."""
    found = set()
    for state in _NOT_ENDED:  # in the order of a job's life, so that none is missed
        for item in (yield from all_items(Call("getBulkOperations", query={"status[eq]": state}))):
            found.add(string(item, "_id"))
    return len(found)


def run_jobs(
    kind: JobKind, inputs: Sequence[JsonObject], target: JobTarget, *, max_seconds: float = MAX_JOB_SECONDS
) -> ActionSteps[list[JobRowResult | None]]:
    """
    Submit one job after the other until all inputs are done, wait for each, and return their results.

    :param kind: Kind of the jobs.
    :param inputs: Any number.
    :param target: What they are done to.
    :param max_seconds: Seconds to wait for a job.
    :return: In the order of the inputs; none is missing.
    :raises OutcomeUnknownError: if it is not known what was done, and a second job would not leave the same state.
    :raises ServerError: if it is not known what was done, and a second job would leave the same state.
    """
    results: list[JobRowResult | None] = []
    for start in range(0, len(inputs), kind.max_rows):
        results += yield from _run_job(kind, inputs[start : start + kind.max_rows], target, max_seconds)
    return results


def refusals(results: Sequence[JobRowResult | None]) -> list[str | None]:
    """
    Return why each input was refused, ``None`` where it was not.

    :param results: The results of :func:`run_jobs`.
    """
    return [None if result is None else result.error for result in results]


def raise_refused(kind: JobKind, results: Sequence[JobRowResult | None]) -> None:
    """
    Raise an error if a job has refused an input.

    :param kind: Kind of the job.
    :param results: The results of :func:`run_jobs`.
    :raises RefusedError: with the first reasons. Row errors have no codes that say more.
    """
    refused = [result for result in results if result is not None and result.error is not None]
    if refused:
        reasons = listed([f"{each.error} ({canonical(each.input)})" for each in refused[:MAX_REASONS]], MAX_QUOTE)
        raise RefusedError(f"360Learning refuses {len(refused)} of {len(results)}: {reasons}", operation=kind.operation)


def _run_job(
    kind: JobKind, inputs: Sequence[JsonObject], target: JobTarget, max_seconds: float
) -> ActionSteps[list[JobRowResult | None]]:
    owner = new_owner()
    job_id = yield from _submit_and_find(kind, inputs, target, owner, max_seconds)
    try:
        status = yield from _wait_for(job_id, owner, max_seconds)
        results = yield from results_of(job_id)
    except Learning360Error as error:
        if kind.may_resend:
            raise
        raise _unknown(kind.operation, job_id, str(error.args[0])) from error
    yield from give_back_place(owner)
    matched = match_results(kind, inputs, results)
    if missing := matched.count(None):
        reason = f"{missing} of {len(inputs)} rows have no result" + (f" ({status.error})" if status.error else "")
        if kind.may_resend:
            raise ServerError(f"Bulk job {job_id} ended as {status.state}, and {reason}", operation=kind.operation)
        raise _unknown(kind.operation, job_id, reason)
    return matched


def _submit_and_find(
    kind: JobKind, inputs: Sequence[JsonObject], target: JobTarget, owner: str, max_seconds: float
) -> ActionSteps[str]:
    """Submit a job, and find it if the response is lost."""
    since = datetime.now(UTC)
    try:
        return (yield from submit_job(kind, inputs, target, owner=owner))
    except OutcomeUnknownError as error:
        unknown = error
    try:
        found = yield from _find(kind, inputs, since, owner, max_seconds)
    except Learning360Error as error:
        if kind.may_resend or isinstance(error, OutcomeUnknownError):
            raise
        raise unknown from error
    if found.job_id is not None:
        log.info("Found the bulk job whose submission got no response: job=%s", found.job_id)
        return found.job_id
    if found.undecided or not kind.may_resend:
        raise unknown
    # A job that is created all the same, later, leaves the same state.
    return (yield from submit_job(kind, inputs, target, owner=owner))


def _find(
    kind: JobKind, inputs: Sequence[JsonObject], since: datetime, owner: str, max_seconds: float
) -> ActionSteps[LostJob]:
    """Look for a lost job, and wait for the jobs that may be it."""
    found, waited = (yield from find_lost_job(kind, inputs, since)), 0.0
    while found.job_id is None and found.undecided and waited < max_seconds:
        waited += yield from _pause(waited)
        for job_id in found.undecided:
            yield from status_of(job_id, owner)
        found = yield from find_lost_job(kind, inputs, since)
    return found


def _wait_for(job_id: str, owner: str, max_seconds: float) -> ActionSteps[JobStatus]:
    waited = 0.0
    while waited < max_seconds:
        waited += yield from _pause(waited)
        status = yield from status_of(job_id, owner)
        if status.ended:
            return status
    raise ServerError(f"Bulk job {job_id} has not ended in {waited:,.0f} seconds", operation="getBulkOperation")


def _pause(waited: float) -> ActionSteps[float]:
    pause = seconds_before_poll(waited)
    yield Sleep(pause)
    return pause


def _hold(owner: str) -> Hold:
    return Hold(BULK_JOBS.name, BULK_JOBS.places, owner, PLACE_SECONDS)


def _unknown(operation: str, job_id: str, reason: str) -> OutcomeUnknownError:
    return OutcomeUnknownError(
        f"Bulk job {job_id} was submitted, and what it has done is not known: {reason}. Look at its results before the "
        "rows are imported again",
        operation=operation,
    )


def _status(item: ResponseObject) -> JobStatus:
    state = string(item, "status")
    if state not in _STATES:
        raise unusable(f"the state of a bulk job is {state!r:.200}")
    created_at = read_timestamp("createdAt", item.get("createdAt"))
    if created_at is None:
        raise unusable("createdAt is missing")
    progress = item.get("progress")
    index = number(progress, "index") if isinstance(progress, Mapping) else None
    error = string(item, "errorMessage")
    return JobStatus(
        job_id=first_string(item, "_id"),
        type=first_string(item, "type"),
        state=cast(JobState, state),
        created_at=datetime.fromisoformat(created_at),
        progress=None if index is None else int(index),
        error=None if error is None else one_line(error, MAX_QUOTE),
    )


def _row_result(item: ResponseObject) -> JobRowResult:
    row = item.get("input")
    if not isinstance(row, Mapping):
        raise unusable("a result has no input")
    if (error := refusal_of(item)) is not None:
        return JobRowResult(row, error=error)
    return JobRowResult(row, resource_id=string(item, "resourceId"))
