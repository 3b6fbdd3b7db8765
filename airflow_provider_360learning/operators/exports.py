"""Operators that write what 360Learning knows to files: users, groups, who is in them, courses, paths, sessions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, cast, get_args

from airflow_provider_360learning import config
from airflow_provider_360learning.operators.base import Learning360BaseOperator
from airflow_provider_360learning.task_mixins import fail_on_permanent_error

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_360learning.api.v1 import ApiV1
    from airflow_provider_360learning.files.formats import Format


class Learning360ExportOperator(Learning360BaseOperator):
    """
    Writes a file that is there whole or not at all, and replaces what was there before.

    Returns ``{"path", "rows", "interval_start", "interval_end", "highest_timestamp", "complete"}``, and tells the same
    to the asset events of the task's outlets. It only reads, for a long time perhaps: so it runs in ``default_pool``,
    and leaves the shared pool to those who write. RowSchema and types: docs/exports.md.

    :param output_path: StoragePath the file shall be: anything that ``ObjectStoragePath`` takes.
    :param format: ``csv``, ``jsonl`` or ``parquet``; by default the end of ``path`` says it.
    """

    output_path: Any
    format: str | None

    def __init__(self, *, output_path: Any, format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._assign_arguments(locals())

    @staticmethod
    def default_pool() -> str:
        """Name the pool where the DAG names none."""
        return config.AIRFLOW_DEFAULT_POOL

    def execute(self, context: Context) -> dict[str, Any]:
        """WriteSpec the file, and say what there is to say about it."""
        from airflow.providers.common.compat.sdk import Asset

        from airflow_provider_360learning.api.values import check_choice
        from airflow_provider_360learning.files.formats import Format

        with self.hook.log_api_usage(), fail_on_permanent_error():
            format = self.format and cast(Format, check_choice("format", self.format, get_args(Format)))
            result = self._export(self.hook.api, format or None, context)
        for outlet in self.outlets if "outlet_events" in context else ():
            if isinstance(outlet, Asset):
                context["outlet_events"][outlet].extra = dict(result)
        return result

    def _export(self, api: ApiV1, format: Format | None, context: Mapping[str, Any]) -> dict[str, Any]:
        """WriteSpec the file."""
        raise NotImplementedError


class Learning360ListingExportOperator(Learning360ExportOperator):
    """Exports all that there is of a kind, as it is now."""

    #: What is exported.
    kind: ClassVar[str]

    def _export(self, api: ApiV1, format: Format | None, context: Mapping[str, Any]) -> dict[str, Any]:
        from airflow_provider_360learning.exports.listings import export_listing

        return export_listing(api, self.kind, self.output_path, format=format)


class Learning360ExportUsersOperator(Learning360ListingExportOperator):
    """
    Export all users (``getUsers``).

    .. seealso:: :class:`Learning360ExportOperator` for all arguments, docs/exports.md, and
        https://360learning.readme.io/docs
    """

    kind = "users"


class Learning360ExportGroupsOperator(Learning360ListingExportOperator):
    """
    Export all groups (``getGroups``).

    .. seealso:: :class:`Learning360ExportOperator` for all arguments, docs/exports.md, and
        https://360learning.readme.io/docs
    """

    kind = "groups"


class Learning360ExportMembershipsOperator(Learning360ListingExportOperator):
    """
    Export who has which role in which group (``getGroup``, one request a group).

    .. seealso:: :class:`Learning360ExportOperator` for all arguments, docs/exports.md, and
        https://360learning.readme.io/docs
    """

    kind = "memberships"


class Learning360ExportCoursesOperator(Learning360ListingExportOperator):
    """
    Export all courses (``getCourses``).

    .. seealso:: :class:`Learning360ExportOperator` for all arguments, docs/exports.md, and
        https://360learning.readme.io/docs
    """

    kind = "courses"


class Learning360ExportPathsOperator(Learning360ListingExportOperator):
    """
    Export all paths (``getPaths``).

    .. seealso:: :class:`Learning360ExportOperator` for all arguments, docs/exports.md, and
        https://360learning.readme.io/docs
    """

    kind = "paths"


class Learning360ExportPathSessionsOperator(Learning360ListingExportOperator):
    """
    Export all sessions of all paths (``getPathSessions``).

    .. seealso:: :class:`Learning360ExportOperator` for all arguments, docs/exports.md, and
        https://360learning.readme.io/docs
    """

    kind = "path_sessions"


class Learning360ExportCourseStatisticsOperator(Learning360ExportOperator):
    """
    Export the attempts of all users at all courses in an interval (``getCoursesStats``), proven complete.

    v1 cuts its answers at a number that nobody knows, so each is proven by asking for its halves; docs/exports.md says
    how. The result also has ``incomplete_at``, ``largest_answer`` and ``likely_cap``.

    By ``completed_at``, a file has the attempts that were completed in its interval: a fact that stays, so that a rerun
    replaces it by an equal one. By ``last_activity_at``, each run adds a file of its own to the folder ``path``, with
    what changed, completed or not: merge on ``attempt_id``, the latest ``last_activity`` wins (v1 only).

    .. seealso:: :class:`Learning360ExportOperator` for all other
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

    .. seealso:: :class:`Learning360ExportOperator` for all other
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
