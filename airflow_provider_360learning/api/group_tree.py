"""All groups of a listing: found by name and parent, and by the groups above them; and what becomes of one found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from airflow_provider_360learning.api.actions import BoundAction
from airflow_provider_360learning.api.existing import outcome_of_existing
from airflow_provider_360learning.api.models.groups import CreateGroup, DeleteGroup
from airflow_provider_360learning.api.models.parsers import normalized
from airflow_provider_360learning.api.results import (
    CreatedGroup,
    DeletedGroup,
    GroupRecord,
    Subgroup,
)
from airflow_provider_360learning.api.text import listed_ids
from airflow_provider_360learning.api.types import ActionSteps
from airflow_provider_360learning.exceptions import NotFoundError, RefusedError


def existing_group(
    arguments: CreateGroup, group_id: str, update_group: BoundAction[..., object]
) -> ActionSteps[CreatedGroup]:
    """
    Do what ``if_exists`` says about a group that exists.

    :param arguments: The arguments of its creation.
    :param group_id: Its id.
    :param update_group: The action that updates a group.
    :raises AlreadyExistsError: with ``if_exists="fail"``.
    """
    name = arguments.name
    update = update_group.steps(group_id=group_id, public=arguments.public, custom=arguments.custom)
    described = f"The group {name!r:.200}"
    outcome = yield from outcome_of_existing(arguments.if_exists, described, group_id, update, "createGroup")
    return {"group_id": group_id, "name": name, "outcome": outcome}


class GroupTree:
    """
    The groups of a company.

    :param groups: All of them.
    """

    def __init__(self, groups: Sequence[GroupRecord]) -> None:
        self._groups = groups

    @property
    def roots(self) -> set[str]:
        """The ids of the groups without a parent: of one group, unless the listing lacks some."""
        return {group["group_id"] for group in self._groups if group["group_id"] and group["parent_id"] is None}

    def find(self, name: str, parent_id: str | None) -> str | None:
        """
        Return the id of the group with a name and parent, if it exists.

        :param name: The name, normalized.
        :param parent_id: Id of the parent; by default the root group.
        :raises RefusedError: if several groups have this name and parent, so that the choice would be arbitrary.
        """
        parents = {id.lower() for id in (self.roots if parent_id is None else {parent_id})}
        found = [
            str(group["group_id"])
            for group in self._groups
            if normalized(group["name"]) == name and (group["parent_id"] or "").lower() in parents
        ]
        if len(found) > 1:
            raise RefusedError(
                f"{len(found)} groups have the name {name!r:.200} under this parent ({listed_ids(found)}): "
                "give the id of the right one, or rename the others"
            )
        return found[0] if found else None

    def deletion_of(self, arguments: DeleteGroup) -> DeletedGroup:
        """
        Return what the deletion of a group would do.

        :param arguments: The arguments of the deletion.
        :raises NotFoundError: with ``if_missing="fail"``, if the group does not exist.
        :raises RefusedError: for the root group.
        """
        groups = {group["group_id"].lower(): group for group in self._groups if group["group_id"]}
        group_id = arguments.group_id
        if group_id.lower() not in groups:
            if arguments.if_missing == "fail":
                raise NotFoundError(f"The group {group_id} does not exist")
            return {"group_id": group_id, "outcome": "not_found"}
        if group_id.lower() in {root.lower() for root in self.roots}:
            raise RefusedError(f"The group {group_id} is the root group, which cannot be deleted")
        subgroups: list[Subgroup] = [
            {"group_id": str(groups[id]["group_id"]), "name": groups[id]["name"]}
            for id in self.below(group_id, private=True)
        ]
        return {"group_id": group_id, "outcome": "would_delete", "subgroups": subgroups}

    def below(self, group_id: str, *, private: bool) -> Iterator[str]:
        """
        Yield the ids, in lower case, of the groups below a group.

        :param group_id: Id of the group.
        :param private: Whether private groups, and what is below them, belong to these.
        """
        children: dict[str, list[str]] = {}
        for group in self._groups:
            if group["group_id"] and group["parent_id"] and (private or group["public"]):
                children.setdefault(group["parent_id"].lower(), []).append(group["group_id"].lower())
        found = [group_id.lower()]
        while found:
            # Each list is taken out, so that parents in a circle end.
            found = [child for parent in found for child in children.pop(parent, ())]
            yield from found
