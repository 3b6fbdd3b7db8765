"""Groups of API v1 and their members."""

from __future__ import annotations

from airflow_provider_360learning.api.actions import ApiAdapter, WriteSpec, action, confirm_by_lookup
from airflow_provider_360learning.api.fields import boolean, first_string, objects, string
from airflow_provider_360learning.api.group_tree import GroupTree, existing_group
from airflow_provider_360learning.api.models.choices import Role
from airflow_provider_360learning.api.models.groups import (
    AddUserToGroup,
    CreateGroup,
    DeleteGroup,
    GetGroup,
    ListGroupMembers,
    ListGroups,
    RemoveUserFromGroup,
    UpdateGroup,
)
from airflow_provider_360learning.api.results import (
    AddedToGroup,
    CreatedGroup,
    DeletedGroup,
    GroupDetails,
    GroupMember,
    GroupRecord,
    RemovedFromGroup,
    UpdatedGroup,
)
from airflow_provider_360learning.api.types import ActionSteps, Call, JsonObject, ResponseObject
from airflow_provider_360learning.api.v1.formats import V1_ROLES, check_role
from airflow_provider_360learning.exceptions import (
    NotFoundError,
    OutcomeUnknownError,
)

#: Keys of getGroup's member lists to the roles that they stand for.
_MEMBER_LISTS: dict[str, Role] = {"users": "learner", "coaches": "coach", "authors": "editor", "admins": "admin"}


def _neutral_group(item: ResponseObject) -> GroupRecord:
    return {
        "group_id": string(item, "_id"),
        "name": string(item, "name"),
        "public": boolean(item, "public"),
        "parent_id": string(item, "parent"),
        "custom": item.get("custom"),
        "subdomain": None,
        "url": None,
        "banner_image_id": None,
        "background_image_id": None,
        "favicon_image_id": None,
        "logo_image_id": None,
        "privacy_policy": None,
        "moderation_charter": None,
        "terms_of_use": None,
        "imprint": None,
    }


def _members(item: ResponseObject) -> list[GroupMember]:
    return [
        {"user_id": string(member, "_id"), "mail": string(member, "mail"), "role": role}
        for key, role in _MEMBER_LISTS.items()
        for member in objects(item, key)
    ]


