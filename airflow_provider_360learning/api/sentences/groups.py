"""What the actions on groups did."""

from __future__ import annotations

from airflow_provider_360learning.api.models.groups import (
    AddUserToGroup,
    CreateGroup,
    DeleteGroup,
    RemoveUserFromGroup,
    SetGroupBranding,
    UpdateGroup,
    UploadGroupMedia,
)
from airflow_provider_360learning.api.models.libraries import AddToLibrary, RemoveFromLibrary
from airflow_provider_360learning.api.results import (
    AddedToGroup,
    ChangedLibrary,
    CreatedGroup,
    DeletedGroup,
    GroupMedia,
    RemovedFromGroup,
    UpdatedGroup,
)
from airflow_provider_360learning.api.sentences.parts import (
    changed,
    contents,
    deletion,
    label,
    outcome_sentence,
    quoted,
)
from airflow_provider_360learning.api.text import counted, listed


@outcome_sentence.register
def _created_group(arguments: CreateGroup, result: CreatedGroup) -> str:
    group = label(result["name"], result["group_id"])
    if result["outcome"] == "already_exists":
        return f"Group {group} already exists; unchanged"
    if result["outcome"] == "updated":
        return f"Updated group {group}"
    parent = arguments.parent or arguments.parent_id
    return f"Created group {group}" + (f" in group {quoted(parent)}" if parent else "")


@outcome_sentence.register
def _updated_group(arguments: UpdateGroup, result: UpdatedGroup) -> str:
    fields = changed(arguments, {"group_id", "group"})
    return f"Updated {fields} of group {label(arguments.group, result['group_id'])}"


@outcome_sentence.register
def _set_branding(arguments: SetGroupBranding, result: UpdatedGroup) -> str:
    colors = changed(arguments, {"group_id", "group"})
    return f"Set {colors} of group {label(arguments.group, result['group_id'])}"


@outcome_sentence.register
def _uploaded_group_media(arguments: UploadGroupMedia, result: GroupMedia) -> str:
    kinds = changed(arguments, {"group_id", "group", "author"})
    return f"Uploaded {kinds} of group {label(arguments.group, result['group_id'])}"


@outcome_sentence.register
def _deleted_group(arguments: DeleteGroup, result: DeletedGroup) -> str:
    group = label(arguments.group, result["group_id"])
    if result["outcome"] == "would_delete":
        subgroups = [label(each["name"], each["group_id"]) for each in result.get("subgroups", ())]
        more = f" and {counted(len(subgroups), 'subgroup')}: {listed(subgroups)}" if subgroups else " without subgroups"
        return f"Would delete group {group}{more}"
    return deletion("group", group, result["outcome"] == "deleted", " and its subgroups")


@outcome_sentence.register
def _added_to_group(arguments: AddUserToGroup, result: AddedToGroup) -> str:
    group = label(arguments.group, result["group_id"])
    return f"Added user {quoted(arguments.user)} to group {group} as {arguments.role}"


@outcome_sentence.register
def _removed_from_group(arguments: RemoveUserFromGroup, result: RemovedFromGroup) -> str:
    user, group = quoted(arguments.user), label(arguments.group, result["group_id"])
    if arguments.role:
        return f"Removed role {arguments.role} of user {user} in group {group}"
    return f"Removed user {user} from group {group}"


@outcome_sentence.register
def _added_to_library(arguments: AddToLibrary, result: ChangedLibrary) -> str:
    return f"Added {contents(arguments)} to the library of group {label(arguments.group, result['group_id'])}"


@outcome_sentence.register
def _removed_from_library(arguments: RemoveFromLibrary, result: ChangedLibrary) -> str:
    return f"Removed {contents(arguments)} from the library of group {label(arguments.group, result['group_id'])}"
