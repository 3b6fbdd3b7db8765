"""
All benchmarks, one after the other: they measure what a machine can do that does nothing else.

``python -m tests.benchmarks [--quick] [NAME …]``: the output is Markdown; docs/benchmarks.md is one.
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
    "at_the_limit": "How close to the limits",
    "side_by_side": "Beside what one would write without it",
    "competing_client": "Beside somebody else's traffic",
    "slots": "Without shared state",
    "reservations": "What a reservation costs",
    "waits": "What waits cost",
    "parsing": "What parsing costs",
    "exports": "A million attempts exported",
    "bulk": "Many rows in one task",
}


def main() -> int:
    """Run them in processes of their own, and return how many of them failed."""
    parser = arguments(__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"only these of {', '.join(NAMES)}")
    asked = parser.parse_args()
    print("# Benchmarks\n")
    print(f"`make bench` on {os.cpu_count()} cores, Python {platform.python_version()},", end=" ")
    print(f"Airflow {importlib.metadata.version('apache-airflow')}.", flush=True)
    failed = 0
    for name in asked.names or NAMES:
        print(f"\n## {NAMES[name]}\n\n`python -m tests.benchmarks.{name}`\n", flush=True)
        began = time.monotonic()
        options = ["--quick"] if asked.quick else []
        failed += subprocess.run([sys.executable, "-m", f"tests.benchmarks.{name}", *options]).returncode != 0
        print(f"\nThis took {time.monotonic() - began:.0f} seconds.", flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(main())
