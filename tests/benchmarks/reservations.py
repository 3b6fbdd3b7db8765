"""
What a reservation costs: the time of ``Budget.reserve`` for each store, also behind a long queue.

``python -m tests.benchmarks.reservations``: each process reserves for a creation (three limits in one step) and gives
the place up again; the reservation alone is timed. A single process does so without a pause; each of eight pauses
for 20 ms, or they would measure how they get in each other's way: together they still reserve about 300 times a
second, thirty times what an address may send.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from itertools import chain, product
from statistics import quantiles

from airflow_provider_360learning.api.endpoints import ENDPOINTS
from tests.benchmarks.support import Table, arguments, in_processes, make_budget, open_store, place_for

CREATION = ENDPOINTS["createOrInviteUser"]
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
    """Print a row for each store, number of processes and length of the queue."""
    times = 400 if arguments(__doc__).parse_args().quick else 2000
    table = Table({"Store": 6, "processes": 9, "queued": 6, "p50 µs": 6, "p99 µs": 6, "most µs": 7})
    p50 = {}
    for case in product(("memory", "host", "redis"), (1, 8), (0, 10_000)):
        costs = measure(*case, times)
        hundredths = quantiles(costs, n=100)
        p50[case] = hundredths[49]
        store, processes, queued = case
        table.row(
            store, processes, f"{queued:,}", *(f"{cost:,.0f}" for cost in (p50[case], hundredths[98], max(costs)))
        )
    host, behind_a_queue = p50["host", 1, 0], p50["host", 1, 10_000]
    print(f"\nAim: p50 of a host reservation under {AIM} µs. It is {host:.0f} µs,", end=" ")
    print(f"and behind a queue of 10,000 {behind_a_queue / host:.1f} times that.")


def measure(store: str, processes: int, queued: int, times: int) -> list[float]:
    """Give the time of each reservation, in microseconds."""
    with place_for(store) as place:
        # Memory is a process's own: each fills its own queue.
        is_shared = store != "memory"
        if is_shared:
            in_processes(work, [Plan(store, place, queued, times=0)])
        pause = PAUSE if processes > 1 else 0.0
        plan = Plan(store, place, 0 if is_shared else queued, times // processes, pause)
        return list(chain.from_iterable(in_processes(work, [plan] * processes)))


def work(plan: Plan) -> list[float]:
    """Reserve as one process."""
    budget = make_budget(open_store(plan.store, plan.place), "http://127.0.0.1")
    for _ in range(plan.queued):
        budget.reserve(CREATION, FOR_EVER)
    costs = []
    for _ in range(plan.times):
        began = time.perf_counter()
        reservation = budget.reserve(CREATION, FOR_EVER)
        costs.append((time.perf_counter() - began) * 1e6)
        budget.release(reservation)
        time.sleep(plan.pause)
    return costs


if __name__ == "__main__":
    main()
