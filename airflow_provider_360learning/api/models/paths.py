"""Arguments of the actions on paths and their sessions."""

from __future__ import annotations

from pydantic import Field

from airflow_provider_360learning.api.models.base import ActionArguments
from airflow_provider_360learning.api.models.choices import IfSessionExists, RegistrationValidation
from airflow_provider_360learning.api.models.fields import FilledIds, FilledUsers, Id, Mails, Text, Timestamp

_PATH_ID = Field(default=None, description="Id of the path. API v2 requires it.")


class ListPaths(ActionArguments):
    """Arguments of ``list_paths``."""

    modified_after: Timestamp | None = Field(default=None, description="Only paths modified after this time.")


class ListPathSessions(ActionArguments):
    """Arguments of ``list_path_sessions``: none."""


class CreatePathSession(ActionArguments):
    """Arguments of ``create_path_session``."""

    path_id: Id = Field(description="Id of the path.")
    name: Text = Field(description="Name of the session.")
    session_start: Timestamp = Field(description="When the session starts: a timestamp with a time zone.")
    group_id: Id = Field(description="Id of the group that owns the session. API v2 sets it in a second step.")
    session_end: Timestamp | None = Field(default=None, description="When the session ends.")
    instructors: Mails = Field(
        default=(),
        description="Email addresses, the main instructor first; by default the platform's owner. API v2 requires one.",
    )
    additional_information: Text | None = Field(
        default=None, description="Information that only exports and the API show."
    )
    registration_validation: RegistrationValidation = Field(
        default="disabled",
        description="Who validates registrations: ``disabled``, the only value in API v1, ``instructors``, "
        "``managers``, ``adminsAndManagers`` or ``adminsCoachesInstructorsManagers``.",
    )
    if_exists: IfSessionExists = Field(
        default="skip",
        description="``skip`` leaves an existing session unchanged, its dates included; ``fail`` fails, also when a "
        "task is retried that has created the session.",
    )


class EnrollUsers(ActionArguments):
    """Arguments of ``enroll_users``."""

    session_id: Id = Field(description="Id of the session.")
    users: FilledUsers = Field(description="Email addresses or ids of the users.")
    path_id: Id | None = _PATH_ID


class EnrollGroups(ActionArguments):
    """Arguments of ``enroll_groups``."""

    session_id: Id = Field(description="Id of the session.")
    group_ids: FilledIds = Field(description="Ids of the groups.")
    path_id: Id | None = _PATH_ID


class UnenrollUsers(ActionArguments):
    """Arguments of ``unenroll_users``."""

    session_id: Id = Field(description="Id of the session.")
    users: FilledUsers = Field(description="Email addresses or ids of the users.")
    path_id: Id | None = _PATH_ID


class ListPathSessionUsers(ActionArguments):
    """Arguments of ``list_path_session_users``."""

    session_id: Id = Field(description="Id of the session.")
    path_id: Id | None = _PATH_ID


class ListPathSessionStats(ActionArguments):
    """Arguments of ``list_path_session_stats``."""

    session_id: Id = Field(description="Id of the session.")
    path_id: Id | None = _PATH_ID
    completed_after: Timestamp | None = Field(default=None, description="Only learners who completed after this time.")
    completed_before: Timestamp | None = Field(
        default=None, description="Only learners who completed before this time."
    )
