"""
The places that an action holds: acquired, renewed and released as it asks for it.

A place is one of a limited number, such as that of the bulk jobs that a company may have running, or a lock. The rate
limiter's store grants them; here is the waiting, as steps, so that it can be done in a thread or on an event loop.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Generic, Protocol, TypeVar, assert_never

from airflow_provider_360learning.api.auth import Auth
from airflow_provider_360learning.api.limiter.limiter import LONG_WAIT, RateLimiter
from airflow_provider_360learning.api.types import Acquire, ActionSteps, Call, Hold, Release, Renew, Sleep, Step
from airflow_provider_360learning.exceptions import Learning360Error, RateLimitedError
from airflow_provider_360learning.log_text import get_logger

log = get_logger(__name__)

R = TypeVar("R")

#: Seconds between two counts of the places in use, at random between these, where no store is shared.
COUNT_INTERVAL = (10.0, 20.0)
#: Part of its time after which a place is renewed before a call.
RENEW_AFTER = 1 / 3


class PlacesClient(Protocol):
    """The client of an action that holds places."""

    rate_limiter: RateLimiter
    auth: Auth

    before_sending: Callable[[], None]


class Result(Generic[R]):
    """
    The result of an action.

    :param value: The result.
    """

    __slots__ = ("value",)

    def __init__(self, value: R) -> None:
        self.value = value


class HeldPlaces:
    """
    The places of one action. At its end, places that are not to be kept are released.

    :param client: The client that runs the action.
    """

    def __init__(self, client: PlacesClient) -> None:
        self._client = client
        self._places: dict[tuple[str, str], _Place] = {}
        # The thread of a canceled action may still be at work, and must not acquire a place that is never released.
        self._lock = threading.Lock()
        self._is_over = False
        #: Whether the action has ever asked for a place.
        self.are_used = False

    def __enter__(self) -> HeldPlaces:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self.are_used:
            self.release()

    def advance(self, steps: ActionSteps[R], outcome: object) -> Step | Result[R]:
        """
        Give an action the outcome of its last step and return its next step, or its result.

        :param steps: The action.
        :param outcome: The outcome; an error is raised in the action.
        """
        try:
            step = steps.throw(outcome) if isinstance(outcome, Learning360Error) else steps.send(outcome)
        except StopIteration as end:  # which no future can carry out of a thread
            return Result(end.value)
        if self._places and isinstance(step, Call):
            self._renew_due()
        return step

    def renewing(self, sleep: Callable[[float], None]) -> Callable[[float], None]:
        """
        Return a function that waits between attempts at a call, and renews the places of the action.

        :param sleep: Waits.
        """

        def sleep_and_renew(seconds: float) -> None:
            sleep(seconds)
            self._renew_due(seconds)

        return sleep_and_renew if self._places else sleep

    def steps(self, step: Acquire | Renew | Release) -> ActionSteps[Any]:
        """
        Return a step that concerns a place as steps of its own.

        :param step: The step.
        """
        self.are_used = True
        match step:
            case Acquire():
                return self._acquire(step)
            case Renew():
                return self._renew(step.hold)
            case Release():
                return self._release(step.hold)
            case _:
                assert_never(step)

    def release(self) -> None:
        """Release the places that are not to be kept."""
        with self._lock:
            self._is_over = True
            for place in self._places.values():
                if not place.keep:
                    self._client.rate_limiter.withdraw(place.hold)
            self._places.clear()

    def _acquire(self, step: Acquire) -> ActionSteps[Hold]:
        client, limiter = self._client, self._client.rate_limiter
        # Until the credentials are accepted, places are the connection's own.
        client.auth.make_ready()
        waited, max_wait = 0.0, limiter.max_wait if step.max_wait is None else step.max_wait
        try:
            while wait := (yield from self._ask(step)):
                if waited + wait > max_wait:
                    raise RateLimitedError(
                        f"All {limiter.places_of(step)} places of {step.name} were in use for {waited:.0f} s, and the "
                        f"maximum wait is {max_wait:.0f} s ([learning360] max_rate_limit_wait)",
                        retry_after=wait,
                    )
                if waited < LONG_WAIT <= waited + wait:
                    log.info("All %s places of %s in use; waiting", limiter.places_of(step), step.name)
                with limiter.usage.measure_wait(step.name.partition(" ")[0], wait):
                    yield Sleep(wait)
                waited += wait
                client.before_sending()
        except Exception:
            self._forget(step.hold)
            raise
        return step.hold

    def _ask(self, step: Acquire) -> ActionSteps[float]:
        """Ask for a place; return the seconds until the next time, 0 if it is held."""
        limiter = self._client.rate_limiter
        with self._lock:
            if self._is_over:
                raise RateLimitedError(f"The action that waited for a place of {step.name} has ended")
            self._places[step.name, step.owner] = _Place(step.hold, step.keep)
            wait = limiter.acquire(step)
        if not wait and step.count and not limiter.shares_places:
            used: int = yield from step.count()
            if used >= limiter.places_of(step):
                wait = random.uniform(*COUNT_INTERVAL)
        return wait

    def _renew(self, hold: Hold) -> ActionSteps[bool]:
        yield from ()
        with self._lock:
            known = self._places.get((hold.name, hold.owner))
            is_held = not self._is_over and self._client.rate_limiter.renew(hold)
            if is_held:
                self._places[hold.name, hold.owner] = _Place(hold, keep=known.keep if known else True)
        return is_held

    def _release(self, hold: Hold) -> ActionSteps[None]:
        yield from ()
        self._forget(hold)

    def _forget(self, hold: Hold) -> None:
        with self._lock:
            self._places.pop((hold.name, hold.owner), None)
            self._client.rate_limiter.withdraw(hold)

    def _renew_due(self, slept: float = 0.0) -> None:
        """Renew the places that would soon expire: those for which a part of their time has passed."""
        with self._lock:
            for key, place in list(self._places.items()):
                if max(slept, place.age) < RENEW_AFTER * place.hold.seconds:
                    continue
                if self._client.rate_limiter.renew(place.hold):
                    place.renewed_at = time.monotonic()
                else:
                    log.warning("The place of %s has expired, and another owner holds it", place.hold.name)
                    del self._places[key]


class _Place:
    """
    A place of an action.

    :param hold: The place.
    :param keep: Whether it is kept when the action ends.
    """

    def __init__(self, hold: Hold, keep: bool) -> None:
        self.hold = hold
        self.keep = keep
        self.renewed_at = time.monotonic()

    @property
    def age(self) -> float:
        """Seconds since it was acquired or renewed."""
        return time.monotonic() - self.renewed_at
