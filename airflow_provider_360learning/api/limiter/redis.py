"""
Reservations in Redis, shared by all hosts that reach it.

The algorithm of ``store.py`` is implemented once more in ``redis.lua``, which runs within the server. The same tests
hold for it and for the SQLite store.
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
    CONSECUTIVE_429_WINDOW,
    FORMAT_VERSION,
    MIN_PACE,
    PACE_AFTER_BACK_OFF,
    PACE_RECOVERY,
    RESERVATION_LIFETIME,
    NoCapacityError,
    Reservation,
    SharedLimit,
    StoreUnavailableError,
)

#: Prefix of all keys. The braces keep them on one node of a cluster, where a script can reach them all.
PREFIX = "learning360:{rate_limits}"
#: Key of the format version, kept while the server is in use.
FORMAT_KEY = f"{PREFIX}:format"
#: Seconds that the state of a limit is kept after its last use.
STATE_LIFETIME = 3600.0
#: Seconds that an unreachable server is not contacted again: each attempt takes until its timeout.
UNREACHABLE_PAUSE = 5.0
#: Time of a request that another store reserved, on another clock: taken as if it was sent just now.
SENT_JUST_NOW = 1e12
#: Number of consecutive 429s after which the delay grows no more.
MAX_CONSECUTIVE_429S = 16

_CONSTANTS = {
    "format_version": str(FORMAT_VERSION),
    "consecutive_429_window": CONSECUTIVE_429_WINDOW,
    "min_pace": MIN_PACE,
    "pace_after_back_off": PACE_AFTER_BACK_OFF,
    "pace_recovery": PACE_RECOVERY,
    "reservation_lifetime": RESERVATION_LIFETIME,
    "state_lifetime": STATE_LIFETIME,
}


class RedisStore:
    """
    Reservations in Redis.

    The clock is the server's, and round trips are taken into account: a reserved time is never nearer than the final
    check can reach the server, and a wait ends early enough for that check.

    :param client: The server, with timeouts.
    :param name: Name of the server in messages.
    """

    def __init__(self, client: redis.Redis, name: str) -> None:
        self._name = name
        self._script = client.register_script(files(__package__).joinpath("redis.lua").read_text())
        self._round_trips: deque[float] = deque(maxlen=16)
        self._paused_until = float("-inf")
        self._problem = ""

    def check(self) -> None:
        """See :meth:`Store.check`."""
        # By writing: a server that is full, or a replica, answers reads.
        self.reserve([SharedLimit("check", 1000, 1.0)], max_wait=UNREACHABLE_PAUSE)

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
        send_time, wait, limiting_index, has_capacity = self._run(
            "reserve",
            keys,
            limits=_encode(limits),
            max_wait=max_wait + round_trip,
            min_wait=max(min_wait, round_trip),
            replacing=str(replacing.token) if replacing else None,
            token=str(token),
        )
        wait = round(float(wait) - round_trip, 6)
        if not has_capacity:
            raise NoCapacityError(wait)
        limiting_key = keys[limiting_index - 1] if limiting_index else None
        return Reservation(max(0.0, wait), float(send_time), token, keys, limiting_key, self)

    def release(self, reservation: Reservation) -> None:
        """See :meth:`Store.release`."""
        self._run("release", reservation.keys, token=str(reservation.token))

    def lateness(self, reservation: Reservation) -> float | None:
        """See :meth:`Store.lateness`."""
        started = time.monotonic()
        since = self._run("lateness", reservation.keys, time=reservation.time, token=str(reservation.token))
        if since is None:
            return None
        # As late as it may be by now: either way of the round trip may have taken longer than usual.
        late = float(since) + time.monotonic() - started - min(self._round_trips)
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
        seconds = self._run(
            "back_off",
            [limit.key for limit in limits],
            limits=_encode(limits),
            narrowest=len(levels[0]),
            time=reservation.time if reservation.store is self else SENT_JUST_NOW,
            retry_after=retry_after,
            delays=[delay_for(count) for count in range(1, MAX_CONSECUTIVE_429S + 1)],
        )
        return float(seconds)

    # Any: the result differs by command.
    def _run(self, command: str, keys: Sequence[str], **arguments: object) -> Any:
        """
        Run a command of the script.

        :param command: Its name.
        :param keys: Keys of the limits.
        :param arguments: Its arguments; ``None`` is left out.
        :raises StoreUnavailableError: if the server cannot be reached, or does not run it.
        """
        started = time.monotonic()
        if started < self._paused_until:
            raise StoreUnavailableError(self._problem)
        given = {name: value for name, value in arguments.items() if value is not None}
        try:
            result = self._script(
                keys=[FORMAT_KEY, *(_key(kind, key) for key in keys for kind in ("reservations", "limit"))],
                args=[command, json.dumps({**_CONSTANTS, **given})],
            )
        except (redis.RedisError, OSError) as error:
            self._paused_until = time.monotonic() + UNREACHABLE_PAUSE
            self._problem = f"{self._name}: {error}"
            raise StoreUnavailableError(self._problem) from error
        self._round_trips.append(time.monotonic() - started)
        return result


def _key(kind: str, key: str) -> str:
    return f"{PREFIX}:v{FORMAT_VERSION}:{kind}:{key}"


def _encode(limits: Sequence[SharedLimit]) -> list[dict[str, float]]:
    return [{"requests": limit.requests, "window": limit.window} for limit in limits]
