"""The connection form, declared once as data.

Airflow 3.2 and later read it from the provider info; older ones ask the hook, whose two form methods
return what the functions here make of the same data.
"""

from __future__ import annotations

from typing import Any

CONNECTION_TYPE = "learning360"
HOOK_NAME = "360Learning"
DEFAULT_CONN_ID = "learning360_default"
EU_BASE_URL = "https://app.360learning.com"
US_BASE_URL = "https://app.us.360learning.com"

_BEHAVIOUR: dict[str, Any] = {
    "hidden-fields": ["port", "schema"],
    "relabeling": {"host": "Base URL", "login": "Company ID", "password": "API key"},
    "placeholders": {
        "host": f"{EU_BASE_URL} (EU, used when empty) or {US_BASE_URL} (US)",
        "login": "ID of the company (or platform group) on 360Learning",
        "password": "API key of the company",
    },
}

EXTRA_FIELDS: dict[str, dict[str, Any]] = {
    "api_version": {
        "label": "API version",
        "description": "Version of the 360Learning API that this connection speaks.",
        "schema": {"type": ["string", "null"], "enum": ["v1"], "default": "v1"},
    },
    "auth": {
        "label": "Authentication",
        "description": "How requests prove who they are: oauth2 (an access token, fetched when needed), "
        "api_key_header (company and key in the headers) or api_key_query (both in the query string).",
        "schema": {
            "type": ["string", "null"],
            "enum": ["oauth2", "api_key_header", "api_key_query"],
            "default": "oauth2",
        },
    },
    "token_path": {
        "label": "Token path",
        "description": "Path below the base URL that issues access tokens (oauth2 only). "
        "By default the path of the API version.",
        "schema": {"type": ["string", "null"]},
    },
    "connect_timeout": {
        "label": "Connect timeout (s)",
        "description": "Seconds to wait for a connection to the server.",
        "schema": {"type": ["number", "null"], "minimum": 0.001, "default": 10},
    },
    "read_timeout": {
        "label": "Read timeout (s)",
        "description": "Seconds to wait for the server between two pieces of its answer.",
        "schema": {"type": ["number", "null"], "minimum": 0.001, "default": 60},
    },
    "ca_bundle": {
        "label": "CA bundle",
        "description": "Path of a file with the certificates to trust, where the usual ones are not enough. "
        "It must exist on every worker and triggerer.",
        "schema": {"type": ["string", "null"]},
    },
    "proxy": {
        "label": "Proxy",
        "description": "URL of a proxy for this connection; it wins over HTTPS_PROXY and NO_PROXY. "
        "Hidden like a password, because it may hold credentials.",
        "schema": {"type": ["string", "null"], "format": "password"},
    },
    "limits": {
        "label": "Limits",
        "description": "Request limits agreed with 360Learning, as a JSON object by the names of the limits "
        "table in the documentation.",
        "schema": {"type": ["object", "null"]},
    },
}


def default_of(field: str) -> Any:
    """The value that an extra field has where the connection leaves it out.

    :param field: name of the extra field
    """
    return EXTRA_FIELDS[field]["schema"].get("default")


def connection_type_info(hook_class_name: str) -> dict[str, Any]:
    """The entry of this connection type in the provider info.

    :param hook_class_name: import path of the hook class
    """
    return {
        "connection-type": CONNECTION_TYPE,
        "hook-class-name": hook_class_name,
        "hook-name": HOOK_NAME,
        "conn-fields": EXTRA_FIELDS,
        "ui-field-behaviour": _BEHAVIOUR,
    }


def ui_field_behaviour() -> dict[str, Any]:
    """What the hook answers to ``get_ui_field_behaviour`` (Airflow before 3.2)."""
    return {key.replace("-", "_"): value for key, value in _BEHAVIOUR.items()}


def connection_form_widgets() -> dict[str, Any]:
    """What the hook answers to ``get_connection_form_widgets`` (Airflow before 3.2)."""
    return {name: _widget(field) for name, field in EXTRA_FIELDS.items()}


def _widget(field: dict[str, Any]) -> Any:
    """One form field in the only classes that Airflow admits; numbers and objects are entered as text."""
    from flask_appbuilder.fieldwidgets import BS3PasswordFieldWidget, BS3TextFieldWidget
    from wtforms import PasswordField, StringField
    from wtforms.validators import Optional, any_of

    schema = field["schema"]
    hidden = schema.get("format") == "password"
    default = schema.get("default")
    return (PasswordField if hidden else StringField)(
        field["label"],
        widget=BS3PasswordFieldWidget() if hidden else BS3TextFieldWidget(),
        validators=[Optional(), *([any_of(schema["enum"])] if "enum" in schema else [])],
        description=field["description"],
        default=None if default is None else str(default),
    )
