"""Where rows come from: a list, a file or a query, each read as a stream and as often as needed."""

from __future__ import annotations

import codecs
import os
import pickle
import re
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain, islice
from tempfile import gettempdir
from typing import TYPE_CHECKING, Any, TypeAlias

from airflow_provider_360learning.api.models.parsers import MAX_SHOWN, shown
from airflow_provider_360learning.exceptions import InvalidRequestError
from airflow_provider_360learning.files import csv, jsonl
from airflow_provider_360learning.files.columns import check_names
from airflow_provider_360learning.files.formats import TextFormat, columns_of, format_of, read
from airflow_provider_360learning.files.records import (
    MAX_COLUMNS,
    NOT_JSON,
    REJECTED_COLUMNS,
    UNREAD,
    Record,
    too_long,
)
from airflow_provider_360learning.files.spool import Spool
from airflow_provider_360learning.files.storage import StoragePath, storage_path
from airflow_provider_360learning.files.text import beginning, check_encoding, encoding_of, shortened
from airflow_provider_360learning.rows.limits import max_row_size, size_of
from airflow_provider_360learning.rows.queries import Query, QueryError, open_result

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Connection
    from airflow.providers.common.sql.hooks.sql import DbApiHook

#: The source's name of a column to the name of the argument, or to None for a column to ignore.
ColumnMapping: TypeAlias = Mapping[str, str | None]

_ROWS_PER_CHUNK = 1000
#: A text that is a path, or looks like a relative one.
_PATH = re.compile(r"(/|[a-z][a-z0-9+.-]*://)[^\n]+|[\w./~ -]{1,200}", re.IGNORECASE)
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Row:
    """
    One row of a source.

    :param number: Its number, from 1.
    :param line: Line of the file where it starts; ``None`` if the source has no lines.
    :param values: Its values by argument, without empty and ignored ones.
    :param original: Its values as in the source, to be written to the rejected rows.
    :param problem: Why it cannot be read; then it has no values.
    :param size: Number of its characters, bytes and other values, see :func:`~.limits.size_of`.
    """

    number: int
    line: int | None
    values: Mapping[str, Any] = field(repr=False)
    original: Mapping[str, Any] = field(repr=False)
    problem: str | None = None
    size: int = field(default=0, compare=False)


