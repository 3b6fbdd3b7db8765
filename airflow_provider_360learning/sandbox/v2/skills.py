"""Skills, the powers of users, and the jobs of a user."""

from __future__ import annotations

from airflow_provider_360learning.sandbox.clock import iso
from airflow_provider_360learning.sandbox.routing import Response
from airflow_provider_360learning.sandbox.state.skills import Power, Skill
from airflow_provider_360learning.sandbox.v2.call import Call, Operations
from airflow_provider_360learning.sandbox.v2.errors import ApiError
from airflow_provider_360learning.sandbox.v2.filters import choices, dates, ids, strings

operations = Operations()

#: Maximum number of skills of a job, and of jobs of a user (documented).
MAX_RELATED = 100

#: Kinds of the jobs of a user. The single operation replaces the current ones (assumption).
JOB_KINDS = ("current", "target", "previous")


def check_enabled(call: Call) -> None:
    """Refuse if the company does not have the skill solution."""
    if not call.settings.skill_solution_enabled:
        raise ApiError(400, "skillSolutionNotEnabled")


@operations.add(
    "getSkills",
    "GET",
    "/skills",
    scope="skills:read",
    page_size=500,
    filters=(choices("status", "eq ne in nin", "archived", "published"), *dates("updatedAt")),
)
def get_skills(call: Call) -> Response:
    """List skills."""
    check_enabled(call)
    skills = [
        each
        for each in call.state.skills.skills.values()
        if call.conditions.hold(status=each.status, updatedAt=each.updated_at)
    ]
    return call.page(skills, lambda skill: _skill(call, skill))


@operations.add(
    "getPowers",
    "GET",
    "/skills/powers",
    scope="skillsPowers:read",
    page_size=500,
    filters=(
        strings("skillId", "eq in"),
        choices("status", "eq ne", "toAssess", "pendingValidation", "validated"),
        ids("userId", "eq in"),
    ),
    assumes="`skillId` is the id of 360Learning. All qualifiers are single choices.",
)
def get_powers(call: Call) -> Response:
    """List the skills of users."""
    check_enabled(call)
    powers = [
        each
        for each in call.state.skills.powers.values()
        if call.conditions.hold(skillId=each.skill, status=each.status, userId=each.user)
    ]
    return call.page(powers, lambda power: _power(call, power))


@operations.add(
    "replaceUserJobs",
    "PUT",
    "/skills/users/{userId}/jobs",
    scope="skillsJobs:write",
    bodies=("json",),
    assumes="The jobs are the current ones, and are given by their external ids.",
)
def replace_user_jobs(call: Call) -> Response:
    """Replace the jobs of a user."""
    check_enabled(call)
    jobs = call.strings("jobIds")
    if jobs is None:
        raise call.malformed("jobIds is required.")
    person, skills = call.person(call.path["userId"]), call.state.skills
    if person.status == "deleted":
        raise ApiError(404, "userNotFound")
    if len(jobs) > MAX_RELATED:
        raise ApiError(400, "tooManyJobs")
    if not all(job in skills.jobs for job in jobs):
        raise ApiError(400, "jobExternalIdNotFound")
    skills.replace_jobs(person.id, {**skills.user_jobs.get(person.id, {}), "current": list(dict.fromkeys(jobs))})
    return Response(skills.user_jobs[person.id]["current"])


def _skill(call: Call, skill: Skill) -> dict[str, object]:
    skills = call.state.skills.skills
    parents = [{"_id": skills[each].id, "externalId": each} for each in skill.parents if each in skills]
    shown = {
        "_id": skill.id,
        "externalId": skill.external_id,
        "name": skill.name,
        "description": skill.description,
        "libraryId": skill.library,
        "parents": parents,
        "status": skill.status,
        "translations": skill.translations,
        "createdAt": iso(skill.created_at),
        "updatedAt": iso(skill.updated_at),
    }
    return {name: value for name, value in shown.items() if value is not None}


def _power(call: Call, power: Power) -> dict[str, object]:
    skill = call.state.skills.skill(power.skill)
    assert skill is not None
    shown = {
        "_id": power.id,
        "externalId": power.external_id,
        "skillId": skill.id,
        "skillExternalId": skill.external_id,
        "userId": power.user,
        "createdAt": iso(power.created_at),
        "updatedAt": iso(power.updated_at),
        "status": power.status,
        "qualifiers": [
            {"_id": id, "type": "singleChoice", "currentValueId": value} for id, value in power.qualifiers.items()
        ],
    }
    return {name: value for name, value in shown.items() if value is not None}
