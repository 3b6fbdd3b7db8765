"""
When a request may be sent: all limits that apply to it, reserved at once.

The limits belong to the deployment, not to a connection: everybody who shares a store shares them.
"""

from __future__ import annotations

import logging
import random
import threading
import time
import weakref
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TypeVar
from urllib.parse import urlsplit

from airflow_provider_360learning.api.limiter.store import (
    NoCapacityError,
    Reservation,
    SharedLimit,
    Store,
    StoreUnavailableError,
    process_store,
)
from airflow_provider_360learning.api.spec import Endpoint, LimitScope, WindowLimit
from airflow_provider_360learning.exceptions import RateLimitedError

log = logging.getLogger(__name__)

T = TypeVar("T")

#: First push-back after a 429 that says nothing about when to come back, in seconds.
INITIAL_BACK_OFF = 1.0
#: Each further one in a row is this much longer. Not double: limits that were pushed back are slowed down as well.
LONGER_EACH_TIME = 1.5
#: Longest push-back, also where ``Retry-After`` asks for more, in seconds.
MAX_BACK_OFF = 300.0
#: Lateness that is always forgiven, in seconds: with a margin of zero, no request would ever be in time.
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
    :param started: When the process started to work with it, on :func:`time.monotonic`. The first request waits
        for a window from then: otherwise a row of short processes would each start with a burst.
    """

    part: float
    started: float

    def of(self, limit: WindowLimit) -> WindowLimit:
        """Scale a limit down to the part: fewer calls while there is more than one, then a longer window."""
        calls = max(1, int(limit.requests * self.part))
        return WindowLimit(limit.name, calls, limit.seconds * calls / (limit.requests * self.part), limit.scope)


Source = tuple[Store, Share | None]

# Shared stores that this process does without for now.
_lost: weakref.WeakSet[Store] = weakref.WeakSet()


class RateLimiter:
    """
    Reserves moments for the requests of one connection.

    :param store: The shared store, or ``None`` to work with a share of each limit alone.
    :param base_url: Base URL of the connection; limits of different hosts have nothing to do with each other.
    :param company_id: Company ID of the connection.
    :param overrides: Requests a window by limit name, where the vendor agreed to others than the documented.
    :param margin: Seconds added to each window, for the jitter between our sending and the vendor's counting.
    :param max_wait: Most seconds that one call waits for room.
    :param fallback: The share to work with where there is no shared store, or it cannot be reached.
    :param ip_limit_scope: Set apart hosts that leave through addresses of their own; empty: all leave through one.
    :param come_back_after: Seconds after which a shared store that could not be used is tried again.
    """

    def __init__(
        self,
        store: Store | None,
        *,
        base_url: str,
        company_id: str,
        fallback: Share,
        overrides: Mapping[str, int] | None = None,
        margin: float = 0.05,
        max_wait: float = 600.0,
        ip_limit_scope: str = "",
        come_back_after: float = 10.0,
    ) -> None:
        self.usage = Usage()
        self.max_wait = max_wait
        # StoragePath the reservations live, and the share of each limit to work with there; replaced together.
        self._source: Source = (store, None) if store else (process_store(), fallback)
        self._changing_source = threading.Lock()
        self._shared = store
        self._come_back_after = come_back_after
        self._come_back_at: float | None = None
        self._back_since = float("-inf")
        self._fallback = fallback
        self._origin = urlsplit(base_url).netloc.lower()
        self._owner = {LimitScope.COMPANY: company_id, LimitScope.ADDRESS: f"address {ip_limit_scope}".strip()}
        self._overrides = dict(overrides or {})
        self._guard = margin
        self._warned: set[str] = set()
        self._known_demands: dict[tuple[str, float], tuple[SharedLimit, ...]] = {}

    def reserve(self, endpoint: Endpoint, max_wait: float, replacing: Reservation | None = None) -> Reservation:
        """
        Book the earliest moment at which the operation fits all its limits.

        :param endpoint: The operation.
        :param max_wait: Seconds.
        :param replacing: A reservation to give up in the same step.
        :raises RateLimitedError: if the moment is further away than ``max_wait``.
        """
        self._come_back()

        def book(store: Store, share: Share | None) -> Reservation:
            limits = self._demands(endpoint, share)
            return store.reserve(
                limits,
                max_wait=max_wait,
                not_within=self._still_unknown(limits, share.started if share else self._back_since),
                replacing=replacing,
                # A share says nothing about what was agreed with the vendor.
                agree=share is None,
            )

        try:
            reservation = self._ask(book)
        except NoCapacityError as error:
            left = max(0.0, max_wait)
            raise RateLimitedError(
                f"The rate limit leaves no room for {error.wait:.0f} s, longer than the {left:.0f} s that "
                "are left of the longest wait allowed ([learning360] max_rate_limit_wait)",
                operation=endpoint.operation,
                retry_after=error.wait,
            ) from None
        self._tell(endpoint, reservation, another=replacing is not None)
        return reservation

    def pace(self, endpoint: Endpoint) -> float:
        """
        Say how many requests a second the limits leave at most for an operation, if nobody else sends any.

        :param endpoint: The operation.
        """
        return min(limit.requests / limit.window for limit in self._demands(endpoint, self._source[1]))

    @property
    def share(self) -> float:
        """The part of every limit that this process works with: 1, where it shares them with the others."""
        _, share = self._source
        return share.part if share else 1.0

    def is_current(self, reservation: Reservation) -> bool:
        """
        Tell, at the reserved moment, whether it still holds.

        It does not if a 429 closed it meanwhile, or if we come so late that the request could arrive together
        with those of the next window.
        """
        if reservation.wait:  # it is over
            name = _limiting_name(reservation)
            self.usage.waited[name] = self.usage.waited.get(name, 0.0) + reservation.wait
        source = self._source
        if reservation.store is not source[0]:
            return False
        try:
            lateness = source[0].lateness(reservation)
        except StoreUnavailableError as error:
            self._fall_back(source, error)
            return False
        return lateness is not None and lateness <= max(self._guard / 2, FORGIVEN_LATENESS)

    def release(self, reservation: Reservation) -> None:
        """Give up a reservation whose request will not be sent."""
        if reservation.store:
            with suppress(StoreUnavailableError):  # lost with its reservations
                reservation.store.release(reservation)

    def back_off(self, endpoint: Endpoint, reservation: Reservation, retry_after: float | None) -> float:
        """
        Close the narrowest limit of a request that was answered 429, for all who share the store.

        A route with a limit of its own is closed first; at a second 429 in short order, the limits of the
        company and the address as well. What is closed comes back slower: somebody else may be using a part of it.

        :param endpoint: The operation.
        :param reservation: That of the request.
        :param retry_after: Seconds, if the answer said so.
        :returns: Seconds that it is closed for.
        """
        self.usage.refused += 1
        # Zero seconds, or a date in the past, do not say when to come back.
        asked = min(retry_after, MAX_BACK_OFF) if retry_after and retry_after > 0 else None

        def close(store: Store, share: Share | None) -> float:
            limits = self._demands(endpoint, share)
            levels = [limits[:1], limits[1:]] if endpoint.has_own_limit else [limits]
            return store.back_off(reservation, levels, asked, _growing_delay)

        return self._ask(close)

    def _demands(self, endpoint: Endpoint, share: Share | None) -> tuple[SharedLimit, ...]:
        """Say what a request limits of the store; always the same, so it is worked out once."""
        key = (endpoint.operation, share.part if share else 1.0)
        if key not in self._known_demands:
            agreed = (
                WindowLimit(limit.name, self._overrides.get(limit.name, limit.requests), limit.seconds, limit.scope)
                for limit in endpoint.limits
            )
            limits = (share.of(limit) if share else limit for limit in agreed)
            self._known_demands[key] = tuple(
                SharedLimit(self._key(limit), limit.requests, limit.seconds + self._guard) for limit in limits
            )
        return self._known_demands[key]

    def _key(self, limit: WindowLimit) -> str:
        return f"{self._origin}|{self._owner[limit.scope]}|{limit.name}"

    def _ask(self, question: Callable[[Store, Share | None], T]) -> T:
        """Ask the store; where it cannot be used, go on with a share of each limit: never without any."""
        while True:
            source = self._source
            try:
                return question(*source)
            except StoreUnavailableError as error:
                if source[0] is process_store():
                    raise
                self._fall_back(source, error)

    def _fall_back(self, source: Source, error: StoreUnavailableError) -> None:
        with self._changing_source:
            if self._source is not source:  # another thread has done it
                return
            # Connections share a store: what one of them has said, the others need not say again.
            log.log(
                logging.DEBUG if source[0] in _lost else logging.WARNING,
                "The shared rate budget cannot be used (%s). Going on with %.0f %% of each limit for this process "
                "([learning360] rate_limiter = pool_slots) until it can be.",
                error,
                100 * self._fallback.part,
            )
            _lost.add(source[0])
            # Whoever else has lost the store starts at the same moment: none of them with a burst.
            self._source = (process_store(), replace(self._fallback, started=time.monotonic()))
            self._come_back_at = time.monotonic() + self._come_back_after

    def _come_back(self) -> None:
        """Try a shared store again that could not be used."""
        if self._shared is None or self._come_back_at is None or time.monotonic() < self._come_back_at:
            return
        with self._changing_source:
            if self._come_back_at is None or time.monotonic() < self._come_back_at:  # another thread has done it
                return
            self._come_back_at = time.monotonic() + self._come_back_after
            try:
                self._shared.check()
            except StoreUnavailableError:
                return
            self._source, self._come_back_at = (self._shared, None), None
            self._back_since = time.monotonic()
            _lost.discard(self._shared)
        log.info("The shared rate budget can be used again.")

    @staticmethod
    def _still_unknown(limits: tuple[SharedLimit, ...], since: float) -> float:
        """Seconds until the requests are out of every window that were sent before, and that the store knows not."""
        return max(0.0, since + max(limit.window for limit in limits) - time.monotonic())

    def _tell(self, endpoint: Endpoint, reservation: Reservation, *, another: bool) -> None:
        """Say what the user should know about a reservation."""
        if reservation.wait >= LONG_WAIT:
            waits = f"waits {'another ' if another else ''}{reservation.wait:.0f} s"
            log.info("%s %s for room in the rate limit %s", endpoint.operation, waits, _limiting_name(reservation))
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


def _limiting_name(reservation: Reservation) -> str:
    return (reservation.limiting_key or "the first window").rpartition("|")[2]


def _growing_delay(times: int) -> float:
    return min(INITIAL_BACK_OFF * LONGER_EACH_TIME ** min(times - 1, 20) * random.uniform(1.0, 1.5), MAX_BACK_OFF)
