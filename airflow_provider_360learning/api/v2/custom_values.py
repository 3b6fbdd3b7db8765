"""
Values of custom fields, which API v2 replaces all at once: changing one means reading and writing all of them.

Two tasks that did this at the same time would lose a change of one of them, hence a lock for each object with values.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from typing import TypeVar

from airflow_provider_360learning.api.actions import exclusively
from airflow_provider_360learning.api.fields import first_string
from airflow_provider_360learning.api.models.choices import CustomFieldTarget
from airflow_provider_360learning.api.models.parsers import shown
from airflow_provider_360learning.api.pages import all_items
from airflow_provider_360learning.api.types import ActionSteps, Call, JsonObject, ResponseObject
from airflow_provider_360learning.api.v2.lookups import Lookups
from airflow_provider_360learning.exceptions import InvalidRequestError, NotFoundError, RefusedError

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Target:
    """
    An object that has values of custom fields.

    :param type: The custom fields that it has: those of users, or of contents.
    :param read: The call that returns its values.
    :param replace: The operation that replaces them.
    """

    type: CustomFieldTarget
    read: Call
    replace: str

    def replacement(self, values: Sequence[JsonObject]) -> Call:
        """Return the call that replaces its values."""
        return Call(self.replace, path=self.read.path, body={"customValues": list(values)})


def values_of_user(user_id: str) -> Target:
    """Return a user as an object that has values of custom fields."""
    read = Call("getUserCustomFieldValues", path={"userId": user_id})
    return Target("users", read, "updateUserCustomFieldValues")


def values_of_course(course_id: str) -> Target:
    """Return a course as an object that has values of custom fields."""
    read = Call("getCourseCustomFieldValues", path={"courseId": course_id})
    return Target("contents", read, "updateCourseCustomFieldValues")


def values_of_session(path_id: str, session_id: str) -> Target:
    """Return a path session as an object that has values of custom fields."""
    read = Call("getPathSessionCustomFieldValues", path={"pathId": path_id, "sessionId": session_id})
    return Target("contents", read, "updatePathSessionCustomFieldValues")


class CustomValues(Lookups):
    """Reads and changes the values of custom fields."""

    def custom_values_of(self, target: Target) -> ActionSteps[dict[str, str]]:
        """
        Return the values that an object has, by id of the field.

        :param target: The object.
        """
        return {field: first_string(item, "value") for field, item in (yield from self._present(target)).items()}

    def set_values(self, target: Target, values: Mapping[str, str | date], argument: str) -> ActionSteps[bool]:
        """
        Set some values; all others stay.

        :param target: The object that has them.
        :param values: The values by id of the field.
        :param argument: Argument that has them, for messages.
        :return: Whether a value has changed.
        :raises NotFoundError: if a field does not exist.
        :raises InvalidRequestError: if the value of a date field is not a date.
        """
        return (yield from self.holding_values(target, self._set(target, values, argument))) if values else False

    def remove_value(self, target: Target, field_id: str) -> ActionSteps[None]:
        """
        Remove the value of a field, if there is one; all others stay.

        :param target: The object that has it.
        :param field_id: Id of the field.
        :raises NotFoundError: if the field does not exist.
        :raises RefusedError: if 360Learning keeps the value.
        """
        yield from self.holding_values(target, self._remove(target, field_id.lower()))

    def holding_values(self, target: Target, steps: ActionSteps[R]) -> ActionSteps[R]:
        """
        Run steps while no other task that uses the same store changes the values.

        :param target: The object that has them.
        :param steps: The steps.
        """
        name = "custom values " + " ".join(target.read.path.values()).lower()
        return (yield from exclusively(self.client, name, steps))

    def merged_values(
        self, target: Target, values: Mapping[str, str | date], argument: str
    ) -> ActionSteps[list[JsonObject] | None]:
        """
        Return all values of an object, with some changed.

        :param target: The object.
        :param values: The changed ones by id of the field.
        :param argument: Argument that has them, for messages.
        :return: ``None`` if nothing changes.
        """
        if not values:
            return None
        present = yield from self._present(target)
        types = {field: first_string(item, "type") for field, item in present.items() if item.get("type")}
        changed = yield from self.typed_values(target.type, values, argument, types)
        unchanged = all(
            field in present and comparable(present[field]) == comparable(value) for field, value in changed.items()
        )
        return None if unchanged else list({**present, **changed}.values())

    def typed_values(
        self,
        target_type: CustomFieldTarget,
        values: Mapping[str, str | date],
        argument: str,
        known_types: Mapping[str, str] | None = None,
    ) -> ActionSteps[dict[str, JsonObject]]:
        """
        Return values as API v2 wants them, by id of the field in lower case.

        :param target_type: What the fields belong to.
        :param values: The values by id of the field.
        :param argument: Argument that has them, for messages.
        :param known_types: Types of some fields, by id in lower case.
        :raises NotFoundError: if a field does not exist.
        :raises InvalidRequestError: if the value of a date field is not a date.
        """
        types = yield from self._types(target_type, [field.lower() for field in values], known_types or {})
        return {
            field.lower(): _custom_value(field, types[field.lower()], value, argument)
            for field, value in values.items()
        }

    def _set(self, target: Target, values: Mapping[str, str | date], argument: str) -> ActionSteps[bool]:
        merged = yield from self.merged_values(target, values, argument)
        if merged is None:
            return False
        yield target.replacement(merged)
        return True

    def _remove(self, target: Target, field_id: str) -> ActionSteps[None]:
        present = yield from self._present(target)
        if field_id not in present:
            yield from self._types(target.type, [field_id], {})  # raises for an unknown field
            return
        yield target.replacement([item for field, item in present.items() if field != field_id])
        # That values are removed which are left out is documented for courses and path sessions only.
        if field_id in (yield from self._present(target)):
            raise RefusedError(
                f"360Learning keeps the value of the custom field {field_id}, although it was left out when all values "
                "were replaced: remove it in 360Learning",
                operation=target.replace,
            )

    def _present(self, target: Target) -> ActionSteps[dict[str, ResponseObject]]:
        items = yield target.read
        return {first_string(item, "customFieldId").lower(): item for item in items}

    def _types(
        self, target_type: CustomFieldTarget, fields: Sequence[str], known_types: Mapping[str, str]
    ) -> ActionSteps[Mapping[str, str]]:
        """
        Return the types of fields by id in lower case.

        :raises NotFoundError: if a field does not exist.
        """
        read = self._field_types.setdefault(target_type, {})
        types = {**read, **known_types}
        if not types.keys() >= set(fields):
            definitions = yield from all_items(Call("getCustomFields", query={"targetType[eq]": target_type}))
            read.update({first_string(one, "_id").lower(): first_string(one, "type") for one in definitions})
            types.update(read)
        for field in fields:
            if field not in types:
                raise NotFoundError(
                    f"No custom field of {target_type} has the id {field}: check the id",
                    operation="getCustomFields",
                    code="customFieldNotFound",
                )
        return types

    @cached_property
    def _field_types(self) -> dict[CustomFieldTarget, dict[str, str]]:
        """Types of custom fields by id in lower case, as far as they were read, by what the fields belong to."""
        return {}


def _custom_value(field: str, kind: str, value: str | date, argument: str) -> JsonObject:
    text = value.isoformat() if isinstance(value, date) else value
    if kind == "date":
        try:
            text = datetime.fromisoformat(text).date().isoformat()  # a date, or a timestamp
        except ValueError:
            raise InvalidRequestError(
                f"{argument} has {shown(text)} for {field}, but that field is a date: YYYY-MM-DD", argument=argument
            ) from None
    return {"customFieldId": field.lower(), "type": kind, "value": text}


def comparable(value: ResponseObject | JsonObject) -> object:
    """Return the value of a custom field as it can be compared: a date may come with a time of day."""
    text = value.get("value")
    return text[:10] if value.get("type") == "date" and isinstance(text, str) else text
