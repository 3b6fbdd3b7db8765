"""
How requests authenticate, and the lifetime of an access token.

Each way is a :class:`requests.auth.AuthBase`: anything else is silently replaced by a ``.netrc`` entry for the host.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlencode

from requests import PreparedRequest
from requests.auth import AuthBase

from airflow_provider_360learning.api.types import JsonObject
from airflow_provider_360learning.exceptions import UnexpectedResponseError

#: Maximum number of seconds before its end at which a token is renewed; a tenth of its lifetime if that is shorter.
MAX_RENEWAL_LEAD = 60.0
#: Lifetime of a token whose response does not state one, in seconds (documented).
DEFAULT_LIFETIME = "3600"


class Auth(AuthBase):
    """Authentication of a request. This one adds nothing (the token request itself)."""

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """Add the credentials to a prepared request."""
        return request

    @property
    def secrets(self) -> tuple[str, ...]:
        """Values that must never appear in a log or an error."""
        return ()

    def make_ready(self) -> None:
        """Fetch what is needed to send a request."""

    def renew(self, request: PreparedRequest) -> bool:
        """
        Discard the credentials that the server did not accept.

        :param request: The request that was not accepted.
        :return: Whether to send the request again with new credentials.
        """
        return False


class ApiKeyInHeaders(Auth):
    """
    The API key in the headers ``X-company-id`` and ``X-apiKey``.

    :param company_id: Company ID.
    :param api_key: API key.
    """

    def __init__(self, company_id: str, api_key: str) -> None:
        self._company_id = company_id
        self._api_key = api_key

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """Add the two headers."""
        request.headers.update({"X-company-id": self._company_id, "X-apiKey": self._api_key})
        return request

    @property
    def secrets(self) -> tuple[str, ...]:
        """The API key."""
        return (self._api_key,)


class ApiKeyInQuery(ApiKeyInHeaders):
    """The API key in the query, as ``company`` and ``apiKey``. Such a URL is never logged."""

    def __init__(self, company_id: str, api_key: str) -> None:
        super().__init__(company_id, api_key)
        hide_keys_in_transport_logs()

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """Add the two parameters."""
        separator = "&" if "?" in (request.url or "") else "?"
        request.url = f"{request.url}{separator}{urlencode({'company': self._company_id, 'apiKey': self._api_key})}"
        return request


@dataclass(frozen=True, slots=True)
class Token:
    """
    An access token.

    :param value: Value for the ``Authorization`` header.
    :param renew_at: When to fetch the next one, on :func:`time.monotonic`.
    """

    value: str = field(repr=False)
    renew_at: float

    @classmethod
    def from_response(cls, body: JsonObject, requested_at: float) -> Token:
        """
        Read the response of the token endpoint.

        :param body: ``{access_token, expires_in}``; ``expires_in`` is documented as a string of seconds.
        :param requested_at: When the request was sent, on :func:`time.monotonic`: the lifetime counts from then.
        :raises UnexpectedResponseError: if ``expires_in`` is not a number of seconds above 0.
        """
        try:
            lifetime = float(str(body.get("expires_in", DEFAULT_LIFETIME)))
        except ValueError:
            lifetime = 0.0
        if not 0 < lifetime < float("inf"):  # a token that is never valid would be fetched for each request
            raise UnexpectedResponseError("The token endpoint's expires_in is not a number of seconds above 0")
        return cls(str(body["access_token"]), requested_at + lifetime - min(MAX_RENEWAL_LEAD, lifetime / 10))


class OAuth2Token(Auth):
    """
    A bearer token, fetched when first needed and renewed before it expires.

    Threads that share it fetch one token, not one each.

    :param fetch: Fetches the token endpoint's response.
    :param api_key: The API key that the token is fetched with.
    :param on_token: Called with the value of each new token (to mask it in logs).
    """

    def __init__(
        self,
        fetch: Callable[[], JsonObject],
        api_key: str,
        on_token: Callable[[str], None] = lambda value: None,
    ) -> None:
        self._fetch = fetch
        self._api_key = api_key
        self._on_token = on_token
        self._lock = threading.Lock()
        self._token: Token | None = None
        #: The last tokens: a response may still quote one that was replaced while its request was being sent.
        self._values: deque[str] = deque(maxlen=4)

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """Add the ``Authorization`` header."""
        request.headers["Authorization"] = f"Bearer {self._current().value}"
        return request

    @property
    def secrets(self) -> tuple[str, ...]:
        """The API key and the tokens."""
        return (self._api_key, *self._values)

    def make_ready(self) -> None:
        """Fetch a token unless there is a valid one."""
        self._current()

    def _valid_token(self) -> Token | None:
        token = self._token  # read once: another thread may remove it
        return token if token and time.monotonic() < token.renew_at else None

    def _current(self) -> Token:
        if token := self._valid_token():
            return token
        with self._lock:
            if token := self._valid_token():  # another thread fetched it while this one waited
                return token
            requested_at = time.monotonic()
            token = Token.from_response(self._fetch(), requested_at)
            self._on_token(token.value)
            self._values.append(token.value)
            self._token = token
            return token

    def renew(self, request: PreparedRequest) -> bool:
        """
        Discard the token of a request that was not accepted, unless another thread has renewed it already.

        :param request: The request.
        """
        rejected = request.headers.get("Authorization")
        with self._lock:
            if self._token and rejected == f"Bearer {self._token.value}":
                self._token = None
        return True


class _HideKeys(logging.Filter):
    """Filter for urllib3, which logs the path and query of each request at DEBUG."""

    _KEY = re.compile(r"(apiKey=)[^&\s\"]+")

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(
                self._KEY.sub(r"\1***", value) if isinstance(value, str) else value for value in record.args
            )
        return True


def hide_keys_in_transport_logs() -> None:
    """Keep API keys in queries out of urllib3's debug log."""
    logger = logging.getLogger("urllib3.connectionpool")
    if not any(isinstance(existing, _HideKeys) for existing in logger.filters):
        logger.addFilter(_HideKeys())
