"""
Bulk jobs: their submission, states and results.

Documented is which operations submit jobs, their states, and that rows have results. What a job does with each row is
in :mod:`.bulk_rows`.
"""

from __future__ import annotations

from airflow_provider_360learning.sandbox.clock import iso
from airflow_provider_360learning.sandbox.routing import Response
from airflow_provider_360learning.sandbox.state.jobs import Behavior, BulkJob, RowResult
from airflow_provider_360learning.sandbox.v2 import bulk_rows
from airflow_provider_360learning.sandbox.v2.call import Call, Operations
from airflow_provider_360learning.sandbox.v2.errors import ApiError
from airflow_provider_360learning.sandbox.v2.filters import choices, dates
from airflow_provider_360learning.sandbox.v2.integrations import importing
from airflow_provider_360learning.sandbox.v2.rows import Apply

operations = Operations()

#: All types of jobs, also types that this sandbox has no operation for.
TYPES = (
    "addContentsToGroupsCatalog",
    "addContentsToGroupsLibrary",
    "addSkillReviews",
    "addUsersToGroups",
    "archiveExternalCourses",
    "deleteSkills",
    "createGroups",
    "createSubscriptionEvents",
    "deleteGroups",
    "deleteJobs",
    "deleteLibraries",
    "importExternalCourses",
    "importExternalStatistics",
    "removeContentsFromGroupsCatalog",
    "removeContentsFromGroupsLibrary",
    "removeUsersFromGroups",
    "replaceJobsSkills",
    "replaceUsersJobs",
    "upsertJobs",
    "upsertLibraries",
    "upsertSkills",
)

_STATES = ("pending", "queued", "running", "completed", "error")
_JOBS = "/bulk/operations"
_ONE_JOB = f"{_JOBS}/{{bulkOperationId}}"
_COURSES = "/bulk/integrations/{integrationId}/courses"


@operations.add(
    "addUsersToGroups",
    "POST",
    "/bulk/groups/memberships",
    scope="groups:bulk",
    bodies=("json",),
    assumes="A role that the user already has is accepted; invited users are known.",
)
def add_users_to_groups(call: Call) -> Response:
    """Give users roles in groups."""
    return submit(call, "addUsersToGroups", 20_000, bulk_rows.add_membership(call.company))


@operations.add(
    "removeUsersFromGroups",
    "DELETE",
    "/bulk/groups/memberships",
    scope="groups:bulk",
    bodies=("json",),
    assumes="A user without the role in the group is refused, as in the operation for one user.",
)
def remove_users_from_groups(call: Call) -> Response:
    """Remove roles of users in groups; learners leave public subgroups, too."""
    return submit(call, "removeUsersFromGroups", 20_000, bulk_rows.remove_membership(call.company))


@operations.add(
    "deleteGroups",
    "DELETE",
    "/bulk/groups",
    scope="groups:bulk",
    bodies=("json",),
    assumes="A group with an integration, also below it, is refused, as in the operation for one group.",
)
def delete_groups(call: Call) -> Response:
    """Delete groups and all groups below them."""
    return submit(call, "deleteGroups", 2_000, bulk_rows.delete_group(call.company))


@operations.add(
    "addContentsToGroupsCatalog",
    "POST",
    "/bulk/groups/catalog",
    scope="groups:bulk",
    bodies=("json",),
    assumes="An item that is in the catalog already is accepted.",
)
def add_contents_to_groups_catalog(call: Call) -> Response:
    """Add courses and path sessions to catalogs."""
    return submit(call, "addContentsToGroupsCatalog", 20_000, bulk_rows.change_catalog(call.company, add=True))


@operations.add(
    "removeContentsFromGroupsCatalog",
    "DELETE",
    "/bulk/groups/catalog",
    scope="groups:bulk",
    bodies=("json",),
    assumes="An item that is not in the catalog is accepted, as in API v1 (setting `catalog_absent_response`).",
)
def remove_contents_from_groups_catalog(call: Call) -> Response:
    """Remove courses and path sessions from catalogs."""
    return submit(call, "removeContentsFromGroupsCatalog", 20_000, bulk_rows.change_catalog(call.company, add=False))


@operations.add(
    "addContentsToGroupsLibrary",
    "POST",
    "/bulk/groups/library",
    scope="groups:bulk",
    bodies=("json",),
    assumes="An item that is in the library already is accepted.",
)
def add_contents_to_groups_library(call: Call) -> Response:
    """Add courses and paths to libraries."""
    return submit(call, "addContentsToGroupsLibrary", 20_000, bulk_rows.change_library(call.company, add=True))


@operations.add(
    "removeContentsFromGroupsLibrary",
    "DELETE",
    "/bulk/groups/library",
    scope="groups:bulk",
    bodies=("json",),
    assumes="An item that is not in the library is accepted.",
)
def remove_contents_from_groups_library(call: Call) -> Response:
    """Remove courses and paths from libraries."""
    return submit(call, "removeContentsFromGroupsLibrary", 20_000, bulk_rows.change_library(call.company, add=False))


@operations.add(
    "importExternalCourses",
    "PUT",
    _COURSES,
    scope="integrations:bulk",
    bodies=("json",),
    assumes="Importing an archived course publishes it.",
)
def import_external_courses(call: Call) -> Response:
    """Create external courses, or replace courses whose external id is known."""
    apply = bulk_rows.import_course(call.company, importing(call))
    return submit(call, "importExternalCourses", 10_000, apply)


