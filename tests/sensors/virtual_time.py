"""A clock that jumps to the next timer of an event loop as soon as nothing else is left to do."""

from __future__ import annotations

import asyncio
import selectors
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from airflow_provider_360learning.triggers.completion import Learning360CompletionTrigger


class Clock:
    """The time of the virtual loop while one runs, else real time."""

    def __init__(self) -> None:
        self.loop: VirtualTimeLoop | None = None

    def __call__(self) -> float:
        """Return monotonic seconds."""
        return self.loop.time() if self.loop else time.monotonic()


clock = Clock()
#: Time at which the clock of every virtual loop starts, in seconds since 1970.
START = time.time()


class CountingExecutor(ThreadPoolExecutor):
    """Threads whose jobs count as unfinished until the callbacks of their futures have been called."""

    def __init__(self, max_workers: int) -> None:
        super().__init__(max_workers)
        self.unfinished = 0
        self._lock = threading.Lock()

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self._count(1)

        def run() -> None:
            try:
                if future.set_running_or_notify_cancel():
                    try:
                        result = function(*args, **kwargs)
                    except BaseException as error:
                        future.set_exception(error)
                    else:
                        future.set_result(result)
            finally:
                self._count(-1)

        super().submit(run)
        return future

    def _count(self, change: int) -> None:
        with self._lock:
            self.unfinished += change


class JumpingSelector(selectors.DefaultSelector):
    """Wait for files as usual, and instead of waiting for a timer, advance the clock once no thread is busy."""

    def __init__(self, is_busy: Callable[[], bool]) -> None:
        super().__init__()
        self.now = 0.0
        self._is_busy = is_busy

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None or timeout <= 0:
            return super().select(timeout)
        while self._is_busy():
            if events := super().select(0.01):
                return events
        # A thread wakes the loop before it counts as finished.
        if events := super().select(0):
            return events
        self.now += timeout
        return []


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """
    An event loop whose time passes only when all threads are idle.

    :param executor: The threads to which jobs are submitted without the loop.
    """

    def __init__(self, executor: CountingExecutor) -> None:
        self._executor = executor
        self._in_executors = 0
        self._jumping_selector = JumpingSelector(self._is_busy)
        super().__init__(self._jumping_selector)

    def time(self) -> float:
        return self._jumping_selector.now

    def run_in_executor(self, executor: Any, function: Any, *args: Any) -> Any:
        future = super().run_in_executor(executor, function, *args)
        self._in_executors += 1
        future.add_done_callback(self._on_result)
        return future

    def _on_result(self, future: object) -> None:
        self._in_executors -= 1

    def _is_busy(self) -> bool:
        return self._executor.unfinished + self._in_executors > 0


class VirtualTimeTrigger(Learning360CompletionTrigger):
    """The trigger on the clock of a virtual loop."""

    threads = CountingExecutor(8)

    @classmethod
    def executor(cls, subject: object) -> CountingExecutor:
        return cls.threads

    @staticmethod
    def now() -> float:
        return START + asyncio.get_running_loop().time()


def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine in virtual time."""
    with asyncio.Runner(loop_factory=lambda: VirtualTimeLoop(VirtualTimeTrigger.threads)) as runner:
        clock.loop = runner.get_loop()
        try:
            return runner.run(coroutine)
        finally:
            clock.loop = None
