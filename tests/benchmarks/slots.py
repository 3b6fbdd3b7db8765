"""
Measure the rate limiter ``pool_slots``, which shares nothing.

``python -m tests.benchmarks.slots``: each task has one of five slots, or of ten with API v2. The tasks of the first
table write until its end. They start in time slots in a row, as mapped tasks do, or in random ones. The tasks of the
second table write once: new processes in the place of those that have ended, and mapped tasks in the shared pool of
real Airflow, compared with ``host``. All figures come from the sandbox's journal and include throttled requests.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial

from airflow_provider_360learning.api.interface import LearningApi
from airflow_provider_360learning.api.limiter.share import Share
from airflow_provider_360learning.api.versions import VERSIONS
from airflow_provider_360learning.exceptions import RateLimitedError
from tests.benchmarks.at_the_limit import LOADS, UNLIMITED, unlimited_api, warm_up
from tests.benchmarks.in_airflow import airflow, run_dag
from tests.benchmarks.support import (
    Entry,
    Server,
    Table,
    arguments,
    arrival_times,
    counted,
    in_processes,
    make_api,
    max_per_second,
    passed,
    rate,
    sandbox,
)

LATENCY = {"delay_before_ms": 50, "delay_after_ms": 50}
#: Limits that are measured with tasks of many writes.
LIMITS = (
    *("createOrInviteUser", "deleteUser", "deleteGroup", "updatePathSession", "importExternalCoursesStats"),
    *("company_writes", "ip_writes", "ip_reads", "v2 company_writes"),
)
#: Limits that are divided in time are measured with random time slots as well.
RANDOM = ("createOrInviteUser", "importExternalCoursesStats")
ROWS = [*((limit, "in a row") for limit in LIMITS), *((limit, "random") for limit in RANDOM)]
#: Limits that are measured with tasks of one write, with the DAGs that reach them.
DAGS = {"createOrInviteUser": "our_creations", "company_writes": "our_updates"}
AIM = "at least 85 % of the limit, and at most 2 % of the requests answered 429"


@dataclass(frozen=True)
class Plan:
    """
    The work of one process.

    :param limit: A key of :data:`LOADS`.
    :param url: Address of the sandbox.
    :param objects: What it writes.
    :param position: Number of its first time slot.
    :param end: When it stops, on :func:`time.monotonic`.
    """

    limit: str
    url: str
    objects: Sequence[str] = field(repr=False)
    position: int = 0
    end: float = float("inf")


def main() -> None:
    """Print a table of tasks with many writes, and one of tasks with one."""
    parser = arguments(__doc__)
    parser.add_argument("--seconds", type=int, default=90, help="duration of a row with many writes")
    parser.add_argument("--long-only", action="store_true", help="only tasks with many writes")
    options = parser.parse_args()
    seconds, tasks = (30, 15) if options.quick else (options.seconds, 40)
    print(f"Tasks with many writes, for {seconds} s. The second half is the steady state:\n")
    headings = {"per second": 10, "of the limit": 12, "max in 1 s": 10, "429s": 4, "of requests": 11}
    table = Table({"Limit": 26, "tasks": 5, "time slots": 10, "429s in the first half": 22, "requests": 8, **headings})
    shares = []
    with ThreadPoolExecutor(len(ROWS)) as pool:
        for (limit, start), entries in zip(ROWS, pool.map(partial(write_long, seconds=seconds), ROWS), strict=True):
            first, steady = halves(entries)
            table.row(limit, size_of(limit), start, throttled(first), len(steady), *figures(limit, steady))
            shares.append((share_of(limit, steady), throttled(steady) / len(steady)))
    lowest, most = min(share for share, _ in shares), max(part for _, part in shares)
    print(f"\nAim: {AIM}. Lowest share: {lowest:.1%}; highest part of 429s: {most:.1%}.")
    if options.long_only:
        return
    print("\nTasks with one write:\n")
    table = Table({"Limit": 18, "tasks": 26, "backend": 10, "requests": 8, **headings})
    for limit in DAGS:
        entries = write_once_each(limit, tasks)
        table.row(limit, "processes", "pool_slots", len(entries), *figures(limit, entries))
    for rate_limiter in ("pool_slots", "host"):
        for limit, entries in write_in_airflow(rate_limiter, tasks):
            table.row(limit, "mapped tasks of Airflow", rate_limiter, len(entries), *figures(limit, entries))


def halves(entries: Sequence[Entry]) -> tuple[list[Entry], list[Entry]]:
    """Return the requests of the first and of the second half of the time."""
    middle = (entries[0]["arrived_at"] + entries[-1]["arrived_at"]) / 2
    first = [entry for entry in entries if entry["arrived_at"] < middle]
    return first, list(entries[len(first) :])


def figures(limit: str, entries: Sequence[Entry]) -> Iterator[str]:
    """Yield the cells of the requests that count against a limit."""
    share = share_of(limit, entries)
    yield f"{share * calls_of(limit):.2f}"
    yield f"{share:.1%}"
    yield str(max_per_second(arrival_times(entries)))
    yield str(throttled(entries))
    yield f"{throttled(entries) / len(entries):.1%}"


def share_of(limit: str, entries: Sequence[Entry]) -> float:
    """Return the part of a limit that was reached."""
    return rate(arrival_times(passed(entries)), calls_of(limit)) / calls_of(limit)


def throttled(entries: Sequence[Entry]) -> int:
    """Return the number of requests that were answered 429."""
    return len(entries) - len(passed(entries))


def version_of(limit: str) -> str:
    """Return the API version of a limit."""
    return "v2" if limit.startswith("v2 ") else "v1"


def calls_of(limit: str) -> int:
    """Return the requests per second that a limit allows."""
    return VERSIONS[version_of(limit)].spec.limits[limit.removeprefix("v2 ")].requests


def size_of(limit: str) -> int:
    """Return the number of slots of the pool."""
    return VERSIONS[version_of(limit)].spec.pool_slots


def prepare(server: Server, limit: str, count: int) -> list[str]:
    """Create the objects to write in a sandbox, and enable its limits."""
    api = unlimited_api(server.url, version_of(limit))
    warm_up(api)
    objects = LOADS[limit].prepare(api, count)
    server.control.clear_journal()
    server.control.settings(limits_enabled=True, **LATENCY)
    return objects


def write_long(row: tuple[str, str], seconds: int) -> list[Entry]:
    """Write from as many processes as the pool has slots, and return the requests."""
    limit, start = row
    settings = {"limits_enabled": False, "limits": dict.fromkeys(LOADS[limit].lifted), "faulty_statistics": "report"}
    with sandbox(**settings) as server:
        objects = prepare(server, limit, calls_of(limit) * seconds)
        size, end = size_of(limit), time.monotonic() + seconds
        positions = range(size) if start == "in a row" else random.choices(range(size), k=size)
        in_processes(
            work,
            [
                Plan(limit, server.url, objects[number::size], position, end)
                for number, position in enumerate(positions)
            ],
        )
        return counted(server.control.journal(), limit.removeprefix("v2 "))


def work(plan: Plan) -> None:
    """Write as one task."""
    logging.disable(logging.WARNING)  # of retries
    load, size = LOADS[plan.limit], size_of(plan.limit)
    api = make_api(
        plan.url,
        None,
        version_of(plan.limit),
        overrides=dict.fromkeys(load.lifted, UNLIMITED),
        fallback=Share(1 / size, time.monotonic(), plan.position),
    )
    # Enough to use the share while responses are on their way.
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(partial(send_until, plan, api), plan.objects))


def send_until(plan: Plan, api: LearningApi, name: str) -> None:
    """Write one object, unless the time is over."""
    if (left := plan.end - time.monotonic()) > 0:
        api.client.rate_limiter.max_wait = min(600.0, left)
        try:
            LOADS[plan.limit].send(api, name)
        except RateLimitedError:
            return


def write_once_each(limit: str, tasks: int) -> list[Entry]:
    """Write each object in a new process, five at a time, and return the requests."""
    with sandbox(limits_enabled=False) as server:
        objects = prepare(server, limit, tasks)
        plans = [Plan(limit, server.url, [name], number) for number, name in enumerate(objects)]
        with ThreadPoolExecutor(size_of(limit)) as threads:
            list(threads.map(lambda plan: in_processes(work, [plan]), plans))
        return counted(server.control.journal(), limit)


def write_in_airflow(rate_limiter: str, tasks: int) -> Iterator[tuple[str, list[Entry]]]:
    """Yield the requests of mapped tasks with one write each, by limit."""
    with (
        sandbox(**LATENCY) as server,
        airflow(server, creations=tasks, updates=tasks, rate_limiter=rate_limiter) as stack,
    ):
        for limit, dag_id in DAGS.items():
            server.control.clear_journal()
            run_dag(stack, dag_id)
            yield limit, counted(server.control.journal(), limit)


if __name__ == "__main__":
    main()