@operations.add("archiveExternalCourses", "DELETE", _COURSES, scope="integrations:bulk", bodies=("json",))
def archive_external_courses(call: Call) -> Response:
    """Archive external courses."""
    apply = bulk_rows.archive_course(call.company, importing(call))
    return submit(call, "archiveExternalCourses", 1_000, apply)


@operations.add(
    "importExternalStatistics",
    "POST",
    "/bulk/integrations/{integrationId}/stats",
    scope="integrations:bulk",
    bodies=("json",),
    assumes="A statistic that neither begins an attempt nor finds one to update changes nothing; archived courses are"
    " accepted.",
)
def import_external_statistics(call: Call) -> Response:
    """Store each statistic as an attempt on an external course."""
    apply = bulk_rows.import_statistic(call.company, importing(call))
    return submit(call, "importExternalStatistics", 10_000, apply)


@operations.add(
    "createSubscriptionEvents",
    "POST",
    "/bulk/notifications/subscriptions",
    scope="subscriptions:bulk",
    bodies=("json",),
    assumes="Invited users are known, and an unknown email address is refused with its row.",
)
def create_subscription_events(call: Call) -> Response:
    """Switch notification emails of users on or off."""
    return submit(call, "createSubscriptionEvents", 20_000, bulk_rows.subscribe(call.company))


@operations.add(
    "getBulkOperations",
    "GET",
    _JOBS,
    scope="bulkOperations:read",
    page_size=20,
    filters=(choices("status", "eq", *_STATES), choices("type", "eq", *TYPES), *dates("createdAt")),
)
def get_bulk_operations(call: Call) -> Response:
    """List jobs."""
    now = call.now
    jobs = [
        job
        for job in call.state.jobs.jobs.values()
        if call.conditions.hold(status=job.state(now), type=job.type, createdAt=job.created_at)
    ]
    return call.page(jobs, lambda job: _shown(job, now))


@operations.add("getBulkOperation", "GET", _ONE_JOB, scope="bulkOperations:read")
def get_bulk_operation(call: Call) -> Response:
    """Return the state of a job."""
    return Response(_shown(_job(call), call.now))


@operations.add("getBulkOperationResults", "GET", f"{_ONE_JOB}/results", scope="bulkOperations:read")
def get_bulk_operation_results(call: Call) -> Response:
    """Return the results of a job that has ended."""
    job = _job(call)
    if job.results is None:
        raise ApiError(400, "bulkOperationNotRun")
    return Response([_shown_result(call, result) for result in job.results])


def submit(call: Call, type: str, max_rows: int, apply: Apply) -> Response:
    """
    Create a job for the rows of the body, or refuse. In which order it is checked is an assumption.

    :param type: type of the job.
    :param max_rows: documented maximum number of rows.
    :param apply: does a row.
    """
    settings, jobs = call.settings, call.state.jobs
    if not settings.bulk_api_enabled:
        raise ApiError(503, "bulkAPIDisabled")
    rows = call.fields.get("input")
    if not isinstance(rows, list):
        raise ApiError(400, "invalidInput")
    if len(rows) > max_rows:
        raise ApiError(400, "inputTooLong")
    if not all(isinstance(row, dict) for row in rows):
        raise call.malformed("input must be a list of objects.")
    if jobs.count(running_only=settings.bulk_jobs_counted == "running") >= settings.max_bulk_jobs:
        raise ApiError(429, "bulkOperationsConcurrencyLimitReached")
    behavior = Behavior(
        seconds=settings.bulk_job_seconds,
        max_running=settings.max_bulk_jobs,
        never_ends=not settings.bulk_jobs_end,
        fails_after=settings.bulk_jobs_fail_after,
        refused=settings.bulk_rows_refused,
        unmentioned=settings.bulk_rows_unmentioned,
    )
    job = jobs.submit(call.state.new_id(), type, rows, behavior, apply)
    path = f"/api/v2{_JOBS}/{job.id}"
    form = settings.bulk_job_location
    if form == "none":
        return Response(status=202)
    return Response(
        status=202, headers={"Location": f"http://{call.headers['host']}{path}" if form == "absolute" else path}
    )


def _job(call: Call) -> BulkJob:
    job = call.state.jobs.jobs.get(call.path["bulkOperationId"])
    if job is None:
        raise ApiError(404, "bulkOperationNotFound")
    return job


def _shown(job: BulkJob, now: float) -> dict[str, object]:
    """Return a job with the fields that it has by now."""
    state = job.state(now)
    shown: dict[str, object] = {
        "_id": job.id,
        "type": job.type,
        "createdAt": iso(job.created_at),
        "status": state,
    }
    if state != "pending":
        shown["queuedAt"] = iso(job.queued_at)
    if state in ("running", "completed", "error"):
        shown["startedAt"] = iso(job.started_at)
        shown["progress"] = {"index": job.index(now), "updatedAt": iso(min(now, job.ended_at))}
    if state in ("completed", "error"):
        shown["endedAt"] = iso(job.ended_at)
    if state == "error":
        shown["errorMessage"] = job.error
    return shown


def _shown_result(call: Call, result: RowResult) -> dict[str, object]:
    row = dict(result.input)
    if call.settings.bulk_result_inputs == "with_defaults":
        row = {"companyId": call.company.id, **row}
    if result.resource_id is not None:
        return {"input": row, "status": "success", "resourceId": result.resource_id}
    return {"input": row, "status": "error", "errorMessage": result.error}
