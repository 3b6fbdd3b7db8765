"""Operators for custom fields and their values."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

from airflow_provider_360learning.operators.base import Learning360BaseOperator

if TYPE_CHECKING:
    from airflow_provider_360learning.api.models.choices import (
        CustomFieldTarget,
        CustomFieldType,
        IfExists,
        IfMissing,
    )


class Learning360CreateCustomFieldOperator(Learning360BaseOperator):
    """
    Create a custom field (``createCustomField``), unless one has this name.

    Returns ``{"custom_field_id", "name", "outcome"}``; ``outcome`` is ``created``, ``already_exists`` or ``updated``.

    :param name: Name of the custom field.
    :param target_type: ``users``, or ``contents``: courses and path sessions. API v1 has ``users`` only.
    :param type: Type of its values: ``string`` or ``date``. API v1 has ``string`` only.
    :param authorized_values: The only values that it may have; by default any. Dates are ``YYYY-MM-DD``.
    :param if_exists: ``skip`` leaves an existing custom field unchanged; ``update`` replaces ``authorized_values``, if
        they are given; ``fail`` fails, also when a task is retried that has created the custom field.
    """

    action = "create_custom_field"
    name_arguments = ("name",)

    def __init__(
        self,
        *,
        name: str,
        target_type: CustomFieldTarget = "users",
        type: CustomFieldType = "string",
        authorized_values: Sequence[str] = (),
        if_exists: IfExists = "skip",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._assign_arguments(locals())


class Learning360UpdateCustomFieldOperator(Learning360BaseOperator):
    """
    Change the name or the authorized values of a custom field (``updateCustomField``); its type stays.

    Returns ``{"custom_field_id", "outcome": "updated"}``.

    :param custom_field_id: Id of the custom field.
    :param custom_field: Name of the custom field instead of ``custom_field_id``.
    :param name: New name.
    :param authorized_values: The only values that it may have, in place of all earlier ones; an empty list allows any.
        360Learning may refuse a list that lacks a value in use.
    """

    action = "update_custom_field"
    required_pairs = (("custom_field_id", "custom_field"),)
    name_arguments = ("custom_field", "custom_field_id")

    def __init__(
        self,
        *,
        custom_field_id: str | None = None,
        custom_field: str | None = None,
        name: str | None = None,
        authorized_values: Sequence[str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._assign_arguments(locals())


class Learning360DeleteCustomFieldOperator(Learning360BaseOperator):
    """
    Delete a custom field **and its values** (``deleteCustomField``).

    The values of all users, or of all courses and path sessions, are lost. Returns ``{"custom_field_id", "outcome"}``;
    ``outcome`` is ``deleted``, ``not_found`` or ``would_delete``.

    :param custom_field_id: Id of the custom field.
    :param custom_field: Name of the custom field instead of ``custom_field_id``. A name that no custom field has is an
        error, also with ``if_missing``.
    :param if_missing: ``skip`` succeeds if the custom field does not exist; ``fail`` fails, also when a task is retried
        that has deleted it.
    :param dry_run: Whether to change nothing, and only look up and return what would be changed.
    """

    action = "delete_custom_field"
    required_pairs = (("custom_field_id", "custom_field"),)
    name_arguments = ("custom_field", "custom_field_id")

    def __init__(
        self,
        *,
        custom_field_id: str | None = None,
        custom_field: str | None = None,
        if_missing: IfMissing = "skip",
        dry_run: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._assign_arguments(locals())


class Learning360SetUserCustomFieldOperator(Learning360BaseOperator):
    """
    Set the value of a custom field of a user (``addCustomFieldValue``); other values stay.

    ``Learning360UpdateUserOperator`` sets several of them by their ids. Returns
    ``{"user", "custom_field_id", "outcome": "set"}``.

    :param user: Email address or id of the user.
    :param custom_field_id: Id of the custom field.
    :param custom_field: Name of the custom field instead of ``custom_field_id``.
    :param value: Value: a string, a number or a date.
    """

    action = "set_user_custom_field"
    required_pairs = (("custom_field_id", "custom_field"),)
    name_arguments = ("user", "custom_field", "custom_field_id")

    def __init__(
        self,
        *,
        user: str,
        custom_field_id: str | None = None,
        custom_field: str | None = None,
        value: str | float | date,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._assign_arguments(locals())


class Learning360RemoveUserCustomFieldOperator(Learning360BaseOperator):
    """
    Remove the value of a custom field of a user (``removeCustomFieldValue``), if there is one.

    Returns ``{"user", "custom_field_id", "outcome": "removed"}``.

    :param user: Email address or id of the user.
    :param custom_field_id: Id of the custom field.
    :param custom_field: Name of the custom field instead of ``custom_field_id``.
    """

    action = "remove_user_custom_field"
    required_pairs = (("custom_field_id", "custom_field"),)
    name_arguments = ("user", "custom_field", "custom_field_id")

    def __init__(
        self,
        *,
        user: str,
        custom_field_id: str | None = None,
        custom_field: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._assign_arguments(locals())


class Learning360SetCourseCustomFieldOperator(Learning360BaseOperator):
    """
    Set the value of a custom field of a course (``updateCourseCustomFieldValues``); other values stay.

    Only API v2 has it. Returns ``{"course_id", "custom_field_id", "outcome": "set"}``.

    :param course_id: Id of the course.
    :param course: Name of the course instead of ``course_id``.
    :param custom_field_id: Id of the custom field.
    :param custom_field: Name of the custom field instead of ``custom_field_id``.
    :param value: Value: a string, a number or a date.
    """

    action = "set_course_custom_field"
    required_pairs = (("course_id", "course"), ("custom_field_id", "custom_field"))
    name_arguments = ("course", "course_id", "custom_field", "custom_field_id")

    def __init__(
        self,
        *,
        course_id: str | None = None,
        course: str | None = None,
        custom_field_id: str | None = None,
        custom_field: str | None = None,
        value: str | float | date,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._assign_arguments(locals())


class Learning360RemoveCourseCustomFieldOperator(Learning360BaseOperator):
    """
    Remove the value of a custom field of a course (``updateCourseCustomFieldValues``), if there is one.

    Only API v2 has it. Returns ``{"course_id", "custom_field_id", "outcome": "removed"}``.

    :param course_id: Id of the course.
    :param course: Name of the course instead of ``course_id``.
    :param custom_field_id: Id of the custom field.
    :param custom_field: Name of the custom field instead of ``custom_field_id``.
    """

    action = "remove_course_custom_field"
    required_pairs = (("course_id", "course"), ("custom_field_id", "custom_field"))
    name_arguments = ("course", "course_id", "custom_field", "custom_field_id")

    def __init__(
        self,
        *,
        course_id: str | None = None,
        course: str | None = None,
        custom_field_id: str | None = None,
        custom_field: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._assign_arguments(locals())


class Learning360SetPathSessionCustomFieldOperator(Learning360BaseOperator):
    """
    Set the value of a custom field of a path session (``updatePathSessionCustomFieldValues``); other values stay.

    Only API v2 has it. Returns ``{"session_id", "custom_field_id", "outcome": "set"}``.

    :param session_id: Id of the session.
    :param session: Name of the session instead of ``session_id``; where it is not unique, with the path.
    :param path_id: Id of the path; without it, API v2 looks it up.
    :param path: Name of the path instead of ``path_id``.
    :param custom_field_id: Id of the custom field.
    :param custom_field: Name of the custom field instead of ``custom_field_id``.
    :param value: Value: a string, a number or a date.
    """

    action = "set_path_session_custom_field"
    required_pairs = (("session_id", "session"), ("custom_field_id", "custom_field"))
    name_arguments = ("session", "session_id", "custom_field", "custom_field_id")

    def __init__(
        self,
        *,
        session_id: str | None = None,
        session: str | None = None,
        path_id: str | None = None,
        path: str | None = None,
        custom_field_id: str | None = None,
        custom_field: str | None = None,
        value: str | float | date,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._assign_arguments(locals())


class Learning360RemovePathSessionCustomFieldOperator(Learning360BaseOperator):
    """
    Remove the value of a custom field of a path session (``updatePathSessionCustomFieldValues``), if there is one.

    Only API v2 has it. Returns ``{"session_id", "custom_field_id", "outcome": "removed"}``.

    :param session_id: Id of the session.
    :param session: Name of the session instead of ``session_id``; where it is not unique, with the path.
    :param path_id: Id of the path; without it, API v2 looks it up.
    :param path: Name of the path instead of ``path_id``.
    :param custom_field_id: Id of the custom field.
    :param custom_field: Name of the custom field instead of ``custom_field_id``.
    """

    action = "remove_path_session_custom_field"
    required_pairs = (("session_id", "session"), ("custom_field_id", "custom_field"))
    name_arguments = ("session", "session_id", "custom_field", "custom_field_id")

    def __init__(
        self,
        *,
        session_id: str | None = None,
        session: str | None = None,
        path_id: str | None = None,
        path: str | None = None,
        custom_field_id: str | None = None,
        custom_field: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._assign_arguments(locals())
