"""
Bulk jobs of API v2: submitted, polled until they end, and read.

A submission is never sent twice blindly. If its response is lost, the job is looked for among those of its kind, and
recognized by the inputs in its results.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, cast, get_args

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
from airflow_provider_360learning.api.client import Client
from airflow_provider_360learning.api.fields import first_string, number, string
from airflow_provider_360learning.api.json_stream import unusable
from airflow_provider_360learning.api.models.base import ActionArguments
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
from airflow_provider_360learning.api.v2.integrations import find_integration
from airflow_provider_360learning.api.v2.job_kinds import KINDS, MEMBERSHIPS, inputs_of
from airflow_provider_360learning.api.v2.lookups import Lookups
from airflow_provider_360learning.api.v2.roles import role_in_body
from airflow_provider_360learning.api.v2.spec import BULK_JOBS
from airflow_provider_360learning.api.v2.timestamps import at_or_after
from airflow_provider_360learning.exceptions import (
    Learning360Error,
    NotFoundError,
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


class BulkJobsV2:
    """
    The bulk jobs of API v2 (see :class:`~..bulk_jobs.BulkJobs`).

    :param lookups: The adapter, which finds ids.
    :param max_seconds: Seconds after which an action gives up waiting for a job.
    """

    kinds: Mapping[str, JobKind] = KINDS

    def __init__(self, lookups: Lookups, max_seconds: float = MAX_JOB_SECONDS) -> None:
        self._lookups = lookups
        self._max_seconds = max_seconds

    def target(
        self,
        kind: JobKind,
        *,
        group_id: str | None = None,
        external_platform: str | None = None,
        integration_id: str | None = None,
        author_id: str | None = None,
    ) -> ActionSteps[JobTarget]:
        """Return what the rows of a job are done to."""
        if group_id is None or external_platform is None:
            yield from ()
            return JobTarget(integration_id, author_id)
        integration_id = yield from find_integration(group_id, external_platform, integration_id)
        return JobTarget(integration_id, author_id)

    def inputs(
        self, kind: JobKind, rows: Sequence[ActionArguments], target: JobTarget
    ) -> ActionSteps[list[list[JsonObject] | Learning360Error]]:
        """Return the inputs of a job for rows, with ids in the place of email addresses."""
        if kind.action not in MEMBERSHIPS:
            yield from ()
            return [inputs_of(kind, row, target, {}) for row in rows]
        # Any: the rows of memberships have a user.
        users: list[Any] = list(rows)
        found = yield from self._lookups.find_user_ids([row.user for row in users])
        return [found.errors.get(row.user) or inputs_of(kind, row, target, found.ids) for row in users]

    def submit(self, kind: JobKind, inputs: Sequence[JsonObject], target: JobTarget, *, owner: str) -> ActionSteps[str]:
        """Submit a job, once there is a place among the company's jobs, and return its id."""
        path = {} if target.integration_id is None else {"integrationId": target.integration_id}
        hold = yield Acquire(BULK_JOBS.name, BULK_JOBS.places, owner, PLACE_SECONDS, keep=True, count=self.running)
        try:
            job_id = yield Call(kind.operation, path=path, body={"input": list(inputs)})
        except OutcomeUnknownError:
            raise  # the job may run, and have the place
        except Learning360Error:
            yield Release(hold)
            raise
        log.info("Submitted %s as bulk job: job=%s rows=%d", kind.action, job_id, len(inputs))
        return str(job_id)

    def find_lost(
        self, kind: JobKind, inputs: Sequence[JsonObject], since: datetime, *, known: Collection[str] = ()
    ) -> ActionSteps[LostJob]:
        """
        Look for a job whose submission got no response, among the jobs of its kind.

        Assumption: the clocks of the server and of this host differ by a minute at most, and a job that exists is in
        the list.
        """
        query = {"type[eq]": kind.type, "createdAt[gte]": at_or_after(since - MAX_CLOCK_DIFFERENCE)}
        items = yield from all_items(Call("getBulkOperations", query=query))
        undecided, unclear = [], []
        for job in map(_status, items):
            if job.job_id in known:
                continue
            if not job.ended:
                undecided.append(job.job_id)
                continue
            results = yield from self.results(job.job_id)
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

    def status(self, job_id: str, *, owner: str | None = None) -> ActionSteps[JobStatus]:
        """Return the state of a job, and renew its place if it has not ended."""
        status = _status((yield Call("getBulkOperation", path={"bulkOperationId": job_id})))
        if owner is not None and not status.ended:
            yield Renew(_hold(owner))
        return status

    def results(self, job_id: str) -> ActionSteps[list[JobRowResult]]:
        """Return the results of a job that has ended, in the order of the server."""
        items = yield Call("getBulkOperationResults", path={"bulkOperationId": job_id})
        return [_row_result(item) for item in items]

    def outcome_of_refused(self, kind: JobKind, row: ActionArguments) -> ActionSteps[str | None]:
        """Return the outcome of a row that a job refused, although the action counts it as done."""
        # Any: the rows of these kinds have these fields.
        arguments: Any = row
        if kind.action == "delete_group" and arguments.if_missing == "skip":
            try:
                yield Call("getGroup", path={"groupId": arguments.group_id})
            except NotFoundError:
                return "not_found"
        if kind.action == "remove_user_from_group":
            try:
                user_id = yield from self._lookups.user_id_of(arguments.user)
                yield Call("getGroup", path={"groupId": arguments.group_id})
                roles = yield from all_items(Call("getUserRolesInGroups", path={"userId": user_id}))
            except NotFoundError:
                return None
            held = {(str(each.get("groupId")).lower(), each.get("role")) for each in roles}
            if (arguments.group_id.lower(), role_in_body(arguments.role)) not in held:
                return kind.outcome
        return None

    def ended(self, owner: str) -> ActionSteps[None]:
        """Give back the place of a job that has ended."""
        yield Release(_hold(owner))

    def running(self) -> ActionSteps[int]:
        """Return how many jobs of the company have not ended."""
        found = set()
        for state in _NOT_ENDED:  # in the order of a job's life, so that none is missed
            for item in (yield from all_items(Call("getBulkOperations", query={"status[eq]": state}))):
                found.add(string(item, "_id"))
        return len(found)

    # For an action, which waits for its own jobs.

    def run(
        self, kind: JobKind, inputs: Sequence[JsonObject], target: JobTarget
    ) -> ActionSteps[list[JobRowResult | None]]:
        """
        Submit one job after the other until all inputs are done, and return their results.

        :param kind: Kind of the jobs.
        :param inputs: Any number.
        :param target: What they are done to.
        :return: In the order of the inputs; ``None`` for an input that no result mentions.
        :raises OutcomeUnknownError: if it is not known what was done, and a second job would not leave the same state.
        :raises ServerError: if a job ended in the state ``error``, and a second one would leave the same state.
        """
        results: list[JobRowResult | None] = []
        for start in range(0, len(inputs), kind.max_rows):
            results += yield from self._run(kind, inputs[start : start + kind.max_rows], target)
        return results

    def _run(
        self, kind: JobKind, inputs: Sequence[JsonObject], target: JobTarget
    ) -> ActionSteps[list[JobRowResult | None]]:
        owner = new_owner()
        job_id = yield from self._submit_and_find(kind, inputs, target, owner)
        try:
            status = yield from self._wait(job_id, owner)
            results = yield from self.results(job_id)
        except Learning360Error as error:
            if kind.may_resend:
                raise
            raise _unknown(kind, job_id, str(error.args[0])) from error
        yield from self.ended(owner)
        matched = match_results(kind, inputs, results)
        if missing := matched.count(None):
            reason = f"{missing} of {len(inputs)} rows have no result" + (f" ({status.error})" if status.error else "")
            if kind.may_resend:
                raise ServerError(f"Bulk job {job_id} ended as {status.state}, and {reason}", operation=kind.operation)
            raise _unknown(kind, job_id, reason)
        return matched

    def _submit_and_find(
        self, kind: JobKind, inputs: Sequence[JsonObject], target: JobTarget, owner: str
    ) -> ActionSteps[str]:
        """Submit a job, and find it if the response is lost."""
        since = datetime.now(UTC)
        try:
            return (yield from self.submit(kind, inputs, target, owner=owner))
        except OutcomeUnknownError as error:
            unknown = error
        try:
            found = yield from self._find(kind, inputs, since, owner)
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
        return (yield from self.submit(kind, inputs, target, owner=owner))

    def _find(self, kind: JobKind, inputs: Sequence[JsonObject], since: datetime, owner: str) -> ActionSteps[LostJob]:
        """Look for a lost job, and wait for the jobs that may be it."""
        found, waited = (yield from self.find_lost(kind, inputs, since)), 0.0
        while found.job_id is None and found.undecided and waited < self._max_seconds:
            waited += yield from _pause(waited)
            for job_id in found.undecided:
                yield from self.status(job_id, owner=owner)
            found = yield from self.find_lost(kind, inputs, since)
        return found

    def _wait(self, job_id: str, owner: str) -> ActionSteps[JobStatus]:
        waited = 0.0
        while waited < self._max_seconds:
            waited += yield from _pause(waited)
            status = yield from self.status(job_id, owner=owner)
            if status.ended:
                return status
        raise ServerError(f"Bulk job {job_id} has not ended in {waited:,.0f} seconds", operation="getBulkOperation")


