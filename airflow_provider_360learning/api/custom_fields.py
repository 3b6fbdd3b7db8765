"""Custom fields of a listing: found by name and what they belong to; and what becomes of one found."""

from __future__ import annotations

from collections.abc import Sequence

from airflow_provider_360learning.api.actions import BoundAction
from airflow_provider_360learning.api.custom_field_results import (
    CreatedCustomField,
    CustomFieldRecord,
    DeletedCustomField,
)
from airflow_provider_360learning.api.existing import outcome_of_existing
from airflow_provider_360learning.api.models.custom_fields import CreateCustomField, DeleteCustomField
from airflow_provider_360learning.api.models.parsers import normalized
from airflow_provider_360learning.api.types import ActionSteps
from airflow_provider_360learning.exceptions import NotFoundError, RefusedError

CREATE, DELETE = "createCustomField", "deleteCustomField"


def field_named(fields: Sequence[CustomFieldRecord], arguments: CreateCustomField) -> CustomFieldRecord | None:
    """
    Return the custom field with the name and the target of a creation, if it exists.

    :param fields: All custom fields.
    :param arguments: The arguments of the creation.
    """
    for one in fields:
        if normalized(one["name"]) == arguments.name and one["target_type"] == arguments.target_type:
            return one
    return None


def field_with_id(fields: Sequence[CustomFieldRecord], field_id: str) -> CustomFieldRecord | None:
    """
    Return the custom field with an id, if it exists.

    :param fields: All custom fields.
    :param field_id: The id.
    """
    return next((one for one in fields if (one["custom_field_id"] or "").lower() == field_id.lower()), None)


def existing_field(
    arguments: CreateCustomField, found: CustomFieldRecord, update_field: BoundAction[..., object]
) -> ActionSteps[CreatedCustomField]:
    """
    Do what ``if_exists`` says about a custom field that exists.

    :param arguments: The arguments of its creation.
    :param found: The custom field.
    :param update_field: The action that updates a custom field.
    :raises AlreadyExistsError: with ``if_exists="fail"``.
    :raises RefusedError: if its values are of another type.
    """
    name, field_id, values = arguments.name, str(found["custom_field_id"]), arguments.authorized_values
    if arguments.if_exists != "fail" and found["type"] not in (None, arguments.type):
        raise RefusedError(
            f"The custom field {name!r:.200} ({field_id}) exists already, and its type is {found['type']}, not "
            f"{arguments.type}: a type cannot be changed; use another name",
            operation=CREATE,
        )
    if_exists = "skip" if arguments.if_exists == "update" and not values else arguments.if_exists
    update = update_field.steps(custom_field_id=field_id, authorized_values=values)
    outcome = yield from outcome_of_existing(if_exists, f"The custom field {name!r:.200}", field_id, update, CREATE)
    return {"custom_field_id": field_id, "name": name, "outcome": outcome}


def deletion_of(arguments: DeleteCustomField, fields: Sequence[CustomFieldRecord]) -> DeletedCustomField:
    """
    Return what the deletion of a custom field would do.

    :param arguments: The arguments of the deletion.
    :param fields: All custom fields.
    :raises NotFoundError: with ``if_missing="fail"``, if it does not exist.
    """
    field_id = arguments.custom_field_id
    found = field_with_id(fields, field_id)
    if found is not None:
        return {"custom_field_id": field_id, "name": found["name"], "outcome": "would_delete"}
    if arguments.if_missing == "fail":
        raise NotFoundError(f"The custom field {field_id} does not exist", operation=DELETE)
    return {"custom_field_id": field_id, "outcome": "not_found"}
