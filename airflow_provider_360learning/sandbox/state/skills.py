"""Skills of the company: libraries, jobs, and who has which skill. API v1's skills are something else: tags."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from typing import Literal, TypeVar

from airflow_provider_360learning.sandbox.state.budget import MemoryBudget

SkillStatus = Literal["archived", "published"]
PowerStatus = Literal["toAssess", "pendingValidation", "validated"]

#: Ids of qualifiers, and of the values that a job takes or a review has given.
Qualifiers = dict[str, str]


@dataclass(kw_only=True)
class Named:
    """
    Something that other systems refer to by an id of their own.

    :param translations: by language, as they were given.
    """

    id: str
    external_id: str
    name: str
    description: str | None = None
    translations: list[dict[str, object]] = field(default_factory=list)


@dataclass(kw_only=True)
class Library(Named):
    """A library of skills."""

    status: Literal["draft", "published"] = "published"


@dataclass(kw_only=True)
class Job(Named):
    """
    A job, which takes skills.

    :param parent: external id of the job above.
    :param skills: ids of its skills, with the qualifiers that it takes.
    """

    parent: str | None = None
    skills: dict[str, Qualifiers] = field(default_factory=dict)


@dataclass(kw_only=True)
class Skill(Named):
    """
    A skill.

    :param library: id of its library.
    :param parents: external ids of the skills above.
    """

    created_at: float
    updated_at: float
    library: str | None = None
    parents: list[str] = field(default_factory=list)
    status: SkillStatus = "published"


@dataclass
class Power:
    """
    A skill of a user.

    :param external_id: that of the latest review.
    """

    id: str
    skill: str
    user: str
    created_at: float
    updated_at: float
    status: PowerStatus = "toAssess"
    external_id: str | None = None
    qualifiers: Qualifiers = field(default_factory=dict)


AnyNamed = TypeVar("AnyNamed", bound=Named)


@dataclass
class Skills:
    """
    All skills, jobs and libraries by external id, and powers by skill and user.

    :param budget: bounds their memory.
    :param user_jobs: external ids of the jobs of a user, by id of the user: current, target and previous ones.
    """

    budget: MemoryBudget
    skills: dict[str, Skill] = field(default_factory=dict)
    jobs: dict[str, Job] = field(default_factory=dict)
    libraries: dict[str, Library] = field(default_factory=dict)
    powers: dict[tuple[str, str], Power] = field(default_factory=dict)
    user_jobs: dict[str, Mapping[str, list[str]]] = field(default_factory=dict)

    def put(self, items: dict[str, AnyNamed], item: AnyNamed) -> AnyNamed:
        """Add an item, or replace the one with its external id."""
        if item.external_id not in items:
            self.budget.take()
        items[item.external_id] = item
        return item

    def review(self, skill: Skill, user: str, id: str, now: float) -> Power:
        """Return the power of a user after a review, a new one with this id if there was none."""
        power = self.powers.get((skill.id, user))
        if power is None:
            self.budget.take()
            power = self.powers[skill.id, user] = Power(id, skill.id, user, created_at=now, updated_at=now)
        power.updated_at = now
        return power

    def replace_jobs(self, user: str, jobs: Mapping[str, list[str]]) -> None:
        """Replace the jobs of a user, by kind."""
        if user not in self.user_jobs:
            self.budget.take()
        self.user_jobs[user] = jobs

    def skill(self, id: str) -> Skill | None:
        """Return the skill with an id, its own one or that of another system."""
        return find(self.skills, id)

    def job(self, id: str) -> Job | None:
        """Return the job with an id, its own one or that of another system."""
        return find(self.jobs, id)

    def delete_skill(self, skill: Skill) -> None:
        """Delete a skill, also from jobs and users."""
        del self.skills[skill.external_id]
        for job in self.jobs.values():
            job.skills.pop(skill.id, None)
        for key in [key for key in self.powers if key[0] == skill.id]:
            del self.powers[key]

    def delete_job(self, job: Job) -> None:
        """Delete a job, also from users."""
        del self.jobs[job.external_id]
        for kinds in self.user_jobs.values():
            for ids in kinds.values():
                if job.external_id in ids:
                    ids.remove(job.external_id)

    def delete_library(self, library: Library) -> None:
        """Delete a library; its skills stay, without a library (assumption)."""
        del self.libraries[library.external_id]
        for skill in self.skills.values():
            if skill.library == library.id:
                skill.library = None


def find(items: Mapping[str, AnyNamed], id: str) -> AnyNamed | None:
    """Return the item with an external id, or with this id."""
    return items.get(id) or next((each for each in items.values() if each.id == id), None)


def has_cycle(parents: Mapping[str, Iterable[str]]) -> bool:
    """
    Return whether a skill is above itself.

    :param parents: external ids of the skills above, by that of a skill.
    """
    try:
        TopologicalSorter(parents).prepare()
    except CycleError:
        return True
    return False
