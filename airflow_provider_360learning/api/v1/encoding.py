"""How API v1 encodes forms and queries: indexed arrays, and booleans as ``true`` and ``false``."""

from __future__ import annotations

from collections.abc import Mapping

from airflow_provider_360learning.api.types import JsonObject, JsonValue


def encode_form(values: JsonObject) -> dict[str, str]:
    """
    Encode a form: arrays are indexed (``groups[0]``), objects are keyed (``a[b]``).

    :param values: The body.
    """
    fields: dict[str, str] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            fields |= encode_form({f"{name}[{key}]": inner for key, inner in value.items()})
        elif isinstance(value, list | tuple):
            fields |= encode_form({f"{name}[{index}]": inner for index, inner in enumerate(value)})
        else:
            fields[name] = encode_value(value)
    return fields


def encode_query(values: JsonObject) -> dict[str, str]:
    """
    Encode query parameters.

    :param values: The parameters; API v1 has none that takes several values.
    """
    return {name: encode_value(value) for name, value in values.items()}


def encode_value(value: JsonValue) -> str:
    """Encode one value; booleans are ``true`` and ``false``."""
    return str(value).lower() if isinstance(value, bool) else str(value)
