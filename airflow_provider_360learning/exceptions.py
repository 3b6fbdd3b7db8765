"""
Errors that this package raises about 360Learning.

The classes are not derived from ``AirflowException``: an ``except AirflowException`` in calling code must not swallow
them, and retry policies can match each one. ``transient`` on a class says whether a later try can succeed; operators
fail at once on the others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, TypedDict, Unpack

from airflow_provider_360learning.log_text import escape_controls, limit_text, mask_addresses

#: Maximum number of characters of an error code.
MAX_CODE = 300
#: Maximum number of characters of the path of a request in the text of an error.
MAX_PATH = 500


class RequestDetails(TypedDict, total=False):
    """Keyword arguments of :class:`Learning360Error`: the request and its response."""

    operation: str | None
    status: int | None
    code: str | None
    url: str | None
    retry_after: float | None


class Learning360Error(Exception):
    """
    Root of all errors that this package raises about 360Learning.

    :param message: What happened and what to do next. Never contains a secret. It may quote a server or a file: what
        would control a terminal is escaped, in the message as well as in the code, and what is absurdly long is cut.
    :param operation: Name of the API operation, e.g. ``createGroup``.
    :param status: HTTP status of the response, if there was one.
    :param code: Error code in the response's body, if there was one, e.g. ``user_not_found``.
    :param url: Method and path of the request, without its query (which may contain the API key).
    :param retry_after: Seconds after which a retry makes sense, if known.
    """

    #: Whether a later try can succeed.
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
        super().__init__(limit_text(message))
        self.operation = operation
        self.status = status
        self.code = None if code is None else limit_text(code, MAX_CODE)
        self.url = url
        self.retry_after = retry_after
        #: True if an earlier attempt at the same call may have been applied (its outcome is unknown).
        self.after_unknown_outcome = False

    def __str__(self) -> str:
        url = limit_text(mask_addresses((self.url or "")[: 8 * MAX_PATH]), MAX_PATH)  # the log shows it
        place = ", ".join(str(part) for part in (self.operation, url, self.status) if part)
        return f"{self.args[0]} [{escape_controls(place)}]" if place else str(self.args[0])


class InvalidConnectionError(Learning360Error, ValueError):
    """
    The Airflow connection (or a setting) is invalid; the message names the field. Nothing was sent with it.

    A connection that is read again, because its API key is not accepted any more, must lead to the same company.
    """


class UnreadableConnectionError(Learning360Error):
    """
    360Learning no longer accepts the API key, and the Airflow connection cannot be read again.

    Transient, because Airflow reports an unreachable API server as a connection that is not defined.
    """

    transient = True


class AuthenticationError(Learning360Error):
    """360Learning does not accept the company ID, the API key or the token."""


class NotFoundError(Learning360Error):
    """The user, group, path or session of the request does not exist."""


class AlreadyExistsError(Learning360Error):
    """The object to be created already exists."""


class InvalidRequestError(Learning360Error, ValueError):
    """
    An argument is invalid: found before sending (then ``status`` is ``None``), or reported by 360Learning.

    :param argument: Name of the argument, if known, e.g. ``other_group_ids[1]``.
    """

    def __init__(self, message: str, *, argument: str | None = None, **details: Unpack[RequestDetails]) -> None:
        super().__init__(message, **details)
        self.argument = argument


class NotAvailableError(InvalidRequestError):
    """The API version of the connection does not offer this action or argument. Raised before sending."""


class RefusedError(Learning360Error):
    """360Learning understood the request and refuses it; sending it again changes nothing."""


class RefusedRowsError(RefusedError):
    """
    A bulk job has refused some of its rows, or all; the others are done.

    :param results: The results of all rows, as the server returned them.
    """

    def __init__(
        self, message: str, *, results: Sequence[Mapping[str, object]], **details: Unpack[RequestDetails]
    ) -> None:
        super().__init__(message, **details)
        self.results = results


class MissingScopeError(RefusedError):
    """
    The credentials lack the OAuth scope that the operation needs.

    :param scope: The scope, if it is known, e.g. ``users:write``.
    """

    def __init__(self, message: str, *, scope: str | None = None, **details: Unpack[RequestDetails]) -> None:
        super().__init__(message, **details)
        self.scope = scope


class RateLimitedError(Learning360Error):
    """The rate limit has no capacity within the maximum wait; ``retry_after`` says when it will."""

    transient = True


class BulkJobsLimitError(RateLimitedError):
    """As many bulk jobs of the company run as 360Learning allows; one can be submitted when another has ended."""


class ServerError(Learning360Error):
    """360Learning failed (5xx)."""

    transient = True


class BulkApiDisabledError(ServerError):
    """360Learning has switched its bulk jobs off temporarily; nothing was submitted."""


class TransportError(Learning360Error):
    """
    The request or its response did not get through.

    :param sent: False if the request certainly never reached 360Learning.
    """

    transient = True

    def __init__(self, message: str, *, sent: bool = True, **details: Unpack[RequestDetails]) -> None:
        super().__init__(message, **details)
        self.sent = sent


class UnexpectedResponseError(Learning360Error):
    """A success status with a body that cannot be used."""

    transient = True


class ResponseTooLargeError(UnexpectedResponseError):
    """The response of a read is larger than allowed, and would be the next time."""

    transient = False


class IncompleteResponseError(Learning360Error):
    """The server may have truncated a response, and it is not possible to request less at a time."""


class OutcomeUnknownError(Learning360Error):
    """
    A request that must not be sent twice may have been applied; the message says what to check.

    A later try is safe with operators that look the object up first (``if_exists="skip"``).
    """

    transient = True


class StorageError(Learning360Error):
    """
    A file cannot be read or written; the message names its path, the connection and what to correct.

    Permanent: it is the path, a permission or the credentials.
    """


class StorageUnavailableError(StorageError):
    """The store of a file cannot be reached, or failed; a later try can succeed."""

    transient = True
