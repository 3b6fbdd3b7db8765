"""
Export a million attempts in each format, compared with a naive version: ``requests.get(…).json()`` and a loop.

``python -m tests.benchmarks.exports``: the sandbox generates the attempts while it sends them, in another process. Each
export is a new process. Memory is the maximum in addition to what the process used before, with Airflow and the client
imported. In the last rows, the sandbox caps its responses, which the naive version does not detect.

The second table is about API v2 at a latency of 150 ms with the documented limit of 50 reads per second: pages of 500,
compared with a loop that follows the links of one list.
"""

from __future__ import annotations

import csv
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import requests

from airflow_provider_360learning.api.limiter.sqlite import SqliteStore
from airflow_provider_360learning.sandbox.demo_company import API_KEY, CLIENT_ID, CLIENT_SECRET, COMPANY_ID
from tests.benchmarks.support import (
    PeakMemory,
    Table,
    arguments,
    arrival_times,
    counted,
    in_processes,
    make_api,
    passed,
    sandbox,
)

FORMATS = ("jsonl", "csv", "parquet")
CAP = 10_000
#: Latency of API v2 there and back, and the end of the interval that the loop reads.
LATENCY_MS, V2_LOOP_END = 150, "2026-01-03T00:00:00.000Z"
#: Maximum megabytes in addition to an idle process.
AIMS = {"jsonl": 100, "csv": 100, "parquet": 200}
#: The interval in which the sandbox's attempts are completed.
START, END = "2026-01-01T00:00:00.000Z", "2026-02-01T00:00:00.000Z"


@dataclass(frozen=True)
class Plan:
    """The work of one process."""

    version: str
    url: str
    file: Path
    end: str = END

    @property
    def format(self) -> str:
        return self.file.suffix[1:]


@dataclass(frozen=True)
class Figures:
    """The cost of an export."""

    rows: int
    seconds: float
    cpu_seconds: float
    megabytes: float

    def cells(self) -> tuple[str, ...]:
        rate = self.rows / self.seconds
        return (
            f"{self.rows:,}",
            f"{self.seconds:.1f}",
            f"{self.cpu_seconds:.1f}",
            f"{rate:,.0f}",
            f"{self.megabytes:.0f}",
        )


def main() -> None:
    """Print a row per version and format, without and with capped responses."""
    attempts = 100_000 if arguments(__doc__).parse_args().quick else 1_000_000
    columns = {"rows": 9, "seconds": 7, "CPU s": 5, "rows/s": 7, "MB": 5, "requests": 8}
    table = Table({"Version": 8, "format": 7, "max": 6, **columns})
    found: dict[tuple[str, str], Figures] = {}
    with tempfile.TemporaryDirectory() as folder:
        for cap, formats in ((None, FORMATS), (CAP, FORMATS[:1])):
            with sandbox(generated_attempts=attempts, course_stats_cap=cap) as server:
                for format, version in product(formats, VERSIONS):
                    server.control.clear_journal()
                    plan = Plan(version, server.url, Path(folder) / f"{version}.{format}")
                    (figures,) = in_processes(measure, [plan])
                    table.row(version, format, cap or "none", *figures.cells(), len(server.control.journal()))
                    found.setdefault((version, format), figures)
                    assert cap is None or figures.rows == {"export": attempts, "naive": cap}[version]
    memory = ", ".join(f"{found['export', each].megabytes:.0f} of {AIMS[each]} MB for {each}" for each in FORMATS)
    speed = ", ".join(
        f"{found['naive', each].seconds / found['export', each].seconds:.1f} times as fast for {each}"
        for each in FORMATS
    )
    print(f"\nAim: memory ({memory}), and faster than the naive version ({speed}).\n")
    measure_api_v2(attempts)


def measure_api_v2(attempts: int) -> None:
    """Print a row per client of API v2."""
    table = Table(
        {"Client": 9, "rows": 9, "seconds": 7, "CPU s": 5, "rows/s": 7, "MB": 5, "reads": 6, "of 50/s": 7, "429s": 4}
    )
    latency = {"delay_before_ms": LATENCY_MS / 2, "delay_after_ms": LATENCY_MS / 2}
    found: dict[str, Figures] = {}
    with (
        tempfile.TemporaryDirectory() as folder,
        sandbox(generated_attempts=attempts, encoded_brackets="accepted", **latency) as server,
    ):
        for client in V2_CLIENTS:
            # The loop takes six minutes for all, at a rate that does not depend on the number.
            end = END if client == "export v2" else V2_LOOP_END
            server.control.clear_journal()
            plan = Plan(client, server.url, Path(folder) / f"{client}.jsonl", end)
            (figures,) = in_processes(measure, [plan])
            found[client] = figures
            entries = counted(server.control.journal(), "company_reads")
            times = arrival_times(entries)
            share = len(times) / (times[-1] - times[0] + 1) / 50
            throttled = len(entries) - len(passed(entries))
            table.row(client, *figures.cells(), len(entries), f"{share:.0%}", throttled)
        again = Plan("export v2", server.url, Path(folder) / "again.jsonl")
        in_processes(measure, [again])
        same = (Path(folder) / "export v2.jsonl").read_bytes() == again.file.read_bytes()
    export, loop = (found[client].rows / found[client].seconds for client in V2_CLIENTS)
    print(f"\nTwo exports are {'equal' if same else 'NOT EQUAL'}; {export / loop:.1f} times as fast as the loop.")
    print("Aim: 1,000,000 attempts in less than 60 s, at least 90% of 50 reads per second, and constant memory.")


