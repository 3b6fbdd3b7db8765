"""Which budget fits this deployment, and making it."""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psutil
from airflow.providers.common.compat.sdk import BaseHook, conf

from airflow_provider_360learning import config
from airflow_provider_360learning.api.budget import Budget, Share
from airflow_provider_360learning.api.errors import InvalidConnectionError
from airflow_provider_360learning.api.stores import Store, StoreUnavailableError, host_store

from .connection import ConnectionFacts

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Connection

log = logging.getLogger(__name__)

#: Gives a connection by its id, and its extra, decoded.
LookUp = Callable[[str], tuple["Connection", Mapping[str, Any]]]

#: Executors that run every task in processes of the scheduler's own host.
_ONE_HOST_EXECUTORS = frozenset({"LocalExecutor", "SequentialExecutor", "DebugExecutor"})

# What the connections of this process share, by the user that the task runs as.
_shared_stores: dict[str | None, Store | None] = {}


@dataclass(frozen=True, slots=True)
class BudgetChoice:
    """
    The budget in force.

    :param kind: ``host``, ``redis`` or ``slots``.
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
        return BudgetChoice("redis", "[learning360] budget = redis")
    obstacle = _more_than_one_host()
    if setting == "host":
        warning = f"[learning360] budget = host shares nothing between hosts, and {obstacle}" if obstacle else None
        return BudgetChoice("host", "[learning360] budget = host", warning)
    if setting == "slots":
        return BudgetChoice("slots", "[learning360] budget = slots")
    if obstacle:
        return BudgetChoice("slots", f"[learning360] budget = auto, and {obstacle}")
    return BudgetChoice("host", "[learning360] budget = auto, and every task runs on this host")


def look_up(conn_id: str) -> tuple[Connection, Mapping[str, Any]]:
    """
    Get a connection and its extra, decoded.

    :param conn_id: The connection.
    """
    connection = BaseHook.get_connection(conn_id)
    return connection, connection.extra_dejson


def make_budget(
    facts: ConnectionFacts,
    *,
    task: Any = None,
    longest_wait: float | None = None,
    look_up: LookUp = look_up,
) -> Budget:
    """
    Make the budget for a connection.

    :param facts: The connection.
    :param task: The running task, if there is one: its ``pool_slots`` are its share under ``slots``.
    :param longest_wait: Most seconds that a call waits for room; by default as configured.
    :param look_up: How to get the connection of the budget ``redis``; an event loop has a way of its own.
    """
    guard = config.window_guard_ms() / 1000
    return Budget(
        _shared_store(getattr(task, "run_as_user", None), look_up),
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
    choice, store = _settle(choose_budget(), None, look_up)
    try:
        if store:
            store.check()
    except StoreUnavailableError as error:
        problem = f"the shared store cannot be used now ({error}): using slots until it can"
        return BudgetChoice("slots", choice.reason, problem)
    return choice


def _shared_store(run_as_user: str | None, look_up: LookUp) -> Store | None:
    """Open the shared store once in a process; ``None`` where each process keeps to its share."""
    if run_as_user not in _shared_stores:
        choice = choose_budget()
        log.info("Rate budget: %s (%s)", choice.kind, choice.reason)
        choice, store = _settle(choice, run_as_user, look_up)
        if choice.warning:
            log.warning("Rate budget: %s", choice.warning)
        _shared_stores[run_as_user] = store
    return _shared_stores[run_as_user]


def _settle(choice: BudgetChoice, run_as_user: str | None, look_up: LookUp) -> tuple[BudgetChoice, Store | None]:
    """Open the store of a choice, or settle for ``slots`` where that can never work."""
    if choice.kind == "slots":
        return choice, None
    if choice.kind == "host" and run_as_user and not config.state_dir():
        # The default folder is a user's own: as another user, the task would have all limits for itself.
        problem = f"the task runs as {run_as_user}, apart from the others' state folder"
        return _slots_instead(choice, problem), None
    try:
        if choice.kind == "redis":
            return choice, _redis_store(look_up)
        return choice, host_store(config.state_dir())
    except InvalidConnectionError as error:
        return _slots_instead(choice, str(error)), None
    except StoreUnavailableError as error:
        return _slots_instead(choice, f"the state folder cannot be used ({error})"), None


def _slots_instead(choice: BudgetChoice, problem: str) -> BudgetChoice:
    return BudgetChoice("slots", choice.reason, f"{problem}: using slots")


def _redis_store(look_up: LookUp) -> Store:
    """Make the store at the Redis server. Whether it can be reached is seen at each use: a server comes and goes."""
    from .redis import make_client

    conn_id = config.budget_redis_conn_id()
    if not conn_id:
        raise InvalidConnectionError("[learning360] budget_redis_conn_id names no connection")
    try:
        connection, extra = look_up(conn_id)
    except Exception as error:  # each line of Airflow and each secrets backend has its own; texts may hold anything
        raise InvalidConnectionError(
            f"Airflow has no connection {conn_id!r}, which [learning360] budget_redis_conn_id names, or cannot read it "
            f"({type(error).__name__})"
        ) from None
    client, name = make_client(connection, extra)

    from airflow_provider_360learning.api.redis_store import RedisStore

    return RedisStore(client, name)


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
