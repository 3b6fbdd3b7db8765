"""
The supervisor of a task process: recognize it, and exit when it is gone.

Imported when DAG files are parsed, so that the supervisor is recorded early.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import psutil

from airflow_provider_360learning.log_text import get_logger

log = get_logger(__name__)


def is_supervised(task_instance: object) -> bool:
    """
    Return whether Airflow started this process for one attempt of a task, with its parent as supervisor.

    Processes of ``dag.test()``, ``airflow tasks test``, scripts and triggers have no supervisor: it means nothing
    there if the parent process, perhaps a shell, ends.

    :param task_instance: The running task instance, or ``None`` outside a task. Its class depends on the Airflow line.
    """
    if hasattr(task_instance, "raw"):  # Airflow 2: true under `airflow tasks run --raw`, which supervisors start
        return bool(task_instance.raw)
    # Airflow 3: the channel to the supervisor; processes without a supervisor have an object of another class there.
    runner = sys.modules.get("airflow.sdk.execution_time.task_runner")
    channel = getattr(runner, "SUPERVISOR_COMMS", None)
    return task_instance is not None and isinstance(channel, getattr(runner, "CommsDecoder", ()))


def is_orphaned() -> bool:
    """Return whether the supervisor of this process is gone."""
    # Compared with the recorded ids, not with 1: a supervisor may be process 1 of a container, and a subreaper other
    # than process 1 may adopt orphans.
    return any(before != now for before, now in zip(_recorded, _ancestors(), strict=False))


@contextmanager
def ignore_sigterm() -> Iterator[None]:
    """
    Ignore SIGTERM, for the few seconds in which a task that ends tidies up.

    The supervisor forwards SIGTERM, so that a task gets it twice where all processes of a worker get one.
    """
    if threading.current_thread() is not threading.main_thread():  # only the main thread handles signals
        yield
        return
    handler = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, handler)


def exit_if_orphaned() -> None:
    """Exit this process if its supervisor is gone: Airflow retries the task, but leaves the old process running."""
    if is_orphaned():
        exit_orphaned()


def exit_orphaned() -> NoReturn:
    """
    Exit this process, whose supervisor is gone.

    The process exits without an error. Airflow 3 has no receiver for one, and a task process of Airflow 2 would write
    its failure into the database itself, over the state of the running attempt, which Airflow then kills.
    """
    try:
        log.error(
            "Supervisor process is gone; Airflow will retry this task. "
            "Exiting before the next request to avoid duplicate writes."
        )
        logging.shutdown()  # uploads logs that are kept elsewhere
    finally:  # on Airflow 3, the log has no receiver either
        os._exit(1)


def _ancestors() -> tuple[int, ...]:
    """Return the process ids from the parent up to the supervisor; with ``run_as_user``, sudo is in between."""
    ids = [os.getppid()]
    try:
        while (parent := psutil.Process(ids[-1])).name() == "sudo":
            ids.append(parent.ppid())
    except (psutil.Error, OSError):  # hidden, or ended meanwhile
        pass
    return tuple(ids)


# A supervisor that dies before it is recorded goes unnoticed, so it is recorded as early as possible. On Airflow 2, the
# supervisor reads the DAG file and forks the task, which records it at once. On Airflow 3, the task reads the file, and
# until then must communicate with its supervisor. Where the DAG file imports nothing of this package, the first hook
# records it.
_recorded: tuple[int, ...] = ()


def _record_supervisor() -> None:
    global _recorded
    _recorded = _ancestors()


_record_supervisor()
os.register_at_fork(after_in_child=_record_supervisor)
