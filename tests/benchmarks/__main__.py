"""
Run all benchmarks, one after the other, on an otherwise idle machine.

``python -m tests.benchmarks [--quick] [NAME …]`` prints Markdown; docs/benchmarks.md shows such a run.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
import sys
import time

from tests.benchmarks.support import arguments

NAMES = {
    "at_the_limit": "Share of a rate limit",
    "bulk_jobs": "Places of bulk jobs",
    "side_by_side": "Compared with requests and HttpOperator",
    "competing_client": "With traffic of another client",
    "slots": "Without shared state",
    "reservations": "Cost of a reservation",
    "table_sizes": "Size of the tables in PostgreSQL",
    "waits": "Cost of waits",
    "parsing": "Cost of parsing",
    "preflight": "Check of rows before the first request",
    "sql_sources": "Reading a query",
    "exports": "Export of a million attempts",
    "object_stores": "Object stores",
    "sync": "Plan of a sync",
    "bulk": "Bulk tasks",
}


def main() -> int:
    """Run each benchmark in a new process and return the number of failures."""
    parser = arguments(__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"benchmarks to run, by default all: {', '.join(NAMES)}"
    )
    options = parser.parse_args()
    print("# Benchmarks\n")
    print(f"`make bench` on {os.cpu_count()} cores, Python {platform.python_version()},", end=" ")
    print(f"Airflow {importlib.metadata.version('apache-airflow')}.", flush=True)
    failed = 0
    for name in options.names or NAMES:
        print(f"\n## {NAMES[name]}\n\n`python -m tests.benchmarks.{name}`\n", flush=True)
        started = time.monotonic()
        quick = ["--quick"] if options.quick else []
        failed += subprocess.run([sys.executable, "-m", f"tests.benchmarks.{name}", *quick]).returncode != 0
        print(f"\nThis took {time.monotonic() - started:.0f} seconds.", flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(main())
