"""Arguments of the actions on tags, which API v1 calls skills."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field

from airflow_provider_360learning.api.models.base import ActionArguments, Problem
from airflow_provider_360learning.api.models.choices import IfExists, IfMissing
from airflow_provider_360learning.api.models.fields import TAG, Boolean, ExternalId, Id, TagName, Text, id_or_name


class ListTags(ActionArguments):
    """Arguments of ``list_tags``: none."""


class CreateTag(ActionArguments):
    """Arguments of ``create_tag``."""

    name: Text = Field(description="Name of the tag.")
    is_main: Boolean = Field(default=False, description="Whether it is a main tag.")
    external_id: ExternalId | None = Field(default=None, description="Id of the tag in another system.")
    if_exists: IfExists = Field(
        default="skip",
        description="``skip`` leaves an existing tag unchanged; ``update`` updates ``is_main`` and ``external_id``; "
        "``fail`` fails, also when a task is retried that has created the tag.",
    )


class UpdateTag(ActionArguments):
    """Arguments of ``update_tag``."""

    tag_id: Id = id_or_name("Id of the tag.")
    tag: TagName = TAG
    name: Text | None = Field(default=None, description="New name.")
    is_main: Boolean | None = Field(default=None, description="Whether it is a main tag.")
    external_id: ExternalId | None = Field(default=None, description="Id of the tag in another system.")

    def conflicts(self) -> Iterator[Problem]:
        """Return that there is nothing to change."""
        if not self.given().keys() - {"tag_id", "tag"}:
            yield Problem(None, "update_tag needs at least one field to change")


class DeleteTag(ActionArguments):
    """Arguments of ``delete_tag``."""

    tag_id: Id = id_or_name("Id of the tag.")
    tag: TagName = Field(
        default=None,
        description="Name of the tag instead of ``tag_id``. A name that no tag has is an error, also with "
        "``if_missing``.",
    )
    if_missing: IfMissing = Field(
        default="skip",
        description="``skip`` succeeds if the tag does not exist; ``fail`` fails, also when a task is retried that has "
        "deleted the tag.",
    )
