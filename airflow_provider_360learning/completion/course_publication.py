"""When courses have been published since a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, TypedDict

from pydantic import Field, PrivateAttr

from airflow_provider_360learning.api.models.base import NameOf
from airflow_provider_360learning.api.models.fields import GROUP, Id, Text, Timestamp
from airflow_provider_360learning.api.models.parsers import normalized
from airflow_provider_360learning.api.text import counted, listed
from airflow_provider_360learning.completion.condition import MAX_PROGRESS, CompletionCondition, CompletionStatus
from airflow_provider_360learning.completion.required import AtLeastOne
from airflow_provider_360learning.exceptions import NotFoundError

if TYPE_CHECKING:
    from airflow_provider_360learning.api.course_results import CourseRecord
    from airflow_provider_360learning.api.interface import LearningApi
    from airflow_provider_360learning.api.types import ActionSteps

#: Maximum number of courses in a result, which is stored in the metadata database.
MAX_COURSES = 20


class CoursePublicationResult(TypedDict):
    """Result of a wait for courses: ``courses`` is their number, and ``course_ids`` has the ids of the first 20."""

    courses: int
    course_ids: list[str]


class CoursePublication(CompletionCondition):
    """
    Courses that were created, or modified, since a time are published.

    No version of the API returns when a course was published.
    """

    subject: ClassVar[str] = "course_publication"

    since: Timestamp = Field(description="Only courses created, or modified, at this time or later count.")
    date_field: Literal["created_at", "modified_at"] = Field(
        default="created_at",
        description="Whether ``since`` is compared with 'created_at' or 'modified_at'. Neither is the time of "
        "publication: a draft that was created earlier counts with 'modified_at' only, as does a published course that "
        "is edited.",
    )
    name: Text | None = Field(default=None, description="Only courses with this name count.")
    group_id: Id | None = Field(default=None, description="Only courses of the group with this id count.")
    group: Annotated[Text | None, NameOf("group", "group_id")] = GROUP
    min_courses: AtLeastOne = Field(default=1, description="Minimum number of courses.")
    #: Ids of groups, in lower case, by id of the course.
    _groups: dict[str, str] = PrivateAttr(default_factory=dict)

    def poll(self, api: LearningApi) -> ActionSteps[CompletionStatus]:
        """See :meth:`CompletionCondition.poll`."""
        if self.date_field == "created_at":
            courses = yield from api.list_courses.steps(created_after=self.since)
        else:
            courses = yield from api.list_courses.steps(modified_after=self.since)
        found = [course for course in courses if self._counts(course)]
        if self.group_id is not None:
            found = yield from self._of_group(api, found, self.group_id)
        ids = [course["course_id"] for course in found if course["course_id"]]
        result = CoursePublicationResult(courses=len(found), course_ids=ids[:MAX_COURSES])
        return CompletionStatus(len(found) >= self.min_courses, result, self._progress(found))

    def _counts(self, course: CourseRecord) -> bool:
        return course["status"] == "published" and (self.name is None or normalized(course["name"]) == self.name)

    def _of_group(
        self, api: LearningApi, courses: list[CourseRecord], group_id: str
    ) -> ActionSteps[list[CourseRecord]]:
        """Return the courses of a group. A course that is listed without its group is looked up once."""
        found = []
        for course in courses:
            id = course["course_id"] or ""
            if id and id not in self._groups:
                try:
                    details = course if course["group_id"] else (yield from api.get_course.steps(course_id=id))
                except NotFoundError:  # it was deleted meanwhile
                    continue
                self._groups[id] = (details["group_id"] or "").lower()
            if self._groups.get(id) == group_id.lower():
                found.append(course)
        return found

    def _progress(self, courses: list[CourseRecord]) -> str:
        text = f"{counted(len(courses), 'course')} published since {self.since.isoformat()}"
        if len(courses) < self.min_courses and self.min_courses > 1:
            text += f" ({self.min_courses:,} needed)"
        if not courses:
            return text
        text += ": "
        names = [normalized(course["name"]) or course["course_id"] or "" for course in courses]
        return text + listed(names, MAX_PROGRESS - len(text))
