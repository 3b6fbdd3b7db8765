"""Select and build the rate limiter for this deployment."""

from __future__ import annotations

import os
import random
import re
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

import psutil
from airflow.providers.common.compat.sdk import BaseHook, conf

from airflow_provider_360learning import config
from airflow_provider_360learning.api.limiter.limiter import RateLimiter
from airflow_provider_360learning.api.limiter.share import Share
from airflow_provider_360learning.api.limiter.sqlite import host_store
from airflow_provider_360learning.api.limiter.store import Store, StoreUnavailableError
from airflow_provider_360learning.exceptions import InvalidConnectionError
from airflow_provider_360learning.log_text import get_logger

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Connection

    from airflow_provider_360learning.connections.learning360 import Learning360Connection
    from airflow_provider_360learning.connections.redis import RedisConnection

log = get_logger(__name__)

#: Where reservations are stored.
Backend = Literal["host", "redis", "postgres", "pool_slots"]

#: Returns a connection by its id, and its extra, decoded.
ConnectionGetter: TypeAlias = "Callable[[str], tuple[Connection, object]]"

#: Executors that run every task in processes of the scheduler's own host.
_ONE_HOST_EXECUTORS = frozenset({"LocalExecutor", "SequentialExecutor", "DebugExecutor"})
_CELERY = "CeleryExecutor"

#: What a process logs that cannot read the address of the broker.
_PROCESSES_DIFFER = (
    "This process uses pool_slots. Processes that can read it use the broker, and do not see the requests of this one. "
    "Configure all processes of Airflow alike, or set [learning360] rate_limiter"
)

# Shared by all connections of this process, by the user that the task runs as.
_stores: dict[str | None, Store | None] = {}


@dataclass(frozen=True, slots=True)
class RateLimiterChoice:
    """
    The selected backend.

    :param backend: The backend.
    :param reason: Why it is selected.
    :param warning: What does not fit, if anything.
    :param broker: The Redis server of the backend ``redis``, if it is Celery's broker.
    :param is_final: Whether this process keeps it; otherwise the next client selects again.
    """

    backend: Backend
    reason: str
    warning: str | None = None
    broker: RedisConnection | None = field(default=None, repr=False)
    is_final: bool = True


class UnreadableConnectionError(InvalidConnectionError):
    """The connection of the shared server could not be read now."""


def select_rate_limiter() -> RateLimiterChoice:
    """Select the backend by ``[learning360] rate_limiter`` and, if that is ``auto``, by the executor."""
    setting = config.rate_limiter()
    reason = f"[learning360] rate_limiter = {setting}"
    if setting in ("redis", "postgres", "pool_slots"):
        return RateLimiterChoice(setting, reason)
    obstacle = reason_for_several_hosts()
    if setting == "host":
        warning = f"{reason} shares nothing between hosts, and {obstacle}" if obstacle else None
        return RateLimiterChoice("host", reason, warning)
    if _executors() == [_CELERY]:
        return _select_by_broker(reason)
    if obstacle:
        return RateLimiterChoice("pool_slots", f"{reason}, and {obstacle}")
    return RateLimiterChoice("host", f"{reason}, and all tasks run on this host")


def _select_by_broker(reason: str) -> RateLimiterChoice:
    """Select Celery's broker, which all processes of Airflow know, if it is a Redis server."""
    from airflow_provider_360learning.hooks.celery_broker import UnsuitableBrokerError, read_broker

    try:
        broker = read_broker()
    except UnsuitableBrokerError as error:
        return RateLimiterChoice("pool_slots", f"{reason}, and {error}")
    except InvalidConnectionError as error:
        return RateLimiterChoice("pool_slots", f"{reason}, and {error}", f"{error}. {_PROCESSES_DIFFER}")
    return RateLimiterChoice("redis", f"{reason}, and the broker of Celery is {broker.name}", broker=broker)


def get_connection(conn_id: str) -> tuple[Connection, object]:
    """
    Return a connection and its extra, decoded.

    :param conn_id: Id of the connection.
    """
    connection = BaseHook.get_connection(conn_id)
    return connection, connection.extra_dejson


def build_rate_limiter(
    connection: Learning360Connection,
    *,
    task: object = None,
    map_index: int | None = None,
    max_wait: float | None = None,
    get_connection: ConnectionGetter = get_connection,
) -> RateLimiter:
    """
    Build the rate limiter of a connection.

    :param connection: The connection.
    :param task: The running task, if there is one: its ``pool_slots`` are its share with the backend ``pool_slots``.
        Its class depends on the Airflow line.
    :param map_index: Index of a mapped task; negative or ``None`` if it is not mapped.
    :param max_wait: Maximum number of seconds that a call waits; by default as configured.
    :param get_connection: Returns the connection of the shared server; an event loop has a way of its own.
    """
    return RateLimiter(
        _store(getattr(task, "run_as_user", None), get_connection),
        base_url=connection.base_url,
        company_id=connection.company_id,
        api_version=connection.api_version,
        overrides=connection.limits,
        margin=config.rate_limit_margin_ms() / 1000,
        max_wait=config.max_rate_limit_wait() if max_wait is None else max_wait,
        ip_limit_scope=socket.gethostname() if config.ip_limit_scope() == "per_host" else "",
        api_key=connection.api_key.get_secret_value(),
        fallback=_share(
            max(1, getattr(task, "pool_slots", 1)),
            config.pool_slots() or connection.version.spec.pool_slots,
            map_index,
        ),
    )


