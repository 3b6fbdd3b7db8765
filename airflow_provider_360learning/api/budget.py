"""
When a request may be sent: all limits that apply to it, reserved at once.

The limits belong to the deployment, not to a connection: everybody who shares a store shares them.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from .endpoints import Endpoint, Limit, Scope
from .errors import RateLimitedError
from .stores import Demand, NoRoomError, Reservation, Store, StoreUnavailableError, process_store

log = logging.getLogger(__name__)

#: First push-back after a 429 that says nothing about when to come back, in seconds; doubled at each further one.
FIRST_PUSH_BACK = 1.0
#: Longest push-back, also where ``Retry-After`` asks for more, in seconds.
LONGEST_PUSH_BACK = 300.0
#: Lateness that is always forgiven, in seconds: with a guard of zero, no request would ever be in time.
FORGIVEN_LATENESS = 0.01
#: A wait at least this long is worth a line in the log, in seconds.
LONG_WAIT = 10.0


@dataclass(slots=True)
class Usage:
    """What the calls of one client cost; one line of it ends each task's log."""

    requests: int = 0
    refused: int = 0
    retries: int = 0
    tokens: int = 0
    waited: dict[str, float] = field(default_factory=dict)

    def __str__(self) -> str:
        waits = ", ".join(f"{seconds:.1f} s on {name}" for name, seconds in sorted(self.waited.items()))
        return (
            f"{self.requests} requests, waited {waits or '0 s'}, "
            f"{self.refused} answers 429, {self.retries} retries, {self.tokens} tokens"
        )


@dataclass(frozen=True, slots=True)
class Share:
    """
    The part of every limit that is this process's own, where no store is shared.

    :param part: 0 < part <= 1.
    :param started: When the process started, on :func:`time.monotonic`. The first request waits for one share
        interval from then: otherwise a row of short processes would each start with a burst.
    """

    part: float
    started: float

    def of(self, limit: Limit) -> Limit:
        """Scale a limit down to the part: fewer calls while there is more than one, then a longer window."""
        calls = max(1, int(limit.calls * self.part))
        return Limit(limit.name, calls, limit.per * calls / (limit.calls * self.part), limit.scope)

    def not_within(self, limits: tuple[Limit, ...]) -> float:
        """Seconds that the first request still has to wait."""
        interval = max(limit.per / limit.calls for limit in limits)
        return max(0.0, self.started + interval - time.monotonic())


