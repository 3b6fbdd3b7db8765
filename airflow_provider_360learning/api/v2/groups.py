"""Groups of API v2 and their members."""

from __future__ import annotations

from airflow_provider_360learning.api.actions import action
from airflow_provider_360learning.api.models.groups import (
    AddUserToGroup,
    CreateGroup,
    DeleteGroup,
    GetGroup,
    ListGroups,
    RemoveUserFromGroup,
    UpdateGroup,
)
from airflow_provider_360learning.api.results import (
    AddedToGroup,
    CreatedGroup,
    DeletedGroup,
    GroupDetails,
    GroupRecord,
    RemovedFromGroup,
    UpdatedGroup,
)
from airflow_provider_360learning.api.types import ActionSteps
from airflow_provider_360learning.api.v2.lookups import Lookups
from airflow_provider_360learning.api.v2.stubs import not_built


class GroupActions(Lookups):
    """Create, read, change and delete groups, and their members."""

    @action(CreateGroup)
    def create_group(self, arguments: CreateGroup) -> ActionSteps[CreatedGroup]:
        """Create a group, unless the parent has one of this name."""
        raise not_built("create_group")  # STUB
        yield

    @action(ListGroups)
    def list_groups(self, arguments: ListGroups) -> ActionSteps[list[GroupRecord]]:
        """Return all groups."""
        raise not_built("list_groups")  # STUB
        yield

    @action(GetGroup)
    def get_group(self, arguments: GetGroup) -> ActionSteps[GroupDetails]:
        """Return a group and its members."""
        raise not_built("get_group")  # STUB
        yield

    @action(UpdateGroup)
    def update_group(self, arguments: UpdateGroup) -> ActionSteps[UpdatedGroup]:
        """Change a group; fields that are not given keep their values."""
        raise not_built("update_group")  # STUB
        yield

    @action(DeleteGroup)
    def delete_group(self, arguments: DeleteGroup) -> ActionSteps[DeletedGroup]:
        """Delete a group and all its subgroups."""
        raise not_built("delete_group")  # STUB
        yield

    @action(AddUserToGroup)
    def add_user_to_group(self, arguments: AddUserToGroup) -> ActionSteps[AddedToGroup]:
        """Give a user a role in a group."""
        raise not_built("add_user_to_group")  # STUB
        yield

    @action(RemoveUserFromGroup)
    def remove_user_from_group(self, arguments: RemoveUserFromGroup) -> ActionSteps[RemovedFromGroup]:
        """Remove one role, or all roles, of a user in a group."""
        raise not_built("remove_user_from_group")  # STUB
        yield
