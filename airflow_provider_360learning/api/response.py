"""From an HTTP response to a decoded body: bytes in limited amounts, JSON, shape checks, and ``Retry-After``."""

from __future__ import annotations

import zlib
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import cast

import requests
from urllib3.exceptions import HTTPError

from airflow_provider_360learning.api.json_stream import JsonStream, unusable
from airflow_provider_360learning.api.spec import Endpoint, ResponseShape
from airflow_provider_360learning.api.transport import transport_error
from airflow_provider_360learning.api.types import JsonValue
from airflow_provider_360learning.exceptions import (
    AlreadyExistsError,
    AuthenticationError,
    InvalidRequestError,
    Learning360Error,
    RateLimitedError,
    RefusedError,
    ResponseTooLargeError,
    ServerError,
)

#: Bytes of a MiB.
MIB = 1 << 20
#: Maximum size of an error's body, in bytes.
MAX_ERROR_BODY = 64 << 10
#: The only encoding of bodies besides none.
ACCEPT_ENCODING = "gzip"
#: Bytes that are decompressed at a time.
STEP = 1 << 14
#: Maximum number of compressed bytes that decompress to nothing, in a response of any size: a server that sends nothing
#: else would keep its reader busy without end.
MAX_EMPTY = MIB
#: Minimum average size of a value in a response of the maximum size, in bytes: a value of two bytes can take a hundred
#: bytes of memory.
BYTES_PER_VALUE = 16


class ResponseBody:
    """
    The body of a response while it arrives, decompressed in steps.

    urllib3 is not asked to decompress: how far it obeys a maximum depends on its version, on the libraries that are
    installed, and on the encodings that the server chooses.

    :param response: A response whose body is not read yet.
    :param max_size: Maximum size in bytes, as it arrives and decompressed; by default unlimited.
    :param size_before: Bytes of earlier responses that count as well.
    """

    def __init__(self, response: requests.Response, max_size: int | None = None, size_before: int = 0) -> None:
        self._raw = response.raw
        self._max_size = max_size
        self._size_before = size_before
        self._received = self._returned = 0
        self._encoding = response.headers.get("Content-Encoding", "").strip().lower() or "identity"
        self._gzip = zlib.decompressobj(zlib.MAX_WBITS | 16) if self._encoding in ("gzip", "x-gzip") else None
        self._compressed = b""

    @property
    def size(self) -> int:
        """Number of bytes that were read, decompressed."""
        return self._returned

    def read(self, size: int) -> bytes:
        """
        Read and decompress the next bytes.

        :param size: Number of bytes; fewer are returned only at the end.
        :raises TransportError: if the response breaks off; without the text of the underlying exception.
        :raises UnexpectedResponseError: if the body cannot be decompressed, or is larger than its maximum.
        """
        if self._gzip is None and self._encoding != "identity":
            raise unusable("its Content-Encoding is not gzip, although no other was asked for")
        next_bytes = self._receive if self._gzip is None else self._decompress
        parts, missing = [], size
        while missing and (part := next_bytes(missing)):
            parts.append(part)
            missing -= len(part)
        self._returned += size - missing
        self._check_size(self._returned)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _receive(self, size: int) -> bytes:
        """Return the next bytes as they arrive, and none at the end."""
        try:
            received = bytes(self._raw.read(size, decode_content=False))
        except (HTTPError, OSError, ValueError) as error:  # a ValueError of http.client
            failure = transport_error(error)
        else:
            self._received += len(received)
            self._check_size(self._received)
            return received
        raise failure

    def _decompress(self, size: int) -> bytes:
        """Return at most so many decompressed bytes, and none at the end."""
        assert self._gzip is not None
        received_before = self._received
        while True:
            compressed = self._compressed or self._receive(STEP)
            # A response of limited size says so in its own error.
            if self._max_size is None and self._received - received_before > MAX_EMPTY:
                raise unusable(f"more than {MAX_EMPTY / MIB:g} MiB of compressed data without content is in it")
            if not compressed and not self._received:
                return b""  # an empty body, whatever its encoding is said to be
            if self._gzip.eof:
                if not compressed:
                    return b""
                self._gzip = zlib.decompressobj(zlib.MAX_WBITS | 16)  # a file may have several members
            try:
                part = self._gzip.decompress(compressed, size)
            except zlib.error:
                break
            self._compressed = self._gzip.unconsumed_tail or self._gzip.unused_data
            if part:
                return part
            if not compressed:
                break
        raise unusable("it is not complete gzip")

    def _check_size(self, size: int) -> None:
        if self._max_size is not None and size + self._size_before > self._max_size:
            subject = "it is, together with the pages before it," if self._size_before else "it is"
            raise ResponseTooLargeError(
                f"360Learning's response cannot be used: {subject} larger than {self._max_size / MIB:g} MiB; check "
                "that the Base URL is that of 360Learning, or increase the connection's max_response_mib"
            )


def read_json(body: ResponseBody, max_size: int) -> JsonValue:
    """
    Read and decode a body; an empty one is ``None``.

    :param body: A body that is not read yet.
    :param max_size: Its maximum size in bytes.
    :raises ResponseTooLargeError: if it is larger.
    :raises UnexpectedResponseError: if it is not JSON.
    """
    return cast(JsonValue, JsonStream(body.read, max_values=max_size // BYTES_PER_VALUE).document())


def shape_mismatch(body: JsonValue, endpoint: Endpoint) -> str | None:
    """
    Return what a successful response lacks, or ``None``. Only what is used is required.

    :param body: Decoded body.
    :param endpoint: The operation.
    """
    if endpoint.response in (ResponseShape.LIST, ResponseShape.PAGE):
        kind = "objects" if endpoint.items is dict else "strings"
        return None if _is_list_of(endpoint.items, body) else f"expected a list of {kind}"
    if endpoint.response is ResponseShape.OBJECT:
        if not isinstance(body, dict):
            return "expected an object"
        if endpoint.required_keys and not any(_is_given(body.get(key), endpoint) for key in endpoint.required_keys):
            return f"expected an object with {' or '.join(endpoint.required_keys)}"
        if endpoint.rows_key and not _is_list_of(dict, body.get(endpoint.rows_key)):
            return f"expected a list of objects under {endpoint.rows_key}"
    return None


def _is_given(value: JsonValue, endpoint: Endpoint) -> bool:
    """Return whether a required value is given; those of writes are ids, tokens and statuses."""
    return value not in (None, "") if endpoint.is_read else isinstance(value, str) and value != ""


def _is_list_of(kind: type, value: JsonValue) -> bool:
    return isinstance(value, list) and all(isinstance(item, kind) for item in value)


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
    :return: ``None`` if the header is missing or malformed. What it says is not capped here.
    """
    value = response.headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        then = _utc(parsedate_to_datetime(value))
        now = _date_of(response)
        return max(0.0, (then - now).total_seconds())
    except (TypeError, ValueError, OverflowError):
        return None


def _date_of(response: requests.Response) -> datetime:
    try:
        return _utc(parsedate_to_datetime(response.headers["Date"]))
    except (KeyError, TypeError, ValueError, OverflowError):
        return datetime.now(UTC)


def _utc(time: datetime) -> datetime:
    return time if time.tzinfo else time.replace(tzinfo=UTC)
