"""Injected faults: what fails, for which operation and how often."""

from __future__ import annotations

import json
from typing import Literal
from urllib.parse import unquote

from pydantic import BaseModel, ConfigDict, Field

FaultKind = Literal[
    "status",
    "server_error",
    "rate_limited",
    "delay",
    "drop_before",
    "drop_after",
    "drop_midway",
    "garbage",
    "invalid_content",
    "echo",
    "bulk_limit",
    "bulk_disabled",
]


class Fault(BaseModel):
    """
    A fault of the next matching requests that passed the limits and authentication.

    :param kind: what happens:

        - ``status``: a response with ``status``, ``body`` and ``headers``, for example 503, or 200 with an error body;
        - ``server_error``: a response with ``status`` (500 by default) and the text of an unexpected failure,
          ``an error occurred: <32 hex digits>``, under the key ``key``;
        - ``rate_limited``: a 429 with the usual body, and ``Retry-After`` if ``retry_after`` is given;
        - ``delay``: the response is late by ``seconds``;
        - ``drop_before``: the connection is closed, and the work is not done;
        - ``drop_after``: the work is done, and the connection is closed without a response;
        - ``drop_midway``: the work is done, and the connection is closed after ``sent_bytes`` of the response's body
          (or after all of it, if it is shorter), before the end of the body is signaled;
        - ``garbage``: the work is done, and a 200 comes back whose ``body`` is not JSON (by default truncated JSON);
        - ``invalid_content``: the work is done, and a 200 comes back with ``body`` (by default an HTML page);
        - ``echo``: an error response that repeats the headers and the URL of the request;
        - ``bulk_limit``: a 429 as if three bulk jobs were running (API v2);
        - ``bulk_disabled``: a 503 as if bulk jobs were switched off (API v2).
    :param operation: the operation; ``None`` for any.
    :param path_contains: only requests with this text in their path.
    :param mentions: only requests with this text (an email address, a name) in their decoded path or body.
    :param after: how many matching requests pass unharmed first.
    :param count: how many are hit then.
    :param sent_bytes: see ``drop_midway``.
    :param when: whether ``status``, ``server_error`` and ``delay`` happen ``before`` or ``after`` the work.
    """

    model_config = ConfigDict(extra="forbid")

    kind: FaultKind
    operation: str | None = None
    path_contains: str = ""
    mentions: str = ""
    after: int = Field(0, ge=0)
    count: int = Field(1, ge=1)
    sent_bytes: int = Field(100, ge=0)
    when: Literal["before", "after"] = "before"
    status: int = 500
    body: object = None
    key: Literal["error", "message"] = "error"
    headers: dict[str, str] = {}
    seconds: float = Field(0, ge=0)
    retry_after: str | int | None = None

    def matches(self, operation: str | None, path: str, text: str) -> bool:
        """
        Return whether this fault is for a request.

        :param text: path and body, decoded.
        """
        return self.operation in (None, operation) and self.path_contains in path and self.mentions in text


class Faults:
    """The faults that have not happened yet, oldest first."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """Add a fault."""
        self._faults.append(fault)

    @property
    def pending(self) -> tuple[Fault, ...]:
        """All of them."""
        return tuple(self._faults)

    def clear(self) -> None:
        """Remove all faults."""
        self._faults.clear()

    def take(self, operation: str | None, path: str, body: object) -> Fault | None:
        """
        Return the fault that hits a request, and count it.

        :param body: the decoded body.
        """
        if not self._faults:
            return None
        text = f"{unquote(path)}\n{json.dumps(body, ensure_ascii=False)}"
        for fault in self._faults:
            if not fault.matches(operation, path, text):
                continue
            if fault.after:
                fault.after -= 1
                continue
            fault.count -= 1
            if not fault.count:
                self._faults.remove(fault)
            return fault
        return None
