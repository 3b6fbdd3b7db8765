"""Arguments of the actions on groups and their members."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar

from pydantic import Field

from airflow_provider_360learning.api.models.base import ActionArguments, NameOf, Problem
from airflow_provider_360learning.api.models.choices import IfExists, IfMissing, Role
from airflow_provider_360learning.api.models.fields import (
    CREATE_GROUPS,
    DRY_RUN,
    GROUP,
    PARENT_GROUP,
    PARENT_GROUP_ID,
    Boolean,
    Color,
    DryRun,
    File,
    GroupName,
    Id,
    ParentGroupName,
    Text,
    User,
    id_or_name,
)

#: The fields that control whether and where missing groups are created.
GROUP_CREATION = frozenset({"create_groups", "parent_group_id", "parent_group"})

_Parent = Annotated[Text | None, NameOf("group", "parent_id")]
_PARENT = Field(
    default=None, description="Name of the parent group instead of ``parent_id``, alone or after those of its parents."
)


class CreateGroup(ActionArguments):
    """Arguments of ``create_group``."""

    name: Text = Field(description="Name of the group.")
    parent_id: Id | None = Field(default=None, description="Id of the parent group; by default the root group.")
    parent: _Parent = _PARENT
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

    group_id: Id = id_or_name("Id of the group.")
    group: GroupName = GROUP


class ListGroupMembers(ActionArguments):
    """Arguments of ``list_group_members``."""

    group_id: Id = id_or_name("Id of the group.")
    group: GroupName = GROUP


class UpdateGroup(ActionArguments):
    """Arguments of ``update_group``."""

    group_id: Id = id_or_name("Id of the group.")
    group: GroupName = GROUP
    name: Text | None = Field(default=None, description="New name.")
    public: Boolean | None = Field(default=None, description="Whether others can find and join the group.")
    custom: Text | None = Field(default=None, description="Additional information.")
    parent_id: Id | None = Field(default=None, description="Id of the group to move it under.")
    parent: _Parent = _PARENT

    def conflicts(self) -> Iterator[Problem]:
        """Return that there is nothing to change."""
        if not self.given().keys() - {"group_id", "group"}:
            yield Problem(None, "update_group needs at least one field to change")


class DeleteGroup(ActionArguments):
    """Arguments of ``delete_group``."""

    group_id: Id = id_or_name("Id of the group.")
    group: GroupName = Field(
        default=None,
        description="Name of the group instead of ``group_id``; where it is not unique, after those of its "
        "parents: ``Acme/Sales``. A name that no group has is an error, also with ``if_missing``.",
    )
    if_missing: IfMissing = Field(
        default="skip",
        description="``skip`` succeeds if the group does not exist; ``fail`` fails, also when a task is retried that "
        "has deleted the group.",
    )
    dry_run: DryRun = DRY_RUN


class SetGroupBranding(ActionArguments):
    """Arguments of ``set_group_branding``."""

    group_id: Id = id_or_name("Id of the group.")
    group: GroupName = GROUP
    primary: Color | None = Field(
        default=None, description="Color of buttons, links and emails, such as ``#0a47c2``; ``default`` resets it."
    )
    menu_background: Color | None = Field(default=None, description="Background color of the menu.")
    my_work_background: Color | None = Field(default=None, description="Background color of the page My work.")
    platform_background: Color | None = Field(default=None, description="Background color of the platform.")

    def conflicts(self) -> Iterator[Problem]:
        """Return that there is nothing to change."""
        if not self.given().keys() - {"group_id", "group"}:
            yield Problem(None, "set_group_branding needs at least one color")


def _picture(what: str) -> Any:
    return Field(
        default=None,
        description=f"Path of a picture for {what}, also in an object store; an ``Upload`` in ``hook.api``.",
    )


class UploadGroupMedia(ActionArguments):
    """Arguments of ``upload_group_media``."""

    group_id: Id = id_or_name("Id of the group.")
    group: GroupName = GROUP
    author: User = Field(description="Email address or id of the user who uploads the files.")
    banner: File | None = _picture("the banner")
    background: File | None = _picture("the background")
    favicon: File | None = _picture("the favicon")
    logo: File | None = _picture("the logo")

    def conflicts(self) -> Iterator[Problem]:
        """Return that there is no file."""
        if not (self.banner or self.background or self.favicon or self.logo):
            yield Problem(None, "upload_group_media needs at least one of banner, background, favicon and logo")


class AddUserToGroup(ActionArguments):
    """Arguments of ``add_user_to_group``."""

    only_for_names: ClassVar[frozenset[str]] = GROUP_CREATION

    group_id: Id = id_or_name("Id of the group.")
    group: GroupName = GROUP
    user: User = Field(description="Email address or id of the user.")
    role: Role = Field(
        default="learner",
        description="learner, coach, editor or admin; analyst, contributor and user-admin exist in API v2 only and are "
        "refused with API v1.",
    )
    create_groups: Boolean = CREATE_GROUPS
    parent_group_id: Id | None = PARENT_GROUP_ID
    parent_group: ParentGroupName = PARENT_GROUP

    def conflicts(self) -> Iterator[Problem]:
        """Return conflicts of the arguments for the creation of groups."""
        yield from conflicts_of_creation(self)


class RemoveUserFromGroup(ActionArguments):
    """Arguments of ``remove_user_from_group``."""

    group_id: Id = id_or_name("Id of the group.")
    group: GroupName = GROUP
    user: User = Field(description="Email address or id of the user.")
    role: Role | None = Field(
        default=None, description="Role to remove; by default all roles, which takes a request per role in API v2."
    )
    from_private_subgroups: Boolean = Field(
        default=False,
        description="Whether to remove the user from private subgroups, too; in API v2 with a request per role there.",
    )


class GroupCreation(ActionArguments):
    """Where the missing groups of all rows are created."""

    create_groups: Boolean = CREATE_GROUPS
    parent_group_id: Id | None = PARENT_GROUP_ID
    parent_group: ParentGroupName = PARENT_GROUP

    def conflicts(self) -> Iterator[Problem]:
        """Return conflicts of the fields with each other."""
        yield from conflicts_of_creation(self)


def conflicts_of_creation(arguments: ActionArguments) -> Iterator[Problem]:
    """Return conflicts of the fields :data:`GROUP_CREATION`."""
    if GROUP_CREATION.isdisjoint(arguments.model_fields_set):
        return
    given = {name for name in GROUP_CREATION if getattr(arguments, name)}
    if given == {"create_groups"}:
        yield Problem(
            "create_groups", "create_groups needs parent_group or parent_group_id: the group to create groups under"
        )
    elif given and "create_groups" not in given:
        yield Problem(min(given), f"{min(given)} is given, but create_groups is not")
