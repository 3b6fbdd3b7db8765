"""From what an operator was given to a run: the rows, what is done with them, and where earlier attempts left off."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from airflow_provider_360learning.api.v1 import ApiV1
from airflow_provider_360learning.api.values import check_choice, check_flag, check_number
from airflow_provider_360learning.files.storage import storage_path
from airflow_provider_360learning.hooks.learning360 import Learning360Hook

from .changes import Changes, Listing
from .checkpoints import Checkpoints, FileKeeper, Keeper, TaskStateKeeper
from .checks import digest_of
from .in_order import Latency
from .results import secret_columns
from .run import Options, Run
from .sources import make_source
from .work import Work

log = logging.getLogger(__name__)

#: How often a request that failed is sent in all: a minute of failures is nothing for a run of hours.
ATTEMPTS = 8

#: Actions whose effect 360Learning lists: how it is read, the argument that says which of the listed is meant, and the
#: fields by which it may be meant.
LISTINGS: dict[str, Callable[[ApiV1], Listing]] = {
    "update_user": lambda api: Listing(api.read_users, "user", ("user_id", "mail")),
    "update_group": lambda api: Listing(lambda take: take(api.list_groups()), "group_id", ("group_id",)),
}


def run_rows(
    order: Mapping[str, Any],
    make_hook: Callable[..., Learning360Hook],
    make_work: Callable[[ApiV1, Options], Work],
    context: Mapping[str, Any],
) -> dict[str, Any]:
    """
    Do what an operator was asked for.

    :param order: What it was given: the arguments of
        :class:`~airflow_provider_360learning.operators.bulk.Learning360RowsOperator`, and of the one derived from it.
    :param make_hook: Makes the hook, with arguments of :class:`Learning360Hook`.
    :param make_work: Says what is done with the rows.
    :param context: Airflow's context; empty outside a task.
    :returns: ``rows``, ``outcomes`` (rows by outcome), and the merged files ``results`` and ``rejected`` (``None`` if
        every row was done).
    :raises Learning360Error: as :meth:`Run.execute` does.
    """
    options = _options(order)
    results = storage_path(order["results"])
    rejected = storage_path(order["rejected"]) if order["rejected"] else results / "rejected"
    source = make_source(
        order["rows"],
        sql=order["sql"],
        sql_conn_id=order["sql_conn_id"],
        parameters=order["sql_parameters"],
        columns=order["columns"],
    )
    checkpoints, latency = Checkpoints(keeper_of(context, results), _go_of(context)), Latency()

    def before_sending() -> None:
        checkpoints.may_send()
        latency.sending()

    hook = make_hook(attempts=ATTEMPTS, before_sending=before_sending)
    work = make_work(hook.api, options)
    run = Run(
        source,
        work,
        hook.api.client,
        checkpoints,
        results / "dry_run" if options.dry_run else results,
        rejected / "dry_run" if options.dry_run else rejected,
        options,
        changes=_changes(order, hook.api, work, results),
        last_results=results,
        latency=latency,
        secret_columns=secret_columns(work.columns, order["columns"]),
    )
    try:
        return run.execute()
    finally:
        log.info("360Learning: %s", hook.api.client.usage)
        hook.api.client.close()


def keeper_of(context: Mapping[str, Any], results: Any) -> Keeper:
    """
    Say where checkpoints are kept: in Airflow's task state store (3.3 and later), else beside the results.

    :param context: Airflow's context; empty outside a task.
    :param results: Folder of the results.
    """
    store, ti = context.get("task_state_store"), context.get("ti")
    if store is not None:
        return TaskStateKeeper(store, f"learning360_{digest_of(str(results))[:16]}")
    if ti is None:
        return FileKeeper(results / "progress.json")
    # Each run of the DAG goes on with its own, though the folder be the same.
    owner = digest_of(ti.dag_id, ti.task_id, ti.run_id, str(ti.map_index))[:16]
    return FileKeeper(results / f"progress-{owner}.json")


def _go_of(context: Mapping[str, Any]) -> str:
    """Tell the attempts that Airflow makes by itself from those after a clear, which raises the most tries."""
    ti = context.get("ti")
    return "" if ti is None else str(ti.max_tries)


def _options(order: Mapping[str, Any]) -> Options:
    """Read the switches; a template renders to text."""
    flags = ("allow_empty", "only_retryable", "restart", "dry_run")
    return Options(
        skip_invalid=check_choice("on_invalid", order["on_invalid"], ("fail", "skip")) == "skip",
        max_failed=_number("max_failed", order["max_failed"]),
        resend_in_doubt=check_flag("resend_in_doubt", order.get("resend_in_doubt", False)),
        **{name: check_flag(name, order[name]) for name in flags},
    )


def _changes(order: Mapping[str, Any], api: ApiV1, work: Work, results: Any) -> Changes | None:
    wanted = work.name.startswith("update_") if order["only_changes"] is None else order["only_changes"]
    if not check_flag("only_changes", wanted):
        return None
    listing = LISTINGS[work.name](api) if work.name in LISTINGS else None
    remembered = storage_path(order["remembered"]) if order["remembered"] else results
    return Changes(remembered, f"{api.client.company}\n{work.name}\n{work.target}", listing, facts=work.are_facts)


def _number(name: str, value: Any) -> float:
    with suppress(TypeError, ValueError):
        value = float(value)
    return check_number(name, value, 0)
