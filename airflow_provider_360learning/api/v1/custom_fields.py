"""Custom fields of API v1, which are fields of users, and their values."""

from __future__ import annotations

from airflow_provider_360learning.api.actions import ApiAdapter, WriteSpec, action, confirm_by_lookup
from airflow_provider_360learning.api.custom_field_results import (
    AuthorizedValues,
    CreatedCustomField,
    CustomFieldRecord,
    DeletedCustomField,
    RemovedUserField,
    SetUserField,
    UpdatedCustomField,
)
from airflow_provider_360learning.api.custom_fields import deletion_of, existing_field, field_named
from airflow_provider_360learning.api.fields import first_string, string, strings
from airflow_provider_360learning.api.models.custom_fields import (
    CreateCustomField,
    DeleteCustomField,
    GetAuthorizedValues,
    ListCustomFields,
    RemoveUserCustomField,
    SetUserCustomField,
    UpdateCustomField,
)
from airflow_provider_360learning.api.models.parsers import is_id
from airflow_provider_360learning.api.types import ActionSteps, Call, JsonObject, ResponseObject
from airflow_provider_360learning.exceptions import (
    NotAvailableError,
    NotFoundError,
    OutcomeUnknownError,
    UnexpectedResponseError,
)

#: What custom fields of API v1 belong to.
_USERS = "users"


def check_creation(arguments: CreateCustomField) -> None:
    """
    Refuse what exists in API v2 only.

    :raises NotAvailableError: naming the argument.
    """
    if arguments.target_type != _USERS:
        raise NotAvailableError(
            f"target_type {arguments.target_type!r} is not available in API v1, whose custom fields belong to users.",
            argument="target_type",
        )
    if arguments.type != "string":
        raise NotAvailableError(
            f"type {arguments.type!r:.200} is not available in API v1, whose custom fields are strings.",
            argument="type",
        )


def _neutral_field(item: ResponseObject) -> CustomFieldRecord:
    """Read a custom field. Its keys are assumptions."""
    return {
        "custom_field_id": string(item, "_id"),
        "name": string(item, "name"),
        "target_type": string(item, "collection") or _USERS,
        "type": None,
    }


