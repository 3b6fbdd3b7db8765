"""Operators that apply one action to many rows."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, TypeVar, cast

from airflow.providers.common.compat.sdk import AirflowException, AirflowSkipException, conf

from airflow_provider_360learning import config
from airflow_provider_360learning.log_text import get_logger
from airflow_provider_360learning.operators.base import Learning360BaseOperator
from airflow_provider_360learning.operators.row_source import RowSourceMixin, revealed
from airflow_provider_360learning.task_mixins import HiddenValue, fail_on_permanent_error

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_360learning.rows.config import Job, RowsConfig
    from airflow_provider_360learning.rows.job_sender import DeferWait
    from airflow_provider_360learning.rows.sources import Source

log = get_logger(__name__)

T = TypeVar("T")

#: Seconds by which Airflow's own timeout of a deferred wait is later than that of the trigger.
DEFERRAL_GRACE = 60


class Learning360RowsOperator(RowSourceMixin, Learning360BaseOperator):
    """
    Check all rows, apply one action to them at the rate limit, and record the result of each.

    Returns ``{"action", "rows", "outcomes", "results_path", "rejected_path", "retryable", "first_rejected", "run"}``:
    counts, paths and the first ten rejected rows with the reasons, also if the task fails. The next task takes it as
    ``users_from``. Callbacks find the same in the context: ``run_summary``, and as text ``run_report``.
    A retry resumes at the last checkpoint. A mapped task uses the subfolder with its map index. See docs/bulk.md.

    :param results_path: Folder of the results.
    :param rows: A list of objects (or an XCom of one), or the path of a CSV, JSON Lines or Parquet file: anything that
        ``ObjectStoragePath`` accepts. Either this or ``sql``.
    :param sql: A query, through any ``common.sql`` connection. It needs an ``ORDER BY``, since a retry reads it again.
    :param sql_conn_id: The connection of ``sql``.
    :param parameters: Parameters of ``sql``.
    :param column_mapping: Column names of the source to those of the action, e.g. ``{"E-Mail": "mail"}``, as an object
        or its JSON text; ``None`` ignores a column.
    :param encoding: Encoding of a CSV or JSON Lines file without a byte-order mark, by default UTF-8. Excel on Windows
        writes ``cp1252`` in many countries by default.
    :param rejected_path: Folder of the rejected rows: CSV if the source is CSV, otherwise JSON Lines, without
        passwords and with the columns ``rejected_row`` and ``rejected_reason``. By default ``rejected`` in
        ``results_path``.
    :param state_path: Folder that remembers what was accepted, for ``skip_unchanged``; by default ``results_path``.
        Tasks that act on the same users or groups need the same one.
    :param on_invalid: ``fail`` sends nothing if a row is invalid, ``skip`` skips such rows.
    :param max_invalid: Maximum number of invalid rows for the task to succeed, if ``on_invalid`` is ``skip``. The valid
        rows are done in any case. By default there is no maximum, but a task fails if none of its rows is accepted.
    :param max_invalid_ratio: Maximum share of invalid rows, from 0 to 1. If both are given, both apply.
    :param allow_empty: Whether to accept a source without rows.
    :param skip_unchanged: Whether to skip rows that were accepted before as they are, or that 360Learning lists as they
        are; by default for updates only.
    :param max_failures: Maximum number of rows that may be refused, failed or unknown for the task to succeed, by
        default 0.
    :param max_failure_ratio: Maximum share of such rows, from 0 to 1. If both are given, both apply.
    :param retry_failed_only: Whether to send only the rows of the last run that can be retried as they are.
    :param resend_unconfirmed: Whether to send rows again whose outcome is unknown, although they may have been done.
    :param ignore_checkpoint: Whether to ignore an unfinished earlier attempt and start over.
    :param dry_run: Whether to send nothing, and only report what would be sent (in the subfolder ``dry_run``).
    :param escape_formulas: Whether cells of rejected rows in CSV get an apostrophe in front that a spreadsheet would
        execute as formulas. It is removed when the rows are read again.
    :param deferrable: Whether a wait for a bulk job of API v2 that is longer than a minute is deferred to the
        triggerer, so that it needs no worker and no pool slot. By default as ``[operators] default_deferrable`` says.
    """

    documentation_page = "bulk.md"
    name_arguments: ClassVar[tuple[str, ...]] = ("rows",)
    results_path: Any
    rejected_path: Any
    state_path: Any
    on_invalid: str
    max_invalid: int | None
    max_invalid_ratio: float | None
    allow_empty: bool
    skip_unchanged: bool | None
    max_failures: int | None
    max_failure_ratio: float | None
    retry_failed_only: bool
    resend_unconfirmed: bool
    ignore_checkpoint: bool
    escape_formulas: bool
    deferrable: bool

    def __init__(
        self,
        *,
        results_path: Any,
        rows: Any = None,
        sql: str | None = None,
        sql_conn_id: str | None = None,
        parameters: Any = None,
        column_mapping: Mapping[str, str | None] | None = None,
        encoding: str | None = None,
        rejected_path: Any = None,
        state_path: Any = None,
        on_invalid: str = "fail",
        max_invalid: int | None = None,
        max_invalid_ratio: float | None = None,
        allow_empty: bool = False,
        skip_unchanged: bool | None = None,
        max_failures: int | None = None,
        max_failure_ratio: float | None = None,
        retry_failed_only: bool = False,
        resend_unconfirmed: bool = False,
        ignore_checkpoint: bool = False,
        dry_run: bool = False,
        escape_formulas: bool = True,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        **kwargs: Any,
    ) -> None:
        super().__init__(**{"multiple_outputs": False, **kwargs})
        self._assign_arguments(locals())
        self.deferrable = deferrable

    def execute(self, context: Context) -> dict[str, Any]:
        """Apply the action and return the summary of the run."""
        return self._execute(context)

    def execute_complete(self, context: Context, event: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Resume after a deferred wait. How it ended does not matter: the run looks at its jobs itself."""
        log.info("%s", event["message"] if event else "Resuming without an event of the trigger")
        return self._execute(context)

    def _execute(self, context: Context) -> dict[str, Any]:
        from airflow_provider_360learning.rows.job_sender import DeferWait
        from airflow_provider_360learning.rows.run import run

        with fail_on_permanent_error():
            config = self._config(context)
            try:
                return dict(run(config, cast(dict[str, Any], context)))
            except DeferWait as wait:
                deferred = wait
        return self._defer(deferred)

    def _defer(self, wait: DeferWait) -> NoReturn:
        from airflow_provider_360learning.triggers.bulk_job import Learning360BulkJobTrigger

        deadline = wait.deadline
        if self.execution_timeout is not None:
            deadline = min(deadline, time.time() + self.execution_timeout.total_seconds())
        log.info("Deferring: %s", wait)
        self.defer(
            trigger=Learning360BulkJobTrigger(
                learning360_conn_id=self.learning360_conn_id,
                jobs=[[job.job_id, job.owner, job.since] for job in wait.jobs],
                deadline=deadline,
            ),
            method_name="execute_complete",
            timeout=timedelta(seconds=deadline - time.time() + DEFERRAL_GRACE),
        )
        raise AssertionError("defer() returned")

    def _config(self, context: Context) -> RowsConfig:
        from airflow_provider_360learning.api.models.base import parse_argument, parse_choice
        from airflow_provider_360learning.api.models.parsers import (
            is_missing,
            parse_boolean,
            parse_column_mapping,
            parse_integer,
            parse_number,
        )
        from airflow_provider_360learning.rows.config import RowsConfig, folder

        def parse(name: str, parser: Callable[[Any], T]) -> T:
            return parse_argument(name, parser, getattr(self, name))

        def parse_optional(name: str, parser: Callable[[Any], T]) -> T | None:
            return None if is_missing(getattr(self, name)) else parse(name, parser)

        parse_count = partial(parse_integer, minimum=0)
        parse_ratio = partial(parse_number, minimum=0, maximum=1)
        column_mapping = parse("column_mapping", parse_column_mapping)
        ti = context.get("ti")
        map_index = -1 if ti is None or ti.map_index is None else ti.map_index
        results_path = folder(self.results_path, map_index)
        rejected_path = folder(self.rejected_path, map_index) if self.rejected_path else results_path / "rejected"
        return RowsConfig(
            job=self._job(),
            source=self._source(column_mapping),
            column_mapping=column_mapping,
            learning360_conn_id=self.learning360_conn_id,
            pool_slots=self.pool_slots,
            run_as_user=self.run_as_user,
            results_path=results_path,
            rejected_path=rejected_path,
            state_path=folder(self.state_path, map_index) if self.state_path else None,
            on_invalid=parse("on_invalid", parse_choice("fail", "skip")),
            allow_empty=parse("allow_empty", parse_boolean),
            skip_unchanged=parse_optional("skip_unchanged", parse_boolean),
            max_failures=parse_optional("max_failures", parse_count),
            max_failure_ratio=parse_optional("max_failure_ratio", parse_ratio),
            max_invalid=parse_optional("max_invalid", parse_count),
            max_invalid_ratio=parse_optional("max_invalid_ratio", parse_ratio),
            retry_failed_only=parse("retry_failed_only", parse_boolean),
            ignore_checkpoint=parse("ignore_checkpoint", parse_boolean),
            resend_unconfirmed=parse("resend_unconfirmed", parse_boolean),
            dry_run=parse("dry_run", parse_boolean),
            escape_formulas=parse("escape_formulas", parse_boolean),
            deferrable=self.deferrable,
            file_mode=config.file_mode(),
        )

    def _job(self) -> Job:
        """Return what is done with the rows."""
        raise NotImplementedError


