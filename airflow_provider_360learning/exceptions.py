"""
What can go wrong in a call to 360Learning, as a small family of classes.

The classes are rooted outside ``AirflowException`` on purpose: an ``except AirflowException`` further up must
not swallow them, and retry policies can match each one. ``transient`` on a class says whether trying again
later can help; operators fail at once on the others.
"""

from __future__ import annotations

import re
from typing import Any, ClassVar


class Learning360Error(Exception):
    """
    Root of everything that this package raises about 360Learning.

    :param message: What happened and what to do next. Never holds a secret.
    :param operation: Name of the API operation, e.g. ``createGroup``.
    :param status: HTTP status of the answer, if there was one.
    :param code: Error code from the answer's body, if it had one, e.g. ``user_not_found``.
    :param url: Method and path of the request, without its query (the query may hold the API key).
    :param retry_after: Seconds after which a new try makes sense, where that is known.
    """

    transient: ClassVar[bool] = False

    def __init__(
        self,
        message: str,
        *,
        operation: str | None = None,
        status: int | None = None,
        code: str | None = None,
        url: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.operation = operation
        self.status = status
        self.code = code
        self.url = url
        self.retry_after = retry_after
        #: True if an earlier send of the same call may have done the work already (its outcome is unknown).
        self.after_unknown_outcome = False

    def __str__(self) -> str:
        place = ", ".join(str(part) for part in (self.operation, self.url, self.status) if part)
        return f"{self.args[0]} [{place}]" if place else str(self.args[0])


class InvalidConnectionError(Learning360Error, ValueError):
    """The Airflow connection (or a setting) is malformed; the message names the field. Nothing was sent."""


class AuthenticationError(Learning360Error):
    """360Learning does not accept the company ID, the API key or the token."""


class NotFoundError(Learning360Error):
    """The user, group, path or session that the request speaks of does not exist."""


class AlreadyExistsError(Learning360Error):
    """What was to be created exists."""


class InvalidRequestError(Learning360Error, ValueError):
    """
    An argument is wrong: either found before anything was sent, or said by 360Learning.

    :param argument: Name of the argument, where it is known, e.g. ``other_group_ids[1]``.
    """

    def __init__(self, message: str, *, argument: str | None = None, **details: Any) -> None:
        super().__init__(message, **details)
        self.argument = argument


class RefusedError(Learning360Error):
    """360Learning understood the request and will not do it; sending it again changes nothing."""


class RateLimitedError(Learning360Error):
    """The rate limit leaves no room within the longest wait allowed; ``retry_after`` says how long it takes."""

    transient = True


class ServerError(Learning360Error):
    """360Learning failed (5xx)."""

    transient = True


class TransportError(Learning360Error):
    """
    The request or its answer did not get through.

    :param sent: False where it is certain that the request never reached 360Learning.
    """

    transient = True

    def __init__(self, message: str, *, sent: bool = True, **details: Any) -> None:
        super().__init__(message, **details)
        self.sent = sent


class UnexpectedResponseError(Learning360Error):
    """A success status with a body that cannot be used."""

    transient = True


class OutcomeUnknownError(Learning360Error):
    """
    A request that must not be sent twice may or may not have been done; the message says what to check.

    Trying again later is safe with operators that look for the object first (``if_exists="skip"``).
    """

    transient = True


# What to do about each documented 401 answer (``error``, ``error_description``), plus the older wording of
# some path routes (``unauthorized``) and the token endpoint's own (``invalid_client``).
AUTHENTICATION_ADVICE: dict[tuple[str, str | None], str] = {
    ("missing_company_id", None): (
        "360Learning saw no company ID or access token: set the connection's Company ID (login)"
    ),
    ("invalid_company_id", None): "the company ID is wrong: check the connection's Company ID (login)",
    ("invalid_api_key", None): (
        "the API key is missing, wrong or revoked: check the connection's API key (password); "
        "credentials of API v2 do not work for API v1"
    ),
    ("invalid_token", "invalid signature"): (
        "the access token is malformed or false, even a fresh one: check the connection's Base URL and token path "
        "(the token may come from another platform or API version)"
    ),
    ("invalid_token", "jwt expired"): (
        "the access token expired, even a fresh one: check the clock of 360Learning's host and the token path"
    ),
    ("invalid_token", None): "the access token is not accepted, even a fresh one: check the token path",
    ("unauthorized", None): "the API key is missing or wrong: check the connection's API key (password)",
    ("invalid_client", None): (
        "the token endpoint does not accept the API key: check the connection's Company ID (login) "
        "and API key (password)"
    ),
    ("invalid_request", None): (
        "the token endpoint does not accept the company ID: check the connection's Company ID (login)"
    ),
}

# Codes whose HTTP status says something else than what they mean (v1 answers 400 for a missing user, 500 for
# a refusal), from the documented errors of each route.
_CODES: dict[str, type[Learning360Error]] = {
    "user_already_exists": AlreadyExistsError,
    "invitation_already_exists": AlreadyExistsError,
    "already_invited": AlreadyExistsError,
    "mail_already_exists": AlreadyExistsError,
    "user_not_enrolled": NotFoundError,
    "unavailableEmails": RefusedError,
    "faultyInvitations": RefusedError,
    "cannot remove root group": RefusedError,
    "Cannot delete group": RefusedError,
    "Cannot update a non root session": RefusedError,
}

# Any status may carry this text for an unexpected failure on 360Learning's side (recorded in public code).
_INTERNAL_FAILURE = re.compile(r"an error occurred: [0-9a-f]{32}")


def class_for(status: int, code: str | None) -> type[Learning360Error]:
    """
    Decide the class of a refused request: by its error code first, by its HTTP status second.

    A bare 404 is *not* a missing object: v1 answers so for unknown routes and malformed ids, and taking it for
    "the user is gone" would turn a wrong base URL into success.

    :param status: HTTP status, 300 or more.
    :param code: ``error`` of the body, if any.
    """
    if status == 429:
        return RateLimitedError
    if status == 401:
        return AuthenticationError
    if code:
        if code in _CODES:
            return _CODES[code]
        if _INTERNAL_FAILURE.search(code):
            return ServerError
        if code.endswith("_not_found"):
            return NotFoundError
    if status >= 500 or status in (408, 425):  # request timeout, too early: on the server's side as well
        return ServerError
    if status < 400 or status == 403:
        return RefusedError
    return AlreadyExistsError if status == 409 else InvalidRequestError


def advice_for(error: type[Learning360Error], status: int, code: str | None, description: str | None) -> str:
    """
    Say in words what an answer means and what to do next.

    :param error: The class from :func:`class_for`.
    :param status: HTTP status of the answer.
    :param code: ``error`` of the body, if any.
    :param description: ``error_description`` or ``message`` of the body, if any.
    """
    if error is AuthenticationError:
        for key in ((code or "", description), (code or "", None)):
            if key in AUTHENTICATION_ADVICE:
                return f"Not authenticated ({code}): {AUTHENTICATION_ADVICE[key]}"
        return "Not authenticated: check the connection's Company ID (login) and API key (password)"
    said = ": ".join(part for part in (code, description) if part) or f"HTTP {status}"
    if status < 400:
        return "360Learning answered with a redirect, which is not followed: check the connection's Base URL"
    if error is InvalidRequestError and status == 404 and not code:
        return f"No such route, or a malformed id ({said}): check the ids given and the connection's Base URL"
    return {
        NotFoundError: f"Not found ({said}): check the id or mail given",
        AlreadyExistsError: f"Exists already ({said})",
        InvalidRequestError: f"360Learning does not accept an argument ({said})",
        RefusedError: f"360Learning refuses this ({said})",
        RateLimitedError: f"The rate limit is exceeded ({said})",
        ServerError: f"360Learning failed ({said})",
    }.get(error, said)
