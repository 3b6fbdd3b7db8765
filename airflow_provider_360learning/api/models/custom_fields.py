"""Arguments of the actions on custom fields and their values."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Annotated, ClassVar

from pydantic import Field

from airflow_provider_360learning.api.models.base import ActionArguments, NameOf, Problem
from airflow_provider_360learning.api.models.choices import CustomFieldTarget, CustomFieldType, IfExists, IfMissing
from airflow_provider_360learning.api.models.fields import (
    COURSE,
    DRY_RUN,
    PATH,
    PATH_ID,
    SESSION,
    CourseName,
    CustomValue,
    DryRun,
    Id,
    PathName,
    SessionName,
    Text,
    Texts,
    User,
    id_or_name,
)
from airflow_provider_360learning.api.models.parsers import shown

#: Maximum number of authorized values of a custom field; documented for API v2.
MAX_AUTHORIZED_VALUES = 300

_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)

_CustomFieldName = Annotated[Text | None, NameOf("custom_field", "custom_field_id", is_required=True)]
_CUSTOM_FIELD = Field(default=None, description="Name of the custom field instead of ``custom_field_id``.")


class CreateCustomField(ActionArguments):
    """Arguments of ``create_custom_field``."""

    name: Text = Field(description="Name of the custom field.")
    target_type: CustomFieldTarget = Field(
        default="users", description="``users``, or ``contents``: courses and path sessions. API v1 has ``users`` only."
    )
    type: CustomFieldType = Field(
        default="string", description="Type of its values: ``string`` or ``date``. API v1 has ``string`` only."
    )
    authorized_values: Texts = Field(
        default=(), description="The only values that it may have; by default any. Dates are ``YYYY-MM-DD``."
    )
    if_exists: IfExists = Field(
        default="skip",
        description="``skip`` leaves an existing custom field unchanged; ``update`` replaces ``authorized_values``, if "
        "they are given; ``fail`` fails, also when a task is retried that has created the custom field.",
    )

    def conflicts(self) -> Iterator[Problem]:
        """Return that there are too many authorized values, or those of a date that are none."""
        yield from _too_many(self.authorized_values)
        for index, value in enumerate(self.authorized_values if self.type == "date" else ()):
            if not _DATE.fullmatch(value):
                place = f"authorized_values[{index}]"
                yield Problem(place, f"{place} is {shown(value)}, but must be a date: YYYY-MM-DD")


class ListCustomFields(ActionArguments):
    """Arguments of ``list_custom_fields``."""

    target_type: CustomFieldTarget | None = Field(
        default=None, description="Only custom fields of ``users``, or of ``contents``."
    )


class GetAuthorizedValues(ActionArguments):
    """Arguments of ``get_authorized_values``."""

    custom_field_id: Id = id_or_name("Id of the custom field.")
    custom_field: _CustomFieldName = _CUSTOM_FIELD


class UpdateCustomField(ActionArguments):
    """Arguments of ``update_custom_field``."""

    custom_field_id: Id = id_or_name("Id of the custom field.")
    custom_field: _CustomFieldName = _CUSTOM_FIELD
    name: Text | None = Field(default=None, description="New name.")
    authorized_values: Texts | None = Field(
        default=None,
        description="The only values that it may have, in place of all earlier ones; an empty list allows any. "
        "360Learning may refuse a list that lacks a value in use.",
    )

    def conflicts(self) -> Iterator[Problem]:
        """Return that there is nothing to change, or that there are too many authorized values."""
        if self.name is None and self.authorized_values is None:
            yield Problem(None, "update_custom_field needs at least one field to change")
        yield from _too_many(self.authorized_values or ())


class DeleteCustomField(ActionArguments):
    """Arguments of ``delete_custom_field``."""

    custom_field_id: Id = id_or_name("Id of the custom field.")
    custom_field: _CustomFieldName = Field(
        default=None,
        description="Name of the custom field instead of ``custom_field_id``. A name that no custom field has is an "
        "error, also with ``if_missing``.",
    )
    if_missing: IfMissing = Field(
        default="skip",
        description="``skip`` succeeds if the custom field does not exist; ``fail`` fails, also when a task is retried "
        "that has deleted it.",
    )
    dry_run: DryRun = DRY_RUN


class ChangeUserCustomField(ActionArguments):
    """Arguments of ``set_user_custom_field`` and ``remove_user_custom_field``."""

    #: Its names are those of custom fields of users.
    custom_field_target: ClassVar[str] = "users"

    user: User = Field(description="Email address or id of the user.")
    custom_field_id: Id = id_or_name("Id of the custom field.")
    custom_field: _CustomFieldName = _CUSTOM_FIELD


class SetUserCustomField(ChangeUserCustomField):
    """Arguments of ``set_user_custom_field``."""

    value: CustomValue = Field(description="Value: a string, a number or a date.")


class RemoveUserCustomField(ChangeUserCustomField):
    """Arguments of ``remove_user_custom_field``."""


class GetCourseCustomFields(ActionArguments):
    """Arguments of ``get_course_custom_fields``."""

    course_id: Id = id_or_name("Id of the course.")
    course: CourseName = COURSE


class ChangeCourseCustomField(ActionArguments):
    """Arguments of ``set_course_custom_field`` and ``remove_course_custom_field``."""

    #: Its names are those of custom fields of contents.
    custom_field_target: ClassVar[str] = "contents"

    course_id: Id = id_or_name("Id of the course.")
    course: CourseName = COURSE
    custom_field_id: Id = id_or_name("Id of the custom field.")
    custom_field: _CustomFieldName = _CUSTOM_FIELD


class SetCourseCustomField(ChangeCourseCustomField):
    """Arguments of ``set_course_custom_field``."""

    value: CustomValue = Field(description="Value: a string, a number or a date.")


class RemoveCourseCustomField(ChangeCourseCustomField):
    """Arguments of ``remove_course_custom_field``."""


class GetPathSessionCustomFields(ActionArguments):
    """Arguments of ``get_path_session_custom_fields``."""

    session_id: Id = id_or_name("Id of the session.")
    session: SessionName = SESSION
    path_id: Id | None = PATH_ID
    path: PathName = PATH


class ChangePathSessionCustomField(ActionArguments):
    """Arguments of ``set_path_session_custom_field`` and ``remove_path_session_custom_field``."""

    #: Its names are those of custom fields of contents.
    custom_field_target: ClassVar[str] = "contents"

    session_id: Id = id_or_name("Id of the session.")
    session: SessionName = SESSION
    path_id: Id | None = PATH_ID
    path: PathName = PATH
    custom_field_id: Id = id_or_name("Id of the custom field.")
    custom_field: _CustomFieldName = _CUSTOM_FIELD


class SetPathSessionCustomField(ChangePathSessionCustomField):
    """Arguments of ``set_path_session_custom_field``."""

    value: CustomValue = Field(description="Value: a string, a number or a date.")


class RemovePathSessionCustomField(ChangePathSessionCustomField):
    """Arguments of ``remove_path_session_custom_field``."""


def _too_many(values: Sequence[str]) -> Iterator[Problem]:
    if len(values) > MAX_AUTHORIZED_VALUES:
        text = f"authorized_values has {len(values):,} values, but a custom field has at most {MAX_AUTHORIZED_VALUES}"
        yield Problem("authorized_values", text)
