"""The kill table: each process of a task with many rows in Celery, and each signal."""

from __future__ import annotations

import signal
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from airflow_provider_360learning.sandbox.control import SandboxControl
from tests.deployments.celery_stack import CeleryStack
from tests.kill_recovery import DAG_ID, Evidence, KilledRun, PlannedKill, Victim

#: Multiple of the documented limits.
FASTER = 4
ROWS = 60
#: Seconds, instead of 30.
LEASE = 6
TIMEOUT = 240.0


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
    for victim, number in product(("worker", "supervisor", "task"), (signal.SIGTERM, signal.SIGQUIT, signal.SIGKILL))
]


def kill_all(stack: CeleryStack, controls: dict[Cell, SandboxControl], folder: Path) -> dict[Cell, Future[Evidence]]:
    """
    Run a task per cell at the same time, kill its process, and return what can be observed of each.

    A killed worker has one task only: those of its row run on workers that run nothing else.

    :param stack: The Airflow that runs them, with workers.
    :param controls: The sandboxes that they write to.
    :param folder: An empty folder.
    """

    def run(cell: Cell) -> Evidence:
        own = folder / cell.name
        own.mkdir()
        killed = KilledRun(
            stack,
            controls[cell],
            own,
            ROWS,
            in_object_store=True,
            dag_id=f"{DAG_ID}_on_spare_workers" if cell.victim == "worker" else DAG_ID,
            kill_worker=stack.kill_worker_of,
            connection=cell.name,
            lease=LEASE,
        )
        return killed.kill([PlannedKill(ROWS // 3, cell.victim, cell.number)], TIMEOUT)

    with ThreadPoolExecutor(len(CELLS)) as pool:
        runs = {cell: pool.submit(run, cell) for cell in CELLS}
        try:
            wait(runs.values())
        except BaseException:
            stack.stop()  # which ends the runs
            raise
    return runs
