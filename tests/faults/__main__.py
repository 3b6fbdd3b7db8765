"""Drive real operators through faults and kills, and say what came of it.

``python -m tests.faults --seed 1 --writes 1000``: the same seed makes the same plan. Ends with 1 if anything was
lost, done twice, or told wrongly; everything that was seen is kept then.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path

from .plan import make_plan


def main() -> None:
    """Run a plan, judge it and print a summary."""
    arguments = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--writes", type=int, default=1000)
    arguments.add_argument("--json", type=Path, help="write the summary here as well")
    asked = arguments.parse_args()
    plan = make_plan(asked.seed, asked.writes)
    folder = Path(tempfile.mkdtemp(prefix="learning360-faults-"))
    _own_environment(folder)

    # Airflow reads its environment when it is imported.
    from .judge import judge
    from .run import run
    from .summary import Summary

    record = run(plan, folder)
    summary = Summary(asked.seed, plan, record, judge(plan, record.journal, record.state, record.tries))
    print(summary)
    if asked.json:
        asked.json.write_text(summary.as_json())
    if summary.wrong:
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
        AIRFLOW__LEARNING360__RATE_LIMITER_DIR=str(folder / "budget"),
    )


if __name__ == "__main__":
    main()
