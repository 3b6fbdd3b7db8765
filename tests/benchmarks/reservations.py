"""
Measure the time of ``RateLimiter.reserve`` per store, without and with a long queue.

``python -m tests.benchmarks.reservations``: each process reserves for a creation (three limits in one step) and
releases the reservation; only the reservation is timed. A single process does not pause. Eight processes pause for
20 ms each to limit contention, and still make about 300 reservations per second, thirty times the limit of an address.
The memory store belongs to one process.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, product
from statistics import quantiles

from airflow_provider_360learning.api.v1.spec import API_V1
from tests.benchmarks.support import Table, arguments, build_rate_limiter, in_processes, location_of, open_store

CREATION = API_V1.endpoints["createOrInviteUser"]
NO_MAXIMUM = 1e9
PAUSE = 0.02
#: Maximum microseconds.
AIM = 100


@dataclass(frozen=True)
class Plan:
    """The work of one process: ``queued`` reservations to keep, then ``times`` reservations to measure."""

    store: str
    location: str
    queued: int
    times: int
    pause: float = 0.0


def main() -> None:
    """Print a row per store, length of the queue and number of processes."""
    times = 400 if arguments(__doc__).parse_args().quick else 1600
    table = Table({"Store": 8, "queued": 6, "processes": 9, "p50 µs": 6, "p99 µs": 6, "max µs": 7})
    p50 = {}
    for store, queued in product(("memory", "host", "redis", "postgres"), (0, 10_000)):
        for processes, costs in measure(store, queued, times // 4 if queued else times):
            hundredths = quantiles(costs, n=100)
            p50[store, queued, processes] = hundredths[49]
            figures = (f"{cost:,.0f}" for cost in (hundredths[49], hundredths[98], max(costs)))
            table.row(store, f"{queued:,}", processes, *figures)
    host, long_queue = p50["host", 0, 1], p50["host", 10_000, 1]
    print(f"\nAim: p50 of a host reservation at most {AIM} µs. It is {host:.0f} µs,", end=" ")
    print(f"and {long_queue / host:.1f} times that with 10,000 queued.")


def measure(store: str, queued: int, times: int) -> Iterator[tuple[int, list[float]]]:
    """Yield numbers of processes and the microseconds of their reservations."""
    with location_of(store) as location:
        single, one_of_eight = Plan(store, location, queued, times), Plan(store, location, 0, times // 8, PAUSE)
        yield 1, in_processes(work, [single])[0]
        if store != "memory":
            yield 8, list(chain.from_iterable(in_processes(work, [one_of_eight] * 8)))


def work(plan: Plan) -> list[float]:
    """Reserve as one process and return the microseconds."""
    rate_limiter = build_rate_limiter(open_store(plan.store, plan.location), "http://127.0.0.1")
    for _ in range(plan.queued):
        rate_limiter.reserve(CREATION, NO_MAXIMUM)
    costs = []
    for _ in range(plan.times):
        started = time.perf_counter()
        reservation = rate_limiter.reserve(CREATION, NO_MAXIMUM)
        costs.append((time.perf_counter() - started) * 1e6)
        rate_limiter.release(reservation)
        if plan.pause:
            time.sleep(plan.pause)
    return costs


if __name__ == "__main__":
    main()
