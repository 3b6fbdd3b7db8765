"""
Credentials to headers, and the life of a token.

Each way is a :class:`requests.auth.AuthBase`: anything else is silently replaced by a ``.netrc`` entry for the
host.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from requests import PreparedRequest
from requests.auth import AuthBase

from airflow_provider_360learning.exceptions import UnexpectedResponseError

#: A token is renewed this long before its end, or a tenth of its life if that is shorter. In seconds.
MAX_LEAD = 60.0


class Auth(AuthBase):
    """How one request proves who it comes from. This one proves nothing (the token request itself)."""

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """Add the credentials to a prepared request."""
        return request

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must never be seen in a log or an error."""
        return ()

    def make_ready(self) -> None:
        """Fetch whatever is needed to send a request."""

    def renew(self, request: PreparedRequest) -> bool:
        """
        Give up what the server did not accept on a request.

        :returns: Whether sending again with something new makes sense.
        """
        return False


class ApiKeyInHeaders(Auth):
    """
    The API key in the headers ``X-company-id`` and ``X-apiKey``.

    :param company_id: The company ID.
    :param api_key: The API key.
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

    :param value: What goes into the header.
    :param renew_at: When to fetch the next one, on :func:`time.monotonic`.
    """

    value: str = field(repr=False)
    renew_at: float

    @classmethod
    def from_response(cls, answer: dict[str, Any], asked_at: float) -> Token:
        """
        Read the token endpoint's answer.

        :param answer: ``{access_token, expires_in}``; ``expires_in`` is documented as a string of seconds.
        :param asked_at: When the request was sent, on :func:`time.monotonic`: its life counts from then.
        """
        try:
            life = float(answer.get("expires_in", "3600"))
        except (TypeError, ValueError):
            life = 0.0
        if not 0 < life < float("inf"):  # a token that is never good would be fetched again and again
            raise UnexpectedResponseError("The token endpoint's expires_in is no number of seconds above 0")
        return cls(str(answer["access_token"]), asked_at + life - min(MAX_LEAD, life / 10))


class OAuth2Token(Auth):
    """
    A bearer token, fetched when first needed and renewed ahead of its end.

    Threads that share it fetch one token, not one each.

    :param fetch: Fetches a token from the token endpoint, as :meth:`Token.from_response` reads it.
    :param api_key: The API key that the token is fetched with.
    :param on_token: Told of each new token's value (to have it masked).
    """

    def __init__(
        self,
        fetch: Callable[[], dict[str, Any]],
        api_key: str,
        on_token: Callable[[str], None] = lambda value: None,
    ) -> None:
        self._fetch = fetch
        self._api_key = api_key
        self._on_token = on_token
        self._lock = threading.Lock()
        self._token: Token | None = None
        #: The last tokens: an answer may still speak of one that was replaced while the request was under way.
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
        """Fetch a token if there is none that is good for a while."""
        self._current()

    def _good_token(self) -> Token | None:
        token = self._token  # read once: another thread may take it away
        return token if token and time.monotonic() < token.renew_at else None

    def _current(self) -> Token:
        if token := self._good_token():
            return token
        with self._lock:
            if token := self._good_token():  # another thread fetched it while this one waited
                return token
            asked_at = time.monotonic()
            token = Token.from_response(self._fetch(), asked_at)
            self._on_token(token.value)
            self._values.append(token.value)
            self._token = token
            return token

    def renew(self, request: PreparedRequest) -> bool:
        """Forget the token of a refused request, unless another thread has renewed it already."""
        refused = request.headers.get("Authorization")
        with self._lock:
            if self._token and refused == f"Bearer {self._token.value}":
                self._token = None
        return True


class _HideKeys(logging.Filter):
    """urllib3 logs the path and query of each request at DEBUG."""

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
