"""
Run real operators with injected faults and kills, and report the outcome of each write.

``python -m tests.faults --seed 1 --writes 1000``: the same seed makes the same plan. Exits with 1 and keeps all reports
and logs if any write was lost, done twice or reported incorrectly.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path

from tests.faults.plan import OPERATIONS, make_plan


def main() -> None:
    """Run a plan, evaluate it and print a summary."""
    arguments = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--version", choices=OPERATIONS, default="v1", help="API version")
    arguments.add_argument("--writes", type=int, default=1000)
    arguments.add_argument("--json", type=Path, help="file for the summary as JSON")
    options = arguments.parse_args()
    plan = make_plan(options.seed, options.writes, options.version)
    folder = Path(tempfile.mkdtemp(prefix="learning360-faults-"))
    _own_environment(folder)

    # Airflow reads its environment when it is imported.
    from tests.faults.evaluate import evaluate
    from tests.faults.run import run
    from tests.faults.summary import Summary

    record = run(plan, folder)
    summary = Summary(options.seed, plan, record, evaluate(plan, record.journal, record.state, record.attempts))
    print(summary)
    if options.json:
        options.json.write_text(summary.as_json())
    if summary.violations:
        print(f"Reports and logs: {folder}")
        sys.exit(1)
    shutil.rmtree(folder)


def _own_environment(folder: Path) -> None:
    for name in list(os.environ):
        if name.startswith("AIRFLOW_"):
            del os.environ[name]
    os.environ.update(
        AIRFLOW_HOME=str(folder / "airflow"),
        AIRFLOW__CORE__LOAD_EXAMPLES="False",
        AIRFLOW__LEARNING360__RATE_LIMITER="host",
        AIRFLOW__LEARNING360__RATE_LIMITER_DIR=str(folder / "rate-limiter"),
    )


if __name__ == "__main__":
    main()
