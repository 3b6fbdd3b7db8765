"""
How API v2 reports errors, and what each error means.

There are two envelopes, ``{"error": "code"}`` and ``{"error": {"code": …, "message": …}}``, and either is accepted
everywhere. The error code decides first and the HTTP status second. State errors (a deleted user, an archived path, an
ended session) are permanent: sending the request again changes nothing.
"""

from __future__ import annotations

from airflow_provider_360learning.api.response import class_for_status
from airflow_provider_360learning.api.spec import MAX_QUOTE, Quote, ReportedError
from airflow_provider_360learning.api.types import JsonValue
from airflow_provider_360learning.api.v2.operations import error_statuses, scope_of
from airflow_provider_360learning.exceptions import (
    AlreadyExistsError,
    AuthenticationError,
    BulkApiDisabledError,
    BulkJobsLimitError,
    InvalidRequestError,
    Learning360Error,
    MissingScopeError,
    NotFoundError,
    RateLimitedError,
    RefusedError,
    ServerError,
)

GENERATE_TOKEN = "generateToken"
#: Error code of an access token that is not accepted (any more).
INVALID_TOKEN = "invalid_token"
INVALID_SCOPE = "invalid_scope"

#: Scopes that are not part of the default set: 360Learning grants them to a company that asks for them.
RESTRICTED_SCOPES = frozenset({"groups:bulk", "integrations:bulk"})

_WRONG_VERSION = (
    "the likely cause is that they are credentials of API v1 (a company ID and an API key), which do not work for API "
    "v2: set the connection's API version to v1, or enter a client ID and its secret"
)
#: Advice for the token endpoint's documented errors about credentials.
_TOKEN_ADVICE = {
    "invalid_client": "the token endpoint does not accept the credentials: check the connection's client ID (login) "
    f"and client secret (password). If both are entered as 360Learning shows them, {_WRONG_VERSION}",
    "invalid_request": "the token endpoint does not accept the form of the credentials: check the connection's client "
    f"ID (login) and client secret (password). If both are entered as 360Learning shows them, {_WRONG_VERSION}",
}

#: Errors with the meaning of each class; all other documented ones with the status 404 are a :class:`NotFoundError`,
#: and with 400 an :class:`InvalidRequestError`. Assumption: the names say what the errors mean, because few have more.
_CODES: dict[type[Learning360Error], str] = {
    AlreadyExistsError: """
        CertificateAlreadyImported customLinkAlreadyUsed duplicateExternalPlatform mailAlreadyUsed mappingAlreadyExists
        nameAlreadyTaken nameAlreadyUsed orderAlreadyUsed subdomainUnavailable subscriptionAlreadyExists
        tagNameNotAvailable targetAlreadyMapped typeAlreadyUsed userAlreadyRegistered usernameAlreadyUsed
        valueAlreadyUsed
    """,
    NotFoundError: """
        managerNotAssignedToUser learnerNotSelfEnrolled userNotInClassroomSlotWaitlist
    """,
    RefusedError: """
        alreadyStartedWebinar analystUnavailable attendanceSheetNotBelongToClassroomSlot bulkOperationNotRun
        certificateOutlineStillUsed childPathSession classroomSlotAlreadyStarted classroomSlotFull classroomSlotNotFull
        classroomSlotWaitlistFull courseCustomFieldsNotEnabled courseNotBelongToIntegration courseNotEstd
        customFieldLimitReached customFieldsTargetTypeNotEnabled extendedTrainingSolutionNotEnabled groupIsRoot
        hasActiveIntegrationsOrLtiConnectors integrationInactive integrationsLimitReached invalidUpdateOnDeletedUser
        loginIdentifierMultipleUsersFound mailUsedTooManyTimes managerDeleted maxAttendanceSheetsReached
        maxGroupsLimitReached ownerDeactivationNotAllowed pathArchived pathHasRunningSessions pathIsUsedAsATraining
        privacyLevelNotAllowedByCompanySettings rootGroupNotPublic rootPathSession rusticiNotEnabled sessionEnded
        sessionIsNotAudienceBuilder sessionNotBelongToPath skillSolutionNotEnabled subscriptionsLimitReached
        tokenBasedPathAudienceFilter tokenBasedPathExcludedLearners tokenBasedPathMode unsupportedAudienceFilter
        unsupportedClassroomType userAlreadyRegisteredInAClassroomSlot userAlreadyRegisteredInAnotherNonMissedSlot
        userDeleted userIsCompanyOwner userIsNotAnEditor userNotDeleted userNotEnrolledInPathSession
    """,
    MissingScopeError: INVALID_SCOPE,
    RateLimitedError: "tooManyRequests",
    BulkJobsLimitError: "bulkOperationsConcurrencyLimitReached",
    BulkApiDisabledError: "bulkAPIDisabled",
}
_CLASSES = {code: error_class for error_class, codes in _CODES.items() for code in codes.split()}

