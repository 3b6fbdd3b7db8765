"""
Attempts at a sync that kill themselves: ``python -m tests.sync.killed_attempts ARGUMENTS`` forks one after the other.

Each attempt ends after the first phase after which none has ended yet, until one succeeds: the results of the phase
are complete, and the state of the sync does not have them yet. An attempt that kills itself ends in the same place
however busy the machine is. The phases after which attempts ended are printed.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from airflow_provider_360learning.operators.sync import Learning360SyncUsersOperator
from tests.sync.attempt import context


def begun_phases(plans: Path) -> list[Path]:
    """Return the folders of the phases that have begun, in their order."""
    folders = (path.parent for name in ("progress", "manifest") for path in plans.glob(f"*/results/*/{name}.json"))
    return sorted(set(folders), key=lambda folder: folder.name)


def expire_lease(phase: Path) -> None:
    """Let the lease of an attempt that was killed expire."""
    if (progress := phase / "progress.json").exists():
        state = json.loads(progress.read_text())
        progress.write_text(json.dumps(state | {"lease_until": state["lease_until"] - 60}))


def kill_self() -> None:
    """End this process as a crash does: nothing is cleaned up."""
    os.kill(os.getpid(), signal.SIGKILL)


def kill_at_end(is_due: Callable[[], Path | None]) -> None:
    """Kill this process before it writes the first file after the manifest of a phase."""

    def audit(event: str, _: object) -> None:
        if event == "os.rename" and (phase := is_due()) and (phase / "manifest.json").exists():
            kill_self()

    sys.addaudithook(audit)


def attempt(arguments: dict[str, Any], killed: Collection[str]) -> None:
    """Run one attempt, which kills itself after the next phase that is not in ``killed``."""

    def next_phase() -> Path | None:
        phases = begun_phases(Path(arguments["plan_path"]))
        return phases[-1] if phases and phases[-1].name not in killed else None

    kill_at_end(next_phase)
    Learning360SyncUsersOperator(task_id="sync", **arguments).execute(context())


def main(arguments: dict[str, Any]) -> list[str]:
    """Fork attempts until one succeeds, and return the phases after which the others ended."""
    killed: list[str] = []
    while True:
        if (child := os.fork()) == 0:
            attempt(arguments, killed)
            os._exit(0)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        phases = begun_phases(Path(arguments["plan_path"]))
        if status != -signal.SIGKILL:
            if status:
                sys.exit(status)
            return killed
        killed.append(phases[-1].name)
        for folder in phases:
            expire_lease(folder)


if __name__ == "__main__":
    print(json.dumps(main(json.loads(sys.argv[1]))))
