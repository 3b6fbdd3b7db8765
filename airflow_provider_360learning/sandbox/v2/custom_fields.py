"""Custom fields, and their values of users, courses and path sessions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from airflow_provider_360learning.sandbox.clock import parse_iso
from airflow_provider_360learning.sandbox.routing import Response
from airflow_provider_360learning.sandbox.state.model import Course, CustomField, FieldTarget
from airflow_provider_360learning.sandbox.state.state import HasCustomValues
from airflow_provider_360learning.sandbox.v2.call import NO_CONTENT, Call, Operations, is_id
from airflow_provider_360learning.sandbox.v2.errors import ApiError
from airflow_provider_360learning.sandbox.v2.filters import choices, strings

operations = Operations()

#: The documented format of a value, and the one that the schema names.
_DATE = re.compile(r"\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\d(\.\d+)?Z)?")
#: Maximum number of values in a request, and of authorized values (documented).
_MAX_VALUES = 300


@operations.add(
    "getCustomFields",
    "GET",
    "/custom-fields",
    scope="customFields:read",
    page_size=1000,
    filters=(
        strings("name"),
        choices("targetType", "eq ne in nin", "users", "contents"),
        choices("type", "eq ne in nin", "string", "date"),
    ),
)
def get_custom_fields(call: Call) -> Response:
    """List all custom fields."""
    fields = [
        field
        for field in call.state.custom_fields.values()
        if call.conditions.hold(name=field.name, targetType=field.target, type=field.kind)
    ]
    return call.page(fields, _custom_field)


@operations.add(
    "createCustomField",
    "POST",
    "/custom-fields",
    scope="customFields:write",
    bodies=("json",),
    assumes="Names are unique among the custom fields of users, and among those of contents; a blank one is invalid.",
)
def create_custom_field(call: Call) -> Response:
    """Create a custom field."""
    call.require("name", "targetType", "type")
    name = str(call.text("name", empty=True))
    target, kind = call.choice("targetType", ("users", "contents")), call.choice("type", ("string", "date"))
    if target == "contents" and not call.settings.content_custom_fields:
        raise ApiError(400, "customFieldsTargetTypeNotEnabled")
    limit = call.settings.max_custom_fields
    if limit is not None and len(call.state.custom_fields) >= limit:
        raise ApiError(400, "customFieldLimitReached")
    field = CustomField(
        call.state.new_id(), name, "users" if target == "users" else "contents", "date" if kind == "date" else "string"
    )
    _check_name(call, field)
    call.state.put_custom_field(field)
    return Response(_custom_field(field), 201)


@operations.add(
    "updateCustomField",
    "PATCH",
    "/custom-fields/{customFieldId}",
    scope="customFields:write",
    bodies=("json",),
    assumes="As for createCustomField; its own name is not taken, except with the setting `own_name_refused`.",
)
def update_custom_field(call: Call) -> Response:
    """Rename a custom field."""
    call.require("name")
    field = _field(call)
    renamed = replace(field, name=str(call.text("name", empty=True)))
    _check_name(call, renamed)
    call.state.put_custom_field(renamed)
    return Response(_custom_field(renamed))


@operations.add(
    "deleteCustomField",
    "DELETE",
    "/custom-fields/{customFieldId}",
    scope="customFields:write",
    assumes="Its values are deleted, too.",
)
def delete_custom_field(call: Call) -> Response:
    """Delete a custom field with its values."""
    call.state.delete_custom_field(_field(call))
    return NO_CONTENT


@operations.add(
    "getAuthorizedValues", "GET", "/custom-fields/{customFieldId}/authorized-values", scope="customFields:read"
)
def get_authorized_values(call: Call) -> Response:
    """List the only values that a custom field may have."""
    return Response(list(_field(call).authorized_values))


@operations.add(
    "replaceAuthorizedValues",
    "PUT",
    "/custom-fields/{customFieldId}/authorized-values",
    scope="customFields:write",
    bodies=("json",),
    assumes="An empty list allows any value. A value in use that is not in the list is a conflict.",
)
def replace_authorized_values(call: Call) -> Response:
    """Replace the only values that a custom field may have."""
    call.require("authorizedValues")
    field, values = _field(call), call.fields["authorizedValues"]
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values) or len(values) > _MAX_VALUES:
        raise call.malformed(f"authorizedValues must be a list of at most {_MAX_VALUES} strings.")
    if field.kind == "date" and not all(_is_date(value) for value in values):
        raise ApiError(400, "authorizedValuesTypeMismatch")
    if values and call.state.values_in_use(field) - set(values):
        raise ApiError(400, "customFieldValuesConflict")
    call.state.put_custom_field(replace(field, authorized_values=tuple(values)))
    return Response(values)


@operations.add("getUserCustomFieldValues", "GET", "/users/{userId}/custom-fields/values", scope="users:read")
def get_user_custom_field_values(call: Call) -> Response:
    """List the values of the custom fields of a user."""
    return Response(_values(call, call.person(call.path["userId"])))


@operations.add(
    "updateUserCustomFieldValues",
    "PUT",
    "/users/{userId}/custom-fields/values",
    scope="users:write",
    bodies=("json",),
    assumes="Whether values that are left out are removed.",
)
def update_user_custom_field_values(call: Call) -> Response:
    """Replace the values of the custom fields of a user."""
    person = call.person(call.path["userId"])
    return _replace_values(call, person, "users", keep=call.settings.custom_values_left_out == "kept")


@operations.add("getCourseCustomFieldValues", "GET", "/courses/{courseId}/custom-fields/values", scope="courses:read")
def get_course_custom_field_values(call: Call) -> Response:
    """List the values of the custom fields of a course."""
    return Response(_values(call, _course(call)))


@operations.add(
    "updateCourseCustomFieldValues",
    "PUT",
    "/courses/{courseId}/custom-fields/values",
    scope="courses:write",
    bodies=("json",),
)
def update_course_custom_field_values(call: Call) -> Response:
    """Replace the values of the custom fields of a course."""
    return _replace_values(call, _course(call), "contents")


@operations.add(
    "getPathSessionCustomFieldValues",
    "GET",
    "/paths/{pathId}/sessions/{sessionId}/custom-fields/values",
    scope="paths:read",
)
def get_path_session_custom_field_values(call: Call) -> Response:
    """List the values of the custom fields of a path session."""
    return Response(_values(call, call.session()))


@operations.add(
    "updatePathSessionCustomFieldValues",
    "PUT",
    "/paths/{pathId}/sessions/{sessionId}/custom-fields/values",
    scope="paths:write",
    bodies=("json",),
)
def update_path_session_custom_field_values(call: Call) -> Response:
    """Replace the values of the custom fields of a path session."""
    return _replace_values(call, call.session(), "contents")


def _custom_field(field: CustomField) -> dict[str, object]:
    return {"_id": field.id, "name": field.name, "targetType": field.target, "type": field.kind}


def _field(call: Call) -> CustomField:
    field = call.state.custom_fields.get(call.path["customFieldId"])
    if field is None:
        raise ApiError(404, "customFieldNotFound")
    return field


def _course(call: Call) -> Course:
    course = call.course(call.path["courseId"])
    if not call.settings.content_custom_fields:
        raise ApiError(400, "courseCustomFieldsNotEnabled")
    return course


def _check_name(call: Call, field: CustomField) -> None:
    """Refuse the name of a custom field that is blank, or that another one has."""
    if not field.name.strip():
        raise ApiError(400, "invalidName")
    for other in call.state.custom_fields.values():
        is_other = other.id != field.id or call.settings.own_name_refused
        if is_other and (other.name, other.target) == (field.name, field.target):
            raise ApiError(400, "nameAlreadyTaken")


def _values(call: Call, target: HasCustomValues) -> list[dict[str, object]]:
    """Return the values that something has; one that API v1 stored for an unknown field is a string."""
    fields = call.state.custom_fields
    return [
        {"customFieldId": id, "type": fields[id].kind if id in fields else "string", "value": str(value)}
        for id, value in call.state.custom_values(target).items()
    ]


def _replace_values(call: Call, target: HasCustomValues, kind: FieldTarget, *, keep: bool = False) -> Response:
    """
    Replace the values that something has.

    :param kind: what the fields must belong to.
    :param keep: whether values that are left out stay.
    """
    call.require("customValues")
    items = call.objects("customValues") or []
    if len(items) > _MAX_VALUES:
        raise call.malformed(f"customValues must have at most {_MAX_VALUES} items.")
    values: dict[str, object] = {}
    for item in items:
        field, value = _value(call, item, kind)
        if field.id in values:
            raise ApiError(400, "multipleValuesForSingleCustomField")
        values[field.id] = value
    kept = call.state.custom_values(target) if keep else {}
    call.state.set_custom_values(target, {**kept, **values})
    return Response(_values(call, target))


def _value(call: Call, item: Mapping[str, object], target: FieldTarget) -> tuple[CustomField, str]:
    """Return a field and the value that an item of a body gives it."""
    id, kind, value = item.get("customFieldId"), item.get("type"), item.get("value")
    if not is_id(id) or kind not in ("string", "date") or not isinstance(value, str) or not value:
        raise call.malformed("customValues must have customFieldId, type and value.")
    field = call.state.custom_fields.get(str(id).lower())
    if field is None or field.target != target:
        raise ApiError(404, "customFieldNotFound")
    if kind != field.kind or (kind == "date" and not _is_date(value)):
        raise ApiError(400, "wrongTypeValue")
    if field.authorized_values and value not in field.authorized_values:
        raise ApiError(400, "unauthorizedValue")
    return field, value


def _is_date(value: str) -> bool:
    return _DATE.fullmatch(value) is not None and parse_iso(value) is not None
