"""Arguments of the actions on paths and their sessions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from airflow_provider_360learning.api.models.base import ActionArguments, NameOf, Problem
from airflow_provider_360learning.api.models.choices import (
    AudienceMode,
    IfExists,
    IfMissing,
    IfSessionExists,
    RegistrationValidation,
)
from airflow_provider_360learning.api.models.fields import (
    DRY_RUN,
    GROUP,
    PATH,
    PATH_ID,
    SESSION,
    Boolean,
    DryRun,
    FilledIds,
    FilledUsers,
    GroupName,
    Id,
    Ids,
    Mails,
    MultilineText,
    PathName,
    SessionName,
    Text,
    Texts,
    Timestamp,
    User,
    UserLimit,
    Users,
    id_or_name,
)
from airflow_provider_360learning.api.models.parsers import shown

#: The name of a path that must be given unless its id is.
_RequiredPathName = Annotated[Text | None, NameOf("path", "path_id", is_required=True)]

_DEFAULT_LANG = Field(default=None, description="Language for learners whose own is not available, such as ``en``.")
_LINEAR = Field(default=None, description="Whether learners must complete the steps in their order.")
_MANDATORY_REPLAY = Field(
    default=None, description="Whether learners must complete steps again that they have completed elsewhere."
)
_REMINDERS = Field(default=None, description="Whether 360Learning sends reminders to inactive learners.")


class ListPaths(ActionArguments):
    """Arguments of ``list_paths``."""

    modified_after: Timestamp | None = Field(default=None, description="Only paths modified after this time.")


class GetPath(ActionArguments):
    """Arguments of ``get_path``."""

    path_id: Id = id_or_name("Id of the path.")
    path: _RequiredPathName = PATH


class CreatePath(ActionArguments):
    """Arguments of ``create_path``."""

    name: Text = Field(description="Name of the path.")
    group_id: Id = id_or_name("Id of the group that owns the path.")
    group: GroupName = GROUP
    course_ids: Ids = Field(
        default=(), description="Ids of the courses that are its steps, in order; required by API v1."
    )
    courses: Annotated[Texts, NameOf("course", "course_ids")] = Field(
        default=(), description="Names of the courses instead of ``course_ids``."
    )
    authors: Mails = Field(
        default=(),
        description="Email addresses, the main author first; by default the platform's owner in API v2, and whom "
        "360Learning chooses in API v1.",
    )
    description: MultilineText | None = Field(default=None, description="Description, in HTML.")
    additional_information: Text | None = Field(
        default=None, description="Information that only the editor, exports and the API show."
    )
    default_lang: Text | None = _DEFAULT_LANG
    linear: Boolean | None = _LINEAR
    mandatory_replay: Boolean | None = _MANDATORY_REPLAY
    automated_reminders: Boolean | None = _REMINDERS
    if_exists: IfExists = Field(
        default="skip",
        description="``skip`` leaves an existing path unchanged; ``update`` updates the given fields, but for the "
        "courses; ``fail`` fails, also when a task is retried that has created the path.",
    )


class UpdatePath(ActionArguments):
    """Arguments of ``update_path``."""

    path_id: Id = id_or_name("Id of the path.")
    path: _RequiredPathName = PATH
    name: Text | None = Field(default=None, description="New name.")
    group_id: Id | None = Field(default=None, description="Id of the group that owns the path.")
    group: Annotated[Text | None, NameOf("group", "group_id")] = GROUP
    authors: Mails = Field(
        default=(),
        description="Email addresses, the main author first; by default unchanged. In API v2, one address alone "
        "replaces the main author and keeps the other authors.",
    )
    description: MultilineText | None = Field(default=None, description="Description, in HTML.")
    additional_information: Text | None = Field(
        default=None, description="Information that only the editor, exports and the API show. API v2 only."
    )
    default_lang: Text | None = _DEFAULT_LANG
    linear: Boolean | None = _LINEAR
    mandatory_replay: Boolean | None = _MANDATORY_REPLAY
    automated_reminders: Boolean | None = _REMINDERS

    def conflicts(self) -> Iterator[Problem]:
        """Return that there is nothing to change."""
        if not self.given().keys() - {"path_id", "path"}:
            yield Problem(None, "update_path needs at least one field to change")


class ArchivePath(ActionArguments):
    """Arguments of ``archive_path``."""

    path_id: Id = id_or_name("Id of the path.")
    path: _RequiredPathName = Field(
        default=None, description="Name of the path instead of ``path_id``; an archived path is found by its id only."
    )
    archived: Boolean = Field(default=True, description="``False`` restores an archived path.")
    dry_run: DryRun = DRY_RUN


class DeletePath(ActionArguments):
    """Arguments of ``delete_path``."""

    path_id: Id = id_or_name("Id of the path.")
    path: _RequiredPathName = Field(
        default=None,
        description="Name of the path instead of ``path_id``. A name that no path has is an error, also with "
        "``if_missing``; an archived path is found by its id only.",
    )
    if_missing: IfMissing = Field(
        default="skip",
        description="``skip`` succeeds if the path does not exist; ``fail`` fails, also when a task is retried that "
        "has deleted the path.",
    )
    dry_run: DryRun = DRY_RUN


class ReplacePathCourses(ActionArguments):
    """Arguments of ``replace_path_courses``."""

    path_id: Id = id_or_name("Id of the path.")
    path: _RequiredPathName = PATH
    course_ids: FilledIds = id_or_name("Ids of all courses that are steps of the path, in order.")
    courses: Annotated[Texts, NameOf("course", "course_ids", is_required=True)] = Field(
        default=(), description="Names of the courses instead of ``course_ids``."
    )
    remove_other_steps: Boolean = Field(
        default=False,
        description="Whether to remove steps that are no courses, such as emails and classrooms; by default, a path "
        "that has some is refused.",
    )


class AddPathTokens(ActionArguments):
    """Arguments of ``add_path_tokens``."""

    path_id: Id = id_or_name("Id of the path.")
    path: _RequiredPathName = PATH
    group_id: Id = id_or_name("Id of the group that gets the tokens.")
    group: GroupName = GROUP
    tokens: UserLimit = Field(description="Number of tokens to add.")
    author: User = Field(description="Email address or id of the user who adds them.")


class ListPathSessions(ActionArguments):
    """Arguments of ``list_path_sessions``: none."""


class CreatePathSession(ActionArguments):
    """Arguments of ``create_path_session``."""

    path_id: Id = id_or_name("Id of the path.")
    path: _RequiredPathName = PATH
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


class UpdatePathSession(ActionArguments):
    """Arguments of ``update_path_session``."""

    session_id: Id = id_or_name("Id of the session.")
    session: SessionName = SESSION
    path_id: Id | None = PATH_ID
    path: PathName = PATH
    name: Text | None = Field(default=None, description="New name.")
    session_start: Timestamp | None = Field(
        default=None, description="When the session starts; refused by API v1 if it has started and has learners."
    )
    session_end: Timestamp | None = Field(default=None, description="When the session ends.")
    group_id: Id | None = Field(default=None, description="Id of the group that owns the session.")
    group: Annotated[Text | None, NameOf("group", "group_id")] = GROUP
    instructors: Mails = Field(
        default=(), description="Email addresses of all instructors, the main instructor first; by default unchanged."
    )
    additional_information: Text | None = Field(
        default=None, description="Information that only exports and the API show."
    )
    registration_validation: RegistrationValidation | None = Field(
        default=None,
        description="Who validates registrations, as in ``create_path_session``; API v1 accepts ``disabled`` only.",
    )
    user_limit: UserLimit | None = Field(
        default=None,
        description="Maximum number of learners who enroll themselves. API v2 only; each update by API v1 removes it.",
    )

    def conflicts(self) -> Iterator[Problem]:
        """Return that there is nothing to change, or that the session would end before it starts."""
        if not self.given().keys() - {"session_id", "session", "path_id", "path"}:
            yield Problem(None, "update_path_session needs at least one field to change")
        if self.session_start and self.session_end and self.session_end < self.session_start:
            yield Problem("session_end", "session_end is before session_start")


class DeletePathSession(ActionArguments):
    """Arguments of ``delete_path_session``."""

    session_id: Id = id_or_name("Id of the session.")
    session: SessionName = Field(
        default=None,
        description="Name of the session instead of ``session_id``; where it is not unique, with the path. A name that "
        "no session has is an error, also with ``if_missing``.",
    )
    path_id: Id | None = PATH_ID
    path: PathName = PATH
    if_missing: IfMissing = Field(
        default="skip",
        description="``skip`` succeeds if the session does not exist; ``fail`` fails, also when a task is retried that "
        "has deleted the session.",
    )
    dry_run: DryRun = DRY_RUN


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


class UnenrollGroups(EnrollGroups):
    """Arguments of ``unenroll_groups``."""


class UnenrollUsers(ActionArguments):
    """Arguments of ``unenroll_users``."""

    session_id: Id = id_or_name("Id of the session.")
    session: SessionName = SESSION
    users: FilledUsers = Field(description="Email addresses or ids of the users.")
    path_id: Id | None = PATH_ID
    path: PathName = PATH


class ReplacePathSessionAudience(ActionArguments):
    """Arguments of ``replace_path_session_audience``."""

    session_id: Id = id_or_name("Id of the session.")
    session: SessionName = SESSION
    users: Users = Field(default=(), description="Email addresses or ids of the users to enroll.")
    group_ids: Ids = Field(default=(), description="Ids of the groups whose members are enrolled.")
    groups: Annotated[Texts, NameOf("group", "group_ids")] = Field(
        default=(), description="Names of the groups instead of ``group_ids``."
    )
    excluded_users: Users = Field(
        default=(), description="Email addresses or ids of members of these groups who are not enrolled."
    )
    mode: AudienceMode | None = Field(
        default=None,
        description="Whether later changes of the groups enroll and unenroll members: ``dynamic`` both, "
        "``dynamicEnrollment``, ``dynamicUnenrollment``, ``manual`` neither; by default unchanged.",
    )
    allow_empty: Boolean = Field(
        default=False, description="Whether to unenroll all learners if neither users nor groups are given."
    )
    path_id: Id | None = PATH_ID
    path: PathName = PATH

    def conflicts(self) -> Iterator[Problem]:
        """Return that the audience would be empty, or would contain users whom it excludes."""
        if not (self.users or self.group_ids or self.groups or self.allow_empty):
            yield Problem(
                "users",
                "users, group_ids and groups are empty, which unenrolls all learners: give allow_empty=True for that",
            )
        both = {user.lower() for user in self.users} & {user.lower() for user in self.excluded_users}
        if both:
            yield Problem("excluded_users", f"excluded_users contains {shown(min(both))}, which users contains as well")


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
