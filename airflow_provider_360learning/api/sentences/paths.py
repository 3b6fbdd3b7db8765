"""What the actions on paths did."""

from __future__ import annotations

from airflow_provider_360learning.api.models.paths import (
    AddPathTokens,
    ArchivePath,
    CreatePath,
    CreatePathSession,
    DeletePath,
    DeletePathSession,
    EnrollGroups,
    EnrollUsers,
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
    ReplacedAudience,
    ReplacedPathCourses,
    UpdatedPath,
    UpdatedPathSession,
)
from airflow_provider_360learning.api.sentences.parts import (
    all_groups,
    changed,
    deletion,
    first_or_number,
    label,
    left_out,
    outcome_sentence,
    quoted,
)
from airflow_provider_360learning.api.text import counted, listed


@outcome_sentence.register
def _created_path(arguments: CreatePath, result: CreatedPath) -> str:
    path = label(result["name"], result["path_id"])
    if result["outcome"] == "already_exists":
        return f"Path {path} already exists; unchanged"
    if result["outcome"] == "updated":
        return f"Updated path {path}"
    return f"Created path {path} of group {quoted(arguments.group or arguments.group_id)}"


@outcome_sentence.register
def _updated_path(arguments: UpdatePath, result: UpdatedPath) -> str:
    return f"Updated {changed(arguments, {'path_id', 'path'})} of path {label(arguments.path, result['path_id'])}"


@outcome_sentence.register
def _archived_path(arguments: ArchivePath, result: ArchivedPath) -> str:
    path = label(arguments.path or result["name"], result["path_id"])
    return f"{result['outcome'].replace('_', ' ').capitalize()} path {path}"


@outcome_sentence.register
def _deleted_path(arguments: DeletePath, result: DeletedPath) -> str:
    path = label(arguments.path or result["name"], result["path_id"])
    if result["outcome"] == "would_delete":
        sessions = result["sessions"] or []
        named = f": {listed([quoted(each) for each in sessions])}" if sessions else ""
        return f"Would delete path {path} and {counted(len(sessions), 'session')}{named}"
    return deletion("path", path, result["outcome"] == "deleted", " and its sessions")


@outcome_sentence.register
def _replaced_path_courses(arguments: ReplacePathCourses, result: ReplacedPathCourses) -> str:
    path, courses = label(arguments.path, result["path_id"]), counted(result["courses"], "course")
    if result["outcome"] == "unchanged":
        return f"Path {path} has these {courses} already; unchanged"
    return f"Replaced the steps of path {path} by {courses}"


@outcome_sentence.register
def _added_path_tokens(arguments: AddPathTokens, result: AddedPathTokens) -> str:
    path, group = label(arguments.path, result["path_id"]), label(arguments.group, result["group_id"])
    return f"Added {counted(result['tokens'], 'token')} of path {path} to group {group}"


@outcome_sentence.register
def _created_session(arguments: CreatePathSession, result: CreatedPathSession) -> str:
    session = f"{label(result['name'], result['session_id'])} of path {label(arguments.path, result['path_id'])}"
    if result["outcome"] == "already_exists":
        return f"Session {session} already exists; unchanged"
    return f"Created session {session}"


@outcome_sentence.register
def _updated_session(arguments: UpdatePathSession, result: UpdatedPathSession) -> str:
    fields = changed(arguments, {"session_id", "session", "path_id", "path"})
    sentence = f"Updated {fields} of session {label(arguments.session, result['session_id'])}"
    return f"{sentence}; API v1 has reset {listed(result['reset'])}" if result["reset"] else sentence


@outcome_sentence.register
def _deleted_session(arguments: DeletePathSession, result: DeletedPathSession) -> str:
    session = label(arguments.session or result["name"], result["session_id"])
    if result["outcome"] == "would_delete":
        return f"Would delete session {session} with the enrollments of {counted(result['learners'] or 0, 'learner')}"
    return deletion("session", session, result["outcome"] == "deleted", " and its enrollments")


@outcome_sentence.register
def _enrolled_users(arguments: EnrollUsers, result: EnrolledUsers) -> str:
    session = label(arguments.session, result["session_id"])
    return f"Enrolled {_users(arguments, result)} in session {session}{left_out(result)}"


@outcome_sentence.register
def _unenrolled_users(arguments: UnenrollUsers, result: EnrolledUsers) -> str:
    session = label(arguments.session, result["session_id"])
    return f"Unenrolled {_users(arguments, result)} from session {session}{left_out(result)}"


@outcome_sentence.register
def _enrolled_groups(arguments: EnrollGroups, result: EnrolledGroups) -> str:
    groups = all_groups(arguments.groups or arguments.group_ids)
    return f"Enrolled {groups} in session {label(arguments.session, result['session_id'])}"


@outcome_sentence.register
def _unenrolled_groups(arguments: UnenrollGroups, result: EnrolledGroups) -> str:
    groups = all_groups(arguments.groups or arguments.group_ids)
    return f"Unenrolled {groups} from session {label(arguments.session, result['session_id'])}"


@outcome_sentence.register
def _replaced_audience(arguments: ReplacePathSessionAudience, result: ReplacedAudience) -> str:
    parts = [counted(result["users"], "user"), counted(result["groups"], "group")]
    if result["excluded_users"]:
        parts.append(counted(result["excluded_users"], "excluded user"))
    return f"Set the audience of session {label(arguments.session, result['session_id'])} to {listed(parts)}"


def _users(arguments: EnrollUsers | UnenrollUsers, result: EnrolledUsers) -> str:
    """Return the user or their number; of the users of bulk tasks, the arguments have only the first."""
    return first_or_number(arguments.users, result["users"])
