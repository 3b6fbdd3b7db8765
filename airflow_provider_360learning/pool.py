"""The shared pool: created where it is missing, never changed where it exists.

For processes that may use the metadata database: Airflow's own components and its command line.
"""

from __future__ import annotations

from dataclasses import dataclass

from airflow_provider_360learning import config

DESCRIPTION = "Tasks that talk to 360Learning (made by airflow-provider-360learning)"


@dataclass(frozen=True)
class PoolReport:
    """How the pool stands.

    :param name: its name
    :param slots: its size, None where the pool does not exist
    :param expected_slots: the configured size
    :param include_deferred: whether waiting sensors hold slots of it
    :param created: whether it was made just now
    """

    name: str
    slots: int | None
    expected_slots: int
    include_deferred: bool = False
    created: bool = False

    @property
    def has_other_size(self) -> bool:
        """Whether the pool exists with another size than the configured one."""
        return self.slots not in (None, self.expected_slots)

    @property
    def differs(self) -> bool:
        """Whether the pool exists otherwise than it would have been created."""
        return self.has_other_size or self.include_deferred

    def __str__(self) -> str:
        if self.slots is None:
            return f"Pool {self.name!r} does not exist: tasks in it would wait for ever. Create it with {_COMMAND}"
        text = f"Pool {self.name!r} {'created' if self.created else 'exists'} with {self.slots} slots"
        if self.has_other_size:
            text += (
                f", but [learning360] pool_slots is {self.expected_slots}: change one of them, "
                "tasks share the rate limits out by that number"
            )
        if self.include_deferred:
            text += ", and it counts deferred tasks: waiting sensors hold slots of it"
        return text


_COMMAND = "`airflow learning360 pool` (before Airflow 3.2: `airflow-learning360 pool`)"


def inspect_pool() -> PoolReport:
    """Look the pool up and change nothing."""
    from airflow.models.pool import Pool
    from airflow.utils.session import create_session

    name, expected_slots = config.pool(), config.pool_slots()
    with create_session() as session:
        pool = Pool.get_pool(name, session=session)
        if pool is None:
            return PoolReport(name, None, expected_slots)
        return PoolReport(name, pool.slots, expected_slots, pool.include_deferred)


def ensure_pool() -> PoolReport:
    """Create the pool if it is missing. One that exists, or that another process was quicker to make, is kept."""
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
