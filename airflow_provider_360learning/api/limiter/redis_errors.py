"""
What an error of the Redis client means, in words of our own.

Its texts are never quoted: they repeat what the server sends, which may be the password that it was sent, or control
characters.
"""

from __future__ import annotations

import os
import re
import socket
import ssl
from collections.abc import Iterator

import redis
import redis.sentinel

from airflow_provider_360learning.api.limiter.redis_connection import ResponseTooLongError
from airflow_provider_360learning.api.limiter.store import FORMAT_VERSION

#: What the script reports about keys of another format: its version, if that is a number.
FORMAT_ERROR = re.compile(r"rate limiter: format (\d{1,3}|unknown)")
#: What the script reports about more reservations than it examines.
FLOODED = "rate limiter: too many reservations"

#: Explanations by a phrase of the server's text, in lower case. Searched for, never quoted.
_BY_PHRASE = {
    FLOODED: "it has more reservations than requests can be waiting",
    "maxmemory": "its memory is full (maxmemory)",
    "without any password configured": "it requires no password; remove the password from the connection",
    "no password is set": "it requires no password; remove the password from the connection",
    "authentication required": "it requires a password",
    "db index is out of range": "it has no database of this number",
    "max number of clients": "it has reached its maximum number of clients",
    "protected mode": "its protected mode accepts connections of its own machine only",
    "misconf": "it cannot save its data, and therefore accepts no writes (MISCONF)",
    "read only": "it is a replica, which accepts no writes",
    "readonly": "it is a replica, which accepts no writes",
    "can't run this command": "the user may not run the commands of the rate limiter's script",
    "permissions to access": "the user may not use the keys of the rate limiter",
    "no permission": "the user may not run the commands of the rate limiter's script",
    "wrong kind of value": "another program uses keys of the rate limiter",
    "unknown command": "it does not know the commands of the rate limiter's script; Redis 5 or later is required",
    "busy running a script": "it is busy with a script of another program",
}

#: Explanations by the class of the error, the most specific ones first.
_BY_CLASS: dict[type[Exception], str] = {
    redis.AuthenticationError: "it does not accept the user or the password",
    redis.exceptions.AuthorizationError: "it does not accept the user or the password",
    redis.exceptions.NoPermissionError: "the user may not run the commands of the rate limiter's script",
    redis.exceptions.BusyLoadingError: "it is still loading its data",
    redis.exceptions.ReadOnlyError: "it is a replica, which accepts no writes",
    redis.exceptions.NoScriptError: "it does not keep the rate limiter's script",
    redis.exceptions.ClusterError: "it is a node of a cluster, and clusters are not supported",
    redis.exceptions.ClusterDownError: "it is a node of a cluster, and clusters are not supported",
    redis.exceptions.AskError: "it is a node of a cluster, and clusters are not supported",
    redis.sentinel.MasterNotFoundError: "no sentinel responds that knows a primary server of this name",
    redis.exceptions.MasterDownError: "it is a replica without its primary server",
    redis.ResponseError: "it refuses the rate limiter's script",
}


def explain(error: Exception) -> str:
    """
    Return what an error means, without any text of the server.

    :param error: The error.
    """
    return f"{_explanation(error)} ({type(error).__name__})"


def _explanation(error: Exception) -> str:
    text = str(error).lower()
    if found := FORMAT_ERROR.search(text):
        return (
            f"another version of the provider uses this server (format version {found[1]}, here {FORMAT_VERSION}). "
            "Run one version of the provider on all hosts"
        )
    if isinstance(error, redis.RedisError):
        for phrase, explanation in _BY_PHRASE.items():
            if phrase in text:
                return explanation
        for kind, explanation in _BY_CLASS.items():
            if isinstance(error, kind):
                return explanation
    for cause in _causes(error):
        if problem := _network_problem(cause):
            return problem
    return "its response is not that of a Redis server"


def _causes(error: BaseException) -> Iterator[BaseException]:
    current: BaseException | None = error
    for _ in range(10):
        if current is None:
            return
        yield current
        current = current.__cause__ or current.__context__


def _network_problem(error: BaseException) -> str | None:
    """Return the text of the operating system or of OpenSSL, neither of which contains the server's."""
    match error:
        case ssl.SSLCertVerificationError():
            return f"its certificate is not accepted: {error.verify_message}"
        case ssl.SSLError():
            return f"TLS fails: {error.reason}"
        case TimeoutError() | redis.TimeoutError():
            return "it does not respond in time"
        case ResponseTooLongError():
            return "its response is too long"
        case socket.gaierror():
            return "its name cannot be resolved"
        case UnicodeEncodeError():
            return "its user or password has characters that cannot be sent"
        case OSError(errno=int(number)):
            return os.strerror(number)
    return None
