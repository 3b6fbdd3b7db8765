"""From what an operator was given to a run: the rows, what is done with them, and where earlier attempts left off."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from airflow_provider_360learning.api.interface import LearningApi
from airflow_provider_360learning.api.models.base import parse_argument, parse_choice
from airflow_provider_360learning.api.models.fields import parse_boolean, parse_number
from airflow_provider_360learning.files.storage import storage_path
from airflow_provider_360learning.hooks.learning360 import Learning360Hook
from airflow_provider_360learning.rows.changes import Changes, Listing
from airflow_provider_360learning.rows.checkpoints import (
    Checkpoints,
    CheckpointStore,
    FileCheckpointStore,
    TaskStateCheckpointStore,
)
from airflow_provider_360learning.rows.ordered_executor import Latency
from airflow_provider_360learning.rows.results import secret_columns
from airflow_provider_360learning.rows.run import Options, Run
from airflow_provider_360learning.rows.schema import digest_of
from airflow_provider_360learning.rows.sources import make_source
from airflow_provider_360learning.rows.writers import RowWriter

#: How often a request that failed is sent in all: a minute of failures is nothing for a run of hours.
ATTEMPTS = 8

#: Actions whose effect 360Learning lists: how it is read, the argument that says which of the listed is meant, and the
#: fields by which it may be meant.
LISTINGS: dict[str, Callable[[LearningApi], Listing]] = {
    "update_user": lambda api: Listing(api.read_users, "user", ("user_id", "mail")),
    "update_group": lambda api: Listing(lambda take: take(api.list_groups()), "group_id", ("group_id",)),
}


def run_rows(
    order: Mapping[str, Any],
    make_hook: Callable[..., Learning360Hook],
    make_work: Callable[[LearningApi, Options], RowWriter],
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
    results = storage_path(order["results_path"])
    rejected = storage_path(order["rejected_path"]) if order["rejected_path"] else results / "rejected"
    source = make_source(
        order["rows"],
        sql=order["sql"],
        sql_conn_id=order["sql_conn_id"],
        parameters=order["parameters"],
        column_mapping=order["column_mapping"],
    )
    checkpoints, latency = Checkpoints(checkpoint_store(context, results), _go_of(context)), Latency()

    def before_sending() -> None:
        checkpoints.ensure_lease()
        latency.sending()

    hook = make_hook(max_attempts=ATTEMPTS, before_sending=before_sending)
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
        secret_columns=secret_columns(work.columns, order["column_mapping"]),
    )
    with hook.log_api_usage():
        return run.execute()


def checkpoint_store(context: Mapping[str, Any], results: Any) -> CheckpointStore:
    """
    Say where checkpoints are kept: in Airflow's task state store (3.3 and later), else beside the results.

    :param context: Airflow's context; empty outside a task.
    :param results: Folder of the results.
    """
    store, ti = context.get("task_state_store"), context.get("ti")
    if store is not None:
        return TaskStateCheckpointStore(store, f"learning360_{digest_of(str(results))[:16]}")
    if ti is None:
        return FileCheckpointStore(results / "progress.json")
    # Each run of the DAG goes on with its own, though the folder be the same.
    owner = digest_of(ti.dag_id, ti.task_id, ti.run_id, str(ti.map_index))[:16]
    return FileCheckpointStore(results / f"progress-{owner}.json")


def _go_of(context: Mapping[str, Any]) -> str:
    """Tell the attempts that Airflow makes by itself from those after a clear, which raises the most tries."""
    ti = context.get("ti")
    return "" if ti is None else str(ti.max_tries)


def _options(order: Mapping[str, Any]) -> Options:
    """Read the switches; a template renders to text."""
    flags = ("allow_empty", "retry_failed_only", "ignore_checkpoint", "dry_run")
    return Options(
        skip_invalid=parse_argument("on_invalid", parse_choice("fail", "skip"), order["on_invalid"]) == "skip",
        max_failures=_number("max_failures", order["max_failures"]),
        resend_unconfirmed=parse_argument("resend_unconfirmed", parse_boolean, order.get("resend_unconfirmed", False)),
        **{name: parse_argument(name, parse_boolean, order[name]) for name in flags},
    )


def _changes(order: Mapping[str, Any], api: LearningApi, work: RowWriter, results: Any) -> Changes | None:
    wanted = work.name.startswith("update_") if order["skip_unchanged"] is None else order["skip_unchanged"]
    if not parse_argument("skip_unchanged", parse_boolean, wanted):
        return None
    listing = LISTINGS[work.name](api) if work.name in LISTINGS else None
    remembered = storage_path(order["state_path"]) if order["state_path"] else results
    return Changes(remembered, f"{api.client.company}\n{work.name}\n{work.target}", listing, facts=work.append_only)


def _number(name: str, value: Any) -> float:
    return parse_argument(name, partial(parse_number, minimum=0), value)
