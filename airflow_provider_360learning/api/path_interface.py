"""The actions on paths and their sessions, as a part of :class:`~.interface.LearningApi`."""

from __future__ import annotations

from typing import Protocol

from airflow_provider_360learning.api.actions import action
from airflow_provider_360learning.api.models.paths import (
    AddPathTokens,
    ArchivePath,
    CreatePath,
    CreatePathSession,
    DeletePath,
    DeletePathSession,
    EnrollGroups,
    EnrollUsers,
    GetPath,
    GetPathSessionStatuses,
    ListPaths,
    ListPathSessions,
    ListPathSessionStats,
    ListPathSessionUsers,
    ReplacePathCourses,
    ReplacePathSessionAudience,
    UnenrollGroups,
    UnenrollUsers,
    UpdatePath,
    UpdatePathSession,
)
from airflow_provider_360learning.api.path_results import (
    AddedPathTokens,
    ArchivedPath,
    CreatedPath,
    CreatedPathSession,
    DeletedPath,
    DeletedPathSession,
    EnrolledGroups,
    EnrolledUsers,
    PathRecord,
    PathSessionRecord,
    PathSessionStatistic,
    PathSessionStatuses,
    ReplacedAudience,
    ReplacedPathCourses,
    UpdatedPath,
    UpdatedPathSession,
)
from airflow_provider_360learning.api.results import UserRecord
from airflow_provider_360learning.api.types import ActionSteps


class PathApi(Protocol):
    """Paths, their sessions, and who is enrolled in them."""

    @action(ListPaths)
    def list_paths(self, arguments: ListPaths) -> ActionSteps[list[PathRecord]]:
        """Return paths."""
        ...

    @action(GetPath)
    def get_path(self, arguments: GetPath) -> ActionSteps[PathRecord]:
        """Return a path."""
        ...

    @action(CreatePath)
    def create_path(self, arguments: CreatePath) -> ActionSteps[CreatedPath]:
        """Create a path, unless one of this name and owner group exists."""
        ...

    @action(UpdatePath)
    def update_path(self, arguments: UpdatePath) -> ActionSteps[UpdatedPath]:
        """Change a path; fields that are not given keep their values."""
        ...

    @action(ArchivePath)
    def archive_path(self, arguments: ArchivePath) -> ActionSteps[ArchivedPath]:
        """Archive or restore a path."""
        ...

    @action(DeletePath)
    def delete_path(self, arguments: DeletePath) -> ActionSteps[DeletedPath]:
        """Delete a path and all its sessions."""
        ...

    @action(ReplacePathCourses)
    def replace_path_courses(self, arguments: ReplacePathCourses) -> ActionSteps[ReplacedPathCourses]:
        """Replace the courses that are steps of a path."""
        ...

    @action(AddPathTokens)
    def add_path_tokens(self, arguments: AddPathTokens) -> ActionSteps[AddedPathTokens]:
        """Add bought tokens of a path to a group."""
        ...

    @action(ListPathSessions)
    def list_path_sessions(self, arguments: ListPathSessions) -> ActionSteps[list[PathSessionRecord]]:
        """Return all sessions of all paths."""
        ...

    @action(CreatePathSession)
    def create_path_session(self, arguments: CreatePathSession) -> ActionSteps[CreatedPathSession]:
        """Create a session of a path, unless the path has one of this name and owner group."""
        ...

    @action(UpdatePathSession)
    def update_path_session(self, arguments: UpdatePathSession) -> ActionSteps[UpdatedPathSession]:
        """Change a path session; fields that are not given keep their values, if the version can keep them."""
        ...

    @action(DeletePathSession)
    def delete_path_session(self, arguments: DeletePathSession) -> ActionSteps[DeletedPathSession]:
        """Delete a path session."""
        ...

    @action(EnrollUsers)
    def enroll_users(self, arguments: EnrollUsers) -> ActionSteps[EnrolledUsers]:
        """Enroll users in a path session."""
        ...

    @action(EnrollGroups)
    def enroll_groups(self, arguments: EnrollGroups) -> ActionSteps[EnrolledGroups]:
        """Enroll groups in a path session."""
        ...

    @action(UnenrollGroups)
    def unenroll_groups(self, arguments: UnenrollGroups) -> ActionSteps[EnrolledGroups]:
        """Unenroll groups from a path session."""
        ...

    @action(UnenrollUsers)
    def unenroll_users(self, arguments: UnenrollUsers) -> ActionSteps[EnrolledUsers]:
        """Unenroll users from a path session."""
        ...

    @action(ReplacePathSessionAudience)
    def replace_path_session_audience(self, arguments: ReplacePathSessionAudience) -> ActionSteps[ReplacedAudience]:
        """Replace who is enrolled in a path session."""
        ...

    @action(ListPathSessionUsers)
    def list_path_session_users(self, arguments: ListPathSessionUsers) -> ActionSteps[list[UserRecord]]:
        """Return the users enrolled in a path session."""
        ...

    @action(GetPathSessionStatuses)
    def get_path_session_statuses(self, arguments: GetPathSessionStatuses) -> ActionSteps[PathSessionStatuses]:
        """Return how many learners of a path session have each status."""
        ...

    @action(ListPathSessionStats)
    def list_path_session_stats(self, arguments: ListPathSessionStats) -> ActionSteps[list[PathSessionStatistic]]:
        """Return the state of each learner of a path session."""
        ...
