"""Parquet files, read and written, with pyarrow, which is imported when a file is opened."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any, BinaryIO

from airflow_provider_360learning.exceptions import InvalidRequestError
from airflow_provider_360learning.files.columns import Column, Kind, Value, check_names
from airflow_provider_360learning.files.parquet_limits import (
    MAX_CONTENT,
    MAX_ELEMENTS,
    MAX_EXPANSION,
    DamagedError,
    Footer,
    TooMuchError,
)
from airflow_provider_360learning.files.records import MAX_ROW_SIZE, NOT_JSON, Record, too_long
from airflow_provider_360learning.files.row_encoder import RowEncoder
from airflow_provider_360learning.files.storage import StoragePath, open_binary
from airflow_provider_360learning.files.text import beginning

_ROW_GROUP_BYTES = 1 << 23
# Memory that a record batch needs in addition to its values: a part may have a single row.
_BATCH_OVERHEAD = 1 << 12
_PAGE_BUFFER = 1 << 16
#: Maximum number of bytes of each value that is kept of a row that is too large.
_MAX_KEPT = 200


def read(where: StoragePath, encoding: str | None = None, max_size: int = MAX_ROW_SIZE) -> Iterator[Record]:
    """
    Read rows; the file itself states its encoding.

    They have no lines. The error of one names the column whose value Python cannot hold, or is too large.
    """
    with open_binary(where) as binary:
        number = size = 0
        file, footer = _parquet_file(binary, where)
        for batch in _batches(file, footer, where):
            size += sum(map(_size_of, batch.columns))
            if size > max(MAX_CONTENT, MAX_EXPANSION * footer.file_size):
                raise InvalidRequestError(
                    f"{where} has more than {size:,} bytes of values in {footer.file_size:,} bytes: rows repeat long "
                    "values. Shorten them, or divide it into several files."
                )
            for values, error in _rows_of(batch, max_size):
                number += 1
                yield number, None, values, error


def columns_of(where: StoragePath, encoding: str | None = None, max_size: int = MAX_ROW_SIZE) -> list[str]:
    """Return the names of the columns."""
    with open_binary(where) as binary:
        file, _ = _parquet_file(binary, where)
        return list(file.schema_arrow.names)


def _parquet_file(binary: BinaryIO, where: StoragePath) -> tuple[Any, Footer]:
    arrow = _arrow()
    try:
        footer = Footer(binary)
        binary.seek(0)
        file = arrow.parquet.ParquetFile(
            binary,
            # A row group may have a million rows: it is read page by page, not at once.
            pre_buffer=False,
            buffer_size=_PAGE_BUFFER,
            # A long value that many rows have is held once, until it is known how long it is.
            read_dictionary=[column.path for column in footer.columns if column.is_text],
            thrift_string_size_limit=max(1, footer.length),
            thrift_container_size_limit=MAX_ELEMENTS,
        )
    except (TooMuchError, DamagedError) as error:
        raise InvalidRequestError(f"{where} {error}.") from None
    except Exception as error:  # of many types if the file is damaged
        raise InvalidRequestError(f"{where} is not a Parquet file: {beginning(str(error))}") from None
    check_names(list(file.schema_arrow.names), where)
    return file, footer


def _batches(file: Any, footer: Footer, where: StoragePath) -> Iterator[Any]:
    rows = 0
    for group in range(footer.row_groups):
        try:
            batches = file.iter_batches(batch_size=footer.rows_per_batch(group), row_groups=[group])
            for batch in batches:
                yield batch
                rows += batch.num_rows
        except TooMuchError as error:
            raise InvalidRequestError(f"{where} {error}.") from None
        except Exception as error:  # of many types if the file is damaged
            raise InvalidRequestError(f"{where} is damaged after row {rows}: {beginning(str(error))}") from None


def _rows_of(batch: Any, max_size: int) -> Iterator[tuple[dict[str, Any], str | None]]:
    """Return the rows of a batch: of a few at a time if they are large, because each repeats its values."""
    sizes = [_size_of(column) for column in batch.columns]
    rows = batch.num_rows
    if rows > 1 and sum(sizes) > max_size:
        yield from _rows_of(batch.slice(0, rows // 2), max_size)
        yield from _rows_of(batch.slice(rows // 2), max_size)
    elif sum(sizes) > max_size:
        largest = batch.schema.names[sizes.index(max(sizes))]
        names = [name for name, size in zip(batch.schema.names, sizes, strict=True) if size <= _MAX_KEPT]
        kept = next(_decoded_rows(batch.select(names)))[0] if names else {}
        lost = {NOT_JSON: "a value of a row that is too large"}
        values = {name: kept.get(name, lost) for name in batch.schema.names}
        yield values, f"{too_long(max_size)}; its largest value is that of column {beginning(largest)!r}"
    elif rows:
        yield from _decoded_rows(batch)


def _size_of(values: Any) -> int:
    """Return the size of an array in bytes, with each value that is held once for many rows as often as it occurs."""
    arrow = _arrow()
    types = arrow.types
    if types.is_dictionary(values.type):
        lengths = arrow.compute.binary_length(values.dictionary).take(values.indices)
        return arrow.compute.sum(lengths).as_py() or 0
    if types.is_map(values.type):
        start, end = values.offsets[0].as_py(), values.offsets[-1].as_py()
        parts = [values.keys.slice(start, end - start), values.items.slice(start, end - start)]
    elif types.is_struct(values.type):
        parts = values.flatten()
    elif types.is_list(values.type) or types.is_large_list(values.type) or types.is_fixed_size_list(values.type):
        parts = [values.flatten()]
    else:
        return values.nbytes  # type: ignore[no-any-return]
    return sum(len(part) + _size_of(part) for part in parts)


def _decoded_rows(batch: Any) -> Iterator[tuple[dict[str, Any], str | None]]:
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
    """Truncate nanoseconds to microseconds, which is what Python has without pandas; repeat values that rows share."""
    readable = _without_nanoseconds(column.type)
    return column if readable == column.type else column.cast(readable, safe=False)


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
        return _without_nanoseconds(type.value_type)
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
        "json": arrow.string(),
    }
    return types[kind]


def _arrow_array(kind: Kind, values: Sequence[Any]) -> Any:
    arrow = _arrow()
    if kind not in ("string", "timestamp", "json"):
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
        import pyarrow.compute
        import pyarrow.parquet
    except ImportError:
        raise InvalidRequestError(
            "Parquet needs pyarrow, which is not installed: pip install 'airflow-provider-360learning[parquet]', "
            "or use CSV or JSON Lines."
        ) from None
    return pyarrow
