"""From an HTTP response to a decoded body: JSON, shape checks, ``Retry-After``, and bodies read while they arrive."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import cast

import requests
from urllib3.exceptions import HTTPError, ReadTimeoutError

from airflow_provider_360learning.api.spec import Endpoint, ResponseShape
from airflow_provider_360learning.api.transport import broken_connection, read_timeout
from airflow_provider_360learning.api.types import JsonValue
from airflow_provider_360learning.exceptions import (
    AlreadyExistsError,
    AuthenticationError,
    InvalidRequestError,
    Learning360Error,
    RateLimitedError,
    RefusedError,
    ServerError,
)


class ResponseBody:
    """
    The body of a response that is still arriving.

    :param response: A response that was requested as a stream.
    """

    def __init__(self, response: requests.Response) -> None:
        self._raw = response.raw

    def read(self, size: int) -> bytes:
        """
        Read and decompress the next bytes.

        :param size: Number of bytes; fewer are returned only at the end.
        :raises TransportError: if the response breaks off; without the text of the underlying exception.
        """
        try:
            return bytes(self._raw.read(size, decode_content=True))
        except ReadTimeoutError:
            failure = read_timeout()
        except (HTTPError, OSError) as error:
            failure = broken_connection(error)
        raise failure


def parse_json(response: requests.Response) -> JsonValue:
    """
    Decode a body; an empty one is ``None``.

    :raises ValueError: if it is not JSON.
    """
    return cast(JsonValue, json.loads(response.content)) if response.content.strip() else None


def shape_mismatch(body: JsonValue, endpoint: Endpoint) -> str | None:
    """
    Return what a successful response lacks, or ``None``. Only what is used is required.

    :param body: Decoded body.
    :param endpoint: The operation.
    """
    if endpoint.response is ResponseShape.LIST:
        return None if _is_list_of_objects(body) else "expected a list of objects"
    if endpoint.response is ResponseShape.OBJECT:
        if not isinstance(body, dict):
            return "expected an object"
        if endpoint.required_keys and all(body.get(key) in (None, "") for key in endpoint.required_keys):
            return f"expected an object with {' or '.join(endpoint.required_keys)}"
        if endpoint.rows_key and not _is_list_of_objects(body.get(endpoint.rows_key)):
            return f"expected a list of objects under {endpoint.rows_key}"
    return None


def _is_list_of_objects(value: JsonValue) -> bool:
    return isinstance(value, list) and all(isinstance(item, dict) for item in value)


def class_for_status(status: int) -> type[Learning360Error]:
    """
    Return the class of an error whose code says nothing, by its HTTP status.

    :param status: HTTP status.
    """
    if status == 429:
        return RateLimitedError
    if status == 401:
        return AuthenticationError
    if status >= 500 or status in (408, 425):  # request timeout, too early: on the server's side as well
        return ServerError
    if status < 400 or status == 403:
        return RefusedError
    return AlreadyExistsError if status == 409 else InvalidRequestError


def retry_after_seconds(response: requests.Response) -> float | None:
    """
    Read ``Retry-After``, seconds or a date, as seconds from now.

    A date is compared with the response's own ``Date``, so that a clock that is off on one side does not matter.

    :param response: The response.
    :return: ``None`` if the header is missing or malformed.
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
