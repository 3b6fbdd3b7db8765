"""
What the rate limiter needs of a store of reservations, and the algorithm that all stores share.

A store reserves one time against several limits at once, in one atomic step, and knows nothing of 360Learning. Times
are seconds of the store's own clock and mean nothing elsewhere: callers are given the seconds to wait.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

#: Seconds for which a store is not used after an attempt at it took until its timeout.
OUTAGE_PAUSE = 5.0
#: Version of the stored formats (schema of the SQLite file, keys in Redis, tables in PostgreSQL). A store refuses any
#: other one while it is in use.
FORMAT_VERSION = 2

#: A 429 within this many seconds after a back-off ended counts as consecutive: a window, and the time that a response
#: takes.
CONSECUTIVE_429_WINDOW = 2.0
#: Part of a limit's pace that a back-off leaves, because another client may be using some of the limit.
PACE_AFTER_BACK_OFF = 0.85
#: Minimum part that consecutive back-offs leave.
MIN_PACE = 0.05
#: The pace regains this much times the square of the requests that the full limit would have allowed since: hardly
#: any at first, where the next 429 would be, and all of it after some hundred.
PACE_RECOVERY = 2e-6
#: Maximum number of seconds that a back-off closes a limit, also where ``Retry-After`` is longer.
MAX_BACK_OFF = 300.0
#: Number of consecutive 429s after which the delay grows no more.
MAX_CONSECUTIVE_429S = 16
#: Reservations this long past, in seconds, are deleted.
RESERVATION_LIFETIME = 120.0
#: Reservations further ahead than this, in seconds, are ignored and deleted: no call waits for so long.
MAX_RESERVED_AHEAD = 86_400.0
#: Seconds for which a store remembers that credentials were accepted.
ACCEPTED_LIFETIME = 3600.0
#: Maximum number of reservations that are examined for one request, some 50 ms; 10,000 waiting requests need a tenth.
MAX_EXAMINED = 100_000
#: Maximum number of seconds for which a place is held without being renewed. One held for longer is ignored: no process
#: can block others for longer than this after its end.
MAX_PLACE_SECONDS = 600.0
#: Seconds after which an owner that waits for a place, and does not ask again, is no longer waited for.
WAITER_LIFETIME = 10.0
#: Seconds until an owner that waits for a place asks again: the first of the queue, and each one after it.
POLL_SECONDS = 0.25
#: Maximum of that.
MAX_POLL_SECONDS = 2.0


class StoreUnavailableError(Exception):
    """The store cannot be reached or used; the message says which and why."""


class StoreLockedError(StoreUnavailableError):
    """Another process has locked the store; it can be used later."""


class Outage:
    """
    The time after an attempt at a store that took until its timeout: all who use the store do without it meanwhile.

    Otherwise each of them, and each of their requests, would wait for the timeout.
    """

    def __init__(self) -> None:
        self._ends_at = float("-inf")
        self._problem = ""

    def begin(self, problem: str) -> None:
        """
        Remember the problem for some seconds.

        :param problem: The message of the error.
        """
        self._problem, self._ends_at = problem, time.monotonic() + OUTAGE_PAUSE

    def check(self) -> None:
        """
        Ensure that there is none.

        :raises StoreUnavailableError: if there is.
        """
        if time.monotonic() < self._ends_at:
            raise StoreUnavailableError(self._problem)


class NoCapacityError(Exception):
    """
    The limits have no capacity within the time allowed.

    :param wait: Seconds until they will.
    """

    def __init__(self, wait: float) -> None:
        super().__init__(f"no capacity for {wait:.1f} s")
        self.wait = wait


@dataclass(frozen=True, slots=True)
class SharedLimit:
    """
    One limit that a request must respect.

    :param key: Requests with the same key share the limit.
    :param requests: Maximum number of requests in a window.
    :param window: Seconds, margin included.
    """

    key: str
    requests: int
    window: float


@dataclass(frozen=True, slots=True)
class Reservation:
    """
    A reserved send time.

    :param wait: Seconds from now until then.
    :param time: The send time on the store's clock.
    :param token: Distinguishes reservations of the same time.
    :param keys: The limits that it counts against.
    :param limiting_key: Key of the limit that made it wait the longest, if any.
    :param store: The store that made it; its time means nothing elsewhere.
    """

    wait: float
    time: float
    token: int
    keys: tuple[str, ...]
    limiting_key: str | None = None
    store: Store | None = field(default=None, repr=False, compare=False)


class Store(Protocol):
    """A store of reservations."""

    def check(self) -> None:
        """
        Ensure that the store can be used.

        :raises StoreUnavailableError: if not.
        """

    def reserve(
        self,
        limits: Sequence[SharedLimit],
        *,
        max_wait: float,
        min_wait: float = 0.0,
        replacing: Reservation | None = None,
    ) -> Reservation:
        """
        Reserve the earliest time at which every limit has capacity.

        :param limits: The limits.
        :param max_wait: Seconds; a later time is not reserved.
        :param min_wait: Seconds that must pass first.
        :param replacing: A reservation against the same limits, to release in the same step.
        :raises NoCapacityError: if the time is further away than ``max_wait``.
        :raises StoreUnavailableError: if the store cannot be used.
        """

    def release(self, reservation: Reservation) -> None:
        """
        Release a reservation whose request will not be sent.

        :param reservation: The reservation.
        """

    def lateness(self, reservation: Reservation) -> float | None:
        """
        Return the seconds since the reserved time.

        :param reservation: The reservation.
        :return: ``None`` if a back-off has closed that time since.
        """

    def back_off(
        self,
        reservation: Reservation,
        levels: Sequence[Sequence[SharedLimit]],
        retry_after: float | None,
        delay_for: Callable[[int], float],
    ) -> float:
        """
        Close limits for some time after a 429, and slow them down for longer.

        The first level is closed, and all levels after consecutive 429s. Responses to requests that were sent before
        the limit was closed do not count as consecutive.

        :param reservation: That of the throttled request.
        :param levels: The limits that the request counted against, the narrowest level first.
        :param retry_after: Seconds to close for, if the server said so.
        :param delay_for: Seconds to close for otherwise, by the number of consecutive 429s (1 for the first).
        :return: Seconds that the limits are closed for.
        """

    def accept(self, credentials: str) -> None:
        """
        Remember for some time that the server has accepted credentials.

        :param credentials: What identifies them.
        """

    def is_accepted(self, credentials: str) -> bool:
        """
        Return whether the server has accepted credentials lately, from any process.

        :param credentials: What identifies them.
        """

    def acquire_place(self, key: str, places: int, owner: str, seconds: float) -> float:
        """
        Hold one of a number of places, or wait in the queue for one.

        Places are granted in the order in which owners asked first. An owner that has a place keeps it for longer.

        :param key: What the places are of.
        :param places: Number of places.
        :param owner: Who holds it.
        :param seconds: Time after which the place is free again, at most :data:`MAX_PLACE_SECONDS`.
        :return: 0 if the place is held now, else the seconds until the owner is to ask again.
        :raises StoreUnavailableError: if the store cannot be used.
        """

    def renew_place(self, key: str, places: int, owner: str, seconds: float) -> bool:
        """
        Hold a place for longer; take one if that of the owner has expired and one is free.

        :param key: What the places are of.
        :param places: Number of places.
        :param owner: Who holds it.
        :param seconds: Time after which the place is free again, at most :data:`MAX_PLACE_SECONDS`.
        :return: Whether the place is held.
        """

    def release_place(self, key: str, owner: str) -> None:
        """
        Release the place of an owner, or its place in the queue, if it has one.

        :param key: What the places are of.
        :param owner: Who holds it.
        """


def seconds_to_poll(before: int) -> float:
    """
    Return the seconds until an owner asks again for a place.

    :param before: Number of owners that get a place before it does.
    """
    return min(POLL_SECONDS * (1 + before), MAX_POLL_SECONDS)


def earliest_time(times: Iterable[float], requests: int, window: float, start: float) -> float:
    """
    Return the first time, from ``start`` on, that leaves every window with ``requests`` requests or fewer.

    Gaps before later reservations are used as well. ``requests`` consecutive reservations within one window rule out a
    further request between the time of the last one less a window and the time of the first one plus a window.

    :param times: Reserved times, in order; those up to ``start - window`` may be missing.
    :param requests: Maximum number of requests in a window.
    :param window: Seconds.
    :param start: Lower bound.
    """
    neighbors: deque[float] = deque(maxlen=requests)
    for reserved in times:
        neighbors.append(reserved)
        if len(neighbors) < requests:
            continue
        closed_from, closed_until = neighbors[-1] - window, neighbors[0] + window
        if closed_from >= start:
            break
        if closed_until > start and closed_from < neighbors[0]:
            start = closed_until
    return start


class LimitState(NamedTuple):
    """
    State of a limit besides its reservations.

    :param closed_until: End of the last back-off.
    :param consecutive_429s: Number of consecutive back-offs for which the server gave no ``Retry-After``, at most
        :data:`MAX_CONSECUTIVE_429S`.
    :param pace: Part of the limit that the last back-off left; it recovers with time.
    """

    closed_until: float = float("-inf")
    consecutive_429s: int = 0
    pace: float = 1.0

    @classmethod
    def from_stored(cls, values: Sequence[object], now: float) -> LimitState:
        """
        Return a stored state, or the initial one if this algorithm cannot have stored it by now.

        Such values are left by a clock that was set back, or by another program. A limit must not stay closed for them.

        :param values: The stored fields.
        :param now: Time on the store's clock.
        """
        closed_until, count, pace = (value if isinstance(value, int | float) else math.nan for value in values)
        is_possible = (
            closed_until <= now + MAX_BACK_OFF and 0 <= count <= MAX_CONSECUTIVE_429S and MIN_PACE <= pace <= 1.0
        )
        return cls(closed_until, int(count), pace) if is_possible else cls()

    def current_pace(self, limit: SharedLimit, now: float) -> float:
        """
        Return the part of the limit that is in use.

        :param limit: The limit.
        :param now: Time on the store's clock.
        """
        allowed = max(0.0, now - self.closed_until) * limit.requests / limit.window
        return min(1.0, self.pace + PACE_RECOVERY * allowed * allowed)

    def paced(self, limit: SharedLimit, now: float) -> SharedLimit:
        """
        Return the limit at its current pace.

        A slowed limit spaces requests evenly: bursts would meet those of another client.

        :param limit: The limit.
        :param now: Time on the store's clock.
        """
        pace = self.current_pace(limit, now)
        return limit if pace == 1.0 else SharedLimit(limit.key, 1, limit.window / (limit.requests * pace))

    def backed_off(self, limit: SharedLimit, now: float, seconds: float, consecutive_429s: int) -> LimitState:
        """
        Return the state after a back-off: closed, and slower afterwards.

        :param limit: The limit.
        :param now: Time on the store's clock.
        :param seconds: Seconds to close for.
        :param consecutive_429s: Number to store.
        """
        until = now + seconds
        if until <= self.closed_until:  # a shorter back-off never reopens what a longer one closed
            return self
        is_closed = now <= self.closed_until
        pace = self.pace if is_closed else max(MIN_PACE, PACE_AFTER_BACK_OFF * self.current_pace(limit, now))
        return LimitState(until, consecutive_429s, pace)
