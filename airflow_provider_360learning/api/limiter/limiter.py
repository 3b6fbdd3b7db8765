"""
The rate limiter: reserves the send time of each request against all limits that apply to it.

The limits belong to the deployment, not to a connection: all processes that use the same store share them.
"""

from __future__ import annotations

import hashlib
import logging
import random
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, replace
from typing import TypeVar

from airflow_provider_360learning.api.limiter.forking import ForkSafeLock
from airflow_provider_360learning.api.limiter.share import Share, TimeSlots
from airflow_provider_360learning.api.limiter.sqlite import process_store
from airflow_provider_360learning.api.limiter.store import (
    MAX_BACK_OFF,
    NoCapacityError,
    Reservation,
    SharedLimit,
    Store,
    StoreUnavailableError,
)
from airflow_provider_360learning.api.limiter.usage import Usage
from airflow_provider_360learning.api.spec import Endpoint, LimitScope, WindowLimit
from airflow_provider_360learning.api.types import Acquire, Hold
from airflow_provider_360learning.api.urls import origin
from airflow_provider_360learning.exceptions import RateLimitedError
from airflow_provider_360learning.log_text import get_logger

log = get_logger(__name__)

T = TypeVar("T")

#: Delay after a 429 without ``Retry-After``, in seconds.
INITIAL_BACK_OFF = 1.0
#: Growth of the delay per consecutive 429. Not double: limits are slowed down after a back-off as well.
BACK_OFF_GROWTH = 1.5
#: Maximum number of seconds after which an unavailable shared store is tried again.
MAX_RETRY_INTERVAL = 160.0
#: Lateness that is always accepted, in seconds: with a margin of zero, no request would ever be in time.
ACCEPTED_LATENESS = 0.01
#: Minimum wait that is logged, in seconds.
LONG_WAIT = 10.0


@dataclass(frozen=True, slots=True)
class Limits:
    """
    The limits of a request, the narrowest one first.

    :param counting: Those that count it.
    :param closing: Those that a 429 closes. As long as the credentials are not accepted, they are the connection's own.
    """

    counting: tuple[SharedLimit, ...]
    closing: tuple[SharedLimit, ...]


#: A store, and the share of each limit to use with it.
Source = tuple[Store, Share | None]

# Shared stores that this process currently does without.
_lost: weakref.WeakSet[Store] = weakref.WeakSet()


