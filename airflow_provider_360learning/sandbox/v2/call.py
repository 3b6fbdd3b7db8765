"""What the routes of API v2 have in common: arguments, look-ups, pages, and the table of operations."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from airflow_provider_360learning.sandbox.clients import ApiClient
from airflow_provider_360learning.sandbox.clock import parse_iso
from airflow_provider_360learning.sandbox.company import Company
from airflow_provider_360learning.sandbox.limits import Evidence
from airflow_provider_360learning.sandbox.routing import BodyFormat, Exchange, Refusal, Response, Route
from airflow_provider_360learning.sandbox.settings import Settings
from airflow_provider_360learning.sandbox.state.model import Course, Group, Path, Person, Role, Session
from airflow_provider_360learning.sandbox.state.state import State
from airflow_provider_360learning.sandbox.v2.errors import ApiError, FlatError, malformed, scope_missing
from airflow_provider_360learning.sandbox.v2.filters import Conditions, Filter, parse_query
from airflow_provider_360learning.sandbox.v2.pages import CURSOR, Cursor, decode_cursor, take_page, url

Item = TypeVar("Item")

VERSION_HEADER = "360-api-version"
VERSION_VALUE = "v2.0"

#: Words for roles in paths, and the roles they mean.
ROLES_IN_PATHS: dict[str, Role] = {
    "admin": "admin",
    "analyst": "analyst",
    "coach": "coach",
    "contributor": "contributor",
    "editor": "editor",
    "learner": "learner",
    "user-admin": "user_admin",
}
#: The same in bodies.
ROLES_IN_BODIES: dict[str, Role] = {name.replace("user-admin", "userAdmin"): r for name, r in ROLES_IN_PATHS.items()}
ROLE_NAMES = {role: name for name, role in ROLES_IN_BODIES.items()}

NO_CONTENT = Response(status=204)
#: Media types of pictures (documented).
PICTURE_TYPES = tuple(f"image/{kind}" for kind in ("bmp", "gif", "heic", "jpeg", "png", "svg+xml", "webp"))

_ID = re.compile(r"[0-9a-f]{24}", re.IGNORECASE)


@dataclass(frozen=True)
class V2Route(Route):
    """
    One operation of API v2.

    :param scope: the scope that it needs; empty for the one that issues tokens.
    :param page_size: maximum number of items in a page; ``None`` if it does not return pages.
    :param filters: the fields that its list can be filtered by.
    :param parameters: names of other query parameters.
    """

    scope: str = ""
    page_size: int | None = None
    filters: tuple[Filter, ...] = ()
    parameters: tuple[str, ...] = ()


@dataclass
class Call(Exchange):
    """
    A request on one of API v2's routes.

    :param fields: the fields of the body.
    :param conditions: the filters of the query.
    :param parameters: the other parameters of the query.
    """

    route: V2Route
    fields: Mapping[str, object]
    conditions: Conditions
    parameters: Mapping[str, str]
    cursor: Cursor

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

    def page(self, items: Sequence[Item], render: Callable[[Item], object]) -> Response:
        """
        Return the page of a list that is asked for.

        :param items: the whole list, filtered; it may be computed on demand, if it can be sliced.
        :param render: returns an item as the response shows it.
        """
        page, headers = self.take_page(items)
        return Response([render(item) for item in page], headers=headers)

    def take_page(self, items: Sequence[Item]) -> tuple[Sequence[Item], dict[str, str]]:
        """
        Return the items of the page that is asked for, and the headers of the response.

        :param items: see :meth:`page`.
        """
        assert self.route.page_size
        page, more = take_page(self.settings, items, self.cursor, self.route.page_size)
        if not more:
            return page, {}
        return page, {"Link": f'<{self.url(f"{self.raw_path}?{CURSOR}={more.encode()}")}>; rel="next"'}

    def url(self, path: str) -> str:
        """Return a URL of this sandbox for a ``Link`` or ``Location``."""
        return url(self.settings, self.headers, path)

    # Look-ups

    def person(self, user_id: str, *, error: str = "userNotFound") -> Person:
        """Return a user by id, also a deleted one, or refuse."""
        return _found(self.state.people.get(user_id), error)

    def group(self, group_id: str, *, error: str = "groupNotFound") -> Group:
        """Return a group, or refuse."""
        return _found(self.state.groups.get(group_id), error)

    def course(self, course_id: str) -> Course:
        """Return a course, or refuse."""
        return _found(self.state.courses.get(course_id), "courseNotFound")

    def learning_path(self, path_id: str) -> Path:
        """Return a path, or refuse."""
        return _found(self.state.paths.get(path_id), "pathNotFound")

    def people(self, user_ids: Iterable[str]) -> list[Person]:
        """Return users who are not deleted, or refuse."""
        people = [self.state.people.get(each) for each in user_ids]
        found = [person for person in people if person and person.status != "deleted"]
        if len(found) < len(people):
            raise ApiError(404, "usersNotFound")
        return found

    def session(self, parameter: str = "sessionId") -> Session:
        """
        Return the session of this route, which belongs to the path of this route, or refuse.

        :param parameter: the parameter of the path that contains its id.
        """
        path = self.learning_path(self.path["pathId"])
        session = _found(self.state.sessions.get(self.path[parameter]), "sessionNotFound")
        if session.path != path.id:
            raise ApiError(400, "sessionNotBelongToPath")
        return session

    # Fields of the body. A value of another type than the documented one is a malformed request.

    def malformed(self, message: str) -> Refusal:
        """
        Return the refusal of a malformed request.

        :param message: what is invalid, and what was expected.
        """
        return malformed(self.settings, message)

    def require(self, *names: str) -> None:
        """Refuse a body that lacks one of these fields."""
        for name in names:
            if self.fields.get(name) is None:
                raise self.malformed(f"{name} is required.")

    def text(self, name: str, *, empty: bool = False) -> str | None:
        """
        Return a string of the body; ``None`` if it is missing.

        :param empty: whether it may be empty.
        """
        value = self.fields.get(name)
        if value is None or (isinstance(value, str) and (value or empty)):
            return value
        raise self.malformed(f"{name} must be a string{'' if empty else ' that is not empty'}.")

    def choice(self, name: str, values: Collection[str]) -> str | None:
        """Return one of some strings; ``None`` if it is missing."""
        value = self.text(name)
        if value is not None and value not in values:
            raise self.malformed(f"{name} must be one of {', '.join(values)}.")
        return value

    def boolean(self, name: str) -> bool | None:
        """Return a boolean of the body; ``None`` if it is missing."""
        value = self.fields.get(name)
        if value is None or isinstance(value, bool):
            return value
        raise self.malformed(f"{name} must be a boolean.")

    def number(self, name: str, *, minimum: float | None = None, maximum: float | None = None) -> float | None:
        """Return a number of the body; ``None`` if it is missing."""
        value = self.fields.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < math.inf:
            raise self.malformed(f"{name} must be a number.")
        if (minimum is not None and value < minimum) or (maximum is not None and value > maximum):
            raise self.malformed(f"{name} is out of range.")
        return value

    def integer(self, name: str, *, minimum: float | None = None) -> int | None:
        """Return an integer of the body; ``None`` if it is missing."""
        value = self.number(name, minimum=minimum)
        if value is not None and value != int(value):
            raise self.malformed(f"{name} must be an integer.")
        return None if value is None else int(value)

    def id(self, name: str) -> str | None:
        """Return an id of the body in lower case; ``None`` if it is missing."""
        value = self.fields.get(name)
        if value is None or is_id(value):
            return None if value is None else str(value).lower()
        raise self.malformed(f"{name} must be an id.")

    def ids(self, name: str) -> list[str] | None:
        """Return a list of ids of the body in lower case; ``None`` if it is missing."""
        value = self.fields.get(name)
        if value is None:
            return None
        if isinstance(value, str) and self.body and self.body.format == "multipart":
            value = [value]  # a list of one looks like a text there
        if not isinstance(value, list) or not all(is_id(item) for item in value):
            raise self.malformed(f"{name} must be a list of ids.")
        return [item.lower() for item in value]

    def strings(self, name: str) -> list[str] | None:
        """Return a list of strings of the body; ``None`` if it is missing."""
        value = self.fields.get(name)
        if value is None or (isinstance(value, list) and all(isinstance(item, str) for item in value)):
            return value
        raise self.malformed(f"{name} must be a list of strings.")

    def part(self, name: str) -> dict[str, object] | None:
        """Return an object of a multipart body, where it is JSON; ``None`` if it is missing."""
        value = self.fields.get(name)
        if value is None:
            return None
        try:
            found = json.loads(value) if isinstance(value, str) else value
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise self.malformed(f"{name} must be an object in JSON.")
        return found

    def objects(self, name: str) -> list[dict[str, object]] | None:
        """Return a list of objects of the body; ``None`` if it is missing."""
        value = self.fields.get(name)
        if value is None:
            return None
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise self.malformed(f"{name} must be a list of objects.")
        return value

    def file(self, name: str, *media_types: str) -> Mapping[str, object] | None:
        """
        Return name, media type and size of a file of the body; ``None`` if it is missing.

        :param media_types: the valid ones.
        """
        value = self.fields.get(name)
        if value is None or (isinstance(value, dict) and value.get("media_type") in media_types):
            return value
        raise self.malformed(f"{name} must be a file of the type {' or '.join(media_types)}.")

    def date(self, name: str) -> float | None:
        """Return a date of the body in seconds since the epoch; ``None`` if it is missing."""
        value = self.fields.get(name)
        if value is None:
            return None
        seconds = parse_iso(value)
        if seconds is None:
            raise self.malformed(f"{name} must be a date (ISO 8601).")
        return seconds


Handler = Callable[[Call], Response]


class Operations:
    """A table of operations, filled by the decorator :meth:`add`."""

    def __init__(self) -> None:
        self.routes: list[V2Route] = []

    def add(
        self,
        operation: str,
        method: str,
        path: str,
        *,
        scope: str,
        page_size: int | None = None,
        filters: tuple[Filter, ...] = (),
        parameters: tuple[str, ...] = (),
        bodies: tuple[BodyFormat, ...] = (),
        evidence: Evidence = "documented",
        assumes: str = "",
    ) -> Callable[[Handler], Handler]:
        """
        Register a function as an operation (parameters: see :class:`V2Route` and :class:`.routing.Route`).

        :param path: the path below the version's prefix, with the names of parameters in the OpenAPI file.
        """

        def register(handler: Handler) -> Handler:
            def handle(exchange: Exchange) -> Response:
                _check_header(exchange, route)
                return handler(_call(exchange, route))

            route = V2Route(
                operation,
                method,
                path,
                handle,
                bodies,
                evidence,
                assumes,
                scope=scope,
                page_size=page_size,
                filters=filters,
                parameters=parameters,
            )
            self.routes.append(route)
            return handler

        return register


def is_id(value: object) -> bool:
    """Return whether a value has the form of the platform's ids."""
    return isinstance(value, str) and _ID.fullmatch(value) is not None


