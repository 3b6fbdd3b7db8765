"""The tags of the company, which API v1 calls skills."""

from __future__ import annotations

from collections import UserDict
from dataclasses import dataclass
from typing import Literal

from airflow_provider_360learning.sandbox.state.budget import MemoryBudget


@dataclass
class Tag:
    """
    A tag.

    :param external_id: its id in another system.
    :param source: whether it was added by an administrator or an API, or came from another system.
    """

    id: str
    name: str
    is_main: bool = False
    external_id: str | None = None
    source: Literal["native", "integration"] = "native"


class Tags(UserDict[str, Tag]):
    """
    All tags by id.

    :param budget: bounds their memory.
    """

    def __init__(self, budget: MemoryBudget) -> None:
        super().__init__()
        self._budget = budget

    def add(self, tag: Tag) -> Tag:
        """Add a tag."""
        self._budget.take()
        self[tag.id] = tag
        return tag

    def has_other(self, name: str, this: Tag | None = None) -> bool:
        """
        Return whether another tag has a name. Letter case counts (assumption).

        :param this: the tag that may have it.
        """
        return any(tag is not this and tag.name == name for tag in self.values())
