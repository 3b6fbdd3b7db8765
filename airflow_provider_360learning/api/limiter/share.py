"""
The share of each limit that a process uses where no store is shared, and when it uses it.

A share of at least one request per window needs no coordination: the shares of all processes fit into every window. A
smaller share does not: five processes that send one request each in 2.5 seconds keep the average of 2 per second, and
still send three in one second most of the time. Such a limit is divided in time, as stations on a radio channel do.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from airflow_provider_360learning.api.spec import WindowLimit

#: Seconds around the begin of a time slot in which a request belongs to it: reserving takes some time itself.
SLOT_TOLERANCE = 0.01
#: Number of requests in a time slot after which a process keeps it when one is throttled: another one was late.
SETTLED = 6
#: Part of its requests, besides one per time slot, for which a process looks for a time slot of its own when they are
#: throttled. After more of them, it slows down, because another client uses a part of the limit.
MAX_THROTTLED = Fraction(1, 10)
#: Pools have fewer slots than this.
_MAX_SIZE = 1000


@dataclass(frozen=True, slots=True)
class Share:
    """
    The part of every limit that this process uses where no store is shared.

    :param part: 0 < part <= 1, the task's part of the slots of a pool.
    :param started: When the process started to use it, on :func:`time.monotonic`. The first request waits from then:
        otherwise each of several short processes would start with a burst.
    :param position: Number of the first time slot. Processes at the same time should have different ones.
    :param clock: Returns seconds of a clock that all hosts have.
    """

    part: float
    started: float
    position: int = 0
    clock: Callable[[], float] = time.time

    def of(self, limit: WindowLimit, margin: float = 0.0) -> WindowLimit:
        """
        Return the part of a limit: fewer requests per window, or those of its time slots per cycle.

        :param limit: The limit.
        :param margin: Seconds that are added to each window.
        """
        requests = limit.requests * self._fraction
        if requests.denominator == 1:
            return WindowLimit(limit.name, requests.numerator, limit.seconds, limit.scope)
        own, size = self._fraction.as_integer_ratio()
        # One margin per window of the limit: as many time slots as the limit has requests, and one more, are longer.
        cycle = size * (limit.seconds + margin) / limit.requests
        return WindowLimit(limit.name, own, cycle - margin, limit.scope)

    def time_slots(self, limit: WindowLimit, margin: float = 0.0) -> TimeSlots | None:
        """
        Return the time slots of a limit, or ``None`` if it is not divided in time.

        :param limit: The limit.
        :param margin: Seconds that are added to each window.
        """
        if (limit.requests * self._fraction).denominator == 1:
            return None
        return TimeSlots(self._fraction, self.position, (limit.seconds + margin) / limit.requests, self.clock)

    @property
    def _fraction(self) -> Fraction:
        return Fraction(self.part).limit_denominator(_MAX_SIZE)


class TimeSlots:
    """
    The times at which a process may send requests that count against a limit.

    Time is divided in slots by the clock of the host, one per request that the limit allows, and a cycle has as many of
    them as the pool has slots. Processes in different time slots never exceed the limit, and those in the same one do
    in every cycle. A throttled process therefore changes to the next time slot, until each process has its own. It does
    not if its time slot was its own before.

    :param fraction: Part of the time slots that are the process's own.
    :param position: Number of the first one.
    :param seconds: Duration of one.
    :param clock: Returns seconds of a clock that all hosts have.
    """

    def __init__(self, fraction: Fraction, position: int, seconds: float, clock: Callable[[], float]) -> None:
        self.seconds = seconds
        own, self._size = fraction.as_integer_ratio()
        self._offsets = frozenset(number * self._size // own for number in range(own))
        self._position = position
        self._clock = clock
        self._sent = self._throttled = self._sent_before = 0

    @property
    def cycle(self) -> float:
        """Seconds after which the time slots repeat."""
        return self._size * self.seconds

    def delay(self, wait: float) -> float:
        """
        Return the seconds from a time to the begin of a time slot, 0 if one begins then.

        :param wait: Seconds from now until that time.
        """
        due = self._clock() + wait
        number = math.ceil((due - SLOT_TOLERANCE) / self.seconds)
        while (number - self._position) % self._size not in self._offsets:
            number += 1
        delay = number * self.seconds - due
        return delay if delay > SLOT_TOLERANCE else 0.0

    def count(self) -> None:
        """Count a request."""
        self._sent += 1

    def find(self) -> bool:
        """
        Find another time slot after a 429, if that is the problem.

        :return: Whether the request may be sent again in the next cycle; if not, the limit must slow down.
        """
        if self._throttled >= self._size + MAX_THROTTLED * self._sent:
            return False
        self._throttled += 1
        if self._sent - self._sent_before <= SETTLED:
            self._position += 1
        self._sent_before = self._sent
        return True
