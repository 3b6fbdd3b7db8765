"""What one client used of the API: requests, and time spent waiting for the rate limits."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from airflow_provider_360learning.api.limiter.forking import ForkSafeLock

#: What is counted by operation.
Counted: TypeAlias = Literal["requests", "throttled", "retries"]


class UsageObserver:
    """Is notified of each use as it happens, in the thread that uses the API; this one ignores it."""

    def on_count(self, what: Counted, operation: str) -> None:
        """
        React to a request, a response 429 or a retry.

        :param what: What is counted.
        :param operation: The operation.
        """

    def on_wait(self, limit: str, seconds: float) -> None:
        """
        React to the beginning of a wait.

        :param limit: Name of the limit that is waited for.
        :param seconds: How long the wait is going to be.
        """

    def on_store_lost(self) -> None:
        """React to the loss of the shared store of the rate limiter."""


class _Stopwatch:
    """Measures the seconds in which at least one request runs it."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._since = 0.0
        self._running = 0

    def start(self, now: float) -> None:
        if not self._running:
            self._since = now
        self._running += 1

    def stop(self, now: float) -> None:
        self._running -= 1
        if not self._running:
            self.seconds += now - self._since


class WaitTimes:
    """
    Wall time of waits, in total and by limit: waits at the same time count once.

    Called by all threads of a client.

    :param clock: Returns seconds of a monotonic clock.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = ForkSafeLock()
        self._total = _Stopwatch()
        self._by_limit: dict[str, _Stopwatch] = {}

    @contextmanager
    def measure(self, limit: str) -> Iterator[None]:
        """
        Count the time in the block as a wait.

        :param limit: Name of the limit that is waited for.
        """
        with self._lock:
            now = self._clock()
            running = (self._total, self._by_limit.setdefault(limit, _Stopwatch()))
            for stopwatch in running:
                stopwatch.start(now)
        try:
            yield
        finally:
            with self._lock:
                now = self._clock()
                for stopwatch in running:
                    stopwatch.stop(now)

    def __str__(self) -> str:
        total = f"{self._total.seconds:.1f}s"
        waits = sorted((name, stopwatch.seconds) for name, stopwatch in self._by_limit.items())
        if len(waits) > 1:
            return f"{total} ({', '.join(f'{name}={seconds:.1f}s' for name, seconds in waits)})"
        return f"{total} ({waits[0][0]})" if waits else total


@dataclass(slots=True)
class Usage:
    """
    Requests and waits of one client; one line of it ends each task's log.

    :param requests: Requests sent.
    :param throttled: Responses with status 429.
    :param retries: Attempts after the first of each call.
    :param tokens: Access tokens fetched.
    :param waits: Time spent waiting for the rate limits.
    :param observer: Is notified of each use.
    """

    requests: int = 0
    throttled: int = 0
    retries: int = 0
    tokens: int = 0
    waits: WaitTimes = field(default_factory=WaitTimes)
    observer: UsageObserver = field(default_factory=UsageObserver, compare=False)

    def count(self, what: Counted, operation: str) -> None:
        """
        Count a use.

        :param what: What is counted.
        :param operation: The operation.
        """
        setattr(self, what, getattr(self, what) + 1)
        self.observer.on_count(what, operation)

    def measure_wait(self, limit: str, seconds: float) -> AbstractContextManager[None]:
        """
        Return a context in which a call waits.

        The observer is notified before the wait: after it, nothing may delay the request.

        :param limit: Name of the limit that is waited for.
        :param seconds: How long the wait is going to be.
        """
        self.observer.on_wait(limit, seconds)
        return self.waits.measure(limit)

    def __str__(self) -> str:
        counts = f"requests={self.requests} throttled={self.throttled} retries={self.retries} tokens={self.tokens}"
        return f"{counts} waited={self.waits}"
