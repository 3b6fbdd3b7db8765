"""How requests and answers are written on the wire: path segments, v1's forms, errors, ``Retry-After``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote

import requests

from airflow_provider_360learning.api.spec import Endpoint, ResponseShape
from airflow_provider_360learning.exceptions import InvalidRequestError


def segment(name: str, value: Any, endpoint: Endpoint) -> str:
    """Encode one path segment; an empty one, or one of dots, would lead to another route."""
    text = str(value).strip() if value is not None else ""
    if not text.strip("."):
        raise InvalidRequestError(
            f"{name} is {value!r}, but {endpoint.operation} needs an id (or a mail, for a user). Nothing was sent.",
            operation=endpoint.operation,
        )
    return quote(text, safe="")


def without_nones(values: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what was not given."""
    return {name: value for name, value in values.items() if value is not None}


def encode_form(values: Mapping[str, Any]) -> dict[str, str]:
    """
    WriteSpec a body as v1's forms want it: arrays indexed (``groups[0]``), booleans as ``true`` and ``false``.

    :param values: The body.
    """
    fields: dict[str, str] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            fields |= encode_form({f"{name}[{key}]": inner for key, inner in value.items()})
        elif isinstance(value, list | tuple):
            fields |= encode_form({f"{name}[{index}]": inner for index, inner in enumerate(value)})
        else:
            fields[name] = form_value(value)
    return fields


def form_value(value: Any) -> str:
    """WriteSpec one value as text; booleans are ``true`` and ``false``."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def fault_in(answer: Any, endpoint: Endpoint) -> str | None:
    """Say what an answer lacks; only what is used is asked for."""
    if endpoint.response is ResponseShape.LIST:
        return None if _is_list_of_objects(answer) else "a list of objects was expected"
    if endpoint.response is ResponseShape.OBJECT:
        if not isinstance(answer, dict):
            return "an object was expected"
        if endpoint.required_keys and all(answer.get(key) in (None, "") for key in endpoint.required_keys):
            return f"it lacks {' or '.join(endpoint.required_keys)}"
        if endpoint.rows_key and not _is_list_of_objects(answer.get(endpoint.rows_key)):
            return f"{endpoint.rows_key} is no list of objects"
    return None


def _is_list_of_objects(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, dict) for item in value)


def error_of(response: requests.Response) -> tuple[str | None, str | None]:
    """Read code and description of an error; anything can come from proxies in between."""
    try:
        body = json.loads(response.content)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        return None, None
    code, description = body.get("error"), body.get("error_description") or body.get("message")
    return (
        code if isinstance(code, str) else None,
        description if isinstance(description, str) else None,
    )


def retry_after_of(response: requests.Response) -> float | None:
    """
    Read ``Retry-After``, seconds or a date, as seconds from now.

    A date is held against the answer's own ``Date``, so that a clock that is wrong on one side does not matter.
    """
    value = response.headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        then = parsedate_to_datetime(value)
    except (TypeError, ValueError):
        return None
    try:
        now = parsedate_to_datetime(response.headers["Date"])
    except (KeyError, TypeError, ValueError):
        now = datetime.now(UTC)
    if then.tzinfo is None or now.tzinfo is None:
        then, now = then.replace(tzinfo=UTC), now.replace(tzinfo=UTC)
    return max(0.0, (then - now).total_seconds())
