"""
Attempts at a sync that end by SIGKILL: ``python -m tests.sync.killed_attempts``.

Each line of the standard input is an attempt, which a fork makes: a new interpreter would need seconds. The id of its
process is written at its beginning, and at its end its exit status and its error.

The lease of an attempt that was killed lasts half a minute. Since one attempt ends before the next one begins, none has
to wait that long: all sleep as briefly as possible.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import sys
import time
import traceback
from pathlib import Path
from typing import Any

_sleep = time.sleep
time.sleep = lambda seconds: _sleep(min(seconds, 0.01))  # before modules import it
os.fsync = lambda _: None  # the machine survives

import airflow_provider_360learning.sync.apply  # noqa: E402 - before the fork
import airflow_provider_360learning.sync.arguments  # noqa: E402
import airflow_provider_360learning.sync.results  # noqa: E402, F401
from airflow_provider_360learning.hooks.learning360 import Learning360Hook  # noqa: E402
from airflow_provider_360learning.operators.sync import Learning360SyncUsersOperator  # noqa: E402
from tests.sync.attempt import COMPLETE, FINISHED, SAVED, context  # noqa: E402


def main() -> None:
    """Fork an attempt for each line."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # Airflow logs there
    for line in iter(sys.stdin.readline, ""):
        order = json.loads(line)
        os.environ.update(order["environment"])
        Learning360Hook.get_connection("learning360_default")  # imports what it needs, before the fork
        gc.freeze()  # what exists is not copied
        reading, writing = os.pipe()
        if (child := os.fork()) == 0:
            try:
                attempt(order["arguments"], order["kill_at"])
            except BaseException:
                os.write(writing, traceback.format_exc().encode()[-3000:])
                os._exit(1)
            os._exit(0)
        os.close(writing)
        print(child, file=answers, flush=True)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        with open(reading, "rb") as file:
            error = file.read().decode(errors="replace")
        print(json.dumps([status, error]), file=answers, flush=True)


def attempt(arguments: dict[str, Any], place: tuple[str, str] | None) -> None:
    """Make an attempt in this process."""
    when, phase = place or ("", "")
    if when in (COMPLETE, SAVED, FINISHED):
        kill_before_change(when, phase, Path(arguments["plan_path"]))
    Learning360SyncUsersOperator(task_id="sync", **arguments).execute(context())


def kill_before_change(when: str, phase: str, plans: Path) -> None:
    """End this process, as a crash does, before it changes the next file in a certain place of applying a plan."""

    def is_due(file: str) -> bool:
        if not any(plans.glob(f"*/results/{phase}/manifest.json")):
            return False
        if when == FINISHED:
            return any(json.loads(mark.read_bytes())["finished_at"] for mark in plans.glob("*/applied.json"))
        return when == COMPLETE or file == "applied.json"

    def audit(event: str, arguments: tuple[Any, ...]) -> None:
        if event in ("os.rename", "os.remove") and is_due(str(arguments[event == "os.rename"])):
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(audit)


if __name__ == "__main__":
    main()
