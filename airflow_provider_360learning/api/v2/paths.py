"""Paths of API v2 and their sessions."""

from __future__ import annotations

from airflow_provider_360learning.api.actions import action
from airflow_provider_360learning.api.models.paths import (
    CreatePathSession,
    EnrollGroups,
    EnrollUsers,
    ListPaths,
    ListPathSessions,
    ListPathSessionStats,
    ListPathSessionUsers,
    UnenrollUsers,
)
from airflow_provider_360learning.api.results import (
    CreatedPathSession,
    EnrolledGroups,
    EnrolledUsers,
    PathRecord,
    PathSessionRecord,
    PathSessionStatistic,
    UserRecord,
)
from airflow_provider_360learning.api.types import ActionSteps
from airflow_provider_360learning.api.v2.lookups import Lookups
from airflow_provider_360learning.api.v2.stubs import not_built


class PathActions(Lookups):
    """Sessions of paths: create them, enroll and unenroll learners, read their statistics."""

    @action(ListPaths)
    def list_paths(self, arguments: ListPaths) -> ActionSteps[list[PathRecord]]:
        """Return paths."""
        raise not_built("list_paths")  # STUB
        yield

    @action(ListPathSessions)
    def list_path_sessions(self, arguments: ListPathSessions) -> ActionSteps[list[PathSessionRecord]]:
        """Return all sessions of all paths."""
        raise not_built("list_path_sessions")  # STUB
        yield

    @action(CreatePathSession)
    def create_path_session(self, arguments: CreatePathSession) -> ActionSteps[CreatedPathSession]:
        """Create a session of a path, unless the path has one of this name and owner group."""
        raise not_built("create_path_session")  # STUB
        yield

    @action(EnrollUsers)
    def enroll_users(self, arguments: EnrollUsers) -> ActionSteps[EnrolledUsers]:
        """Enroll users in a path session."""
        raise not_built("enroll_users")  # STUB
        yield

    @action(EnrollGroups)
    def enroll_groups(self, arguments: EnrollGroups) -> ActionSteps[EnrolledGroups]:
        """Enroll groups in a path session."""
        raise not_built("enroll_groups")  # STUB
        yield

    @action(UnenrollUsers)
    def unenroll_users(self, arguments: UnenrollUsers) -> ActionSteps[EnrolledUsers]:
        """Unenroll users from a path session."""
        raise not_built("unenroll_users")  # STUB
        yield

    @action(ListPathSessionUsers)
    def list_path_session_users(self, arguments: ListPathSessionUsers) -> ActionSteps[list[UserRecord]]:
        """Return the users enrolled in a path session."""
        raise not_built("list_path_session_users")  # STUB
        yield

    @action(ListPathSessionStats)
    def list_path_session_stats(self, arguments: ListPathSessionStats) -> ActionSteps[list[PathSessionStatistic]]:
        """Return the state of each learner of a path session."""
        raise not_built("list_path_session_stats")  # STUB
        yield
