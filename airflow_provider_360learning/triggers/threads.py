"""Threads for what blocks, which end when they have nothing to do."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from functools import partial
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

#: Seconds for which an idle thread waits for the next job.
MAX_IDLE = 10.0


class TransientThreads(Executor):
    """
    Threads that are started when they are needed and end when they are idle.

    Those of :class:`~concurrent.futures.ThreadPoolExecutor` stay until the process ends, and delay its end. A triggerer
    has such threads for each connection, and may run for months.

    :param max_threads: Maximum number of jobs that run at once; the others wait.
    :param max_idle: Seconds for which an idle thread waits for the next job.
    """

    def __init__(self, max_threads: int, max_idle: float = MAX_IDLE) -> None:
        self._max_threads = max_threads
        self._max_idle = max_idle
        self._changed = threading.Condition()
        self._jobs: deque[Callable[[], None]] = deque()
        self._running = self._idle = 0

    def submit(self, function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        """
        Call a function in a thread.

        :param function: The function.
        :param args: Its arguments.
        :param kwargs: Its keyword arguments.
        """
        future: Future[R] = Future()
        with self._changed:
            self._jobs.append(partial(_run, future, partial(function, *args, **kwargs)))
            self._changed.notify()
            if len(self._jobs) > self._idle and self._running < self._max_threads:
                threading.Thread(target=self._work, name="learning360", daemon=True).start()
                self._running += 1
        return future

    def _work(self) -> None:
        while job := self._next_job():
            job()
            del job  # with the result of its function, while this thread waits for the next one

    def _next_job(self) -> Callable[[], None] | None:
        """Return the next job, or ``None`` after too long without one."""
        with self._changed:
            self._idle += 1
            self._changed.wait_for(lambda: self._jobs, self._max_idle)
            self._idle -= 1
            if self._jobs:
                return self._jobs.popleft()
            self._running -= 1
            return None


def _run(future: Future[R], call: Callable[[], R]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = call()
    except BaseException as error:
        future.set_exception(error)
    else:
        future.set_result(result)
