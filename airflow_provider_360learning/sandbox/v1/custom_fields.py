"""Custom fields of users, and their values."""

from __future__ import annotations

from dataclasses import replace

from airflow_provider_360learning.sandbox.routing import Refusal, Response
from airflow_provider_360learning.sandbox.state.model import CustomField, FieldTarget, Person
from airflow_provider_360learning.sandbox.v1.call import (
    NO_CONTENT,
    ApiError,
    Call,
    Operations,
    is_id,
    not_found,
)

operations = Operations()

#: What custom fields of API v1 belong to.
_COLLECTION: FieldTarget = "users"


@operations.add(
    "listCustomFields",
    "GET",
    "/customfields",
    assumes="The keys of a custom field; those of contents, which API v2 has, are not listed.",
)
def list_custom_fields(call: Call) -> Response:
    """List all custom fields of users."""
    return Response([_custom_field(each) for each in call.state.custom_fields.values() if each.target == _COLLECTION])


@operations.add(
    "createCustomField",
    "POST",
    "/customfields",
    bodies=("json",),
    assumes="The response is the custom field, unless acknowledgments are empty; a name that exists is refused, and the"
    " text of that error.",
)
def create_custom_field(call: Call) -> Response:
    """Create a custom field of users."""
    for required in ("name", "collection"):
        if required not in call.fields:
            raise ApiError(400, f"missing argument : {required}")
    if call.fields["collection"] != _COLLECTION:
        raise ApiError(400, "invalid argument : collection")
    field = CustomField(call.state.new_id(), call.text("name", empty=False), _COLLECTION, "string")
    _check_name(call, field)
    field = replace(field, authorized_values=_authorized_values(call, field))
    call.state.put_custom_field(field)
    if call.settings.acknowledgment in ("no_content", "empty_body"):
        return call.acknowledge()
    return Response(_custom_field(field))


@operations.add(
    "updateCustomField",
    "PUT",
    "/customfields/{customFieldId}",
    bodies=("form",),
    evidence="client",
    assumes="Its fields, as those of createCustomField; values in use stay, also if they are not authorized any more.",
)
def update_custom_field(call: Call) -> Response:
    """Change the given fields of a custom field."""
    field = _field(call, call.path["customFieldId"])
    if "name" in call.fields:
        field = replace(field, name=call.text("name", empty=False))
        _check_name(call, field)
    call.state.put_custom_field(replace(field, authorized_values=_authorized_values(call, field)))
    return call.acknowledge()


@operations.add(
    "deleteCustomField",
    "DELETE",
    "/customfields/{customFieldId}",
    assumes="Its values are deleted, too; the error for an unknown one.",
)
def delete_custom_field(call: Call) -> Response:
    """Delete a custom field with its values."""
    call.state.delete_custom_field(_field(call, call.path["customFieldId"]))
    return NO_CONTENT


@operations.add(
    "addCustomFieldValue",
    "PUT",
    "/{collection}/{targetId}/customfields",
    bodies=("json",),
    assumes="The response is an acknowledgment; the errors for unknown fields and values that are not authorized.",
)
def add_custom_field_value(call: Call) -> Response:
    """Set values of a user; others stay."""
    person, items = _target(call), call.fields.get("values")
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise ApiError(400, "Request validation failed: values must be a list of objects")
    values: dict[str, object] = {}
    for item in items:
        field, value = _field(call, item.get("customFieldId")), item.get("value")
        if not isinstance(value, str) or (field.authorized_values and value not in field.authorized_values):
            raise ApiError(400, "Request validation failed: value is not authorized")
        values[field.id] = value
    call.state.set_custom_values(person, {**call.state.custom_values(person), **values})
    return call.acknowledge()


@operations.add(
    "removeCustomFieldValue",
    "DELETE",
    "/customfields/{customFieldId}/{collection}/{targetId}",
    evidence="client",
    assumes="The response is an acknowledgment, also if the user has no value.",
)
def remove_custom_field_value(call: Call) -> Response:
    """Remove a value of a user."""
    person, field = _target(call), _field(call, call.path["customFieldId"])
    values = call.state.custom_values(person)
    call.state.set_custom_values(person, {id: value for id, value in values.items() if id != field.id})
    return call.acknowledge()


def _custom_field(field: CustomField) -> dict[str, object]:
    return {
        "_id": field.id,
        "name": field.name,
        "collection": field.target,
        "isRestricted": bool(field.authorized_values),
        "authorizedValues": list(field.authorized_values),
    }


def _field(call: Call, id: object) -> CustomField:
    """Return a custom field of users, or refuse; an id in a path that is malformed has the general 404."""
    if not is_id(id):
        raise Refusal(not_found())
    field = call.state.custom_fields.get(str(id).lower())
    if field is None or field.target != _COLLECTION:
        raise ApiError(404, "custom_field_not_found")
    return field


def _target(call: Call) -> Person:
    """Return the user whom a value belongs to. That email addresses are not known here is an assumption."""
    if call.path["collection"] != _COLLECTION or not is_id(call.path["targetId"]):
        raise Refusal(not_found())
    return call.person(call.path["targetId"], status=404)


def _check_name(call: Call, field: CustomField) -> None:
    for other in call.state.custom_fields.values():
        if other.id != field.id and (other.name, other.target) == (field.name, field.target):
            raise ApiError(400, "custom_field_already_exists")


def _authorized_values(call: Call, field: CustomField) -> tuple[str, ...]:
    """Return the values that a body authorizes; by default those that the field has."""
    values = call.strings("authorizedValues")
    if call.boolean("isRestricted") is False:
        return ()
    return field.authorized_values if values is None else tuple(values)
