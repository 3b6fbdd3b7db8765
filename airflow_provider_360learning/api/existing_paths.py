"""Paths of a listing: found by name and owner group; and what becomes of one found."""

from __future__ import annotations

from collections.abc import Iterable

from airflow_provider_360learning.api.actions import BoundAction
from airflow_provider_360learning.api.fields import first_string, string
from airflow_provider_360learning.api.models.parsers import normalized
from airflow_provider_360learning.api.models.paths import CreatePath, UpdatePath
from airflow_provider_360learning.api.path_results import (
    CreatedPath,
)
from airflow_provider_360learning.api.text import listed_ids
from airflow_provider_360learning.api.types import ActionSteps, ResponseObject
from airflow_provider_360learning.exceptions import AlreadyExistsError, RefusedError

#: The arguments of a creation that an update takes as well, other than those that identify the path.
_UPDATABLE = UpdatePath.model_fields.keys() - {"name", "group_id", "group"}


def find_path(items: Iterable[ResponseObject], arguments: CreatePath) -> ResponseObject | None:
    """
    Return the path with the name and owner group of a creation, if it exists.

    :param items: All paths.
    :param arguments: The arguments of the creation.
    :raises RefusedError: if several paths match, so that the choice would be arbitrary.
    """
    found = [
        item
        for item in items
        if normalized(string(item, "name")) == arguments.name
        and (string(item, "groupId") or "").lower() == arguments.group_id.lower()
    ]
    if len(found) > 1:
        ids = listed_ids([first_string(each, "_id") for each in found])
        raise RefusedError(
            f"{len(found)} paths of this group have the name {arguments.name!r:.200} ({ids}): rename the others",
            operation="createPath",
        )
    return found[0] if found else None


def existing_path(
    arguments: CreatePath, path_id: str, update_path: BoundAction[..., object]
) -> ActionSteps[CreatedPath]:
    """
    Do what ``if_exists`` says about a path that exists.

    :param arguments: The arguments of its creation.
    :param path_id: Its id.
    :param update_path: The action that updates a path.
    :raises AlreadyExistsError: with ``if_exists="fail"``.
    """
    name = arguments.name
    if arguments.if_exists == "fail":
        raise AlreadyExistsError(f"The path {name!r:.200} exists already: {path_id}", operation="createPath")
    changes = {field: value for field, value in arguments.given().items() if field in _UPDATABLE}
    if arguments.if_exists == "update" and changes:
        yield from update_path.steps(path_id=path_id, **changes)
        return {"path_id": path_id, "name": name, "outcome": "updated"}
    return {"path_id": path_id, "name": name, "outcome": "already_exists"}
