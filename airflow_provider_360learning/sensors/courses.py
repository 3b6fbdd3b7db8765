"""Sensors for courses."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow_provider_360learning.sensors.base import Learning360BaseSensor

if TYPE_CHECKING:
    from airflow_provider_360learning.completion.conditions import CompletionCondition


class Learning360CourseCompletionSensor(Learning360BaseSensor):
    """
    Wait until a user has completed a course (``getUserCourseStats``).

    Its XCom is ``{"attempts", "completed", "progress", "pending"}``.

    .. seealso:: :meth:`airflow_provider_360learning.api.v1.courses.CourseActions.get_user_course_stats` and
        https://360learning.readme.io/docs

    :param course_id: Id of the course.
    :param user: Mail or id.
    :param since: Completions before this moment do not count: a datetime, or ISO 8601 text, with a time zone. By
        default any completion counts, however old.
    :param min_score: Lowest score, 0 to 100, that counts.
    """

    template_fields: Sequence[str] = ("learning360_conn_id", "course_id", "user", "since", "min_score")

    def __init__(
        self,
        *,
        course_id: str,
        user: str,
        since: datetime | str | None = None,
        min_score: float | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.course_id = course_id
        self.user = user
        self.since = since
        self.min_score = min_score

    def question(self) -> CompletionCondition:
        """Return what is asked."""
        from airflow_provider_360learning.completion.conditions import CourseCompletion

        since = self.since.isoformat() if isinstance(self.since, datetime) else self.since
        return CourseCompletion(course_id=self.course_id, user=self.user, since=since, min_score=self.min_score)
