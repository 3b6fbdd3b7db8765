"""
What the budget ``slots`` keeps and what it does not: 40 mapped one-write tasks in the shared pool of real Airflow.

``python -m tests.benchmarks.slots``: creations and updates, with ``[learning360] rate_limiter = pool_slots`` and, to compare,
``host``. Figures are recomputed from the sandbox's journal, refused requests included. Nothing here is an aim:
without shared state, a task keeps the average of its share and nobody keeps the burst.
"""

from __future__ import annotations

from airflow_provider_360learning.api.v1.spec import API_V1
from tests.benchmarks.in_airflow import airflow, run_dag
from tests.benchmarks.support import Table, arguments, counted, moments, passed, rate, sandbox, worst_second

LATENCY = {"delay_before_ms": 50, "delay_after_ms": 50}
DAGS = {"our_creations": "createOrInviteUser", "our_updates": "company_writes"}


def main() -> None:
    """Print a row for each kind of write under each rate_limiter."""
    tasks = 15 if arguments(__doc__).parse_args().quick else 40
    table = Table(
        {"Limit": 18, "a second": 8, "rate limiter": 12, "tasks": 5, "requests a second": 17, "of the limit": 12}
        | {"most in 1 s": 11, "429s": 4}
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
                achieved = rates[rate_limiter, limit] = rate(moments(passed(entries)), calls)
                refused = len(entries) - len(passed(entries))
                table.row(
                    *(limit, calls, rate_limiter, tasks, f"{achieved:.2f}", f"{achieved / calls:.1%}"),
                    *(worst_second(moments(entries)), refused),
                )
    ratios = (f"{rates['pool_slots', limit] / rates['host', limit]:.2f} on {limit}" for limit in DAGS.values())
    print(f"\nRate of slots to that of host: {', '.join(ratios)}.")


if __name__ == "__main__":
    main()
