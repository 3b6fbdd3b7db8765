"""
One version of the API as data: its operations, its limits, and how it encodes requests and reports errors.

The client is given an :class:`ApiSpec` and knows no version by name. Each version's package (``v1``) has its own.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeAlias, get_args

from airflow_provider_360learning.api.parameters import Parameters
from airflow_provider_360learning.api.types import AuthMethod, JsonObject, JsonValue
from airflow_provider_360learning.exceptions import Learning360Error

#: Returns a text of a response as an error may quote it: without secrets and control characters.
Quote: TypeAlias = Callable[[str], str]

#: Maximum number of characters of a response's text in an error.
MAX_QUOTE = 300

#: Methods that change nothing. Such requests count against the limits of reads.
READ_METHODS = frozenset({"GET", "HEAD"})


class LimitScope(enum.Enum):
    """What a rate limit is counted by."""

    COMPANY = "company"
    ADDRESS = "ip"


class BodyFormat(enum.Enum):
    """How the body of a request is encoded."""

    NONE = "none"
    FORM = "form"
    JSON = "json"
    #: Operations with files.
    MULTIPART = "multipart"


class ResponseShape(enum.Enum):
    """What a successful response must contain to be accepted."""

    #: Nothing is read from it: empty, or any JSON that reports no error.
    ACKNOWLEDGMENT = "acknowledgment"
    OBJECT = "object"
    LIST = "list"
    #: A list, and perhaps a link to its next page: a :class:`~.pages.Page`.
    PAGE = "page"
    #: A link to a bulk job: its id.
    JOB = "job"
    #: Any bytes, which the call's reader takes.
    FILE = "file"


class Evidence(enum.Enum):
    """The strongest evidence that an operation exists with this method and path."""

    #: Seen in recordings of the production system.
    RECORDED = "recorded"
    #: Described by the vendor.
    DOCUMENTED = "documented"
    #: Found only in the code of other public clients.
    ASSUMED = "assumed"


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
class ConcurrencyLimit:
    """
    A limit of what a company may have running at the same time.

    :param name: The name by which a connection's ``limits`` can override it.
    :param places: Maximum number at the same time.
    """

    name: str
    places: int


@dataclass(frozen=True, slots=True)
class Endpoint:
    """
    One operation of the API.

    :param operation: The vendor's name of the operation.
    :param method: HTTP method.
    :param path: Path below the version's prefix, with its segments in braces.
    :param limits: Every limit that a request counts against, the narrowest first.
    :param body: Format of the request body.
    :param response: What a successful response must contain.
    :param required_keys: Keys of an ``OBJECT`` response, at least one of which must be present.
    :param rows_key: Key of an ``OBJECT`` response that must contain a list of objects.
    :param may_resend: Whether it may be sent again when its outcome is unknown: sending it twice leaves the same state
        as sending it once, or the second response says that it was already done.
    :param evidence: Why we believe that the operation exists.
    :param scope: OAuth scope that the credentials need, in versions that have scopes.
    :param items: Whether a ``LIST`` or ``PAGE`` contains objects, or strings.
    :param refusal_keys: Keys of the objects in a successful response whose texts say why something was refused: secrets
        in them are masked, as in errors.
    """

    operation: str
    method: str
    path: str
    limits: tuple[WindowLimit, ...]
    body: BodyFormat = BodyFormat.NONE
    response: ResponseShape = ResponseShape.ACKNOWLEDGMENT
    required_keys: tuple[str, ...] = ()
    rows_key: str | None = None
    may_resend: bool = True
    evidence: Evidence = Evidence.DOCUMENTED
    scope: str | None = None
    items: type = dict
    refusal_keys: tuple[str, ...] = ()

    @property
    def is_read(self) -> bool:
        """Whether it changes nothing."""
        return self.method in READ_METHODS

    @property
    def has_own_limit(self) -> bool:
        """Whether the first of its limits is for this operation alone."""
        return self.limits[0].name == self.operation


class LazyEndpoints(Mapping[str, Endpoint]):
    """
    Operations by name, read when the first one is looked up.

    :param read: Returns them.
    """

    def __init__(self, read: Callable[[], Mapping[str, Endpoint]]) -> None:
        self._read = read

    @cached_property
    def _all(self) -> Mapping[str, Endpoint]:
        return self._read()

    def __getitem__(self, operation: str) -> Endpoint:
        return self._all[operation]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)


@dataclass(frozen=True, slots=True)
class ReportedError:
    """
    An error that a response reports.

    :param error_class: Class of the error to raise.
    :param message: What happened and what to do next; it may quote the response.
    :param code: The vendor's error code, if the response has one.
    :param details: Further arguments of the class.
    """

    error_class: type[Learning360Error]
    message: str
    code: str | None = None
    details: Mapping[str, str | None] = field(default_factory=dict)


# Compared by identity: there is one object per version.
@dataclass(frozen=True, eq=False)
class ApiSpec:
    """
    One version of the API.

    :param name: Its name, as in the connection's ``api_version``.
    :param path_prefix: Path under the base URL that precedes the paths of its operations.
    :param endpoints: Its operations by name.
    :param token_operation: The operation that returns access tokens.
    :param token_path: Default path of that operation under the base URL.
    :param encode_form: Encodes the body of a form.
    :param encode_query: Encodes query parameters, or returns the whole query as it is sent.
    :param parse_error: Reads the error that a response reports, from operation, HTTP status, decoded body (``None`` if
        it is empty or not JSON) and a function for each text of the body that the error quotes. Returns ``None`` if a
        success status reports no error.
    :param parameters: Returns what an operation accepts, by its name.
    :param headers: Headers of every request but that for a token.
    :param auth_methods: How requests can authenticate.
    :param login_is_company: Whether the login of its credentials is the ID of the company.
    :param job_path: Path below the prefix that precedes the id of a bulk job, in versions that have such jobs.
    :param concurrency_limits: Its limits of what may run at the same time.
    """

    name: str
    path_prefix: str
    endpoints: Mapping[str, Endpoint]
    token_operation: str
    token_path: str
    encode_form: Callable[[JsonObject], dict[str, str]]
    encode_query: Callable[[JsonObject], dict[str, str] | str]
    parse_error: Callable[[str, int, JsonValue, Quote], ReportedError | None]
    parameters: Callable[[str], Parameters]
    headers: Mapping[str, str] = field(default_factory=dict)
    auth_methods: tuple[AuthMethod, ...] = get_args(AuthMethod)
    login_is_company: bool = True
    job_path: str | None = None
    concurrency_limits: tuple[ConcurrencyLimit, ...] = ()

    @cached_property
    def limits(self) -> Mapping[str, WindowLimit]:
        """Its rate limits by name. A connection's ``limits`` may override them."""
        return {limit.name: limit for endpoint in self.endpoints.values() for limit in endpoint.limits}

    @property
    def pool_slots(self) -> int:
        """Slots of a pool whose tasks write with this version alone: as many as requests per second."""
        return self.limits["company_writes"].requests
