"""Operators that export data of 360Learning to files: statistics, users, groups, members, courses, paths, sessions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, get_args

from airflow_provider_360learning import config
from airflow_provider_360learning.operators.base import Learning360BaseOperator
from airflow_provider_360learning.task_mixins import fail_on_permanent_error

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_360learning.api.interface import LearningApi
    from airflow_provider_360learning.exports.summary import ExportResult
    from airflow_provider_360learning.files.formats import FileOptions
    from airflow_provider_360learning.files.storage import StoragePath


class Learning360ExportOperator(Learning360BaseOperator):
    """
    Export to a file that appears whole or not at all, and replaces an existing one.

    Returns ``output_path``, ``rows``, ``interval_start``, ``interval_end``, ``highest_timestamp``, ``complete`` and
    ``invalid_values``, and attaches the same to the asset events of the task's outlets. It only reads, perhaps for a
    long time, so it runs in ``default_pool`` and leaves the shared pool to tasks that write. Columns and types:
    docs/exports.md.

    :param output_path: Path of the file: anything that ``ObjectStoragePath`` accepts.
    :param format: ``csv``, ``jsonl`` or ``parquet``; by default the suffix of ``output_path`` decides.
    :param escape_formulas: Whether strings in CSV get an apostrophe in front that a spreadsheet would execute as
        formulas. Off by default, because other programs read it as part of the value.
    :param file_mode: Permissions of a new file on this host, such as ``"0640"`` for a loader in the same group; by
        default the option ``file_mode`` of the Airflow configuration.
    """

    documentation_page = "exports.md"
    name_arguments = ("output_path",)
    output_path: StoragePath
    format: str | None
    escape_formulas: bool
    file_mode: str | int | None

    def __init__(
        self,
        *,
        output_path: StoragePath,
        format: str | None = None,
        escape_formulas: bool = False,
        file_mode: str | int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._assign_arguments(locals())

    @staticmethod
    def default_pool() -> str:
        """Return the pool for DAGs that name none."""
        return config.AIRFLOW_DEFAULT_POOL

    def execute(self, context: Context) -> ExportResult:
        """Write the file, and return the result."""
        from airflow.providers.common.compat.sdk import Asset

        with self.hook.log_api_usage(), fail_on_permanent_error():
            options = self._options()
            self._check_destination(options)
            result = self._export(self.hook.api, options, context)
        self._count_rows(result["rows"])
        for outlet in self.outlets if "outlet_events" in context else ():
            if isinstance(outlet, Asset):
                extra: dict[str, Any] = {**result}  # Any: mypy takes the values of any TypedDict for objects
                context["outlet_events"][outlet].extra = extra
        return result

    def _count_rows(self, rows: int) -> None:
        from airflow_provider_360learning.metrics import EXPORTED_ROWS, Metrics

        metrics = Metrics(self.learning360_conn_id, self.hook.api.client.spec.name)
        metrics.count(EXPORTED_ROWS, rows, operator=type(self).__name__)

    def _options(self) -> FileOptions:
        from airflow_provider_360learning.api.models.base import parse_argument, parse_choice
        from airflow_provider_360learning.api.models.parsers import parse_boolean
        from airflow_provider_360learning.files.formats import Format

        options: FileOptions = {
            "escape_formulas": parse_argument("escape_formulas", parse_boolean, self.escape_formulas),
            "file_mode": self._file_mode(),
        }
        if self.format:
            options["format"] = parse_argument("format", parse_choice(*get_args(Format)), self.format)
        return options

    def _wants_mails(self) -> bool:
        from airflow_provider_360learning.api.models.base import parse_argument
        from airflow_provider_360learning.api.models.parsers import parse_boolean

        return parse_argument("with_mails", parse_boolean, getattr(self, "with_mails", False))

    def _file_mode(self) -> int:
        from airflow_provider_360learning.api.models.parsers import is_missing
        from airflow_provider_360learning.exceptions import InvalidRequestError

        if is_missing(self.file_mode):
            return config.file_mode()
        try:
            return config.parse_file_mode(self.file_mode)
        except ValueError as error:
            problem = f"file_mode is {self.file_mode!r:.40}: {error}."
        raise InvalidRequestError(problem, argument="file_mode")

    def _check_destination(self, options: FileOptions) -> None:
        """Verify that the file can be written, before anything is read."""
        from airflow_provider_360learning.files.storage import check_file, check_folder
        from airflow_provider_360learning.files.store_errors import naming

        with naming("output_path", "Nothing was exported."):
            if self._adds_files():
                check_folder(self.output_path, file_mode=options["file_mode"], only_adds=True)
            else:
                check_file(self.output_path, file_mode=options["file_mode"])

    def _adds_files(self) -> bool:
        """Return whether ``output_path`` is a folder, to which each run adds a file."""
        return False

    def _export(self, api: LearningApi, options: FileOptions, context: Context) -> ExportResult:
        """Write the file."""
        raise NotImplementedError


class Learning360ListingExportOperator(Learning360ExportOperator):
    """Export all objects of a kind in their current state."""

    #: Name of the export.
    kind: ClassVar[str]

    def _export(self, api: LearningApi, options: FileOptions, context: Context) -> ExportResult:
        from airflow_provider_360learning.exports.listings import export_listing

        return export_listing(api, self.kind, self.output_path, with_mails=self._wants_mails(), **options)


class Learning360ExportUsersOperator(Learning360ListingExportOperator):
    """
    Export all users (``getUsers``).

    .. seealso:: :class:`Learning360ExportOperator` for all arguments, and docs/exports.md.
    """

    kind = "users"
    actions = ("read_users",)


class Learning360ExportGroupsOperator(Learning360ListingExportOperator):
    """
    Export all groups (``getGroups``).

    .. seealso:: :class:`Learning360ExportOperator` for all arguments, and docs/exports.md.
    """

    kind = "groups"
    actions = ("list_groups",)


class Learning360ExportMembershipsOperator(Learning360ListingExportOperator):
    """
    Export the members of all groups with their roles (``getGroup``, one request per group).

    .. seealso:: :class:`Learning360ExportOperator` for all other arguments, and docs/exports.md.

    :param with_mails: Look up email addresses in API v2, which returns ids only: all users are read once. API v1 has
        them anyway.
    """

    kind = "memberships"
    #: The last one with ``with_mails`` only.
    actions = ("list_groups", "list_group_members", "read_users")
    with_mails: bool

    def __init__(self, *, with_mails: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._assign_arguments(locals())


class Learning360ExportCoursesOperator(Learning360ListingExportOperator):
    """
    Export all courses (``getCourses``).

    .. seealso:: :class:`Learning360ExportOperator` for all other arguments, and docs/exports.md.

    :param with_mails: Look up the email addresses of authors in API v2, which returns ids only: all users are read
        once. API v1 has them anyway.
    """

    kind = "courses"
    #: The last one with ``with_mails`` only.
    actions = ("list_courses", "read_users")
    with_mails: bool

    def __init__(self, *, with_mails: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._assign_arguments(locals())


class Learning360ExportPathsOperator(Learning360ListingExportOperator):
    """
    Export all paths (``getPaths``).

    .. seealso:: :class:`Learning360ExportOperator` for all arguments, and docs/exports.md.
    """

    kind = "paths"
    actions = ("list_paths",)


class Learning360ExportPathSessionsOperator(Learning360ListingExportOperator):
    """
    Export all sessions of all paths (``getPathSessions``).

    .. seealso:: :class:`Learning360ExportOperator` for all arguments, and docs/exports.md.
    """

    kind = "path_sessions"
    actions = ("list_path_sessions",)


class Learning360ExportCourseStatisticsOperator(Learning360ExportOperator):
    """
    Export the attempts of all users at all courses in an interval (``getCoursesStats``), proven complete.

    API v1 cuts its responses at a number that is not documented, so each response is proven by requesting its halves;
    docs/exports.md explains how. The result also has ``incomplete_at``, ``largest_response`` and ``likely_cap``.

    By ``completed_at``, a file has the attempts that were completed in its interval. They do not change, so that a
    rerun replaces the file by an equal one. By ``last_activity_at``, each run adds a file to the folder
    ``output_path``, with all attempts that changed, completed or not: merge them on ``attempt_id``; the latest
    ``last_activity`` wins (API v1 only).

    .. seealso:: :class:`Learning360ExportOperator` for all other arguments, and docs/exports.md.

    :param date_field: ``completed_at`` or ``last_activity_at``.
    :param interval_start: Start of the interval, which belongs to it; by default that of the run's data interval.
    :param interval_end: End of the interval, which does not; by default that of the run's data interval.
    :param overlap: A timedelta, or a number of seconds, by which the interval starts earlier, for late data.
    :param allow_incomplete: Warn where it cannot be proven that all attempts came, instead of failing.
    :param with_mails: Look up email addresses in API v2, which returns ids only: all users are read once. API v1 has
        them anyway.
    """

    #: The last one with ``with_mails`` only.
    actions = ("read_course_attempts", "read_users")
    date_field: str
    interval_start: datetime | str | None
    interval_end: datetime | str | None
    overlap: timedelta | float | str
    allow_incomplete: bool
    with_mails: bool

    def __init__(
        self,
        *,
        date_field: str = "completed_at",
        interval_start: datetime | str | None = None,
        interval_end: datetime | str | None = None,
        overlap: timedelta | float | str = 0,
        allow_incomplete: bool = False,
        with_mails: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._assign_arguments(locals())

    def _adds_files(self) -> bool:
        return self.date_field == "last_activity_at"

    def _export(self, api: LearningApi, options: FileOptions, context: Context) -> ExportResult:
        from airflow_provider_360learning.api.course_attempts import DateField
        from airflow_provider_360learning.api.models.base import parse_argument, parse_choice
        from airflow_provider_360learning.api.models.parsers import parse_boolean
        from airflow_provider_360learning.exports.course_statistics import export_course_statistics
        from airflow_provider_360learning.exports.interval import interval_of

        date_field: DateField = parse_argument("date_field", parse_choice(*get_args(DateField)), self.date_field)
        return export_course_statistics(
            api,
            self.output_path,
            interval_of(self.interval_start, self.interval_end, self.overlap, context),
            date_field=date_field,
            allow_incomplete=parse_argument("allow_incomplete", parse_boolean, self.allow_incomplete),
            with_mails=self._wants_mails(),
            **options,
        )


class Learning360ExportPathSessionStatisticsOperator(Learning360ExportOperator):
    """
    Export the statistics of the learners of path sessions (``getUsersPathSessionStats``, one request per session).

    API v2 reads all sessions together (``getPathStats``, one request per 2,000 learners).

    By ``completed_at``, a file has the learners who completed a session in its interval. With ``date_field=None``, it
    has the current state of all learners. The result also has ``sessions`` and ``deleted_meanwhile``, their
    numbers.

    .. seealso:: :class:`Learning360ExportOperator` for all other arguments, and docs/exports.md.

    :param session_ids: Ids of the sessions; by default all sessions of all paths.
    :param sessions: Names of the sessions instead of ``session_ids``.
    :param path_id: Id of the path of the sessions that are named.
    :param path: Its name instead of ``path_id``.
    :param date_field: ``completed_at``, or ``None``.
    :param interval_start: Start of the interval, which belongs to it; by default that of the run's data interval.
    :param interval_end: End of the interval, which does not; by default that of the run's data interval.
    :param overlap: A timedelta, or a number of seconds, by which the interval starts earlier, for late data.
    :param with_mails: Look up ``user_mail`` and ``deleted`` in API v2, which returns ids only: all users are read once.
        API v1 has them anyway.
    """

    #: The last one with ``with_mails`` only.
    actions = ("list_path_sessions", "list_path_session_stats", "read_users")
    session_ids: Sequence[str] | str | None
    sessions: Sequence[str] | str | None
    path_id: str | None
    path: str | None
    date_field: str | None
    interval_start: datetime | str | None
    interval_end: datetime | str | None
    overlap: timedelta | float | str
    with_mails: bool

    def __init__(
        self,
        *,
        session_ids: Sequence[str] | str | None = None,
        sessions: Sequence[str] | str | None = None,
        path_id: str | None = None,
        path: str | None = None,
        date_field: str | None = "completed_at",
        interval_start: datetime | str | None = None,
        interval_end: datetime | str | None = None,
        overlap: timedelta | float | str = 0,
        with_mails: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._assign_arguments(locals())

    def _export(self, api: LearningApi, options: FileOptions, context: Context) -> ExportResult:
        from airflow_provider_360learning.api.models.base import parse_argument, parse_choice, validate
        from airflow_provider_360learning.api.models.parsers import is_missing
        from airflow_provider_360learning.api.models.paths import PathSessions
        from airflow_provider_360learning.exports.interval import interval_of
        from airflow_provider_360learning.exports.path_sessions import export_path_session_statistics

        has_interval = self.date_field is not None and parse_argument(
            "date_field", parse_choice("completed_at"), self.date_field
        )
        values = {name: getattr(self, name) for name in ("session_ids", "sessions", "path_id", "path")}
        for name in ("session_ids", "sessions"):
            if values[name] is not None and is_missing(values[name]):
                values[name] = ()  # a template that renders to nothing selects no session, instead of all
        given = validate(PathSessions, "export", values)
        selected = api.client.run(api.names.resolved(given))
        return export_path_session_statistics(
            api,
            self.output_path,
            interval_of(self.interval_start, self.interval_end, self.overlap, context) if has_interval else None,
            session_ids=selected.session_ids,
            with_mails=self._wants_mails(),
            **options,
        )
