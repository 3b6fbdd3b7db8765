"""What the actions on custom fields did."""

from __future__ import annotations

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
from airflow_provider_360learning.api.sentences.parts import changed, deletion, label, outcome_sentence, quoted


@outcome_sentence.register
def _created_custom_field(arguments: CreateCustomField, result: CreatedCustomField) -> str:
    field = label(result["name"], result["custom_field_id"])
    if result["outcome"] == "already_exists":
        return f"Custom field {field} of {arguments.target_type} already exists; unchanged"
    if result["outcome"] == "updated":
        return f"Updated authorized_values of custom field {field}"
    return f"Created custom field {field} of {arguments.target_type}"


@outcome_sentence.register
def _updated_custom_field(arguments: UpdateCustomField, result: UpdatedCustomField) -> str:
    fields = changed(arguments, {"custom_field_id", "custom_field"})
    return f"Updated {fields} of custom field {label(arguments.custom_field, result['custom_field_id'])}"


@outcome_sentence.register
def _deleted_custom_field(arguments: DeleteCustomField, result: DeletedCustomField) -> str:
    field = label(arguments.custom_field or result.get("name"), result["custom_field_id"])
    if result["outcome"] == "would_delete":
        return f"Would delete custom field {field} and its values"
    return deletion("custom field", field, result["outcome"] == "deleted", " and its values")


@outcome_sentence.register
def _set_user_field(arguments: SetUserCustomField, result: SetUserField) -> str:
    field = label(arguments.custom_field, result["custom_field_id"])
    return f"Set custom field {field} of user {quoted(arguments.user)}"


@outcome_sentence.register
def _removed_user_field(arguments: RemoveUserCustomField, result: RemovedUserField) -> str:
    field = label(arguments.custom_field, result["custom_field_id"])
    return f"Removed custom field {field} of user {quoted(arguments.user)}"


@outcome_sentence.register
def _set_course_field(arguments: SetCourseCustomField, result: SetCourseField) -> str:
    field = label(arguments.custom_field, result["custom_field_id"])
    return f"Set custom field {field} of course {label(arguments.course, result['course_id'])}"


@outcome_sentence.register
def _removed_course_field(arguments: RemoveCourseCustomField, result: RemovedCourseField) -> str:
    field = label(arguments.custom_field, result["custom_field_id"])
    return f"Removed custom field {field} of course {label(arguments.course, result['course_id'])}"


@outcome_sentence.register
def _set_session_field(arguments: SetPathSessionCustomField, result: SetSessionField) -> str:
    field = label(arguments.custom_field, result["custom_field_id"])
    return f"Set custom field {field} of session {label(arguments.session, result['session_id'])}"


@outcome_sentence.register
def _removed_session_field(arguments: RemovePathSessionCustomField, result: RemovedSessionField) -> str:
    field = label(arguments.custom_field, result["custom_field_id"])
    return f"Removed custom field {field} of session {label(arguments.session, result['session_id'])}"
