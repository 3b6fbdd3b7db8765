"""The bulk jobs of API v2, for rows. Actions that use a job themselves use :mod:`.job_steps`."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from airflow_provider_360learning.api.bulk_jobs import JobKind, JobRowResult, JobStatus, JobTarget, LostJob
from airflow_provider_360learning.api.models.base import ActionArguments
from airflow_provider_360learning.api.models.parsers import is_id
from airflow_provider_360learning.api.pages import all_items
from airflow_provider_360learning.api.types import ActionSteps, Call, JsonObject, ResponseObject
from airflow_provider_360learning.api.v2.integrations import find_integration
from airflow_provider_360learning.api.v2.job_kinds import KINDS, MEMBERSHIPS, SUBSCRIPTIONS, inputs_of
from airflow_provider_360learning.api.v2.job_steps import (
    find_lost_job,
    give_back_place,
    refusal_of,
    results_of,
    running_jobs,
    status_of,
    submit_call,
    submit_job,
    wait_for_results,
)
from airflow_provider_360learning.api.v2.lookups import Lookups, without_mail
from airflow_provider_360learning.api.v2.roles import role_in_body
from airflow_provider_360learning.exceptions import Learning360Error, NotFoundError


class BulkJobsV2:
    """
    The bulk jobs of API v2 (see :class:`~..bulk_jobs.BulkJobs`).

    :param lookups: The adapter, which finds ids.
    """

    kinds: Mapping[str, JobKind] = KINDS

    def __init__(self, lookups: Lookups) -> None:
        self._lookups = lookups

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
        if group_id is not None and external_platform is not None:
            integration_id = yield from find_integration(group_id, external_platform, integration_id)
        return JobTarget(integration_id, author_id)

    def inputs(
        self, kind: JobKind, rows: Sequence[ActionArguments], target: JobTarget
    ) -> ActionSteps[list[list[JsonObject] | Learning360Error]]:
        """Return the inputs of a job for rows, with ids in the place of email addresses."""
        if kind.action not in MEMBERSHIPS | SUBSCRIPTIONS:
            return [inputs_of(kind, row, target, {}) for row in rows]
        # Any: the rows of these kinds have a user.
        users: list[Any] = list(rows)
        names = [row.user for row in users]
        if kind.action in SUBSCRIPTIONS:
            found, errors = yield from self._find_mails(names)
        else:
            ids = yield from self._lookups.find_user_ids(names)
            found, errors = ids.ids, ids.errors
        return [errors.get(row.user) or inputs_of(kind, row, target, found) for row in users]

    def _find_mails(
        self, users: Sequence[str]
    ) -> ActionSteps[tuple[Mapping[str, str], Mapping[str, Learning360Error]]]:
        """Return the email addresses of users, of which those that are given are not looked up, and errors."""
        ids = [user for user in users if is_id(user)]
        mails = {user: user for user in users if not is_id(user)}
        if ids:
            mails.update((yield from self._lookups.mails_of(ids)))
        return mails, {id: without_mail(id) for id in ids if id not in mails}

    def submit(self, kind: JobKind, inputs: Sequence[JsonObject], target: JobTarget, *, owner: str) -> ActionSteps[str]:
        """Submit a job, once there is a place among the company's jobs, and return its id."""
        return submit_job(kind, inputs, target, owner=owner)

    def submit_call(self, call: Call, *, owner: str) -> ActionSteps[str]:
        """Submit any job by its call, and return its id."""
        return submit_call(call, owner=owner)

    def wait_for_results(self, job_id: str, operation: str, *, owner: str) -> ActionSteps[list[ResponseObject]]:
        """Wait until a job has ended, and return its results as the server returns them."""
        return wait_for_results(job_id, operation, owner=owner)

    def refusal_of(self, result: ResponseObject) -> str | None:
        """Return why a row was refused, ``None`` if it was not."""
        return refusal_of(result)

    def find_lost(
        self, kind: JobKind, inputs: Sequence[JsonObject], since: datetime, *, known: Collection[str] = ()
    ) -> ActionSteps[LostJob]:
        """Look for a job whose submission got no response, among the jobs of its kind."""
        return find_lost_job(kind, inputs, since, known=known)

    def status(self, job_id: str, *, owner: str | None = None) -> ActionSteps[JobStatus]:
        """Return the state of a job, and renew its place if it has not ended."""
        return status_of(job_id, owner)

    def results(self, job_id: str) -> ActionSteps[list[JobRowResult]]:
        """Return the results of a job that has ended, in the order of the server."""
        return results_of(job_id)

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
        return give_back_place(owner)

    def running(self) -> ActionSteps[int]:
        """Return how many jobs of the company have not ended."""
        return running_jobs()
