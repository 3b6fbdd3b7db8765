"""
The shared pool: created if it is missing, never changed if it exists.

For processes that may use the metadata database: Airflow's own components and its command line.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_provider_360learning import config

if TYPE_CHECKING:
    from airflow.models.connection import Connection

DESCRIPTION = "Tasks that send requests to 360Learning (created by airflow-provider-360learning)"

#: Prefix of the environment variables that define connections.
CONNECTION_VARIABLE = "AIRFLOW_CONN_"

_COMMAND = "`airflow learning360 pool` (before Airflow 3.2: `airflow-learning360 pool`)"


@dataclass(frozen=True)
class PoolReport:
    """
    State of the pool, compared with the configuration.

    :param name: Its name.
    :param slots: Its size, or ``None`` if it does not exist.
    :param expected_slots: The configured size, or the one that fits the connections.
    :param reason: Why that size fits them; ``None`` if it is configured.
    :param include_deferred: Whether deferred sensors occupy slots.
    :param created: Whether it has just been created.
    """

    name: str
    slots: int | None
    expected_slots: int
    reason: str | None = None
    include_deferred: bool = False
    created: bool = False

    @property
    def has_other_size(self) -> bool:
        """Whether the pool exists with a size other than the expected one."""
        return self.slots not in (None, self.expected_slots)

    @property
    def differs(self) -> bool:
        """Whether the pool exists with other settings than it would be created with."""
        return self.has_other_size or self.include_deferred

    def __str__(self) -> str:
        if self.slots is None:
            return f"Pool {self.name!r} does not exist: its tasks would never be scheduled. Create it with {_COMMAND}"
        text = f"Pool {self.name!r} {'created' if self.created else 'exists'} with {self.slots} slots"
        if self.has_other_size and self.reason:
            text += (
                f", but {self.expected_slots} fit the connections ({self.reason}): change the pool, or set "
                "[learning360] pool_slots to its size"
            )
        elif self.has_other_size:
            text += (
                f", but [learning360] pool_slots is {self.expected_slots}: change one of them, "
                "because a task's share of the rate limits is computed from that number"
            )
        elif self.reason:
            text += f" ({self.reason})"
        if self.include_deferred:
            text += ", and it includes deferred tasks: waiting sensors occupy slots"
        return text


def inspect_pool() -> PoolReport:
    """Return the state of the pool and change nothing."""
    from airflow.models.pool import Pool
    from airflow.utils.session import create_session

    name = config.pool()
    with create_session() as session:
        pool = Pool.get_pool(name, session=session)
        found = (pool.slots, pool.include_deferred) if pool else (None, False)
    expected_slots, reason = _expected_slots()
    return PoolReport(name, found[0], expected_slots, reason, found[1])


def ensure_pool() -> PoolReport:
    """Create the pool if it is missing; keep one that exists or that another process creates at the same time."""
    from airflow.models.pool import Pool
    from airflow.utils.session import create_session
    from sqlalchemy.exc import IntegrityError

    found = inspect_pool()
    if found.slots is not None:
        return found
    slots, reason = found.expected_slots, found.reason
    try:
        with create_session() as session:
            session.add(Pool(pool=found.name, slots=slots, description=DESCRIPTION, include_deferred=False))
    except IntegrityError:
        return inspect_pool()
    return PoolReport(found.name, slots, slots, reason, created=True)


def _expected_slots() -> tuple[int, str | None]:
    """Return the size that the pool is to have and, if it is not configured, why."""
    if slots := config.pool_slots():
        return slots, None
    from airflow_provider_360learning.api.versions import VERSIONS
    from airflow_provider_360learning.connections.form import default_of

    default = default_of("api_version")
    versions = {version if version in VERSIONS else default for version in _versions_in_use(default)}
    # As many as the slowest version can write: with more, tasks would hold slots only to wait.
    slots, slowest = min((VERSIONS[name].spec.pool_slots, name) for name in versions or {default})
    if not versions:
        return slots, "no connection to 360Learning is defined yet"
    return slots, f"every connection uses API {slowest}" if len(versions) == 1 else f"a connection uses API {slowest}"


def _versions_in_use(default: str) -> list[str]:
    """Return the API version of each connection. Those of other secrets backends cannot be listed."""
    versions = []
    for connection in _connections():
        version = default
        with suppress(Exception):  # another key for encrypted extras, or an extra that is not JSON
            version = str(connection.extra_dejson.get("api_version") or default)
        versions.append(version)
    return versions


def _connections() -> Iterator[Connection]:
    """Yield the connections to 360Learning of the database and of the environment."""
    from airflow.models.connection import Connection
    from airflow.utils.session import create_session

    from airflow_provider_360learning.connections.form import CONNECTION_TYPE

    with create_session() as session:
        stored: Sequence[Connection] = session.query(Connection).filter_by(conn_type=CONNECTION_TYPE).all()
        yield from stored
    for name, value in os.environ.items():
        if not name.startswith(CONNECTION_VARIABLE):
            continue
        with suppress(Exception):  # neither JSON nor a URI: not a connection that a task could use
            connection = Connection.from_json(value) if value.startswith("{") else Connection(uri=value)
            if connection.conn_type == CONNECTION_TYPE:
                yield connection
