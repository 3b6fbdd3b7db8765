"""StoragePath rows come from: a list, a file or a query, each read as a stream and as often as needed."""

from __future__ import annotations

import json
import os
import pickle
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING, Any, TypeAlias

from airflow_provider_360learning.exceptions import InvalidRequestError
from airflow_provider_360learning.files.formats import (
    UNREAD,
    Format,
    Record,
    checked_names,
    columns_of,
    format_of,
    read,
    schema_of,
)
from airflow_provider_360learning.files.storage import StoragePath, storage_path

if TYPE_CHECKING:
    from airflow.providers.common.sql.hooks.sql import DbApiHook

#: The source's name of a column to the name of the argument that it is for, or to None where it is to be ignored.
Renames: TypeAlias = Mapping[str, str | None]

_ROWS_FETCHED = 1000


@dataclass(frozen=True, slots=True)
class Row:
    """
    One row, as it came.

    :param number: Its number, from 1.
    :param line: Line of the file where it starts, if it comes from one that has lines.
    :param values: Its values by argument, without those that are empty or ignored.
    :param original: Its values as in the source, to be given back.
    :param fault: What is wrong with it as a whole; then it has no values.
    """

    number: int
    line: int | None
    values: Mapping[str, Any] = field(repr=False)
    original: Mapping[str, Any] = field(repr=False)
    fault: str | None = None


class Source(ABC):
    """
    Rows, wherever they come from.

    :param renames: What the source's columns are called in the action.
    """

    #: What messages call it: its path, "the list", "the query on <connection>".
    name: str
    #: Format in which its rows are given back.
    format: Format = "jsonl"

    def __init__(self, renames: Renames) -> None:
        self._renames = renames

    @cached_property
    def columns(self) -> list[str] | None:
        """The columns as the source names them; None where each row has its own."""
        return None

    @cached_property
    def reject_schema(self) -> Any:
        """What it takes to give rows back as they were: ``schema`` of :func:`.write_dicts`."""
        return None

    @cached_property
    def arguments(self) -> list[str] | None:
        """
        The columns as the action names them, without those that are ignored; None where each row has its own.

        :raises InvalidRequestError: if a column that is renamed is not there, or two have the same name then.
        """
        if self.columns is None:
            return None
        if self.columns:  # an empty file has none, and no rows either
            self._check_renamed(self.columns)
        return list(self._renamed(dict.fromkeys(self.columns)))

    def rows(self) -> Iterator[Row]:
        """
        Read all rows, from the first each time.

        :raises InvalidRequestError: if the source as a whole is wrong. That a column that is renamed is in no row is
            known after the last one only, where each row has its own columns.
        """
        unseen = set(self._renames) if self.arguments is None else set()
        any_sound = False
        for number, line, original, fault in self._records():
            unseen.difference_update(original)
            any_sound = any_sound or not fault
            yield self._row(number, line, original, fault)
        if any_sound:
            self._check_renamed(set(self._renames) - unseen)

    @abstractmethod
    def _records(self) -> Iterator[Record]:
        """Read the rows as the source has them."""

    def _row(self, number: int, line: int | None, original: dict[str, Any], fault: str | None) -> Row:
        if fault:
            return Row(number, line, {}, original, fault)
        try:
            values = self._renamed(original)
        except InvalidRequestError as error:
            return Row(number, line, {}, original, str(error))
        # A cell of CSV that holds nothing is no value; in the other formats "" is a text like any other.
        empty = "" if self.format == "csv" else None
        given = {name: value for name, value in values.items() if value is not None and value != empty}
        return Row(number, line, given, original)

    def _renamed(self, row: dict[str, Any]) -> dict[str, Any]:
        if not self._renames:
            return row
        values: dict[str, Any] = {}
        for theirs, value in row.items():
            ours = self._renames.get(theirs, theirs)
            if ours in values:
                raise InvalidRequestError(
                    f"{self.name} has two columns for {ours}, one of them {theirs}: ignore one with "
                    "columns={'its name': None}."
                )
            if ours is not None:
                values[ours] = value
        return values

    def _check_renamed(self, columns: Sequence[str] | set[str]) -> None:
        missing = [theirs for theirs, ours in self._renames.items() if ours is not None and theirs not in columns]
        if missing:
            there = f" (it has {', '.join(self.columns)})" if self.columns else ""
            raise InvalidRequestError(
                f"{self.name} has no column {', '.join(missing)}{there}: correct the names in columns=."
            )


