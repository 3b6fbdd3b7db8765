"""API versions as data: routes with their evidence, and how a raw path and body reach one of them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from email.message import Message
from email.parser import BytesParser
from typing import Literal, NamedTuple
from urllib.parse import parse_qsl, unquote

from airflow_provider_360learning.sandbox.company import Company
from airflow_provider_360learning.sandbox.limits import Evidence, Limit
from airflow_provider_360learning.sandbox.settings import Settings
from airflow_provider_360learning.sandbox.state.budget import walk

#: Maximum number of values in a body, keys included: 10,000 courses of a bulk job, with all their fields.
MAX_BODY_VALUES = 400_000
#: Maximum depth of the values in a body.
MAX_BODY_DEPTH = 20
#: Maximum number of boundaries in a multipart body, whose parts take 30 µs each.
MAX_MULTIPART_BOUNDARIES = 10_000

BodyFormat = Literal["json", "form", "multipart", "other"]

#: Stands for the path in the setting ``token_path``.
TOKEN_PATH = "{token_path}"

_PARAMETER = re.compile(r"\{(\w+)\}")
_INDEX = re.compile(r"[0-9]{1,9}")

_FORMATS: dict[str, BodyFormat] = {
    "application/json": "json",
    "application/x-www-form-urlencoded": "form",
    "multipart/form-data": "multipart",
}


@dataclass
class Response:
    """
    A response.

    :param payload: JSON values; ``None`` for no body, bytes for a body that is sent as it is, an iterator of bytes for
        one that is produced while it is sent.
    """

    payload: object = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)

    def content(self) -> bytes | Iterator[bytes]:
        """Return the body as it is sent."""
        if self.payload is None:
            return b""
        if isinstance(self.payload, bytes | Iterator):
            return self.payload
        return json.dumps(self.payload, separators=(",", ":")).encode()

    @property
    def error(self) -> str | None:
        """The error code of an error response."""
        if not isinstance(self.payload, dict) or (self.status < 400 and "error" not in self.payload):
            return None
        error = self.payload.get("error", self.payload.get("message"))
        if isinstance(error, dict):
            error = error.get("code")
        return None if error is None else str(error)


class Refusal(Exception):
    """
    A request is answered with an error.

    :param response: the error in the format of the version.
    """

    def __init__(self, response: Response) -> None:
        super().__init__(response.error)
        self.response = response


class Body(NamedTuple):
    """
    A decoded body.

    Its value is ``None`` if the bytes are not in the format that the content type names, or have too many or too deep
    values.
    """

    format: BodyFormat
    value: object


@dataclass
class Exchange:
    """
    One request on its route, with the company it is about.

    :param path: the decoded parameters of the path.
    :param raw_path: the path as it was sent.
    :param raw_query: the query as it was sent.
    """

    company: Company
    path: Mapping[str, str]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Body | None
    raw_path: str
    raw_query: str


@dataclass(frozen=True)
class Route:
    """
    One operation of an API version.

    :param path: the path below the version's prefix with its parameters in braces, or :data:`TOKEN_PATH`.
    :param handler: does the work, or raises :class:`Refusal`.
    :param bodies: the formats of body that are known for it.
    :param evidence: how the route is known: ``documented``; ``recorded`` if there is a whole response of production,
        too; ``client`` if only public clients use it; ``assumed`` otherwise.
    :param assumes: what is assumed about its behavior; empty if nothing is.
    """

    operation: str
    method: str
    path: str
    handler: Callable[[Exchange], Response]
    bodies: tuple[BodyFormat, ...] = ()
    evidence: Evidence = "documented"
    assumes: str = ""

    @property
    def is_assumed(self) -> bool:
        """Whether anything about its responses is assumed."""
        return bool(self.assumes) or self.evidence == "assumed"


@dataclass(frozen=True)
class Version:
    """
    An API version in front of the state.

    :param name: for example ``v1``.
    :param prefix: prefix of all its paths except for the token path.
    :param authenticate: checks the credentials, and returns how they were sent: ``token``, ``headers``, ``query``.
    :param not_found: renders the error for an unknown route.
    :param server_error: renders an unexpected failure with a status, under a key of the body.
    :param excess_body: returns the body of a 429.
    :param fault_responses: responses of the kinds of fault that this version alone knows.
    :param credentials: returns login and password of a connection, and the fields of its extra that it needs.
    :param login: the form of the logins that it issues tokens for, at the path that all versions share.
    """

    name: str
    prefix: str
    routes: tuple[Route, ...]
    limits: tuple[Limit, ...]
    authenticate: Callable[[Company, Mapping[str, str], Mapping[str, str]], str]
    not_found: Callable[[], Response]
    server_error: Callable[[int, str], Response]
    excess_body: Callable[[Settings], object]
    fault_responses: Mapping[str, Response]
    credentials: Callable[[Company], tuple[str, str, dict[str, object]]]
    login: re.Pattern[str]


class Match(NamedTuple):
    """A version, its route for a request, and the decoded parameters of the path; no route if it is unknown."""

    version: Version
    route: Route | None
    params: dict[str, str]

    @property
    def operation(self) -> str | None:
        """The name of the operation."""
        return self.route.operation if self.route else None

    @property
    def issues_token(self) -> bool:
        """Whether the route is the one that issues tokens, which needs no authentication."""
        return self.route is not None and self.route.path == TOKEN_PATH


class Router:
    """
    Finds version and route of a request.

    It works on the raw path, because in a decoded one an email address with a slash looks like two segments.
    """

    def __init__(self, versions: tuple[Version, ...]) -> None:
        self._versions = versions
        # Fewest parameters first: `/paths/sessions` is not a `/paths/{path_id}`.
        self._patterns = sorted(
            (_pattern(version, route) for version in versions for route in version.routes),
            key=lambda pattern: pattern[1].path.count("{"),
        )

    def match(self, method: str, raw_path: str, token_path: str, login: str = "") -> Match:
        """
        Return the match. A trailing slash makes no difference.

        :param raw_path: the path as it was sent.
        :param token_path: the path where tokens are issued.
        :param login: the login in the body, which decides the version that issues a token; the first one by default.
        """
        if raw_path.rstrip("/") == token_path.rstrip("/"):
            raw_path = TOKEN_PATH
        for version, route, pattern in self._patterns:
            if login and route.path == TOKEN_PATH and not version.login.fullmatch(login):
                continue
            if route.method == method and (found := pattern.fullmatch(raw_path)):
                return Match(version, route, {name: unquote(value) for name, value in found.groupdict().items()})
        named = (version for version in self._versions if raw_path.startswith(f"{version.prefix}/"))
        return Match(next(named, self._versions[0]), None, {})


def _pattern(version: Version, route: Route) -> tuple[Version, Route, re.Pattern[str]]:
    if route.path == TOKEN_PATH:
        return version, route, re.compile(re.escape(TOKEN_PATH))
    return version, route, re.compile(version.prefix + _PARAMETER.sub(r"(?P<\1>[^/]+)", route.path) + "/?")


def decode_body(content_type: str, raw: bytes, *, unindexed_arrays: bool = True) -> Body:
    """
    Decode a body by its content type.

    :param unindexed_arrays: whether ``name[]=``, and each ``name=`` of several in a form, is an item of a list, as
        ``name[0]=`` is.
    """
    kind = _FORMATS.get(content_type.partition(";")[0].strip().lower(), "other")
    try:
        value = _decoded(kind, content_type, raw, unindexed_arrays)
    except (ValueError, RecursionError):
        value = None
    return Body(kind, value)


def _decoded(kind: BodyFormat, content_type: str, raw: bytes, unindexed_arrays: bool) -> object:
    if kind == "other":
        return None
    if kind == "json":
        value = json.loads(raw)
    elif kind == "form":
        fields = parse_qsl(raw.decode(errors="replace"), keep_blank_values=True, max_num_fields=MAX_BODY_VALUES)
        value = _nested(fields, unindexed_arrays)
    else:
        if raw.count(b"--") > MAX_MULTIPART_BOUNDARIES:
            raise ValueError("too many parts")
        head = f"Content-Type: {content_type}\r\n\r\n".encode()
        value = _nested(_multipart_fields(BytesParser().parsebytes(head + raw)), unindexed_arrays)
    for number, (_, depth) in enumerate(walk(value)):
        if number > MAX_BODY_VALUES or depth > MAX_BODY_DEPTH:
            raise ValueError("too many or too deep values")
    return value


def _multipart_fields(message: Message) -> list[tuple[str, object]]:
    if not message.is_multipart():
        return []
    return [
        (str(part.get_param("name", "", "content-disposition")), _part_value(part))
        for part in message.get_payload()
        if isinstance(part, Message)
    ]


def _part_value(part: Message) -> object:
    """Return the text of a part, the value of one in JSON, and what is to be known of a file."""
    payload = part.get_payload(decode=True)
    content = payload if isinstance(payload, bytes) else b""
    if (name := part.get_filename()) is not None:
        return {"file_name": name, "media_type": part.get_content_type(), "size": len(content)}
    return json.loads(content) if part.get_content_type() == "application/json" else content.decode(errors="replace")


def _nested(fields: Sequence[tuple[str, object]], unindexed_arrays: bool) -> object:
    """Decode ``groups[0]=a&groups[1]=b`` to a list and ``fields[0][value]=a`` to a list of objects."""
    root: dict[str, object] = {}
    given: dict[str, list[object]] = {}
    for name, value in fields:
        *outer, last = _keys(name, unindexed_arrays)
        if unindexed_arrays and not outer:
            values = given.setdefault(last, [])
            values.append(value)
            root[last] = values if len(values) > 1 else value
            continue
        target = root
        for key in outer:
            inner = target.setdefault(key or str(len(target)), {})
            if not isinstance(inner, dict):
                inner = target[key] = {}
            target = inner
        target[last or str(len(target))] = value
    return _lists(root)


def _keys(name: str, unindexed_arrays: bool) -> list[str]:
    """Split ``groups[0]`` to ``groups`` and ``0``; an empty key stands for the next index."""
    head, *brackets = re.findall(r"[^\[\]]+|\[\]", name) or [name]
    return [head, *("" if each == "[]" else each for each in brackets if unindexed_arrays or each != "[]")]


def _lists(value: object) -> object:
    if not isinstance(value, dict):
        return value
    items = {key: _lists(item) for key, item in value.items()}
    if items and all(_INDEX.fullmatch(key) for key in items):
        return [items[key] for key in sorted(items, key=int)]
    return items
