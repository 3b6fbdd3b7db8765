"""Custom links of the company, and their URLs of single users."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from airflow_provider_360learning.sandbox.state.budget import MemoryBudget

Icon = Literal["agenda", "absence", "certificate", "convention", "default", "inbox", "survey"]
ICONS: tuple[str, ...] = get_args(Icon)


@dataclass
class CustomLink:
    """
    A custom link.

    :param type: its internal name.
    :param name: its title.
    :param order: its position.
    """

    id: str
    type: str
    name: str
    order: int
    icon: str | None = None


@dataclass
class UserLink:
    """
    The URL of a user for a custom link.

    :param user: id of the user.
    :param link: id of the custom link.
    """

    id: str
    user: str
    link: str
    url: str


class Links:
    """
    All custom links and all URLs by id.

    :param budget: bounds their memory.
    """

    def __init__(self, budget: MemoryBudget) -> None:
        self.links: dict[str, CustomLink] = {}
        self.user_links: dict[str, UserLink] = {}
        self._budget = budget

    def add(self, link: CustomLink) -> CustomLink:
        """Add a custom link."""
        self._budget.take()
        self.links[link.id] = link
        return link

    def add_url(self, url: UserLink) -> UserLink:
        """Add the URL of a user."""
        self._budget.take()
        self.user_links[url.id] = url
        return url

    def of_type(self, type: str) -> CustomLink | None:
        """Return the custom link with an internal name."""
        return next((link for link in self.links.values() if link.type == type), None)

    def of_user(self, user: str) -> list[UserLink]:
        """Return the URLs of a user."""
        return [url for url in self.user_links.values() if url.user == user]

    def url(self, user: str, link: CustomLink) -> UserLink | None:
        """Return the URL of a user for a custom link."""
        return next((url for url in self.of_user(user) if url.link == link.id), None)

    def next_order(self) -> int:
        """Return the position after all others."""
        return 1 + max((link.order for link in self.links.values()), default=-1)

    def delete(self, link: CustomLink) -> None:
        """Delete a custom link, and the URLs of all users for it (assumption)."""
        del self.links[link.id]
        self.user_links = {id: url for id, url in self.user_links.items() if url.link != link.id}
