"""Keep users and groups equal to the people of the HR system."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, cast

from airflow_provider_360learning import config
from airflow_provider_360learning.log_text import get_logger, hide_addresses
from airflow_provider_360learning.operators.base import Learning360BaseOperator
from airflow_provider_360learning.operators.row_source import RowSourceMixin
from airflow_provider_360learning.task_mixins import fail_on_permanent_error

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_360learning.api.interface import LearningApi
    from airflow_provider_360learning.hooks.learning360 import Learning360Hook
    from airflow_provider_360learning.rows.folders import FolderOwner
    from airflow_provider_360learning.sync.marks import Run
    from airflow_provider_360learning.sync.options import SyncOptions
    from airflow_provider_360learning.sync.plan_files import StoredPlan
    from airflow_provider_360learning.sync.planning import Place, PlanSettings
    from airflow_provider_360learning.sync.results import SyncResult

log = get_logger(__name__)

#: The limit of a guard: a number, a share such as ``"5%"``, or both.
Limit = Any


class Learning360SyncUsersOperator(RowSourceMixin, Learning360BaseOperator):
    """
    Compare people of the HR system with 360Learning, write a plan, and apply it (``getUsers`` and writes).

    Returns ``plan_id``, ``path``, ``counts`` (changes by action, and findings), ``destructive`` (changes that take
    something away), ``guards`` (with limit and actual value), ``emails`` and ``seconds``; once a plan is applied, also
    ``outcomes`` and ``results_path``. The same is
    attached to the asset events of the task's outlets, and is the result of a task that fails. A guard that refuses a
    plan fails the task without retries, and nothing is sent. A retry continues where the last attempt stopped. See
    docs/sync.md.

    :param plan_path: Folder of the plans; each has a subfolder with its id.
    :param state_path: Folder of what the sync remembers between runs. Each sync needs one of its own.
    :param mode: ``plan`` sends nothing that changes 360Learning, ``apply`` applies the plan ``plan_id``, and
        ``plan_and_apply`` does both.
    :param plan_id: Id of the plan that ``apply`` applies, such as ``plan.output["plan_id"]``. Its arguments are those
        with which it was made: the others here have no effect.
    :param accept_plan: Id of a stored plan that is applied although guards have refused it, once, and without planning
        again.
    :param plan_valid_for: How long a plan can be applied, such as ``24h``.
    :param redact: Whether the files of the plan leave values out; such a plan can only be applied by
        ``plan_and_apply``, by the attempt that makes it.
    :param rows: A list of objects, or the path of a CSV, JSON Lines or Parquet file, with one row per person. Either
        this or ``sql``, unless a stored plan is applied.
    :param sql: A query, through any ``common.sql`` connection.
    :param sql_conn_id: The connection of ``sql``.
    :param parameters: Parameters of ``sql``.
    :param column_mapping: Column names of the source to those of the sync, e.g. ``{"department": "groups"}``; ``None``
        ignores a column.
    :param encoding: Encoding of a CSV or JSON Lines file without a byte-order mark, by default UTF-8.
    :param key: Where 360Learning has the key of a person: ``custom``, ``external_id`` (API v2), or ``mail``.
    :param external_platform: Name of the platform whose external ids are the keys, with ``key="external_id"``.
    :param key_namespace: Prefix of the keys of this sync, such as ``hr:``. Accounts whose key does not begin with it
        are not managed.
    :param adopt: ``mail`` manages an account without a key that has the address of a person; ``never`` reports it.
    :param joiner_mode: ``invite`` invites new people, ``create_active`` creates them as active users without an email.
    :param invitation_valid_for: Days until an invitation expires, such as ``30``, after which the person is invited
        again. API v1 only.
    :param default_group: Name or id of the group that a new person without groups joins.
    :param duplicate_keys: ``merge_groups`` makes two rows with one key one person with the groups of both; ``error``
        refuses them.
    :param groups_mode: ``add`` only adds memberships; ``exact`` also removes them, within ``managed_groups``.
    :param managed_groups: Names or ids of the groups whose memberships are managed.
    :param managed_subgroups: Whether the groups below ``managed_groups`` are managed, too.
    :param create_groups: Whether missing groups are created; of a path such as ``Acme/Engineering/Welders``, all
        missing levels.
    :param groups_parent: Name or id of the group under which groups that have no path are created; by default the one
        of ``managed_groups``, if there is one only.
    :param group_key: Whether groups are found by their ``name``, or by their field ``custom``.
    :param leavers: Who leaves: ``explicit`` (``status``, ``leaves_at``), ``missing`` (absent from the source), or
        ``both``.
    :param leaver_action: What happens to leavers: ``report``, ``deactivate`` or ``delete``.
    :param leaver_grace: Days before an absent person counts as a leaver.
    :param missing_runs: Applied runs in a row in which a person must be absent, one per data interval.
    :param create_only: Fields that are set for new people only.
    :param owned: Fields whose changes by hand are undone.
    :param clear: Fields that an empty cell clears.
    :param protected: Addresses, ids, keys, and patterns such as ``*@partner.example`` of users who are never changed,
        besides the owner and the administrators of the root group.
    :param verify: ``changed`` reads what listings do not have for people whose row has changed; ``full`` for all.
    :param max_leavers: Maximum number of leavers: a number, a share of the people managed, or both.
    :param max_leavers_per_period: The same over all plans that were applied in a period.
    :param max_email_changes: Maximum number of changes of addresses.
    :param max_joiners: Maximum number of new people; by default there is none.
    :param max_updates: Maximum number of people whose fields change; by default there is none.
    :param max_source_change: Maximum change of the number of rows since the last applied plan.
    :param max_conflicts: Maximum number of conflicts.
    :param max_row_errors: Maximum number of invalid rows.
    :param max_group_creations: Maximum number of groups that are created.
    :param stop_after_failures: Number of failures, or their share of the changes, after which applying stops.
    """

    documentation_page = "sync.md"
    name_arguments: ClassVar[tuple[str, ...]] = ("mode", "plan_id")
    actions: ClassVar[tuple[str, ...]] = (
        "list_users",
        "get_user",
        "list_groups",
        "list_group_members",
        "list_user_roles",
        "list_custom_fields",
        "create_group",
        "update_group",
        "create_user",
        "update_user",
        "remove_user_custom_field",
        "add_user_to_group",
        "remove_user_from_group",
        "add_manager",
        "remove_manager",
        "delete_user",
    )
    plan_path: Any
    state_path: Any
    mode: str
    plan_id: str | None
    accept_plan: str | None
    plan_valid_for: Any
    redact: bool
    verify: str
    stop_after_failures: Limit

    def __init__(
        self,
        *,
        plan_path: Any,
        state_path: Any,
        mode: str = "plan",
        plan_id: str | None = None,
        accept_plan: str | None = None,
        plan_valid_for: timedelta | str = "24h",
        redact: bool = False,
        rows: Any = None,
        sql: str | None = None,
        sql_conn_id: str | None = None,
        parameters: Any = None,
        column_mapping: Mapping[str, str | None] | None = None,
        encoding: str | None = None,
        key: str = "custom",
        external_platform: str | None = None,
        key_namespace: str | None = None,
        adopt: str = "never",
        joiner_mode: str = "invite",
        invitation_valid_for: int | None = None,
        default_group: str | None = None,
        duplicate_keys: str = "error",
        groups_mode: str = "add",
        managed_groups: Sequence[str] = (),
        managed_subgroups: bool = True,
        create_groups: bool = False,
        groups_parent: str | None = None,
        group_key: str = "name",
        leavers: str = "explicit",
        leaver_action: str = "report",
        leaver_grace: int = 0,
        missing_runs: int = 1,
        create_only: Sequence[str] = (),
        owned: Sequence[str] = (),
        clear: Sequence[str] = (),
        protected: Sequence[str] = (),
        verify: str = "changed",
        max_leavers: Limit = ("5%", 50),
        max_leavers_per_period: Sequence[Any] = ("10%", "30 days"),
        max_email_changes: Limit = ("5%", 50),
        max_joiners: Limit | None = None,
        max_updates: Limit | None = None,
        max_source_change: Limit = "20%",
        max_conflicts: Limit = 0,
        max_row_errors: Limit = 0,
        max_group_creations: Limit = 10,
        stop_after_failures: Limit = ("40%", 20),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._assign_arguments(locals())
        #: The claim to the folder of the state, while a plan is applied.
        self._claim: FolderOwner | None = None
        if mode in ("plan", "plan_and_apply") and accept_plan is None:
            self._check_sources(rows=rows, sql=sql)

    def execute(self, context: Context) -> SyncResult:
        """Make a plan, apply one, or both, and return the counts."""
        from airflow_provider_360learning.sync.planning import log_plan
        from airflow_provider_360learning.sync.results import result_of

        with self.hook.log_api_usage(), fail_on_permanent_error(), hide_addresses():
            from airflow_provider_360learning.api.models.base import parse_argument, parse_choice

            mode = parse_argument("mode", parse_choice("plan", "apply", "plan_and_apply"), self.mode)
            api = self.hook.api
            place, now = self._place(), datetime.now(UTC)
            if (plan := self._stored_plan(mode, place, context, now)) is not None:
                log_plan(plan)
            else:
                plan = self._make_plan(api, place, context, now)
            result = self._publish(result_of(plan), context)
            self._check_guards(plan, result, context)
            if mode == "plan":
                return result
            return self._apply(api, plan, place, context, now)

    def _apply(self, api: LearningApi, plan: StoredPlan, place: Place, context: Context, now: datetime) -> SyncResult:
        """Apply a plan; the result of a task that fails is an XCom nevertheless."""
        from airflow_provider_360learning.exceptions import Learning360Error
        from airflow_provider_360learning.sync.apply import OUTCOMES, ChangesNotDoneError, RunSettings, apply_plan
        from airflow_provider_360learning.sync.arguments import parse_stop
        from airflow_provider_360learning.sync.results import result_of

        settings = RunSettings(
            conn_id=self.learning360_conn_id,
            pool_slots=self.pool_slots,
            run_as_user=self.run_as_user,
            run=_run_of(context),
            stop_after_failures=parse_stop(self.stop_after_failures),
        )
        self._claim = claim = _claim_of(place, context)
        try:
            applied = apply_plan(api, plan, place, settings, claim, cast(dict[str, Any], context), now)
        except Learning360Error:
            self._push_result(result_of(plan), context)
            raise
        finally:
            self._claim = None
        result = self._publish(result_of(plan, applied.outcomes, str(plan.folder / OUTCOMES)), context)
        counts = " ".join(f"{name}={count}" for name, count in result["outcomes"].items()) or "changes=0"
        log.info("Applied plan %s: %s results_path=%s", plan.plan_id, counts, result["results_path"])
        if applied.problem is not None:
            self._push_result(result, context)
            raise ChangesNotDoneError(applied.problem)
        return result

    @cached_property
    def hook(self) -> Learning360Hook:
        """The hook of this operator's connection, which renews the claim to the state while it reads."""
        from airflow_provider_360learning.hooks.learning360 import Learning360Hook

        return Learning360Hook(self.learning360_conn_id, task=self, before_sending=self._renew_claim)

    def _renew_claim(self) -> None:
        if self._claim is not None:
            self._claim.renew()

    def _check_guards(self, plan: StoredPlan, result: SyncResult, context: Context) -> None:
        """
        Refuse a plan that a guard refuses; its result is an XCom nevertheless.

        :raises GuardError: if a guard refuses it, and it is not accepted.
        """
        from airflow_provider_360learning.sync.guards import GuardError, ensure_passed

        if plan.plan_id == self.accept_plan:
            return
        try:
            ensure_passed(plan.verdicts, plan.plan_id, redacted=plan.redacted)
        except GuardError:
            self._push_result(result, context)
            raise

    def _stored_plan(self, mode: str, place: Place, context: Context, now: datetime) -> StoredPlan | None:
        """Return the stored plan that is to be applied, or ``None`` if a new one is made."""
        from airflow_provider_360learning.api.models.parsers import is_missing
        from airflow_provider_360learning.exceptions import InvalidRequestError
        from airflow_provider_360learning.sync.plan_files import load_plan
        from airflow_provider_360learning.sync.planning import plan_to_continue

        interval = _interval_of(context)
        if mode == "plan":
            return None
        if not is_missing(self.accept_plan):
            return load_plan(place.plan_path, str(self.accept_plan), interval)
        if mode == "plan_and_apply":
            return plan_to_continue(place, _run_of(context), interval, now)
        if is_missing(self.plan_id):
            raise InvalidRequestError(
                "plan_id is missing: mode='apply' applies a stored plan. Nothing was sent.", argument="plan_id"
            )
        return load_plan(place.plan_path, str(self.plan_id), interval)

    def _make_plan(self, api: LearningApi, place: Place, context: Context, now: datetime) -> StoredPlan:
        from airflow_provider_360learning.api.models.base import parse_argument
        from airflow_provider_360learning.api.models.parsers import parse_column_mapping
        from airflow_provider_360learning.sync.planning import make_plan

        mapping = parse_argument("column_mapping", parse_column_mapping, self.column_mapping)
        source = self._source(mapping)
        return make_plan(api, source, self._options(api), place, self._settings(context), now)

    def _options(self, api: LearningApi) -> SyncOptions:
        from airflow_provider_360learning.sync.arguments import parse_options

        return parse_options({name: getattr(self, name) for name in self.arguments}, api)

    def _place(self) -> Place:
        from airflow_provider_360learning.sync.planning import Place

        return Place(plan_path=self.plan_path, state_path=self.state_path, file_mode=config.file_mode())

    def _settings(self, context: Context) -> PlanSettings:
        from airflow_provider_360learning.api.models.base import parse_argument, parse_choice
        from airflow_provider_360learning.api.models.parsers import parse_boolean
        from airflow_provider_360learning.sync.limits import parse_duration
        from airflow_provider_360learning.sync.planning import PlanSettings

        return PlanSettings(
            verify=parse_argument("verify", parse_choice("changed", "full"), self.verify),
            valid_for=parse_duration("plan_valid_for", self.plan_valid_for),
            redact=parse_argument("redact", parse_boolean, self.redact),
            timezone=getattr(context.get("dag"), "timezone", None) or UTC,
            interval=_interval_of(context),
        )

    def _publish(self, result: SyncResult, context: Context) -> SyncResult:
        """Attach the result to the asset events of the outlets, and return it."""
        from airflow.providers.common.compat.sdk import Asset

        for outlet in self.outlets if "outlet_events" in context else ():
            if isinstance(outlet, Asset):
                extra: dict[str, Any] = {**result}  # Any: mypy takes the values of any TypedDict for objects
                context["outlet_events"][outlet].extra = extra
        return result


def _interval_of(context: Context) -> str:
    """Return the data interval of the run: its retries have the same, and so has a task that is cleared."""
    for name in ("data_interval_end", "logical_date", "run_id"):
        if value := context.get(name):
            return value.isoformat() if isinstance(value, datetime) else str(value)
    return ""


def _run_of(context: Context) -> Run:
    """Return the run, the same in all of its attempts."""
    from airflow_provider_360learning.sync.marks import Run

    if (ti := context.get("ti")) is None:
        return Run("outside Airflow")
    return Run(f"{ti.dag_id} {ti.task_id} {ti.run_id} {ti.map_index}", str(ti.max_tries))


def _claim_of(place: Place, context: Context) -> FolderOwner:
    """Return the claim to the folder of the state: further attempts of a task have it, other processes do not."""
    from airflow_provider_360learning.files.storage import storage_path
    from airflow_provider_360learning.rows.folders import FolderOwner, task_name

    name = task_name(context) or f"process {os.getpid()} of {socket.gethostname()}"
    return FolderOwner(storage_path(place.state_path), name, file_mode=place.file_mode)
