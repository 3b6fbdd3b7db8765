"""
CPU time and memory of the check of all rows before the first request.

``python -m tests.benchmarks.preflight``: a CSV file of rows of ``create_user`` with six columns is read, validated,
normalized and digested, and each key is compared with all others, as a task does it. Each size runs in a process of its
own.
"""

from __future__ import annotations

import resource
import tempfile
import time
from pathlib import Path

from airflow_provider_360learning.rows.preflight import RowChecker
from airflow_provider_360learning.rows.schema import RowSchema
from airflow_provider_360learning.rows.sources import make_source
from tests.benchmarks.support import Table, arguments, in_processes

#: Rows per second of CPU time.
GOAL = 25_000
GROUP_ID = "64b1f0c2a9d3e40012ab0001"
LINE = "person{number}@acme.test,Ana,Roy {number},Sales Engineer," + GROUP_ID + ",create_active\n"


def main() -> None:
    """Print a row for each size."""
    sizes = [10_000, 100_000] if arguments(__doc__).parse_args().quick else [10_000, 100_000, 1_000_000]
    table = Table({"rows": 10, "rows per second of CPU": 24, "memory above start": 20})
    for size in sizes:
        ((rate, mebibytes),) = in_processes(check, [size])
        table.row(f"{size:,}", f"{rate:,.0f}", f"{mebibytes:.0f} MiB")
    print(f"\nGoal: at least {GOAL:,} rows per second of CPU, and memory that does not depend on the number of rows.")


def check(size: int) -> tuple[float, float]:
    """Check a file of some rows; rows per second of CPU, and MiB of memory."""
    from airflow_provider_360learning.api.v1.users import UserActions

    action = UserActions.create_user
    assert action.write is not None
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "people.csv"
        with file.open("w") as lines:
            lines.write("mail,first_name,last_name,job,group_id,mode\n")
            lines.writelines(LINE.format(number=number) for number in range(size))
        schema = RowSchema(action.name, action.model, action.write, {})
        checker = RowChecker(make_source(str(file)), schema)
        before = _mebibytes()
        start = time.process_time()
        invalid = sum(bool(row.errors) for row in checker.all_rows())
        seconds = time.process_time() - start
        checker.close()
    assert (invalid, checker.total) == (0, size)
    return size / seconds, _mebibytes() - before


def _mebibytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