class Learning360BulkOperator(Learning360RowsOperator):
    """
    Apply any write action of ``hook.api`` to many rows.

    The columns of a row are the arguments of the action: ``mail``, ``first_name``, … for ``create_user``.

    .. seealso:: :class:`Learning360RowsOperator` for all other arguments, and docs/bulk.md

    :param action: Name of the action, e.g. ``create_user``.
    :param defaults: Arguments for rows that do not have them, e.g. ``{"mode": "create_active"}``, as an object or its
        JSON text.
    :param create_groups: Whether to create groups whose names do not exist, each once and before the first row is sent,
        under the given parent (``create_user``, ``add_user_to_group``).
    :param parent_group_id: Id of the parent of new groups; among groups of one name, a child of it is meant.
    :param parent_group: Name of that parent instead of ``parent_group_id``.
    :param users_from: Result of a bulk task, or a list of results, instead of ``rows``: one row with the column
        ``user`` for each user whose row was done, e.g. ``users_from=accounts.output``. People who have not accepted
        their invitation are left out and counted (``pending_invitations`` in the result). If there is no user, the task
        is skipped, unless ``allow_empty`` is set.
    :param include_invited: Whether to include them.
    """

    name_arguments = ("action", "rows")
    defaults: Mapping[str, Any] | HiddenValue | None
    create_groups: bool
    parent_group_id: str | None
    parent_group: str | None
    users_from: Any
    include_invited: bool

    def __init__(
        self,
        *,
        action: str,
        defaults: Mapping[str, Any] | None = None,
        create_groups: bool = False,
        parent_group_id: str | None = None,
        parent_group: str | None = None,
        users_from: Any = None,
        include_invited: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        has_parent = parent_group_id is not None or parent_group is not None
        if has_parent != bool(create_groups):
            raise AirflowException(
                f"{type(self).__name__} {self.task_id!r}: create_groups and parent_group (or parent_group_id) belong "
                "together: give both or neither"
            )
        self._assign_arguments(locals())
        self._check_sources(rows=self.rows, sql=self.sql, users_from=users_from)
        # The output of a task that was skipped is None when this task runs.
        self._has_users_from = users_from is not None

    def _hide_rendered_values(self) -> None:
        super()._hide_rendered_values()
        if isinstance(self.defaults, str):  # the JSON text of an object, in which Airflow masks nothing
            self.defaults = HiddenValue(self.defaults)

    def _source(self, column_mapping: Mapping[str, str | None]) -> Source:
        if not self._has_users_from:
            return super()._source(column_mapping)
        from airflow_provider_360learning.api.models.base import parse_argument
        from airflow_provider_360learning.api.models.parsers import is_missing, parse_boolean
        from airflow_provider_360learning.rows.sources import refuse_encoding
        from airflow_provider_360learning.rows.users import UserSource, read_users

        refuse_encoding(None if is_missing(self.encoding) else self.encoding, "users_from")
        users = read_users(self.users_from, self.include_invited)
        if not users and not parse_argument("allow_empty", parse_boolean, self.allow_empty):
            raise AirflowSkipException(users.reason_for_none())
        return UserSource(users, column_mapping)

    def _job(self) -> Job:
        from airflow_provider_360learning.api.models.base import parse_argument
        from airflow_provider_360learning.api.models.parsers import parse_boolean, parse_object
        from airflow_provider_360learning.rows.config import ApplyAction

        creates = parse_argument("create_groups", parse_boolean, self.create_groups)
        creation = {name: getattr(self, name) for name in ("create_groups", "parent_group_id", "parent_group")}
        defaults = parse_argument("defaults", parse_object, revealed(self.defaults))
        return ApplyAction(self.action, defaults, creation if creates else None)
