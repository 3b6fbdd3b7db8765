"""Rows in CSV, JSON Lines and Parquet: read as a stream, written whole or not at all, both in constant memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, BinaryIO, Literal, Protocol, TypeAlias

from airflow_provider_360learning.exceptions import InvalidRequestError
from airflow_provider_360learning.files import csv, jsonl, parquet
from airflow_provider_360learning.files.columns import Column, Kind, checked_names
from airflow_provider_360learning.files.records import UNREAD, Record
from airflow_provider_360learning.files.row_writer import Mark, RowWriter
from airflow_provider_360learning.files.storage import StoragePath, atomic_writer, storage_path

__all__ = [
    "UNREAD",
    "Column",
    "Format",
    "Kind",
    "Mark",
    "Record",
    "RowWriter",
    "checked_names",
    "columns_of",
    "concatenate",
    "format_of",
    "open_rows",
    "read",
    "schema_of",
    "write_dicts",
]

Format: TypeAlias = Literal["csv", "jsonl", "parquet"]


class _FormatModule(Protocol):
    """What the module of each format has; the functions below say what it does (``writer``: :func:`open_rows`)."""

    def read(self, where: StoragePath) -> Iterator[Record]: ...

    def columns_of(self, where: StoragePath) -> list[str] | None: ...

    def schema_of(self, where: StoragePath) -> Any: ...

    def writer(self, binary: BinaryIO, columns: Sequence[Column]) -> RowWriter: ...

    def write_dicts(
        self, binary: BinaryIO, rows: Sequence[Mapping[str, Any]], columns: Sequence[str], schema: Any
    ) -> None: ...

    def concatenate(self, parts: Sequence[StoragePath], binary: BinaryIO) -> None: ...


_MODULES: dict[Format, _FormatModule] = {"csv": csv, "jsonl": jsonl, "parquet": parquet}
_SUFFIXES: dict[str, Format] = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}


def format_of(where: StoragePath) -> Format:
    """
    Tell the format of a file by the end of its name.

    :param where: Its path.
    :raises InvalidRequestError: if it is none of the formats.
    """
    path = storage_path(where)
    try:
        return _SUFFIXES[path.suffix.lower()]
    except KeyError:
        raise InvalidRequestError(
            f"The name of {path} does not say its format: it must end in {', '.join(_SUFFIXES)}."
        ) from None


def read(where: StoragePath) -> Iterator[Record]:
    """
    Read a file row by row; a row that cannot be read is one with a fault, and reading goes on.

    :param where: Path of a CSV file (UTF-8; separated by comma, semicolon or tab, as its header shows), of a JSON
        Lines or a Parquet file.
    :raises InvalidRequestError: if the file as a whole cannot be read, e.g. has two columns of one name.
    """
    return _MODULES[format_of(where)].read(where)


def columns_of(where: StoragePath) -> list[str] | None:
    """
    Tell the columns of a file; an empty CSV file has none.

    :param where: Its path.
    :return: Their names, None for JSON Lines, where each row has its own.
    """
    return _MODULES[format_of(where)].columns_of(where)


def schema_of(where: StoragePath) -> Any:
    """
    Read what it takes to write rows as a file has them; see :func:`write_dicts`.

    :param where: Its path.
    :return: The ``pyarrow.Schema`` of a Parquet file, the separator of a CSV file, None for JSON Lines.
    """
    return _MODULES[format_of(where)].schema_of(where)


@contextmanager
def open_rows(where: StoragePath, columns: Sequence[Column], *, format: Format | None = None) -> Iterator[RowWriter]:
    """
    WriteSpec a file of rows, which appears when the block ends well, and otherwise not at all.

    :param where: Its path; what was there before is replaced.
    :param columns: Its columns.
    :param format: ``csv``, ``jsonl`` or ``parquet``; by default the end of the name says it.
    """
    module = _MODULES[format or format_of(where)]
    with atomic_writer(where) as binary:
        writer = module.writer(binary, columns)
        try:
            yield writer
            writer.finish()
        finally:
            writer.release()


def write_dicts(
    where: StoragePath, rows: Sequence[Mapping[str, Any]], columns: Sequence[str], *, schema: Any = None
) -> None:
    """
    WriteSpec a small file of rows as they were read, faulty ones included: what :func:`read` gave comes out the same.

    :param where: Its path; its name says the format.
    :param rows: The rows. In JSON Lines each keeps its own columns.
    :param columns: The columns of a CSV or Parquet file.
    :param schema: The types of a Parquet file, the separator of a CSV file, as :func:`schema_of` gives them.
    """
    module = _MODULES[format_of(where)]
    with atomic_writer(where) as binary:
        module.write_dicts(binary, rows, columns, schema)


def concatenate(parts: Sequence[StoragePath], where: StoragePath) -> None:
    """
    Merge files that this module wrote into one, which appears whole or not at all.

    :param parts: Paths of files of one format and with the same columns, at least one.
    :param where: Path of the merged file.
    """
    module = _MODULES[format_of(where)]
    with atomic_writer(where) as binary:
        module.concatenate(parts, binary)
