"""From a call to an HTTP request: path, query, headers and body."""

from __future__ import annotations

import json
import mimetypes
from collections.abc import Iterator, Mapping
from urllib.parse import quote

import requests

from airflow_provider_360learning.api.auth import Auth
from airflow_provider_360learning.api.links import resolve
from airflow_provider_360learning.api.response import ACCEPT_ENCODING
from airflow_provider_360learning.api.spec import ApiSpec, BodyFormat, Endpoint, ResponseShape
from airflow_provider_360learning.api.types import Call, JsonObject, JsonValue, Settings, Upload
from airflow_provider_360learning.exceptions import InvalidRequestError


def build_path(call: Call, spec: ApiSpec, settings: Settings) -> str:
    """
    Return the path of a call under the base URL; that of a link includes its query.

    :raises InvalidRequestError: if a segment is empty or consists of dots.
    :raises UnexpectedResponseError: if a link leads to another origin, or not to a page of the operation's list.
    """
    if call.operation == spec.token_operation:
        return settings.token_path or spec.token_path
    endpoint = spec.endpoints[call.operation]
    if call.link is not None:
        if endpoint.response is not ResponseShape.PAGE:
            raise InvalidRequestError(f"{call.operation} has no pages", operation=call.operation)
        return resolve(call.link, settings.base_url + spec.path_prefix, settings.base_url, spec.path_prefix)
    segments = {name: encode_segment(name, value, endpoint) for name, value in call.path.items()}
    return spec.path_prefix + endpoint.path.format(**segments)


def build_request(call: Call, path: str, spec: ApiSpec, settings: Settings, user_agent: str) -> requests.Request:
    """
    Return the request of a call, without its credentials.

    :param call: The call.
    :param path: Its path, from :func:`build_path`.
    :param spec: The API version.
    :param settings: The connection.
    :param user_agent: Value of the ``User-Agent`` header.
    """
    endpoint, body = spec.endpoints[call.operation], without_nones(call.body)
    if endpoint.response is ResponseShape.FILE and call.read is None:
        raise InvalidRequestError(f"{call.operation} returns a file, which needs a reader", operation=call.operation)
    headers = {} if call.operation == spec.token_operation else spec.headers
    return requests.Request(
        endpoint.method,
        settings.base_url + path,
        headers={
            "User-Agent": user_agent,
            "Accept": "*/*" if endpoint.response is ResponseShape.FILE else "application/json",
            "Accept-Encoding": ACCEPT_ENCODING,
            **headers,
        },
        params={} if call.link else spec.encode_query(without_nones(call.query)),
        json=_json_body(call, body) if endpoint.body is BodyFormat.JSON else None,
        data=spec.encode_form(body) if endpoint.body is BodyFormat.FORM else None,
        files=list(_parts(body, call.files)) if endpoint.body is BodyFormat.MULTIPART else None,
        # Credentials are added when the request is sent; this keeps requests from looking elsewhere.
        auth=Auth(),
    )


def _json_body(call: Call, body: dict[str, JsonValue]) -> JsonValue:
    return call.rows if call.rows is not None else dict.fromkeys(call.nulls) | body


def _parts(
    body: JsonObject, uploads: Mapping[str, Upload]
) -> Iterator[tuple[str, tuple[str | None, str | bytes, str]]]:
    """
    Yield the parts of a multipart body as the defaults of OpenAPI have them.

    Assumption: a list has a part of the same name for each item, and an object is JSON.
    """
    for name, value in body.items():
        for item in value if isinstance(value, list | tuple) else (value,):
            if isinstance(item, Mapping):
                yield name, (None, json.dumps(item), "application/json")
            else:
                yield (
                    name,
                    (None, str(item).lower() if isinstance(item, bool) else str(item), "text/plain; charset=utf-8"),
                )
    for name, upload in uploads.items():
        media_type = mimetypes.guess_type(upload.name)[0] or "application/octet-stream"
        yield name, (upload.name, upload.content, media_type)


def encode_segment(name: str, value: object, endpoint: Endpoint) -> str:
    """
    Percent-encode one path segment.

    :param name: Name of the segment.
    :param value: Its value.
    :param endpoint: The operation.
    :raises InvalidRequestError: for an empty segment, or one of dots, which would lead to another route.
    """
    text = str(value).strip() if value is not None else ""
    if not text.strip("."):
        raise InvalidRequestError(
            f"{name} is {value!r:.200}, but {endpoint.operation} needs an id (or an email address, for a user)",
            operation=endpoint.operation,
        )
    return quote(text, safe="")


def without_nones(values: JsonObject) -> dict[str, JsonValue]:
    """Return a body or a query without its ``None`` values."""
    return {name: value for name, value in values.items() if value is not None}
