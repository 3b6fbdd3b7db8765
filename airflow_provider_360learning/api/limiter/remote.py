"""
A store of reservations on a server that all hosts reach.

The server runs the algorithm of ``store.py`` in one atomic step per command, on its own clock. This module knows the
commands and what their results mean. ``redis.py`` and ``postgres.py`` transport them.
"""

from __future__ import annotations

import math
import secrets
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from airflow_provider_360learning.api.limiter.store import (
    ACCEPTED_LIFETIME,
    CONSECUTIVE_429_WINDOW,
    FORMAT_VERSION,
    MAX_BACK_OFF,
    MAX_CONSECUTIVE_429S,
    MAX_EXAMINED,
    MAX_PLACE_SECONDS,
    MAX_POLL_SECONDS,
    MAX_RESERVED_AHEAD,
    MIN_PACE,
    PACE_AFTER_BACK_OFF,
    PACE_RECOVERY,
    POLL_SECONDS,
    RESERVATION_LIFETIME,
    WAITER_LIFETIME,
    NoCapacityError,
    Outage,
    Reservation,
    SharedLimit,
    StoreUnavailableError,
    seconds_to_poll,
)

#: Seconds that the state of a limit is kept after its last use.
STATE_LIFETIME = 3600.0
#: Time of a request that another store reserved, on another clock: taken as if it was sent just now.
SENT_JUST_NOW = 1e12
#: Maximum of a time of the server, in seconds since 1970: the year 5138.
MAX_TIME = 1e11
#: Maximum number of seconds of a command: connecting, one retry and the response, all together.
COMMAND_TIMEOUT = 4.0

#: Constants of the algorithm, as the code within a server names them.
CONSTANTS: Mapping[str, float | str] = {
    "accepted_lifetime": int(ACCEPTED_LIFETIME),
    "format_version": str(FORMAT_VERSION),
    "consecutive_429_window": CONSECUTIVE_429_WINDOW,
    "max_back_off": MAX_BACK_OFF,
    "max_consecutive_429s": MAX_CONSECUTIVE_429S,
    "max_examined": MAX_EXAMINED,
    "max_place_seconds": MAX_PLACE_SECONDS,
    # Owners behind more owners than this all retry after the maximum.
    "max_polls": math.ceil(MAX_POLL_SECONDS / POLL_SECONDS),
    "max_reserved_ahead": MAX_RESERVED_AHEAD,
    "min_pace": MIN_PACE,
    "pace_after_back_off": PACE_AFTER_BACK_OFF,
    "pace_recovery": PACE_RECOVERY,
    "reservation_lifetime": RESERVATION_LIFETIME,
    "state_lifetime": STATE_LIFETIME,
    "waiter_lifetime": WAITER_LIFETIME,
}

T = TypeVar("T")


