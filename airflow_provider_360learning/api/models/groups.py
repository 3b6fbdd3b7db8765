"""Arguments of the actions on groups and their members."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field

from airflow_provider_360learning.api.models.base import ActionArguments, Problem
from airflow_provider_360learning.api.models.choices import IfExists, IfMissing, Role
from airflow_provider_360learning.api.models.fields import Boolean, Id, Text, User


class CreateGroup(ActionArguments):
    """Arguments of ``create_group``."""

    name: Text = Field(description="Name of the group.")
    parent_id: Id | None = Field(
        default=None, description="Id of the parent group; by default the root group. API v2 requires it."
    )
    public: Boolean = Field(default=False, description="Whether others can find and join the group.")
    custom: Text | None = Field(default=None, description="Additional information.")
    if_exists: IfExists = Field(
        default="skip",
        description="``skip`` leaves an existing group unchanged; ``update`` updates ``public`` and ``custom``; "
        "``fail`` fails, also when a task is retried that has created the group.",
    )


class ListGroups(ActionArguments):
    """Arguments of ``list_groups``: none."""


class GetGroup(ActionArguments):
    """Arguments of ``get_group``."""

    group_id: Id = Field(description="Id of the group.")


class UpdateGroup(ActionArguments):
    """Arguments of ``update_group``."""

    group_id: Id = Field(description="Id of the group.")
    name: Text | None = Field(default=None, description="New name.")
    public: Boolean | None = Field(default=None, description="Whether others can find and join the group.")
    custom: Text | None = Field(default=None, description="Additional information.")
    parent_id: Id | None = Field(default=None, description="Id of the group to move it under.")

    def conflicts(self) -> Iterator[Problem]:
        """Return that there is nothing to change."""
        if not self.given().keys() - {"group_id"}:
            yield Problem(None, "update_group needs at least one field to change")


class DeleteGroup(ActionArguments):
    """Arguments of ``delete_group``."""

    group_id: Id = Field(description="Id of the group.")
    if_missing: IfMissing = Field(
        default="skip",
        description="``skip`` succeeds if the group does not exist; ``fail`` fails, also when a task is retried that "
        "has deleted the group.",
    )


class AddUserToGroup(ActionArguments):
    """Arguments of ``add_user_to_group``."""

    group_id: Id = Field(description="Id of the group.")
    user: User = Field(description="Email address or id of the user.")
    role: Role = Field(
        default="learner",
        description="learner, coach, editor or admin; analyst, contributor and user-admin exist in API v2 only and are "
        "refused with API v1.",
    )


class RemoveUserFromGroup(ActionArguments):
    """Arguments of ``remove_user_from_group``."""

    group_id: Id = Field(description="Id of the group.")
    user: User = Field(description="Email address or id of the user.")
    role: Role | None = Field(
        default=None, description="Role to remove; by default all roles. API v2 removes one role at a time."
    )
    from_private_subgroups: Boolean = Field(
        default=False, description="Whether to remove the user from private subgroups, too. API v1 only."
    )