class Source(ABC):
    """
    A source of rows.

    :param mapping: The source's names of columns to those of the action's arguments.
    """

    #: Name of the source in messages: its path, "the list", "the query on <connection>".
    name: str
    #: Format of its rejected rows.
    rejected_format: TextFormat = "jsonl"
    #: Separator of its rejected rows, if they are written as CSV.
    separator: str = csv.DEFAULT_SEPARATOR
    #: Whether it is text, which is decoded.
    has_encoding = False
    #: Byte-order mark of its rejected rows, which are written in UTF-8.
    rejected_mark: bytes = b""
    #: Number of people whose invitation is pending, and who were left out, if the rows are the users of bulk tasks.
    pending_invitations: int | None = None

    def __init__(self, mapping: ColumnMapping) -> None:
        self._mapping = mapping
        self._max_size = max_row_size()

    @cached_property
    def columns(self) -> list[str] | None:
        """The columns as the source names them; None if each row has columns of its own."""
        return None

    @cached_property
    def arguments(self) -> list[str] | None:
        """
        The columns as the action names them, without ignored ones; None if each row has columns of its own.

        :raises InvalidRequestError: if a mapped column does not exist, or two have the same name after mapping.
        """
        if self.columns is None:
            return None
        self._check_width(self.columns)
        if self.columns:  # an empty file has none, and no rows either
            self._check_mapped(self.columns)
        return list(self._mapped(dict.fromkeys(self.columns)))

    def rows(self) -> Iterator[Row]:
        """
        Read all rows, from the first each time.

        :raises InvalidRequestError: if the source as a whole is invalid. If each row has columns of its own, it is
            known after the last one only that a mapped column is in no row.
        """
        unseen = set(self._mapping) if self.arguments is None else set()
        any_readable = False
        for number, line, original, problem in self._records():
            if self.columns == []:
                raise InvalidRequestError(f"{self.name} has rows, but no columns.")
            unseen.difference_update(original)
            any_readable = any_readable or not problem
            yield self._row(number, line, original, problem)
        if any_readable:
            self._check_mapped(set(self._mapping) - unseen)

    def columns_of(self, row: Row) -> Collection[str]:
        """
        Return the columns of a row as the action names them, with those whose cells are empty.

        :param row: A row that could be read.
        """
        return self._mapped(dict(row.original)) if self.arguments is None else self.arguments

    @abstractmethod
    def _records(self) -> Iterator[Record]:
        """Read the rows as the source has them."""

    def _row(self, number: int, line: int | None, original: dict[str, Any], problem: str | None) -> Row:
        if problem:
            return Row(number, line, {}, original, problem, size_of(original, self._max_size))
        if self.rejected_format == "csv":  # cells are strings, whose size and number the reader limits
            size = sum(map(len, original.values()))
        else:
            size = size_of(original, self._max_size)
            if problem := _problem_of_width(original) or self._problem_of_size(original, size):
                return Row(number, line, {}, _shortened_values(original), problem)
        try:
            values = self._mapped(original)
        except InvalidRequestError as error:
            return Row(number, line, {}, original, str(error), size)
        # An empty cell of CSV is a missing value; in the other formats "" is a string like any other.
        if self.rejected_format == "csv":
            filled = values if all(values.values()) else {name: value for name, value in values.items() if value}
            return Row(number, line, filled, original, None, size)
        # Nothing but "is": an array of numpy, or a series of pandas, compares item by item.
        given = {name: value for name, value in values.items() if value is not None}
        return Row(number, line, given, original, None, size)

    def _problem_of_size(self, original: Mapping[str, Any], size: int) -> str | None:
        if size <= self._max_size:
            return None
        largest = max(original, key=lambda name: size_of(original[name], self._max_size))
        return f"{too_long(self._max_size)}; its largest value is that of column {shown(largest)}"

    def _mapped(self, row: dict[str, Any]) -> dict[str, Any]:
        if not self._mapping and REJECTED_COLUMNS.isdisjoint(row):
            return row
        values: dict[str, Any] = {}
        for theirs, value in row.items():
            ours = self._mapping.get(theirs, None if theirs in REJECTED_COLUMNS else theirs)
            if ours in values:
                raise InvalidRequestError(
                    f"{self.name} has two columns for {ours}, one of them {shortened(theirs)}: ignore one with "
                    "column_mapping={'its name': None}."
                )
            if ours is not None:
                values[ours] = value
        return values

    def _check_width(self, columns: Collection[str]) -> None:
        if problem := _problem_of_width(columns):
            raise InvalidRequestError(f"{self.name} {problem}. Nothing was sent.")

    def _check_mapped(self, columns: Sequence[str] | set[str]) -> None:
        existing = set(columns)
        missing = [theirs for theirs, ours in self._mapping.items() if ours is not None and theirs not in existing]
        if missing:
            names = shortened(", ".join(missing))
            raise InvalidRequestError(
                f"{self.name} has no column {names}{self._existing()}: correct the names in column_mapping."
            )

    def _existing(self) -> str:
        """Return the names of the columns, for an error."""
        if not self.columns:
            return ""
        if self._mapping.keys().isdisjoint(self.columns):
            # Without a header, the names are values of the first row, a password perhaps: none of them is shown.
            return ", nor another one of column_mapping (is its first line a header?)"
        return f" (it has {shortened(', '.join(self.columns))})"


