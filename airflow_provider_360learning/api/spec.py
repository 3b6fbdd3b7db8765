"""
What one version of the API is, as data: its operations, its limits, and how it writes requests and errors.

The client gets an :class:`ApiSpec` and knows no version by name; each version's room (``v1``) holds its own.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

#: Methods of requests that change nothing, and that count against the limits of reads.
READ_METHODS = frozenset({"GET", "HEAD"})


class LimitScope(enum.Enum):
    """What a rate limit is counted by."""

    COMPANY = "company"
    ADDRESS = "ip"


class BodyFormat(enum.Enum):
    """How the body of a request is written."""

    NONE = "none"
    FORM = "form"
    JSON = "json"


class ResponseShape(enum.Enum):
    """What a successful response must hold to be accepted."""

    #: Nothing is read from it: empty, or any JSON.
    ACKNOWLEDGEMENT = "acknowledgement"
    OBJECT = "object"
    LIST = "list"


@dataclass(frozen=True, slots=True)
class WindowLimit:
    """
    A rate limit: a number of requests in any window of time.

    :param name: The name by which a connection's ``limits`` can override it.
    :param requests: Maximum number of requests in a window.
    :param seconds: Length of the window.
    :param scope: What it is counted by.
    """

    name: str
    requests: int
    seconds: float = 1.0
    scope: LimitScope = LimitScope.COMPANY


@dataclass(frozen=True, slots=True)
class Endpoint:
    """
    One operation of the API.

    :param operation: The vendor's name of it.
    :param method: HTTP method.
    :param path: Path below the version's prefix, with its segments in braces.
    :param limits: Every limit that a request counts against, the narrowest first.
    :param body: Format of the request body.
    :param response: What a successful response must hold.
    :param required_keys: Keys of an ``OBJECT`` response of which at least one must be there.
    :param rows_key: Key of an ``OBJECT`` response that must hold a list of objects.
    :param may_resend: Whether it may be sent again when its outcome is unknown: sending it twice leaves the same state
        as sending it once, or the second response says that it was done.
    """

    operation: str
    method: str
    path: str
    limits: tuple[WindowLimit, ...]
    body: BodyFormat = BodyFormat.NONE
    response: ResponseShape = ResponseShape.ACKNOWLEDGEMENT
    required_keys: tuple[str, ...] = ()
    rows_key: str | None = None
    may_resend: bool = True

    @property
    def is_read(self) -> bool:
        """Whether it changes nothing."""
        return self.method in READ_METHODS

    @property
    def has_own_limit(self) -> bool:
        """Whether the first of its limits is for this operation alone."""
        return self.limits[0].name == self.operation


@dataclass(frozen=True)
class ApiSpec:
    """
    One version of the API.

    :param name: Its name, as the connection's ``api_version`` has it.
    :param path_prefix: Path under the base URL that its operations stand below.
    :param endpoints: Its operations by name.
    :param token_operation: The operation that returns access tokens.
    :param token_path: Path of that operation under the base URL, where the connection states none.
    :param headers: Headers of every request.
    """

    name: str
    path_prefix: str
    endpoints: Mapping[str, Endpoint]
    token_operation: str
    token_path: str
    headers: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def limits(self) -> Mapping[str, WindowLimit]:
        """Its rate limits by name: what a connection's ``limits`` may override."""
        return {limit.name: limit for endpoint in self.endpoints.values() for limit in endpoint.limits}
