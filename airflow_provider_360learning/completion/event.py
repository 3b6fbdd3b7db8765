"""How a wait ends: the event of a trigger, the text of a timeout, which failures are tolerated. Imports no model."""

from __future__ import annotations

from typing import Literal, TypedDict

#: Number of consecutive transient failures of polls that a wait tolerates.
MAX_CONSECUTIVE_FAILURES = 5


class CompletionEvent(TypedDict):
    """
    The event that ends a wait.

    - ``status``: ``success`` (the condition is met), ``failed`` (it can never be met), ``timeout``, ``error`` (a
      permanent error), or ``transient_error`` (a new wait may succeed).
    - ``message``: the reason, or the progress of a success.
    - ``result``: the progress at the last poll, with the keys of the sensor's result; empty before the first one.
    """

    status: Literal["success", "failed", "timeout", "error", "transient_error"]
    message: str
    result: dict[str, object]


def timeout_message(progress: str) -> str:
    """
    Return why a wait has timed out.

    :param progress: The progress at its last poll; empty if no poll has succeeded.
    """
    return f"The sensor timed out: {progress}" if progress else "The sensor timed out before a poll succeeded"
