"""
One attempt at many rows in a process of its own, which a test can kill: ``python -m tests.rows.attempt ARGUMENTS``.

With ``--supervised``, the parent process counts as the supervisor that Airflow starts for each attempt, and SIGTERM
does what it does in the installed Airflow. The task state store is out of reach once the supervisor is gone,
since it is reached through it.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_0_PLUS

from tests.rows.support import bulk, make_operator

IDENTITY = {"dag_id": "many_rows", "task_id": "bulk", "run_id": "manual", "map_index": -1, "max_tries": 3}


class TaskState:
    """
    A task state store in a file.

    :param path: The file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._supervisor = os.getppid()

    def get(self, key: str) -> Any:
        """Return the value of a key."""
        self._reach_supervisor()
        return self._all().get(key)

    def set(self, key: str, value: Any) -> None:
        """Store the value of a key."""
        self._reach_supervisor()
        self._write(self._all() | {key: value})

    def delete(self, key: str) -> None:
        """Remove a key."""
        self._reach_supervisor()
        self._write({name: value for name, value in self._all().items() if name != key})

    def _reach_supervisor(self) -> None:
        if os.getppid() != self._supervisor:
            raise BrokenPipeError("the supervisor is gone")

    def _write(self, values: dict[str, Any]) -> None:
        """Replace the file in one step, because the process may be killed at any time."""
        unfinished = self._path.with_suffix(".new")
        unfinished.write_text(json.dumps(values))
        unfinished.replace(self._path)

    def _all(self) -> dict[str, Any]:
        return dict(json.loads(self._path.read_text())) if self._path.exists() else {}


def task_context(task_state: Path | None) -> dict[str, Any]:
    """
    Return the context of a supervised task.

    :param task_state: File of the task state store, if there is one.
    """
    context: dict[str, Any] = {"ti": SimpleNamespace(**IDENTITY, raw=True)}
    return context if task_state is None else {**context, "task_state_store": TaskState(task_state)}


def run_supervised(arguments: dict[str, Any], task_state: Path | None) -> None:
    """Run an operator as Airflow does."""
    operator = make_operator(**arguments)

    def terminate(*_: object) -> None:
        operator.on_kill()
        if not AIRFLOW_V_3_0_PLUS:
            raise InterruptedError("Task received SIGTERM signal")

    signal.signal(signal.SIGTERM, terminate)
    operator.execute(task_context(task_state))


if __name__ == "__main__":
    if sys.argv[1] == "--supervised":
        run_supervised(json.loads(sys.argv[2]), Path(sys.argv[3]) if len(sys.argv) > 3 else None)
    else:
        bulk(**json.loads(sys.argv[1]))
