"""Groups of API v1 and who is in them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_360learning.api.actions import ApiAdapter, action, confirm_by_lookup, writes
from airflow_provider_360learning.api.types import ActionSteps, Call
from airflow_provider_360learning.api.v1.users import IF_EXISTS, IF_MISSING, v1_role
from airflow_provider_360learning.api.values import check_choice, check_flag, check_id, check_text, check_user
from airflow_provider_360learning.exceptions import (
    AlreadyExistsError,
    InvalidRequestError,
    NotFoundError,
    OutcomeUnknownError,
    RefusedError,
)

#: Keys of getGroup's member lists to the roles they stand for.
_MEMBER_LISTS = {"users": "learner", "coaches": "coach", "authors": "editor", "admins": "admin"}


def _neutral_group(item: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "group_id": item.get("_id"),
        "name": item.get("name"),
        "public": item.get("public"),
        "parent_id": item.get("parent"),
        "custom": item.get("custom"),
    }


class GroupActions(ApiAdapter):
    """Create, read, change and delete groups, and their members."""

    @writes("createGroup", key=("name", "parent_id"), makes="group_id")
    @action
    def create_group(
        self,
        name: str,
        *,
        parent_id: str | None = None,
        public: bool = False,
        custom: str | None = None,
        if_exists: str = "skip",
    ) -> ActionSteps[dict[str, Any]]:
        """
        Make sure of a group (``createGroup``), known by its name and parent.

        Names are not unique in 360Learning, so all groups are listed first. Should the outcome of the creation
        be unknown, they are listed again, and the creation is never sent twice.

        :param name: Name of the group.
        :param parent_id: Group to create it under; by default the root group. v2 requires it.
        :param public: Whether others can find and join it.
        :param custom: Additional information.
        :param if_exists: ``skip`` leaves a group that exists as it is; ``update`` brings ``public`` and
            ``custom`` up to date; ``fail`` raises.
        :returns: ``{"group_id", "name", "outcome"}``, ``outcome`` being ``created``, ``already_exists`` or ``updated``.
        :raises AlreadyExistsError: with ``if_exists="fail"``.
        :raises RefusedError: if several groups have this name and parent: which one is meant cannot be told.
        :raises OutcomeUnknownError: if the outcome is unknown, and the group is not (yet) listed or the listing fails.
        """
        check_text("name", name)
        check_choice("if_exists", if_exists, IF_EXISTS)
        is_public = check_flag("public", public)
        if parent_id is not None:
            check_id("parent_id", parent_id)
        found = yield from self._find_group(name, parent_id)
        if found is not None:
            if if_exists == "fail":
                raise AlreadyExistsError(f"The group {name!r} exists already: {found}", operation="createGroup")
            if if_exists == "update":
                yield from self.update_group.steps(found, public=is_public, custom=custom)
            return {
                "group_id": found,
                "name": name,
                "outcome": "updated" if if_exists == "update" else "already_exists",
            }
        body = {"name": name, "public": is_public, "custom": custom, "parent": parent_id}
        try:
            answer = yield Call("createGroup", body=body)
        except OutcomeUnknownError as unknown:
            found = yield from confirm_by_lookup(unknown, self._find_group(name, parent_id))
            return {"group_id": found, "name": name, "outcome": "created"}
        return {"group_id": answer["id"], "name": name, "outcome": "created"}

    @action
    def list_groups(self) -> ActionSteps[list[dict[str, Any]]]:
        """
        List all groups (``getGroups``).

        :returns: ``group_id``, ``name``, ``public``, ``parent_id`` (``None`` for the root group), ``custom``.
        """
        items = yield Call("getGroups")
        return [_neutral_group(item) for item in items]

    @action
    def get_group(self, group_id: str) -> ActionSteps[dict[str, Any]]:
        """
        Read a group and its members (``getGroup``).

        :param group_id: Id of the group.
        :returns: As :meth:`list_groups`, and ``members``: one ``{"user_id", "mail", "role"}`` for each role.
        :raises NotFoundError: if there is no such group.
        """
        item = yield Call("getGroup", path={"group_id": check_id("group_id", group_id)})
        members = [
            {"user_id": member.get("_id"), "mail": member.get("mail"), "role": role}
            for key, role in _MEMBER_LISTS.items()
            for member in item.get(key) or ()
        ]
        return {**_neutral_group(item), "members": members}

    @writes("updateGroup", key=("group_id",))
    @action
    def update_group(
        self,
        group_id: str,
        *,
        name: str | None = None,
        public: bool | None = None,
        custom: str | None = None,
        parent_id: str | None = None,
    ) -> ActionSteps[dict[str, Any]]:
        """
        Change a group (``updateGroup``); what is not given stays.

        :param group_id: Id of the group.
        :param parent_id: Group to move it under.
        :returns: ``{"group_id", "outcome": "updated"}``.
        """
        if parent_id is not None:
            check_id("parent_id", parent_id)
        is_public = None if public is None else check_flag("public", public)
        body = {"name": name, "public": is_public, "custom": custom, "parent": parent_id}
        if all(value is None for value in body.values()):
            raise InvalidRequestError("update_group needs at least one field to change. Nothing was sent.")
        yield Call("updateGroup", path={"group_id": check_id("group_id", group_id)}, body=body)
        return {"group_id": group_id, "outcome": "updated"}

    @writes("deleteGroup", key=("group_id",))
    @action
    def delete_group(self, group_id: str, *, if_missing: str = "skip") -> ActionSteps[dict[str, Any]]:
        """
        Delete a group **and all its subgroups** (``deleteGroup``).

        :param group_id: Id of the group.
        :param if_missing: ``skip`` takes a group that does not exist for done; ``fail`` raises.
        :returns: ``{"group_id", "outcome"}``, ``outcome`` being ``deleted`` or ``not_found``.
        :raises RefusedError: for the root group, and where the group or a subgroup has an active integration.
        """
        check_choice("if_missing", if_missing, IF_MISSING)
        try:
            yield Call("deleteGroup", path={"group_id": check_id("group_id", group_id)})
        except NotFoundError as error:
            if if_missing == "fail" and not error.after_unknown_outcome:
                raise
            outcome = "deleted" if error.after_unknown_outcome else "not_found"
            return {"group_id": group_id, "outcome": outcome}
        return {"group_id": group_id, "outcome": "deleted"}

    @writes("addUserToGroup", key=("user", "group_id", "role"))
    @action
    def add_user_to_group(self, group_id: str, user: str, *, role: str = "learner") -> ActionSteps[dict[str, Any]]:
        """
        Give a user a role in a group (``addUserToGroup``). That doing it again changes nothing is an assumption.

        :param group_id: Id of the group.
        :param user: Mail or id.
        :param role: learner, coach, editor or admin.
        :returns: ``{"group_id", "user", "role", "outcome": "added"}``.
        """
        path = {"group_id": check_id("group_id", group_id), "user": check_user("user", user)}
        yield Call("addUserToGroup", path=path, body={"role": v1_role(role)})
        return {"group_id": group_id, "user": user, "role": role, "outcome": "added"}

    @writes("deleteUserFromGroup", key=("user", "group_id", "role"))
    @action
    def remove_user_from_group(
        self, group_id: str, user: str, *, role: str | None = None, from_private_subgroups: bool = False
    ) -> ActionSteps[dict[str, Any]]:
        """
        Take a role, or all roles, of a user in a group away (``deleteUserFromGroup``).

        The user also leaves public subgroups, down to the first private one. Somebody who leaves their last group
        is deleted from the platform.

        :param group_id: Id of the group.
        :param user: Mail or id.
        :param role: The role to take away; by default all. v2 removes one role at a time.
        :param from_private_subgroups: RowCheck leave private subgroups. v1 only.
        :returns: ``{"group_id", "user", "outcome": "removed"}``.
        """
        path = {"group_id": check_id("group_id", group_id), "user": check_user("user", user)}
        body = {
            "role": None if role is None else v1_role(role),
            "deleteFromPrivateSubgroups": check_flag("from_private_subgroups", from_private_subgroups) or None,
        }
        try:
            yield Call("deleteUserFromGroup", path=path, body=body)
        except NotFoundError as error:
            # A first send whose outcome was not known may have removed the last group, and so the user.
            if not error.after_unknown_outcome or error.code != "user_not_found":
                raise
        return {"group_id": group_id, "user": user, "outcome": "removed"}

    def _find_group(self, name: str, parent_id: str | None) -> ActionSteps[str | None]:
        groups = yield from self.list_groups.steps()
        roots = {group["group_id"] for group in groups if group["parent_id"] is None}
        parents = roots if parent_id is None else {parent_id}
        found = [group["group_id"] for group in groups if group["name"] == name and group["parent_id"] in parents]
        if len(found) > 1:
            raise RefusedError(
                f"{len(found)} groups are called {name!r} under this parent ({', '.join(found)}): "
                "give the id of the one that is meant, or rename the others",
                operation="createGroup",
            )
        return found[0] if found else None
