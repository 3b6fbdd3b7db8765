"""
How API v1 reports errors, and what each error means.

The error code decides first and the HTTP status second: v1 answers 400 for a missing user and 500 for a refusal.
"""

from __future__ import annotations

import re

from airflow_provider_360learning.api.response import class_for_status
from airflow_provider_360learning.api.spec import MAX_QUOTE, Quote, ReportedError
from airflow_provider_360learning.api.types import JsonValue
from airflow_provider_360learning.exceptions import (
    AlreadyExistsError,
    AuthenticationError,
    InvalidRequestError,
    Learning360Error,
    NotFoundError,
    RateLimitedError,
    RefusedError,
    ServerError,
)

GENERATE_TOKEN = "generateToken"
#: Error code of an access token that is not accepted (any more).
INVALID_TOKEN = "invalid_token"

_OTHER_VERSION = (
    "a client ID and its secret are credentials of API v2, which do not work for API v1: if the connection has them, "
    "set its API version to v2"
)

#: Advice for each documented 401 (``error``, ``error_description``), and for the older wording of some path routes
#: (``unauthorized``).
_AUTHENTICATION_ADVICE: dict[tuple[str, str | None], str] = {
    ("missing_company_id", None): (
        "360Learning found no company ID or access token: set the connection's Company ID (login)"
    ),
    ("invalid_company_id", None): (
        f"the company ID is invalid: check the connection's Company ID (login); {_OTHER_VERSION}"
    ),
    ("invalid_api_key", None): (
        f"the API key is missing, invalid or revoked: check the connection's API key (password); {_OTHER_VERSION}"
    ),
    (INVALID_TOKEN, "invalid signature"): (
        "the access token is malformed or forged, even a new one: check the connection's Base URL and token path "
        f"(the token may come from another platform or API version); {_OTHER_VERSION}"
    ),
    (INVALID_TOKEN, "jwt expired"): (
        "the access token expired, even a new one: check the clock of 360Learning's host and the token path"
    ),
    (INVALID_TOKEN, None): f"the access token is not accepted, even a new one: check the token path; {_OTHER_VERSION}",
    ("unauthorized", None): "the API key is missing or invalid: check the connection's API key (password)",
}

#: Advice for the token endpoint's documented errors about credentials.
_TOKEN_ADVICE = {
    "invalid_client": (
        "the token endpoint does not accept the API key: check the connection's Company ID (login) "
        f"and API key (password); {_OTHER_VERSION}"
    ),
    "invalid_request": ("the token endpoint does not accept the company ID: check the connection's Company ID (login)"),
}

#: Codes whose HTTP status means something else, from the documented errors of each route.
_CLASSES: dict[str, type[Learning360Error]] = {
    "already_invited": AlreadyExistsError,
    "mail_already_exists": AlreadyExistsError,
    # Known from other clients only. Assumption: it means the same as user_already_exists.
    "email_already_used": AlreadyExistsError,
    "user_not_enrolled": NotFoundError,
    # Documented for v2. Assumption: v1 uses it as well, if it names a code at all.
    "tooManyRequests": RateLimitedError,
    "unavailableEmails": RefusedError,
    "faultyInvitations": RefusedError,
    "cannot remove root group": RefusedError,
    "Cannot delete group": RefusedError,
    "Cannot update a non root session": RefusedError,
}

#: Codes about objects of any kind.
_KNOWN_CODE = re.compile(r"[a-z]+(_[a-z]+)*_(not_found|already_exists)")
_KNOWN_CODES = frozenset({*_CLASSES, *_TOKEN_ADVICE, *(code for code, _ in _AUTHENTICATION_ADVICE)})

#: An unexpected failure on 360Learning's side, with any status, under ``error`` or ``message`` (recorded).
_INTERNAL_FAILURE = re.compile(r"an error occurred: [0-9a-f]{32}")
#: A text under ``message`` that is an error code rather than a sentence.
_SNAKE_CASE = re.compile(r"[A-Za-z]+(_[A-Za-z]+)+")


