"""
Measure the rate limiter ``pool_slots``: 40 mapped tasks with one write each in the shared pool of real Airflow.

``python -m tests.benchmarks.slots``: creations and updates with ``[learning360] rate_limiter = pool_slots``, compared
with ``host``. All figures come from the sandbox's journal and include throttled requests. There is no aim: without
shared state, a task keeps its average share, but bursts are not limited.
"""

from __future__ import annotations

from airflow_provider_360learning.api.v1.spec import API_V1
from tests.benchmarks.in_airflow import airflow, run_dag
from tests.benchmarks.support import Table, arguments, arrival_times, counted, max_per_second, passed, rate, sandbox

LATENCY = {"delay_before_ms": 50, "delay_after_ms": 50}
DAGS = {"our_creations": "createOrInviteUser", "our_updates": "company_writes"}


def main() -> None:
    """Print a row per rate limiter and kind of write."""
    tasks = 15 if arguments(__doc__).parse_args().quick else 40
    table = Table(
        {"Limit": 18, "per second": 10, "backend": 10, "tasks": 5, "requests per second": 19, "of the limit": 12}
        | {"max in 1 s": 10, "429s": 4}
    )
    rates = {}
    for rate_limiter in ("pool_slots", "host"):
        with (
            sandbox(**LATENCY) as server,
            airflow(server, creations=tasks, updates=tasks, rate_limiter=rate_limiter) as stack,
        ):
            for dag_id, limit in DAGS.items():
                server.control.clear_journal()
                run_dag(stack, dag_id)
                entries = counted(server.control.journal(), limit)
                calls = API_V1.limits[limit].requests
                achieved = rates[rate_limiter, limit] = rate(arrival_times(passed(entries)), calls)
                throttled = len(entries) - len(passed(entries))
                table.row(
                    *(limit, calls, rate_limiter, tasks, f"{achieved:.2f}", f"{achieved / calls:.1%}"),
                    *(max_per_second(arrival_times(entries)), throttled),
                )
    ratios = (f"{rates['pool_slots', limit] / rates['host', limit]:.2f} on {limit}" for limit in DAGS.values())
    print(f"\nRate of pool_slots relative to host: {', '.join(ratios)}.")


if __name__ == "__main__":
    main()
