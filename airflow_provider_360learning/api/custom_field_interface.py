"""The actions on custom fields, as a part of :class:`~.interface.LearningApi`."""

from __future__ import annotations

from typing import Protocol

from airflow_provider_360learning.api.actions import action
from airflow_provider_360learning.api.custom_field_results import (
    AuthorizedValues,
    CreatedCustomField,
    CustomFieldRecord,
    CustomFieldValues,
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
    GetAuthorizedValues,
    GetCourseCustomFields,
    GetPathSessionCustomFields,
    ListCustomFields,
    RemoveCourseCustomField,
    RemovePathSessionCustomField,
    RemoveUserCustomField,
    SetCourseCustomField,
    SetPathSessionCustomField,
    SetUserCustomField,
    UpdateCustomField,
)
from airflow_provider_360learning.api.types import ActionSteps


class CustomFieldApi(Protocol):
    """Custom fields, and their values of users, courses and path sessions."""

    @action(CreateCustomField)
    def create_custom_field(self, arguments: CreateCustomField) -> ActionSteps[CreatedCustomField]:
        """Create a custom field, unless one has this name."""
        ...

    @action(ListCustomFields)
    def list_custom_fields(self, arguments: ListCustomFields) -> ActionSteps[list[CustomFieldRecord]]:
        """Return custom fields."""
        ...

    @action(GetAuthorizedValues)
    def get_authorized_values(self, arguments: GetAuthorizedValues) -> ActionSteps[AuthorizedValues]:
        """Return the only values that a custom field may have."""
        ...

    @action(UpdateCustomField)
    def update_custom_field(self, arguments: UpdateCustomField) -> ActionSteps[UpdatedCustomField]:
        """Change the name or the authorized values of a custom field."""
        ...

    @action(DeleteCustomField)
    def delete_custom_field(self, arguments: DeleteCustomField) -> ActionSteps[DeletedCustomField]:
        """Delete a custom field and its values."""
        ...

    @action(SetUserCustomField)
    def set_user_custom_field(self, arguments: SetUserCustomField) -> ActionSteps[SetUserField]:
        """Set the value of a custom field of a user."""
        ...

    @action(RemoveUserCustomField)
    def remove_user_custom_field(self, arguments: RemoveUserCustomField) -> ActionSteps[RemovedUserField]:
        """Remove the value of a custom field of a user, if there is one."""
        ...

    @action(GetCourseCustomFields)
    def get_course_custom_fields(self, arguments: GetCourseCustomFields) -> ActionSteps[CustomFieldValues]:
        """Return the values of the custom fields of a course."""
        ...

    @action(SetCourseCustomField)
    def set_course_custom_field(self, arguments: SetCourseCustomField) -> ActionSteps[SetCourseField]:
        """Set the value of a custom field of a course."""
        ...

    @action(RemoveCourseCustomField)
    def remove_course_custom_field(self, arguments: RemoveCourseCustomField) -> ActionSteps[RemovedCourseField]:
        """Remove the value of a custom field of a course, if there is one."""
        ...

    @action(GetPathSessionCustomFields)
    def get_path_session_custom_fields(self, arguments: GetPathSessionCustomFields) -> ActionSteps[CustomFieldValues]:
        """Return the values of the custom fields of a path session."""
        ...

    @action(SetPathSessionCustomField)
    def set_path_session_custom_field(self, arguments: SetPathSessionCustomField) -> ActionSteps[SetSessionField]:
        """Set the value of a custom field of a path session."""
        ...

    @action(RemovePathSessionCustomField)
    def remove_path_session_custom_field(
        self, arguments: RemovePathSessionCustomField
    ) -> ActionSteps[RemovedSessionField]:
        """Remove the value of a custom field of a path session, if there is one."""
        ...
