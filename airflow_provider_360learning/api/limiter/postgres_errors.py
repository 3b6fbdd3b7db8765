"""
What an error of the PostgreSQL driver means, in words of our own.

Its texts are never quoted: they repeat what the server sends, which may be the password that it was sent, or control
characters. The server's codes (SQLSTATE) say the same in every language of the server.
"""

from __future__ import annotations

import re

import psycopg2

from airflow_provider_360learning.api.limiter.postgres_connection import ResponseTooLongError
from airflow_provider_360learning.api.limiter.store import FORMAT_VERSION

#: Schema of all tables and functions.
SCHEMA = "learning360_rate_limiter"

#: Codes of the errors of postgres.sql. The server has none of this class.
FLOOD_ERROR, FORMAT_ERROR, ISOLATION_ERROR, OWNER_ERROR = "LR001", "LR002", "LR003", "LR004"

_FORMAT = re.compile(r"rate limiter: format (\d{1,3})\b")
_START_OVER = f"to start over, stop the tasks and run: DROP SCHEMA {SCHEMA} CASCADE"

#: Explanations by the code of an error, or by its class, the first two characters.
_BY_CODE = {
    FLOOD_ERROR: "it has more reservations than requests can be waiting",
    ISOLATION_ERROR: "the default_transaction_isolation of the user or the database must be 'read committed'",
    "0A000": "it is a replica",  # which has no tables that are not logged
    "25006": "its transactions are read-only",
    "28": "it does not accept the user or the password",
    "53100": "its disk is full",
    "53300": "it has reached its maximum number of connections",
    "53": "it lacks memory or other resources",
    "55P03": "it is busy with reservations of another process",
    "57014": "it has canceled the query, by its statement_timeout or by an administrator",
    "57P03": "it is starting or stopping",
    "57": "it is stopping, or an administrator has ended the connection",
    "58": "it cannot read or write its files",
    "42": f"the schema {SCHEMA} has other tables or functions than this version of the provider; {_START_OVER}",
}

#: Explanations by a phrase of the driver's text, in lower case. Searched for, never quoted.
_BY_PHRASE = {
    "password authentication failed": "it does not accept the user or the password",
    "no password supplied": "it requires a password",
    "no pg_hba.conf entry": "its pg_hba.conf does not accept this user, database, address or lack of TLS",
    "too many clients": _BY_CODE["53300"],
    "too many connections": _BY_CODE["53300"],
    "remaining connection slots": _BY_CODE["53300"],
    "is not permitted to log in": "it does not accept the user or the password",
    "is starting up": _BY_CODE["57P03"],
    "is shutting down": _BY_CODE["57P03"],
    "in recovery mode": _BY_CODE["57P03"],
    "root certificate file": "the connection has no file of trusted certificates; set sslrootcert",
    "does not exist": "it has no database or no user of this name",
    "could not translate host name": "its name cannot be resolved",
    "certificate verify failed": "its certificate is not accepted",
    "does not match host name": "its certificate is that of another host",
    "does not support ssl": "it does not support TLS, which the connection requires (sslmode)",
    "private key file": "the private key (sslkey) is not accepted; no other user may read its file",
    "ssl error": "TLS fails",
    "could not read certificate file": "the file of sslcert is not a certificate",
    "connection refused": "Connection refused",
    "no route to host": "No route to host",
    "network is unreachable": "Network is unreachable",
    "timeout expired": "it does not respond in time",
    "server closed the connection unexpectedly": "it has closed the connection",
    "connection reset": "it has closed the connection",
    "connection already closed": "it has closed the connection",
    # In another language than English: the driver has no codes of errors that end a connection at its begin.
    "fatal": "it refuses the connection, and its log says why; check user, password and database",
}


def explain(error: Exception, user: str) -> str:
    """
    Return what an error means, without any text of the server.

    :param error: The error.
    :param user: The user of the connection.
    """
    return f"{_explanation(error, user)} ({type(error).__name__})"


def _explanation(error: Exception, user: str) -> str:
    if isinstance(error, TimeoutError):
        return "it does not respond in time"
    if isinstance(error, ResponseTooLongError):
        return "its response is too long"
    if isinstance(error, UnicodeEncodeError):
        return "its user or password has characters that cannot be sent"
    if not isinstance(error, psycopg2.Error):
        return "its response is not that of a PostgreSQL server"
    code, text = error.pgcode or "", str(error)
    if code == FORMAT_ERROR:
        return _other_format(text)
    if code == OWNER_ERROR:
        return f"the schema {SCHEMA} belongs to another user; run: ALTER SCHEMA {SCHEMA} OWNER TO {_quoted(user)}"
    if code == "42501":
        return (
            f"the user may not create the schema {SCHEMA}, or not use it; an administrator must run in this database: "
            f"CREATE SCHEMA {SCHEMA} AUTHORIZATION {_quoted(user)}"
        )
    for found in (_BY_CODE.get(code), _BY_CODE.get(code[:2]), _by_phrase(text.lower())):
        if found:
            return found
    return "it refuses the query" if code else "its response is not that of a PostgreSQL server"


def _by_phrase(text: str) -> str | None:
    return next((explanation for phrase, explanation in _BY_PHRASE.items() if phrase in text), None)


def _other_format(text: str) -> str:
    found = _FORMAT.search(text)
    version = found[1] if found else "unknown"
    return (
        f"another version of the provider uses this database (format version {version}, here {FORMAT_VERSION}). "
        f"Run one version of the provider on all hosts; {_START_OVER}"
    )


def _quoted(identifier: str) -> str:
    return '"' + identifier.replace('"', '""') + '"'
