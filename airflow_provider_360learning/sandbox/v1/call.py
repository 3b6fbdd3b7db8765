"""What the routes of API v1 have in common: errors, arguments, look-ups, filters, and the table of operations."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from airflow_provider_360learning.sandbox.clock import ALWAYS, Period, milliseconds, parse_iso
from airflow_provider_360learning.sandbox.limits import Evidence
from airflow_provider_360learning.sandbox.routing import BodyFormat, Exchange, Refusal, Response, Route
from airflow_provider_360learning.sandbox.settings import Settings
from airflow_provider_360learning.sandbox.state.model import Course, Group, Path, Person, Role, Session
from airflow_provider_360learning.sandbox.state.state import State

Item = TypeVar("Item")

_ID = re.compile(r"[0-9a-f]{24}", re.IGNORECASE)

#: API v1's words for roles. That `author` is what API v2 calls an editor is an assumption.
ROLES: dict[str, Role] = {"learner": "learner", "coach": "coach", "author": "editor", "admin": "admin"}
ROLE_NAMES = {role: name for name, role in ROLES.items()}

_ACKNOWLEDGMENTS = {
    "empty_object": Response({}),
    "no_content": Response(status=204),
    "status": Response({"status": "ok"}),
    "empty_body": Response(),
}

NO_CONTENT = Response(status=204)


class ApiError(Refusal):
    """
    An error response of API v1.

    :param status: HTTP status.
    :param code: the text under ``error``.
    :param description: the text under ``error_description``.
    """

    def __init__(self, status: int, code: str, description: str | None = None) -> None:
        described = {"error_description": description} if description else {}
        super().__init__(Response({"error": code, **described}, status))
        self.code = code


def not_found() -> Response:
    """Render the recorded error for an unknown route or a malformed id, the only one with another body."""
    url = "http://support.360learning.com/hc/fr/articles/210620943-Guide-technique-API"
    return Response({"message": "Not Found", "documentation_url": url}, 404)


@dataclass
class Call(Exchange):
    """
    A request on one of API v1's routes.

    :param fields: the fields of the body.
    """

    fields: Mapping[str, object]

    @property
    def settings(self) -> Settings:
        """The settings of the sandbox."""
        return self.company.settings

    @property
    def state(self) -> State:
        """The state of the company."""
        return self.company.state

    @property
    def now(self) -> float:
        """The time on the sandbox's clock."""
        return self.company.clock.now()

    # Responses

    def acknowledge(self) -> Response:
        """Return a success whose shape is not documented."""
        return _ACKNOWLEDGMENTS[self.settings.acknowledgment]

    # Look-ups

    def visible(self, person: Person) -> bool:
        """Return whether routes know a person. Whether they know an invited one is an assumption."""
        known = self.settings.invited_user_routes == "known"
        return person.status == "active" or (person.status == "invited" and known)

    def person(self, mail_or_id: str, *, status: int = 400) -> Person:
        """Return a user, or refuse."""
        person = self.state.find(mail_or_id)
        if person is None or not self.visible(person):
            raise ApiError(status, "user_not_found")
        return person

    def group(self, group_id: str) -> Group:
        """Return a group, or refuse."""
        return _found(self.state.groups.get(group_id), 400, "group_not_found")

    def course(self, course_id: str) -> Course:
        """Return a course, or refuse as older routes do (assumption)."""
        return _found(self.state.courses.get(course_id), 400, "course_not_found")

    def learning_path(self, path_id: str) -> Path:
        """Return a path, or refuse."""
        return _found(self.state.paths.get(path_id), 404, "path_not_found")

    def session(self, *, error: str = "path_session_not_found") -> Session:
        """
        Return the session of this route, or refuse.

        :param error: the code, which differs among routes.
        """
        return _found(self.state.sessions.get(self.path["session_id"]), 404, error)

    def summaries(self, user_ids: Iterable[str]) -> list[dict[str, object]]:
        """Return users who are not deleted as lists of learners show them."""
        people = map(self.state.people.__getitem__, user_ids)
        return [
            {
                "_id": person.id,
                "mail": person.mail,
                "firstName": person.profile.get("first_name", ""),
                "lastName": person.profile.get("last_name", ""),
            }
            for person in people
            if person.status != "deleted"
        ]

    # Fields of the body

    def text(self, name: str, *, empty: bool = True) -> str:
        """
        Return a string of the body, or refuse.

        :param empty: whether it may be empty.
        """
        value = self.fields[name]
        if not isinstance(value, str) or not (value or empty):
            raise ApiError(400, f"invalid argument : {name}")
        return value

    def strings(self, name: str) -> list[str] | None:
        """Return a list of strings of the body, in a form also a single one; ``None`` if it is missing."""
        value = self.fields.get(name)
        if value is None:
            return None
        if isinstance(value, str) and self.has_unindexed_arrays:
            return [value]
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise ApiError(400, f"invalid argument : {name}")
        return value

    def rows(self) -> list[dict[str, object]]:
        """Return the objects of a body that is a list, or refuse."""
        value = self.body.value if self.body else None
        if not isinstance(value, list) or not value or not all(isinstance(item, dict) for item in value):
            raise ApiError(400, "bad_request")
        return value

    @property
    def has_unindexed_arrays(self) -> bool:
        """Whether the items of a list may be fields of the same name."""
        is_form = self.body is not None and self.body.format in ("form", "multipart")
        return is_form and self.settings.form_arrays == "all"

    def boolean(self, name: str) -> bool | None:
        """Return a boolean of the body, in a form ``true`` or ``false``; ``None`` if it is missing."""
        value = self.fields.get(name)
        if value is None:
            return None
        if not isinstance(value, bool) and value not in ("true", "false"):
            raise ApiError(400, f"invalid argument : {name}")
        return value in (True, "true")

    def role(self, name: str, value: object) -> Role:
        """
        Return the role that a word means, or refuse; the error is an assumption.

        :param name: the field that it is in.
        """
        if not isinstance(value, str) or value not in ROLES:
            raise ApiError(400, f"invalid argument : {name}")
        return ROLES[value]

    # Filters

    def period(self, *names: str) -> Period:
        """
        Return the period that a filter describes.

        :param names: query parameters that bound it and end with ``After`` or ``Before``. Whether a bound belongs to
            the period is the setting ``bounds``.
        """
        first, last = ALWAYS
        for name in names:
            if name not in self.query:
                continue
            date = parse_iso(self.query[name])
            if date is None:
                raise ApiError(400, f"Request validation failed: {name} must be a valid ISO 8601 date string")
            if name.endswith("After"):
                first = max(first, milliseconds(date) + (self.settings.bounds in ("exclusive", "after_exclusive")))
            else:
                last = min(last, milliseconds(date) - (self.settings.bounds in ("exclusive", "before_exclusive")))
        return Period(first, last)


