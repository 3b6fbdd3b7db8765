"""
The shared pool: created if it is missing, never changed if it exists.

For processes that may use the metadata database: Airflow's own components and its command line.
"""

from __future__ import annotations

from dataclasses import dataclass

from airflow_provider_360learning import config

DESCRIPTION = "Tasks that send requests to 360Learning (created by airflow-provider-360learning)"

_COMMAND = "`airflow learning360 pool` (before Airflow 3.2: `airflow-learning360 pool`)"


@dataclass(frozen=True)
class PoolReport:
    """
    State of the pool, compared with the configuration.

    :param name: Its name.
    :param slots: Its size, or ``None`` if it does not exist.
    :param expected_slots: The configured size.
    :param include_deferred: Whether deferred sensors occupy slots.
    :param created: Whether it has just been created.
    """

    name: str
    slots: int | None
    expected_slots: int
    include_deferred: bool = False
    created: bool = False

    @property
    def has_other_size(self) -> bool:
        """Whether the pool exists with a size other than the configured one."""
        return self.slots not in (None, self.expected_slots)

    @property
    def differs(self) -> bool:
        """Whether the pool exists with other settings than it would be created with."""
        return self.has_other_size or self.include_deferred

    def __str__(self) -> str:
        if self.slots is None:
            return f"Pool {self.name!r} does not exist: its tasks would never be scheduled. Create it with {_COMMAND}"
        text = f"Pool {self.name!r} {'created' if self.created else 'exists'} with {self.slots} slots"
        if self.has_other_size:
            text += (
                f", but [learning360] pool_slots is {self.expected_slots}: change one of them, "
                "because a task's share of the rate limits is computed from that number"
            )
        if self.include_deferred:
            text += ", and it includes deferred tasks: waiting sensors occupy slots"
        return text


def inspect_pool() -> PoolReport:
    """Return the state of the pool and change nothing."""
    from airflow.models.pool import Pool
    from airflow.utils.session import create_session

    name, expected_slots = config.pool(), config.pool_slots()
    with create_session() as session:
        pool = Pool.get_pool(name, session=session)
        if pool is None:
            return PoolReport(name, None, expected_slots)
        return PoolReport(name, pool.slots, expected_slots, pool.include_deferred)


def ensure_pool() -> PoolReport:
    """Create the pool if it is missing; keep one that exists or that another process creates at the same time."""
    from airflow.models.pool import Pool
    from airflow.utils.session import create_session
    from sqlalchemy.exc import IntegrityError

    found = inspect_pool()
    if found.slots is not None:
        return found
    slots = found.expected_slots
    try:
        with create_session() as session:
            session.add(Pool(pool=found.name, slots=slots, description=DESCRIPTION, include_deferred=False))
    except IntegrityError:
        return inspect_pool()
    return PoolReport(found.name, slots, slots, created=True)
