"""
How requests authenticate, the lifetime of an access token, and the rotation of the API key.

Each way is a :class:`requests.auth.AuthBase`: anything else is silently replaced by a ``.netrc`` entry for the host.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlencode, urlsplit

from pydantic import SecretStr
from requests import PreparedRequest
from requests.auth import AuthBase

from airflow_provider_360learning.api.types import JsonObject
from airflow_provider_360learning.exceptions import (
    AuthenticationError,
    InvalidConnectionError,
    TransportError,
    UnexpectedResponseError,
)
from airflow_provider_360learning.log_text import get_logger

log = get_logger(__name__)

#: Maximum number of seconds before its end at which a token is renewed; a tenth of its lifetime if that is shorter.
MAX_RENEWAL_LEAD = 60.0
#: Lifetime of a token whose response does not state one, in seconds (documented).
DEFAULT_LIFETIME = "3600"
#: Number of keys and tokens that are kept: a response may quote one that was replaced while its request was being sent.
MAX_KEPT = 4
#: Maximum number of characters of a token: servers refuse longer headers.
MAX_TOKEN = 16384
#: Maximum number of times in a row that credentials are renewed because the renewed ones are not accepted, either.
MAX_RENEWALS = 5


@dataclass(frozen=True, slots=True)
class Credentials:
    """
    A login and its API key.

    :param login: Company ID, or client ID.
    :param api_key: API key, or secret of the client. It is unwrapped where it is sent only: tools that report errors
        may show the local variables of all functions.
    """

    login: str
    api_key: SecretStr


class ApiKey:
    """
    The current API key, shared by all threads of a client.

    A key that the server does not accept may have been rotated. It is then read again, once per change: the first
    thread that notices reads it, and the others wait. A new secret of API v2 may belong to a new client ID.

    :param credentials: The key to start with, and its login.
    :param reread: Returns the credentials that are stored now; ``None`` if they cannot change.
    """

    def __init__(self, credentials: Credentials, reread: Callable[[], Credentials] | None = None) -> None:
        self._reread = reread
        self._lock = threading.Lock()
        self._values = deque([credentials], maxlen=MAX_KEPT)
        self._last_read: Credentials | None = None

    @property
    def credentials(self) -> Credentials:
        """The current key and its login."""
        return self._values[-1]

    @property
    def value(self) -> SecretStr:
        """The current key."""
        return self.credentials.api_key

    @property
    def secrets(self) -> tuple[str, ...]:
        """The current key and its predecessors."""
        return tuple(each.api_key.get_secret_value() for each in tuple(self._values))

    def replace(self, rejected: SecretStr) -> bool:
        """
        Read the key again, unless another thread has replaced it already.

        :param rejected: The key that the server did not accept.
        :return: Whether the current key is another one.
        :raises Learning360Error: if the key cannot be read, or belongs to another company now.
        """
        with self._lock:
            if self._reread is not None and self.value == rejected:
                self._update(self._reread())
            return self.value != rejected

    def _update(self, stored: Credentials) -> None:
        is_news, self._last_read = stored != self._last_read, stored  # many threads may find out the same
        if stored != self.credentials:
            self._values.append(stored)
            log.info("The API key of the connection has changed; continuing with the new one")
        elif is_news:
            log.warning("360Learning does not accept the credentials, and the connection still has the same ones")


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

    def renew(self, request: PreparedRequest, *, again: bool) -> bool:
        """
        Replace the credentials that the server did not accept.

        :param request: The request that was not accepted.
        :param again: Whether its credentials had been renewed because the server did not accept those before.
        :return: Whether to send the request again with new credentials.
        :raises Learning360Error: if new credentials cannot be read.
        """
        return False


class ApiKeyInHeaders(Auth):
    """
    The API key in the headers ``X-company-id`` and ``X-apiKey``.

    :param company_id: Company ID.
    :param api_key: API key.
    """

    def __init__(self, company_id: str, api_key: ApiKey) -> None:
        self._company_id = company_id
        self._api_key = api_key

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """Add the two headers."""
        request.headers.update({"X-company-id": self._company_id, "X-apiKey": self._api_key.value.get_secret_value()})
        for name in ("X-company-id", "X-apiKey"):
            if not _is_printable_ascii(request.headers[name]):  # http.client would show the value
                raise InvalidConnectionError(f"The value of {name} contains characters other than printable ASCII")
        return request

    @property
    def secrets(self) -> tuple[str, ...]:
        """The API key and its predecessors."""
        return self._api_key.secrets

    def renew(self, request: PreparedRequest, *, again: bool) -> bool:
        """
        Read the API key again, unless it was replaced since this request got it.

        :param request: The request.
        :param again: Without effect: a key may be rotated while a request waits with the one before.
        """
        return self._api_key.replace(self._key_in(request))

    def _key_in(self, request: PreparedRequest) -> SecretStr:
        return SecretStr(str(request.headers["X-apiKey"]))


class ApiKeyInQuery(ApiKeyInHeaders):
    """The API key in the query, as ``company`` and ``apiKey``. Such a URL is never shown."""

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """Add the two parameters."""
        separator = "&" if "?" in (request.url or "") else "?"
        credentials = urlencode({"company": self._company_id, "apiKey": self._api_key.value.get_secret_value()})
        request.url = f"{request.url}{separator}{credentials}"
        return request

    def _key_in(self, request: PreparedRequest) -> SecretStr:
        return SecretStr(parse_qs(urlsplit(request.url or "").query, keep_blank_values=True)["apiKey"][-1])


@dataclass(frozen=True, slots=True)
class Token:
    """
    An access token.

    :param value: Value for the ``Authorization`` header.
    :param renew_at: When to fetch the next one, on :func:`time.monotonic`.
    :param api_key: The API key that it was fetched with.
    """

    value: str = field(repr=False)
    renew_at: float
    api_key: SecretStr

    @classmethod
    def from_response(cls, body: JsonObject, api_key: SecretStr, requested_at: float) -> Token:
        """
        Read the response of the token endpoint.

        :param body: ``{access_token, expires_in}``; ``expires_in`` is documented as a string of seconds.
        :param api_key: The API key of the request.
        :param requested_at: When the request was sent, on :func:`time.monotonic`: the lifetime counts from then.
        :raises UnexpectedResponseError: if the token cannot be sent in a header, or ``expires_in`` is not a number of
            seconds above 0. The values are not shown.
        """
        value = body["access_token"]
        if not isinstance(value, str) or len(value) > MAX_TOKEN or not _is_printable_ascii(value):
            raise UnexpectedResponseError(
                f"The token endpoint's access_token is not a string of at most {MAX_TOKEN:,} printable ASCII characters"
            )
        try:
            lifetime = float(str(body.get("expires_in", DEFAULT_LIFETIME)))
        except ValueError:
            lifetime = 0.0
        if not 0 < lifetime < float("inf"):  # a token that is never valid would be fetched for each request
            raise UnexpectedResponseError("The token endpoint's expires_in is not a number of seconds above 0")
        renew_at = requested_at + lifetime - min(MAX_RENEWAL_LEAD, lifetime / 10)
        return cls(value, renew_at, api_key)


class OAuth2Token(Auth):
    """
    A bearer token, fetched when first needed and renewed before it expires.

    Threads that share it fetch one token, not one each; if it cannot be fetched, those that waited for it fail as well.

    :param fetch: Fetches the token endpoint's response for an API key and its login.
    :param api_key: The API key that tokens are fetched with.
    :param on_token: Called with the value of each new token (to mask it in logs).
    """

    def __init__(
        self,
        fetch: Callable[[Credentials], JsonObject],
        api_key: ApiKey,
        on_token: Callable[[str], None] = lambda value: None,
    ) -> None:
        self._fetch = fetch
        self._api_key = api_key
        self._on_token = on_token
        self._lock = threading.Lock()
        self._token: Token | None = None
        self._failure: TransportError | None = None
        self._values: deque[str] = deque(maxlen=MAX_KEPT)

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """Add the ``Authorization`` header."""
        request.headers["Authorization"] = f"Bearer {self._current().value}"
        return request

    @property
    def secrets(self) -> tuple[str, ...]:
        """The API key, the token, and their predecessors."""
        return (*self._api_key.secrets, *self._values)

    def make_ready(self) -> None:
        """Fetch a token unless there is a valid one."""
        self._current()

    def _valid_token(self) -> Token | None:
        token = self._token  # read once: another thread may remove it
        return token if token and time.monotonic() < token.renew_at else None

    def _current(self) -> Token:
        if token := self._valid_token():
            return token
        last_failure = self._failure
        with self._lock:
            if token := self._valid_token():  # another thread fetched it while this one waited
                return token
            if self._failure and self._failure is not last_failure:  # or could not: each would take as long
                raise copy(self._failure)
            try:
                token = self._fetch_token()
            except TransportError as error:
                self._failure = copy(error)  # without its traceback
                raise
            self._on_token(token.value)
            self._values.append(token.value)
            self._token = token
            return token

    def _fetch_token(self) -> Token:
        """Fetch a token, with a new API key as long as the current one is not accepted and changes."""
        for _ in range(MAX_RENEWALS):
            credentials = self._api_key.credentials
            try:
                return self._fetch_token_for(credentials)
            except AuthenticationError as error:
                is_about_key = error.status == 401  # any other status is about the company ID or the path
                if not is_about_key or not self._api_key.replace(credentials.api_key):
                    raise
        return self._fetch_token_for(self._api_key.credentials)

    def _fetch_token_for(self, credentials: Credentials) -> Token:
        requested_at = time.monotonic()
        return Token.from_response(self._fetch(credentials), credentials.api_key, requested_at)

    def renew(self, request: PreparedRequest, *, again: bool) -> bool:
        """
        Discard the token of a request that was not accepted, unless another thread has renewed it already.

        The next token is fetched with a new API key if the current one is not accepted, either.

        :param request: The request.
        :param again: Whether its token is a new one: then only a token of another API key can be accepted.
        """
        rejected = request.headers.get("Authorization")
        with self._lock:
            if self._token and rejected == f"Bearer {self._token.value}":
                if again and not self._api_key.replace(self._token.api_key):
                    return False
                log.info("The access token is not accepted any more; fetching a new one")
                self._token = None
        return True


def _is_printable_ascii(value: str) -> bool:
    return value.isascii() and value.isprintable()
