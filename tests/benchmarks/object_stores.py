"""
Memory of exports, merges and reads in object stores, compared with local files.

``python -m tests.benchmarks.object_stores``: an export of two million attempts, the merge of 200 parts of results, and
the reading of a file of rows of 1 GB, each in a process of its own. S3 is a server in another process; the other store
is one of fsspec without any options, which keeps its objects on disk. Memory is the peak in addition to what the
process used when it had connected to the store.
"""

from __future__ import annotations

import logging
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from airflow_provider_360learning.api.limiter.sqlite import SqliteStore
from tests.benchmarks.exports import END, START
from tests.benchmarks.support import PeakMemory, Table, arguments, in_processes, make_api, sandbox
from tests.fake_object_store import PROTOCOL, register_fake_object_store
from tests.s3_server import S3Server

PARTS = 200
#: Bytes of a part of results, and of a row of the file that is read.
PART_BYTES, ROW_BYTES = 2_500_000, 1000
#: Maximum megabytes in addition to an idle process.
AIM = 150


@dataclass(frozen=True)
class Plan:
    """The work of one process."""

    work: str
    place: str
    size: int
    folder: str
    url: str = ""
    env: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Figures:
    """The cost of it."""

    megabytes: float
    seconds: float
    cpu_seconds: float
    idle_megabytes: float
    peak_megabytes: float


def main() -> None:
    """Print a row per work and place."""
    shrink = 20 if arguments(__doc__).parse_args().quick else 1
    sizes = {"export": 2_000_000 // shrink, "merge": PARTS // shrink, "read": 1_000_000 // shrink}
    table = Table({"Work": 6, "place": 22, "MB": 5, "seconds": 7, "CPU s": 5, "idle MB": 7, "peak above idle": 15})
    worst = 0.0
    with tempfile.TemporaryDirectory() as folder, S3Server(Path(folder) / "s3.log") as s3:
        places = {
            "local": f"{folder}/local",
            "S3": f"s3://aws_default@{s3.new_bucket()}",
            "another store": f"{PROTOCOL}://bucket",
        }
        env = {"AIRFLOW_CONN_AWS_DEFAULT": s3.connection(), "AIRFLOW_HOME": folder}
        with sandbox(generated_attempts=sizes["export"]) as server:
            for work, size in sizes.items():
                for name, place in places.items():
                    plan = Plan(work, place, size, f"{folder}/objects", server.url, env)
                    if work != "export":
                        in_processes(prepare, [plan])
                    (figures,) = in_processes(measure, [plan])
                    worst = max(worst, figures.peak_megabytes)
                    table.row(
                        work,
                        name,
                        f"{figures.megabytes:.0f}",
                        f"{figures.seconds:.1f}",
                        f"{figures.cpu_seconds:.1f}",
                        f"{figures.idle_megabytes:.0f}",
                        f"{figures.peak_megabytes:.0f}",
                    )
    print(f"\nAim: a peak that does not depend on size and store, at most {AIM} MB above idle: {worst:.0f} MB.")


def prepare(plan: Plan) -> None:
    """Write the files that are read."""
    from airflow_provider_360learning.files.storage import atomic_writer

    _connect(plan)
    if plan.work == "merge":
        for part in _parts(plan):
            with atomic_writer(part) as file:
                file.write(b'{"row": 1}\n' * (PART_BYTES // 11))
        return
    with atomic_writer(f"{plan.place}/rows.csv") as file:
        file.write(b"mail,first_name\n")
        for number in range(plan.size):
            file.write(f"person{number}@acme.test,".encode().ljust(ROW_BYTES - 1, b"x") + b"\n")


def measure(plan: Plan) -> Figures:
    """Do the work in this process and return the cost."""
    from airflow_provider_360learning.files.storage import check_folder, size_of

    _connect(plan)
    check_folder(plan.place)
    work = WORKS[plan.work]
    memory = PeakMemory()
    started, cpu_started = time.perf_counter(), time.process_time()
    file = work(plan)
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu_started
    peak = memory.megabytes
    return Figures((size_of(file) or 0) / 1e6, seconds, cpu_seconds, memory.idle / 1024, peak)


def _connect(plan: Plan) -> None:
    os.environ.update(plan.env)
    logging.disable(logging.WARNING)  # Airflow's go to the table
    register_fake_object_store(plan.folder)
    Path(plan.folder).mkdir(exist_ok=True)


def _export(plan: Plan) -> str:
    from airflow_provider_360learning.exports.course_statistics import export_course_statistics
    from airflow_provider_360learning.exports.interval import interval_of

    path = f"{plan.place}/attempts.jsonl"
    api = make_api(plan.url, SqliteStore(":memory:"))
    result = export_course_statistics(api, path, interval_of(START, END, 0, {}))
    assert result["rows"] == plan.size
    return path


def _merge(plan: Plan) -> str:
    from airflow_provider_360learning.files.formats import concatenate

    concatenate(_parts(plan), f"{plan.place}/results.jsonl")
    return f"{plan.place}/results.jsonl"


def _read(plan: Plan) -> str:
    from airflow_provider_360learning.files.formats import read

    path = f"{plan.place}/rows.csv"
    assert sum(1 for _ in read(path)) == plan.size
    return path


def _parts(plan: Plan) -> list[str]:
    return [f"{plan.place}/parts/{number:06}.jsonl" for number in range(plan.size)]


WORKS: dict[str, Callable[[Plan], str]] = {"export": _export, "merge": _merge, "read": _read}


if __name__ == "__main__":
    main()
