"""
Execute a query and read its rows as a stream.

The drivers of PostgreSQL and MySQL load the whole result by default, so that a cursor of another kind is opened.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib import import_module
from itertools import chain
from typing import TYPE_CHECKING, Any

import psutil

from airflow_provider_360learning.api.redaction import redact
from airflow_provider_360learning.exceptions import InvalidRequestError, Learning360Error
from airflow_provider_360learning.files.text import shortened
from airflow_provider_360learning.log_text import get_logger
from airflow_provider_360learning.rows.limits import size_of

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Connection
    from airflow.providers.common.sql.hooks.sql import DbApiHook

log = get_logger(__name__)

#: Size of the rows that are fetched at once, as :func:`~.limits.size_of` counts it, and their maximum number.
FETCH_SIZE = 1 << 20
MAX_ROWS_PER_FETCH = 2000
#: Bytes by which the process may grow until the first rows are there. More is a result that is held in memory.
MAX_GROWTH = 64 << 20
#: Minimum number of characters of a value that is replaced in errors: shorter ones occur in any text.
MIN_SECRET = 4
#: Errors of PEP 249, which defines no module of them, that the same statement would raise again.
PERMANENT = ("ProgrammingError", "NotSupportedError", "DataError", "IntegrityError")

# Any, in this module: connections, cursors and values of any driver.


class QueryError(Learning360Error):
    """The rows of a query could not be read or stored, before any of them was sent in this attempt."""

    transient = True


@dataclass(frozen=True, slots=True)
class Query:
    """
    A query.

    :param name: What it is called in messages.
    :param sql: Its text.
    :param parameters: Its parameters, as the driver takes them.
    """

    name: str
    sql: str = field(repr=False)
    parameters: Any = field(repr=False)

    def execute(self, cursor: Any) -> Any:
        """Execute it and return the cursor."""
        # Without parameters, a driver must not look for placeholders: `LIKE 'a%'`.
        cursor.execute(*([self.sql] if self.parameters is None else [self.sql, self.parameters]))
        return cursor

    @property
    def is_single(self) -> bool:
        """Whether it is one statement."""
        from sqlparse import split  # a dependency of common.sql

        return sum(map(_is_statement, split(self.sql))) == 1


def _is_statement(text: str) -> bool:
    """Return whether a part of a query is more than a comment or a semicolon, which may follow the statement."""
    from sqlparse.lexer import tokenize
    from sqlparse.tokens import Comment, Whitespace

    tokens = tokenize(text)  # type: ignore[no-untyped-call]
    return any(kind not in Comment and kind not in Whitespace and value != ";" for kind, value in tokens)


@dataclass(frozen=True, slots=True)
class Result:
    """
    The result of a query.

    :param columns: Names of its columns.
    :param rows: Its rows, which can be read once.
    """

    columns: list[str]
    rows: Iterator[Sequence[Any]]


@contextmanager
def open_result(hook: DbApiHook, connection: Connection, query: Query) -> Iterator[Result]:
    """
    Execute a query, and close the connection to the database when the block ends.

    :param hook: The hook of the connection.
    :param connection: The connection, whose secrets are replaced in errors.
    :param query: The query.
    :raises QueryError: if the database fails or the connection is lost; a retry can succeed.
    :raises InvalidRequestError: if the query is invalid or returns no rows.
    """
    opened: list[Any] = []
    try:
        try:
            opened.append(hook.get_conn())
            before = _memory()
            driver, cursor = _execute(hook, query, opened)
            if cursor.description is None:
                raise InvalidRequestError(f"{query.name} returns no rows: write a SELECT.")
            rows = _fetch(cursor)
            first = next(rows, [])
            _warn_if_loaded(query, driver, _memory() - before, cursor)
            yield Result([column[0] for column in cursor.description], chain(first, chain.from_iterable(rows)))
        finally:
            # Connections before their cursors: a cursor of MySQL reads all rows that are left before it closes.
            for each in opened:
                with suppress(Exception):  # of any type; the rows are read, or another error is raised
                    each.close()
    except Exception as error:
        if not _is_any(error, "Error"):
            raise
        raise _error_of(error, connection, query) from None


def _fetch(cursor: Any) -> Iterator[list[Sequence[Any]]]:
    """Yield lists of rows, each with as many as fit :data:`FETCH_SIZE`, judged by the ones before."""
    number = 1
    while fetched := cursor.fetchmany(number):
        # The connection may say that rows are dictionaries.
        rows = [tuple(row.values()) if isinstance(row, Mapping) else row for row in fetched]
        yield rows
        fitting = len(rows) * FETCH_SIZE // size_of(rows, sys.maxsize)
        number = max(1, min(fitting, 2 * number, MAX_ROWS_PER_FETCH))


# Drivers


def _execute(hook: DbApiHook, query: Query, opened: list[Any]) -> tuple[str, Any]:
    """
    Execute a query, as a stream where that is known to be possible.

    :param opened: A connection. What else is opened is added.
    :return: The name of the driver, and the cursor.
    """
    (database,) = opened
    modules = [each.__module__.partition(".")[0] for each in database.__class__.__mro__]
    driver = next((module for module in modules if module in _CURSORS), modules[0])
    if driver in _POSTGRES and not database.autocommit and query.is_single:
        opened.append(database.cursor("learning360"))
        try:
            return driver, _declare(database, query, opened[-1])
        except Exception as error:
            if not _is_any(error, *PERMANENT):
                raise
        # Not a rollback: it would undo what the hook has set in the session.
        database.close()
        database = hook.get_conn()
        opened.append(database)
    opened.append(_CURSORS.get(driver, _default)(database))
    return driver, query.execute(opened[-1])


def _declare(database: Any, query: Query, cursor: Any) -> Any:
    """Declare a cursor of PostgreSQL, which is possible in a transaction, for one statement that only reads."""
    # All rows are read: the plan must not be the one that has the first of them soonest.
    database.cursor().execute("SET LOCAL cursor_tuple_fraction = 1")
    query.execute(cursor)
    if cursor.description is None:  # psycopg2 knows the columns after a fetch
        cursor.fetchmany(0)
    return cursor


def _default(database: Any) -> Any:
    return database.cursor()


def _mysqlclient(database: Any) -> Any:
    return database.cursor(import_module("MySQLdb.cursors").SSCursor)


def _pymysql(database: Any) -> Any:
    return database.cursor(import_module("pymysql.cursors").SSCursor)


def _mysql_connector(database: Any) -> Any:
    return database.cursor(buffered=False)


#: Drivers of PostgreSQL, which hold the whole result unless a cursor of the server is declared.
_POSTGRES = frozenset({"psycopg2", "psycopg"})
#: How to open a cursor that streams, by the module of the driver. The others are used as they are.
_CURSORS: Mapping[str, Callable[[Any], Any]] = {
    **dict.fromkeys(_POSTGRES, _default),
    "MySQLdb": _mysqlclient,
    "pymysql": _pymysql,
    "mysql": _mysql_connector,
    "sqlite3": _default,
}


# Memory


def _memory() -> int:
    """Return the bytes of memory that this process uses."""
    return int(psutil.Process().memory_info().rss)


def _warn_if_loaded(query: Query, driver: str, grown: int, cursor: Any) -> None:
    """
    Log a warning if the driver holds the result in memory.

    :param grown: Bytes by which this process has grown.
    """
    if grown <= MAX_GROWTH:
        return
    rows = getattr(cursor, "rowcount", -1)
    log.warning(
        "The driver %s has loaded the result of %s into memory: memory=%d MiB%s. The worker needs as much. Rows are "
        "read as a stream by %s; in PostgreSQL, if sql is a single SELECT and autocommit is off.",
        driver,
        query.name,
        grown >> 20,
        f" rows={rows}" if isinstance(rows, int) and rows >= 0 else "",
        ", ".join(sorted(_CURSORS)),
    )


# Errors


def _is_any(error: Exception, *names: str) -> bool:
    """Return whether an error is of one of these classes of PEP 249, of any driver."""
    return not {each.__name__ for each in type(error).__mro__}.isdisjoint(names)


def _error_of(error: Exception, connection: Connection, query: Query) -> Learning360Error:
    # Only the first line: the next ones of PostgreSQL quote the statement.
    (first, *_) = str(error).splitlines() or [""]
    text = f"{type(error).__name__}: {shortened(redact(first, _secrets(connection, query)))}"
    if _is_any(error, *PERMANENT):
        return InvalidRequestError(f"{query.name} cannot be executed: {text}. Nothing was sent.", argument="sql")
    return QueryError(
        f"{query.name} failed: {text}. This attempt sent nothing. A retry executes the query again, and resumes."
    )


def _secrets(connection: Connection, query: Query) -> Iterator[str]:
    """Yield what a driver might quote and errors must not: secrets of the connection, and parameters."""
    given = query.parameters
    parameters = given.values() if isinstance(given, Mapping) else given if isinstance(given, Sequence) else ()
    for value in (connection.password, *connection.extra_dejson.values(), *parameters):
        if isinstance(value, str) and len(value) >= MIN_SECRET:
            yield value
