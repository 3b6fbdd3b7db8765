"""How API v2 encodes queries: filters with literal brackets, and lists with an index."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

from airflow_provider_360learning.api.types import JsonObject, JsonValue
from airflow_provider_360learning.exceptions import InvalidRequestError


def encode_form(values: JsonObject) -> dict[str, str]:
    """
    Refuse a form: no operation of API v2 has one.

    :param values: The body.
    """
    raise InvalidRequestError("API v2 has no forms")


def encode_query(values: JsonObject) -> str:
    """
    Encode query parameters, as in ``mail[in][0]=a%40b.c&status[eq]=active``.

    Whether API v2 accepts brackets that are percent-encoded is not documented; public clients send them as they are,
    and lists with an index.

    :param values: The parameters. A list has one parameter for each item.
    :raises InvalidRequestError: for an empty list, without which a filter would select everything.
    """
    return "&".join(f"{quote(name, safe='[]')}={quote(_text(value), safe='')}" for name, value in _parameters(values))


def _parameters(values: JsonObject) -> Iterator[tuple[str, JsonValue]]:
    for name, value in values.items():
        if not isinstance(value, list | tuple):
            yield name, value
            continue
        if not value:
            raise InvalidRequestError(f"{name} is an empty list, which selects nothing", argument=name)
        yield from ((f"{name}[{index}]", item) for index, item in enumerate(value))


def _text(value: JsonValue) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
