"""Run several calls at once, but never two that have a key in common, and return results in order."""

from __future__ import annotations

import queue
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from itertools import islice
from typing import Generic, Self, TypeVar

T = TypeVar("T")
R = TypeVar("R")

#: Maximum number of calls that run at once.
MAX_RUNNING = 32
#: Reads that run at once: ten per second at a latency of up to 1.6 s. Their results are all that is in memory.
READS_RUNNING = 16
#: Maximum number of items that wait for an earlier item with the same key.
MAX_HELD = 200


@dataclass(eq=False)
class Task(Generic[T, R]):
    """
    One item and what its call returned or raised.

    :param item: The item.
    :param keys: Items with a key in common never run at once, and run in the order of their submission.
    :param result: What the call returned.
    :param error: What the call raised.
    :param ended: Whether the call has ended. Set last, by the thread of the call.
    """

    item: T
    keys: frozenset[str]
    result: R | None = None
    error: BaseException | None = None
    ended: bool = False


class OrderedExecutor(Generic[T, R]):
    """
    Calls a function for each item, in threads.

    All state except :attr:`Task.ended`, ``result`` and ``error`` belongs to the thread that submits. An exception that
    a signal handler raises in that thread, at any point, leaves the executor usable: what runs is derived from the
    tasks, never counted.

    :param function: Called with each item.
    :param capacity: Returns how many calls may run at once.
    """

    def __init__(self, function: Callable[[T], R], capacity: Callable[[], int]) -> None:
        self._function = function
        self._capacity = capacity
        self._threads = ThreadPoolExecutor(MAX_RUNNING, thread_name_prefix="learning360-sender")
        #: One entry for each call that has ended; only a wake-up, the tasks say what has ended.
        self._wake_ups: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._started: list[Task[T, R]] = []
        self._held: deque[Task[T, R]] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        # Calls that wait for their send time find the lease gone; the caller does not wait for them.
        self._threads.shutdown(wait=False, cancel_futures=True)

    @property
    def has_capacity(self) -> bool:
        """Whether another item may be submitted."""
        return len(self._started) < min(self._capacity(), MAX_RUNNING) and len(self._held) < MAX_HELD

    @property
    def is_idle(self) -> bool:
        """Whether nothing was submitted that is not collected."""
        return not self._held and not self._started

    @property
    def is_quiet(self) -> bool:
        """Whether every call that was started has ended."""
        return all(task.ended for task in self._started)

    def submit(self, item: T, keys: Collection[str] = ()) -> Task[T, R]:
        """
        Call the function with an item as soon as no earlier item with the same key runs or is held.

        :param item: The item.
        :param keys: Keys that it shares with the items that it must not overtake.
        """
        task: Task[T, R] = Task(item, frozenset(keys))
        self._held.append(task)
        self._start_held()
        return task

    def collect(self, timeout: float) -> Iterator[Task[T, R]]:
        """
        Yield the tasks that have ended. Each is dropped after the caller has processed it.

        :param timeout: Seconds to wait if none has ended.
        """
        if not any(task.ended for task in self._started):
            try:
                self._wake_ups.get(timeout=timeout)
            except queue.Empty:
                return
        for task in [task for task in self._started if task.ended]:
            yield task
            self._started.remove(task)
        self._start_held()

    def drain(self, timeout: float) -> Iterator[Task[T, R]]:
        """
        Yield the tasks that end in time; held tasks are dropped.

        :param timeout: Seconds.
        """
        self._held.clear()
        deadline = time.monotonic() + timeout
        while self._started:
            yield from self.collect(max(0.0, min(0.1, deadline - time.monotonic())))
            if time.monotonic() >= deadline:
                return

    def map(self, items: Iterable[T]) -> Iterator[R]:
        """
        Yield what the function returns for each item, in the order of the items.

        :param items: The items.
        :raises BaseException: what the first call that failed has raised.
        """
        ordered: deque[Task[T, R]] = deque()
        waiting = iter(items)
        is_exhausted = False
        while ordered or not is_exhausted:
            while not is_exhausted and len(ordered) < min(self._capacity(), MAX_RUNNING):
                for item in islice(waiting, 1):
                    ordered.append(self.submit(item))
                    break
                else:
                    is_exhausted = True
            for _ in self.collect(timeout=0.5) if ordered else ():
                pass  # collected, so that its thread is free; its result comes in turn
            while ordered and ordered[0].ended:
                task = ordered.popleft()
                if task.error is not None:
                    raise task.error
                yield task.result  # type: ignore[misc]  # of a call that returned

    def _start_held(self) -> None:
        waiting, self._held = self._held, deque()
        taken = {key for task in self._started for key in task.keys}
        for task in waiting:
            if task.keys & taken:
                self._held.append(task)
            else:
                self._started.append(task)  # first, so that a call that runs is always known to run
                self._threads.submit(copy_context().run, self._call, task)
            taken |= task.keys

    def _call(self, task: Task[T, R]) -> None:
        try:
            task.result = self._function(task.item)
        except BaseException as error:
            task.error = error
        finally:
            task.ended = True
            self._wake_ups.put(None)


def map_ordered(function: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
    """
    Yield what a function returns for each item, in the order of the items, with several calls at once.

    :param function: Called in threads.
    :param items: The items.
    :raises BaseException: what the first call that failed has raised.
    """
    with OrderedExecutor(function, capacity=lambda: READS_RUNNING) as executor:
        yield from executor.map(items)