Handler = Callable[[Call], Response]


class Operations:
    """A table of operations, filled by the decorator :meth:`add`."""

    def __init__(self) -> None:
        self.routes: list[Route] = []

    def add(
        self,
        operation: str,
        method: str,
        path: str,
        *,
        bodies: tuple[BodyFormat, ...] = (),
        evidence: Evidence = "documented",
        assumes: str = "",
        lenient_ids: bool = False,
        takes_list: bool = False,
    ) -> Callable[[Handler], Handler]:
        """
        Register a function as an operation (parameters: see :class:`.routing.Route`).

        :param lenient_ids: whether the function itself handles malformed ids, instead of the general 404.
        :param takes_list: whether the body is a list, which :meth:`Call.rows` returns.
        """

        def register(handler: Handler) -> Handler:
            def handle(exchange: Exchange) -> Response:
                if not lenient_ids and not all(is_id(id) for name, id in exchange.path.items() if name.endswith("_id")):
                    raise Refusal(not_found())
                fields = _fields(exchange, bodies, takes_list=takes_list)
                return handler(Call(**vars(exchange), fields=fields))

            self.routes.append(Route(operation, method, path, handle, bodies, evidence, assumes))
            return handler

        return register


def is_id(value: object) -> bool:
    """Return whether a value has the form of the platform's ids."""
    return isinstance(value, str) and _ID.fullmatch(value) is not None


def _found(item: Item | None, status: int, error: str) -> Item:
    if item is None:
        raise ApiError(status, error)
    return item


def _fields(exchange: Exchange, formats: tuple[BodyFormat, ...], *, takes_list: bool) -> Mapping[str, object]:
    """Return the fields of a body. The errors are assumptions, and a body that is not documented is ignored."""
    if not formats or exchange.body is None:
        return {}
    body_format, value = exchange.body
    if body_format not in formats:
        raise ApiError(400, f"Request validation failed: the body must be {' or '.join(formats)}")
    if takes_list:
        return {}
    if not isinstance(value, dict):
        raise ApiError(400, "bad_request")
    return value