def measure(plan: Plan) -> Figures:
    """Export in this process and return the cost."""
    os.environ["AIRFLOW_HOME"] = str(plan.file.parent)
    export = (
        {**VERSIONS, **V2_CLIENTS}[plan.version]()
        if plan.end == END and plan.version in VERSIONS
        else V2_CLIENTS[plan.version]()
    )
    memory = PeakMemory()
    started, cpu_started = time.perf_counter(), time.process_time()
    rows = export(plan)
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu_started
    return Figures(rows, seconds, cpu_seconds, memory.megabytes)


# Each version imports what a task has imported before it executes, and returns the export function


def prepare_export() -> Callable[[Plan], int]:
    """Return an export like the operator's."""
    from airflow_provider_360learning.exports.course_statistics import export_course_statistics
    from airflow_provider_360learning.exports.interval import interval_of
    from airflow_provider_360learning.files.storage import storage_path

    storage_path("/")

    def export(plan: Plan) -> int:
        api = make_api(plan.url, SqliteStore(":memory:"))
        return int(export_course_statistics(api, plan.file, interval_of(START, END, 0, {}))["rows"])

    return export


def prepare_export_v2() -> Callable[[Plan], int]:
    """Return an export like the operator's, on API v2."""
    from airflow_provider_360learning.exports.course_statistics import export_course_statistics
    from airflow_provider_360learning.exports.interval import interval_of
    from airflow_provider_360learning.files.storage import storage_path

    storage_path("/")

    def export(plan: Plan) -> int:
        api = make_api(plan.url, SqliteStore(":memory:"), "v2")
        return int(export_course_statistics(api, plan.file, interval_of(START, plan.end, 0, {}))["rows"])

    return export


def prepare_loop() -> Callable[[Plan], int]:
    """Return an export of API v2 without this package, which follows the links of one list."""
    import airflow.providers.common.compat.sdk  # noqa: F401

    def export(plan: Plan) -> int:
        session = requests.Session()
        body = {"grant_type": "client_credentials", "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
        token = session.post(f"{plan.url}/api/v2/oauth2/token", json=body, timeout=60).json()["access_token"]
        session.headers.update({"Authorization": f"Bearer {token}", "360-api-version": "v2.0"})
        url = f"{plan.url}/api/v2/courses/stats?completedAt[gte]={START}&completedAt[lt]={plan.end}"
        return write_jsonl(plan.file, _rows_of_pages(session, url))

    return export


def _rows_of_pages(session: requests.Session, url: str | None) -> Iterator[dict[str, Any]]:
    while url:
        response = session.get(url, timeout=600)
        if response.status_code == 429:
            time.sleep(1)
            continue
        yield from response.json()
        url = response.links.get("next", {}).get("url")


def prepare_naive() -> Callable[[Plan], int]:
    """Return an export without this package."""
    import airflow.providers.common.compat.sdk  # noqa: F401

    def export(plan: Plan) -> int:
        response = requests.get(
            f"{plan.url}/api/v1/courses/stats",
            params={"completedAtAfter": START, "completedAtBefore": END},
            headers={"X-company-id": COMPANY_ID, "X-apiKey": API_KEY},
            timeout=600,
        )
        rows = flat(response.json())
        return WRITERS[plan.format](plan.file, rows)

    return export


def flat(courses: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield a row per attempt."""
    for course in courses:
        for statistic in course["stats"]:
            for attempt in statistic["attempts"]:
                yield {
                    "attempt_id": attempt["_id"],
                    "user_id": statistic["user"]["_id"],
                    "user_mail": statistic["user"]["mail"],
                    "course_id": course["course"]["_id"],
                    "path_id": attempt.get("path"),
                    "session_id": attempt.get("pathSession"),
                    "progress": attempt["progress"],
                    "score": attempt.get("score"),
                    "first_activity": attempt["firstActivity"],
                    "last_activity": attempt["lastActivity"],
                    "completed_at": attempt["completedAt"],
                    "time_spent_seconds": attempt["globalTime"] / 1000,
                }


def write_jsonl(file: Path, rows: Iterable[dict[str, Any]]) -> int:
    """Write JSON Lines."""
    with file.open("w") as text:
        return sum(bool(text.write(json.dumps(row) + "\n")) for row in rows)


def write_csv(file: Path, rows: Iterator[dict[str, Any]]) -> int:
    """Write CSV."""
    with file.open("w", newline="") as text:
        first = next(rows)
        writer = csv.DictWriter(text, first)
        writer.writeheader()
        writer.writerow(first)
        return 1 + sum(bool(writer.writerow(row)) for row in rows)


def write_parquet(file: Path, rows: Iterable[dict[str, Any]]) -> int:
    """Write Parquet."""
    import pyarrow
    import pyarrow.parquet

    table = pyarrow.Table.from_pylist(list(rows))
    pyarrow.parquet.write_table(table, file)
    return int(table.num_rows)


WRITERS: dict[str, Callable[..., int]] = {"jsonl": write_jsonl, "csv": write_csv, "parquet": write_parquet}
VERSIONS: dict[str, Callable[[], Callable[[Plan], int]]] = {"export": prepare_export, "naive": prepare_naive}
V2_CLIENTS: dict[str, Callable[[], Callable[[Plan], int]]] = {"export v2": prepare_export_v2, "loop v2": prepare_loop}


if __name__ == "__main__":
    main()