class CustomFieldActions(ApiAdapter):
    """Create, read, change and delete custom fields, and set and remove their values."""

    @action(
        CreateCustomField,
        write=WriteSpec("createCustomField", key=("name", "target_type"), makes="custom_field_id"),
        check=check_creation,
    )
    def create_custom_field(self, arguments: CreateCustomField) -> ActionSteps[CreatedCustomField]:
        """
        Create a custom field of users (``createCustomField``), unless one has this name.

        :return: ``outcome`` is ``created``, ``already_exists`` or ``updated``.
        :raises AlreadyExistsError: with ``if_exists="fail"``, if the custom field exists.
        :raises OutcomeUnknownError: if the outcome is unknown, and the custom field is not listed (yet) or the listing
            fails.
        """
        found = yield from self._find_field(arguments)
        if found is not None:
            return (yield from existing_field(arguments, found, self.update_custom_field))
        name, values = arguments.name, list(arguments.authorized_values)
        body: JsonObject = {
            "name": name,
            "collection": _USERS,
            "isRestricted": bool(values),
            "authorizedValues": values or None,
        }
        try:
            response = yield Call("createCustomField", body=body)
        except OutcomeUnknownError as unknown:
            field_id = yield from confirm_by_lookup(unknown, self._find_field_id(arguments))
        else:
            field_id = _id_in(response) or (yield from self._listed_id(arguments))
        return {"custom_field_id": field_id, "name": name, "outcome": "created"}

    @action(ListCustomFields)
    def list_custom_fields(self, arguments: ListCustomFields) -> ActionSteps[list[CustomFieldRecord]]:
        """Return custom fields (``listCustomFields``); those of users are all that API v1 has."""
        items = yield Call("listCustomFields")
        fields = [_neutral_field(item) for item in items]
        return [one for one in fields if arguments.target_type in (None, one["target_type"])]

    @action(GetAuthorizedValues)
    def get_authorized_values(self, arguments: GetAuthorizedValues) -> ActionSteps[AuthorizedValues]:
        """
        Return the only values that a custom field may have (``listCustomFields``).

        :raises NotFoundError: if the custom field does not exist.
        """
        field_id = arguments.custom_field_id
        for item in (yield Call("listCustomFields")):
            if (string(item, "_id") or "").lower() == field_id.lower():
                # Whether an unrestricted custom field keeps earlier values is not known.
                values = [] if item.get("isRestricted") is False else strings(item, "authorizedValues")
                return {"custom_field_id": field_id, "authorized_values": values}
        raise NotFoundError(f"The custom field {field_id} does not exist", operation="listCustomFields")

    @action(UpdateCustomField, write=WriteSpec("updateCustomField", key=("custom_field_id",)))
    def update_custom_field(self, arguments: UpdateCustomField) -> ActionSteps[UpdatedCustomField]:
        """
        Change a custom field (``updateCustomField``, whose fields are an assumption).

        :raises NotFoundError: if the custom field does not exist.
        """
        field_id, values = arguments.custom_field_id, arguments.authorized_values
        body = {
            "name": arguments.name,
            "isRestricted": None if values is None else bool(values),
            "authorizedValues": None if values is None else list(values),
        }
        yield Call("updateCustomField", path={"custom_field_id": field_id}, body=body)
        return {"custom_field_id": field_id, "outcome": "updated"}

    @action(DeleteCustomField, write=WriteSpec("deleteCustomField", key=("custom_field_id",)))
    def delete_custom_field(self, arguments: DeleteCustomField) -> ActionSteps[DeletedCustomField]:
        """
        Delete a custom field **and its values** (``deleteCustomField``).

        The values of all users, or of all courses and path sessions, are lost. ``dry_run`` returns its name
        (``listCustomFields``).

        :raises NotFoundError: with ``if_missing="fail"``, if the custom field does not exist.
        """
        field_id = arguments.custom_field_id
        if arguments.dry_run:
            return deletion_of(arguments, (yield from self.list_custom_fields.steps()))
        try:
            yield Call("deleteCustomField", path={"custom_field_id": field_id})
        except NotFoundError as error:
            if error.after_unknown_outcome:
                return {"custom_field_id": field_id, "outcome": "deleted"}
            if arguments.if_missing == "fail":
                raise
            return {"custom_field_id": field_id, "outcome": "not_found"}
        return {"custom_field_id": field_id, "outcome": "deleted"}

    @action(SetUserCustomField, write=WriteSpec("addCustomFieldValue", key=("user", "custom_field_id")))
    def set_user_custom_field(self, arguments: SetUserCustomField) -> ActionSteps[SetUserField]:
        """
        Set the value of a custom field of a user (``addCustomFieldValue``).

        The operation is known with ids of users only: that of an email address is read first (``getUser``).

        :raises NotFoundError: if the user or the custom field does not exist.
        :raises InvalidRequestError: if the value is not among the authorized values of the custom field.
        """
        user, field_id = arguments.user, arguments.custom_field_id
        user_id = yield from self._user_id(user)
        value = {"customFieldId": field_id, "value": str(arguments.value)}
        yield Call("addCustomFieldValue", path={"collection": _USERS, "target_id": user_id}, body={"values": [value]})
        return {"user": user, "custom_field_id": field_id, "outcome": "set"}

    @action(RemoveUserCustomField, write=WriteSpec("removeCustomFieldValue", key=("user", "custom_field_id")))
    def remove_user_custom_field(self, arguments: RemoveUserCustomField) -> ActionSteps[RemovedUserField]:
        """
        Remove the value of a custom field of a user (``removeCustomFieldValue``), if there is one.

        :raises NotFoundError: if the user or the custom field does not exist.
        """
        user, field_id = arguments.user, arguments.custom_field_id
        user_id = yield from self._user_id(user)
        path = {"custom_field_id": field_id, "collection": _USERS, "target_id": user_id}
        yield Call("removeCustomFieldValue", path=path)
        return {"user": user, "custom_field_id": field_id, "outcome": "removed"}

    def _find_field(self, arguments: CreateCustomField) -> ActionSteps[CustomFieldRecord | None]:
        return field_named((yield from self.list_custom_fields.steps()), arguments)

    def _find_field_id(self, arguments: CreateCustomField) -> ActionSteps[str | None]:
        found = yield from self._find_field(arguments)
        return found and found["custom_field_id"]

    def _listed_id(self, arguments: CreateCustomField) -> ActionSteps[str]:
        """Return the id of a new custom field, of which the response has none."""
        found = yield from self._find_field_id(arguments)
        if found is None:
            raise UnexpectedResponseError(
                f"360Learning accepted the custom field {arguments.name!r:.200}, but does not list it (yet)",
                operation="createCustomField",
            )
        return found

    def _user_id(self, user: str) -> ActionSteps[str]:
        if is_id(user):
            return user
        found = yield Call("getUser", path={"user": user})
        return first_string(found, "_id")


def _id_in(response: object) -> str | None:
    """Return the id of a new custom field. The response is not documented."""
    return string(response, "_id") or string(response, "id") if isinstance(response, dict) else None