class GroupActions(ApiAdapter):
    """Create, read, change and delete groups, and their members."""

    @action(CreateGroup, write=WriteSpec("createGroup", key=("name", "parent_id"), makes="group_id"))
    def create_group(self, arguments: CreateGroup) -> ActionSteps[CreatedGroup]:
        """
        Create a group (``createGroup``), unless the parent has one of this name.

        Names are not unique in 360Learning, so all groups are listed first. If the outcome of the creation is unknown,
        they are listed again, and the creation is never sent twice.

        :return: ``outcome`` is ``created``, ``already_exists`` or ``updated``.
        :raises AlreadyExistsError: with ``if_exists="fail"``, if the group exists.
        :raises RefusedError: if several groups have this name and parent, so that the choice would be arbitrary.
        :raises OutcomeUnknownError: if the outcome is unknown, and the group is not listed (yet) or the listing fails.
        """
        name, parent_id = arguments.name, arguments.parent_id
        found = yield from self._find_group(name, parent_id)
        if found is not None:
            return (yield from existing_group(arguments, found, self.update_group))
        body: JsonObject = {"name": name, "public": arguments.public, "custom": arguments.custom, "parent": parent_id}
        try:
            response = yield Call("createGroup", body=body)
        except OutcomeUnknownError as unknown:
            found = yield from confirm_by_lookup(unknown, self._find_group(name, parent_id))
            return {"group_id": found, "name": name, "outcome": "created"}
        return {"group_id": first_string(response, "id"), "name": name, "outcome": "created"}

    @action(ListGroups)
    def list_groups(self, arguments: ListGroups) -> ActionSteps[list[GroupRecord]]:
        """Return all groups (``getGroups``)."""
        items = yield Call("getGroups")
        return [_neutral_group(item) for item in items]

    @action(GetGroup)
    def get_group(self, arguments: GetGroup) -> ActionSteps[GroupDetails]:
        """
        Return a group and its members (``getGroup``).

        :raises NotFoundError: if the group does not exist.
        """
        item = yield Call("getGroup", path={"group_id": arguments.group_id})
        return {**_neutral_group(item), "members": _members(item)}

    @action(ListGroupMembers)
    def list_group_members(self, arguments: ListGroupMembers) -> ActionSteps[list[GroupMember]]:
        """
        Return the members of a group (``getGroup``): one item for each role.

        :raises NotFoundError: if the group does not exist.
        """
        return _members((yield Call("getGroup", path={"group_id": arguments.group_id})))

    @action(UpdateGroup, write=WriteSpec("updateGroup", key=("group_id",)))
    def update_group(self, arguments: UpdateGroup) -> ActionSteps[UpdatedGroup]:
        """Change a group (``updateGroup``); fields that are not given keep their values."""
        body = {
            "name": arguments.name,
            "public": arguments.public,
            "custom": arguments.custom,
            "parent": arguments.parent_id,
        }
        yield Call("updateGroup", path={"group_id": arguments.group_id}, body=body)
        return {"group_id": arguments.group_id, "outcome": "updated"}

    @action(DeleteGroup, write=WriteSpec("deleteGroup", key=("group_id",)))
    def delete_group(self, arguments: DeleteGroup) -> ActionSteps[DeletedGroup]:
        """
        Delete a group **and all its subgroups** (``deleteGroup``).

        Memberships, catalogs and libraries of these groups are lost. ``dry_run`` names the subgroups
        (``getGroups``).

        :raises NotFoundError: with ``if_missing="fail"``, if the group does not exist.
        :raises RefusedError: for the root group, and if the group or a subgroup has an active integration.
        """
        group_id = arguments.group_id
        if arguments.dry_run:
            return (yield from self._tree()).deletion_of(arguments)
        try:
            yield Call("deleteGroup", path={"group_id": group_id})
        except NotFoundError as error:
            if error.after_unknown_outcome:
                return {"group_id": group_id, "outcome": "deleted"}
            if arguments.if_missing == "fail":
                raise
            return {"group_id": group_id, "outcome": "not_found"}
        return {"group_id": group_id, "outcome": "deleted"}

    @action(AddUserToGroup, write=WriteSpec("addUserToGroup", key=("user", "group_id", "role")), check=check_role)
    def add_user_to_group(self, arguments: AddUserToGroup) -> ActionSteps[AddedToGroup]:
        """Give a user a role in a group (``addUserToGroup``). That repeating it changes nothing is an assumption."""
        group_id, user, role = arguments.group_id, arguments.user, arguments.role
        yield Call("addUserToGroup", path={"group_id": group_id, "user": user}, body={"role": V1_ROLES[role]})
        return {"group_id": group_id, "user": user, "role": role, "outcome": "added"}

    @action(
        RemoveUserFromGroup,
        write=WriteSpec("deleteUserFromGroup", key=("user", "group_id", "role")),
        check=check_role,
    )
    def remove_user_from_group(self, arguments: RemoveUserFromGroup) -> ActionSteps[RemovedFromGroup]:
        """
        Remove one role, or all roles, of a user in a group (``deleteUserFromGroup``).

        The user also leaves public subgroups, down to the first private one. A user who leaves the last group is
        deleted from the platform.
        """
        group_id, user = arguments.group_id, arguments.user
        body = {
            "role": None if arguments.role is None else V1_ROLES[arguments.role],
            "deleteFromPrivateSubgroups": arguments.from_private_subgroups or None,
        }
        try:
            yield Call("deleteUserFromGroup", path={"group_id": group_id, "user": user}, body=body)
        except NotFoundError as error:
            # A first send with an unknown outcome may have removed the last group, and so the user.
            if not error.after_unknown_outcome or error.code != "user_not_found":
                raise
        return {"group_id": group_id, "user": user, "outcome": "removed"}

    def _tree(self) -> ActionSteps[GroupTree]:
        return GroupTree((yield from self.list_groups.steps()))

    def _find_group(self, name: str, parent_id: str | None) -> ActionSteps[str | None]:
        return (yield from self._tree()).find(name, parent_id)
