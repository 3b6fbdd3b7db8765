"""
The process that supervises a task: what it means for the task when that tells it to end, and when it is killed.

Imported when DAGs are parsed, so that the supervisor is known early.
"""

from __future__ import annotations

import logging
import os
import sys
from typing import Any

import psutil

log = logging.getLogger(__name__)


def is_supervised(task_instance: Any) -> bool:
    """
    Tell whether this process was started by Airflow for one attempt of a task, and is supervised by its parent.

    ``dag.test()`` and ``airflow tasks test`` are not, nor are scripts and triggers, which have no task instance:
    it says nothing there if a parent, perhaps a shell, ends.

    :param task_instance: The running task instance, if there is one.
    """
    if hasattr(task_instance, "raw"):  # Airflow 2: true under `airflow tasks run --raw`, which supervisors start
        return bool(task_instance.raw)
    # Airflow 3: the line to the supervisor; in processes without one, another class stands there.
    runner = sys.modules.get("airflow.sdk.execution_time.task_runner")
    line = getattr(runner, "SUPERVISOR_COMMS", None)
    return task_instance is not None and isinstance(line, getattr(runner, "CommsDecoder", ()))


def end_if_orphaned() -> None:
    """
    End this process if its supervisor is gone: Airflow tries the task again, but leaves its old process running.

    It ends without an error. Nobody is left to be told, and what is worse, a task process of Airflow 2 writes its
    failure into the database itself: over the state of the attempt that runs meanwhile, which Airflow then kills.
    """
    # Compared with what was, not with 1: a supervisor may be process 1 of a container, and orphans be given to others.
    if all(before == now for before, now in zip(_noted, _ancestors(), strict=False)):
        return
    try:
        log.error(
            "The process that supervised this attempt is gone, so Airflow has sent_up_to or will begin another one. "
            "This one ends here, before its next request to 360Learning."
        )
        logging.shutdown()  # logs that are kept elsewhere are uploaded now
    finally:  # on Airflow 3, nobody takes in the log either
        os._exit(1)


def _ancestors() -> tuple[int, ...]:
    """List the processes from the parent up to the supervisor: with ``run_as_user``, sudo stands between."""
    line = [os.getppid()]
    try:
        while (parent := psutil.Process(line[-1])).name() == "sudo":
            line.append(parent.ppid())
    except (psutil.Error, OSError):  # hidden, or gone this very moment
        pass
    return tuple(line)


# A supervisor that dies before it is noted is not missed, so that is done as soon as possible. On Airflow 2, the
# supervisor reads the DAG file and forks the task, which notes it at once. On Airflow 3, the task reads the file, and
# until then must talk to its supervisor. StoragePath the DAG file imports nothing of this package, it is the first hook.
_noted: tuple[int, ...] = ()


def _note_supervisor() -> None:
    global _noted
    _noted = _ancestors()


_note_supervisor()
os.register_at_fork(after_in_child=_note_supervisor)
