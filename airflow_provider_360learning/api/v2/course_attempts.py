"""Course statistics of API v2."""

from __future__ import annotations

from datetime import datetime

from airflow_provider_360learning.api.course_attempts import AttemptSink, AttemptsSummary, DateField
from airflow_provider_360learning.api.v2.lookups import Lookups
from airflow_provider_360learning.api.v2.stubs import not_built


class CourseAttemptActions(Lookups):
    """Read the attempts of all users at all courses."""

    def read_course_attempts(
        self,
        *,
        interval_start: datetime,
        interval_end: datetime,
        sink: AttemptSink,
        date_field: DateField = "completed_at",
        allow_incomplete: bool = False,
    ) -> AttemptsSummary:
        """
        Read the attempts of an interval.

        .. seealso:: :meth:`~..course_attempts.ReadsCourseAttempts.read_course_attempts` for the arguments.
        """
        raise not_built("read_course_attempts")  # STUB