class JobActions(Lookups):
    """Actions that use bulk jobs."""

    jobs: BulkJobsV2

    def __init__(self, client: Client) -> None:
        super().__init__(client)
        self.jobs = BulkJobsV2(self)


def refusals(results: Sequence[JobRowResult | None]) -> list[str | None]:
    """
    Return why each input was refused, ``None`` where it was not.

    :param results: The results of a job, none of which is missing.
    """
    return [None if result is None else result.error for result in results]


def raise_refused(kind: JobKind, results: Sequence[JobRowResult | None]) -> None:
    """
    Raise an error if a job has refused an input.

    :param kind: Kind of the job.
    :param results: Its results.
    :raises RefusedError: with the first reasons. Row errors have no codes that say more.
    """
    refused = [result for result in results if result is not None and result.error is not None]
    if refused:
        reasons = listed([f"{each.error} ({canonical(each.input)})" for each in refused[:MAX_REASONS]], MAX_QUOTE)
        raise RefusedError(f"360Learning refuses {len(refused)} of {len(results)}: {reasons}", operation=kind.operation)


def _pause(waited: float) -> ActionSteps[float]:
    pause = seconds_before_poll(waited)
    yield Sleep(pause)
    return pause


def _hold(owner: str) -> Hold:
    return Hold(BULK_JOBS.name, BULK_JOBS.places, owner, PLACE_SECONDS)


def _unknown(kind: JobKind, job_id: str, reason: str) -> OutcomeUnknownError:
    return OutcomeUnknownError(
        f"Bulk job {job_id} was submitted, and what it has done is not known: {reason}. Look at its results before the "
        "rows are imported again",
        operation=kind.operation,
    )


def _status(item: ResponseObject) -> JobStatus:
    state = string(item, "status")
    if state not in _STATES:
        raise unusable(f"the state of a bulk job is {state!r}")
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
    if string(item, "status") == "success":
        return JobRowResult(row, resource_id=string(item, "resourceId"))
    return JobRowResult(row, error=one_line(string(item, "errorMessage") or "refused without a reason", MAX_QUOTE))
