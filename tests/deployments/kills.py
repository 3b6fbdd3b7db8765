"""The kill table: each process of a task with many rows in Celery, and each signal."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from airflow_provider_360learning.api.v1.spec import API_V1
from airflow_provider_360learning.sandbox.server import Sandbox
from airflow_provider_360learning.sandbox.v1.version import DOCUMENTED_LIMITS
from tests.deployments.celery_stack import CeleryStack, Worker
from tests.kill_recovery import DAG_ID, Evidence, KilledRun, PlannedKill, Victim

#: Multiple of the documented limits.
FASTER = 4
SETTINGS = {
    "delay_before_ms": 50,
    "delay_after_ms": 50,
    "limits": {name: FASTER * calls for name, calls in DOCUMENTED_LIMITS.items()},
}
LIMITS = {name: FASTER * limit.requests for name, limit in API_V1.limits.items()}
ROWS = 60
#: Seconds, instead of 30.
LEASE = 6
#: Maximum seconds of a run.
TIMEOUT = 300.0


@dataclass(frozen=True)
class Cell:
    """
    A cell of the table.

    :param victim: The process.
    :param number: The signal that it gets.
    """

    victim: Victim
    number: signal.Signals

    @property
    def name(self) -> str:
        """Return a name that is also the id of a connection."""
        return f"{self.victim}_{self.number.name}".lower()


CELLS = [
    Cell(victim, number)
    for victim, number in product(
        ("worker", "all", "supervisor", "task"), (signal.SIGTERM, signal.SIGQUIT, signal.SIGKILL)
    )
]


def kill_all(stack: CeleryStack, cells: Sequence[Cell], backend: str, folder: Path) -> dict[Cell, Future[Evidence]]:
    """
    Run a task per cell at the same time, kill its process, and return what can be observed of each.

    A worker that is killed has one task only: a DAG of their own runs on workers that run nothing else.

    :param stack: The Airflow that runs them.
    :param cells: The cells.
    :param backend: The backend of the rate limiter.
    :param folder: An empty folder.
    """
    spare = [cell for cell in cells if cell.victim in ("worker", "all")]
    workers = [Worker(f"spare-{number}", "127.0.0.1", ["spare"], 1) for number, _ in enumerate(spare, 1)]
    workers += [Worker(f"worker-{number}", "127.0.0.1", ["default"], 3) for number in (1, 2)]
    with ExitStack() as running:
        sandboxes = {cell: running.enter_context(Sandbox(settings=SETTINGS)) for cell in cells}
        connections = {cell.name: sandbox.connection_json(limits=LIMITS) for cell, sandbox in sandboxes.items()}
        running.enter_context(stack.workers(workers, backend, connections))

        def run(cell: Cell) -> Evidence:
            own = folder / cell.name
            own.mkdir()
            killed = KilledRun(
                stack,
                sandboxes[cell].control,
                own,
                ROWS,
                in_object_store=True,
                dag_id=f"{DAG_ID}_on_spare_workers" if cell in spare else DAG_ID,
                kill_worker=stack.kill_worker_of,
                connection=cell.name,
                lease=LEASE,
            )
            return killed.kill([PlannedKill(ROWS // 3, cell.victim, cell.number)], TIMEOUT)

        pool = running.enter_context(ThreadPoolExecutor(len(cells)))
        runs = {cell: pool.submit(run, cell) for cell in cells}
        try:
            wait(runs.values())
        except BaseException:
            stack.stop()  # which ends the runs
            raise
        return runs
