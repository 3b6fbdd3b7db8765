"""
Reservations in Redis, shared by all hosts that reach it.

What a reservation means is said once more in ``redis.lua``, which runs within the server: the same tests hold
for it and for the stores of ``stores.py``.
"""

from __future__ import annotations

import json
import secrets
import time
from collections import deque
from collections.abc import Callable, Sequence
from importlib.resources import files
from typing import Any

import redis

from airflow_provider_360learning.api.limiter.store import (
    AGREEMENT_LIFE,
    CONSECUTIVE_429_WINDOW,
    FORGOTTEN_AFTER,
    REGAINED,
    SLOWED_TO,
    SLOWEST,
    NoCapacityError,
    Reservation,
    SharedLimit,
    StoreUnavailableError,
)

#: How all keys begin. The braces keep them on one node of a cluster, where a script can reach them all.
PREFIX = "learning360:{budget}"
#: How long what is known of a limit outlives its last use, in seconds.
STATE_LIFE = 3600.0
#: How long a server that could not be reached is not asked again, in seconds: asking takes until its timeout.
LEFT_ALONE_FOR = 5.0
#: The moment of a request that was sent by another store's word, whose clock is another: as good as just now.
NEVER_UNDER_WAY = 1e12
#: Push-backs in a row after which their length grows no more.
MAX_CONSECUTIVE_429S = 16

_CONSTANTS = {
    "agreement_life": AGREEMENT_LIFE,
    "forgotten_after": FORGOTTEN_AFTER,
    "regained": REGAINED,
    "slowed_to": SLOWED_TO,
    "slowest": SLOWEST,
    "strike_memory": CONSECUTIVE_429_WINDOW,
    "state_life": STATE_LIFE,
}


class RedisStore:
    """
    Reservations in Redis.

    The clock is the server's. A trip to it is reckoned with: a moment is never nearer than the question whether
    it still holds can get there, and a wait ends early enough to ask it.

    :param client: The server, with timeouts.
    :param name: What to call it in messages.
    """

    def __init__(self, client: redis.Redis, name: str) -> None:
        self._name = name
        self._script = client.register_script(files(__package__).joinpath("redis.lua").read_text())
        self._trips: deque[float] = deque(maxlen=16)
        self._left_alone_until = float("-inf")
        self._problem = ""

    def check(self) -> None:
        """See :meth:`Store.check`."""
        # By writing: a server that is full, or a replica, answers questions.
        self.reserve([SharedLimit("check", 1000, 1.0)], max_wait=LEFT_ALONE_FOR, agree=False)

    def reserve(
        self,
        limits: Sequence[SharedLimit],
        *,
        max_wait: float,
        not_within: float = 0.0,
        replacing: Reservation | None = None,
        agree: bool = True,
    ) -> Reservation:
        """See :meth:`Store.reserve`."""
        keys = tuple(limit.key for limit in limits)
        token = secrets.randbits(62)
        trip = min(self._trips, default=0.0)
        moment, wait, limiting_key, lowest, has_capacity = self._run(
            "reserve",
            keys,
            limits=_written(limits),
            max_wait=max_wait + trip,
            not_within=max(not_within, trip),
            replacing=str(replacing.token) if replacing else None,
            agree=agree,
            token=str(token),
        )
        to_wait = round(float(wait) - trip, 6)
        if not has_capacity:
            raise NoCapacityError(to_wait)
        lowered = tuple(
            (limit.key, int(calls)) for limit, calls in zip(limits, lowest, strict=True) if int(calls) < limit.requests
        )
        return Reservation(
            max(0.0, to_wait),
            float(moment),
            token,
            keys,
            keys[limiting_key - 1] if limiting_key else None,
            lowered,
            self,
        )

    def release(self, reservation: Reservation) -> None:
        """See :meth:`Store.release`."""
        self._run("release", reservation.keys, token=str(reservation.token))

    def lateness(self, reservation: Reservation) -> float | None:
        """See :meth:`Store.lateness`."""
        asked_at = time.monotonic()
        answer = self._run("lateness", reservation.keys, moment=reservation.moment, token=str(reservation.token))
        if answer is None:
            return None
        # As late as it may be by now: nobody knows which way of the trip took longer than usual.
        late = float(answer) + time.monotonic() - asked_at - min(self._trips)
        if late < -max(self._trips):  # the server's clock was set back
            return None
        if late < 0:  # the trip was faster than the fastest so far
            time.sleep(-late)
        return max(0.0, late)

    def back_off(
        self,
        reservation: Reservation,
        levels: Sequence[Sequence[SharedLimit]],
        asked: float | None,
        growing: Callable[[int], float],
    ) -> float:
        """See :meth:`Store.back_off`."""
        limits = [limit for level in levels for limit in level]
        seconds = self._run(
            "back_off",
            [limit.key for limit in limits],
            limits=_written(limits),
            narrowest=len(levels[0]),
            moment=reservation.moment if reservation.store is self else NEVER_UNDER_WAY,
            seconds=asked,
            growing=[growing(consecutive_429s) for consecutive_429s in range(1, MAX_CONSECUTIVE_429S + 1)],
        )
        return float(seconds)

    def _run(self, command: str, keys: Sequence[str], **arguments: Any) -> Any:
        """
        Run a command of the script.

        :param keys: Those of the limits.
        :param arguments: What the command asks for; ``None`` is left out.
        :raises StoreUnavailableError: if the server cannot be reached, or does not run it.
        """
        started = time.monotonic()
        if started < self._left_alone_until:
            raise StoreUnavailableError(self._problem)
        given = {name: value for name, value in arguments.items() if value is not None}
        try:
            answer = self._script(
                keys=[f"{PREFIX}:{kind}:{key}" for key in keys for kind in ("reserved", "limit")],
                args=[command, json.dumps({**_CONSTANTS, **given})],
            )
        except (redis.RedisError, OSError) as error:
            self._left_alone_until = time.monotonic() + LEFT_ALONE_FOR
            self._problem = f"{self._name}: {error}"
            raise StoreUnavailableError(self._problem) from error
        self._trips.append(time.monotonic() - started)
        return answer


def _written(limits: Sequence[SharedLimit]) -> list[dict[str, float]]:
    return [{"requests": limit.requests, "window": limit.window} for limit in limits]