class Budget:
    """
    Reserves moments for the requests of one connection.

    :param store: The shared store, or ``None`` to work with a share of each limit alone.
    :param base_url: Base URL of the connection; limits of different hosts have nothing to do with each other.
    :param company_id: Company ID of the connection.
    :param overrides: Requests a window by limit name, where the vendor agreed to others than the documented.
    :param guard: Seconds added to each window, for the jitter between our sending and the vendor's counting.
    :param longest_wait: Most seconds that one call waits for room.
    :param fallback: The share to work with where there is no shared store, or it cannot be reached.
    :param egress: Set apart hosts that leave through addresses of their own; empty: all leave through one.
    """

    def __init__(
        self,
        store: Store | None,
        *,
        base_url: str,
        company_id: str,
        fallback: Share,
        overrides: Mapping[str, int] | None = None,
        guard: float = 0.05,
        longest_wait: float = 600.0,
        egress: str = "",
    ) -> None:
        self.usage = Usage()
        self.longest_wait = longest_wait
        self._store = store or process_store()
        self._share = None if store else fallback
        self._fallback = fallback
        self._origin = urlsplit(base_url).netloc.lower()
        self._owner = {Scope.COMPANY: company_id, Scope.ADDRESS: f"address {egress}".strip()}
        self._overrides = dict(overrides or {})
        self._guard = guard
        self._warned: set[str] = set()

    def reserve(self, endpoint: Endpoint, longest_wait: float, replacing: Reservation | None = None) -> Reservation:
        """
        Book the earliest moment at which the operation fits all its limits.

        :param endpoint: The operation.
        :param longest_wait: Seconds.
        :param replacing: A reservation to give up in the same step.
        :raises RateLimitedError: if the moment is further away than ``longest_wait``.
        """
        try:
            limits = self._limits(endpoint)
            reservation = self._store.reserve(
                [self._demand(limit) for limit in limits],
                longest_wait=longest_wait,
                not_within=self._share.not_within(limits) if self._share else 0.0,
                replacing=replacing,
            )
        except NoRoomError as error:
            raise RateLimitedError(
                f"The rate limit leaves no room for {error.wait:.0f} s, longer than the {longest_wait:.0f} s that "
                "are left of the longest wait allowed ([learning360] max_rate_limit_wait)",
                operation=endpoint.operation,
                retry_after=error.wait,
            ) from None
        except StoreUnavailableError as error:
            self._fall_back(error)
            return self.reserve(endpoint, longest_wait)
        self._note(endpoint, reservation)
        return reservation

    def is_current(self, reservation: Reservation) -> bool:
        """
        Tell, at the reserved moment, whether it still holds.

        It does not if a 429 closed it meanwhile, or if we come so late that the request could arrive together
        with those of the next window.
        """
        try:
            lateness = self._store.lateness(reservation)
        except StoreUnavailableError as error:
            self._fall_back(error)
            return False
        return lateness is not None and lateness <= max(self._guard / 2, FORGIVEN_LATENESS)

    def release(self, reservation: Reservation) -> None:
        """Give up a reservation whose request will not be sent."""
        try:
            self._store.release(reservation)
        except StoreUnavailableError as error:
            self._fall_back(error)

    def push_back(self, endpoint: Endpoint, retry_after: float | None) -> float:
        """
        Close the narrowest limit of a request that was answered 429, for all who share the store.

        A route with a limit of its own is closed first; at a second 429 in short order, the limits of the
        company and the address as well.

        :param endpoint: The operation.
        :param retry_after: Seconds, if the answer said so.
        :returns: Seconds that it is closed for.
        """
        self.usage.refused += 1
        keys = [self._key(limit) for limit in endpoint.limits]
        levels = [keys[:1], keys[1:]] if endpoint.limit else [keys]

        asked = None if retry_after is None else min(retry_after, LONGEST_PUSH_BACK)
        try:
            return self._store.push_back(levels, asked, _growing_delay)
        except StoreUnavailableError as error:
            self._fall_back(error)
            return self._store.push_back(levels, asked, _growing_delay)

    def _limits(self, endpoint: Endpoint) -> tuple[Limit, ...]:
        limits = tuple(
            Limit(limit.name, self._overrides.get(limit.name, limit.calls), limit.per, limit.scope)
            for limit in endpoint.limits
        )
        return tuple(self._share.of(limit) for limit in limits) if self._share else limits

    def _demand(self, limit: Limit) -> Demand:
        return Demand(self._key(limit), limit.calls, limit.per + self._guard)

    def _key(self, limit: Limit) -> str:
        return f"{self._origin}|{self._owner[limit.scope]}|{limit.name}"

    def _fall_back(self, error: StoreUnavailableError) -> None:
        """Go on with a share of each limit: never without any."""
        if self._share is not None:  # the memory of this process failed: nothing is left to fall back to
            raise error
        log.warning(
            "The shared rate budget cannot be used (%s). Going on with %.0f %% of each limit for this process "
            "([learning360] budget = slots).",
            error,
            100 * self._fallback.part,
        )
        self._store, self._share = process_store(), self._fallback

    def _note(self, endpoint: Endpoint, reservation: Reservation) -> None:
        """Keep account of the wait, and say what the user should know about it."""
        name = (reservation.held_by or "the first share interval").rpartition("|")[2]
        if reservation.wait:
            self.usage.waited[name] = self.usage.waited.get(name, 0.0) + reservation.wait
        if reservation.wait >= LONG_WAIT:
            log.info("%s waits %.0f s for room in the rate limit %s", endpoint.operation, reservation.wait, name)
        for key, calls in reservation.lowered:
            limit = key.rpartition("|")[2]
            if limit not in self._warned:
                self._warned.add(limit)
                log.warning(
                    "Another connection of this company states %s calls for the limit %s, fewer than this one: "
                    "the lower number holds. State the same 'limits' in both connections.",
                    calls,
                    limit,
                )


def _growing_delay(times: int) -> float:
    return min(FIRST_PUSH_BACK * 2.0 ** min(times - 1, 10) * random.uniform(1.0, 1.5), LONGEST_PUSH_BACK)