def make_source(
    rows: StoragePath | Sequence[Any] | None = None,
    *,
    sql: str | None = None,
    sql_conn_id: str | None = None,
    parameters: Any = None,
    columns: Renames | None = None,
) -> Source:
    """
    Find out where rows come from.

    :param rows: A list of objects, or the path of a file (see :func:`.read`).
    :param sql: A query, instead of that.
    :param sql_conn_id: The connection of the query, of any type that Airflow can query.
    :param parameters: Parameters of the query, as its database driver takes them.
    :param columns: Names of columns in the source to the names of arguments (``{"E-Mail": "mail"}``), or to None for
        a column to ignore. RowSchema that are not in it keep their names.
    :raises InvalidRequestError: if that is not exactly one source.
    """
    renames = _checked_renames(columns or {})
    if (rows is None) == (sql is None):
        raise InvalidRequestError("Give either rows (a list, or the path of a file) or sql (a query).")
    if (sql is None) != (sql_conn_id is None):
        raise InvalidRequestError("sql (a query) and sql_conn_id (its connection) belong together: give both.")
    if sql is not None and sql_conn_id is not None:
        return _Query(sql, sql_conn_id, parameters, renames)
    if isinstance(rows, Sequence) and not isinstance(rows, str | bytes):
        return _List(rows, renames)
    if _is_path(rows):
        return _File(rows, renames)  # type: ignore[arg-type]
    raise InvalidRequestError(
        f"rows is a {type(rows).__name__}: give a list of objects, or the path of a file. (What can be read only once, "
        "such as a generator, is of no use: rows are checked before the first one is sent.)"
    )


def _checked_renames(renames: Renames) -> Renames:
    ours = [name for name in renames.values() if name is not None]
    twice = sorted({name for name in ours if ours.count(name) > 1})
    if twice:
        raise InvalidRequestError(f"columns= gives several columns the name {', '.join(twice)}: keep one of them.")
    return renames


def _is_path(rows: Any) -> bool:
    from airflow.providers.common.compat.sdk import ObjectStoragePath

    return isinstance(rows, str | os.PathLike | ObjectStoragePath)


class _List(Source):
    """A list, or what looks like one: the results of mapped tasks are fetched one by one."""

    name = "the list"

    def __init__(self, rows: Sequence[Any], renames: Renames) -> None:
        super().__init__(renames)
        self._rows = rows

    def _records(self) -> Iterator[Record]:
        for number, row in enumerate(self._rows, 1):
            if isinstance(row, Mapping) and all(isinstance(name, str) for name in row):
                yield number, None, dict(row), None
            else:
                fault = f"a {type(row).__name__} is no row: an object with names and values is expected"
                yield number, None, {UNREAD: json.dumps(row, default=str, skipkeys=True)}, fault


class _File(Source):
    """A CSV, JSON Lines or Parquet file."""

    def __init__(self, where: StoragePath, renames: Renames) -> None:
        super().__init__(renames)
        self._path = storage_path(where)
        self.name = str(self._path)
        self.format = format_of(self._path)

    @cached_property
    def columns(self) -> list[str] | None:
        return columns_of(self._path)

    @cached_property
    def reject_schema(self) -> Any:
        return schema_of(self._path)

    def _records(self) -> Iterator[Record]:
        return read(self._path)


class _Query(Source):
    """
    A query through any ``common.sql`` connection.

    It is run once, and its rows are kept in a temporary file: sending them takes hours, for which no database should
    have to keep a transaction open, and a second run could give other rows, or another order.
    """

    def __init__(self, sql: str, conn_id: str, parameters: Any, renames: Renames) -> None:
        super().__init__(renames)
        self._sql = sql
        self._conn_id = conn_id
        self._parameters = parameters
        self.name = f"the query on {conn_id}"

    @cached_property
    def columns(self) -> list[str] | None:
        return self._result[0]

    def _records(self) -> Iterator[Record]:
        names, kept = self._result
        for number, row in enumerate(chain.from_iterable(_kept_rows(kept)), 1):
            yield number, None, dict(zip(names, row, strict=True)), None

    @cached_property
    def _result(self) -> tuple[list[str], IO[bytes]]:
        kept = TemporaryFile()  # noqa: SIM115 - kept as long as the source
        with closing(self._hook().get_conn()) as connection, closing(connection.cursor()) as cursor:
            cursor.execute(*([self._sql] if self._parameters is None else [self._sql, self._parameters]))
            if cursor.description is None:
                raise InvalidRequestError(f"{self.name} gives no rows: write a SELECT.")
            names = checked_names([column[0] for column in cursor.description], self.name)
            rows: Sequence[Any] | None = None
            while rows is None or rows:
                rows = [tuple(row) for row in cursor.fetchmany(_ROWS_FETCHED)]
                pickle.dump(rows, kept)  # an empty list ends them
        return names, kept

    def _hook(self) -> DbApiHook:
        from airflow.providers.common.compat.sdk import BaseHook

        try:
            from airflow.providers.common.sql.hooks.sql import DbApiHook
        except ImportError:
            raise InvalidRequestError(
                "A query needs apache-airflow-providers-common-sql, which is not installed: "
                "pip install 'airflow-provider-360learning[sql]'."
            ) from None
        connection = BaseHook.get_connection(self._conn_id)
        hook = connection.get_hook()  # type: ignore[no-untyped-call]
        if not isinstance(hook, DbApiHook):
            raise InvalidRequestError(
                f"The connection {self._conn_id} is of type {connection.conn_type}, which takes no SQL: "
                "name that of a database in sql_conn_id."
            )
        return hook


def _kept_rows(kept: IO[bytes]) -> Iterator[Sequence[Any]]:
    position = 0
    while True:
        kept.seek(position)  # somebody else may have read in between
        rows = pickle.load(kept)
        position = kept.tell()
        if not rows:
            return
        yield rows
