"""Groups of API v2 and their members."""

from __future__ import annotations

from typing import NamedTuple

from airflow_provider_360learning.api.actions import WriteSpec, action, confirm_by_lookup
from airflow_provider_360learning.api.fields import boolean, first_string, nested, string
from airflow_provider_360learning.api.group_tree import GroupTree, existing_group
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
from airflow_provider_360learning.api.pages import all_items
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
from airflow_provider_360learning.api.v2.lookups import Lookups
from airflow_provider_360learning.api.v2.roles import neutral_role
from airflow_provider_360learning.exceptions import (
    NotFoundError,
    OutcomeUnknownError,
    RefusedError,
    UnexpectedResponseError,
)

#: Code of the error about a user who does not have the role in the group, or does not exist.
_NOT_A_MEMBER = "userNotFoundInGroup"


class Membership(NamedTuple):
    """One role of a user in one group."""

    group_id: str
    role: str


def neutral_group(item: ResponseObject) -> GroupRecord:
    """Read a group of any v2 route."""
    return {
        "group_id": string(item, "_id"),
        "name": string(item, "name"),
        "public": boolean(item, "public"),
        "parent_id": string(item, "parentId"),
        "custom": string(item, "custom"),
        "subdomain": string(item, "subdomain"),
        "url": string(item, "url"),
        "banner_image_id": string(item, "bannerImageId"),
        "background_image_id": string(item, "backgroundImageId"),
        "favicon_image_id": string(item, "faviconImageId"),
        "logo_image_id": string(item, "logoImageId"),
        "privacy_policy": dict(nested(item, "privacyPolicy")) or None,
        "moderation_charter": dict(nested(item, "moderationCharter")) or None,
        "terms_of_use": dict(nested(item, "termsOfUse")) or None,
        "imprint": dict(nested(item, "imprint")) or None,
    }


def _members(group_id: str) -> ActionSteps[list[GroupMember]]:
    roles = yield from all_items(Call("getGroupMembers", path={"groupId": group_id}))
    return [
        {"user_id": string(each, "userId"), "mail": None, "role": neutral_role(string(each, "role") or "")}
        for each in roles
    ]


