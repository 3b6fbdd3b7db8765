"""Operators for statistics: those of other platforms in, those of 360Learning out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_360learning.operators.bulk import Learning360RowsOperator
from airflow_provider_360learning.operators.exports import Learning360ExportOperator

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from airflow_provider_360learning.api.v1 import ApiV1
    from airflow_provider_360learning.files.formats import Format
    from airflow_provider_360learning.rows.run import Options
    from airflow_provider_360learning.rows.writers import RowWriter


class Learning360ImportStatisticsOperator(Learning360RowsOperator):
    """
    Import what learners did in courses of another platform (``importExternalCoursesStats``), 20 rows a request.

    RowSchema: ``external_id``, ``mail``, ``progress`` (0-100), ``time_spent_seconds``, ``first_activity`` and
    ``last_activity`` (ISO 8601 with a time zone, or seconds or milliseconds since 1970), which API v2 will require as
    well; and ``score`` (0-100), ``result`` (success, failed), ``completed_at``.

    What v1 does with a statistic that is sent twice is not known. Requests whose outcome is unknown, and those that an
    attempt that was ended may have sent, are therefore reported as ``unknown``, and not sent again by themselves.

    .. seealso:: :class:`~airflow_provider_360learning.operators.bulk.Learning360RowsOperator` for all other arguments,
        docs/bulk.md, and https://360learning.readme.io/docs

    :param group_id: Id of the group in whose library the courses are.
    :param external_platform: Name of the provider.
    :param verify_users_exist: Whether mails that nobody has are found before anything is sent, by one listing of all users.
    :param resend_unconfirmed: Whether to send again what may have been taken.
    """

    group_id: str
    external_platform: str
    verify_users_exist: bool
    resend_unconfirmed: bool

    def __init__(
        self,
        *,
        group_id: str,
        external_platform: str,
        verify_users_exist: bool = True,
        resend_unconfirmed: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._assign_arguments(locals())

    def _work(self, api: ApiV1, options: Options) -> RowWriter:
        from airflow_provider_360learning.api.values import check_flag
        from airflow_provider_360learning.rows.external import statistics_work

        return statistics_work(
            api,
            self.group_id,
            self.external_platform,
            verify_users_exist=check_flag("verify_users_exist", self.verify_users_exist),
            resend_unconfirmed=options.resend_unconfirmed,
        )


class Learning360ExportCourseStatisticsOperator(Learning360ExportOperator):
    """
    Export the attempts of all users at all courses in an interval (``getCoursesStats``), proven complete.

    v1 cuts its answers at a number that nobody knows, so each is proven by asking for its halves; docs/exports.md says
    how. The result also has ``incomplete_at``, ``largest_answer`` and ``likely_cap``.

    By ``completed_at``, a file has the attempts that were completed in its interval: a fact that stays, so that a rerun
    replaces it by an equal one. By ``last_activity_at``, each run adds a file of its own to the folder ``path``, with
    what changed, completed or not: merge on ``attempt_id``, the latest ``last_activity`` wins (v1 only).

    .. seealso:: :class:`~airflow_provider_360learning.operators.exports.Learning360ExportOperator` for all other
        arguments, docs/exports.md, and https://360learning.readme.io/docs

    :param date_field: ``completed_at`` or ``last_activity_at``.
    :param interval_start: The first moment of the interval; by default that of the DAG run's data interval.
    :param interval_end: The first moment after it; by default that of the DAG run's data interval.
    :param overlap: By how much (or how many seconds) the interval begins earlier, for what arrives late.
    :param allow_incomplete: Go on with a warning where it cannot be proven that all attempts came, instead of failing.
    """

    date_field: str
    interval_start: Any
    interval_end: Any
    overlap: Any
    allow_incomplete: bool

    def __init__(
        self,
        *,
        date_field: str = "completed_at",
        interval_start: datetime | str | None = None,
        interval_end: datetime | str | None = None,
        overlap: timedelta | float | str = 0,
        allow_incomplete: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._assign_arguments(locals())

    def _export(self, api: ApiV1, format: Format | None, context: Mapping[str, Any]) -> dict[str, Any]:
        from airflow_provider_360learning.api.values import check_flag
        from airflow_provider_360learning.exports.course_statistics import export_course_statistics
        from airflow_provider_360learning.exports.interval import interval_of

        return export_course_statistics(
            api,
            self.output_path,
            interval_of(self.interval_start, self.interval_end, self.overlap, context),
            date_field=self.date_field,
            format=format,
            allow_incomplete=check_flag("allow_incomplete", self.allow_incomplete),
        )


class Learning360ExportPathSessionStatisticsOperator(Learning360ExportOperator):
    """
    Export what the learners of path sessions did (``getUsersPathSessionStats``, one request a session).

    By ``completed_at``, a file has who completed a session in its interval. With ``date_field=None``, it has where everybody
    stands now. The result also has ``sessions`` and ``deleted_meanwhile``, their numbers.

    .. seealso:: :class:`~airflow_provider_360learning.operators.exports.Learning360ExportOperator` for all other
        arguments, docs/exports.md, and https://360learning.readme.io/docs

    :param session_ids: Ids of the sessions; by default all sessions of all paths.
    :param date_field: ``completed_at``, or ``None``.
    :param interval_start: The first moment of the interval; by default that of the DAG run's data interval.
    :param interval_end: The first moment after it; by default that of the DAG run's data interval.
    :param overlap: By how much (or how many seconds) the interval begins earlier, for what arrives late.
    """

    session_ids: Any
    date_field: str | None
    interval_start: Any
    interval_end: Any
    overlap: Any

    def __init__(
        self,
        *,
        session_ids: Sequence[str] | None = None,
        date_field: str | None = "completed_at",
        interval_start: datetime | str | None = None,
        interval_end: datetime | str | None = None,
        overlap: timedelta | float | str = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._assign_arguments(locals())

    def _export(self, api: ApiV1, format: Format | None, context: Mapping[str, Any]) -> dict[str, Any]:
        from airflow_provider_360learning.api.values import check_choice, check_ids
        from airflow_provider_360learning.exports.interval import interval_of
        from airflow_provider_360learning.exports.path_sessions import export_path_session_statistics

        is_partitioned = self.date_field is not None and check_choice("date_field", self.date_field, ("completed_at",))
        return export_path_session_statistics(
            api,
            self.output_path,
            interval_of(self.interval_start, self.interval_end, self.overlap, context) if is_partitioned else None,
            session_ids=None if self.session_ids is None else check_ids("session_ids", self.session_ids),
            format=format,
        )
