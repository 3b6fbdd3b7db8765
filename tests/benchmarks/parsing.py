"""
Measure how long the example DAGs take to parse, compared with an empty one.

``python -m tests.benchmarks.parsing``: a new process loads an empty DAG, which imports Airflow's own operator, sensor
and decorators, and then an example twice. The first time includes the imports of this package. Figures are medians of
several processes.
"""

from __future__ import annotations

import importlib.util
import os
import tempfile
import time
from functools import partial
from pathlib import Path
from statistics import median

from tests.benchmarks.support import Table, arguments, in_processes

EXAMPLES = sorted((Path(__file__).parents[2] / "dags_examples").glob("*.py"))
EMPTY = """
from airflow.providers.common.compat.sdk import BaseOperator, BaseSensorOperator, dag, task

@task
def nothing():
    pass

@dag(schedule=None)
def empty():
    nothing()

empty()
"""
#: Maximum milliseconds in addition to an empty DAG.
AIM = 20


def main() -> None:
    """Print a row per DAG."""
    times = 3 if arguments(__doc__).parse_args().quick else 9
    table = Table({"DAG": 24, "first time": 10, "above empty": 11, "second": 8})
    with tempfile.TemporaryDirectory() as home:
        os.environ["AIRFLOW_HOME"] = home
        empty = Path(home) / "empty.py"
        empty.write_text(EMPTY)
        costs = {}
        for dag in (empty, *EXAMPLES):
            runs = [run for _ in range(times) for run in in_processes(partial(load, empty), [dag])]
            costs[dag] = [median(column) for column in zip(*runs, strict=True)]
            above = costs[dag][0] - costs[empty][0]
            first, second = costs[dag]
            table.row(dag.name, f"{first:.1f} ms", f"{above:.1f} ms", f"{second:.1f} ms")
    maximum = max(first for first, _ in costs.values()) - costs[empty][0]
    print(f"\nAim: at most {AIM} ms in addition to an empty DAG. Maximum: {maximum:.1f} ms.")


def load(empty: Path, dag: Path) -> tuple[float, float]:
    """Load a DAG twice, after an empty one, and return the milliseconds of both."""
    run(empty)
    return run(dag), run(dag)


def run(dag: Path) -> float:
    """Execute a DAG file as Airflow does and return the milliseconds."""
    started = time.perf_counter()
    specification = importlib.util.spec_from_file_location(dag.stem, dag)
    assert specification is not None
    assert specification.loader is not None
    specification.loader.exec_module(importlib.util.module_from_spec(specification))
    return (time.perf_counter() - started) * 1000


if __name__ == "__main__":
    main()
