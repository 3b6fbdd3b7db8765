"""The libraries of groups in API v2."""

from __future__ import annotations

from typing import Literal

from airflow_provider_360learning.api.actions import ApiAdapter, WriteSpec, action
from airflow_provider_360learning.api.bulk_jobs import JobKind, JobTarget
from airflow_provider_360learning.api.models.libraries import (
    AddToLibrary,
    ChangeLibrary,
    GetLibrary,
    RemoveFromLibrary,
)
from airflow_provider_360learning.api.pages import all_items
from airflow_provider_360learning.api.results import (
    ChangedLibrary,
    Library,
)
from airflow_provider_360learning.api.types import ActionSteps, Call
from airflow_provider_360learning.api.v2.job_kinds import ADD_TO_LIBRARY, REMOVE_FROM_LIBRARY, library_inputs
from airflow_provider_360learning.api.v2.job_steps import raise_refused, run_jobs

_KEY = ("group_id", "course_ids", "path_ids")


class LibraryActions(ApiAdapter):
    """Read and change the libraries of groups."""

    @action(GetLibrary)
    def get_library(self, arguments: GetLibrary) -> ActionSteps[Library]:
        """
        Return the ids of the courses and paths in the library of a group (``getLibraryContentIds``).

        :raises NotFoundError: if the group does not exist.
        """
        courses = yield from self._library_ids(arguments.group_id, "course")
        paths = yield from self._library_ids(arguments.group_id, "path")
        return {"course_ids": courses, "path_ids": paths}

    @action(AddToLibrary, write=WriteSpec(ADD_TO_LIBRARY.operation, key=_KEY))
    def add_to_library(self, arguments: AddToLibrary) -> ActionSteps[ChangedLibrary]:
        """
        Add courses and paths to the library of a group by a bulk job (``addContentsToGroupsLibrary``).

        :raises RefusedError: if the job has refused one of them. The others are in the library.
        """
        return (yield from self._change_library(ADD_TO_LIBRARY, "added", arguments))

    @action(RemoveFromLibrary, write=WriteSpec(REMOVE_FROM_LIBRARY.operation, key=_KEY))
    def remove_from_library(self, arguments: RemoveFromLibrary) -> ActionSteps[ChangedLibrary]:
        """
        Remove courses and paths from the library of a group by a job (``removeContentsFromGroupsLibrary``).

        :raises RefusedError: if the job has refused one of them. The others are not in the library any more.
        """
        return (yield from self._change_library(REMOVE_FROM_LIBRARY, "removed", arguments))

    def _change_library(
        self, kind: JobKind, outcome: Literal["added", "removed"], arguments: ChangeLibrary
    ) -> ActionSteps[ChangedLibrary]:
        inputs = library_inputs(arguments)
        raise_refused(kind, (yield from run_jobs(kind, inputs, JobTarget())))
        return {"group_id": arguments.group_id, "outcome": outcome, "items": len(inputs)}

    def _library_ids(self, group_id: str, content_type: str) -> ActionSteps[list[str]]:
        path = {"groupId": group_id, "contentType": content_type}
        return list((yield from all_items(Call("getLibraryContentIds", path=path))))
