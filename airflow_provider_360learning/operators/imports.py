"""Operators that import and archive courses of external providers, and import the statistics of their learners."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_360learning.operators.base import Learning360BaseOperator
from airflow_provider_360learning.operators.bulk import Learning360RowsOperator

if TYPE_CHECKING:
    from airflow_provider_360learning.rows.config import Job


class Learning360ImportStatisticsOperator(Learning360RowsOperator):
    """
    Import statistics of learners in courses of an external provider (``importExternalCoursesStats``).

    Columns: ``external_id``, ``mail``, ``progress`` (0 to 100), ``time_spent_seconds``, ``first_activity`` and
    ``last_activity`` (ISO 8601 with a time zone, or seconds or milliseconds since 1970), which API v2 requires as well;
    and ``score`` (0 to 100), ``result`` (success, failed), ``completed_at``. One request of API v1 has 20 rows; one
    bulk job of API v2 has up to 10,000.

    It is not known what 360Learning does with a statistic that is sent twice. Rows whose outcome is unknown, and rows
    that an earlier attempt may have sent, are therefore reported as ``unknown``, and sent again with
    ``resend_unconfirmed`` only.

    .. seealso:: :class:`~airflow_provider_360learning.operators.bulk.Learning360RowsOperator` for all other arguments,
        and docs/bulk.md

    :param group_id: Id of the group whose library has the courses.
    :param group: Name of the group instead of ``group_id``; where it is not unique, after those of its parents:
        ``Acme/Sales``.
    :param external_platform: Name of the provider.
    :param integration_id: Id of the integration of the group with the provider. API v2 only; by default it is looked
        up.
    :param verify_users_exist: Whether to report unknown email addresses before anything is sent, with one listing of
        all users.
    """

    action = "import_external_course_stats"
    actions = ("import_external_course_stats", "read_users")
    required_pairs = (("group_id", "group"),)
    documentation_page = "import-statistics.md"
    name_arguments = ("external_platform", "group", "group_id", "rows")
    group_id: str | None
    group: str | None
    external_platform: str
    integration_id: str | None
    verify_users_exist: bool

    def __init__(
        self,
        *,
        group_id: str | None = None,
        group: str | None = None,
        external_platform: str,
        integration_id: str | None = None,
        verify_users_exist: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._assign_arguments(locals())
        self._check_sources(rows=self.rows, sql=self.sql)

    def _job(self) -> Job:
        from airflow_provider_360learning.api.models.base import parse_argument
        from airflow_provider_360learning.api.models.parsers import parse_boolean
        from airflow_provider_360learning.rows.config import ImportStatistics

        verify_users_exist = parse_argument("verify_users_exist", parse_boolean, self.verify_users_exist)
        return ImportStatistics(
            self.group_id, self.group, self.external_platform, self.integration_id, verify_users_exist
        )


class Learning360ImportExternalCoursesOperator(Learning360RowsOperator):
    """
    Create or update courses of an external provider (``importExternalCourses``).

    Columns: ``external_id``, ``title``, ``launch_url``, ``language``; and ``description`` (HTML),
    ``mobile_launch_url``, ``thumbnail_url``, ``authors``, ``alternative_languages``, ``duration_minutes``,
    ``difficulty_level`` (beginner, intermediate, advanced), ``content_type``.

    .. seealso:: :class:`~airflow_provider_360learning.operators.bulk.Learning360RowsOperator` for all other arguments,
        and docs/bulk.md

    :param group_id: Id of the group whose library receives the courses.
    :param group: Name of the group instead of ``group_id``; where it is not unique, after those of its parents:
        ``Acme/Sales``.
    :param external_platform: Name of the provider.
    :param integration_id: Id of the integration of the group with the provider. API v2 only; by default it is looked
        up.
    :param author_id: Id of an author or admin of the group.
    """

    action = "import_external_courses"
    required_pairs = (("group_id", "group"),)
    name_arguments = ("external_platform", "group", "group_id", "rows")
    group_id: str | None
    group: str | None
    external_platform: str
    integration_id: str | None
    author_id: str

    def __init__(
        self,
        *,
        group_id: str | None = None,
        group: str | None = None,
        external_platform: str,
        integration_id: str | None = None,
        author_id: str,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._assign_arguments(locals())
        self._check_sources(rows=self.rows, sql=self.sql)

    def _job(self) -> Job:
        from airflow_provider_360learning.rows.config import ImportCourses

        return ImportCourses(self.group_id, self.group, self.external_platform, self.integration_id, self.author_id)


class Learning360ArchiveExternalCoursesOperator(Learning360BaseOperator):
    """
    Archive courses of an external provider (``deleteExternalCourses``), which learners then cannot start any more.

    Importing a course again restores it. Returns ``{"outcome": "archived", "courses"}``; ``courses`` is their number.
    With ``dry_run``, ``outcome`` is ``would_archive``, ``courses`` is the number of those that exist and are not
    archived, and ``missing`` has the external ids of those that do not exist.

    :param group_id: Id of the group whose library has the courses.
    :param group: Name of the group instead of ``group_id``; where it is not unique, after those of its parents:
        ``Acme/Sales``.
    :param external_platform: Name of the provider.
    :param integration_id: Id of the integration of the group with the provider. API v2 only; by default it is looked
        up.
    :param external_ids: The provider's ids of the courses.
    :param dry_run: Whether to change nothing, and only look up and return what would be changed.
    """

    action = "archive_external_courses"
    required_pairs = (("group_id", "group"),)
    name_arguments = ("external_platform", "group", "group_id")

    def __init__(
        self,
        *,
        group_id: str | None = None,
        group: str | None = None,
        external_platform: str,
        integration_id: str | None = None,
        external_ids: Sequence[str],
        dry_run: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._assign_arguments(locals())