class RemoteStore(ABC):
    """
    Reservations on a server.

    The clock is the server's, and round trips are taken into account: a reserved time is never nearer than the final
    check can reach the server, and a wait ends early enough for that check.

    :param name: Name of the server in messages.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._round_trips: deque[float] = deque(maxlen=16)
        self._outage = Outage()

    # Any: the result, before it is read.
    @abstractmethod
    def _execute(self, command: str, keys: Sequence[str], arguments: Mapping[str, object]) -> tuple[Any, float]:
        """
        Run a command, within :data:`COMMAND_TIMEOUT`.

        :param command: Its name.
        :param keys: Keys of the limits, places or credentials.
        :param arguments: Its arguments; an argument that does not apply is ``None``.
        :return: Its result, and the seconds that it took, without the time to connect.
        """

    @abstractmethod
    def _explain(self, error: Exception) -> str:
        """
        Return what an error means, without any text of the server, which may contain the password.

        :param error: The error.
        """

    def check(self) -> None:
        """See :meth:`Store.check`."""
        # By writing: a server that is full, or a replica, answers reads.
        with suppress(NoCapacityError):
            self.reserve([SharedLimit("check", 1000, 1.0)], max_wait=1.0)

    def reserve(
        self,
        limits: Sequence[SharedLimit],
        *,
        max_wait: float,
        min_wait: float = 0.0,
        replacing: Reservation | None = None,
    ) -> Reservation:
        """See :meth:`Store.reserve`."""
        keys = tuple(limit.key for limit in limits)
        token = secrets.randbits(62)
        round_trip = min(self._round_trips, default=0.0)
        max_wait = min(max_wait, MAX_RESERVED_AHEAD) + round_trip
        placement = self._run(
            "reserve",
            keys,
            lambda result: _Placement.read(result, keys, max_wait),
            limits=limits,
            max_wait=max_wait,
            min_wait=max(min_wait, round_trip),
            replacing=replacing,
            token=str(token),
        )
        wait = round(placement.wait - round_trip, 6)
        if not placement.has_capacity:
            raise NoCapacityError(wait)
        return Reservation(max(0.0, wait), placement.time, token, keys, placement.limiting_key, self)

    def release(self, reservation: Reservation) -> None:
        """See :meth:`Store.release`."""
        self._run("release", reservation.keys, lambda result: None, time=reservation.time, token=str(reservation.token))

    def lateness(self, reservation: Reservation) -> float | None:
        """See :meth:`Store.lateness`."""
        started = time.monotonic()
        since = self._run(
            "lateness",
            reservation.keys,
            lambda result: None if result is None else _number(result),
            time=reservation.time,
            token=str(reservation.token),
        )
        if since is None:
            return None
        # As late as it may be by now: either way of the round trip may have taken longer than usual.
        late = since + time.monotonic() - started - min(self._round_trips)
        if late < -max(self._round_trips):  # the server's clock was set back
            return None
        if late < 0:  # the round trip was faster than the fastest so far
            time.sleep(-late)
        return max(0.0, late)

    def back_off(
        self,
        reservation: Reservation,
        levels: Sequence[Sequence[SharedLimit]],
        retry_after: float | None,
        delay_for: Callable[[int], float],
    ) -> float:
        """See :meth:`Store.back_off`."""
        limits = [limit for level in levels for limit in level]
        return self._run(
            "back_off",
            [limit.key for limit in limits],
            lambda result: _number(result, 0.0, MAX_BACK_OFF),
            limits=limits,
            narrowest=len(levels[0]),
            time=reservation.time if reservation.store is self else SENT_JUST_NOW,
            retry_after=retry_after,
            delays=[delay_for(count) for count in range(1, MAX_CONSECUTIVE_429S + 1)],
        )

    def accept(self, credentials: str) -> None:
        """See :meth:`Store.accept`."""
        self._run("accept", [credentials], lambda result: None)

    def is_accepted(self, credentials: str) -> bool:
        """See :meth:`Store.is_accepted`."""
        return self._run("is_accepted", [credentials], lambda result: result is not None)

    def acquire_place(self, key: str, places: int, owner: str, seconds: float) -> float:
        """See :meth:`Store.acquire_place`."""
        before = self._hold("acquire_place", key, places, owner, seconds)
        return 0.0 if before < 0 else seconds_to_poll(before)

    def renew_place(self, key: str, places: int, owner: str, seconds: float) -> bool:
        """See :meth:`Store.renew_place`."""
        return self._hold("renew_place", key, places, owner, seconds) < 0

    def release_place(self, key: str, owner: str) -> None:
        """See :meth:`Store.release_place`."""
        self._run("release_place", [key], lambda result: None, owner=owner)

    def _hold(self, command: str, key: str, places: int, owner: str, seconds: float) -> int:
        """Return the number of owners that get a place first, below 0 if it is held."""
        return self._run(
            command,
            [key],
            lambda result: int(_number(result, -1, MAX_EXAMINED)),
            owner=owner,
            places=places,
            seconds=seconds,
        )

    # Any: the result, before it is read.
    def _run(self, command: str, keys: Sequence[str], read: Callable[[Any], T], **arguments: object) -> T:
        """
        Run a command.

        :param command: Its name.
        :param keys: Keys of the limits, places or credentials.
        :param read: Returns the result; raises an error if it is not that of the command.
        :param arguments: Its arguments.
        :raises StoreUnavailableError: if the server cannot be reached, or does not run it.
        """
        self._outage.check()
        try:
            result, round_trip = self._execute(command, keys, arguments)
            value = read(result)
        except Exception as error:  # a server can provoke any, such as RecursionError; a task's timeout is not one
            problem = f"{self._name}: {self._explain(error)}"
        else:
            self._round_trips.append(round_trip)
            return value
        # Raised outside the handler: the error of the client quotes the server, and must not become this one's context.
        self._outage.begin(problem)
        raise StoreUnavailableError(problem)


@dataclass(frozen=True, slots=True)
class _Placement:
    """What a server returns for a reservation: its time, the seconds until then, the limiting key, and success."""

    time: float
    wait: float
    limiting_key: str | None
    has_capacity: bool

    # Any: a hostile server may return anything.
    @classmethod
    def read(cls, result: Any, keys: Sequence[str], max_wait: float) -> _Placement:
        time_, wait, limiting_index, has_capacity = result
        limiting_key = (None, *keys)[range(len(keys) + 1)[int(limiting_index)]]
        max_wait = max_wait + 1e-3 if has_capacity else 2 * MAX_RESERVED_AHEAD
        return cls(_number(time_), _number(wait, 0.0, max_wait), limiting_key, has_capacity == 1)


def _number(value: Any, minimum: float = -MAX_TIME, maximum: float = MAX_TIME) -> float:
    number = float(value)
    if not minimum <= number <= maximum:  # nor NaN
        raise ValueError("the number is out of range")
    return number