def make_source(
    rows: StoragePath | Sequence[Any] | None = None,
    *,
    sql: str | None = None,
    sql_conn_id: str | None = None,
    parameters: Any = None,
    column_mapping: ColumnMapping | None = None,
    encoding: str | None = None,
) -> Source:
    """
    Return the source of rows.

    :param rows: A list of objects, the JSON text of one, or the path of a file (see :func:`.read`).
    :param sql: A query, instead of that.
    :param sql_conn_id: The connection of the query, of any type that Airflow can query.
    :param parameters: Parameters of the query, as its database driver takes them.
    :param column_mapping: Names of columns in the source to names of arguments (``{"E-Mail": "mail"}``), or to None for
        a column to ignore. Other columns keep their names.
    :param encoding: Encoding of a CSV or JSON Lines file without a byte-order mark, by default UTF-8.
    :raises InvalidRequestError: if that is not exactly one source, or if it has no encoding but one is given.
    """
    mapping = _check_mapping(column_mapping or {})
    if (rows is None) == (sql is None):
        raise InvalidRequestError("Give either rows (a list, or the path of a file) or sql (a query).")
    if (sql is None) != (sql_conn_id is None):
        raise InvalidRequestError("sql (a query) and sql_conn_id (its connection) belong together: give both.")
    if sql is not None and sql_conn_id is not None:
        source: Source = _QueryRows(sql, sql_conn_id, parameters, mapping)
    else:
        source = _list_or_file(rows, mapping, encoding)
    if not source.has_encoding:
        refuse_encoding(encoding, source.name)
    return source


def refuse_encoding(encoding: object, name: str) -> None:
    """
    Refuse an encoding for a source that is not text.

    :param encoding: The argument.
    :param name: Name of the source.
    :raises InvalidRequestError: if an encoding is given.
    """
    if encoding is not None:
        raise InvalidRequestError(
            f"encoding is given, but {name} has none: it is for CSV and JSON Lines files. Leave it out.",
            argument="encoding",
        )


def _list_or_file(rows: Any, mapping: ColumnMapping, encoding: str | None) -> Source:
    if isinstance(rows, str) and not is_path(rows):
        return _List(_rows_in(rows), mapping)
    if isinstance(rows, Sequence) and not isinstance(rows, str | bytes):
        return _List(rows, mapping)
    if isinstance(rows, str | os.PathLike) or _is_object_path(rows):
        return _File(rows, mapping, encoding)
    raise InvalidRequestError(
        f"rows is a {type(rows).__name__}: give a list of objects, or the path of a file. (An iterator "
        "cannot be used, because all rows are checked before the first one is sent.)"
    )


def _check_mapping(mapping: ColumnMapping) -> ColumnMapping:
    ours = Counter(name for name in mapping.values() if name is not None)
    duplicates = sorted(name for name, count in ours.items() if count > 1)
    if duplicates:
        raise InvalidRequestError(
            f"column_mapping gives several columns the name {shortened(', '.join(duplicates))}: keep one of them."
        )
    if added := [theirs for theirs, ours in mapping.items() if ours is not None and theirs in REJECTED_COLUMNS]:
        raise InvalidRequestError(
            f"column_mapping uses the column {', '.join(added)}, which rejected rows have for their number or reason: "
            "rename the column in the source. Nothing was sent.",
            argument="column_mapping",
        )
    return mapping


def _rows_in(text: str) -> list[Any]:
    """Return the rows in the JSON text of a list, which is what a template renders to; no error shows the text."""
    try:
        rows = jsonl.decode(text)
    except jsonl.RepeatedKeyError as error:
        raise InvalidRequestError(f"rows is a JSON text in which an object {error}.") from None
    except (ValueError, RecursionError):
        rows = None  # raised below: the error holds the text
    if isinstance(rows, list):
        return rows
    raise InvalidRequestError(
        f"rows is a text of {len(text)} characters that is neither the path of a file nor a JSON list of objects. "
        "If it is a template that renders to a list, set render_template_as_native_obj=True on the DAG, use the "
        "filter tojson, or pass the output of the task (an XComArg)."
    )


def is_path(text: str) -> bool:
    """
    Return whether a text is a path, or looks like one. Any other may hold rows, and must not be shown.

    :param text: The argument ``rows``.
    """
    return _PATH.fullmatch(text) is not None


