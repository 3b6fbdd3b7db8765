"""Arguments of the actions on courses and catalogs."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field

from airflow_provider_360learning.api.models.base import ActionArguments, Problem
from airflow_provider_360learning.api.models.fields import Id, Ids, Timestamp, User


class ListCourses(ActionArguments):
    """Arguments of ``list_courses``."""

    created_after: Timestamp | None = Field(default=None, description="Only courses created after this time.")
    created_before: Timestamp | None = Field(default=None, description="Only courses created before this time.")
    modified_after: Timestamp | None = Field(default=None, description="Only courses modified after this time.")
    modified_before: Timestamp | None = Field(default=None, description="Only courses modified before this time.")


class GetCatalog(ActionArguments):
    """Arguments of ``get_catalog``."""

    group_id: Id = Field(description="Id of the group.")


class ChangeCatalog(ActionArguments):
    """Arguments of ``add_to_catalog`` and ``remove_from_catalog``."""

    group_id: Id = Field(description="Id of the group.")
    course_ids: Ids = Field(default=(), description="Ids of courses.")
    session_ids: Ids = Field(default=(), description="Ids of path sessions.")

    def conflicts(self) -> Iterator[Problem]:
        """Return that there is nothing to change."""
        if not self.course_ids and not self.session_ids:
            yield Problem(None, "course_ids and session_ids are both empty")


class AddToCatalog(ChangeCatalog):
    """Arguments of ``add_to_catalog``."""


class RemoveFromCatalog(ChangeCatalog):
    """Arguments of ``remove_from_catalog``."""


class GetUserCourseStats(ActionArguments):
    """Arguments of ``get_user_course_stats``."""

    course_id: Id = Field(description="Id of the course.")
    user: User = Field(description="Email address or id of the user.")
