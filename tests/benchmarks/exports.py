"""
Export a million attempts in each format, compared with a naive version: ``requests.get(…).json()`` and a loop.

``python -m tests.benchmarks.exports``: the sandbox generates the attempts while it sends them, in another process. Each
export is a new process. Memory is the maximum in addition to what the process used before, with Airflow and the client
imported. In the last rows, the sandbox caps its responses, which the naive version does not detect.
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
from airflow_provider_360learning.sandbox.demo_company import API_KEY, COMPANY_ID
from tests.benchmarks.support import Table, arguments, in_processes, make_api, sandbox

FORMATS = ("jsonl", "csv", "parquet")
CAP = 10_000
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
    print(f"\nAim: memory ({memory}), and faster than the naive version ({speed}).")


def measure(plan: Plan) -> Figures:
    """Export in this process and return the cost."""
    os.environ["AIRFLOW_HOME"] = str(plan.file.parent)
    export = VERSIONS[plan.version]()
    idle = _status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # resets the peak
    started, cpu_started = time.perf_counter(), time.process_time()
    rows = export(plan)
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu_started
    return Figures(rows, seconds, cpu_seconds, (_status("VmHWM") - idle) / 1024)


def _status(name: str) -> int:
    """Return a figure of this process in kilobytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name))


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


if __name__ == "__main__":
    main()
