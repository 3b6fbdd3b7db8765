"""Webhook subscriptions and their events, which are listed and sent nowhere."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from airflow_provider_360learning.sandbox.clock import Clock
from airflow_provider_360learning.sandbox.state.budget import MemoryBudget

#: Seconds for which events are kept (documented: 90 days).
KEPT_FOR = 90 * 86_400


@dataclass(frozen=True)
class Event:
    """
    Something that has happened, for one subscription.

    :param data: what it is about; times are seconds since the epoch.
    """

    id: str
    type: str
    created_at: float
    data: dict[str, object]


@dataclass
class Subscription:
    """
    A subscription to events of one type.

    :param secret: signs events, never part of a dump.
    """

    id: str
    event_type: str
    name: str
    url: str
    status: Literal["active", "inactive"] = "active"
    secret: str = field(default="", repr=False)
    events: list[Event] = field(default_factory=list)


class Webhooks:
    """
    All subscriptions by id.

    :param new_id: returns the next id of the company.
    :param clock: dates events.
    :param budget: bounds their memory.
    """

    def __init__(self, new_id: Callable[[], str], clock: Clock, budget: MemoryBudget) -> None:
        self.subscriptions: dict[str, Subscription] = {}
        self._new_id = new_id
        self._clock = clock
        self._budget = budget

    def subscribe(self, event_type: str, name: str, url: str) -> Subscription:
        """Create a subscription."""
        self._budget.take()
        subscription = Subscription(self._new_id(), event_type, name, url)
        self.rotate_secret(subscription)
        self.subscriptions[subscription.id] = subscription
        return subscription

    def rotate_secret(self, subscription: Subscription) -> None:
        """Give a subscription another secret."""
        subscription.secret = f"whsec_{secrets.token_urlsafe(24)}"

    def of_type(self, event_type: str) -> Iterator[Subscription]:
        """Yield the subscriptions to events of a type."""
        return (each for each in self.subscriptions.values() if each.event_type == event_type)

    def record(self, event_type: str, **data: object) -> None:
        """
        Record an event for each active subscription to its type.

        :param data: what it is about; a value that is ``None`` is left out.
        """
        for subscription in self.of_type(event_type):
            if subscription.status == "active":
                self._budget.take()
                known = {name: value for name, value in data.items() if value is not None}
                event = Event(self._new_id(), event_type, self._clock.now(), known)
                subscription.events.append(event)

    def kept(self, subscription: Subscription) -> list[Event]:
        """Return the events of a subscription that are not too old."""
        oldest = self._clock.now() - KEPT_FOR
        return [event for event in subscription.events if event.created_at >= oldest]
