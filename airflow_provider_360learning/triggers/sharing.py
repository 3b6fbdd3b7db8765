"""Waits that ask the same question share one request and its answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar

T = TypeVar("T")

#: Part of the interval for which an answer serves others. Less than all of it, so that whoever asked does not meet
#: its own answer again one interval later.
SERVES_FOR = 0.95


class SharedAnswers(Generic[T]):
    """
    Answers that are under way or fresh, by question.

    A failure is an answer as well: it is counted by everybody who would have asked, and asked for again by nobody
    before the time.
    """

    def __init__(self) -> None:
        self._asked: dict[Hashable, asyncio.Task[T]] = {}

    async def get(self, question: Hashable, ask: Callable[[], Coroutine[Any, Any, T]], interval: float) -> T:
        """
        Return the answer to a question, asking only if nobody has.

        :param question: What tells questions apart.
        :param ask: Asks.
        :param interval: Seconds; an answer serves others for almost as long.
        """
        loop = asyncio.get_running_loop()
        key = (loop, question)
        task = self._asked.get(key)
        if task is None:
            task = self._asked[key] = loop.create_task(ask())
            task.add_done_callback(lambda done: self._serve(key, done, interval))
        # Whoever is cancelled leaves the question to the others.
        return await asyncio.shield(task)

    def _serve(self, key: tuple[asyncio.AbstractEventLoop, Hashable], done: asyncio.Task[T], interval: float) -> None:
        if not done.cancelled():
            done.exception()  # seen: nobody may be left who waits for it
        key[0].call_later(interval * SERVES_FOR, self._asked.pop, key, None)
