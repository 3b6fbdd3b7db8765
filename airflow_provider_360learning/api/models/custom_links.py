"""Arguments of the actions on custom links, and on the URLs that they have for single users."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field

from airflow_provider_360learning.api.models.base import ActionArguments, Problem
from airflow_provider_360learning.api.models.choices import IfExists, IfMissing, LinkIcon
from airflow_provider_360learning.api.models.fields import Order, Text, Url, User


class ListCustomLinks(ActionArguments):
    """Arguments of ``list_custom_links``: none."""


class CreateCustomLink(ActionArguments):
    """Arguments of ``create_custom_link``."""

    type: Text = Field(description="Unique internal name, which is not shown.")
    name: Text = Field(description="Title that is shown.")
    order: Order | None = Field(default=None, description="Position, from 0; by default after all other links.")
    icon: LinkIcon | None = Field(
        default=None, description="agenda, absence, certificate, convention, default, inbox or survey."
    )
    if_exists: IfExists = Field(
        default="skip",
        description="``skip`` leaves an existing link of this type unchanged; ``update`` updates ``name``, and "
        "``order`` and ``icon`` if they are given; ``fail`` fails, also when a task is retried that has created the "
        "link.",
    )


class UpdateCustomLink(ActionArguments):
    """Arguments of ``update_custom_link``."""

    type: Text = Field(description="Internal name of the link.")
    new_type: Text | None = Field(default=None, description="New internal name.")
    name: Text | None = Field(default=None, description="New title.")
    order: Order | None = Field(default=None, description="New position, from 0.")
    icon: LinkIcon | None = Field(
        default=None, description="agenda, absence, certificate, convention, default, inbox or survey."
    )

    def conflicts(self) -> Iterator[Problem]:
        """Return that there is nothing to change."""
        if not self.given().keys() - {"type"}:
            yield Problem(None, "update_custom_link needs at least one field to change")


class DeleteCustomLink(ActionArguments):
    """Arguments of ``delete_custom_link``."""

    type: Text = Field(description="Internal name of the link.")
    if_missing: IfMissing = Field(
        default="skip",
        description="``skip`` succeeds if the link does not exist; ``fail`` fails, also when a task is retried that "
        "has deleted the link.",
    )


class ListCustomUserLinks(ActionArguments):
    """Arguments of ``list_custom_user_links``."""

    user: User = Field(description="Email address or id of the user.")


class CreateCustomUserLink(ActionArguments):
    """Arguments of ``create_custom_user_link``."""

    user: User = Field(description="Email address or id of the user.")
    type: Text = Field(description="Internal name of the custom link.")
    url: Url = Field(description="URL to which the link leads for this user.")
    if_exists: IfExists = Field(
        default="skip",
        description="``skip`` leaves an existing URL unchanged; ``update`` replaces it; ``fail`` fails, also when a "
        "task is retried that has set the URL.",
    )


class UpdateCustomUserLink(ActionArguments):
    """Arguments of ``update_custom_user_link``."""

    user: User = Field(description="Email address or id of the user.")
    type: Text = Field(description="Internal name of the custom link.")
    new_type: Text | None = Field(default=None, description="Internal name of the custom link that gets the URL.")
    url: Url | None = Field(default=None, description="New URL.")

    def conflicts(self) -> Iterator[Problem]:
        """Return that there is nothing to change."""
        if not self.given().keys() - {"user", "type"}:
            yield Problem(None, "update_custom_user_link needs url or new_type")


class DeleteCustomUserLink(ActionArguments):
    """Arguments of ``delete_custom_user_link``."""

    user: User = Field(description="Email address or id of the user.")
    type: Text = Field(description="Internal name of the custom link.")
    if_missing: IfMissing = Field(
        default="skip",
        description="``skip`` succeeds if the user has no URL for this link; ``fail`` fails, also when a task is "
        "retried that has deleted it.",
    )
