"""How many requests must be under way at once to reach the rate limit at the latency of the server."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable

#: Latency in seconds that is assumed before the first request has ended.
INITIAL_LATENCY = 1.0
#: Factor for latencies that differ between requests.
SPARE = 1.25
#: Weight of the last request in the moving average.
WEIGHT = 0.2


class Latency:
    """
    Measures the seconds from sending a request to the end of its batch, as a moving average.

    Called by the threads that send.

    :param clock: Returns seconds of a monotonic clock.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.seconds = INITIAL_LATENCY
        self._clock = clock
        self._sending = threading.local()
        self._is_measured = False

    def start(self) -> None:
        """Record that this thread sends now; of several requests for one batch, the first counts."""
        if getattr(self._sending, "since", None) is None:
            self._sending.since = self._clock()

    def stop(self) -> None:
        """Record that the batch of this thread has ended."""
        if (since := getattr(self._sending, "since", None)) is not None:
            took = self._clock() - since
            self.seconds = (1 - WEIGHT) * self.seconds + WEIGHT * took if self._is_measured else took
            self._is_measured, self._sending.since = True, None

    def requests_to_reach(self, pace: float) -> int:
        """
        Return how many requests must be under way to send at this pace, and no more.

        Each one that waits for its send time takes a reservation that another task would have had sooner.

        :param pace: Requests per second.
        """
        return math.ceil(pace * self.seconds * SPARE) + 2
