"""
CPU time and memory of the check of all rows before the first request.

``python -m tests.benchmarks.preflight``: CSV files of users, of statistics and of memberships are read, validated,
normalized and digested, and each key is compared with all others, as a task does it. Each size runs in a process of its
own. For comparison, a plain loop reads the statistics with ``csv`` and encodes each row as JSON.
"""

from __future__ import annotations

import csv
import json
import resource
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from airflow_provider_360learning.rows.preflight import RowChecker
from airflow_provider_360learning.rows.schema import RowSchema
from airflow_provider_360learning.rows.sources import make_source
from tests.benchmarks.support import Table, arguments, in_processes

GROUP_ID = "64b1f0c2a9d3e40012ab0001"


@dataclass(frozen=True)
class Rows:
    """
    Rows of one kind.

    :param header: The first line.
    :param line: Each other line.
    :param goal: Rows per second of CPU time.
    """

    header: str
    line: str
    goal: int


KINDS = {
    "create_user": Rows(
        "mail,first_name,last_name,job,group_id,mode",
        "person{number}@acme.test,Ana,Roy {number},Sales Engineer," + GROUP_ID + ",create_active",
        25_000,
    ),
    "import_external_course_stats": Rows(
        "external_id,mail,progress,time_spent_seconds,first_activity,last_activity",
        "course-{course},person{number}@acme.test,{progress},{number}.5,2026-09-01T08:00:{second:02}Z,"
        "2026-09-02T09:30:{second:02}Z",
        20_000,
    ),
    "add_user_to_group": Rows("user,group_id,role", "person{number}@acme.test," + GROUP_ID + ",learner", 40_000),
}
PLAIN_LOOP = "csv and json, without any check"


def main() -> None:
    """Print a row for each kind and size."""
    sizes = [10_000, 100_000] if arguments(__doc__).parse_args().quick else [10_000, 100_000, 1_000_000]
    table = Table({"rows of": 32, "rows": 10, "rows per second of CPU": 24, "goal": 8, "memory above start": 20})
    for kind in (*KINDS, PLAIN_LOOP):
        for size in sizes:
            ((rate, mebibytes),) = in_processes(check, [(kind, size)])
            goal = f"{KINDS[kind].goal:,}" if kind in KINDS else ""
            table.row(kind, f"{size:,}", f"{rate:,.0f}", goal, f"{mebibytes:.0f} MiB")
    print("\nGoal: this many rows per second of CPU, and memory that does not depend on the number of rows.")


def check(plan: tuple[str, int]) -> tuple[float, float]:
    """Check a file of some rows; rows per second of CPU, and MiB of memory."""
    kind, size = plan
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "rows.csv"
        write(file, KINDS.get(kind, KINDS["import_external_course_stats"]), size)
        run = plain_loop(file) if kind == PLAIN_LOOP else checker(kind, file)
        before = _mebibytes()
        start = time.process_time()
        checked = run()
        seconds = time.process_time() - start
    assert checked == size
    return size / seconds, _mebibytes() - before


def write(file: Path, rows: Rows, size: int) -> None:
    """Write a file of rows."""
    with file.open("w") as lines:
        lines.write(rows.header + "\n")
        for number in range(size):
            values = {"number": number, "course": number % 50, "progress": number % 101, "second": number % 60}
            lines.write(rows.line.format(**values) + "\n")


def checker(kind: str, file: Path) -> Callable[[], int]:
    """Return a function that checks all rows, and returns the number of valid ones."""
    from airflow_provider_360learning.api.models.external import ExternalStatistic
    from airflow_provider_360learning.api.v1.external import ExternalActions
    from airflow_provider_360learning.api.v1.groups import GroupActions
    from airflow_provider_360learning.api.v1.users import UserActions

    action = next(getattr(each, kind) for each in (UserActions, ExternalActions, GroupActions) if hasattr(each, kind))
    model = ExternalStatistic if kind == "import_external_course_stats" else action.model
    rows = RowChecker(make_source(str(file)), RowSchema(action.name, model, action.write, {}))

    def run() -> int:
        valid = sum(not row.errors for row in rows.all_rows())
        rows.close()
        return valid

    return run


def plain_loop(file: Path) -> Callable[[], int]:
    """Return a function that reads all rows and encodes each as JSON, and returns their number."""

    def run() -> int:
        with file.open(newline="") as lines:
            return sum(bool(json.dumps(row)) for row in csv.DictReader(lines))

    return run


def _mebibytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