#: What to do about an error whose class does not say it.
_ADVICE = {
    "childPathSession": "it is a part of the session of another path: change that one",
    "hasActiveIntegrationsOrLtiConnectors": "delete the integrations and LTI connectors of the group, and of those "
    "below it, first",
    "pathArchived": "restore the path in 360Learning, or use another one",
    "sessionEnded": "set a later end in 360Learning, or use another session",
    "sessionIsNotAudienceBuilder": "change the enrollments of this session in 360Learning",
    "tokenBasedPathAudienceFilter": "enrollments in this path take tokens: enroll users instead of groups",
    "tokenBasedPathExcludedLearners": "enrollments in this path take tokens: it cannot have excluded learners",
    "tokenBasedPathMode": "enrollments in this path take tokens: its audiences must be updated manually (mode manual)",
    "userDeleted": "create the user again, which restores the account",
    "userNotDeleted": "delete the user first (delete_user)",
    "unsupportedAudienceFilter": "change the enrollments of this session in 360Learning: its audience has filters that "
    "API v2 does not know",
}

_MESSAGES: dict[type[Learning360Error], str] = {
    NotFoundError: "Not found ({0}): check the id or email address",
    AlreadyExistsError: "Already exists ({0})",
    InvalidRequestError: "360Learning does not accept an argument ({0})",
    RefusedError: "360Learning refuses this ({0})",
    RateLimitedError: "The rate limit is exceeded ({0})",
    ServerError: "360Learning failed ({0})",
    BulkJobsLimitError: "As many bulk jobs of the company run as 360Learning allows ({0}): retry when one has ended",
    BulkApiDisabledError: "360Learning has switched bulk jobs off temporarily ({0}); nothing was submitted: retry "
    "later",
}


def parse_error(operation: str, status: int, body: JsonValue, quote: Quote) -> ReportedError | None:
    """
    Read the error that a response of API v2 reports.

    :param operation: The operation.
    :param status: HTTP status.
    :param body: Decoded body; ``None`` if it is empty or not JSON. Proxies in between can send anything.
    :param quote: Returns a text of the body as an error may quote it.
    :return: ``None`` if a success status reports no error.
    """
    if status < 300 and not (isinstance(body, dict) and body.get("error")):
        return None
    code, message = _code_and_message(body)
    error_class = classify(status, code)
    # A known code is not a secret, although a password may be a part of it.
    shown_code = code if code is None or _is_known(code) else quote(code)
    quoted = ": ".join(filter(None, (shown_code, message and quote(message))))[:MAX_QUOTE] or f"HTTP {status}"
    if operation == GENERATE_TOKEN and error_class in (AuthenticationError, InvalidRequestError):
        return ReportedError(AuthenticationError, _token_message(code, quoted), shown_code)
    if error_class is MissingScopeError:
        scope = scope_of(operation)
        return ReportedError(error_class, _scope_message(operation, scope, quoted), shown_code, {"scope": scope})
    return ReportedError(error_class, _message(error_class, status, code, quoted), shown_code)


def classify(status: int, code: str | None) -> type[Learning360Error]:
    """
    Return the class of a reported error.

    A bare 404 is *not* a missing object, but an unknown route: a deletion with an invalid base URL would appear to
    succeed.

    :param status: HTTP status.
    :param code: Error code, if any.
    """
    if status == 401:
        return AuthenticationError
    if code in _CLASSES:
        return _CLASSES[code]
    if code and (code.endswith("NotFound") or error_statuses().get(code) == 404):
        return NotFoundError
    return class_for_status(status)


def _is_known(code: str) -> bool:
    return code in _CLASSES or code == INVALID_TOKEN or code in error_statuses()


def _code_and_message(body: JsonValue) -> tuple[str | None, str | None]:
    """Return the error code and the further text of a body, in either envelope."""
    if not isinstance(body, dict):
        return None, None
    error = body.get("error")
    if isinstance(error, dict):
        return _text(error.get("code")), _text(error.get("message"))
    return _text(error), _text(body.get("error_description")) or _text(body.get("message"))


def _text(value: JsonValue) -> str | None:
    return value if isinstance(value, str) and value else None


def _token_message(code: str | None, quoted: str) -> str:
    """Explain a missing token; only the token endpoint's own codes are about the credentials."""
    if advice := _TOKEN_ADVICE.get(code or ""):
        return f"Not authenticated ({code}): {advice}"
    return f"The token endpoint returned no access token: check the connection's Base URL and token path ({quoted})"


def _scope_message(operation: str, scope: str | None, quoted: str) -> str:
    if scope is None:
        return f"The credentials lack an OAuth scope that {operation} needs ({quoted})"
    restricted = ", which is a restricted one" if scope in RESTRICTED_SCOPES else ""
    return (
        f"The credentials lack the OAuth scope {scope}, which {operation} needs ({quoted}): a platform administrator "
        "grants it to the connection's client ID in 360Learning, where API credentials are administered. A scope that "
        f"is not offered there{restricted} has to be enabled for the company by 360Learning"
    )


def _message(error_class: type[Learning360Error], status: int, code: str | None, quoted: str) -> str:
    """Explain what a response means and what to do next."""
    if error_class is AuthenticationError:
        return (
            f"Not authenticated ({quoted}): API v2 does not accept the access token, not even a new one. The token "
            f"endpoint issues tokens for the credentials of both API versions, and {_WRONG_VERSION}"
        )
    if 300 <= status < 400:
        return "360Learning responded with a redirect, which is not followed: check the connection's Base URL"
    if error_class is InvalidRequestError and status == 404 and not code:
        return f"No such route, or a malformed id ({quoted}): check the ids and the connection's Base URL"
    advice = _ADVICE.get(code or "")
    return _MESSAGES.get(error_class, "{0}").format(quoted) + (f": {advice}" if advice else "")