def parse_error(operation: str, status: int, body: JsonValue, quote: Quote) -> ReportedError | None:
    """
    Read the error that a response of API v1 reports.

    :param operation: The operation.
    :param status: HTTP status.
    :param body: Decoded body; ``None`` if it is empty or not JSON. Proxies in between can send anything.
    :param quote: Returns a text of the body as an error may quote it.
    :return: ``None`` if a success status reports no error.
    """
    if status < 300 and not _reports_error(body):
        return None
    code, description = _code_and_description(body)
    error_class = classify(status, code, description)
    # A known code is not a secret, although a password may be a part of it.
    shown_code = code if code is None or _is_known(code) else quote(code)
    quoted = ": ".join(filter(None, (shown_code, description and quote(description))))[:MAX_QUOTE] or f"HTTP {status}"
    if operation == GENERATE_TOKEN and error_class in (AuthenticationError, InvalidRequestError):
        return ReportedError(AuthenticationError, _token_message(code, quoted), shown_code)
    return ReportedError(error_class, _message(error_class, status, code, description, quoted), shown_code)


def classify(status: int, code: str | None, description: str | None = None) -> type[Learning360Error]:
    """
    Return the class of a reported error.

    A bare 404 is *not* a missing object. v1 answers so for unknown routes and malformed ids, and a deletion with an
    invalid base URL would appear to succeed.

    :param status: HTTP status.
    :param code: Error code, if any.
    :param description: Further text, if any.
    """
    if status not in (401, 429):
        if code in _CLASSES:
            return _CLASSES[code]
        if any(_INTERNAL_FAILURE.search(text) for text in (code, description) if text):
            return ServerError
        if code and code.endswith("_not_found"):
            return NotFoundError
        if code and code.endswith("_already_exists"):
            return AlreadyExistsError
    return class_for_status(status)


def _is_known(code: str) -> bool:
    return code in _KNOWN_CODES or _KNOWN_CODE.fullmatch(code) is not None


def _reports_error(body: JsonValue) -> bool:
    """Return whether the body of a success status reports an error: a ``message`` alone may be an acknowledgment."""
    if not isinstance(body, dict):
        return False
    message = body.get("message")
    return bool(body.get("error")) or (isinstance(message, str) and bool(_INTERNAL_FAILURE.search(message)))


def _code_and_description(body: JsonValue) -> tuple[str | None, str | None]:
    """Return the error code and the further text of a body; the code may stand under ``error`` or ``message``."""
    if not isinstance(body, dict):
        return None, None
    error, message = _text(body.get("error")), _text(body.get("message"))
    if not error and message and (message in _CLASSES or _SNAKE_CASE.fullmatch(message)):
        error, message = message, None
    return error, _text(body.get("error_description")) or message


def _text(value: JsonValue) -> str | None:
    return value if isinstance(value, str) and value else None


def _token_message(code: str | None, quoted: str) -> str:
    """Explain a missing token; only the token endpoint's own codes are about the credentials."""
    if advice := _TOKEN_ADVICE.get(code or ""):
        return f"Not authenticated ({code}): {advice}"
    return f"The token endpoint returned no access token: check the connection's Base URL and token path ({quoted})"


def _message(
    error_class: type[Learning360Error], status: int, code: str | None, description: str | None, quoted: str
) -> str:
    """Explain what a response means and what to do next."""
    if error_class is AuthenticationError:
        advice = _AUTHENTICATION_ADVICE.get((code or "", description)) or _AUTHENTICATION_ADVICE.get((code or "", None))
        if advice:
            return f"Not authenticated ({code}): {advice}"
        return "Not authenticated: check the connection's Company ID (login) and API key (password)"
    if 300 <= status < 400:
        return "360Learning responded with a redirect, which is not followed: check the connection's Base URL"
    if error_class is InvalidRequestError and status == 404 and not code:
        return f"No such route, or a malformed id ({quoted}): check the ids and the connection's Base URL"
    return {
        NotFoundError: f"Not found ({quoted}): check the id or email address",
        AlreadyExistsError: f"Already exists ({quoted})",
        InvalidRequestError: f"360Learning does not accept an argument ({quoted})",
        RefusedError: f"360Learning refuses this ({quoted})",
        RateLimitedError: f"The rate limit is exceeded ({quoted})",
        ServerError: f"360Learning failed ({quoted})",
    }.get(error_class, quoted)
