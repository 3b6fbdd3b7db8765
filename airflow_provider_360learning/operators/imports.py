"""Operators that import what other platforms hold: statistics of their learners, and their courses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_360learning.operators.bulk import Learning360RowsOperator

if TYPE_CHECKING:
    from airflow_provider_360learning.api.interface import LearningApi
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

    def _work(self, api: LearningApi, options: Options) -> RowWriter:
        from airflow_provider_360learning.api.models.base import parse_argument
        from airflow_provider_360learning.api.models.fields import parse_boolean
        from airflow_provider_360learning.rows.external import statistics_work

        return statistics_work(
            api,
            self.group_id,
            self.external_platform,
            verify_users_exist=parse_argument("verify_users_exist", parse_boolean, self.verify_users_exist),
            resend_unconfirmed=options.resend_unconfirmed,
        )


class Learning360ImportExternalCoursesOperator(Learning360RowsOperator):
    """
    Create courses of another platform, or bring them up to date (``importExternalCourses``).

    RowSchema: ``external_id``, ``title``, ``launch_url``, ``language``; and ``description`` (HTML),
    ``mobile_launch_url``, ``thumbnail_url``, ``authors``, ``alternative_languages``, ``duration_minutes``,
    ``difficulty_level`` (beginner, intermediate, advanced), ``content_type``.

    .. seealso:: :class:`~airflow_provider_360learning.operators.bulk.Learning360RowsOperator` for all other arguments,
        docs/bulk.md, and https://360learning.readme.io/docs

    :param group_id: Id of the group whose library receives them.
    :param external_platform: Name of the provider.
    :param author_id: Id of an author or admin of the group.
    """

    group_id: str
    external_platform: str
    author_id: str

    def __init__(self, *, group_id: str, external_platform: str, author_id: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._assign_arguments(locals())

    def _work(self, api: LearningApi, options: Options) -> RowWriter:
        from airflow_provider_360learning.rows.external import courses_work

        return courses_work(api, self.group_id, self.external_platform, self.author_id)
