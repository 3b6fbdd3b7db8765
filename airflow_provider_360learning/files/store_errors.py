"""Errors of stores in one form: what to correct (bucket, permission, credentials, endpoint), and whether to retry."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from airflow_provider_360learning.exceptions import (
    InvalidRequestError,
    Learning360Error,
    StorageError,
    StorageUnavailableError,
)

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import ObjectStoragePath


class NotAnS3ServerError(Exception):
    """A server has accepted a request, and has not responded as S3 does."""


@dataclass(frozen=True, slots=True)
class _Finding:
    """What an error means, what to do, and whether a later try can succeed."""

    problem: str
    advice: str
    is_transient: bool = False


#: Permissions that the operations of S3 need, where they have other names.
_S3_PERMISSIONS = {
    "HeadObject": "s3:GetObject",
    "ListObjectsV2": "s3:ListBucket",
    "CreateMultipartUpload": "s3:PutObject",
    "UploadPart": "s3:PutObject",
    "CompleteMultipartUpload": "s3:PutObject",
    "AssumeRole": "sts:AssumeRole",
}
#: How Amazon states the permission, which may be one of another service, such as kms:GenerateDataKey.
_NAMED_PERMISSION = re.compile(r"not authorized to perform: ([a-z0-9-]{1,40}:[A-Za-z0-9]{1,80})\b")
_DENIED = {"AccessDenied", "AllAccessDisabled", "AccountProblem", "403"}
_RENEW_TOKEN = "Renew aws_session_token of the connection, or use a role"
_OTHER_REGION = _Finding("the bucket is in another region", "Set region_name in the extra of the connection")
#: Error codes of S3.
_S3_CODES = {
    "NoSuchBucket": _Finding("the bucket does not exist", "Create it, or correct the path or the connection"),
    "InvalidBucketName": _Finding("the name of the bucket is invalid", "Correct the path"),
    "InvalidAccessKeyId": _Finding("the access key ID does not exist", "Correct the login of the connection"),
    "SignatureDoesNotMatch": _Finding(
        "the secret access key is not that of the access key ID", "Correct the password of the connection"
    ),
    "ExpiredToken": _Finding("the session token has expired", _RENEW_TOKEN),
    "InvalidToken": _Finding("the session token is not accepted", _RENEW_TOKEN),
    "TokenRefreshRequired": _Finding("the session token must be renewed", _RENEW_TOKEN),
    "PermanentRedirect": _OTHER_REGION,
    "AuthorizationHeaderMalformed": _OTHER_REGION,
    "IllegalLocationConstraintException": _OTHER_REGION,
    "301": _OTHER_REGION,
    "NoSuchUpload": _Finding("another process has aborted this upload", "Let that one end", is_transient=True),
}
#: Classes of botocore and aiohttp. Importing them would load both for other stores, too.
_NO_CREDENTIALS = {"NoCredentialsError", "PartialCredentialsError"}
_INVALID = {"ParamValidationError"}
_NO_TLS = {"SSLError", "ClientConnectorCertificateError", "ClientConnectorSSLError"}
_PERMANENT_TLS_ERRORS = ("CERTIFICATE_VERIFY_FAILED", "WRONG_VERSION_NUMBER")
_INVALID_ENDPOINT = re.compile(r"EndpointResolutionError: |ValueError: Invalid endpoint: ")
_NO_CONNECTION = {"EndpointConnectionError", "ConnectTimeoutError", "ProxyConnectionError", "ClientConnectorError"}
#: Errors that a later try would get as well.
_PERMANENT = (
    PermissionError,
    FileNotFoundError,
    NotADirectoryError,
    IsADirectoryError,
    NotImplementedError,
    ValueError,
)
_PERMANENT_ERRNOS = {errno.EROFS, errno.ENAMETOOLONG, errno.ELOOP}
_TRANSIENT_STATUSES = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.CONFLICT, HTTPStatus.TOO_MANY_REQUESTS}
_MAX_QUOTED = 300
#: What may be secret: userinfo and query of a URL.
_SECRET_PARTS = re.compile(r"(?<=://)[^/\s@]*@|\?[^\s'\"]*")


@contextmanager
def explained(path: ObjectStoragePath, what: str, *, may_be_missing: bool = False) -> Iterator[None]:
    """
    Raise the errors of a store as errors of this package.

    :param path: The path.
    :param what: What cannot be done with it, such as ``read``.
    :param may_be_missing: Whether the error of a file that does not exist is raised as it is.
    :raises FileNotFoundError: if the file does not exist, and may be missing.
    :raises StorageError: naming the path, its connection, what is missing and what to correct.
    :raises StorageUnavailableError: if a later try can succeed.
    """
    try:
        yield
    except Learning360Error:
        raise
    except Exception as error:  # each store raises its own
        if may_be_missing and isinstance(error, FileNotFoundError) and code_of(error) != "NoSuchBucket":
            raise
        conn_id = getattr(path, "conn_id", None) or path.storage_options.get("conn_id")  # Airflow 3, and 2
        found = _examine(error, bool(conn_id))
        kind = StorageUnavailableError if found.is_transient else StorageError
        connection = f"connection {conn_id!r}" if conn_id else "no connection"
        # Not from the error of the store: a traceback would show the URL of its request, which may have a signature.
        raise kind(f"{path} ({connection}) cannot be {what}: {found.problem}. {found.advice}.") from None


@contextmanager
def naming(argument: str, consequence: str) -> Iterator[None]:
    """
    Add the name of an argument, and what has not happened yet, to errors about its path.

    :param argument: Name of the argument.
    :param consequence: A sentence, such as ``Nothing was sent.``
    """
    try:
        yield
    except (StorageError, InvalidRequestError) as error:
        raise type(error)(f"{argument} {error} {consequence}") from None


def code_of(error: BaseException) -> str | None:
    """Return the error code of an S3 server, ``None`` if the error does not come from one."""
    return next((code for code, _, _ in _s3_responses(error)), None)


def _examine(error: Exception, has_connection: bool) -> _Finding:
    for code, operation, message in _s3_responses(error):
        quoted = f"{operation}: {code or 'no error code'}, {_quoted(message) or 'no message'}"
        if code in _DENIED:
            return _denied(operation, message, quoted)
        if found := _S3_CODES.get(code):
            return replace(found, problem=f"{found.problem} ({quoted})")
        # A `HEAD` request has no body, and so no code, from S3 either.
        if not code or (code.isdigit() and not operation.startswith("Head")):
            return _other_server(quoted, _is_transient(error))
    chain = list(_chain(error))
    names = {type(each).__name__ for each in chain}
    quoted = "; ".join(dict.fromkeys(f"{type(each).__name__}: {_quoted(str(each))}" for each in (error, chain[-1])))
    if isinstance(error, NotAnS3ServerError):
        return _other_server(quoted, is_transient=False)
    if _INVALID_ENDPOINT.search(quoted):
        return _Finding(quoted, "Correct endpoint_url in the extra of the connection, such as https://s3.example.com")
    if names & _NO_TLS:
        advice = "Check the scheme of endpoint_url, and verify, in the extra of the connection"
        return _Finding(f"TLS fails ({quoted})", advice, not any(each in quoted for each in _PERMANENT_TLS_ERRORS))
    if names & _INVALID:
        return _Finding(quoted, "Correct the path")
    if names & _NO_CREDENTIALS:
        return _Finding(f"there are no credentials ({quoted})", "Add them to the connection")
    if names & _NO_CONNECTION:
        advice = "Check that the server runs, and endpoint_url in the extra of the connection"
        return _Finding(f"the server cannot be reached ({quoted})", advice, is_transient=True)
    what = "the path, the connection and its permissions" if has_connection else "the path and its permissions"
    return _Finding(quoted, f"Check {what}", _is_transient(error))


def _other_server(quoted: str, is_transient: bool) -> _Finding:
    advice = "Check that endpoint_url in the extra of the connection is the address of the S3 API, and that it runs"
    return _Finding(f"the server does not respond as S3 does ({quoted})", advice, is_transient)


def _denied(operation: str, message: str, quoted: str) -> _Finding:
    named = _NAMED_PERMISSION.search(message)
    permission = named[1] if named else _S3_PERMISSIONS.get(operation, f"s3:{operation}")
    if permission == "s3:GetObject" and not named:
        permission += " (or s3:ListBucket, if the object does not exist)"
    advice = "Grant it to the credentials of the connection; requests without credentials count as anonymous"
    return _Finding(f"the permission {permission} is missing ({quoted})", advice)


def _is_transient(error: Exception) -> bool:
    errors = [each for each in (error, error.__cause__) if each is not None]
    statuses = [status for each in errors if (status := _status_of(each)) is not None]
    if statuses:
        is_of_server = statuses[0] >= HTTPStatus.INTERNAL_SERVER_ERROR and statuses[0] != HTTPStatus.NOT_IMPLEMENTED
        return is_of_server or statuses[0] in _TRANSIENT_STATUSES
    return not any(isinstance(each, _PERMANENT) or getattr(each, "errno", None) in _PERMANENT_ERRNOS for each in errors)


def _status_of(error: BaseException) -> int | None:
    """Return the HTTP status in an error; botocore, Azure, aiohttp and gcsfs have it in different places."""
    response = getattr(error, "response", None)
    if isinstance(response, dict):
        found = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    else:
        names = ("status_code", "status", "code")
        found = next((value for name in names if isinstance(value := getattr(error, name, None), int)), None)
    return found if isinstance(found, int) and found >= HTTPStatus.BAD_REQUEST else None


def _s3_responses(error: BaseException) -> Iterator[tuple[str, str, str]]:
    """Yield code, operation and message of the responses of an S3 server in a chain of errors."""
    for each in _chain(error):
        response: Any = getattr(each, "response", None)
        if isinstance(response, dict) and "Error" in response:
            details = response["Error"]
            yield str(details.get("Code") or ""), str(getattr(each, "operation_name", "")), str(details.get("Message"))


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and its causes."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _quoted(text: str) -> str:
    """Return the beginning of a text of a store, in one line, without what may be secret and without a full stop."""
    return _SECRET_PARTS.sub("…", " ".join(text.split()))[:_MAX_QUOTED].rstrip(". ")
