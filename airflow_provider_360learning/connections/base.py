"""The base of all models of Airflow connections: how they are read, and what their errors say."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Self, TypeGuard

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from airflow_provider_360learning.api.models.parsers import invalid, is_missing, parse_number, problem
from airflow_provider_360learning.connections.form import MASKS
from airflow_provider_360learning.exceptions import InvalidConnectionError

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Connection
    from pydantic_core import ErrorDetails

#: Standard fields of a connection.
_STANDARD_FIELDS = ("conn_type", "host", "port", "schema", "login", "password")

#: What an error says about a value that Airflow has masked.
IS_MASKED = "was masked by Airflow, enter it again"


class ConnectionModel(BaseModel):
    """
    A validated Airflow connection.

    The alias of a model's field is its place in the connection: ``login``, or ``extra.auth``. Fields that are empty in
    the connection have their default.
    """

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    #: Labels of standard fields in the connection form.
    labels: ClassVar[Mapping[str, str]] = {}

    @classmethod
    def read(cls, connection: Connection, extra: object) -> Self:
        """
        Validate a connection.

        :param connection: The connection.
        :param extra: Its extra, as Airflow has decoded it.
        :raises InvalidConnectionError: naming every invalid field and what was expected, without any secret.
        """
        source = f"Connection {connection.conn_id!r}"
        if connection.extra in MASKS:
            raise InvalidConnectionError(f"{source}, field extra: {IS_MASKED}")
        if not _is_json_object(extra, connection.extra):
            raise InvalidConnectionError(f"{source}, field extra: must be a JSON object")
        return cls.from_values(cls.values(connection, extra), source)

    @classmethod
    def from_values(cls, values: Mapping[str, object], source: str) -> Self:
        """
        Validate values.

        :param values: The values that are not empty, by their place in a connection.
        :param source: Where they come from, for errors.
        :raises InvalidConnectionError: as :meth:`read`.
        """
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            details = error.errors(include_url=False, include_input=False)
        # Raised outside the handler: the error of pydantic holds the values, and must not become this one's context.
        raise InvalidConnectionError(f"{source}, {'; '.join(cls._describe(one) for one in details)}")

    @classmethod
    def values(cls, connection: Connection, extra: Mapping[str, object]) -> dict[str, object]:
        """
        Return the values that are not empty, by their place in the connection.

        :param connection: The connection.
        :param extra: Its extra.
        """
        values: dict[str, object] = {name: getattr(connection, name) for name in _STANDARD_FIELDS}
        values["port"] = connection.port or None  # the connection form sends 0 for none
        # When its form tests a connection, Airflow 2 sends each extra field twice, with this prefix and without. As in
        # other providers, the one without takes precedence.
        prefix = f"extra__{connection.conn_type}__"
        for name, value in sorted(extra.items(), key=lambda item: not item[0].startswith(prefix)):
            values[f"extra.{name.removeprefix(prefix)}"] = value.strip() if isinstance(value, str) else value
        return {name: value for name, value in values.items() if not is_missing(value)}

    @field_validator("*", mode="before")
    @classmethod
    def _refuse_masked(cls, value: object) -> object:
        for part in value if isinstance(value, tuple) else (value,):
            if is_masked(part):
                raise problem(IS_MASKED)
        return value

    @classmethod
    def _describe(cls, error: ErrorDetails) -> str:
        context = error.get("ctx", {})
        place = [str(part) for part in error["loc"]] + [str(part) for part in context.get("place", ())]
        field = ".".join(place)
        label = cls.labels.get(field)
        text = "is missing" if error["type"] == "missing" else context.get("problem", error["msg"])
        return f"field {field} ({label}): {text}" if label else f"field {field}: {text}"


def is_masked(value: object) -> bool:
    """
    Return whether Airflow has masked a value; other tools write more asterisks.

    :param value: The value.
    """
    if not isinstance(value, str):
        return False
    text = value.strip()
    return text in MASKS or (len(text) > 2 and not text.strip("*"))


def parse_seconds(value: object) -> float:
    """
    Read a number of seconds, also from text.

    :raises PydanticCustomError: if it is not a number above 0.
    """
    seconds = parse_number(value)
    if seconds <= 0:
        raise invalid(value, "a number of seconds above 0")
    return seconds


def parse_existing_path(value: object) -> str:
    """
    Return the path of a file that exists on this machine.

    :raises PydanticCustomError: if it does not exist.
    """
    if not os.path.exists(str(value)):
        raise problem(f"{str(value)!r} does not exist on this machine")
    return str(value)


def _is_json_object(extra: object, text: str | None) -> TypeGuard[Mapping[str, object]]:
    """Return whether the extra is a JSON object; Airflow decodes one that it cannot read to an empty object."""
    if not isinstance(extra, Mapping):
        return False
    if extra or not text or not text.strip():
        return True
    try:
        return json.loads(text) in ({}, None)
    except ValueError:
        return False
