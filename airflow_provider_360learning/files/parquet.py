"""Parquet files, read and written, with pyarrow, which is imported when a file is opened."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any, BinaryIO

from airflow_provider_360learning.exceptions import InvalidRequestError
from airflow_provider_360learning.files.columns import Column, Kind, Value, check_names
from airflow_provider_360learning.files.records import MAX_ROW_SIZE, Record
from airflow_provider_360learning.files.row_encoder import RowEncoder
from airflow_provider_360learning.files.storage import StoragePath, open_binary

_ROWS_PER_READ = 1024
_ROW_GROUP_BYTES = 1 << 23
# Memory that a record batch needs in addition to its values: a part may have a single row.
_BATCH_OVERHEAD = 1 << 12
_PAGE_BUFFER = 1 << 16


def read(where: StoragePath, encoding: str | None = None, max_size: int = MAX_ROW_SIZE) -> Iterator[Record]:
    """
    Read rows; the file itself states its encoding.

    They have no lines. The error of one names the column whose value Python cannot hold.
    """
    with open_binary(where) as binary:
        number = 0
        for batch in _batches(_parquet_file(binary, where), where):
            for values, error in _rows_of(batch):
                number += 1
                yield number, None, values, error


def columns_of(where: StoragePath, encoding: str | None = None, max_size: int = MAX_ROW_SIZE) -> list[str]:
    """Return the names of the columns."""
    with open_binary(where) as binary:
        return list(_parquet_file(binary, where).schema_arrow.names)


def _parquet_file(binary: BinaryIO, where: StoragePath) -> Any:
    arrow = _arrow()
    try:
        # A row group may have a million rows: it is read page by page, not at once.
        file = arrow.parquet.ParquetFile(binary, pre_buffer=False, buffer_size=_PAGE_BUFFER)
    except arrow.ArrowException as error:
        raise InvalidRequestError(f"{where} is not a Parquet file: {error}") from None
    check_names(list(file.schema_arrow.names), where)
    return file


def _batches(file: Any, where: StoragePath) -> Iterator[Any]:
    rows = 0
    batches = file.iter_batches(batch_size=_ROWS_PER_READ)
    while True:
        try:
            batch = next(batches, None)
        except (_arrow().ArrowException, OSError) as error:
            raise InvalidRequestError(f"{where} is damaged after row {rows}: {error}") from None
        if batch is None:
            return
        rows += batch.num_rows
        yield batch


def _rows_of(batch: Any) -> Iterator[tuple[dict[str, Any], str | None]]:
    columns = [_readable(column) for column in batch.columns]
    try:
        values = [column.to_pylist() for column in columns]
    except Exception:  # of many kinds: a year 10000, an unknown time zone, bytes that are not UTF-8
        yield from (_row_of(batch.schema.names, columns, index) for index in range(batch.num_rows))
    else:
        yield from ((dict(zip(batch.schema.names, row, strict=True)), None) for row in zip(*values, strict=True))


def _row_of(names: list[str], columns: list[Any], index: int) -> tuple[dict[str, Any], str | None]:
    """Read one row value by value; a value that Python cannot hold becomes None."""
    row: dict[str, Any] = {}
    invalid = []
    for name, column in zip(names, columns, strict=True):
        try:
            row[name] = column[index].as_py()
        except Exception as error:
            row[name] = None
            invalid.append(f"{name} ({column.type}, {type(error).__name__})")
    return row, f"has values that cannot be read: {', '.join(invalid)}" if invalid else None


def _readable(column: Any) -> Any:
    """Truncate nanoseconds to microseconds, which is what Python has without pandas."""
    arrow = _arrow()
    readable = _without_nanoseconds(column.type)
    if readable == column.type:
        return column
    if arrow.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    return column.cast(readable, safe=False)


def _without_nanoseconds(type: Any) -> Any:
    arrow = _arrow()
    types = arrow.types
    if types.is_timestamp(type) and type.unit == "ns":
        return arrow.timestamp("us", type.tz)
    if types.is_time64(type):
        return arrow.time64("us")
    if types.is_duration(type) and type.unit == "ns":
        return arrow.duration("us")
    if types.is_dictionary(type):
        value = _without_nanoseconds(type.value_type)
        return type if value == type.value_type else value
    if types.is_list(type) or types.is_large_list(type):
        make = arrow.list_ if types.is_list(type) else arrow.large_list
        return make(type.value_field.with_type(_without_nanoseconds(type.value_type)))
    if types.is_struct(type):
        return arrow.struct([field.with_type(_without_nanoseconds(field.type)) for field in type])
    return type


class Encoder(RowEncoder):
    """Encodes rows as record batches of Arrow, and appends these in row groups that fit in memory."""

    def __init__(self, binary: BinaryIO, columns: Sequence[Column]) -> None:
        super().__init__(binary, columns)
        arrow = _arrow()
        self._schema = arrow.schema([(column.name, _arrow_type(column.kind)) for column in columns])
        self._file = arrow.parquet.ParquetWriter(binary, self._schema)
        self._group: list[Any] = []
        self._group_bytes = 0

    def finish(self) -> None:
        """Write the last row group and the footer."""
        self._write_group()
        self._file.close()

    def release(self) -> None:
        """Let go of the file; an unfinished one gets a footer nonetheless, and is not kept."""
        with suppress(Exception):  # after an error, which must be the one that is raised
            self._file.close()

    def _encode_columns(self, columns: Sequence[Sequence[Value]]) -> bytes:
        arrays = [self._array(*pair) for pair in zip(self._columns, columns, strict=True)]
        return _arrow().record_batch(arrays, schema=self._schema).serialize().to_pybytes()  # type: ignore[no-any-return]

    def append(self, chunk: bytes) -> None:
        """Add a record batch to the row group."""
        self._group.append(_arrow().ipc.read_record_batch(chunk, self._schema))
        self._group_bytes += len(chunk) + _BATCH_OVERHEAD
        if self._group_bytes >= _ROW_GROUP_BYTES:
            self._write_group()

    def _write_group(self) -> None:
        if self._group:
            self._file.write_table(_arrow().Table.from_batches(self._group, self._schema))
        self._group, self._group_bytes = [], 0

    def _array(self, column: Column, values: Sequence[Value]) -> Any:
        try:
            return _arrow_array(column.kind, values)
        except _arrow().ArrowException:
            return _arrow_array(column.kind, self._representable(column, values))

    def _representable(self, column: Column, values: Sequence[Value]) -> Sequence[Value]:
        """Return values of which Arrow has refused one: an integer that no float equals, or a timestamp in month 13."""
        if column.kind == "number":
            return [None if value is None else float(value) for value in values]
        return self._convert(column, values)


def _arrow_type(kind: Kind) -> Any:
    arrow = _arrow()
    types = {
        "string": arrow.string(),
        "integer": arrow.int64(),
        "number": arrow.float64(),
        "boolean": arrow.bool_(),
        "timestamp": arrow.timestamp("ms", "UTC"),
    }
    return types[kind]


def _arrow_array(kind: Kind, values: Sequence[Any]) -> Any:
    arrow = _arrow()
    if kind not in ("string", "timestamp"):
        return arrow.array(values, _arrow_type(kind))
    try:
        strings = arrow.array(values, arrow.string())
    except UnicodeEncodeError:  # half of a surrogate pair; see encode_text
        strings = arrow.array([_encodable(value) for value in values], arrow.string())
    return strings.cast(_arrow_type(kind))


def _encodable(value: str | None) -> str | None:
    return None if value is None else value.encode("utf-8", "replace").decode()


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
