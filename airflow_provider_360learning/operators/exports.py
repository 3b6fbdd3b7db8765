"""Operators that write what 360Learning knows to files: users, groups, who is in them, courses, paths, sessions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, cast, get_args

from airflow_provider_360learning import config
from airflow_provider_360learning.operators.base import Learning360BaseOperator, fail_on_permanent_error, log_api_usage

if TYPE_CHECKING:
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

        with log_api_usage(self.hook, self.log), fail_on_permanent_error():
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
