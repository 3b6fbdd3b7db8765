"""
The connection form, declared once as data, and the defaults of its fields.

Airflow 3.2 and later read the form from the provider info; older ones call two methods of the hook, which return what
the functions here derive from the same data. Airflow imports this module at every start.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypedDict

if TYPE_CHECKING:
    from wtforms import Field

CONNECTION_TYPE = "learning360"
HOOK_NAME = "360Learning"
DEFAULT_CONN_ID = "learning360_default"
EU_BASE_URL = "https://app.360learning.com"
US_BASE_URL = "https://app.us.360learning.com"

#: What Airflow 2's connection form shows in the place of a hidden value. If it comes back, Airflow keeps the old value.
AIRFLOW_2_MASK = "RATHER_LONG_SENSITIVE_FIELD_PLACEHOLDER"
#: What Airflow shows in the place of a value that it hides.
MASKS = ("***", AIRFLOW_2_MASK)

#: Labels of the standard fields.
LABELS: Mapping[str, str] = {
    "host": "Base URL",
    "login": "Company ID or client ID",
    "password": "API key or client secret",
}

_BEHAVIOUR: dict[str, object] = {
    "hidden-fields": ["schema"],
    "relabeling": dict(LABELS),
    "placeholders": {
        "host": f"{EU_BASE_URL} (US: {US_BASE_URL.removeprefix('https://')})",
        "port": "443 (the Test button of Airflow 3.3.1 and 3.3.2 needs it)",
        "login": "API v1: ID of the company; API v2: client ID",
        "password": "API v1: API key of the company; API v2: secret of the client",
    },
}


class FieldSchema(TypedDict, total=False):
    """
    JSON schema of an extra field.

    Fields whose names Airflow masks ("token", "proxy", …) have no default: the form of Airflow 3.2 and later would show
    and save ``***`` in its place.
    """

    type: list[str]
    enum: list[str]
    default: str | float
    minimum: float
    format: str


class ExtraField(TypedDict):
    """An extra field of the connection form."""

    label: str
    description: str
    schema: FieldSchema


EXTRA_FIELDS: dict[str, ExtraField] = {
    "api_version": {
        "label": "API version",
        "description": "Version of the 360Learning API: v1 takes a company ID and an API key, v2 a client ID and a "
        "client secret. Credentials of one version do not work with the other.",
        "schema": {"type": ["string", "null"], "enum": ["v1", "v2"], "default": "v1"},
    },
    "company_id": {
        "label": "Company ID (API v2)",
        "description": "ID of the company that the client ID belongs to. 360Learning counts its rate limits per "
        "company: with this ID, connections with several client IDs share them. Empty means that the limits count per "
        "client ID. In API v1, the login is the company ID.",
        "schema": {"type": ["string", "null"]},
    },
    "auth": {
        "label": "Authentication",
        "description": "How requests authenticate: oauth2 (an access token, fetched when needed), or in API v1 also "
        "api_key_header (company ID and API key in headers) and api_key_query (both in the query string).",
        "schema": {
            "type": ["string", "null"],
            "enum": ["oauth2", "api_key_header", "api_key_query"],
            "default": "oauth2",
        },
    },
    "token_path": {
        "label": "Token path",
        "description": "Path under the base URL that issues access tokens (oauth2 only). Empty means the path of the "
        "API version.",
        "schema": {"type": ["string", "null"]},
    },
    "connect_timeout": {
        "label": "Connect timeout (s)",
        "description": "Maximum number of seconds to wait for a connection to the server; a host name with several "
        "addresses has it for each of them. Resolving the name takes as long as the resolver of the worker allows.",
        "schema": {"type": ["number", "null"], "minimum": 0.001, "default": 10},
    },
    "read_timeout": {
        "label": "Read timeout (s)",
        "description": "Maximum number of seconds to wait for the next bytes of a response.",
        "schema": {"type": ["number", "null"], "minimum": 0.001, "default": 60},
    },
    "total_timeout": {
        "label": "Total timeout (s)",
        "description": "Maximum number of seconds for one request and its complete response. Exports that are read "
        "while they arrive may take longer. Empty means [learning360] total_timeout.",
        "schema": {"type": ["number", "null"], "minimum": 0.001},
    },
    "max_response_mib": {
        "label": "Maximum response (MiB)",
        "description": "Maximum size of a response in MiB, compressed and decompressed. Exports that are read while "
        "they arrive may be larger.",
        "schema": {"type": ["number", "null"], "minimum": 1, "default": 64},
    },
    "ca_bundle": {
        "label": "CA bundle",
        "description": "Path of a file with the certificates to trust instead of the default ones. "
        "It must exist on every worker and triggerer.",
        "schema": {"type": ["string", "null"]},
    },
    "proxy": {
        "label": "Proxy",
        "description": "URL of a proxy for this connection, which overrides HTTPS_PROXY and NO_PROXY. "
        "Hidden like a password, because it may contain credentials.",
        "schema": {"type": ["string", "null"], "format": "password"},
    },
    "limits": {
        "label": "Limits",
        "description": "Rate limits agreed with 360Learning: a JSON object of limit name (see the table of limits in "
        "the documentation) to requests per window.",
        "schema": {"type": ["object", "null"]},
    },
}


# Any: the types of the fields differ.
def default_of(field: str) -> Any:
    """
    Return the value of an extra field that a connection leaves out.

    :param field: Name of the extra field.
    """
    return EXTRA_FIELDS[field]["schema"].get("default")


def connection_type_info(hook_class_name: str) -> dict[str, object]:
    """
    Return the entry of this connection type in the provider info.

    :param hook_class_name: Import path of the hook class.
    """
    return {
        "connection-type": CONNECTION_TYPE,
        "hook-class-name": hook_class_name,
        "hook-name": HOOK_NAME,
        "conn-fields": EXTRA_FIELDS,
        "ui-field-behaviour": _BEHAVIOUR,
    }


def ui_field_behaviour() -> dict[str, object]:
    """Return the result of the hook's ``get_ui_field_behaviour`` (Airflow before 3.2), whose form needs no port."""
    form = {key.replace("-", "_"): value for key, value in _BEHAVIOUR.items()}
    return {**form, "hidden_fields": ["port", "schema"]}