def _is_object_path(rows: Any) -> bool:
    from airflow.providers.common.compat.sdk import ObjectStoragePath

    return isinstance(rows, ObjectStoragePath)


class _List(Source):
    """A list or another sequence: the results of mapped tasks are fetched one by one."""

    name = "the list"

    def __init__(self, rows: Sequence[Any], mapping: ColumnMapping) -> None:
        super().__init__(mapping)
        self._rows = rows

    def _records(self) -> Iterator[Record]:
        for number, row in enumerate(self._rows, 1):
            try:
                record = self._record(row)
            except Exception as error:  # of any type: the item may be of any class
                problem = f"a {type(row).__name__:.80} cannot be read ({type(error).__name__:.80})"
                record = {UNREAD: jsonl.encode({NOT_JSON: _beginning_of(row)})}, problem
            yield number, None, *record

    def _record(self, row: Any) -> tuple[dict[str, Any], str | None]:
        problem = _problem_of_item(row)
        if problem is None:
            return dict(row), None
        is_small = size_of(row, self._max_size) <= self._max_size
        return {UNREAD: jsonl.encode(row if is_small else {NOT_JSON: _beginning_of(row)})}, problem


def _problem_of_width(columns: Collection[str]) -> str | None:
    """Return what is invalid if there are too many columns; those of rejected rows do not count."""
    if len(columns) <= MAX_COLUMNS or len(set(columns) - REJECTED_COLUMNS) <= MAX_COLUMNS:
        return None
    return f"has {len(columns):,} columns, but at most {MAX_COLUMNS:,} are allowed"


