"""Rows in CSV, JSON Lines and Parquet: read as a stream and written atomically, both in constant memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, BinaryIO, Literal, Protocol, TypeAlias, TypedDict

from airflow_provider_360learning.exceptions import InvalidRequestError
from airflow_provider_360learning.files import csv, jsonl, parquet
from airflow_provider_360learning.files.columns import Column
from airflow_provider_360learning.files.permissions import PRIVATE
from airflow_provider_360learning.files.records import MAX_ROW_SIZE, Record
from airflow_provider_360learning.files.row_encoder import RowEncoder
from airflow_provider_360learning.files.row_file import RowFile
from airflow_provider_360learning.files.spool import Spool
from airflow_provider_360learning.files.storage import StoragePath, atomic_writer, storage_path

Format: TypeAlias = Literal["csv", "jsonl", "parquet"]
#: Formats of rejected rows and of parts that are merged: text, which is copied.
TextFormat: TypeAlias = Literal["csv", "jsonl"]


class FileOptions(TypedDict, total=False):
    """
    How an export is written; the arguments of :func:`open_rows`.

    :param format: ``csv``, ``jsonl`` or ``parquet``; by default the suffix of the name decides.
    :param escape_formulas: Whether strings in CSV are escaped that a spreadsheet would execute.
    :param file_mode: Permissions of a new file.
    """

    format: Format | None
    escape_formulas: bool
    file_mode: int


class _Format(Protocol):
    """The module of a format; the functions below describe its functions."""

    @property
    def Encoder(self) -> Callable[[BinaryIO, Sequence[Column]], RowEncoder]: ...

    def read(self, where: StoragePath, encoding: str | None, max_size: int) -> Iterator[Record]: ...

    def columns_of(self, where: StoragePath, encoding: str | None, max_size: int) -> list[str] | None: ...


_MODULES: dict[Format, _Format] = {"csv": csv, "jsonl": jsonl, "parquet": parquet}
_SUFFIXES: dict[str, Format] = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}


def format_of(where: StoragePath) -> Format:
    """
    Return the format of a file by the suffix of its name.

    :param where: Its path.
    :raises InvalidRequestError: if the suffix is that of no format.
    """
    path = storage_path(where)
    try:
        return _SUFFIXES[path.suffix.lower()]
    except KeyError:
        raise InvalidRequestError(
            f"The name of {path} does not show its format: it must end in {', '.join(_SUFFIXES)}."
        ) from None


def read(where: StoragePath, encoding: str | None = None, max_size: int = MAX_ROW_SIZE) -> Iterator[Record]:
    """
    Read a file row by row. One that cannot be read is returned with its error, and does not stop the others.

    :param where: Path of a CSV file (separated by comma, semicolon or tab, as its header shows or a first line such as
        ``sep=;`` states), of a JSON Lines or of a Parquet file.
    :param encoding: Encoding of a CSV or JSON Lines file without a byte-order mark, by default UTF-8.
    :param max_size: Maximum number of characters of a row; a longer one is returned with an error, and not in full.
    :raises InvalidRequestError: if the file as a whole cannot be read, e.g. has two columns of one name, or a byte that
        cannot be decoded.
    """
    return _MODULES[format_of(where)].read(where, encoding, max_size)


def columns_of(where: StoragePath, encoding: str | None = None, max_size: int = MAX_ROW_SIZE) -> list[str] | None:
    """
    Return the columns of a file; an empty CSV file has none.

    :param where: Its path.
    :param encoding: As in :func:`read`.
    :param max_size: As in :func:`read`.
    :return: Their names, None for JSON Lines, where each row has columns of its own.
    """
    return _MODULES[format_of(where)].columns_of(where, encoding, max_size)


@contextmanager
def open_rows(
    where: StoragePath,
    columns: Sequence[Column],
    *,
    format: Format | None = None,
    escape_formulas: bool = False,
    file_mode: int = PRIVATE,
) -> Iterator[RowFile]:
    """
    Write a file of rows, which appears when the block ends without an error, and otherwise not at all.

    Rows that are held at the end of the block are committed.

    :param where: Its path; an existing file is replaced.
    :param columns: Its columns.
    :param format: ``csv``, ``jsonl`` or ``parquet``; by default the suffix of the name decides.
    :param escape_formulas: Whether strings in CSV are escaped that a spreadsheet would execute.
    :param file_mode: Permissions of a new file.
    """
    module = _MODULES[format or format_of(where)]
    make_encoder = csv.EscapingEncoder if escape_formulas and module is csv else module.Encoder
    with atomic_writer(where, file_mode=file_mode) as binary, Spool() as spool:
        encoder = make_encoder(binary, columns)
        try:
            file = RowFile(encoder, spool)
            yield file
            file.commit()
            encoder.finish()
        finally:
            encoder.release()


def write_dicts(
    where: StoragePath,
    rows: Sequence[Mapping[str, Any]],
    columns: Sequence[str],
    *,
    separator: str = csv.DEFAULT_SEPARATOR,
    escape_formulas: bool = False,
    file_mode: int = PRIVATE,
) -> None:
    """
    Write a small CSV or JSON Lines file of rows as :func:`read` returned them, those with errors included.

    :param where: Its path; the suffix of the name decides on the format.
    :param rows: The rows. In JSON Lines each keeps its own columns.
    :param columns: The columns of a CSV file.
    :param separator: The separator of a CSV file.
    :param escape_formulas: Whether cells of a CSV file are escaped that a spreadsheet would execute.
    :param file_mode: Permissions of a new file.
    """
    module = _text_module(where)
    with atomic_writer(where, file_mode=file_mode) as binary:
        module.write_dicts(binary, rows, columns, separator, escape_formulas)


def concatenate(
    parts: Sequence[StoragePath], where: StoragePath, *, mark: bytes = b"", file_mode: int = PRIVATE
) -> None:
    """
    Merge CSV or JSON Lines files that this module wrote into one, which appears whole or not at all.

    :param parts: Paths of files of one format and with the same columns, at least one.
    :param where: Path of the merged file.
    :param mark: Byte-order mark of the merged file.
    :param file_mode: Permissions of a new file.
    """
    module = _text_module(where)
    with atomic_writer(where, file_mode=file_mode) as binary:
        binary.write(mark)
        module.concatenate(parts, binary)


class _Text(Protocol):
    """The module of a format that is text."""

    def write_dicts(
        self,
        binary: BinaryIO,
        rows: Sequence[Mapping[str, Any]],
        columns: Sequence[str],
        separator: str,
        escape_formulas: bool,
    ) -> None: ...

    def concatenate(self, parts: Sequence[StoragePath], binary: BinaryIO) -> None: ...


_TEXT_MODULES: dict[Format, _Text] = {"csv": csv, "jsonl": jsonl}


def _text_module(where: StoragePath) -> _Text:
    return _TEXT_MODULES[format_of(where)]
