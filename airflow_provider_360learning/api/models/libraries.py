"""Arguments of the actions on the libraries of groups."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from airflow_provider_360learning.api.models.base import ActionArguments, NameOf, Problem
from airflow_provider_360learning.api.models.fields import GROUP, GroupName, Id, Ids, Texts, id_or_name


class GetLibrary(ActionArguments):
    """Arguments of ``get_library``."""

    group_id: Id = id_or_name("Id of the group.")
    group: GroupName = GROUP


class ChangeLibrary(ActionArguments):
    """Arguments of ``add_to_library`` and ``remove_from_library``."""

    group_id: Id = id_or_name("Id of the group.")
    group: GroupName = GROUP
    course_ids: Ids = Field(default=(), description="Ids of courses.")
    courses: Annotated[Texts, NameOf("course", "course_ids")] = Field(
        default=(), description="Names of courses instead of ``course_ids``."
    )
    path_ids: Ids = Field(default=(), description="Ids of paths. API v2 only.")
    paths: Annotated[Texts, NameOf("path", "path_ids")] = Field(
        default=(), description="Names of paths instead of ``path_ids``. API v2 only."
    )

    def conflicts(self) -> Iterator[Problem]:
        """Return that there is nothing to change."""
        if not (self.course_ids or self.courses or self.path_ids or self.paths):
            yield Problem(None, "course_ids and path_ids are both empty, and so are their names")


class AddToLibrary(ChangeLibrary):
    """Arguments of ``add_to_library``."""


class RemoveFromLibrary(ChangeLibrary):
    """Arguments of ``remove_from_library``."""