def client_of(company: Company, headers: Mapping[str, str]) -> ApiClient:
    """
    Return the client whose token a request has.

    :raises FlatError: the documented 401.
    """
    scheme, _, token = headers.get("authorization", "").partition(" ")
    revoked: Collection[int] = () if company.settings.tokens_outlive_keys else company.clients.revoked
    token = token.strip()
    if scheme.lower() != "bearer" or company.tokens.problem(token, company.clock.now(), revoked, version="v2"):
        raise FlatError(401, "invalid_token")
    return company.clients[company.tokens.key_of(token)]


def _check_header(exchange: Exchange, route: V2Route) -> None:
    """Refuse a request without the header of the version or without the scope; which is checked first is assumed."""
    if not route.scope:
        return
    settings = exchange.company.settings
    if exchange.headers.get(VERSION_HEADER) != VERSION_VALUE:
        raise malformed(settings, f"The header {VERSION_HEADER} must be {VERSION_VALUE}.")
    if not client_of(exchange.company, exchange.headers).may(route.scope):
        raise scope_missing(settings, route.scope)


def _call(exchange: Exchange, route: V2Route) -> Call:
    """Parse path, query and body of a request, or refuse it as malformed."""
    settings = exchange.company.settings
    path = dict(exchange.path)
    for name, value in path.items():
        if not name.endswith("Id") or name == "externalId":  # the id of an external course is any text
            continue
        if not is_id(value):
            raise malformed(settings, f"{name} must be an id.")
        path[name] = value.lower()
    cursor = Cursor(exchange.raw_path, exchange.raw_query)
    if route.page_size and CURSOR in exchange.query:
        if list(exchange.query) != [CURSOR]:
            raise malformed(settings, f"{CURSOR} has all that the first request asked for: add nothing to it.")
        cursor = decode_cursor(settings, exchange.query[CURSOR], exchange.raw_path)
    conditions, parameters = parse_query(settings, cursor.raw_query, route.filters, route.parameters)
    return Call(
        **{**vars(exchange), "path": path},
        route=route,
        fields=_fields(exchange, route),
        conditions=conditions,
        parameters=parameters,
        cursor=cursor,
    )


def _fields(exchange: Exchange, route: V2Route) -> Mapping[str, object]:
    """Return the fields of a body, which is an object on all routes that have one."""
    if not route.bodies:
        return {}
    body = exchange.body
    if body is None or body.format not in route.bodies or not isinstance(body.value, dict):
        if not route.scope:
            raise FlatError(400, "invalid_request")
        raise malformed(exchange.company.settings, f"The body must be an object in {' or '.join(route.bodies)} format.")
    return body.value


def _found(item: Item | None, error: str) -> Item:
    if item is None:
        raise ApiError(404, error)
    return item
