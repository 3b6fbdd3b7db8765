"""
What a reservation costs: the time of ``RateLimiter.reserve`` for each store, also behind a long queue.

``python -m tests.benchmarks.reservations``: each process reserves for a creation (three limits in one step) and gives
the place up again; the reservation alone is timed. A single process does so without a pause; each of eight pauses
for 20 ms, or they would measure how they get in each other's way: together they still reserve about 300 times a
second, thirty times what an address may send. Memory is a process's own, so that eight would share nothing.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, product
from statistics import quantiles

from airflow_provider_360learning.api.v1.spec import API_V1
from tests.benchmarks.support import Table, arguments, build_rate_limiter, in_processes, open_store, place_for

CREATION = API_V1.endpoints["createOrInviteUser"]
FOR_EVER = 1e9
PAUSE = 0.02
#: Microseconds.
AIM = 100


@dataclass(frozen=True)
class Plan:
    """What one process does: reserve so often for good, then so often to measure."""

    store: str
    place: str
    queued: int
    times: int
    pause: float = 0.0


def main() -> None:
    """Print a row for each store, length of the queue and number of processes."""
    times = 400 if arguments(__doc__).parse_args().quick else 1600
    table = Table({"Store": 6, "queued": 6, "processes": 9, "p50 µs": 6, "p99 µs": 6, "most µs": 7})
    p50 = {}
    for store, queued in product(("memory", "host", "redis"), (0, 10_000)):
        for processes, costs in measure(store, queued, times // 4 if queued else times):
            hundredths = quantiles(costs, n=100)
            p50[store, queued, processes] = hundredths[49]
            figures = (f"{cost:,.0f}" for cost in (hundredths[49], hundredths[98], max(costs)))
            table.row(store, f"{queued:,}", processes, *figures)
    host, behind_a_queue = p50["host", 0, 1], p50["host", 10_000, 1]
    print(f"\nAim: p50 of a host reservation under {AIM} µs. It is {host:.0f} µs,", end=" ")
    print(f"and behind a queue of 10,000 {behind_a_queue / host:.1f} times that.")


def measure(store: str, queued: int, times: int) -> Iterator[tuple[int, list[float]]]:
    """Give the times of reservations by one process and by eight, in microseconds."""
    with place_for(store) as place:
        alone, one_of_eight = Plan(store, place, queued, times), Plan(store, place, 0, times // 8, PAUSE)
        yield 1, in_processes(work, [alone])[0]
        if store != "memory":
            yield 8, list(chain.from_iterable(in_processes(work, [one_of_eight] * 8)))


def work(plan: Plan) -> list[float]:
    """Reserve as one process."""
    rate_limiter = build_rate_limiter(open_store(plan.store, plan.place), "http://127.0.0.1")
    for _ in range(plan.queued):
        rate_limiter.reserve(CREATION, FOR_EVER)
    costs = []
    for _ in range(plan.times):
        began = time.perf_counter()
        reservation = rate_limiter.reserve(CREATION, FOR_EVER)
        costs.append((time.perf_counter() - began) * 1e6)
        rate_limiter.release(reservation)
        if plan.pause:
            time.sleep(plan.pause)
    return costs


if __name__ == "__main__":
    main()
