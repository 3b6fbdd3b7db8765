"""The table of operations, filled by ``@operation``, and the way from a raw path to one of them."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import unquote

from airflow_provider_360learning.sandbox.calls import Answer, BodyFormat, Call

Handler = Callable[[Call], Answer]

V1 = "/api/v1"

#: Stands for the path in the setting ``token_path``.
TOKEN_PATH = "{token_path}"

_PARAMETER = re.compile(r"\{(\w+)\}")


class Operation(NamedTuple):
    """One operation of the API.

    :param path: full path with its parameters in braces.
    :param bodies: the documented formats of the body, if there is one.
    :param lenient_ids: whether the route itself answers for malformed ids, instead of the general 404.
    """

    name: str
    method: str
    path: str
    handler: Handler
    bodies: tuple[BodyFormat, ...]
    lenient_ids: bool


OPERATIONS: list[Operation] = []


def operation(
    name: str,
    method: str,
    path: str,
    *,
    bodies: tuple[BodyFormat, ...] = (),
    lenient_ids: bool = False,
    base: str = V1,
) -> Callable[[Handler], Handler]:
    """Enter a function into the table (parameters: see :class:`Operation`).

    :param base: what goes in front of the path.
    """

    def register(handler: Handler) -> Handler:
        OPERATIONS.append(Operation(name, method, base + path, handler, bodies, lenient_ids))
        return handler

    return register


class Match(NamedTuple):
    """An operation and the decoded parameters of its path."""

    operation: Operation
    params: dict[str, str]


class Router:
    """Finds the operation for a request.

    It works on the raw path: once ``%2F`` is decoded, a mail with a slash can no longer be told from two segments.
    """

    def __init__(self, operations: list[Operation]) -> None:
        # Fewest parameters first: `/paths/sessions` must not be taken for `/paths/{path_id}`.
        self._patterns = [
            (each, re.compile(_PARAMETER.sub(r"(?P<\1>[^/]+)", each.path) + "/?"))
            for each in sorted(operations, key=lambda each: each.path.count("{"))
        ]

    def match(self, method: str, raw_path: str, token_path: str) -> Match | None:
        """Return the match, or ``None`` for an unknown route. A trailing slash makes no difference."""
        if raw_path.rstrip("/") == token_path.rstrip("/"):
            raw_path = TOKEN_PATH
        for candidate, pattern in self._patterns:
            if candidate.method == method and (found := pattern.fullmatch(raw_path)):
                return Match(candidate, {name: unquote(value) for name, value in found.groupdict().items()})
        return None