class RateLimiter:
    """
    Reserves send times for the requests of one connection.

    :param store: The shared store, or ``None`` to use a share of each limit.
    :param base_url: Base URL of the connection; limits of different hosts are independent.
    :param company_id: Company ID of the connection.
    :param api_version: Name of the API version. The versions count the requests of a company apart (an assumption:
        docs/assumptions.md).
    :param fallback: The share to use without a shared store, or while it is unavailable.
    :param overrides: Requests per window by limit name, where the vendor agreed to others than the documented ones.
    :param margin: Seconds added to each window, for jitter between our sending and the vendor's counting.
    :param max_wait: Maximum number of seconds that one call waits for capacity.
    :param ip_limit_scope: Distinguishes hosts that use addresses of their own; empty if all share one.
    :param api_key: API key of the connection. Until 360Learning accepts it, the connection cannot change what others
        may send; see :meth:`confirm_credentials`. ``None`` if it is known to be right.
    :param store_retry_interval: Seconds after which an unavailable shared store is tried again; twice as many after
        each further failure, up to :data:`MAX_RETRY_INTERVAL`.
    """

    def __init__(
        self,
        store: Store | None,
        *,
        base_url: str,
        company_id: str,
        api_version: str = "v1",
        fallback: Share,
        overrides: Mapping[str, int] | None = None,
        margin: float = 0.05,
        max_wait: float = 600.0,
        ip_limit_scope: str = "",
        api_key: str | None = None,
        store_retry_interval: float = 10.0,
    ) -> None:
        self.usage = Usage()
        self.max_wait = max_wait
        # Replaced together, never one without the other.
        self._source: Source = (store, None) if store else (process_store(), fallback)
        self._changing_source = ForkSafeLock()
        self._trying_store = ForkSafeLock()
        self._shared = store
        self._min_retry_interval = self._retry_interval = store_retry_interval
        self._retry_store_at: float | None = None
        self._shared_since = float("-inf")
        self.fallback = fallback
        self._origin = origin(base_url)
        self._api_version = api_version
        self._owner = {LimitScope.COMPANY: company_id, LimitScope.ADDRESS: f"address {ip_limit_scope}".strip()}
        self._overrides = dict(overrides or {})
        self._margin = margin
        self._credentials = _fingerprint(self._origin, company_id, api_key) if api_key is not None else ""
        self._is_accepted = self._is_confirmed = api_key is None
        self._limits: dict[tuple[str, float, bool], Limits] = {}
        self._time_slots: dict[str, TimeSlots | None] = {}

    def reserve(self, endpoint: Endpoint, max_wait: float, replacing: Reservation | None = None) -> Reservation:
        """
        Reserve the earliest send time at which all limits of an operation have capacity.

        :param endpoint: The operation.
        :param max_wait: Seconds.
        :param replacing: A reservation to release in the same step.
        :raises RateLimitedError: if the time is further away than ``max_wait``.
        """
        self._return_to_shared_store()

        def reserve(store: Store, share: Share | None) -> Reservation:
            limits = self._limits_of(endpoint, share, self._accepted_by(store)).counting
            slots = self._time_slots_of(endpoint, share) if share else None
            min_wait = self._seconds_until_known(limits, share.started if share else self._shared_since)
            reservation = store.reserve(limits, max_wait=max_wait, min_wait=min_wait, replacing=replacing)
            if slots is None:
                return reservation
            if replacing is None:
                slots.count()
            return _move_to_time_slot(store, reservation, slots, limits, max_wait)

        try:
            reservation = self._with_store(reserve)
        except NoCapacityError as error:
            left = max(0.0, max_wait)
            raise RateLimitedError(
                f"The rate limit has no capacity for {error.wait:.0f} s, longer than the {left:.0f} s that are left of "
                "the maximum wait ([learning360] max_rate_limit_wait)",
                operation=endpoint.operation,
                retry_after=error.wait,
            ) from None
        if reservation.wait >= LONG_WAIT:
            _log_wait(reservation, is_further=replacing is not None)
        return reservation

    def pace(self, endpoint: Endpoint) -> float:
        """
        Return the maximum requests per second for an operation, if no other client sends any.

        :param endpoint: The operation.
        """
        limits = self._limits_of(endpoint, self._source[1], is_accepted=True).counting
        return min(limit.requests / limit.window for limit in limits)

    @property
    def share(self) -> float:
        """The part of every limit that this process uses: 1 where it shares them with the others."""
        _, share = self._source
        return share.part if share else 1.0

    def measure_wait(self, reservation: Reservation) -> AbstractContextManager[None]:
        """
        Return a context in which a call waits for its reserved time.

        :param reservation: The reservation.
        """
        if not reservation.wait:
            return nullcontext()
        return self.usage.measure_wait(_limit_name(reservation) or "startup", reservation.wait)

    def is_current(self, reservation: Reservation) -> bool:
        """
        Return, at the reserved time, whether the request may be sent.

        It may not if a 429 closed that time, or if we are so late that the request could arrive together with those of
        the next window.

        :param reservation: The reservation.
        """
        source = self._source
        if reservation.store is not source[0]:
            return False
        try:
            lateness = source[0].lateness(reservation)
        except StoreUnavailableError as error:
            self._fall_back(source, error)
            return False
        if lateness is None or lateness > max(self._margin / 2, ACCEPTED_LATENESS):
            return False
        # Another thread may have found another time slot since.
        slots = self._slowest_time_slots(reservation.keys) if source[1] else None
        return slots is None or not slots.delay(-lateness)

    def release(self, reservation: Reservation) -> None:
        """
        Release a reservation whose request will not be sent.

        :param reservation: The reservation.
        """
        if reservation.store:
            with suppress(StoreUnavailableError):  # lost with its reservations
                reservation.store.release(reservation)

    def back_off(self, endpoint: Endpoint, reservation: Reservation, retry_after: float | None) -> float:
        """
        Close the narrowest limit of a request that was answered 429, for all who share the store.

        A limit of the operation's own is closed first; after consecutive 429s, the limits of the company and the
        address as well. A closed limit reopens slower, because another client may be using a part of it.

        :param endpoint: The operation.
        :param reservation: That of the request.
        :param retry_after: Seconds, if the response said so.
        :return: Seconds that the limit is closed for.
        """
        self.usage.count("throttled", endpoint.operation)
        # Zero seconds, or a date in the past, do not say when to retry.
        seconds = min(retry_after, MAX_BACK_OFF) if retry_after and retry_after > 0 else None

        def close(store: Store, share: Share | None) -> float:
            slots = self._time_slots_of(endpoint, share) if share else None
            # Another process of this pool uses the time slot, or another client uses a part of the limit.
            if slots and (seconds or 0.0) <= slots.cycle and slots.find():
                return slots.cycle
            limits = self._limits_of(endpoint, share, self._accepted_by(store)).closing
            levels = [limits[:1], limits[1:]] if endpoint.has_own_limit else [limits]
            return store.back_off(reservation, levels, seconds, _back_off_delay)

        return self._with_store(close)

    @property
    def shares_places(self) -> bool:
        """Whether places are shared with other processes now."""
        return self._source[1] is None

    def acquire(self, acquire: Acquire) -> float:
        """
        Hold a place, or queue for it.

        :param acquire: The place.
        :return: 0 if it is held now, else the seconds after which to call this again: not all at the same time.
        """
        self._return_to_shared_store()

        def acquire_place(store: Store, share: Share | None) -> float:
            key, places = self._places(store, acquire)
            return store.acquire_place(key, places, acquire.owner, acquire.seconds)

        return self._with_store(acquire_place) * random.uniform(0.75, 1.25)

    def renew(self, hold: Hold) -> bool:
        """
        Hold a place for longer, and return whether it is held.

        :param hold: The place.
        """
        self._return_to_shared_store()

        def renew_place(store: Store, share: Share | None) -> bool:
            key, places = self._places(store, hold)
            return store.renew_place(key, places, hold.owner, hold.seconds)

        return self._with_store(renew_place)

    def withdraw(self, hold: Hold) -> None:
        """
        Release a place, or leave the queue for it.

        :param hold: The place.
        """
        store, _ = self._source
        with suppress(StoreUnavailableError):  # it expires
            store.release_place(self._places(store, hold)[0], hold.owner)

    def places_of(self, hold: Hold) -> int:
        """
        Return the number of places, as the connection's ``limits`` may override it.

        :param hold: One of them.
        """
        return self._overrides.get(hold.name, hold.places)

    def _places(self, store: Store, hold: Hold) -> tuple[str, int]:
        """Return the key and the number of places. Without accepted credentials, they are the connection's own."""
        is_accepted = self._accepted_by(store)
        places = self.places_of(hold)
        company = self._owner[LimitScope.COMPANY]
        key = f"{self._origin}|{self._api_version}|{company}|{hold.name}"
        return (key, places) if is_accepted else (f"{self._credentials}|{key}", min(places, hold.places))

    def confirm_credentials(self) -> None:
        """
        Note that 360Learning has accepted the credentials; other processes with the same ones learn it from the store.

        Without that, every user of Airflow who may add a connection could slow the others down, or throttle them, with
        the company's ID and an invalid API key.
        """
        if self._is_confirmed:
            return
        self._is_confirmed = self._is_accepted = True
        with suppress(StoreUnavailableError):
            self._source[0].accept(self._credentials)

    def reject_credentials(self, endpoint: Endpoint, reservation: Reservation) -> None:
        """
        Release the company's limits, if 360Learning has rejected the credentials and never accepted them before.

        The limits of the address count the request nevertheless.

        :param endpoint: The operation.
        :param reservation: That of the request.
        """
        if self._is_accepted:
            return
        company = [self._key(limit) for limit in endpoint.limits if limit.scope is LimitScope.COMPANY]
        self.release(replace(reservation, keys=tuple(key for key in company if key in reservation.keys)))

    def _accepted_by(self, store: Store) -> bool:
        if not self._is_accepted and store.is_accepted(self._credentials):
            self._is_accepted = True
        return self._is_accepted

    def _limits_of(self, endpoint: Endpoint, share: Share | None, is_accepted: bool) -> Limits:
        """Return the limits of a request as the store knows them; always the same, so they are computed once."""
        key = (endpoint.operation, share.part if share else 1.0, is_accepted)
        if key not in self._limits:
            limits = [self._effective(limit, share, is_accepted) for limit in endpoint.limits]
            shared = tuple(SharedLimit(self._key(limit), limit.requests, self._window(limit)) for limit in limits)
            own = tuple(replace(limit, key=f"{self._credentials}|{limit.key}") for limit in shared)
            self._limits[key] = Limits(shared, shared) if is_accepted else Limits((*shared, *own), own)
        return self._limits[key]

    def _effective(self, limit: WindowLimit, share: Share | None, is_accepted: bool) -> WindowLimit:
        requests = self._overrides.get(limit.name, limit.requests)
        limit = replace(limit, requests=requests if is_accepted else min(requests, limit.requests))
        return share.of(limit, self._margin) if share else limit

    def _time_slots_of(self, endpoint: Endpoint, share: Share) -> TimeSlots | None:
        """Return the time slots of the slowest limit of a request that is divided in time."""
        for limit in endpoint.limits:
            if (key := self._key(limit)) not in self._time_slots:
                self._time_slots[key] = share.time_slots(self._effective(limit, None, is_accepted=True), self._margin)
        return self._slowest_time_slots([self._key(limit) for limit in endpoint.limits])

    def _slowest_time_slots(self, keys: Sequence[str]) -> TimeSlots | None:
        divided = [slots for key in keys if (slots := self._time_slots.get(key))]
        return max(divided, key=lambda slots: slots.cycle, default=None)

    def _seconds_until_known(self, limits: tuple[SharedLimit, ...], since: float) -> float:
        """
        Return the seconds until requests that were sent before ``since``, unknown to the store, leave every window.

        The wait for a time slot takes half a cycle on average: with half a window before it, short processes one after
        the other keep the average of the limit.
        """
        own = f"{self._credentials}|"
        divided = {key for key, slots in self._time_slots.items() if slots}
        windows = (limit.window / (2 if limit.key.removeprefix(own) in divided else 1) for limit in limits)
        return max(0.0, since + max(windows) - time.monotonic())

    def _key(self, limit: WindowLimit) -> str:
        return f"{self._origin}|{self._api_version}|{self._owner[limit.scope]}|{limit.name}"

    def _window(self, limit: WindowLimit) -> float:
        return limit.seconds + self._margin

    def _with_store(self, use: Callable[[Store, Share | None], T]) -> T:
        """Use the store; if it is unavailable, use a share of each limit instead: never without any limit."""
        while True:
            source = self._source
            try:
                return use(*source)
            except StoreUnavailableError as error:
                if source[0] is process_store():
                    raise
                self._fall_back(source, error)

    def _fall_back(self, source: Source, error: StoreUnavailableError) -> None:
        with self._changing_source:
            if self._source is not source:  # another thread has done it
                return
            # Connections share a store: after the warning of one, the others log at DEBUG.
            log.log(
                logging.DEBUG if source[0] in _lost else logging.WARNING,
                "Shared rate limiter unavailable: %s; using %.0f %% of each limit in this process "
                "([learning360] rate_limiter = pool_slots) until it is available.",
                error,
                100 * self.fallback.part,
            )
            _lost.add(source[0])
            # All that lost the store start at the same time: none of them with a burst.
            now = time.monotonic()
            if now - self._shared_since > MAX_RETRY_INTERVAL:  # else it was available for a short time only
                self._retry_interval = self._min_retry_interval
            self._source = (process_store(), replace(self.fallback, started=now))
            self._retry_store_at = now + self._retry_interval
        self.usage.observer.on_store_lost()

    def _return_to_shared_store(self) -> None:
        """Try a shared store again that was unavailable: one request at a time, and ever more rarely."""
        if self._shared is None or self._retry_store_at is None or time.monotonic() < self._retry_store_at:
            return
        if not self._trying_store.acquire(timeout=0):  # the others continue with their share meanwhile
            return
        try:
            if self._retry_store_at is None or time.monotonic() < self._retry_store_at:  # another thread has done it
                return
            self._retry_interval = min(2 * self._retry_interval, MAX_RETRY_INTERVAL)
            try:
                self._shared.check()
            except StoreUnavailableError:
                self._retry_store_at = time.monotonic() + self._retry_interval
                return
            with self._changing_source:
                self._source, self._retry_store_at = (self._shared, None), None
                self._shared_since = time.monotonic()
                _lost.discard(self._shared)
        finally:
            self._trying_store.release()
        log.info("Shared rate limiter available again; using it.")


