"""Sensors for courses."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, ClassVar

from airflow_provider_360learning.sensors.base import Learning360BaseSensor


class Learning360CourseCompletionSensor(Learning360BaseSensor):
    """
    Wait until a user has completed a course (``getUserCourseStats``).

    The result has the keys ``attempts`` (number of attempts of the user at the course), ``completed`` (number of those
    that count), ``progress`` (the highest of them, 0 to 100) and ``pending`` (an empty list).

    .. seealso:: :meth:`airflow_provider_360learning.api.interface.LearningApi.get_user_course_stats` and
        docs/sensors.md

    :param course_id: Id of the course.
    :param course: Name of the course instead of ``course_id``.
    :param user: Email address or id of the user.
    :param since: Completions before this time do not count: a datetime, or ISO 8601, with a time zone. By default all
        completions count.
    :param min_score: Minimum score, 0 to 100.
    """

    subject: ClassVar[str] = "course"
    required_pairs = (("course_id", "course"),)
    name_arguments = ("course", "course_id", "user")
    template_fields: Sequence[str] = ("learning360_conn_id", "course_id", "course", "user", "since", "min_score")

    def __init__(
        self,
        *,
        course_id: str | None = None,
        course: str | None = None,
        user: str,
        since: datetime | str | None = None,
        min_score: float | str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._check_required_pairs(locals())
        self.course_id = course_id
        self.course = course
        self.user = user
        self.since = since
        self.min_score = min_score
