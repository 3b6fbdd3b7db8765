"""The event that ends a wait in the triggerer, and how many failures a wait tolerates. Imports no model."""

from __future__ import annotations

from typing import Literal, TypedDict

#: Number of consecutive transient failures of polls that a wait tolerates.
MAX_CONSECUTIVE_FAILURES = 5


class CompletionEvent(TypedDict):
    """
    The event that ends a wait.

    - ``status``: ``success`` (the condition is met), ``failed`` (it can never be met), ``timeout``, ``error`` (a
      permanent error), or ``transient_error`` (a new wait may succeed).
    - ``message``: the reason.
    - ``result``: the progress at the last poll, with the keys of the sensor's result; empty before the first one.
    """

    status: Literal["success", "failed", "timeout", "error", "transient_error"]
    message: str
    result: dict[str, object]
