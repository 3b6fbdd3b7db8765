"""What the actions on users did."""

from __future__ import annotations

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
from airflow_provider_360learning.api.results import (
    ActivatedUser,
    AddedManager,
    CreatedUser,
    DeletedUser,
    EmailSubscription,
    ExternalIdOfUser,
    PasswordOfUser,
    ProfileImage,
    PseudonymizedUser,
    RemovedManager,
    UpdatedUser,
)
from airflow_provider_360learning.api.sentences.parts import (
    all_groups,
    changed,
    deletion,
    label,
    outcome_sentence,
    quoted,
)
from airflow_provider_360learning.api.text import one_line


@outcome_sentence.register
def _created_user(arguments: CreateUser, result: CreatedUser) -> str:
    user = label(result["mail"], result["user_id"])
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
    sentence = f"Updated {changed(arguments, {'user'})} of user {quoted(arguments.user)}"
    if result["outcome"] == "invited":
        return f"{sentence}; 360Learning invited {one_line(arguments.mail or '')}"
    return sentence


@outcome_sentence.register
def _deleted_user(arguments: DeleteUser, result: DeletedUser) -> str:
    return deletion("user", quoted(arguments.user), result["outcome"] == "deleted")


@outcome_sentence.register
def _activated_user(arguments: ActivateUser, result: ActivatedUser) -> str:
    user = _user(arguments.user, result["user_id"])
    return f"Activated user {user}" if result["outcome"] == "activated" else f"User {user} is active already; unchanged"


@outcome_sentence.register
def _set_password(arguments: SetPassword, result: PasswordOfUser) -> str:
    return f"Set the password of user {quoted(arguments.user)}"


@outcome_sentence.register
def _set_profile_image(arguments: SetProfileImage, result: ProfileImage) -> str:
    return f"Set the profile image of user {_user(arguments.user, result['user_id'])}"


@outcome_sentence.register
def _pseudonymized_user(arguments: PseudonymizeUser, result: PseudonymizedUser) -> str:
    user, outcome = _user(arguments.user, result["user_id"]), result["outcome"]
    if outcome == "not_found":
        return f"User {quoted(arguments.user)} does not exist; nothing to pseudonymize"
    return f"Would pseudonymize user {user}" if outcome == "would_pseudonymize" else f"Pseudonymized user {user}"


@outcome_sentence.register
def _added_manager(arguments: AddManager, result: AddedManager) -> str:
    return f"Added manager {quoted(arguments.manager)} to user {quoted(arguments.user)}"


@outcome_sentence.register
def _removed_manager(arguments: RemoveManager, result: RemovedManager) -> str:
    return f"Removed manager {quoted(arguments.manager)} from user {quoted(arguments.user)}"


@outcome_sentence.register
def _set_external_id(arguments: SetExternalId, result: ExternalIdOfUser) -> str:
    platform, external_id = quoted(arguments.external_platform), quoted(arguments.external_id)
    return f"Set the id of user {quoted(arguments.user)} in {platform} to {external_id}"


@outcome_sentence.register
def _subscribed(arguments: SubscribeToEmailNotifications, result: EmailSubscription) -> str:
    return f"Subscribed user {quoted(arguments.user)} to email notifications"


@outcome_sentence.register
def _unsubscribed(arguments: UnsubscribeFromEmailNotifications, result: EmailSubscription) -> str:
    return f"Unsubscribed user {quoted(arguments.user)} from email notifications"


def _user(user: str, user_id: str | None) -> str:
    """Return the email address or id of a user as it was given, and the id if it was not."""
    return label(user, None if user_id == user else user_id)


def _groups(arguments: CreateUser) -> str:
    """Return the groups that a user has joined, empty if there are none."""
    first = arguments.group or arguments.group_id
    groups = dict.fromkeys(filter(None, (first, *(arguments.other_groups or arguments.other_group_ids))))
    if not groups:
        return ""
    role = "" if arguments.role == "learner" else f" as {arguments.role}"
    return f"{all_groups(groups)}{role}"
