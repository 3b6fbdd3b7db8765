"""What bulk jobs about skills do with a row, as :mod:`.bulk_rows`; and what is refused before, for all rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field

from airflow_provider_360learning.sandbox.company import Company
from airflow_provider_360learning.sandbox.state.jobs import RowError
from airflow_provider_360learning.sandbox.state.skills import Job, Library, Named, Skill, find, has_cycle
from airflow_provider_360learning.sandbox.v2.call import Call
from airflow_provider_360learning.sandbox.v2.errors import ApiError
from airflow_provider_360learning.sandbox.v2.rows import Apply, Date, Id, Row, Text, known, person_of, read_row
from airflow_provider_360learning.sandbox.v2.skills import JOB_KINDS, MAX_RELATED

AnyNamed = TypeVar("AnyNamed", bound=Named)


class _Translation(Row):
    lang: Literal[
        "bg", "cs", "de", "en", "es", "fr", "hu", "it", "ja", "nl", "pl", "pt", "ro", "ru", "sa", "tr", "uk", "vm", "zh"
    ]
    translated_fields: dict[Literal["name", "description"], Text]


class _Named(Row):
    external_id: Text
    name: Text
    description: Text | None = None
    translations: list[_Translation] | None = None

    def fields(self, known_id: str) -> dict[str, Any]:
        """Return what all named objects have."""
        translations = [each.model_dump(by_alias=True) for each in self.translations or ()]
        return {
            "id": known_id,
            "external_id": self.external_id,
            "name": self.name,
            "description": self.description,
            "translations": translations,
        }


class _Library(_Named):
    status: Literal["draft", "published"] = "published"


class _Job(_Named):
    parent_external_id: Text | None = None


class _Skill(_Named):
    library_id: Text | None = None
    parent_external_ids: Annotated[list[Text], Field(max_length=10)]


class _Deletion(Row):
    external_id: Text


class _ValueById(Row):
    id: Text = Field(alias="_id")
    value_id: Text

    @property
    def value(self) -> str:
        """Id of the value."""
        return self.value_id


class _ValueByIndex(Row):
    id: Text = Field(alias="_id")
    value_index: Annotated[int, Field(ge=1, le=100)]

    @property
    def value(self) -> str:
        """Id of the value."""
        return f"{self.id}-{self.value_index}"


class _JobSkill(Row):
    job_id: Text
    skill_id: Text
    qualifiers: list[_ValueById] = Field(default_factory=list, max_length=100)


class _UserJobs(Row):
    user_id: Id
    current_job_ids: list[Text] = Field(default_factory=list)
    target_job_ids: list[Text] = Field(default_factory=list)
    previous_job_ids: list[Text] = Field(default_factory=list)

    def by_kind(self) -> dict[str, list[str]]:
        """Return the external ids of the jobs by kind, each once."""
        return {kind: list(dict.fromkeys(getattr(self, f"{kind}_job_ids"))) for kind in JOB_KINDS}


class _Review(Row):
    external_id: Text | None = None
    user_id: Id
    assessor_id: Id
    skill_id: Text
    action_type: Literal["skillAdded", "skillAssessed", "skillAssessedByIndex", "skillDeleted"]
    comment: Annotated[Text, Field(max_length=1000)] | None = None
    created_at: Date | None = None


class _ReviewById(_Review):
    qualifiers: list[_ValueById] = Field(default_factory=list, max_length=100)


class _ReviewByIndex(_Review):
    qualifiers: list[_ValueByIndex] = Field(default_factory=list, max_length=100)


def upsert_library(company: Company) -> Apply:
    """Create a library, or replace the one with its external id."""
    skills = company.state.skills

    def apply(row: Mapping[str, Any]) -> str:
        read = read_row(_Library, row)
        fields = read.fields(_id_of(company, skills.libraries.get(read.external_id)))
        return skills.put(skills.libraries, Library(**fields, status=read.status)).id

    return apply


def upsert_skill(company: Company) -> Apply:
    """Create a skill, or replace the one with its external id."""
    skills = company.state.skills

    def apply(row: Mapping[str, Any]) -> str:
        read, now = read_row(_Skill, row), company.clock.now()
        before = skills.skills.get(read.external_id)
        library = None if read.library_id is None else known(find(skills.libraries, read.library_id), "library").id
        skill = Skill(
            **read.fields(_id_of(company, before)),
            created_at=now if before is None else before.created_at,
            updated_at=now,
            library=library,
            parents=list(read.parent_external_ids),
        )
        return skills.put(skills.skills, skill).id

    return apply


def upsert_job(company: Company) -> Apply:
    """Create a job, or replace the one with its external id."""
    skills = company.state.skills

    def apply(row: Mapping[str, Any]) -> str:
        read = read_row(_Job, row)
        before = skills.jobs.get(read.external_id)
        if read.parent_external_id is not None:
            known(skills.jobs.get(read.parent_external_id), "parent job")
        fields = read.fields(_id_of(company, before))
        job = Job(**fields, parent=read.parent_external_id, skills={} if before is None else before.skills)
        return skills.put(skills.jobs, job).id

    return apply


def delete_library(company: Company) -> Apply:
    """Delete a library."""
    skills = company.state.skills
    return _deletion(skills.libraries, "library", skills.delete_library)


def delete_skill(company: Company) -> Apply:
    """Delete a skill."""
    skills = company.state.skills
    return _deletion(skills.skills, "skill", skills.delete_skill)


def delete_job(company: Company) -> Apply:
    """Delete a job."""
    skills = company.state.skills
    return _deletion(skills.jobs, "job", skills.delete_job)


def replace_job_skill(company: Company) -> Apply:
    """Give a job a skill; the first row of a job removes the skills that it had before."""
    skills = company.state.skills
    replaced: set[str] = set()

    def apply(row: Mapping[str, Any]) -> str:
        read = read_row(_JobSkill, row)
        job, skill = known(find(skills.jobs, read.job_id), "job"), known(find(skills.skills, read.skill_id), "skill")
        if job.id not in replaced:
            replaced.add(job.id)
            job.skills.clear()
        job.skills[skill.id] = _values(read.qualifiers)
        return job.id

    return apply


def replace_user_jobs(company: Company) -> Apply:
    """Replace the jobs of a user."""
    skills = company.state.skills

    def apply(row: Mapping[str, Any]) -> str:
        read = read_row(_UserJobs, row)
        person = person_of(company, read.user_id)
        if person.status == "deleted":
            raise RowError("The user is deleted.")
        jobs = read.by_kind()
        for each in (job for kind in jobs.values() for job in kind):
            known(skills.jobs.get(each), "job")
        skills.replace_jobs(person.id, jobs)
        return person.id

    return apply


def add_review(company: Company) -> Apply:
    """Add a skill to a user, assess it, or remove it."""
    skills = company.state.skills

    def apply(row: Mapping[str, Any]) -> str:
        by_index = row.get("actionType") == "skillAssessedByIndex"
        read = read_row(_ReviewByIndex, row) if by_index else read_row(_ReviewById, row)
        person, assessor = person_of(company, read.user_id), person_of(company, read.assessor_id)
        skill = known(find(skills.skills, read.skill_id), "skill")
        if read.action_type == "skillDeleted":
            return known(skills.powers.pop((skill.id, person.id), None), "skill of this user").id
        now = company.clock.now() if read.created_at is None else read.created_at
        power = skills.review(skill, person.id, company.state.new_id(), now)
        power.external_id = read.external_id or power.external_id
        if read.action_type != "skillAdded":
            power.qualifiers.update(_values(read.qualifiers))
            power.status = "validated" if assessor.id in person.managers else "pendingValidation"
        return power.id

    return apply


def refuse_cycles(call: Call) -> None:
    """Refuse skills that would be above themselves."""
    parents = {skill.external_id: skill.parents for skill in call.state.skills.skills.values()}
    for row in _rows(call):
        above = row.get("parentExternalIds")
        parents[str(row.get("externalId"))] = [str(each) for each in above] if isinstance(above, list) else []
    if has_cycle(parents):
        raise ApiError(400, "skillsGraphHasCycles")


def refuse_too_many_skills(call: Call) -> None:
    """Refuse a job with too many skills."""
    counts = Counter(str(row.get("jobId")) for row in _rows(call))
    if counts and max(counts.values()) > MAX_RELATED:
        raise ApiError(400, "tooManySkills")


def refuse_too_many_jobs(call: Call) -> None:
    """Refuse a user with too many jobs. That each kind of jobs is counted by itself is an assumption."""
    for row in _rows(call):
        jobs = [row.get(f"{kind}JobIds") for kind in JOB_KINDS]
        if any(isinstance(each, list) and len(each) > MAX_RELATED for each in jobs):
            raise ApiError(400, "tooManyJobs")


def _rows(call: Call) -> Iterator[Mapping[str, object]]:
    """Yield the rows of a submission, which may be invalid."""
    rows = call.fields.get("input")
    return (row for row in (rows if isinstance(rows, list) else ()) if isinstance(row, dict))


def _deletion(items: Mapping[str, AnyNamed], what: str, delete: Callable[[AnyNamed], None]) -> Apply:
    def apply(row: Mapping[str, Any]) -> str:
        item = known(items.get(read_row(_Deletion, row).external_id), what)
        delete(item)
        return item.id

    return apply


def _id_of(company: Company, before: Named | None) -> str:
    return company.state.new_id() if before is None else before.id


def _values(qualifiers: list[_ValueById] | list[_ValueByIndex]) -> dict[str, str]:
    return {each.id: each.value for each in qualifiers}
