"""Arguments of the actions on paths and their sessions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from airflow_provider_360learning.api.models.base import ActionArguments, NameOf, Problem
from airflow_provider_360learning.api.models.choices import IfSessionExists, RegistrationValidation
from airflow_provider_360learning.api.models.fields import (
    GROUP,
    PATH,
    PATH_ID,
    SESSION,
    Boolean,
    FilledIds,
    FilledUsers,
    GroupName,
    Id,
    Ids,
    Mails,
    PathName,
    SessionName,
    Text,
    Texts,
    Timestamp,
    id_or_name,
)


class ListPaths(ActionArguments):
    """Arguments of ``list_paths``."""

    modified_after: Timestamp | None = Field(default=None, description="Only paths modified after this time.")


class ListPathSessions(ActionArguments):
    """Arguments of ``list_path_sessions``: none."""


class CreatePathSession(ActionArguments):
    """Arguments of ``create_path_session``."""

    path_id: Id = id_or_name("Id of the path.")
    path: Annotated[Text | None, NameOf("path", "path_id", is_required=True)] = PATH
    name: Text = Field(description="Name of the session.")
    session_start: Timestamp = Field(description="When the session starts: a timestamp with a time zone.")
    group_id: Id = id_or_name("Id of the group that owns the session. API v2 sets it in a second step.")
    group: GroupName = GROUP
    session_end: Timestamp | None = Field(default=None, description="When the session ends.")
    instructors: Mails = Field(
        default=(),
        description="Email addresses, the main instructor first; by default the platform's owner.",
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

    session_id: Id = id_or_name("Id of the session.")
    session: SessionName = SESSION
    users: FilledUsers = Field(description="Email addresses or ids of the users.")
    path_id: Id | None = PATH_ID
    path: PathName = PATH


class EnrollGroups(ActionArguments):
    """Arguments of ``enroll_groups``."""

    session_id: Id = id_or_name("Id of the session.")
    session: SessionName = SESSION
    group_ids: FilledIds = id_or_name("Ids of the groups.")
    groups: Annotated[Texts, NameOf("group", "group_ids", is_required=True)] = Field(
        default=(), description="Names of the groups instead of ``group_ids``."
    )
    path_id: Id | None = PATH_ID
    path: PathName = PATH


class UnenrollUsers(ActionArguments):
    """Arguments of ``unenroll_users``."""

    session_id: Id = id_or_name("Id of the session.")
    session: SessionName = SESSION
    users: FilledUsers = Field(description="Email addresses or ids of the users.")
    path_id: Id | None = PATH_ID
    path: PathName = PATH


class ListPathSessionUsers(ActionArguments):
    """Arguments of ``list_path_session_users``."""

    session_id: Id = id_or_name("Id of the session.")
    session: SessionName = SESSION
    path_id: Id | None = PATH_ID
    path: PathName = PATH


class GetPathSessionStatuses(ActionArguments):
    """Arguments of ``get_path_session_statuses``."""

    session_id: Id = id_or_name("Id of the session.")
    session: SessionName = SESSION
    path_id: Id | None = PATH_ID
    path: PathName = PATH


class ListPathSessionStats(ActionArguments):
    """Arguments of ``list_path_session_stats``."""

    session_id: Id = id_or_name("Id of the session.")
    session: SessionName = SESSION
    path_id: Id | None = PATH_ID
    path: PathName = PATH
    completed_after: Timestamp | None = Field(default=None, description="Only learners who completed after this time.")
    completed_before: Timestamp | None = Field(
        default=None, description="Only learners who completed before this time."
    )
    with_mails: Boolean = Field(
        default=False,
        description="Whether to look up email addresses in API v2, whose statistics have ids only; those of API v1 "
        "have them anyway.",
    )


class PathSessions(ActionArguments):
    """A selection of path sessions."""

    session_ids: Ids | None = Field(default=None, description="Ids of the sessions; by default all.")
    sessions: Annotated[Texts | None, NameOf("session", "session_ids")] = Field(
        default=None, description="Names of the sessions instead of ``session_ids``."
    )
    path_id: Id | None = PATH_ID
    path: PathName = PATH

    def conflicts(self) -> Iterator[Problem]:
        """Return that a path selects nothing."""
        name = "path" if self.path else "path_id"
        if (self.path or self.path_id) and self.sessions is None and self.session_ids is None:
            yield Problem(name, f"{name} is given without sessions, which are searched in it")
