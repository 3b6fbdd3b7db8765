"""Which budget fits this deployment, and making it."""

from __future__ import annotations

import logging
import os
import socket
import time
from dataclasses import dataclass
from functools import cache
from typing import Any

import psutil
from airflow.providers.common.compat.sdk import conf

from airflow_provider_360learning import config
from airflow_provider_360learning.api.budget import Budget, Share
from airflow_provider_360learning.api.stores import SqliteStore, StoreUnavailableError, host_store

from .connection import ConnectionFacts

log = logging.getLogger(__name__)

#: Executors that run every task in processes of the scheduler's own host.
_ONE_HOST_EXECUTORS = frozenset({"LocalExecutor", "SequentialExecutor", "DebugExecutor"})


@dataclass(frozen=True, slots=True)
class BudgetChoice:
    """
    The budget in force.

    :param kind: ``host`` or ``slots``.
    :param reason: Why.
    :param warning: What does not fit, if anything.
    """

    kind: str
    reason: str
    warning: str | None = None


def choose_budget() -> BudgetChoice:
    """Decide on the budget, from ``[learning360] budget`` and, where that says ``auto``, from the executor."""
    setting = config.budget()
    if setting == "redis":
        return BudgetChoice(
            "slots",
            "[learning360] budget = redis",
            "the budget redis is not available in this version: using slots",
        )
    obstacle = _more_than_one_host()
    if setting == "host":
        warning = f"[learning360] budget = host shares nothing between hosts, and {obstacle}" if obstacle else None
        return BudgetChoice("host", "[learning360] budget = host", warning)
    if setting == "slots":
        return BudgetChoice("slots", "[learning360] budget = slots")
    if obstacle:
        return BudgetChoice("slots", f"[learning360] budget = auto, and {obstacle}")
    return BudgetChoice("host", "[learning360] budget = auto, and every task runs on this host")


def make_budget(facts: ConnectionFacts, *, task: Any = None, longest_wait: float | None = None) -> Budget:
    """
    Make the budget for a connection.

    :param facts: The connection.
    :param task: The running task, if there is one: its ``pool_slots`` are its share under ``slots``.
    :param longest_wait: Most seconds that a call waits for room; by default as configured.
    """
    guard = config.window_guard_ms() / 1000
    return Budget(
        _shared_store(getattr(task, "run_as_user", None)),
        base_url=facts.settings.base_url,
        company_id=facts.settings.company_id,
        overrides=facts.limits,
        guard=guard,
        longest_wait=config.max_rate_limit_wait() if longest_wait is None else longest_wait,
        egress=socket.gethostname() if config.egress() == "per_host" else "",
        fallback=_share(getattr(task, "pool_slots", 1)),
    )


def budget_in_force() -> BudgetChoice:
    """Tell the budget that a process of this machine really works with: the chosen one, if it can be used."""
    return _settle(choose_budget(), run_as_user=None)[0]


@cache
def _shared_store(run_as_user: str | None) -> SqliteStore | None:
    """Open the shared store once in a process; ``None`` where each process keeps to its share."""
    choice = choose_budget()
    log.info("Rate budget: %s (%s)", choice.kind, choice.reason)
    choice, store = _settle(choice, run_as_user)
    if choice.warning:
        log.warning("Rate budget: %s", choice.warning)
    return store


def _settle(choice: BudgetChoice, run_as_user: str | None) -> tuple[BudgetChoice, SqliteStore | None]:
    """Open the store of a choice, or settle for ``slots``."""
    if choice.kind != "host":
        return choice, None
    if run_as_user and not config.state_dir():
        # The default folder is a user's own: as another user, the task would have all limits for itself.
        problem = f"the task runs as {run_as_user}, apart from the others' state folder: using slots"
        return BudgetChoice("slots", choice.reason, problem), None
    try:
        return choice, host_store(config.state_dir())
    except StoreUnavailableError as error:
        return BudgetChoice("slots", choice.reason, f"the state folder cannot be used ({error}): using slots"), None


def _share(pool_slots: int) -> Share:
    part = min(1.0, max(1, pool_slots) / config.pool_slots())
    age = time.time() - psutil.Process().create_time()
    return Share(part, started=time.monotonic() - age)


def _more_than_one_host() -> str | None:
    """Say why tasks may run on several hosts, or ``None``."""
    if os.environ.get("KUBERNETES_SERVICE_HOST"):
        return "this runs in Kubernetes"
    executors = [part.strip() for part in _executor_setting().split(",") if part.strip()]
    if len(executors) > 1:
        return f"[core] executor names several ({', '.join(executors)})"
    # A name may carry a team, an alias or a module path.
    name = executors[0].split(":")[-1].split(".")[-1] if executors else "LocalExecutor"
    return None if name in _ONE_HOST_EXECUTORS else f"[core] executor = {name} may run tasks on several hosts"


def _executor_setting() -> str:
    return str(conf.get("core", "executor", fallback="LocalExecutor"))