def active_rate_limiter() -> RateLimiterChoice:
    """Return the backend that a process of this machine uses now: the selected one, if it is available."""
    choice, store = _open_store(select_rate_limiter(), None, get_connection)
    try:
        if store:
            store.check()
    except StoreUnavailableError as error:
        problem = f"the shared store is unavailable ({error}); using pool_slots until it is available"
        return RateLimiterChoice("pool_slots", choice.reason, problem)
    return choice


def _store(run_as_user: str | None, get_connection: ConnectionGetter) -> Store | None:
    """Return the shared store, opened once per process; ``None`` if each process has a share of the limits."""
    if run_as_user in _stores:
        return _stores[run_as_user]
    choice = select_rate_limiter()
    log.info("Rate limiter selected: backend=%s (%s)", choice.backend, choice.reason)
    choice, store = _open_store(choice, run_as_user, get_connection)
    if choice.warning:
        log.warning("Rate limiter: %s", choice.warning)
    if choice.is_final:
        _stores[run_as_user] = store
    return store


def _open_store(
    choice: RateLimiterChoice, run_as_user: str | None, get_connection: ConnectionGetter
) -> tuple[RateLimiterChoice, Store | None]:
    """Open the store of a backend, or select ``pool_slots`` if it cannot be used."""
    if choice.backend == "pool_slots":
        return choice, None
    try:
        if choice.backend == "redis":
            return choice, _redis_store(choice.broker, get_connection)
        if choice.backend == "postgres":
            return choice, _postgres_store(get_connection)
        if run_as_user and not config.rate_limiter_dir():
            # The default folder belongs to one user: another user would have all limits for itself.
            raise StoreUnavailableError(
                f"the task runs as {run_as_user}, whose default folder is another one: set rate_limiter_dir"
            )
        return choice, host_store(config.rate_limiter_dir())
    except (InvalidConnectionError, StoreUnavailableError) as error:
        problem = f"backend {choice.backend} is unavailable ({error}); using pool_slots"
        # A triggerer runs for weeks: a secrets backend that fails once must not decide for all of them.
        is_final = not isinstance(error, UnreadableConnectionError)
        return RateLimiterChoice("pool_slots", choice.reason, problem, is_final=is_final), None


# Both stores connect when they are first used: each use finds out whether the server responds.


def _redis_store(broker: RedisConnection | None, get_connection: ConnectionGetter) -> Store:
    """Return the store at Celery's broker, or at the Redis server of the connection."""
    from airflow_provider_360learning.connections.redis import RedisConnection

    server = broker or RedisConnection.read(*_configured_connection(get_connection))
    client = server.make_client()

    from airflow_provider_360learning.api.limiter.redis import RedisStore

    return RedisStore(client, server.name)


def _postgres_store(get_connection: ConnectionGetter) -> Store:
    """Return the store at the PostgreSQL server of the connection."""
    from airflow_provider_360learning.connections.postgres import PostgresConnection

    return PostgresConnection.read(*_configured_connection(get_connection)).make_store()


def _configured_connection(get_connection: ConnectionGetter) -> tuple[Connection, object]:
    conn_id = config.rate_limiter_conn_id()
    if not conn_id:
        raise InvalidConnectionError("[learning360] rate_limiter_conn_id is not set")
    try:
        return get_connection(conn_id)
    except Exception as error:  # each Airflow line and secrets backend has its own
        failure = UnreadableConnectionError(
            f"connection {conn_id!r} of [learning360] rate_limiter_conn_id is not defined, or cannot be read "
            f"({type(error).__name__})"
        )
    raise failure  # outside the handler: the text of the other error may contain secrets


def _share(pool_slots: int, size: int, map_index: int | None) -> Share:
    """Return the share of a task with some slots of a pool of a size."""
    age = time.time() - psutil.Process().create_time()
    # Mapped tasks run in the order of their indexes: tasks of one time mostly have different remainders.
    position = map_index * pool_slots if map_index is not None and map_index >= 0 else random.randrange(size)
    return Share(min(1.0, pool_slots / size), started=time.monotonic() - age, position=position)


def reason_for_several_hosts() -> str | None:
    """Return why tasks, and the triggerer, may run on several hosts; ``None`` if all run on this one."""
    # Kubernetes first: its worker pods were long started with LocalExecutor in their environment.
    if os.environ.get("KUBERNETES_SERVICE_HOST"):
        return "this process runs in Kubernetes"
    executors = _executors()
    if len(executors) > 1:
        return f"[core] executor lists several ({', '.join(executors)})"
    if executors[0] in _ONE_HOST_EXECUTORS:
        return None
    return f"[core] executor = {executors[0]} may run tasks on several hosts"


def _executors() -> list[str]:
    """Return the classes of the executors; the configuration may name a team, an alias or a module with each."""
    setting = str(conf.get("core", "executor", fallback="LocalExecutor"))
    names = [re.split(r"[.:=]", part)[-1].strip() for part in re.split("[,;]", setting)]
    return [name for name in names if name] or ["LocalExecutor"]
