"""
Reservations in PostgreSQL, shared by all hosts that reach it.

The algorithm of ``store.py`` is implemented once more in ``postgres.sql``, as functions within the server: one call,
and therefore one transaction, per command. The same tests hold for it and for the other stores.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from typing import Any

from airflow_provider_360learning.api.limiter.postgres_connection import Session, SessionPool
from airflow_provider_360learning.api.limiter.postgres_errors import (
    FLOOD_ERROR,
    FORMAT_ERROR,
    ISOLATION_ERROR,
    OWNER_ERROR,
    SCHEMA,
    explain,
)
from airflow_provider_360learning.api.limiter.remote import COMMAND_TIMEOUT, CONSTANTS, RemoteStore
from airflow_provider_360learning.api.limiter.store import Reservation, SharedLimit

#: Settings of the functions that are called from outside: names mean PostgreSQL's own objects, whatever other users of
#: the database have created; a lock of a process that hangs is not waited for; the order of the index is used, also
#: before the server has counted the rows, and nothing is compiled for it.
_SETTINGS = "SET search_path = pg_catalog, pg_temp SET lock_timeout = '1500ms' SET enable_seqscan = off SET jit = off"
#: Any number that no other program uses for its advisory locks.
_LOCK = 7_360_360_360_360


def _installation() -> tuple[str, str]:
    """Return the statements that create tables and functions, and the digest in the names of the functions."""
    template = files(__package__).joinpath("postgres.sql").read_text()
    constants = {
        **CONSTANTS,
        "schema": SCHEMA,
        "settings": _SETTINGS,
        "lock": _LOCK,
        "flood_error": FLOOD_ERROR,
        "format_error": FORMAT_ERROR,
        "isolation_error": ISOLATION_ERROR,
        "owner_error": OWNER_ERROR,
    }
    digest = hashlib.sha256(template.format(**constants, digest="", last_function="").encode()).hexdigest()[:10]
    return template.format(**constants, digest=digest, last_function=_last_function(digest)), digest


def _last_function(digest: str) -> str:
    """Return the function that is created last, and exists only if all of them do."""
    return f"release_place_{digest}(text[], text)"


_INSTALL, _DIGEST = _installation()
#: Whether all of it exists, in a schema that no other user of the database has created.
_IS_INSTALLED = f"""
SELECT to_regprocedure('{SCHEMA}.{_last_function(_DIGEST)}') IS NOT NULL
FROM pg_namespace JOIN pg_roles ON nspowner = pg_roles.oid
WHERE nspname = '{SCHEMA}' AND rolname = current_user
"""


class PostgresStore(RemoteStore):
    """
    Reservations in PostgreSQL.

    :param arguments: Arguments of the driver that identify the server, the database and the user.
    :param name: Name of the server in messages.
    """

    def __init__(self, arguments: Mapping[str, object], name: str) -> None:
        super().__init__(name)
        self._user = str(arguments.get("user", ""))
        self._sessions = SessionPool(arguments, _install)

    # Any: see :meth:`RemoteStore._execute`.
    def _execute(self, command: str, keys: Sequence[str], arguments: Mapping[str, object]) -> tuple[Any, float]:
        values = [list(keys), *_positional(arguments)]
        places = ", ".join(["%s"] * len(values))
        row, seconds = self._sessions.query(f"SELECT {SCHEMA}.{command}_{_DIGEST}({places})", values, COMMAND_TIMEOUT)
        return row[0], seconds

    def _explain(self, error: Exception) -> str:
        return explain(error, self._user)


def _install(session: Session, deadline: float) -> None:
    """Create the tables and functions in the database, unless they exist."""
    row, _ = session.query(_IS_INSTALLED, None, deadline)
    if row != (True,):
        session.query(_INSTALL, None, deadline)


def _positional(arguments: Mapping[str, object]) -> Iterator[object]:
    """Yield the values of the function's arguments, in the order in which remote.py names them."""
    for name, value in arguments.items():
        match name, value:
            case "limits", [*limits]:
                yield [limit.requests for limit in limits if isinstance(limit, SharedLimit)]
                yield [limit.window for limit in limits if isinstance(limit, SharedLimit)]
            case "replacing", Reservation():
                yield from (value.time, str(value.token))
            case "replacing", _:
                yield from (None, None)
            case _:
                yield value