def connection_form_widgets() -> dict[str, Field]:
    """Return the result of the hook's ``get_connection_form_widgets`` (Airflow before 3.2)."""
    return {name: _widget(field) for name, field in EXTRA_FIELDS.items()}


def _widget(field: ExtraField) -> Field:
    """Return a form field, in one of the few classes that Airflow accepts; numbers and objects are entered as text."""
    from wtforms import PasswordField, StringField
    from wtforms.validators import Optional, any_of

    schema = field["schema"]
    hidden = schema.get("format") == "password"
    default = schema.get("default")
    return (PasswordField if hidden else StringField)(
        field["label"],
        widget=_input(hidden),
        validators=[Optional(), *([any_of(schema["enum"])] if "enum" in schema else [])],
        description=field["description"],
        default=None if default is None else str(default),
    )


# Any: the class is that of a library which is installed with Airflow 2 only.
def _input(hidden: bool) -> Any:
    """
    Return the HTML input of a field, whose value survives that a connection is edited.

    A plain password input is sent back empty, after which Airflow deletes the value; a plain text input sends back an
    object as Python writes it.

    :param hidden: Whether the value of a stored connection is hidden.
    """
    from flask_appbuilder.fieldwidgets import BS3TextFieldWidget

    class Input(BS3TextFieldWidget):  # type: ignore[misc]
        input_type = "password" if hidden else "text"

        def __call__(self, field: Field, **attributes: object) -> str:
            return str(super().__call__(field, value=self._value(field), **attributes))

        def _value(self, field: Field) -> str:
            if field.raw_data or not field.data:  # entered in the form, which is shown again because of an error
                return str(field._value())
            if hidden:
                return AIRFLOW_2_MASK
            return field.data if isinstance(field.data, str) else json.dumps(field.data)

    return Input()