def _shortened_values(row: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return a row that is too large, as it is kept: with the beginnings of its long values.

    No column accepts such a beginning, and of too many columns one too many is kept, so that the row stays invalid
    until it is corrected.
    """
    return {
        beginning(name): value if size_of(value, MAX_SHOWN) <= MAX_SHOWN else {NOT_JSON: _beginning_of(value)}
        for name, value in islice(row.items(), MAX_COLUMNS + 1)
    }


def _beginning_of(value: object) -> str:
    """Return the beginning of a text; of another value, which may be much longer as a text, its type."""
    return beginning(value) if isinstance(value, str) else f"a value of type {type(value).__name__:.80}"


def _problem_of_item(item: Any) -> str | None:
    if not isinstance(item, Mapping):
        return f"a {type(item).__name__:.80} is not a row: an object with names and values is expected"
    if not all(isinstance(name, str) for name in item):
        names = {type(name).__name__ for name in item if not isinstance(name, str)}
        return f"an object with names of type {', '.join(sorted(names))} is not a row: its names must be strings"
    halves = [name for name in item if not name.isascii() and _SURROGATE.search(name)]
    return f"the name {shown(halves[0])} holds half of a surrogate pair: write the whole character" if halves else None


class _File(Source):
    """A CSV, JSON Lines or Parquet file."""

    def __init__(self, where: StoragePath, mapping: ColumnMapping, encoding: str | None) -> None:
        super().__init__(mapping)
        self._path = storage_path(where)
        self._encoding = None if encoding is None else check_encoding(encoding)
        self.name = str(self._path)
        format = format_of(self._path)
        self.has_encoding = format != "parquet"
        self.rejected_format = "csv" if format == "csv" else "jsonl"

    @cached_property
    def columns(self) -> list[str] | None:
        return columns_of(self._path, self._encoding, self._max_size)

    @cached_property
    def separator(self) -> str:  # type: ignore[override]
        if self.rejected_format != "csv":
            return csv.DEFAULT_SEPARATOR
        return csv.separator_of(self._path, self._encoding, self._max_size)

    @cached_property
    def rejected_mark(self) -> bytes:  # type: ignore[override]
        # With it they are read as UTF-8 whatever `encoding` says, and by spreadsheets.
        is_plain = not self.has_encoding or encoding_of(self._path, self._encoding) == "utf-8"
        return b"" if is_plain else codecs.BOM_UTF8

    def _records(self) -> Iterator[Record]:
        return read(self._path, self._encoding, self._max_size)


class _QueryRows(Source):
    """
    A query through any ``common.sql`` connection.

    It is run once, and its rows are held in a temporary file: sending them takes hours, for which no database should
    have to keep a transaction open, and a second run could return other rows, or another order.
    """

    def __init__(self, sql: str, conn_id: str, parameters: Any, mapping: ColumnMapping) -> None:
        super().__init__(mapping)
        self._conn_id = conn_id
        self.name = f"the query on {conn_id}"
        self._query = Query(self.name, sql, parameters)

    @cached_property
    def columns(self) -> list[str] | None:
        return self._result[0]

    def _records(self) -> Iterator[Record]:
        names, chunks = self._result
        for number, (values, problem) in enumerate(chain.from_iterable(map(pickle.loads, chunks)), 1):
            yield number, None, dict(zip(names, values, strict=True)), problem

    @cached_property
    def _result(self) -> tuple[list[str], Spool]:
        """The names of the columns, and pickled lists of rows."""
        chunks = Spool()
        connection = self._connection()
        with open_result(self._hook(connection), connection, self._query) as result:
            names = check_names(result.columns, self.name)
            self._check_width(names)
            chunk: list[tuple[list[Any], str | None]] = []
            size = 0
            for row in result.rows:
                values, problem = self._storable(names, list(row))
                chunk.append((values, problem))
                size += size_of(values, self._max_size)
                if len(chunk) == _ROWS_PER_CHUNK or size > self._max_size:
                    self._store(chunk, chunks)
                    chunk, size = [], 0
            self._store(chunk, chunks)
        return names, chunks

    def _store(self, rows: list[tuple[list[Any], str | None]], chunks: Spool) -> None:
        try:
            chunks.append(pickle.dumps(rows, pickle.HIGHEST_PROTOCOL))
        except OSError as error:
            raise QueryError(
                f"The rows of {self.name} cannot be stored in the folder for temporary files, {gettempdir()}: "
                f"{error.strerror}. Free space there, or set TMPDIR to a folder with enough. This attempt sent nothing."
            ) from error

    def _storable(self, names: Sequence[str], values: list[Any]) -> tuple[list[Any], str | None]:
        """
        Return the values of a row as they can be held in a file, and what is invalid in it.

        :param names: Names of the columns.
        :param values: Values of the types that the driver returns: also a ``memoryview``, a large object.
        """
        row = dict(zip(names, values, strict=True))
        if problem := self._problem_of_size(row, size_of(values, self._max_size)):
            values = list(_shortened_values(row).values())
        for index, value in enumerate(values):
            if type(value) not in _STORABLE and not _is_storable(value):
                problem = (
                    f"has a value of type {type(value).__name__:.80} in column {names[index]}, which cannot be held: "
                    "cast it to text in the query"
                )
                values[index] = None
        return values, problem

    def _connection(self) -> Connection:
        from airflow.providers.common.compat.sdk import BaseHook

        return BaseHook.get_connection(self._conn_id)

    def _hook(self, connection: Connection) -> DbApiHook:
        try:
            from airflow.providers.common.sql.hooks.sql import DbApiHook
        except ImportError:
            raise InvalidRequestError(
                "A query needs apache-airflow-providers-common-sql, which is not installed: "
                "pip install 'airflow-provider-360learning[sql]'."
            ) from None
        hook = connection.get_hook()  # type: ignore[no-untyped-call]
        if not isinstance(hook, DbApiHook):
            raise InvalidRequestError(
                f"The connection {self._conn_id} is of type {connection.conn_type}, which does not execute SQL: "
                "set sql_conn_id to the connection of a database."
            )
        return hook


#: Types that need not be tried.
_STORABLE = frozenset({type(None), str, int, float, bool, bytes})


def _is_storable(value: Any) -> bool:
    try:
        pickle.dumps(value)
    except Exception:  # pickle raises errors of many types
        return False
    return True