def _fingerprint(*values: str) -> str:
    """Return a short digest, which identifies credentials and from which they cannot be computed."""
    return hashlib.sha256("\0".join(values).encode()).hexdigest()[:16]


def _move_to_time_slot(
    store: Store, reservation: Reservation, slots: TimeSlots, limits: tuple[SharedLimit, ...], max_wait: float
) -> Reservation:
    """Replace a reservation by the first one, from then on, at the begin of a time slot."""
    while delay := slots.delay(reservation.wait):
        wait = reservation.wait + delay
        moved = store.reserve(limits, max_wait=max_wait, min_wait=wait, replacing=reservation)
        reservation = replace(moved, limiting_key=moved.limiting_key or limits[0].key)
    return reservation


def _limit_name(reservation: Reservation) -> str | None:
    return reservation.limiting_key.rpartition("|")[2] if reservation.limiting_key else None


def _log_wait(reservation: Reservation, *, is_further: bool) -> None:
    name = _limit_name(reservation)
    reason = f"Rate limit {name} reached" if name else "Requests sent before this process started are unknown"
    log.info("%s; waiting %s%.0f s", reason, "another " if is_further else "", reservation.wait)


def _back_off_delay(consecutive_429s: int) -> float:
    growth = BACK_OFF_GROWTH ** min(consecutive_429s - 1, 20)
    return min(INITIAL_BACK_OFF * growth * random.uniform(1.0, 1.5), MAX_BACK_OFF)
