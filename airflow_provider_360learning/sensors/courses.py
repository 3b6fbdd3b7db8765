"""Sensors for courses."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from airflow.providers.common.compat.sdk import AirflowException

from airflow_provider_360learning.sensors.base import NOT_GIVEN, Learning360BaseSensor


class Learning360CourseCompletionSensor(Learning360BaseSensor):
    """
    Wait until a user has completed a course (``getUserCourseStats``).

    The result has the keys ``attempts`` (number of attempts of the user at the course), ``completed`` (number of those
    that count), ``progress`` (the highest of them, 0 to 100) and ``pending`` (an empty list). With ``users_from``, the
    sensor waits until all of the users have completed the course; the result then has the keys ``users`` (number of
    users that count; deleted ones do not), ``done`` (number of those who have completed the course), ``pending`` (an
    empty list) and ``pending_invitations`` (number of people who were left out because they have not accepted their
    invitation).

    .. seealso:: :meth:`airflow_provider_360learning.api.interface.LearningApi.get_user_course_stats` and
        docs/sensors.md

    :param course_id: Id of the course.
    :param course: Name of the course instead of ``course_id``.
    :param user: Email address or id of the user.
    :param since: Completions before this time do not count: a datetime, or ISO 8601, with a time zone. By default all
        completions count.
    :param min_score: Minimum score, 0 to 100.
    :param users_from: Result of a bulk task, or a list of results, instead of ``user``: the users whose rows were done,
        e.g. ``users_from=accounts.output``. People who have not accepted their invitation are left out and counted; the
        next run includes the people who have accepted. If there is no user, the task is skipped. Needs
        ``deferrable=True`` or ``mode="poke"``.
    :param include_invited: Whether to include them.
    """

    subject = "course"
    actions = (
        "get_user_course_stats",
        "statistics_by_id.ids_in_statistics",
        "statistics_by_id.deleted_among",
        "statistics_by_id.course_completions",
    )
    required_pairs = (("course_id", "course"),)
    name_arguments = ("course", "course_id", "user")
    template_fields: Sequence[str] = (
        "learning360_conn_id",
        "course_id",
        "course",
        "user",
        "since",
        "min_score",
        "users_from",
        "include_invited",
    )

    def __init__(
        self,
        *,
        course_id: str | None = None,
        course: str | None = None,
        user: str | None = None,
        since: datetime | str | None = None,
        min_score: float | str | None = None,
        users_from: Any = NOT_GIVEN,
        include_invited: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._check_required_pairs(locals())
        if (user is None) == (users_from is NOT_GIVEN):
            raise AirflowException(f"{type(self).__name__} {self.task_id!r}: give either user or users_from")
        self.course_id = course_id
        self.course = course
        self.user = user
        self.since = since
        self.min_score = min_score
        self._take_users_from(users_from, include_invited)
        if self._has_users_from:
            self.subject = "course_of_users"
            self._check_remembers_users()

    def _check_remembers_users(self) -> None:
        """
        Refuse to wait for many users where each poll would start over, in a new process.

        :raises AirflowException: if the sensor would reschedule itself.
        """
        if self._pokes_in_new_processes:
            raise AirflowException(
                f"{type(self).__name__} {self.task_id!r}: users_from needs deferrable=True, or mode='poke': with "
                "mode='reschedule', nothing remembers who has completed the course, and each poll would ask about all "
                "users again"
            )


class Learning360CoursePublishedSensor(Learning360BaseSensor):
    """
    Wait until courses that were created, or modified, since a time are published (``getCourses``).

    The result has the keys ``courses`` (number of courses) and ``course_ids`` (ids of the first 20).

    .. seealso:: :meth:`airflow_provider_360learning.api.interface.LearningApi.list_courses` and docs/sensors.md

    :param since: Only courses created, or modified, at this time or later count: a datetime, or ISO 8601, with a time
        zone.
    :param date_field: Whether ``since`` is compared with ``created_at`` or ``modified_at``. Neither is the time of
        publication: a draft that was created earlier counts with ``modified_at`` only, as does a published course that
        is edited.
    :param name: Only courses with this name count.
    :param group_id: Only courses of the group with this id count.
    :param group: Name of the group instead of ``group_id``; where it is not unique, after those of its parents:
        ``Acme/Sales``.
    :param min_courses: Minimum number of courses.
    """

    subject = "course_publication"
    actions = ("list_courses", "get_course")
    name_arguments = ("name", "group", "group_id", "since")
    template_fields: Sequence[str] = (
        "learning360_conn_id",
        "since",
        "date_field",
        "name",
        "group_id",
        "group",
        "min_courses",
    )

    def __init__(
        self,
        *,
        since: datetime | str,
        date_field: str = "created_at",
        name: str | None = None,
        group_id: str | None = None,
        group: str | None = None,
        min_courses: int | str = 1,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.since = since
        self.date_field = date_field
        self.name = name
        self.group_id = group_id
        self.group = group
        self.min_courses = min_courses
