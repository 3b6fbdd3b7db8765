"""Share polls among all waits on one event loop that have the same condition."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")

#: Fraction of a wait's interval for which the result of a poll is fresh. Below 1, so that a wait does not get the
#: result of its own last poll one interval later.
FRESH_FOR = 0.95


class SharedPolls(Generic[T]):
    """
    Polls that are in progress or have a fresh result, by key, on one event loop.

    A failure is a result as well: it counts for every wait that would have polled, and none of them repeats the poll
    before its interval is over.

    :param max_concurrent: Maximum number of polls in progress. The others wait here instead of holding reservations
        of the rate limiter, which other requests need.
    :param stagger: Seconds between two waits that get the same result; with 0, they get it in successive iterations
        of the loop. Without it, thousands of waits that act on one result, and log it, would block the loop.
    """

    def __init__(self, max_concurrent: int, stagger: float = 0.0) -> None:
        self._polls: dict[Hashable, _Poll[T]] = {}
        self._capacity = asyncio.Semaphore(max_concurrent)
        self._stagger = stagger

    async def get(
        self,
        key: Hashable,
        poll: Callable[[], Awaitable[T]],
        interval: float,
        max_wait: float | None = None,
    ) -> T:
        """
        Return the result of a poll, and start one only if none is in progress or fresh.

        :param key: Identifies what is polled.
        :param poll: Polls.
        :param interval: Interval of the calling wait, in seconds.
        :param max_wait: Maximum number of seconds to wait for the result; by default unlimited.
        :raises TimeoutError: if there is no result within ``max_wait``.
        """
        shared = self._polls.get(key)
        if shared is None or not shared.serves(interval):
            shared = self._polls[key] = _Poll(asyncio.create_task(self._run(poll)), self._stagger)
            shared.call_after_result(interval, self._forget, key, shared)
        return await shared.result(max_wait)

    async def _run(self, poll: Callable[[], Awaitable[T]]) -> T:
        async with self._capacity:
            return await poll()

    def _forget(self, key: Hashable, shared: _Poll[T]) -> None:
        if self._polls.get(key) is shared:
            del self._polls[key]


class _Poll(Generic[T]):
    """One poll and the waits that want its result."""

    def __init__(self, task: asyncio.Task[T], stagger: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._stagger = stagger
        # An ordered set: the first wait in is the first to get the result.
        self._waiting: dict[asyncio.Future[None], None] = {}
        self._finished_at = float("inf")
        self._task = task
        self._task.add_done_callback(self._on_result)

    def call_after_result(self, seconds: float, callback: Callable[..., object], *arguments: object) -> None:
        """Call a function this many seconds after the result."""
        self._task.add_done_callback(lambda task: self._loop.call_later(seconds, callback, *arguments))

    def serves(self, interval: float) -> bool:
        """Return whether the poll is in progress, or its result fresh for a wait with this interval."""
        if self._task.cancelled() or self._task.cancelling():
            return False
        return self._loop.time() < self._finished_at + interval * FRESH_FOR

    async def result(self, max_wait: float | None) -> T:
        """
        Wait for the result.

        A wait that times out or is cancelled leaves the poll to the others; the last one cancels it.
        """
        if not self._task.done():
            turn: asyncio.Future[None] = self._loop.create_future()
            self._waiting[turn] = None
            try:
                await asyncio.wait([turn], timeout=max_wait)
            finally:
                self._waiting.pop(turn, None)
                if not self._waiting and not self._task.done():
                    self._task.cancel()
            if not self._task.done():
                raise TimeoutError
        return self._task.result()

    def _on_result(self, task: asyncio.Task[T]) -> None:
        self._finished_at = self._loop.time()
        if not task.cancelled():
            task.exception()  # retrieved, because possibly no wait is left to do it
        self._wake_next()

    def _wake_next(self) -> None:
        if self._waiting:
            turn = next(iter(self._waiting))
            del self._waiting[turn]
            turn.set_result(None)
            self._loop.call_later(self._stagger, self._wake_next)
