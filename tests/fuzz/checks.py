"""A check of schemathesis, which runs in an environment of its own."""

from __future__ import annotations

from typing import Any

import schemathesis

#: What valid requests are refused for on purpose: empty texts, types of events that the sandbox does not have, colors
#: without six digits, self-registration without an end, certificates that are valid for more than 1,000 years. The
#: documents do not say that they are invalid (assumption).
ASSUMED = ("a string that is not empty", "eventType", "hexadecimal", "must have a cutoffDate", "validityPeriod")


@schemathesis.check
def valid_request_is_not_malformed(ctx: Any, response: Any, case: Any) -> None:
    """Fail if a request that the documents allow is refused as one that they do not allow."""
    if case.meta is None or not case.meta.generation.mode.is_positive or response.status_code != 400:
        return
    error = response.json()["error"]
    if error["code"] == "badRequest" and not any(each in error["message"] for each in ASSUMED):
        raise AssertionError(f"A valid request is refused: {error['message']}")
