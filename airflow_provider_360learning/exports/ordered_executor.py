"""Several requests under way at a time, and what comes of them in order: the rate limit is reached at any latency."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

#: Requests under way: ten a second at up to 1.6 seconds each. What they bring is all that is in memory.
UNDER_WAY = 16


def in_order(function: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
    """
    Call a function for each item, a few at a time, and yield what it returns in the order of the items.

    :param function: Called in threads.
    :param items: What it is called with.
    """
    threads = ThreadPoolExecutor(UNDER_WAY, thread_name_prefix="learning360-export")
    under_way: deque[Future[R]] = deque()
    try:
        for item in items:
            under_way.append(threads.submit(copy_context().run, function, item))
            if len(under_way) == UNDER_WAY:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()
    finally:
        threads.shutdown(wait=False, cancel_futures=True)
