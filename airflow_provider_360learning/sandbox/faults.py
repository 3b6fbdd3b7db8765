"""Faults on request: what shall go wrong, for which operation, how often."""

from __future__ import annotations

import json
import secrets
from typing import Literal
from urllib.parse import unquote

from pydantic import BaseModel, ConfigDict, Field

from airflow_provider_360learning.sandbox.calls import Answer

Kind = (
    Literal["status", "rate_limited", "delay", "garbage", "wrong_content", "echo"]
    | Literal["drop_before", "drop_after", "drop_midway"]
)


class Fault(BaseModel):
    """Something that goes wrong with the next matching requests that got past the limits and authentication.

    :param kind: what happens:

        - ``status``: an error answer with ``status``, ``body`` and ``headers``;
        - ``rate_limited``: a 429 with the usual body, and ``Retry-After`` where ``retry_after`` is given;
        - ``delay``: ``seconds`` pass, then all goes on as usual;
        - ``drop_before``: the connection is closed, the work is not done;
        - ``drop_after``: the work is done, then the connection is closed without an answer;
        - ``drop_midway``: the work is done, and the connection is closed when ``sent_bytes`` of the answer's body
          (all of it, where it is shorter) are out, but not its end;
        - ``garbage``: the work is done and answered with 200, but ``body`` is no JSON (by default cut short);
        - ``wrong_content``: the work is done and answered with 200, but with ``body`` (by default an HTML page);
        - ``echo``: an error answer that repeats the request's headers and its URL.
    :param operation: the operation it is for; ``None`` for any.
    :param path_contains: only requests with this text in their path.
    :param mentions: only requests with this text (a mail, a name) in their decoded path or body.
    :param after: how many matching requests pass unharmed first.
    :param count: how many are hit then.
    :param sent_bytes: see ``drop_midway``.
    :param when: whether ``status`` and ``delay`` happen ``before`` or ``after`` the work.
    """

    model_config = ConfigDict(extra="forbid")

    kind: Kind
    operation: str | None = None
    path_contains: str = ""
    mentions: str = ""
    after: int = Field(0, ge=0)
    count: int = Field(1, ge=1)
    sent_bytes: int = Field(100, ge=0)
    when: Literal["before", "after"] = "before"
    status: int = 500
    body: object = None
    headers: dict[str, str] = {}
    seconds: float = Field(0, ge=0)
    retry_after: str | int | None = None

    def matches(self, operation: str | None, path: str, text: str) -> bool:
        """Tell whether a request is one that this fault is for.

        :param text: all that the request says, decoded.
        """
        return self.operation in (None, operation) and self.path_contains in path and self.mentions in text


class Faults:
    """The faults that are still to happen, oldest first."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """Ask for one more."""
        self._faults.append(fault)

    def clear(self) -> None:
        """Take all back."""
        self._faults.clear()

    def take(self, operation: str | None, path: str, body: object) -> Fault | None:
        """Return the fault that hits this request, and count it.

        :param body: the decoded body.
        """
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


def answer_of(fault: Fault) -> Answer:
    """Return the answer that a fault puts in place of the real one."""
    if fault.kind == "garbage":
        return Answer(str(fault.body or '{"status": "use').encode())
    if fault.kind == "wrong_content":
        return _text("<html><body>Hello</body></html>", 200) if fault.body is None else Answer(fault.body)
    if isinstance(fault.body, str):
        return _text(fault.body, fault.status, fault.headers)
    body = fault.body
    if body is None and fault.status >= 400:
        body = {"error": f"an error occurred: {secrets.token_hex(16)}"}
    return Answer(body, fault.status, fault.headers)


def _text(body: str, status: int, headers: dict[str, str] | None = None) -> Answer:
    return Answer(body.encode(), status, {"Content-Type": "text/html"} | (headers or {}))
