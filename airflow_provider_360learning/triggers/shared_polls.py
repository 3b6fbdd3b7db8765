"""Waits that ask the same question share one request and its answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar

T = TypeVar("T")

#: Part of the interval for which an answer serves others. Less than all of it, so that whoever asked does not meet
#: its own answer again one interval later.
SERVES_FOR = 0.95


class SharedPolls(Generic[T]):
    """
    Answers that are under way or fresh, by question, on one event loop.

    A failure is an answer as well: it is counted by everybody who would have asked, and asked for again by nobody
    before the time.

    :param at_once: Most questions that are asked at the same time. The others wait here: each one that is being
        asked holds a place in the rate limits, which others need, too.
    :param apart: Seconds between two who are told an answer; with 0, they are told at different turns of the loop.
        What thousands do with it at once, log above all, would hold up the loop.
    """

    def __init__(self, at_once: int, apart: float = 0.0) -> None:
        self._asked: dict[Hashable, _Asked[T]] = {}
        self._room = asyncio.Semaphore(at_once)
        self._apart = apart

    async def get(
        self,
        question: Hashable,
        ask: Callable[[], Coroutine[Any, Any, T]],
        interval: float,
        max_wait: float | None = None,
    ) -> T:
        """
        Return the answer to a question, asking only if nobody has within the interval.

        :param question: What tells questions apart.
        :param ask: Asks.
        :param interval: Seconds.
        :param max_wait: Seconds; by default without end.
        :raises TimeoutError: if there is no answer by then.
        """
        asked = self._asked.get(question)
        if asked is None or not asked.serves(interval):
            asked = self._asked[question] = _Asked(self._in_its_turn(ask), self._apart)
            asked.when_over(interval, self._forget, question, asked)
        return await asked.answer(max_wait)

    async def _in_its_turn(self, ask: Callable[[], Coroutine[Any, Any, T]]) -> T:
        async with self._room:
            return await ask()

    def _forget(self, question: Hashable, asked: _Asked[T]) -> None:
        if self._asked.get(question) is asked:
            del self._asked[question]


class _Asked(Generic[T]):
    """A question that was asked once, and those who wait for the answer."""

    def __init__(self, asking: Coroutine[Any, Any, T], apart: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._apart = apart
        self._waiting: dict[asyncio.Future[None], None] = {}
        self._answered_at = float("inf")
        self._task = self._loop.create_task(asking)
        self._task.add_done_callback(self._note_answer)

    def when_over(self, seconds: float, act: Callable[..., object], *arguments: object) -> None:
        """Act so many seconds after the answer."""
        self._task.add_done_callback(lambda task: self._loop.call_later(seconds, act, *arguments))

    def serves(self, interval: float) -> bool:
        """Tell whether the answer is under way, or fresh enough for one who asks at this interval."""
        if self._task.cancelled() or self._task.cancelling():
            return False
        return self._loop.time() < self._answered_at + interval * SERVES_FOR

    async def answer(self, max_wait: float | None) -> T:
        """Wait for the answer. Whoever leaves leaves the question to the others; the last one takes it back."""
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

    def _note_answer(self, task: asyncio.Task[T]) -> None:
        self._answered_at = self._loop.time()
        if not task.cancelled():
            task.exception()  # seen: nobody may be left who waits for it
        self._tell_one()

    def _tell_one(self) -> None:
        if self._waiting:
            turn = next(iter(self._waiting))
            del self._waiting[turn]
            turn.set_result(None)
            self._loop.call_later(self._apart, self._tell_one)
