"""One request as the routes see it, its answer, and the errors that API v1 documents."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from email.message import Message
from email.parser import BytesParser
from typing import Literal, TypeVar
from urllib.parse import parse_qsl

from airflow_provider_360learning.sandbox.clock import Clock
from airflow_provider_360learning.sandbox.settings import Settings
from airflow_provider_360learning.sandbox.state import Course, Group, Path, Person, Session, State
from airflow_provider_360learning.sandbox.tokens import Tokens

BodyFormat = Literal["json", "form", "multipart", "other"]

Thing = TypeVar("Thing")

_ID = re.compile(r"[0-9a-f]{24}", re.IGNORECASE)


class ApiError(Exception):
    """A documented refusal.

    :param status: HTTP status.
    :param code: the text under ``error``.
    :param description: the text under ``error_description``.
    """

    def __init__(self, status: int, code: str, description: str | None = None) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.description = description

    def payload(self) -> dict[str, object]:
        """Return the body of the answer."""
        described = {"error_description": self.description} if self.description else {}
        return {"error": self.code, **described}


class NoSuchRoute(ApiError):
    """An unknown route or a malformed id: the one error with another body."""

    def __init__(self) -> None:
        super().__init__(404, "Not Found")

    def payload(self) -> dict[str, object]:
        """Return the body of the answer. The URL that 360Learning gives is not known."""
        return {"message": "Not Found", "documentation_url": "https://documentation.invalid"}


@dataclass
class Answer:
    """What a route answers.

    :param payload: the JSON; ``None`` for no body, bytes for one that is sent as it is, an iterator of bytes for one
        that is made while it is sent.
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
        """The error code, if this is a refusal."""
        if self.status < 400 or not isinstance(self.payload, dict):
            return None
        error = self.payload.get("error", self.payload.get("message"))
        return None if error is None else str(error)


NO_CONTENT = Answer(status=204)


@dataclass
class Call:
    """A request that found its route, with what the route needs to answer it.

    :param path: the decoded parameters of the path.
    :param body: the decoded body.
    """

    world: State
    settings: Settings
    clock: Clock
    tokens: Tokens
    company_id: str
    api_key: str
    path: Mapping[str, str]
    query: Mapping[str, str]
    body: dict[str, object]

    @property
    def now(self) -> float:
        """The present moment on the sandbox's clock."""
        return self.clock.now()

    def acknowledge(self) -> Answer:
        """Answer success in a shape that is not documented (assumption)."""
        shapes: dict[str, object] = {"empty_object": {}, "status": {"status": "ok"}, "empty_body": None}
        return Answer(shapes[self.settings.acknowledgement])

    def visible(self, person: Person) -> bool:
        """Tell whether routes know somebody. Whether they know the invited is an assumption."""
        known = self.settings.invited_user_routes == "known"
        return person.state == "active" or (person.state == "invited" and known)

    def person(self, mail_or_id: str, *, status: int = 400) -> Person:
        """Find a user, or refuse."""
        person = self.world.find(mail_or_id)
        if person is None or not self.visible(person):
            raise ApiError(status, "user_not_found")
        return person

    def group(self, group_id: str) -> Group:
        """Find a group, or refuse."""
        return _found(self.world.groups.get(group_id), 400, "group_not_found")

    def course(self, course_id: str) -> Course:
        """Find a course, or refuse: in the words of older routes (assumption)."""
        return _found(self.world.courses.get(course_id), 400, "course_not_found")

    def learning_path(self, path_id: str) -> Path:
        """Find a path, or refuse."""
        return _found(self.world.paths.get(path_id), 404, "path_not_found")

    def session(self, *, error: str = "path_session_not_found") -> Session:
        """Find the session of this route, or refuse.

        :param error: routes differ in their words for it.
        """
        return _found(self.world.sessions.get(self.path["session_id"]), 404, error)

    def strings(self, name: str) -> list[str] | None:
        """Return a list of the body, ``None`` if it is missing. In a form, it is one of indexed fields."""
        value = self.body.get(name)
        if value is None:
            return None
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise ApiError(400, f"invalid argument : {name}")
        return value

    def boolean(self, name: str) -> bool | None:
        """Return a boolean of the body (in a form, ``true`` or ``false``), ``None`` if it is missing."""
        value = self.body.get(name)
        if value is None:
            return None
        if not isinstance(value, bool) and value not in ("true", "false"):
            raise ApiError(400, f"invalid argument : {name}")
        return value in (True, "true")


def _found(thing: Thing | None, status: int, error: str) -> Thing:
    if thing is None:
        raise ApiError(status, error)
    return thing


def is_id(value: object) -> bool:
    """Tell whether a value looks like one of the platform's ids."""
    return isinstance(value, str) and _ID.fullmatch(value) is not None


def decode_body(content_type: str, raw: bytes) -> tuple[BodyFormat, object]:
    """Decode a body by its content type.

    :return: the format and the value, which is ``None`` where the body is not what its type says.
    """
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "application/json":
        try:
            return "json", json.loads(raw)
        except ValueError:
            return "json", None
    if kind == "application/x-www-form-urlencoded":
        return "form", _nested(parse_qsl(raw.decode(errors="replace"), keep_blank_values=True))
    if kind == "multipart/form-data":
        head = f"Content-Type: {content_type}\r\n\r\n".encode()
        return "multipart", _nested(_multipart_fields(BytesParser().parsebytes(head + raw)))
    return "other", None


def usable_body(body: tuple[str, object] | None, formats: tuple[BodyFormat, ...]) -> dict[str, object]:
    """Return a decoded body for a route. The errors are assumptions; where no body is documented, none is read.

    :param formats: the formats that the route understands.
    """
    if not formats or body is None:
        return {}
    body_format, value = body
    if body_format not in formats:
        raise ApiError(400, f"Request validation failed: the body must be {' or '.join(formats)}")
    if not isinstance(value, dict):
        raise ApiError(400, "bad_request")
    return value


def _multipart_fields(message: Message) -> list[tuple[str, str]]:
    if not message.is_multipart():
        return []
    return [
        (str(part.get_param("name", "", "content-disposition")), _part_text(part))
        for part in message.get_payload()
        if isinstance(part, Message)
    ]


def _part_text(part: Message) -> str:
    payload = part.get_payload(decode=True)
    return payload.decode(errors="replace") if isinstance(payload, bytes) else ""


def _nested(fields: list[tuple[str, str]]) -> object:
    """Read ``groups[0]=a&groups[1]=b`` as a list and ``fields[0][value]=a`` as a list of objects."""
    root: dict[str, object] = {}
    for name, value in fields:
        *outer, last = re.findall(r"[^\[\]]+", name) or [name]
        target: dict[str, object] = root
        for part in outer:
            inner = target.setdefault(part, {})
            if not isinstance(inner, dict):
                inner = target[part] = {}
            target = inner
        target[last] = value
    return _lists(root)


def _lists(value: object) -> object:
    if not isinstance(value, dict):
        return value
    items = {key: _lists(item) for key, item in value.items()}
    if items and all(key.isdigit() for key in items):
        return [items[key] for key in sorted(items, key=int)]
    return items
