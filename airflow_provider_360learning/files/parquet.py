"""Parquet files, read and written, with pyarrow, which is imported when a file is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from math import isfinite
from tempfile import TemporaryFile
from typing import Any, BinaryIO

from airflow_provider_360learning.exceptions import InvalidRequestError
from airflow_provider_360learning.files.columns import Column, Kind, checked_names, other_columns, unfit
from airflow_provider_360learning.files.records import Record
from airflow_provider_360learning.files.row_writer import Mark, RowWriter
from airflow_provider_360learning.files.storage import StoragePath, open_binary

_ROWS_READ = 1024
_ROWS_WRITTEN = 8192
_BYTES_OF_A_GROUP = 1 << 24
_PAGE_BUFFER = 1 << 16


def read(where: StoragePath) -> Iterator[Record]:
    """Read rows; those of a Parquet file have no lines, and none has a fault."""
    with open_binary(where) as binary:
        batches = _parquet_file(binary, where).iter_batches(batch_size=_ROWS_READ)
        values = chain.from_iterable(batch.to_pylist() for batch in batches)
        for number, row in enumerate(values, 1):
            yield number, None, row, None


def columns_of(where: StoragePath) -> list[str]:
    """Tell the names of the columns."""
    return list(schema_of(where).names)


def schema_of(where: StoragePath) -> Any:
    """Read the ``pyarrow.Schema``, in which every value may be missing."""
    with open_binary(where) as binary:
        schema = _parquet_file(binary, where).schema_arrow
    # A refused row comes back without what must not be shown, even where the source always has it.
    return _arrow().schema([column.with_nullable(True) for column in schema])


def _parquet_file(binary: BinaryIO, where: StoragePath) -> Any:
    parquet = _arrow().parquet
    try:
        # A row group may have a million rows: it is read page by page, not at once.
        file = parquet.ParquetFile(binary, pre_buffer=False, buffer_size=_PAGE_BUFFER)
    except _arrow().ArrowInvalid as error:
        raise InvalidRequestError(f"{where} is no Parquet file: {error}") from None
    checked_names(list(file.schema_arrow.names), where)
    return file


def writer(binary: BinaryIO, columns: Sequence[Column]) -> RowWriter:
    """Take rows and write them with the types of their columns."""
    return _Writer(binary, columns)


class _Writer(RowWriter):
    """
    Writes Arrow's stream format to a temporary file, and Parquet from it at the end.

    Parquet cannot be cut off at a mark: what has been written of it counts only with its last bytes.
    """

    def __init__(self, binary: BinaryIO, columns: Sequence[Column]) -> None:
        super().__init__(binary, columns)
        arrow = _arrow()
        self._schema = arrow.schema([(column.name, _arrow_type(column.kind)) for column in columns])
        self._waiting: list[Sequence[Any]] = []
        self._spill = TemporaryFile()  # noqa: SIM115 - release() closes it
        self._batches = arrow.ipc.new_stream(self._spill, self._schema)

    def write(self, values: Sequence[Any]) -> None:
        if len(values) != self._width:
            raise self._explained(values)
        self._waiting.append(values)
        self.rows += 1
        if len(self._waiting) == _ROWS_WRITTEN:
            self._spill_waiting()

    def mark(self) -> Mark:
        self._spill_waiting()
        return Mark(self.rows, self._spill.tell())

    def rollback(self, mark: Mark) -> None:
        self._waiting.clear()
        self._spill.seek(mark.position)  # what is left beyond the end of the new batches is never read
        self.rows = mark.rows

    def finish(self) -> None:
        self._spill_waiting()
        self._batches.close()
        self._spill.seek(0)
        with _arrow().ipc.open_stream(self._spill) as batches:
            _write_groups(self._binary, self._schema, batches)

    def release(self) -> None:
        self._spill.close()

    def _spill_waiting(self) -> None:
        if self._waiting:
            arrays = [
                self._array(column, values)
                for column, values in zip(self._columns, zip(*self._waiting, strict=True), strict=True)
            ]
            self._batches.write_batch(_arrow().record_batch(arrays, schema=self._schema))
            self._waiting.clear()

    def _array(self, column: Column, values: Sequence[Any]) -> Any:
        try:
            return _arrow_array(column.kind, values)
        except (_arrow().ArrowException, TypeError, ValueError, OverflowError):
            first = self.rows - len(values) + 1
            faults = (unfit(row, column, value) for row, value in enumerate(values, first))
            rows = f"rows {first} to {self.rows}"
            raise next(
                filter(None, faults),
                InvalidRequestError(f"Column {column.name} has something in {rows} that is no {column.kind}."),
            ) from None


def _arrow_type(kind: Kind) -> Any:
    arrow = _arrow()
    types = {
        "text": arrow.string(),
        "integer": arrow.int64(),
        "number": arrow.float64(),
        "flag": arrow.bool_(),
        "moment": arrow.timestamp("ms", "UTC"),
    }
    return types[kind]


def _arrow_array(kind: Kind, values: Sequence[Any]) -> Any:
    arrow = _arrow()
    if kind == "integer":
        numbers = arrow.array(values)  # with a type given at once, 1.5 would silently become 1
        if not (arrow.types.is_integer(numbers.type) or arrow.types.is_null(numbers.type)):
            raise TypeError("not all are integers")
        return numbers.cast(arrow.int64())
    if kind in ("text", "moment"):
        try:
            texts = arrow.array(values, arrow.string())
        except UnicodeEncodeError:  # half of a surrogate pair; see TextWriter
            texts = arrow.array([_encodable(value) for value in values], arrow.string())
        return texts.cast(_arrow_type(kind))
    if kind == "number" and not all(isfinite(value) for value in values if value is not None):
        raise ValueError("NaN or infinite")
    return arrow.array(values, _arrow_type(kind))


def _encodable(text: str | None) -> str | None:
    return None if text is None else text.encode("utf-8", "replace").decode()


def _write_groups(binary: BinaryIO, schema: Any, batches: Iterable[Any]) -> None:
    """WriteSpec record batches in row groups large enough to be read fast and small enough for memory."""
    arrow = _arrow()
    with arrow.parquet.ParquetWriter(binary, schema) as parquet:
        group: list[Any] = []
        size = 0
        for batch in batches:
            group.append(batch)
            size += batch.nbytes
            if size >= _BYTES_OF_A_GROUP:
                parquet.write_table(arrow.Table.from_batches(group, schema))
                group, size = [], 0
        if group:
            parquet.write_table(arrow.Table.from_batches(group, schema))


def write_dicts(binary: BinaryIO, rows: Sequence[Mapping[str, Any]], columns: Sequence[str], schema: Any) -> None:
    """WriteSpec a small file with a ``pyarrow.Schema``, by default the one that the values suggest."""
    table = _arrow().Table.from_pylist([{name: row.get(name) for name in columns} for row in rows], schema)
    _write_groups(binary, table.schema, table.to_batches())


def concatenate(parts: Sequence[StoragePath], binary: BinaryIO) -> None:
    """WriteSpec the rows of all parts that have the schema of the first."""
    schema = schema_of(parts[0])
    _write_groups(binary, schema, chain.from_iterable(_batches(part, schema) for part in parts))


def _batches(part: StoragePath, schema: Any) -> Iterator[Any]:
    with open_binary(part) as binary:
        file = _parquet_file(binary, part)
        if not file.schema_arrow.equals(schema):
            raise other_columns(part)
        yield from file.iter_batches(batch_size=_ROWS_WRITTEN)


def _arrow() -> Any:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise InvalidRequestError(
            "Parquet needs pyarrow, which is not installed: pip install 'airflow-provider-360learning[parquet]', "
            "or use CSV or JSON Lines."
        ) from None
    return pyarrow
