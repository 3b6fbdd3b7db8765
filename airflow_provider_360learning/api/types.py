"""Types that all modules of the API layer share: JSON values, calls and the settings of a connection."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias, TypeVar

R = TypeVar("R")

#: A value that JSON can express.
JsonValue: TypeAlias = "bool | int | float | str | Sequence[JsonValue] | Mapping[str, JsonValue] | None"
JsonObject: TypeAlias = "Mapping[str, JsonValue]"
#: An object of a response. ``Any``, because keys and types are those that are documented, and only the keys that an
#: endpoint requires are checked.
ResponseObject: TypeAlias = "Mapping[str, Any]"

#: How requests authenticate.
AuthMethod = Literal["oauth2", "api_key_header", "api_key_query"]


class ReadableBody(Protocol):
    """The body of a successful response while it arrives."""

    def read(self, size: int) -> bytes:
        """
        Return the next bytes, decompressed.

        :param size: Number of bytes; fewer are returned only at the end.
        """


class StatusAndBody(NamedTuple):
    """
    The status and the decoded body of a successful response, where the status says what happened.

    :param status: HTTP status.
    :param body: Decoded body, ``None`` if it is empty. ``Any``, as that of all calls.
    """

    status: int
    body: Any


#: Keys of a body whose values are secrets.
SECRET_KEYS = ("password", "client_secret")


@dataclass(frozen=True, slots=True)
class Upload:
    """
    A file of a request.

    :param name: Its name, whose suffix decides its media type.
    :param content: Its bytes.
    """

    name: str
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Call:
    """
    One call of an operation.

    :param operation: Name of the operation in the version's :class:`~.spec.ApiSpec`.
    :param path: Values of the path's segments, not encoded.
    :param query: Query parameters; ``None`` values are left out.
    :param body: Body; ``None`` values are left out.
    :param rows: Body of the operations that take a list; ``body`` is empty then.
    :param files: Files of a multipart body by field.
    :param nulls: Keys that a JSON body has as ``null`` unless it has a value for them: those of fields to be cleared.
    :param read: Reader for a response that is too long to be held in memory. It gets the body of a successful response
        while that arrives, and what it returns is the result of the call. It is called again when the call is retried,
        and raises :class:`UnexpectedResponseError` for a body that it cannot use.
    :param link: Link to a further page of a list, followed as it is: without ``path`` and ``query``. One that leads to
        another host raises :class:`UnexpectedResponseError`, and nothing is sent.
    :param received: Bytes of earlier pages that are still in memory. They count against the maximum size of a response.
    :param with_status: Whether the result is a :class:`StatusAndBody`.
    :param once: Whether it is never sent twice, although its operation may be: the caller does not know what the second
        response means.
    """

    operation: str
    path: Mapping[str, str] = field(default_factory=dict)
    query: JsonObject = field(default_factory=dict, repr=False)
    #: Hidden from ``repr``: it may contain passwords, and that of the token request contains the API key.
    body: JsonObject = field(default_factory=dict, repr=False)
    read: Callable[[ReadableBody], object] | None = field(default=None, repr=False)
    #: Hidden from ``repr`` like the query that it contains.
    link: str | None = field(default=None, repr=False)
    received: int = 0
    with_status: bool = False
    once: bool = False
    nulls: tuple[str, ...] = ()
    rows: Sequence[JsonValue] | None = field(default=None, repr=False)
    files: Mapping[str, Upload] = field(default_factory=dict, repr=False)

    @property
    def secrets(self) -> tuple[str, ...]:
        """The secrets in the body."""
        return tuple(str(value) for key in SECRET_KEYS if (value := self.body.get(key)))


def new_owner() -> str:
    """Return an owner of places that no other action has."""
    return secrets.token_hex(16)


@dataclass(frozen=True, slots=True)
class Hold:
    """
    One place of a limited number, held until it is released or expires.

    It is plain data: an action of another process that knows the owner can renew and release it.

    :param name: What is limited: the name of a :class:`~.spec.ConcurrencyLimit`, or a lock, such as
        ``"audience 5f0c…"``. The same name of another company or API version is another one.
    :param places: Number of places; 1 for a lock.
    :param owner: Holds at most one place of the name. Letters, digits and punctuation, at most 200 characters.
    :param seconds: Time after which the place is free again unless it is renewed, at most
        :data:`~.limiter.store.MAX_PLACE_SECONDS`.
    """

    name: str
    places: int
    owner: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Acquire(Hold):
    """
    Step: wait for a place, and return its :class:`Hold`. An owner who has one keeps it for another ``seconds``.

    The waiting is done by the client, in the order of arrival, and renews nothing but its own place in the queue.
    The client raises :class:`RateLimitedError` in the action after ``max_wait`` seconds. It renews the places of an
    action before each of its calls, and releases them when the action ends, except places that are to be kept.

    :param owner: By default one that no other action has.
    :param keep: Whether the place is kept when the action ends without releasing it, for an action that follows.
    :param count: Returns the steps that count the places in use, for processes without a shared store.
    :param max_wait: Seconds; by default the maximum wait of the rate limiter.
    """

    owner: str = field(default_factory=new_owner)
    seconds: float = 120.0
    keep: bool = False
    count: Callable[[], ActionSteps[int]] | None = field(default=None, repr=False, compare=False)
    max_wait: float | None = None

    @property
    def hold(self) -> Hold:
        """The place to hold."""
        return Hold(self.name, self.places, self.owner, self.seconds)


@dataclass(frozen=True, slots=True)
class Renew:
    """
    Step: hold a place for its ``seconds`` from now, and return whether it is held.

    Never waits. A place that has expired is taken again if one is free.

    :param hold: The place.
    """

    hold: Hold


@dataclass(frozen=True, slots=True)
class Release:
    """
    Step: release a place; does nothing if it has expired.

    Not in ``finally``, where an action that is closed must not yield: use :func:`~.actions.holding`.

    :param hold: The place.
    """

    hold: Hold


@dataclass(frozen=True, slots=True)
class Sleep:
    """
    Step: wait, in a thread by sleeping, on an event loop without a thread.

    :param seconds: Seconds.
    """

    seconds: float


#: What an action yields.
Step: TypeAlias = Call | Acquire | Renew | Release | Sleep

#: An action as a generator: it yields steps, receives their results, such as the responses of calls (or their errors),
#: and returns a result. ``Any``, because the type of a result depends on the step.
ActionSteps = Generator[Step, Any, R]

#: Yields the seconds to sleep before a request may be sent.
WaitSteps = Generator[float, None, None]


@dataclass(frozen=True, slots=True)
class Settings:
    """
    Address and credentials of 360Learning.

    :param base_url: Base URL without a trailing slash.
    :param company_id: Company ID: the rate limits and all data belong to it.
    :param api_key: API key, or the secret of the client.
    :param client_id: Client ID, in versions whose credentials belong to a client; by default the company ID.
    :param auth: How requests authenticate.
    :param token_path: Path of the token endpoint; by default that of the API version.
    :param connect_timeout: Seconds.
    :param read_timeout: Seconds.
    :param total_timeout: Seconds.
    :param max_response_mib: Maximum size of a response in MiB; exports that are read while they arrive may be larger.
    :param ca_bundle: Path of certificates to trust, instead of the default ones.
    :param proxy: URL of a proxy, instead of the one in the environment.
    """

    base_url: str
    company_id: str
    api_key: str = field(repr=False)
    client_id: str | None = None
    auth: AuthMethod = "oauth2"
    token_path: str | None = None
    connect_timeout: float = 10.0
    read_timeout: float = 60.0
    total_timeout: float = 120.0
    max_response_mib: int = 64
    ca_bundle: str | None = None
    proxy: str | None = field(default=None, repr=False)

    @property
    def login(self) -> str:
        """What identifies the credentials: the client ID, or the company ID."""
        return self.client_id or self.company_id
