"""The libraries of groups in API v1."""

from __future__ import annotations

from typing import Literal

from airflow_provider_360learning.api.actions import ApiAdapter, WriteSpec, action
from airflow_provider_360learning.api.models.libraries import AddToLibrary, ChangeLibrary, RemoveFromLibrary
from airflow_provider_360learning.api.results import ChangedLibrary
from airflow_provider_360learning.api.types import ActionSteps, Call
from airflow_provider_360learning.exceptions import NotAvailableError

_KEY = ("group_id", "course_ids", "path_ids")


def _check_contents(arguments: ChangeLibrary) -> None:
    for name in ("path_ids", "paths"):
        if getattr(arguments, name):
            raise NotAvailableError(f"{name} is not available in API v1, whose libraries take courses", argument=name)


class LibraryActions(ApiAdapter):
    """Change the libraries of groups."""

    @action(AddToLibrary, write=WriteSpec("addToGroupLibrary", key=_KEY), check=_check_contents)
    def add_to_library(self, arguments: AddToLibrary) -> ActionSteps[ChangedLibrary]:
        """
        Add courses to the library of a group (``addToGroupLibrary``).

        The method and the body of the operation are assumptions.
        """
        return (yield from self._change_library("addToGroupLibrary", "added", arguments))

    @action(RemoveFromLibrary, write=WriteSpec("deleteFromGroupLibrary", key=_KEY), check=_check_contents)
    def remove_from_library(self, arguments: RemoveFromLibrary) -> ActionSteps[ChangedLibrary]:
        """Remove courses from the library of a group (``deleteFromGroupLibrary``)."""
        return (yield from self._change_library("deleteFromGroupLibrary", "removed", arguments))

    def _change_library(
        self, operation: str, outcome: Literal["added", "removed"], arguments: ChangeLibrary
    ) -> ActionSteps[ChangedLibrary]:
        courses = list(arguments.course_ids)
        yield Call(operation, path={"group_id": arguments.group_id}, body={"courses": courses})
        return {"group_id": arguments.group_id, "outcome": outcome, "items": len(courses)}
