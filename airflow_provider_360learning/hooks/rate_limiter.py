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
from airflow_provider_360learning.api.limiter.limiter import RateLimiter, Share
from airflow_provider_360learning.api.limiter.sqlite import host_store
from airflow_provider_360learning.api.limiter.store import Store, StoreUnavailableError
from airflow_provider_360learning.connections.learning360 import ConnectionFacts
from airflow_provider_360learning.exceptions import InvalidConnectionError

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
class RateLimiterChoice:
    """
    The budget in force.

    :param kind: ``host``, ``redis`` or ``slots``.
    :param reason: Why.
    :param warning: What does not fit, if anything.
    """

    kind: str
    reason: str
    warning: str | None = None


def select_rate_limiter() -> RateLimiterChoice:
    """Decide on the rate_limiter, from ``[learning360] rate_limiter`` and, where that says ``auto``, from the executor."""
    setting = config.rate_limiter()
    if setting == "redis":
        return RateLimiterChoice("redis", "[learning360] rate_limiter = redis")
    obstacle = _more_than_one_host()
    if setting == "host":
        warning = (
            f"[learning360] rate_limiter = host shares nothing between hosts, and {obstacle}" if obstacle else None
        )
        return RateLimiterChoice("host", "[learning360] rate_limiter = host", warning)
    if setting == "pool_slots":
        return RateLimiterChoice("pool_slots", "[learning360] rate_limiter = pool_slots")
    if obstacle:
        return RateLimiterChoice("pool_slots", f"[learning360] rate_limiter = auto, and {obstacle}")
    return RateLimiterChoice("host", "[learning360] rate_limiter = auto, and every task runs on this host")


def look_up(conn_id: str) -> tuple[Connection, Mapping[str, Any]]:
    """
    Get a connection and its extra, decoded.

    :param conn_id: The connection.
    """
    connection = BaseHook.get_connection(conn_id)
    return connection, connection.extra_dejson


def build_rate_limiter(
    facts: ConnectionFacts,
    *,
    task: Any = None,
    max_wait: float | None = None,
    look_up: LookUp = look_up,
) -> RateLimiter:
    """
    Make the budget for a connection.

    :param facts: The connection.
    :param task: The running task, if there is one: its ``pool_slots`` are its share under ``slots``.
    :param max_wait: Most seconds that a call waits for room; by default as configured.
    :param look_up: How to get the connection of the budget ``redis``; an event loop has a way of its own.
    """
    margin = config.rate_limit_margin_ms() / 1000
    return RateLimiter(
        _shared_store(getattr(task, "run_as_user", None), look_up),
        base_url=facts.settings.base_url,
        company_id=facts.settings.company_id,
        overrides=facts.limits,
        margin=margin,
        max_wait=config.max_rate_limit_wait() if max_wait is None else max_wait,
        ip_limit_scope=socket.gethostname() if config.ip_limit_scope() == "per_host" else "",
        fallback=_share(getattr(task, "pool_slots", 1)),
    )


def active_rate_limiter() -> RateLimiterChoice:
    """Tell the budget that a process of this machine really works with: the chosen one, if it can be used."""
    choice, store = _settle(select_rate_limiter(), None, look_up)
    try:
        if store:
            store.check()
    except StoreUnavailableError as error:
        problem = f"the shared store cannot be used now ({error}): using pool_slots until it can"
        return RateLimiterChoice("pool_slots", choice.reason, problem)
    return choice


def _shared_store(run_as_user: str | None, look_up: LookUp) -> Store | None:
    """Open the shared store once in a process; ``None`` where each process keeps to its share."""
    if run_as_user not in _shared_stores:
        choice = select_rate_limiter()
        log.info("Rate limiter selected: backend=%s (%s)", choice.kind, choice.reason)
        choice, store = _settle(choice, run_as_user, look_up)
        if choice.warning:
            log.warning("Rate limiter: %s", choice.warning)
        _shared_stores[run_as_user] = store
    return _shared_stores[run_as_user]


def _settle(
    choice: RateLimiterChoice, run_as_user: str | None, look_up: LookUp
) -> tuple[RateLimiterChoice, Store | None]:
    """Open the store of a choice, or confirm_by_lookup for ``slots`` where that can never work."""
    if choice.kind == "pool_slots":
        return choice, None
    if choice.kind == "host" and run_as_user and not config.rate_limiter_dir():
        # The default folder is a user's own: as another user, the task would have all limits for itself.
        problem = f"the task runs as {run_as_user}, apart from the others' state folder"
        return _slots_instead(choice, problem), None
    try:
        if choice.kind == "redis":
            return choice, _redis_store(look_up)
        return choice, host_store(config.rate_limiter_dir())
    except InvalidConnectionError as error:
        return _slots_instead(choice, str(error)), None
    except StoreUnavailableError as error:
        return _slots_instead(choice, f"the state folder cannot be used ({error})"), None


def _slots_instead(choice: RateLimiterChoice, problem: str) -> RateLimiterChoice:
    return RateLimiterChoice("pool_slots", choice.reason, f"{problem}: using pool_slots")


def _redis_store(look_up: LookUp) -> Store:
    """Make the store at the Redis server. Whether it can be reached is seen at each use: a server comes and goes."""
    from airflow_provider_360learning.connections.redis import make_client

    conn_id = config.rate_limiter_conn_id()
    if not conn_id:
        raise InvalidConnectionError("[learning360] rate_limiter_conn_id names no connection")
    try:
        connection, extra = look_up(conn_id)
    except Exception as error:  # each line of Airflow and each secrets backend has its own; texts may hold anything
        raise InvalidConnectionError(
            f"Airflow has no connection {conn_id!r}, which [learning360] rate_limiter_conn_id names, or cannot read it "
            f"({type(error).__name__})"
        ) from None
    client, name = make_client(connection, extra)

    from airflow_provider_360learning.api.limiter.redis import RedisStore

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
