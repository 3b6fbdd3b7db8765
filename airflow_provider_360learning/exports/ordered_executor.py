"""Several requests at a time, with results in order, so that exports reach the rate limit at any latency."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

#: Requests at a time: ten per second with a latency of up to 1.6 seconds. Only their results are in memory.
MAX_PENDING = 16


def in_order(function: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
    """
    Call a function for each item, a few at a time, and yield what it returns in the order of the items.

    :param function: Called in threads.
    :param items: Its arguments, one per call.
    """
    threads = ThreadPoolExecutor(MAX_PENDING, thread_name_prefix="learning360-export")
    pending: deque[Future[R]] = deque()
    try:
        for item in items:
            pending.append(threads.submit(copy_context().run, function, item))
            if len(pending) == MAX_PENDING:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        threads.shutdown(wait=False, cancel_futures=True)
