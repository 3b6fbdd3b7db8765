"""The ids that users and other objects have in other platforms."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from airflow_provider_360learning.sandbox.state.budget import MemoryBudget
from airflow_provider_360learning.sandbox.state.model import ExternalId


class ExternalIds:
    """
    The ids in other platforms.

    :param new_id: returns the id of a new entry.
    :param budget: bounds the memory.
    """

    def __init__(self, new_id: Callable[[], str], budget: MemoryBudget) -> None:
        self.by_id: dict[str, ExternalId] = {}
        self._new_id = new_id
        self._budget = budget

    def __iter__(self) -> Iterator[ExternalId]:
        return iter(self.by_id.values())

    def of(self, target: str) -> list[ExternalId]:
        """Return the ids of an object in other platforms."""
        return [each for each in self if each.target == target]

    def of_target(self, platform: str, target: str) -> ExternalId | None:
        """Return the id of an object in a platform."""
        return next((each for each in self if (each.platform, each.target) == (platform, target)), None)

    def with_value(self, platform: str, target_type: str, value: str) -> ExternalId | None:
        """Return the entry of an id in a platform."""
        wanted = platform, target_type, value
        return next((each for each in self if (each.platform, each.target_type, each.value) == wanted), None)

    def add(self, platform: str, target: str, target_type: str, value: str) -> ExternalId:
        """Give an object an id in a platform."""
        self._budget.take()
        added = ExternalId(self._new_id(), platform, target, target_type, value)
        self.by_id[added.id] = added
        return added

    def remove_all(self, target: str) -> None:
        """Remove the ids of an object."""
        for each in self.of(target):
            del self.by_id[each.id]
