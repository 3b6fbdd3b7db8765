"""
What a write action did, in one sentence for the log.

Names are those of the arguments and of the result: no request is made for a sentence, and none contains a value that
may be a secret.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from functools import singledispatch
from typing import Any

from airflow_provider_360learning.api.certificate_results import (
    CreatedCertificateOutline,
    DeletedCertificateOutline,
    ImportedCertificate,
    UpdatedCertificateOutline,
    UpdatedCertificatePrivacy,
)
from airflow_provider_360learning.api.classroom_results import (
    ChangedWaitlist,
    CreatedAttendanceSheet,
    CreatedClassroom,
    CreatedClassroomSlot,
    DeletedAttendanceSheet,
    DeletedClassroomSlot,
    RecordedAttendance,
    RegisteredUsers,
    UpdatedAttendanceSheet,
    UpdatedClassroom,
    UpdatedClassroomSlot,
)
from airflow_provider_360learning.api.course_results import (
    ArchivedCourse,
    ChangedCatalog,
    ChangedCourseTags,
    ChangedPathTags,
    CreatedCourse,
    UpdatedCourse,
)
from airflow_provider_360learning.api.custom_field_results import (
    CreatedCustomField,
    DeletedCustomField,
    RemovedCourseField,
    RemovedSessionField,
    RemovedUserField,
    SetCourseField,
    SetSessionField,
    SetUserField,
    UpdatedCustomField,
)
from airflow_provider_360learning.api.models.base import ActionArguments
from airflow_provider_360learning.api.models.certificates import (
    CreateCertificateOutline,
    DeleteCertificateOutline,
    ImportUserCertificate,
    UpdateCertificateOutline,
    UpdateCertificatePrivacy,
)
from airflow_provider_360learning.api.models.classrooms import (
    AddToWaitlist,
    CreateAttendanceSheet,
    CreateClassroom,
    CreateClassroomSlot,
    DeleteAttendanceSheet,
    DeleteClassroomSlot,
    RegisterUsers,
    RemoveFromWaitlist,
    SetAttendance,
    UpdateAttendanceSheet,
    UpdateClassroom,
    UpdateClassroomSlot,
)
from airflow_provider_360learning.api.models.content_tags import (
    AddCourseTags,
    AddPathTags,
    ChangeCourseTags,
    ChangePathTags,
    RemoveCourseTags,
    RemovePathTags,
    ReplaceCourseTags,
    ReplacePathTags,
)
from airflow_provider_360learning.api.models.courses import (
    AddToCatalog,
    ArchiveCourse,
    ChangeCatalog,
    RemoveFromCatalog,
)
from airflow_provider_360learning.api.models.custom_fields import (
    CreateCustomField,
    DeleteCustomField,
    RemoveCourseCustomField,
    RemovePathSessionCustomField,
    RemoveUserCustomField,
    SetCourseCustomField,
    SetPathSessionCustomField,
    SetUserCustomField,
    UpdateCustomField,
)
from airflow_provider_360learning.api.models.custom_links import (
    CreateCustomLink,
    CreateCustomUserLink,
    DeleteCustomLink,
    DeleteCustomUserLink,
    UpdateCustomLink,
    UpdateCustomUserLink,
)
from airflow_provider_360learning.api.models.elearning import CreateElearningCourse, UpdateElearningCourse
from airflow_provider_360learning.api.models.external import ArchiveExternalCourses
from airflow_provider_360learning.api.models.groups import (
    AddUserToGroup,
    CreateGroup,
    DeleteGroup,
    RemoveUserFromGroup,
    SetGroupBranding,
    UpdateGroup,
    UploadGroupMedia,
)
from airflow_provider_360learning.api.models.integrations import (
    CreateIntegration,
    DeleteIntegration,
    UpdateIntegration,
)
from airflow_provider_360learning.api.models.libraries import AddToLibrary, ChangeLibrary, RemoveFromLibrary
from airflow_provider_360learning.api.models.paths import (
    ArchivePath,
    CreatePath,
    CreatePathSession,
    DeletePath,
    DeletePathSession,
    EnrollGroups,
    EnrollUsers,
    ReplacePathSessionAudience,
    UnenrollGroups,
    UnenrollUsers,
    UpdatePath,
    UpdatePathSession,
)
from airflow_provider_360learning.api.models.tags import CreateTag, DeleteTag, UpdateTag
from airflow_provider_360learning.api.models.users import (
    ActivateUser,
    AddManager,
    CreateUser,
    DeleteUser,
    PseudonymizeUser,
    RemoveManager,
    SetExternalId,
    SetPassword,
    SetProfileImage,
    SubscribeToEmailNotifications,
    UnsubscribeFromEmailNotifications,
    UpdateUser,
)
from airflow_provider_360learning.api.path_results import (
    ArchivedPath,
    CreatedPath,
    CreatedPathSession,
    DeletedPath,
    DeletedPathSession,
    EnrolledGroups,
    EnrolledUsers,
    ReplacedAudience,
    UpdatedPath,
    UpdatedPathSession,
)
from airflow_provider_360learning.api.results import (
    ActivatedUser,
    AddedManager,
    AddedToGroup,
    ArchivedCourses,
    ChangedLibrary,
    CreatedCustomLink,
    CreatedCustomUserLink,
    CreatedGroup,
    CreatedIntegration,
    CreatedTag,
    CreatedUser,
    DeletedCustomLink,
    DeletedCustomUserLink,
    DeletedGroup,
    DeletedIntegration,
    DeletedTag,
    DeletedUser,
    EmailSubscription,
    ExternalIdOfUser,
    GroupMedia,
    PasswordOfUser,
    ProfileImage,
    PseudonymizedUser,
    RemovedFromGroup,
    RemovedManager,
    UpdatedCustomLink,
    UpdatedCustomUserLink,
    UpdatedGroup,
    UpdatedIntegration,
    UpdatedTag,
    UpdatedUser,
)
from airflow_provider_360learning.api.text import counted, listed, one_line


# Any: the result is that of the action with these arguments.
@singledispatch
def outcome_sentence(arguments: ActionArguments, result: Any) -> str | None:
    """
    Return what an action did, ``None`` for actions that only read.

    :param arguments: Its arguments.
    :param result: Its result.
    """
    return None


@outcome_sentence.register
def _created_user(arguments: CreateUser, result: CreatedUser) -> str:
    user = _object(result["mail"], result["user_id"])
    outcome = result["outcome"]
    if outcome == "already_exists":
        return f"User {user} already exists; unchanged"
    if outcome == "already_invited":
        return f"User {user} has a pending invitation; unchanged"
    if outcome == "restored":
        return f"Restored the deleted user {user}"
    groups = _groups(arguments)
    if outcome == "invited":
        return f"Invited user {user}" + (f" to {groups}" if groups else "")
    if outcome == "updated":
        return f"Updated user {user}" + (f" and added to {groups}" if groups else "")
    return f"Created user {user}" + (f" in {groups}" if groups else "")


@outcome_sentence.register
def _updated_user(arguments: UpdateUser, result: UpdatedUser) -> str:
    sentence = f"Updated {_fields(arguments, {'user'})} of user {_name(arguments.user)}"
    if result["outcome"] == "invited":
        return f"{sentence}; 360Learning invited {one_line(arguments.mail or '')}"
    return sentence


@outcome_sentence.register
def _deleted_user(arguments: DeleteUser, result: DeletedUser) -> str:
    return _deleted("user", _name(arguments.user), result["outcome"] == "deleted")


@outcome_sentence.register
def _activated_user(arguments: ActivateUser, result: ActivatedUser) -> str:
    user = _user(arguments.user, result["user_id"])
    return f"Activated user {user}" if result["outcome"] == "activated" else f"User {user} is active already; unchanged"


@outcome_sentence.register
def _set_password(arguments: SetPassword, result: PasswordOfUser) -> str:
    return f"Set the password of user {_name(arguments.user)}"


@outcome_sentence.register
def _set_profile_image(arguments: SetProfileImage, result: ProfileImage) -> str:
    return f"Set the profile image of user {_user(arguments.user, result['user_id'])}"


@outcome_sentence.register
def _pseudonymized_user(arguments: PseudonymizeUser, result: PseudonymizedUser) -> str:
    user, outcome = _user(arguments.user, result["user_id"]), result["outcome"]
    if outcome == "not_found":
        return f"User {_name(arguments.user)} does not exist; nothing to pseudonymize"
    return f"Would pseudonymize user {user}" if outcome == "would_pseudonymize" else f"Pseudonymized user {user}"


@outcome_sentence.register
def _added_manager(arguments: AddManager, result: AddedManager) -> str:
    return f"Added manager {_name(arguments.manager)} to user {_name(arguments.user)}"


@outcome_sentence.register
def _removed_manager(arguments: RemoveManager, result: RemovedManager) -> str:
    return f"Removed manager {_name(arguments.manager)} from user {_name(arguments.user)}"


@outcome_sentence.register
def _set_external_id(arguments: SetExternalId, result: ExternalIdOfUser) -> str:
    platform, external_id = _name(arguments.external_platform), _name(arguments.external_id)
    return f"Set the id of user {_name(arguments.user)} in {platform} to {external_id}"


@outcome_sentence.register
def _subscribed(arguments: SubscribeToEmailNotifications, result: EmailSubscription) -> str:
    return f"Subscribed user {_name(arguments.user)} to email notifications"


@outcome_sentence.register
def _unsubscribed(arguments: UnsubscribeFromEmailNotifications, result: EmailSubscription) -> str:
    return f"Unsubscribed user {_name(arguments.user)} from email notifications"


@outcome_sentence.register
def _created_group(arguments: CreateGroup, result: CreatedGroup) -> str:
    group = _object(result["name"], result["group_id"])
    if result["outcome"] == "already_exists":
        return f"Group {group} already exists; unchanged"
    if result["outcome"] == "updated":
        return f"Updated group {group}"
    parent = arguments.parent or arguments.parent_id
    return f"Created group {group}" + (f" in group {_name(parent)}" if parent else "")


@outcome_sentence.register
def _updated_group(arguments: UpdateGroup, result: UpdatedGroup) -> str:
    fields = _fields(arguments, {"group_id", "group"})
    return f"Updated {fields} of group {_object(arguments.group, result['group_id'])}"


@outcome_sentence.register
def _set_branding(arguments: SetGroupBranding, result: UpdatedGroup) -> str:
    colors = _fields(arguments, {"group_id", "group"})
    return f"Set {colors} of group {_object(arguments.group, result['group_id'])}"


@outcome_sentence.register
def _uploaded_group_media(arguments: UploadGroupMedia, result: GroupMedia) -> str:
    kinds = _fields(arguments, {"group_id", "group", "author"})
    return f"Uploaded {kinds} of group {_object(arguments.group, result['group_id'])}"


@outcome_sentence.register
def _deleted_group(arguments: DeleteGroup, result: DeletedGroup) -> str:
    group = _object(arguments.group, result["group_id"])
    if result["outcome"] == "would_delete":
        subgroups = [_object(each["name"], each["group_id"]) for each in result.get("subgroups", ())]
        more = f" and {counted(len(subgroups), 'subgroup')}: {listed(subgroups)}" if subgroups else " without subgroups"
        return f"Would delete group {group}{more}"
    return _deleted("group", group, result["outcome"] == "deleted", " and its subgroups")


@outcome_sentence.register
def _added_to_group(arguments: AddUserToGroup, result: AddedToGroup) -> str:
    group = _object(arguments.group, result["group_id"])
    return f"Added user {_name(arguments.user)} to group {group} as {arguments.role}"


@outcome_sentence.register
def _removed_from_group(arguments: RemoveUserFromGroup, result: RemovedFromGroup) -> str:
    user, group = _name(arguments.user), _object(arguments.group, result["group_id"])
    if arguments.role:
        return f"Removed role {arguments.role} of user {user} in group {group}"
    return f"Removed user {user} from group {group}"


@outcome_sentence.register
def _archived_course(arguments: ArchiveCourse, result: ArchivedCourse) -> str:
    course = _object(arguments.course or result["name"], result["course_id"])
    return f"{result['outcome'].replace('_', ' ').capitalize()} course {course}"


@outcome_sentence.register
def _created_course(arguments: CreateElearningCourse, result: CreatedCourse) -> str:
    course = _object(result["name"], result["course_id"])
    if result["outcome"] == "already_exists":
        return f"Course {course} already exists; unchanged"
    return f"{result['outcome'].capitalize()} course {course}"


@outcome_sentence.register
def _updated_course(arguments: UpdateElearningCourse, result: UpdatedCourse) -> str:
    fields = _fields(arguments, {"course_id", "course"})
    return f"Updated {fields} of course {_object(arguments.course, result['course_id'])}"


@outcome_sentence.register(AddCourseTags)
@outcome_sentence.register(RemoveCourseTags)
@outcome_sentence.register(ReplaceCourseTags)
def _changed_course_tags(
    arguments: AddCourseTags | RemoveCourseTags | ReplaceCourseTags, result: ChangedCourseTags
) -> str:
    return _changed_tags(arguments, result, f"course {_object(arguments.course, result['course_id'])}")


@outcome_sentence.register(AddPathTags)
@outcome_sentence.register(RemovePathTags)
@outcome_sentence.register(ReplacePathTags)
def _changed_path_tags(arguments: AddPathTags | RemovePathTags | ReplacePathTags, result: ChangedPathTags) -> str:
    return _changed_tags(arguments, result, f"path {_object(arguments.path, result['path_id'])}")


@outcome_sentence.register
def _added_to_catalog(arguments: AddToCatalog, result: ChangedCatalog) -> str:
    return f"Added {_items(arguments)} to the catalog of group {_object(arguments.group, result['group_id'])}"


@outcome_sentence.register
def _removed_from_catalog(arguments: RemoveFromCatalog, result: ChangedCatalog) -> str:
    return f"Removed {_items(arguments)} from the catalog of group {_object(arguments.group, result['group_id'])}"


@outcome_sentence.register
def _added_to_library(arguments: AddToLibrary, result: ChangedLibrary) -> str:
    return f"Added {_items(arguments)} to the library of group {_object(arguments.group, result['group_id'])}"


@outcome_sentence.register
def _removed_from_library(arguments: RemoveFromLibrary, result: ChangedLibrary) -> str:
    return f"Removed {_items(arguments)} from the library of group {_object(arguments.group, result['group_id'])}"


@outcome_sentence.register
def _created_path(arguments: CreatePath, result: CreatedPath) -> str:
    path = _object(result["name"], result["path_id"])
    if result["outcome"] == "already_exists":
        return f"Path {path} already exists; unchanged"
    if result["outcome"] == "updated":
        return f"Updated path {path}"
    return f"Created path {path} of group {_name(arguments.group or arguments.group_id)}"


@outcome_sentence.register
def _updated_path(arguments: UpdatePath, result: UpdatedPath) -> str:
    return f"Updated {_fields(arguments, {'path_id', 'path'})} of path {_object(arguments.path, result['path_id'])}"


@outcome_sentence.register
def _archived_path(arguments: ArchivePath, result: ArchivedPath) -> str:
    path = _object(arguments.path or result["name"], result["path_id"])
    return f"{result['outcome'].replace('_', ' ').capitalize()} path {path}"


@outcome_sentence.register
def _deleted_path(arguments: DeletePath, result: DeletedPath) -> str:
    path = _object(arguments.path or result["name"], result["path_id"])
    if result["outcome"] == "would_delete":
        sessions = result["sessions"] or []
        named = f": {listed([_name(each) for each in sessions])}" if sessions else ""
        return f"Would delete path {path} and {counted(len(sessions), 'session')}{named}"
    return _deleted("path", path, result["outcome"] == "deleted", " and its sessions")


@outcome_sentence.register
def _created_session(arguments: CreatePathSession, result: CreatedPathSession) -> str:
    session = f"{_object(result['name'], result['session_id'])} of path {_object(arguments.path, result['path_id'])}"
    if result["outcome"] == "already_exists":
        return f"Session {session} already exists; unchanged"
    return f"Created session {session}"


@outcome_sentence.register
def _updated_session(arguments: UpdatePathSession, result: UpdatedPathSession) -> str:
    fields = _fields(arguments, {"session_id", "session", "path_id", "path"})
    sentence = f"Updated {fields} of session {_object(arguments.session, result['session_id'])}"
    return f"{sentence}; API v1 has reset {listed(result['reset'])}" if result["reset"] else sentence


@outcome_sentence.register
def _deleted_session(arguments: DeletePathSession, result: DeletedPathSession) -> str:
    session = _object(arguments.session or result["name"], result["session_id"])
    if result["outcome"] == "would_delete":
        return f"Would delete session {session} with the enrollments of {counted(result['learners'] or 0, 'learner')}"
    return _deleted("session", session, result["outcome"] == "deleted", " and its enrollments")


@outcome_sentence.register
def _enrolled_users(arguments: EnrollUsers, result: EnrolledUsers) -> str:
    session = _object(arguments.session, result["session_id"])
    return f"Enrolled {_users(arguments, result)} in session {session}{_left_out(result)}"


@outcome_sentence.register
def _unenrolled_users(arguments: UnenrollUsers, result: EnrolledUsers) -> str:
    session = _object(arguments.session, result["session_id"])
    return f"Unenrolled {_users(arguments, result)} from session {session}{_left_out(result)}"


@outcome_sentence.register
def _enrolled_groups(arguments: EnrollGroups, result: EnrolledGroups) -> str:
    groups = _all_groups(arguments.groups or arguments.group_ids)
    return f"Enrolled {groups} in session {_object(arguments.session, result['session_id'])}"


@outcome_sentence.register
def _created_classroom(arguments: CreateClassroom, result: CreatedClassroom) -> str:
    classroom = _object(result["name"], result["classroom_id"])
    if result["outcome"] == "already_exists":
        return f"Classroom {classroom} already exists; unchanged"
    if result["outcome"] == "updated":
        return f"Updated classroom {classroom}"
    return f"Created classroom {classroom} in group {_name(arguments.group or arguments.group_id)}"


@outcome_sentence.register
def _updated_classroom(arguments: UpdateClassroom, result: UpdatedClassroom) -> str:
    fields = _fields(arguments, {"classroom_id", "classroom"})
    return f"Updated {fields} of classroom {_object(arguments.classroom, result['classroom_id'])}"


@outcome_sentence.register
def _created_slot(arguments: CreateClassroomSlot, result: CreatedClassroomSlot) -> str:
    classroom = _object(arguments.classroom, result["classroom_id"])
    slot = f"{_object(result['name'], result['slot_id'])} of classroom {classroom}"
    if result["outcome"] == "already_exists":
        return f"Slot {slot} already exists; unchanged"
    return f"Created slot {slot} in session {_object(arguments.session, result['session_id'])}"


@outcome_sentence.register
def _updated_slot(arguments: UpdateClassroomSlot, result: UpdatedClassroomSlot) -> str:
    fields = _fields(arguments, {"slot_id", "classroom_id", "classroom", "message", "notify"})
    return f"Updated {fields} of slot {result['slot_id']}"


@outcome_sentence.register
def _deleted_slot(arguments: DeleteClassroomSlot, result: DeletedClassroomSlot) -> str:
    slot = _object(result["name"], result["slot_id"])
    if result["outcome"] == "would_delete":
        return f"Would delete slot {slot} with {counted(result['registrations'] or 0, 'registration')}"
    return _deleted("slot", slot, result["outcome"] == "deleted", " and its registrations")


@outcome_sentence.register
def _recorded_attendance(arguments: SetAttendance, result: RecordedAttendance) -> str:
    presence = "present" if result["attended"] else "absent"
    users = _first_or_number(arguments.users, result["users"])
    return f"Recorded {users} as {presence} in slot {result['slot_id']}{_left_out(result)}"


@outcome_sentence.register
def _registered_users(arguments: RegisterUsers, result: RegisteredUsers) -> str:
    users = _first_or_number(arguments.users, result["users"])
    return f"Registered {users} for slot {result['slot_id']}{_left_out(result)}"


@outcome_sentence.register
def _added_to_waitlist(arguments: AddToWaitlist, result: ChangedWaitlist) -> str:
    users = _first_or_number(arguments.users, result["users"])
    return f"Added {users} to the waitlist of slot {result['slot_id']}{_left_out(result)}"


@outcome_sentence.register
def _removed_from_waitlist(arguments: RemoveFromWaitlist, result: ChangedWaitlist) -> str:
    users = _first_or_number(arguments.users, result["users"])
    return f"Removed {users} from the waitlist of slot {result['slot_id']}{_left_out(result)}"


@outcome_sentence.register
def _created_sheet(arguments: CreateAttendanceSheet, result: CreatedAttendanceSheet) -> str:
    sheet = _object(result["name"], result["sheet_id"])
    if result["outcome"] == "already_exists":
        return f"Attendance sheet {sheet} already exists; unchanged"
    return f"Created attendance sheet {sheet} of slot {one_line(arguments.slot_id)}"


@outcome_sentence.register
def _updated_sheet(arguments: UpdateAttendanceSheet, result: UpdatedAttendanceSheet) -> str:
    return f"Renamed attendance sheet {result['sheet_id']} to {_name(arguments.name)}"


@outcome_sentence.register
def _deleted_sheet(arguments: DeleteAttendanceSheet, result: DeletedAttendanceSheet) -> str:
    sheet = _object(result["name"], result["sheet_id"])
    if result["outcome"] == "would_delete":
        return f"Would delete attendance sheet {sheet}"
    return _deleted("attendance sheet", sheet, result["outcome"] == "deleted", " and the signatures on it")


@outcome_sentence.register
def _imported_certificate(arguments: ImportUserCertificate, result: ImportedCertificate) -> str:
    certificate = f"{_object(arguments.title, result['certificate_id'])} of user {_name(arguments.user)}"
    if result["outcome"] == "already_exists":
        return f"Certificate {certificate} already exists; unchanged"
    return f"Imported certificate {certificate}"


@outcome_sentence.register
def _updated_privacy(arguments: UpdateCertificatePrivacy, result: UpdatedCertificatePrivacy) -> str:
    access = "public" if arguments.public else "private"
    return f"Made {counted(result['certificates'], 'certificate')} of user {_name(arguments.user)} {access}"


@outcome_sentence.register
def _created_outline(arguments: CreateCertificateOutline, result: CreatedCertificateOutline) -> str:
    outline = _object(result["title"], result["certificate_outline_id"])
    if result["outcome"] == "already_exists":
        return f"Certificate outline {outline} already exists; unchanged"
    if result["outcome"] == "updated":
        return f"Updated certificate outline {outline}"
    return f"Created certificate outline {outline} in group {_object(arguments.group, arguments.group_id)}"


@outcome_sentence.register
def _updated_outline(arguments: UpdateCertificateOutline, result: UpdatedCertificateOutline) -> str:
    fields = _fields(arguments, {"certificate_outline_id", "certificate_outline"})
    outline = _object(arguments.certificate_outline, result["certificate_outline_id"])
    return f"Updated {fields} of certificate outline {outline}"


@outcome_sentence.register
def _deleted_outline(arguments: DeleteCertificateOutline, result: DeletedCertificateOutline) -> str:
    outline = _object(arguments.certificate_outline, result["certificate_outline_id"])
    return _deleted("certificate outline", outline, result["outcome"] == "deleted")


@outcome_sentence.register
def _created_custom_field(arguments: CreateCustomField, result: CreatedCustomField) -> str:
    field = _object(result["name"], result["custom_field_id"])
    if result["outcome"] == "already_exists":
        return f"Custom field {field} of {arguments.target_type} already exists; unchanged"
    if result["outcome"] == "updated":
        return f"Updated authorized_values of custom field {field}"
    return f"Created custom field {field} of {arguments.target_type}"


@outcome_sentence.register
def _updated_custom_field(arguments: UpdateCustomField, result: UpdatedCustomField) -> str:
    fields = _fields(arguments, {"custom_field_id", "custom_field"})
    return f"Updated {fields} of custom field {_object(arguments.custom_field, result['custom_field_id'])}"


@outcome_sentence.register
def _deleted_custom_field(arguments: DeleteCustomField, result: DeletedCustomField) -> str:
    field = _object(arguments.custom_field or result.get("name"), result["custom_field_id"])
    if result["outcome"] == "would_delete":
        return f"Would delete custom field {field} and its values"
    return _deleted("custom field", field, result["outcome"] == "deleted", " and its values")


@outcome_sentence.register
def _set_user_field(arguments: SetUserCustomField, result: SetUserField) -> str:
    field = _object(arguments.custom_field, result["custom_field_id"])
    return f"Set custom field {field} of user {_name(arguments.user)}"


@outcome_sentence.register
def _removed_user_field(arguments: RemoveUserCustomField, result: RemovedUserField) -> str:
    field = _object(arguments.custom_field, result["custom_field_id"])
    return f"Removed custom field {field} of user {_name(arguments.user)}"


@outcome_sentence.register
def _set_course_field(arguments: SetCourseCustomField, result: SetCourseField) -> str:
    field = _object(arguments.custom_field, result["custom_field_id"])
    return f"Set custom field {field} of course {_object(arguments.course, result['course_id'])}"


@outcome_sentence.register
def _removed_course_field(arguments: RemoveCourseCustomField, result: RemovedCourseField) -> str:
    field = _object(arguments.custom_field, result["custom_field_id"])
    return f"Removed custom field {field} of course {_object(arguments.course, result['course_id'])}"


@outcome_sentence.register
def _set_session_field(arguments: SetPathSessionCustomField, result: SetSessionField) -> str:
    field = _object(arguments.custom_field, result["custom_field_id"])
    return f"Set custom field {field} of session {_object(arguments.session, result['session_id'])}"


@outcome_sentence.register
def _removed_session_field(arguments: RemovePathSessionCustomField, result: RemovedSessionField) -> str:
    field = _object(arguments.custom_field, result["custom_field_id"])
    return f"Removed custom field {field} of session {_object(arguments.session, result['session_id'])}"


@outcome_sentence.register
def _archived_external_courses(arguments: ArchiveExternalCourses, result: ArchivedCourses) -> str:
    library = f"{_name(arguments.external_platform)} in group {_name(arguments.group or arguments.group_id)}"
    courses = f"{counted(result['courses'], 'course')} of {library}"
    if result["outcome"] == "archived":
        return f"Archived {courses}"
    missing = result.get("missing")
    return f"Would archive {courses}" + (f"; not found: {listed(missing)}" if missing else "")


@outcome_sentence.register
def _created_integration(arguments: CreateIntegration, result: CreatedIntegration) -> str:
    group = _name(arguments.group or arguments.group_id)
    integration = f"{_name(result['integration_id'])} of group {group} with {_name(arguments.external_platform)}"
    return _created("integration", integration, result["outcome"])


@outcome_sentence.register
def _updated_integration(arguments: UpdateIntegration, result: UpdatedIntegration) -> str:
    return f"Updated {_fields(arguments, {'integration_id'})} of integration {_name(result['integration_id'])}"


@outcome_sentence.register
def _deleted_integration(arguments: DeleteIntegration, result: DeletedIntegration) -> str:
    integration = _name(result["integration_id"])
    if found := result.get("integration"):
        group, platform = (_name(found[key] or "unknown") for key in ("group_id", "external_platform"))
        return f"Would delete integration {integration} of group {group} with {platform}, and archive its courses"
    return _deleted("integration", integration, result["outcome"] == "deleted", " and archived its courses")


@outcome_sentence.register
def _created_tag(arguments: CreateTag, result: CreatedTag) -> str:
    return _created("tag", _object(result["name"], result["tag_id"]), result["outcome"])


@outcome_sentence.register
def _updated_tag(arguments: UpdateTag, result: UpdatedTag) -> str:
    return f"Updated {_fields(arguments, {'tag_id', 'tag'})} of tag {_object(arguments.tag, result['tag_id'])}"


@outcome_sentence.register
def _deleted_tag(arguments: DeleteTag, result: DeletedTag) -> str:
    return _deleted("tag", _object(arguments.tag, result["tag_id"]), result["outcome"] == "deleted")


@outcome_sentence.register
def _created_custom_link(arguments: CreateCustomLink, result: CreatedCustomLink) -> str:
    return _created("custom link", _object(result["type"], result["custom_link_id"]), result["outcome"])


@outcome_sentence.register
def _updated_custom_link(arguments: UpdateCustomLink, result: UpdatedCustomLink) -> str:
    return f"Updated {_fields(arguments, {'type'})} of custom link {_name(arguments.type)}"


@outcome_sentence.register
def _deleted_custom_link(arguments: DeleteCustomLink, result: DeletedCustomLink) -> str:
    return _deleted("custom link", _name(result["type"]), result["outcome"] == "deleted", " and its URLs of users")


@outcome_sentence.register
def _created_custom_user_link(arguments: CreateCustomUserLink, result: CreatedCustomUserLink) -> str:
    return _created("URL", _url_of(arguments), result["outcome"])


@outcome_sentence.register
def _updated_custom_user_link(arguments: UpdateCustomUserLink, result: UpdatedCustomUserLink) -> str:
    moved = f"; it belongs to {_name(arguments.new_type)} now" if arguments.new_type else ""
    return f"Updated URL {_url_of(arguments)}{moved}"


@outcome_sentence.register
def _deleted_custom_user_link(arguments: DeleteCustomUserLink, result: DeletedCustomUserLink) -> str:
    return _deleted("URL", _url_of(arguments), result["outcome"] == "deleted")


@outcome_sentence.register
def _unenrolled_groups(arguments: UnenrollGroups, result: EnrolledGroups) -> str:
    groups = _all_groups(arguments.groups or arguments.group_ids)
    return f"Unenrolled {groups} from session {_object(arguments.session, result['session_id'])}"


@outcome_sentence.register
def _replaced_audience(arguments: ReplacePathSessionAudience, result: ReplacedAudience) -> str:
    parts = [counted(result["users"], "user"), counted(result["groups"], "group")]
    if result["excluded_users"]:
        parts.append(counted(result["excluded_users"], "excluded user"))
    return f"Set the audience of session {_object(arguments.session, result['session_id'])} to {listed(parts)}"


# Parts of sentences


def _name(text: str) -> str:
    """Return a name, in quotes if it has several words."""
    name = one_line(text)
    return f'"{name}"' if " " in name else name


def _object(name: str | None, id: str | None) -> str:
    """Return the name of an object, if it is known, and its id."""
    if name is None:
        return one_line(str(id))
    return _name(name) if id is None else f"{_name(name)} ({one_line(id)})"


def _url_of(arguments: CreateCustomUserLink | UpdateCustomUserLink | DeleteCustomUserLink) -> str:
    """Return which URL it is, without the URL itself: it may have a secret of its user."""
    return f"of custom link {_name(arguments.type)} of user {_name(arguments.user)}"


def _created(kind: str, name: str, outcome: str) -> str:
    if outcome == "already_exists":
        return f"{_capitalized(kind)} {name} already exists; unchanged"
    return f"{outcome.capitalize()} {kind} {name}"


def _capitalized(kind: str) -> str:
    return kind[:1].upper() + kind[1:]


def _user(user: str, user_id: str | None) -> str:
    """Return the email address or id of a user as it was given, and the id if it was not."""
    return _object(user, None if user_id == user else user_id)


def _deleted(kind: str, name: str, existed: bool, more: str = "") -> str:
    if existed:
        return f"Deleted {kind} {name}{more}"
    return f"{_capitalized(kind)} {name} does not exist; nothing to delete"


def _fields(arguments: ActionArguments, subject: Collection[str]) -> str:
    """Return the names of the fields that were changed, never their values."""
    return listed([name for name in arguments.given() if name not in subject])


def _groups(arguments: CreateUser) -> str:
    """Return the groups that a user has joined, empty if there are none."""
    first = arguments.group or arguments.group_id
    groups = dict.fromkeys(filter(None, (first, *(arguments.other_groups or arguments.other_group_ids))))
    if not groups:
        return ""
    role = "" if arguments.role == "learner" else f" as {arguments.role}"
    return f"{_all_groups(groups)}{role}"


def _all_groups(names: Iterable[str]) -> str:
    groups = [_name(name) for name in names]
    return f"group {groups[0]}" if len(groups) == 1 else f"groups {listed(groups)}"


def _changed_tags(
    arguments: ChangeCourseTags | ChangePathTags | ReplaceCourseTags | ReplacePathTags,
    result: ChangedCourseTags | ChangedPathTags,
    subject: str,
) -> str:
    names = [_name(tag) for tag in arguments.tags or arguments.tag_ids]
    tags = f"tag {names[0]}" if len(names) == 1 else f"tags {listed(names)}"
    if result["outcome"] == "replaced":
        return f"Replaced the tags of {subject} with {tags}" if names else f"Removed all tags of {subject}"
    return f"{result['outcome'].capitalize()} {tags} {'to' if result['outcome'] == 'added' else 'from'} {subject}"


def _users(arguments: EnrollUsers | UnenrollUsers, result: EnrolledUsers) -> str:
    """Return the user or their number; of the users of bulk tasks, the arguments have only the first."""
    return _first_or_number(arguments.users, result["users"])


def _first_or_number(users: Sequence[str], number: int) -> str:
    """Return the only one of some users, or their number."""
    return f"user {_name(users[0])}" if number == 1 else counted(number, "user")


def _left_out(result: EnrolledUsers | RecordedAttendance | RegisteredUsers | ChangedWaitlist) -> str:
    pending = result.get("pending_invitations")
    return f"; {counted(pending, 'invitation')} not accepted yet" if pending else ""


def _items(arguments: ChangeCatalog | ChangeLibrary) -> str:
    numbers = {"course": len(arguments.courses or arguments.course_ids)}
    if isinstance(arguments, ChangeLibrary):
        numbers["path"] = len(arguments.paths or arguments.path_ids)
    else:
        numbers["session"] = len(arguments.sessions or arguments.session_ids)
    return " and ".join(counted(number, noun) for noun, number in numbers.items() if number)
