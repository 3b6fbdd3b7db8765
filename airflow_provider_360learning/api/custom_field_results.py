"""Results of the actions on custom fields, see :mod:`.results`."""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict


class CreatedCustomField(TypedDict):
    """Result of ``create_custom_field``."""

    custom_field_id: str
    name: str
    outcome: Literal["created", "updated", "already_exists"]


class CustomFieldRecord(TypedDict):
    """A custom field; ``type`` is ``None`` in API v1."""

    custom_field_id: str | None
    name: str | None
    target_type: str | None
    type: str | None


class AuthorizedValues(TypedDict):
    """The only values that a custom field may have; empty if it may have any."""

    custom_field_id: str
    authorized_values: list[str]


class UpdatedCustomField(TypedDict):
    """Result of ``update_custom_field``."""

    custom_field_id: str
    outcome: Literal["updated"]


class DeletedCustomField(TypedDict):
    """Result of ``delete_custom_field``; ``name`` is known with ``dry_run`` only."""

    custom_field_id: str
    name: NotRequired[str | None]
    outcome: Literal["deleted", "not_found", "would_delete"]


class CustomFieldValues(TypedDict):
    """The values of custom fields that an object has; ``custom_fields`` maps field id to value."""

    custom_fields: dict[str, str]


class SetCourseField(TypedDict):
    """Result of ``set_course_custom_field``."""

    course_id: str
    custom_field_id: str
    outcome: Literal["set"]


class RemovedCourseField(TypedDict):
    """Result of ``remove_course_custom_field``."""

    course_id: str
    custom_field_id: str
    outcome: Literal["removed"]


class SetSessionField(TypedDict):
    """Result of ``set_path_session_custom_field``."""

    session_id: str
    custom_field_id: str
    outcome: Literal["set"]


class RemovedSessionField(TypedDict):
    """Result of ``remove_path_session_custom_field``."""

    session_id: str
    custom_field_id: str
    outcome: Literal["removed"]


class SetUserField(TypedDict):
    """Result of ``set_user_custom_field``."""

    user: str
    custom_field_id: str
    outcome: Literal["set"]


class RemovedUserField(TypedDict):
    """Result of ``remove_user_custom_field``."""

    user: str
    custom_field_id: str
    outcome: Literal["removed"]
