"""Operators that do one thing with many rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowException

from airflow_provider_360learning.operators.base import Learning360BaseOperator
from airflow_provider_360learning.task_mixins import fail_on_permanent_error

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_360learning.api.interface import LearningApi
    from airflow_provider_360learning.rows.run import Options
    from airflow_provider_360learning.rows.writers import RowWriter


class Learning360RowsOperator(Learning360BaseOperator):
    """
    Does one thing with many rows: checks them all, then sends at the rate limit, and accounts for each.

    Returns ``{"rows", "outcomes", "results", "rejected"}``: counts and where the files are, never rows. A task that is
    ended goes on where it was when it is tried again. See docs/bulk.md.

    :param rows: A list of objects (or an XCom of one), or the path of a file in CSV, JSON Lines or Parquet: anything
        that ``ObjectStoragePath`` takes. This or ``sql``.
    :param sql: A query, through any ``common.sql`` connection. It needs an ``ORDER BY``: a retry reads it again.
    :param sql_conn_id: The connection of ``sql``.
    :param parameters: Parameters of ``sql``.
    :param column_mapping: The source's names of columns to the names here, e.g. ``{"E-Mail": "mail"}``; ``None`` leaves a
        column out.
    :param results_path: Folder of the results.
    :param rejected_path: Folder of the rows that were not done, in the format that they came in; by default ``rejected`` in
        ``results``. Passwords are left out.
    :param state_path: Folder in which it is remembered what was accepted, for ``skip_unchanged``; by default ``results``.
    :param on_invalid: ``fail`` sends nothing if a row does not pass the checks, ``skip`` leaves such rows out.
    :param allow_empty: Whether no rows at all are fine.
    :param skip_unchanged: Whether rows that were accepted before as they are, or that 360Learning lists as they are, are
        not sent; by default for updates.
    :param max_failures: Most rows that may not be done for the task to be green: a number, or a share below 1. Rows left
        out by ``on_invalid="skip"`` do not count.
    :param retry_failed_only: Do only those rows of the last run again that may work as they are.
    :param ignore_checkpoint: Forget an earlier attempt that did not come to its end.
    :param dry_run: Send nothing, and say what would be done (in the folder ``dry_run`` of ``results``).
    """

    template_ext: Sequence[str] = (".sql",)
    template_fields_renderers = {"sql": "sql", "column_mapping": "json"}  # noqa: RUF012 as Airflow has it

    def __init__(
        self,
        *,
        results_path: Any,
        rows: Any = None,
        sql: str | None = None,
        sql_conn_id: str | None = None,
        parameters: Any = None,
        column_mapping: Mapping[str, str | None] | None = None,
        rejected_path: Any = None,
        state_path: Any = None,
        on_invalid: str = "fail",
        allow_empty: bool = False,
        skip_unchanged: bool | None = None,
        max_failures: float = 0,
        retry_failed_only: bool = False,
        ignore_checkpoint: bool = False,
        dry_run: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**{"multiple_outputs": False, **kwargs})
        if (rows is None) == (sql is None):
            raise AirflowException(f"{type(self).__name__} {self.task_id!r}: give either rows or sql")
        if sql is not None and not sql_conn_id:
            raise AirflowException(f"{type(self).__name__} {self.task_id!r}: sql needs sql_conn_id")
        self._assign_arguments(locals())

    def execute(self, context: Context) -> dict[str, Any]:
        """Do it, and return counts and where the results are."""
        from airflow_provider_360learning.rows.run import RowsNotDoneError
        from airflow_provider_360learning.rows.start import run_rows

        order = {name: getattr(self, name) for name in self.arguments}
        with fail_on_permanent_error():
            try:
                return run_rows(order, self._make_hook, self._work, context)
            except RowsNotDoneError as error:
                if ti := context.get("ti"):
                    ti.xcom_push("return_value", error.summary)  # for whoever tells people about it
                raise

    def _make_hook(self, **more: Any) -> Any:
        from airflow_provider_360learning.hooks.learning360 import Learning360Hook

        return Learning360Hook(self.learning360_conn_id, task=self, **more)

    def _work(self, api: LearningApi, options: Options) -> RowWriter:
        """Say what is done with the rows."""
        raise NotImplementedError


class Learning360BulkOperator(Learning360RowsOperator):
    """
    Apply any action of ``hook.api`` that changes something to many rows.

    A row's columns are the action's arguments: ``mail``, ``first_name``, … for ``create_user``.

    .. seealso:: :class:`Learning360RowsOperator` for all other arguments, docs/bulk.md, and
        https://360learning.readme.io/docs

    :param action: Name of the action, e.g. ``create_user``.
    :param defaults: Arguments that all rows share, e.g. ``{"mode": "create_active"}``; a row's own wins.
    """

    defaults: Mapping[str, Any] | None

    def __init__(self, *, action: str, defaults: Mapping[str, Any] | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._assign_arguments(locals())

    def _work(self, api: LearningApi, options: Options) -> RowWriter:
        from airflow_provider_360learning.rows.writers import per_row_writer

        return per_row_writer(api, self.action, self.defaults or {})