class GroupActions(Lookups):
    """Create, read, change and delete groups, and their members."""

    @action(CreateGroup, write=WriteSpec("createGroup", key=("name", "parent_id"), makes="group_id"))
    def create_group(self, arguments: CreateGroup) -> ActionSteps[CreatedGroup]:
        """
        Create a group (``createGroup``), unless the parent has one of this name.

        Names are not unique in 360Learning, so all groups are listed first. If the outcome of the creation is unknown,
        they are listed again, and the creation is never sent twice. API v2 requires a parent: by default, it is the
        root group of the listing.

        :return: ``outcome`` is ``created``, ``already_exists`` or ``updated``.
        :raises AlreadyExistsError: with ``if_exists="fail"``, if the group exists.
        :raises RefusedError: if several groups have this name and parent, so that the choice would be arbitrary.
        :raises OutcomeUnknownError: if the outcome is unknown, and the group is not listed (yet) or the listing fails.
        """
        name = arguments.name
        groups = yield from self._tree()
        found = groups.find(name, arguments.parent_id)
        if found is not None:
            return (yield from existing_group(arguments, found, self.update_group))
        parent_id = arguments.parent_id or _root_of(groups)
        body: JsonObject = {
            "name": name,
            "public": arguments.public,
            "custom": arguments.custom,
            "parentId": parent_id,
        }
        try:
            response = yield Call("createGroup", body=body)
        except OutcomeUnknownError as unknown:
            found = yield from confirm_by_lookup(unknown, self._find_group(name, parent_id))
            return {"group_id": found, "name": name, "outcome": "created"}
        return {"group_id": first_string(response, "_id"), "name": name, "outcome": "created"}

    @action(ListGroups)
    def list_groups(self, arguments: ListGroups) -> ActionSteps[list[GroupRecord]]:
        """Return all groups (``getGroups``), 500 per request."""
        items = yield from all_items(Call("getGroups"))
        return [neutral_group(item) for item in items]

    @action(GetGroup)
    def get_group(self, arguments: GetGroup) -> ActionSteps[GroupDetails]:
        """
        Return a group (``getGroup``) and its members (``getGroupMembers``).

        ``mail`` of the members is ``None``: API v2 lists ids, and email addresses would take a request per member, or
        the listing of all users. ``role`` can be ``owner``.

        :raises NotFoundError: if the group does not exist.
        """
        item = yield Call("getGroup", path={"groupId": arguments.group_id})
        members = yield from _members(arguments.group_id)
        return {**neutral_group(item), "members": members}

    @action(ListGroupMembers)
    def list_group_members(self, arguments: ListGroupMembers) -> ActionSteps[list[GroupMember]]:
        """
        Return the members of a group (``getGroupMembers``), 1,000 per request: one item for each role.

        ``mail`` is ``None``, as in ``get_group``.

        :raises NotFoundError: if the group does not exist.
        """
        return (yield from _members(arguments.group_id))

    @action(UpdateGroup, write=WriteSpec("updateGroup", key=("group_id",)))
    def update_group(self, arguments: UpdateGroup) -> ActionSteps[UpdatedGroup]:
        """Change a group (``updateGroup``); fields that are not given keep their values."""
        body: JsonObject = {
            "name": arguments.name,
            "public": arguments.public,
            "custom": arguments.custom,
            "parentId": arguments.parent_id,
        }
        yield Call("updateGroup", path={"groupId": arguments.group_id}, body=body)
        return {"group_id": arguments.group_id, "outcome": "updated"}

    @action(DeleteGroup, write=WriteSpec("deleteGroup", key=("group_id",)))
    def delete_group(self, arguments: DeleteGroup) -> ActionSteps[DeletedGroup]:
        """
        Delete a group **and all its subgroups** (``deleteGroup``).

        Memberships, catalogs and libraries of these groups are lost. ``dry_run`` names the subgroups
        (``getGroups``).

        That the subgroups go, too, is documented for bulk jobs and for API v1, and assumed here.

        :raises NotFoundError: with ``if_missing="fail"``, if the group does not exist.
        :raises RefusedError: for the root group, and if the group or a subgroup has an active integration.
        """
        group_id = arguments.group_id
        if arguments.dry_run:
            return (yield from self._tree()).deletion_of(arguments)
        try:
            yield Call("deleteGroup", path={"groupId": group_id})
        except NotFoundError as error:
            if error.after_unknown_outcome:
                return {"group_id": group_id, "outcome": "deleted"}
            if arguments.if_missing == "fail":
                raise
            return {"group_id": group_id, "outcome": "not_found"}
        return {"group_id": group_id, "outcome": "deleted"}

    @action(AddUserToGroup, write=WriteSpec("addUserRoleToGroup", key=("user", "group_id", "role")))
    def add_user_to_group(self, arguments: AddUserToGroup) -> ActionSteps[AddedToGroup]:
        """
        Give a user a role in a group (``addUserRoleToGroup``).

        If the outcome is unknown, the roles of the user are read.

        :raises OutcomeUnknownError: if the outcome is unknown, and the user does not have the role (yet).
        """
        group_id, user, role = arguments.group_id, arguments.user, arguments.role
        user_id = yield from self.user_id_of(user)
        try:
            yield Call("addUserRoleToGroup", path=_membership_path(user_id, Membership(group_id, role)))
        except OutcomeUnknownError as unknown:
            yield from confirm_by_lookup(unknown, self._find_membership(user_id, group_id, role))
        return {"group_id": group_id, "user": user, "role": role, "outcome": "added"}

    @action(RemoveUserFromGroup, write=WriteSpec("removeUserRoleFromGroup", key=("user", "group_id", "role")))
    def remove_user_from_group(self, arguments: RemoveUserFromGroup) -> ActionSteps[RemovedFromGroup]:
        """
        Remove one role, or all roles, of a user in a group (``removeUserRoleFromGroup``).

        With the role learner, the user also leaves public subgroups, down to the first private one; another role that
        is given is removed from this group only. All roles, and those in private subgroups, are read first and removed
        one by one. A user who leaves the last group is deleted from the platform.

        :raises NotFoundError: if the group or the user does not exist.
        :raises RefusedError: if the user is the owner of the group, whose role API v2 cannot remove.
        """
        group_id, user, role = arguments.group_id, arguments.user, arguments.role
        user_id = yield from self.user_id_of(user)
        if role is not None and not arguments.from_private_subgroups:
            yield from self._remove_role(user_id, Membership(group_id, role))
        else:
            yield from self._remove_roles(user_id, arguments)
        self.forget_user(user)
        return {"group_id": group_id, "user": user, "outcome": "removed"}

    def _tree(self) -> ActionSteps[GroupTree]:
        return GroupTree((yield from self.list_groups.steps()))

    def _find_group(self, name: str, parent_id: str) -> ActionSteps[str | None]:
        return (yield from self._tree()).find(name, parent_id)

    def _find_membership(self, user_id: str, group_id: str, role: str) -> ActionSteps[str | None]:
        """Return the id of the user who has a role in a group, or ``None``."""
        held = yield from self._memberships(user_id)
        return user_id if Membership(group_id.lower(), role) in held else None

    def _memberships(self, user_id: str) -> ActionSteps[list[Membership]]:
        """
        Return the roles of a user.

        :raises NotFoundError: if the user does not exist.
        """
        items = yield from all_items(Call("getUserRolesInGroups", path={"userId": user_id}))
        return [
            Membership(first_string(item, "groupId").lower(), neutral_role(first_string(item, "role")))
            for item in items
        ]

    def _remove_roles(self, user_id: str, arguments: RemoveUserFromGroup) -> ActionSteps[None]:
        """Remove the roles that a user has in a group, and those in its subgroups."""
        group_id, private = arguments.group_id.lower(), arguments.from_private_subgroups
        held = yield from self._memberships(user_id)
        held = [each for each in held if arguments.role in (None, each.role)]
        found = [each for each in held if each.group_id == group_id]
        elsewhere = [each for each in held if each.group_id != group_id]
        if not private and Membership(group_id, "learner") in found:
            # The server removes learners from public subgroups, too.
            elsewhere = [each for each in elsewhere if each.role != "learner"]
        if elsewhere:
            groups = yield from self._tree()
            subgroups = set(groups.below(group_id, private=private))
            elsewhere = [each for each in elsewhere if each.group_id in subgroups]
        if any(each.role == "owner" for each in [*found, *elsewhere]):
            raise RefusedError(
                f"The user has the role owner in the group {group_id} or below, which API v2 cannot remove: give the "
                "role to remove. Nothing was changed",
                operation="removeUserRoleFromGroup",
            )
        if not found:
            yield Call("getGroup", path={"groupId": group_id})  # raises for an unknown group, as the removal would
        for membership in [*found, *elsewhere]:
            yield from self._remove_role(user_id, membership, is_listed=True)

    def _remove_role(self, user_id: str, membership: Membership, *, is_listed: bool = False) -> ActionSteps[None]:
        """
        Remove a role; that the user does not have it is not an error.

        :param is_listed: Whether the user was found to have it: a role that is gone was removed with another one.
        """
        try:
            yield Call("removeUserRoleFromGroup", path=_membership_path(user_id, membership))
        except NotFoundError as error:
            if error.code != _NOT_A_MEMBER:
                raise
            if not is_listed and not error.after_unknown_outcome:
                yield from self._memberships(user_id)  # an unknown user has the same code
            # After an unknown outcome, the last group may have been left, and the user may be deleted with it.


def _root_of(groups: GroupTree) -> str:
    roots = groups.roots
    if len(roots) != 1:
        raise UnexpectedResponseError(
            f"360Learning's response cannot be used: {len(roots)} groups instead of one have no parent. Give parent_id",
            operation="getGroups",
        )
    return next(iter(roots))


def _membership_path(user_id: str, membership: Membership) -> dict[str, str]:
    return {"groupId": membership.group_id, "role": membership.role, "userId": user_id}
