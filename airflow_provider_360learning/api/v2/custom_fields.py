"""Custom fields of API v2, and their values."""

from __future__ import annotations

from collections.abc import Sequence

from airflow_provider_360learning.api.actions import WriteSpec, action, confirm_by_lookup
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
from airflow_provider_360learning.api.custom_fields import deletion_of, existing_field, field_named, field_with_id
from airflow_provider_360learning.api.fields import first_string, string
from airflow_provider_360learning.api.models.custom_fields import (
    ChangePathSessionCustomField,
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
from airflow_provider_360learning.api.models.parsers import normalized
from airflow_provider_360learning.api.pages import all_items
from airflow_provider_360learning.api.types import ActionSteps, Call
from airflow_provider_360learning.api.v2.custom_values import (
    CustomValues,
    Target,
    values_of_course,
    values_of_session,
    values_of_user,
)
from airflow_provider_360learning.exceptions import AlreadyExistsError, NotFoundError, OutcomeUnknownError


def _writes_of_creation(arguments: CreateCustomField) -> int:
    return 2 if arguments.authorized_values else 1


def _writes_of_update(arguments: UpdateCustomField) -> int:
    return (arguments.name is not None) + (arguments.authorized_values is not None)


class CustomFieldActions(CustomValues):
    """Create, read, change and delete custom fields, and set and remove their values."""

    @action(
        CreateCustomField,
        write=WriteSpec(
            "createCustomField", key=("name", "target_type"), makes="custom_field_id", writes=_writes_of_creation
        ),
    )
    def create_custom_field(self, arguments: CreateCustomField) -> ActionSteps[CreatedCustomField]:
        """
        Create a custom field (``createCustomField``, ``replaceAuthorizedValues``), unless one has this name.

        The authorized values are set by a second request: if the first attempt was killed in between, the custom field
        exists and may have any value; ``if_exists="update"`` sets them.

        :return: ``outcome`` is ``created``, ``already_exists`` or ``updated``.
        :raises AlreadyExistsError: with ``if_exists="fail"``, if the custom field exists.
        :raises RefusedError: if it exists with another type, and if the company can have no more custom fields or none
            of this target.
        :raises OutcomeUnknownError: if the outcome is unknown, and the custom field is not listed (yet) or the listing
            fails.
        """
        found = yield from self._find_field(arguments)
        if found is not None:
            return (yield from existing_field(arguments, found, self.update_custom_field))
        name = arguments.name
        body = {"name": name, "targetType": arguments.target_type, "type": arguments.type}
        try:
            field_id = first_string((yield Call("createCustomField", body=body)), "_id")
        except OutcomeUnknownError as unknown:
            field_id = yield from confirm_by_lookup(unknown, self._find_field_id(arguments))
        if arguments.authorized_values:
            yield _authorize(field_id, arguments.authorized_values)
        return {"custom_field_id": field_id, "name": name, "outcome": "created"}

    @action(ListCustomFields)
    def list_custom_fields(self, arguments: ListCustomFields) -> ActionSteps[list[CustomFieldRecord]]:
        """Return custom fields (``getCustomFields``)."""
        items = yield from all_items(Call("getCustomFields", query={"targetType[eq]": arguments.target_type}))
        return [
            {
                "custom_field_id": string(item, "_id"),
                "name": string(item, "name"),
                "target_type": string(item, "targetType"),
                "type": string(item, "type"),
            }
            for item in items
        ]

    @action(GetAuthorizedValues)
    def get_authorized_values(self, arguments: GetAuthorizedValues) -> ActionSteps[AuthorizedValues]:
        """
        Return the only values that a custom field may have (``getAuthorizedValues``).

        :raises NotFoundError: if the custom field does not exist.
        """
        field_id = arguments.custom_field_id
        values = yield Call("getAuthorizedValues", path={"customFieldId": field_id})
        return {"custom_field_id": field_id, "authorized_values": list(values)}

    @action(UpdateCustomField, write=WriteSpec("updateCustomField", key=("custom_field_id",), writes=_writes_of_update))
    def update_custom_field(self, arguments: UpdateCustomField) -> ActionSteps[UpdatedCustomField]:
        """
        Change a custom field (``updateCustomField``, ``replaceAuthorizedValues``); the type stays.

        A new name that the custom field has already is not an error.

        :raises NotFoundError: if the custom field does not exist.
        :raises AlreadyExistsError: if another custom field has the new name.
        :raises InvalidRequestError: if a value in use is not among the new authorized values
            (``customFieldValuesConflict``), or if one of them is not of the custom field's type.
        """
        field_id = arguments.custom_field_id
        if arguments.name is not None:
            yield from self._rename(field_id, arguments.name)
        if arguments.authorized_values is not None:
            yield _authorize(field_id, arguments.authorized_values)
        return {"custom_field_id": field_id, "outcome": "updated"}

    @action(DeleteCustomField, write=WriteSpec("deleteCustomField", key=("custom_field_id",)))
    def delete_custom_field(self, arguments: DeleteCustomField) -> ActionSteps[DeletedCustomField]:
        """
        Delete a custom field **and its values** (``deleteCustomField``).

        The values of all users, or of all courses and path sessions, are lost. ``dry_run`` returns its name
        (``getCustomFields``).

        :raises NotFoundError: with ``if_missing="fail"``, if the custom field does not exist.
        """
        field_id = arguments.custom_field_id
        if arguments.dry_run:
            return deletion_of(arguments, (yield from self.list_custom_fields.steps()))
        try:
            yield Call("deleteCustomField", path={"customFieldId": field_id})
        except NotFoundError as error:
            if error.after_unknown_outcome:
                return {"custom_field_id": field_id, "outcome": "deleted"}
            if arguments.if_missing == "fail":
                raise
            return {"custom_field_id": field_id, "outcome": "not_found"}
        return {"custom_field_id": field_id, "outcome": "deleted"}

    @action(SetUserCustomField, write=WriteSpec("updateUserCustomFieldValues", key=("user", "custom_field_id")))
    def set_user_custom_field(self, arguments: SetUserCustomField) -> ActionSteps[SetUserField]:
        """
        Set the value of a custom field of a user (``updateUserCustomFieldValues``).

        All values are read, merged and written, while no other task that uses the same rate limiter store does so.

        :raises NotFoundError: if the user or the custom field does not exist.
        :raises InvalidRequestError: if the value is not of the custom field's type, or not among its authorized values.
        """
        user, field_id = arguments.user, arguments.custom_field_id
        user_id = yield from self.user_id_of(user)
        yield from self.set_values(values_of_user(user_id), {field_id: arguments.value}, "value")
        return {"user": user, "custom_field_id": field_id, "outcome": "set"}

    @action(RemoveUserCustomField, write=WriteSpec("updateUserCustomFieldValues", key=("user", "custom_field_id")))
    def remove_user_custom_field(self, arguments: RemoveUserCustomField) -> ActionSteps[RemovedUserField]:
        """
        Remove the value of a custom field of a user (``updateUserCustomFieldValues``), if there is one.

        All other values are read and written. That 360Learning removes the one that is left out is verified.

        :raises NotFoundError: if the user or the custom field does not exist.
        :raises RefusedError: if 360Learning keeps the value.
        """
        user, field_id = arguments.user, arguments.custom_field_id
        user_id = yield from self.user_id_of(user)
        yield from self.remove_value(values_of_user(user_id), field_id)
        return {"user": user, "custom_field_id": field_id, "outcome": "removed"}

    @action(GetCourseCustomFields)
    def get_course_custom_fields(self, arguments: GetCourseCustomFields) -> ActionSteps[CustomFieldValues]:
        """
        Return the values of the custom fields of a course (``getCourseCustomFieldValues``).

        :raises NotFoundError: if the course does not exist.
        :raises RefusedError: if courses of the company have no custom fields.
        """
        return {"custom_fields": (yield from self.custom_values_of(values_of_course(arguments.course_id)))}

    @action(
        SetCourseCustomField, write=WriteSpec("updateCourseCustomFieldValues", key=("course_id", "custom_field_id"))
    )
    def set_course_custom_field(self, arguments: SetCourseCustomField) -> ActionSteps[SetCourseField]:
        """
        Set the value of a custom field of a course (``updateCourseCustomFieldValues``).

        :raises NotFoundError: if the course or the custom field does not exist.
        :raises RefusedError: if courses of the company have no custom fields.
        :raises InvalidRequestError: if the value is not of the custom field's type, or not among its authorized values.
        """
        course_id, field_id = arguments.course_id, arguments.custom_field_id
        yield from self.set_values(values_of_course(course_id), {field_id: arguments.value}, "value")
        return {"course_id": course_id, "custom_field_id": field_id, "outcome": "set"}

    @action(
        RemoveCourseCustomField,
        write=WriteSpec("updateCourseCustomFieldValues", key=("course_id", "custom_field_id")),
    )
    def remove_course_custom_field(self, arguments: RemoveCourseCustomField) -> ActionSteps[RemovedCourseField]:
        """
        Remove the value of a custom field of a course (``updateCourseCustomFieldValues``), if there is one.

        :raises NotFoundError: if the course or the custom field does not exist.
        :raises RefusedError: if courses of the company have no custom fields.
        """
        course_id, field_id = arguments.course_id, arguments.custom_field_id
        yield from self.remove_value(values_of_course(course_id), field_id)
        return {"course_id": course_id, "custom_field_id": field_id, "outcome": "removed"}

    @action(GetPathSessionCustomFields)
    def get_path_session_custom_fields(self, arguments: GetPathSessionCustomFields) -> ActionSteps[CustomFieldValues]:
        """
        Return the values of the custom fields of a path session (``getPathSessionCustomFieldValues``).

        :raises NotFoundError: if the session does not exist.
        """
        target = yield from self._session_values(arguments)
        return {"custom_fields": (yield from self.custom_values_of(target))}

    @action(
        SetPathSessionCustomField,
        write=WriteSpec("updatePathSessionCustomFieldValues", key=("session_id", "custom_field_id")),
    )
    def set_path_session_custom_field(self, arguments: SetPathSessionCustomField) -> ActionSteps[SetSessionField]:
        """
        Set the value of a custom field of a path session (``updatePathSessionCustomFieldValues``).

        :raises NotFoundError: if the session or the custom field does not exist.
        :raises InvalidRequestError: if the value is not of the custom field's type, or not among its authorized values.
        """
        target = yield from self._session_values(arguments)
        yield from self.set_values(target, {arguments.custom_field_id: arguments.value}, "value")
        return {
            "session_id": arguments.session_id,
            "custom_field_id": arguments.custom_field_id,
            "outcome": "set",
        }

    @action(
        RemovePathSessionCustomField,
        write=WriteSpec("updatePathSessionCustomFieldValues", key=("session_id", "custom_field_id")),
    )
    def remove_path_session_custom_field(
        self, arguments: RemovePathSessionCustomField
    ) -> ActionSteps[RemovedSessionField]:
        """
        Remove the value of a custom field of a path session (``updatePathSessionCustomFieldValues``), if there is one.

        :raises NotFoundError: if the session or the custom field does not exist.
        """
        target = yield from self._session_values(arguments)
        yield from self.remove_value(target, arguments.custom_field_id)
        return {
            "session_id": arguments.session_id,
            "custom_field_id": arguments.custom_field_id,
            "outcome": "removed",
        }

    def _session_values(
        self, arguments: GetPathSessionCustomFields | ChangePathSessionCustomField
    ) -> ActionSteps[Target]:
        session_id = arguments.session_id
        path_id = arguments.path_id or (yield from self.path_id_of(session_id))
        return values_of_session(path_id, session_id)

    def _find_field(self, arguments: CreateCustomField) -> ActionSteps[CustomFieldRecord | None]:
        fields = yield from self.list_custom_fields.steps(target_type=arguments.target_type)
        return field_named(fields, arguments)

    def _find_field_id(self, arguments: CreateCustomField) -> ActionSteps[str | None]:
        found = yield from self._find_field(arguments)
        return found and found["custom_field_id"]

    def _rename(self, field_id: str, name: str) -> ActionSteps[None]:
        try:
            yield Call("updateCustomField", path={"customFieldId": field_id}, body={"name": name})
        except AlreadyExistsError:
            # Its own name may be refused as well (assumption), which a retry after a kill meets.
            found = field_with_id((yield from self.list_custom_fields.steps()), field_id)
            if found is None or normalized(found["name"]) != name:
                raise


def _authorize(field_id: str, values: Sequence[str]) -> Call:
    return Call("replaceAuthorizedValues", path={"customFieldId": field_id}, body={"authorizedValues": list(values)})
