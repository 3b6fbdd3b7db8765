"""When a user has completed a course."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, TypedDict

from pydantic import Field

from airflow_provider_360learning.api.models.fields import COURSE, CourseName, Id, Percent, Timestamp, User, id_or_name
from airflow_provider_360learning.api.models.parsers import parse_timestamp
from airflow_provider_360learning.api.text import counted, one_line
from airflow_provider_360learning.completion.condition import CompletionCondition, CompletionStatus

if TYPE_CHECKING:
    from airflow_provider_360learning.api.interface import LearningApi
    from airflow_provider_360learning.api.results import CourseAttempt
    from airflow_provider_360learning.api.types import ActionSteps


class CourseCompletionResult(TypedDict):
    """
    Result of a wait for a course.

    ``attempts`` is the number of attempts of the user at the course, ``completed`` the number of attempts that count,
    ``progress`` the highest progress of them (0 to 100), and ``pending`` the user, unless the course is completed.
    """

    attempts: int
    completed: int
    progress: float
    pending: list[str]


class CourseCompletion(CompletionCondition):
    """A user has completed a course."""

    subject: ClassVar[str] = "course"

    course_id: Id = id_or_name("Id of the course.")
    course: CourseName = COURSE
    user: User = Field(description="Email address or id of the user.")
    since: Timestamp | None = Field(default=None, description="Completions before this time do not count.")
    min_score: Percent | None = Field(default=None, description="Minimum score, 0 to 100.")

    def poll(self, api: LearningApi) -> ActionSteps[CompletionStatus]:
        """See :meth:`CompletionCondition.poll`."""
        attempts = yield from api.get_user_course_stats.steps(course_id=self.course_id, user=self.user)
        completed = [attempt for attempt in attempts if self._counts(attempt)]
        result = CourseCompletionResult(
            attempts=len(attempts),
            completed=len(completed),
            progress=max((attempt["progress"] or 0 for attempt in attempts), default=0),
            pending=[] if completed else [self.user],
        )
        return CompletionStatus(bool(completed), result, self._progress(result))

    def _progress(self, result: CourseCompletionResult) -> str:
        user = one_line(self.user)
        if result["completed"]:
            return f"{user} has completed the course"
        if not result["attempts"]:
            return f"{user} has not started the course"
        return f"{user} is at {result['progress']:g} % of the course ({counted(result['attempts'], 'attempt')})"

    def _counts(self, attempt: CourseAttempt) -> bool:
        if not attempt["completed_at"]:
            return False
        if self.since is not None and parse_timestamp(attempt["completed_at"]) < self.since:
            return False
        return self.min_score is None or (attempt["score"] or 0) >= self.min_score
