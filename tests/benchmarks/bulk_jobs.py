"""
Measure how many bulk jobs of API v2 run at the same time, and whether all of them are done.

``python -m tests.benchmarks.bulk_jobs``: 8 processes have 12 jobs to run, each of which takes two seconds. The sandbox
would run all of them at once, so that only the rate limiter keeps their number at 3. In the last row, nothing is
shared: the processes count the jobs at the sandbox, which refuses more than 3. All figures are the sandbox's.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from airflow_provider_360learning.api.interface import LearningApi
from airflow_provider_360learning.api.limiter.sqlite import SqliteStore
from airflow_provider_360learning.sandbox.demo_company import SALES_GROUP_ID, WELCOME_COURSE_ID
from tests.benchmarks.support import Table, arguments, in_processes, location_of, make_api, open_store, sandbox

PROCESSES, JOBS, PLACES = 8, 12, 3
JOB_SECONDS = 2.0


@dataclass(frozen=True)
class Plan:
    """The work of one process: jobs, one after the other."""

    url: str
    rate_limiter: str
    location: str
    jobs: int


def main() -> None:
    """Print a row per store."""
    arguments(__doc__).parse_args()
    table = Table({"Store": 10, "jobs": 4, "done": 4, "max at once": 11, "429s": 4, "seconds": 7, "at least": 8})
    missed = False
    for store in ("host", "redis", "postgres", "pool_slots"):
        done, at_once, throttled, seconds = measure(store)
        table.row(store, JOBS, done, at_once, throttled, f"{seconds:.1f}", f"{JOBS / PLACES * JOB_SECONDS:.1f}")
        missed = missed or done < JOBS or at_once > PLACES
    print(f"\nAim: all jobs done, never more than {PLACES} at once. {'Missed.' if missed else 'Met.'}")


def measure(store: str) -> tuple[int, int, int, float]:
    """Return the jobs that were done, the maximum number at once, the responses 429, and the duration in seconds."""
    shares = store != "pool_slots"
    allowed = JOBS if shares else PLACES
    with sandbox(bulk_job_seconds=JOB_SECONDS, max_bulk_jobs=allowed) as server, location_of(store) as location:
        plans = [
            Plan(server.url, store, location, JOBS // PROCESSES + (number < JOBS % PROCESSES))
            for number in range(PROCESSES)
        ]
        began = time.monotonic()
        in_processes(work, plans)
        seconds = time.monotonic() - began
        journal = server.control.journal()
        api = make_api(server.url, SqliteStore(":memory:"), "v2")
        jobs = jobs_of(api)
    submissions = [entry for entry in journal if entry["path"].endswith("/bulk/groups/catalog")]
    completed = sum(job["status"] == "completed" for job in jobs)
    return completed, max_at_once(jobs), sum(entry["status"] == 429 for entry in submissions), seconds


def work(plan: Plan) -> None:
    """Run jobs as one process."""
    store = open_store(plan.rate_limiter, plan.location) if plan.rate_limiter != "pool_slots" else None
    api = make_api(plan.url, store, "v2")
    for _ in range(plan.jobs):
        api.add_to_catalog(group_id=SALES_GROUP_ID, course_ids=[WELCOME_COURSE_ID])


def jobs_of(api: LearningApi) -> list[dict[str, str]]:
    """Return all jobs of the company."""
    from airflow_provider_360learning.api.pages import all_items
    from airflow_provider_360learning.api.types import Call

    return list(api.client.run(all_items(Call("getBulkOperations"))))


def max_at_once(jobs: Sequence[dict[str, str]]) -> int:
    """Return the maximum number of jobs that were submitted and had not ended."""
    steps = sorted(
        (datetime.fromisoformat(job[key]), step) for job in jobs for key, step in (("endedAt", -1), ("createdAt", 1))
    )
    at_once = [sum(step for _, step in steps[:end]) for end in range(1, len(steps) + 1)]
    return max(at_once, default=0)


if __name__ == "__main__":
    main()
