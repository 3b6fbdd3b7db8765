"""The arguments of operators that read rows: a list, a file or a query."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowException

from airflow_provider_360learning.readable_tasks import ReadableTaskMixin
from airflow_provider_360learning.task_mixins import HiddenValue

if TYPE_CHECKING:
    from airflow_provider_360learning.rows.sources import Source


# Any: a rendered value has any type.
def revealed(value: Any) -> Any:
    """Return the value of an argument that may be hidden."""
    return value.value if isinstance(value, HiddenValue) else value


class RowSourceMixin(ReadableTaskMixin):
    """Arguments that name the source of rows; rows themselves are neither shown nor stored by Airflow."""

    task_id: str
    rows: Any
    sql: str | None
    sql_conn_id: str | None
    parameters: Any
    column_mapping: Mapping[str, str | None] | None
    encoding: str | None

    template_ext: Sequence[str] = (".sql",)
    template_fields_renderers = {"sql": "sql", "column_mapping": "json"}  # noqa: RUF012 as Airflow has it

    def _check_sources(self, **sources: object) -> None:
        """
        Refuse several sources of rows, and none, when the DAG file is parsed.

        :raises AirflowException: if not exactly one of them is given, or a query without its connection.
        """
        if sum(source is not None for source in sources.values()) != 1:
            raise AirflowException(f"{type(self).__name__} {self.task_id!r}: give either {' or '.join(sources)}")
        if self.sql is not None and not self.sql_conn_id:
            raise AirflowException(f"{type(self).__name__} {self.task_id!r}: sql needs sql_conn_id")

    def name_value(self, argument: str) -> object:
        """See :meth:`.ReadableTaskMixin.name_value`: of ``rows``, only a path is shown."""
        value = super().name_value(argument)
        return value if argument != "rows" or _is_shown(value) else None

    def _hide_rendered_values(self) -> None:
        if not _is_shown(self.rows):
            self.rows = HiddenValue(self.rows)

    def _source(self, column_mapping: Mapping[str, str | None]) -> Source:
        """Return the rows."""
        from airflow_provider_360learning.api.models.parsers import is_missing
        from airflow_provider_360learning.rows.sources import make_source

        return make_source(
            revealed(self.rows),
            sql=self.sql,
            sql_conn_id=self.sql_conn_id,
            parameters=self.parameters,
            column_mapping=column_mapping,
            encoding=None if is_missing(self.encoding) else self.encoding,
        )


def _is_shown(rows: Any) -> bool:
    """Return whether an argument ``rows`` is the path of a file, and not the rows or a text of them."""
    from airflow_provider_360learning.rows.sources import is_path

    return is_path(rows) if isinstance(rows, str) else not isinstance(rows, Sequence | Mapping)
