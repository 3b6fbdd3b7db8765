"""Bulk jobs about skills: libraries, skills, the jobs that take them, and reviews of users."""

from __future__ import annotations

from collections.abc import Callable

from airflow_provider_360learning.sandbox.routing import Response
from airflow_provider_360learning.sandbox.v2 import skill_rows
from airflow_provider_360learning.sandbox.v2.bulk import submit
from airflow_provider_360learning.sandbox.v2.call import Call, Operations
from airflow_provider_360learning.sandbox.v2.rows import Apply
from airflow_provider_360learning.sandbox.v2.skills import check_enabled

operations = Operations()

_MAX_ROWS = 10_000


@operations.add("upsertLibraries", "PUT", "/bulk/skills/libraries", scope="skillsLibraries:bulk", bodies=("json",))
def upsert_libraries(call: Call) -> Response:
    """Create libraries, or replace those whose external id is known."""
    return _submit(call, "upsertLibraries", skill_rows.upsert_library(call.company))


@operations.add(
    "deleteLibraries",
    "DELETE",
    "/bulk/skills/libraries",
    scope="skillsLibraries:bulk",
    bodies=("json",),
    assumes="The skills of a library stay, without a library.",
)
def delete_libraries(call: Call) -> Response:
    """Delete libraries."""
    return _submit(call, "deleteLibraries", skill_rows.delete_library(call.company))


@operations.add(
    "upsertSkills",
    "PUT",
    "/bulk/skills",
    scope="skills:bulk",
    bodies=("json",),
    assumes="A parent may be a later row. `libraryId` is the id of 360Learning or the external one.",
)
def upsert_skills(call: Call) -> Response:
    """Create skills, or replace those whose external id is known."""
    return _submit(call, "upsertSkills", skill_rows.upsert_skill(call.company), skill_rows.refuse_cycles)


@operations.add(
    "deleteSkills",
    "DELETE",
    "/bulk/skills",
    scope="skills:bulk",
    bodies=("json",),
    assumes="A deleted skill disappears from lists, jobs and users.",
)
def delete_skills(call: Call) -> Response:
    """Delete skills."""
    return _submit(call, "deleteSkills", skill_rows.delete_skill(call.company))


@operations.add(
    "upsertJobs",
    "PUT",
    "/bulk/skills/jobs",
    scope="skillsJobs:bulk",
    bodies=("json",),
    assumes="A job that is replaced keeps its skills, and a parent must exist.",
)
def upsert_jobs(call: Call) -> Response:
    """Create jobs, or replace those whose external id is known."""
    return _submit(call, "upsertJobs", skill_rows.upsert_job(call.company))


@operations.add(
    "deleteJobs",
    "DELETE",
    "/bulk/skills/jobs",
    scope="skillsJobs:bulk",
    bodies=("json",),
    assumes="A deleted job disappears from users.",
)
def delete_jobs(call: Call) -> Response:
    """Delete jobs."""
    return _submit(call, "deleteJobs", skill_rows.delete_job(call.company))


@operations.add(
    "replaceJobsSkills",
    "PUT",
    "/bulk/skills/jobs-skills",
    scope="skillsJobSkills:bulk",
    bodies=("json",),
    assumes="`jobId` and `skillId` are ids of 360Learning or external ones. Only the jobs of the input lose skills.",
)
def replace_jobs_skills(call: Call) -> Response:
    """Replace the skills of the jobs in the input."""
    apply = skill_rows.replace_job_skill(call.company)
    return _submit(call, "replaceJobsSkills", apply, skill_rows.refuse_too_many_skills)


@operations.add(
    "replaceUsersJobs",
    "PUT",
    "/bulk/skills/users/jobs",
    scope="skillsJobs:bulk",
    bodies=("json",),
    assumes="Jobs are given by their external ids, and a kind that a row does not have is emptied.",
)
def replace_users_jobs(call: Call) -> Response:
    """Replace the jobs of users."""
    apply = skill_rows.replace_user_jobs(call.company)
    return _submit(call, "replaceUsersJobs", apply, skill_rows.refuse_too_many_jobs)


@operations.add(
    "addSkillReviews",
    "POST",
    "/bulk/skills/reviews",
    scope="skillsPowers:bulk",
    bodies=("json",),
    assumes="An assessment by another user than a manager waits for its validation; an assessed skill is added if the"
    " user does not have it. The id of the value with an index is made of both.",
)
def add_skill_reviews(call: Call) -> Response:
    """Add skills to users, assess them, or remove them."""
    return _submit(call, "addSkillReviews", skill_rows.add_review(call.company))


def _submit(call: Call, type: str, apply: Apply, refuse: Callable[[Call], None] | None = None) -> Response:
    check_enabled(call)
    if refuse is not None:
        refuse(call)
    return submit(call, type, _MAX_ROWS, apply)
