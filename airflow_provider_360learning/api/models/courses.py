"""Arguments of the actions on courses and catalogs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from airflow_provider_360learning.api.models.base import ActionArguments, NameOf, Problem
from airflow_provider_360learning.api.models.fields import (
    COURSE,
    DRY_RUN,
    GROUP,
    Boolean,
    CourseName,
    DryRun,
    GroupName,
    Id,
    Ids,
    Texts,
    Timestamp,
    User,
    id_or_name,
)


class ListCourses(ActionArguments):
    """Arguments of ``list_courses``."""

    created_after: Timestamp | None = Field(default=None, description="Only courses created at this time or later.")
    created_before: Timestamp | None = Field(default=None, description="Only courses created before this time.")
    modified_after: Timestamp | None = Field(default=None, description="Only courses modified at this time or later.")
    modified_before: Timestamp | None = Field(default=None, description="Only courses modified before this time.")


class GetCourse(ActionArguments):
    """Arguments of ``get_course``."""

    course_id: Id = id_or_name("Id of the course.")
    course: CourseName = COURSE


class ArchiveCourse(ActionArguments):
    """Arguments of ``archive_course``."""

    course_id: Id = id_or_name("Id of the course.")
    course: CourseName = COURSE
    archived: Boolean = Field(default=True, description="``False`` restores an archived course.")
    dry_run: DryRun = DRY_RUN


class GetCatalog(ActionArguments):
    """Arguments of ``get_catalog``."""

    group_id: Id = id_or_name("Id of the group.")
    group: GroupName = GROUP


class ChangeCatalog(ActionArguments):
    """Arguments of ``add_to_catalog`` and ``remove_from_catalog``."""

    group_id: Id = id_or_name("Id of the group.")
    group: GroupName = GROUP
    course_ids: Ids = Field(default=(), description="Ids of courses.")
    courses: Annotated[Texts, NameOf("course", "course_ids")] = Field(
        default=(), description="Names of courses instead of ``course_ids``."
    )
    session_ids: Ids = Field(default=(), description="Ids of path sessions.")
    sessions: Annotated[Texts, NameOf("session", "session_ids")] = Field(
        default=(), description="Names of path sessions instead of ``session_ids``."
    )

    def conflicts(self) -> Iterator[Problem]:
        """Return that there is nothing to change."""
        if not (self.course_ids or self.courses or self.session_ids or self.sessions):
            yield Problem(None, "course_ids and session_ids are both empty, and so are their names")


class AddToCatalog(ChangeCatalog):
    """Arguments of ``add_to_catalog``."""


class RemoveFromCatalog(ChangeCatalog):
    """Arguments of ``remove_from_catalog``."""


class GetUserCourseStats(ActionArguments):
    """Arguments of ``get_user_course_stats``."""

    course_id: Id = id_or_name("Id of the course.")
    course: CourseName = COURSE
    user: User = Field(description="Email address or id of the user.")


class ListUserCourseStats(ActionArguments):
    """Arguments of ``list_user_course_stats``."""

    user: User = Field(description="Email address or id of the user.")
