"""Rows in CSV, JSON Lines and Parquet: read as a stream, written whole or not at all, both in constant memory."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from json.encoder import encode_basestring
from math import isfinite
from tempfile import TemporaryFile
from typing import Any, BinaryIO, Literal, NamedTuple, TypeAlias

from airflow_provider_360learning.api.errors import InvalidRequestError

from .storage import Where, opened, storage_path, written_whole

Format: TypeAlias = Literal["csv", "jsonl", "parquet"]
Kind: TypeAlias = Literal["text", "integer", "number", "flag", "moment"]
#: Row number (from 1), line where it starts (None in Parquet), values by column, what is wrong with it, if anything.
Record: TypeAlias = tuple[int, int | None, dict[str, Any], str | None]

#: A row that cannot be read has only this key, and under it what stands in the file (CSV: a list of cells, JSON Lines:
#: the line), for :func:`write_dicts` to give back. Which part of it means what (a password?) nobody knows.
UNREAD = "(unread)"

_SUFFIXES: dict[str, Format] = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}
# Bytes that are no UTF-8, as Python's "surrogateescape" decodes them: so they are found, and written back as they were.
_NO_UTF8 = re.compile("[\udc80-\udcff]")
_NO_UTF8_ADVICE = "is not UTF-8 text: save the file as UTF-8"


@dataclass(frozen=True)
class Column:
    """
    A column of a file of rows.

    :param name: Its name.
    :param kind: What it holds. A ``moment`` is passed as ISO text in UTC (``2026-10-01T00:00:00.000Z``).
    """

    name: str
    kind: Kind = "text"


class Mark(NamedTuple):
    """A place between two rows of a file that is being written, to go back to."""

    rows: int
    position: int


def format_of(where: Where) -> Format:
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


# --- reading ---------------------------------------------------------------------------------------------------------


def read(where: Where) -> Iterator[Record]:
    """
    Read a file row by row; a row that cannot be read is one with a fault, and reading goes on.

    :param where: Path of a CSV file (UTF-8; separated by comma, semicolon or tab, as its header shows), of a JSON
        Lines or a Parquet file.
    :raises InvalidRequestError: if the file as a whole cannot be read, e.g. has two columns of one name.
    """
    return _READERS[format_of(where)](where)


def columns_of(where: Where) -> list[str] | None:
    """
    Tell the columns of a file; an empty CSV file has none.

    :param where: Its path.
    :return: Their names, None for JSON Lines, where each row has its own.
    """
    format = format_of(where)
    if format == "jsonl":
        return None
    if format == "parquet":
        return list(schema_of(where).names)
    with _opened_csv(where) as text:
        return _CsvRows(text, where).header


def schema_of(where: Where) -> Any:
    """
    Read what it takes to write rows as a file has them; see :func:`write_dicts`.

    :param where: Its path.
    :return: The ``pyarrow.Schema`` of a Parquet file, the separator of a CSV file, None for JSON Lines.
    """
    format = format_of(where)
    if format == "jsonl":
        return None
    if format == "parquet":
        with opened(where) as binary:
            schema = _parquet_file(binary, where).schema_arrow
        # A refused row comes back without what must not be shown, even where the source always has it.
        return _arrow().schema([column.with_nullable(True) for column in schema])
    with _opened_csv(where) as text:
        return _CsvRows(text, where).separator


def _read_csv(where: Where) -> Iterator[Record]:
    with _opened_csv(where) as text:
        rows = _CsvRows(text, where)
        for number, (line, cells, fault) in enumerate(rows, 1):
            if fault:
                yield number, line, {UNREAD: cells}, f"{rows.place_of_last} {fault}"
            else:
                yield number, line, dict(zip(rows.header, cells, strict=True)), None


def _opened_csv(where: Where) -> io.TextIOWrapper:
    return io.TextIOWrapper(opened(where), "utf-8-sig", "surrogateescape", newline="")


class _CsvRows:
    """The rows of a CSV file: the line where each starts, its cells, and what is wrong with it."""

    def __init__(self, text: io.TextIOWrapper, where: Where) -> None:
        self._lines_of_row: list[str] = []
        lines = self._lines(text)
        first = next(lines, "")
        self.separator = _separator_of(first)
        # strict: a quotation mark that is never closed must not swallow the rest of the file in silence.
        self._reader = csv.reader(chain([first], lines), delimiter=self.separator, strict=True)
        self.header = self._checked_header(where)

    def _lines(self, text: Iterable[str]) -> Iterator[str]:
        for line in text:
            self._lines_of_row.append(line)
            yield line

    def _checked_header(self, where: Where) -> list[str]:
        try:
            header = next(self._reader, [])
        except csv.Error as error:
            raise InvalidRequestError(f"The header of {where} {_broken_cell(error)}.") from None
        if _is_no_utf8(self.text_of_last):
            raise InvalidRequestError(f"The header of {where} {_NO_UTF8_ADVICE}.")
        return checked_names(header, where)

    def __iter__(self) -> Iterator[tuple[int, list[str], str | None]]:
        while True:
            self._lines_of_row.clear()
            line = self._reader.line_num + 1
            try:
                cells = next(self._reader)
            except StopIteration:
                return
            except csv.Error as error:
                # One cell with all of it: in a file of refused rows, its quotation marks must not swallow other rows.
                yield line, [self.text_of_last], _broken_cell(error)
            else:
                if cells:  # no empty line
                    yield line, cells, self._fault(cells)

    def _fault(self, cells: list[str]) -> str | None:
        if len(cells) != len(self.header):
            advice = f"cells that hold a {self.separator!r} must be quoted"
            return f"has {len(cells)} cells, the header {len(self.header)}: {advice}"
        return _NO_UTF8_ADVICE if any(map(_is_no_utf8, self._lines_of_row)) else None

    @property
    def text_of_last(self) -> str:
        """The last row as it stands in the file."""
        return "".join(self._lines_of_row).rstrip("\r\n")

    @property
    def place_of_last(self) -> str:
        """Where the last row stands."""
        last = self._reader.line_num
        first = last - len(self._lines_of_row) + 1
        return f"line {first}" if first == last else f"lines {first} to {last}"


def _is_no_utf8(line: str) -> bool:
    return not line.isascii() and _NO_UTF8.search(line) is not None


def _separator_of(header: str) -> str:
    """Tell what separates cells: what is most frequent in the header, outside of quotation marks."""
    return max(",;\t", key=re.sub('"[^"]*"', "", header).count)


def checked_names(names: list[str], where: Where) -> list[str]:
    """
    Return the names of columns, or say which is missing or there twice.

    :param names: The names.
    :param where: What they are the columns of.
    :raises InvalidRequestError: if they do not tell the columns apart.
    """
    if "" in names:
        raise InvalidRequestError(f"Column {names.index('') + 1} of {where} has no name: give it one.")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InvalidRequestError(f"{where} has several columns named {', '.join(twice)}: name each once.")
    return names


def _broken_cell(error: csv.Error) -> str:
    return f"cannot be read ({error}): look for a quotation mark too many or one that is never closed"


def _read_json_lines(where: Where) -> Iterator[Record]:
    with opened(where) as binary:
        number = 0
        for line, raw in enumerate(binary, 1):
            raw = (raw.removeprefix(b"\xef\xbb\xbf") if line == 1 else raw).strip()
            if not raw:
                continue
            number += 1
            try:
                yield number, line, _json_object(raw), None
            except _NotAnObjectError as error:
                yield number, line, {UNREAD: raw.decode("utf-8", "surrogateescape")}, f"line {line} {error}"


class _NotAnObjectError(ValueError):
    """A line of JSON Lines that is no row, and why."""


def _json_object(raw: bytes) -> dict[str, Any]:
    try:
        found = _decode_json(raw.decode())
        if b"\\ud" in raw.lower():  # half of a surrogate pair is text that nobody can send
            json.dumps(found, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        raise _NotAnObjectError(f"is no JSON: {error.msg} at character {error.colno}") from None
    except UnicodeDecodeError:
        raise _NotAnObjectError(_NO_UTF8_ADVICE) from None
    except UnicodeEncodeError:
        raise _NotAnObjectError("holds half of a surrogate pair: write the whole character") from None
    except (ValueError, RecursionError) as error:
        raise _NotAnObjectError(f"is no JSON that can be used: {error}") from None
    if not isinstance(found, dict):
        raise _NotAnObjectError('is no JSON object: one row a line is expected, such as {"mail": "anna@example.com"}')
    return found


def _refused_constant(name: str) -> None:
    raise ValueError(f"{name} is no number")


_decode_json = json.JSONDecoder(parse_constant=_refused_constant).decode


def _read_parquet(where: Where) -> Iterator[Record]:
    with opened(where) as binary:
        batches = _parquet_file(binary, where).iter_batches(batch_size=_ROWS_READ)
        values = chain.from_iterable(batch.to_pylist() for batch in batches)
        for number, row in enumerate(values, 1):
            yield number, None, row, None


def _parquet_file(binary: BinaryIO, where: Where) -> Any:
    parquet = _arrow().parquet
    try:
        # A row group may have a million rows: it is read page by page, not at once.
        file = parquet.ParquetFile(binary, pre_buffer=False, buffer_size=_PAGE_BUFFER)
    except _arrow().ArrowInvalid as error:
        raise InvalidRequestError(f"{where} is no Parquet file: {error}") from None
    checked_names(list(file.schema_arrow.names), where)
    return file


_READERS: dict[Format, Callable[[Where], Iterator[Record]]] = {
    "csv": _read_csv,
    "jsonl": _read_json_lines,
    "parquet": _read_parquet,
}


# --- writing ---------------------------------------------------------------------------------------------------------


@contextmanager
def open_rows(where: Where, columns: Sequence[Column], *, format: Format | None = None) -> Iterator[RowWriter]:
    """
    Write a file of rows, which appears when the block ends well, and otherwise not at all.

    :param where: Its path; what was there before is replaced.
    :param columns: Its columns.
    :param format: ``csv``, ``jsonl`` or ``parquet``; by default the end of the name says it.
    """
    writer_of_format = _WRITERS[format or format_of(where)]
    with written_whole(where) as binary:
        writer = writer_of_format(binary, columns)
        try:
            yield writer
            writer.finish()
        finally:
            writer.release()


class RowWriter(ABC):
    """
    Takes the rows of a file, and takes them back where an answer broke in the middle.

    :param binary: Where the file goes.
    :param columns: Its columns.
    """

    #: Rows written so far.
    rows: int

    def __init__(self, binary: BinaryIO, columns: Sequence[Column]) -> None:
        self.rows = 0
        self._binary = binary
        self._columns = columns
        self._width = len(columns)

    @abstractmethod
    def write(self, values: Sequence[Any]) -> None:
        """
        Write one row.

        :param values: Its values in the order of the columns; None is no value.
        """

    @abstractmethod
    def mark(self) -> Mark:
        """Note the place after the last row, for :meth:`rollback`."""

    @abstractmethod
    def rollback(self, mark: Mark) -> None:
        """
        Take back all rows written since a mark.

        :param mark: What :meth:`mark` gave.
        """

    @abstractmethod
    def finish(self) -> None:
        """Write what is still to be written."""

    @abstractmethod
    def release(self) -> None:
        """Let go of the file, be it finished or not."""

    def _explained(self, values: Sequence[Any]) -> InvalidRequestError:
        """Find out why a row could not be written."""
        row = f"Row {self.rows + 1}"
        if len(values) != self._width:
            return InvalidRequestError(f"{row} has {len(values)} values for {self._width} columns.")
        unfit = (_unfit(self.rows + 1, *pair) for pair in zip(self._columns, values, strict=True))
        return next(filter(None, unfit), InvalidRequestError(f"{row} cannot be written."))


class _TextWriter(RowWriter):
    """What CSV and JSON Lines share: text that is written at once and cut off at a mark."""

    def __init__(self, binary: BinaryIO, columns: Sequence[Column]) -> None:
        super().__init__(binary, columns)
        # "replace": half of a surrogate pair, which UTF-8 cannot hold, must not end an export of a million rows.
        self._text = io.TextIOWrapper(binary, "utf-8", "replace", newline="")

    def mark(self) -> Mark:
        self._text.flush()
        return Mark(self.rows, self._binary.tell())

    def rollback(self, mark: Mark) -> None:
        self._text.flush()
        self._binary.seek(mark.position)
        self._binary.truncate()
        self.rows = mark.rows

    def finish(self) -> None:
        self._text.flush()

    def release(self) -> None:
        self._text.detach()  # or it would write to the closed file once more when it is collected


class _CsvWriter(_TextWriter):
    def __init__(self, binary: BinaryIO, columns: Sequence[Column]) -> None:
        super().__init__(binary, columns)
        self._write_row = csv.writer(self._text).writerow
        self._write_row([column.name for column in columns])
        # Texts are written as they are, also where they begin with "=": a file of data is not made for a spreadsheet.
        self._texts = [
            (index, _JSON_TEXTS[column.kind])
            for index, column in enumerate(columns)
            if column.kind not in ("text", "moment")
        ]

    def write(self, values: Sequence[Any]) -> None:
        cells = list(values)
        try:
            for index, text in self._texts:
                if cells[index] is not None:
                    cells[index] = text(cells[index])
        except (TypeError, ValueError, IndexError):
            raise self._explained(values) from None
        if len(cells) != self._width:
            raise self._explained(values)
        self._write_row(cells)
        self.rows += 1


class _JsonLinesWriter(_TextWriter):
    def __init__(self, binary: BinaryIO, columns: Sequence[Column]) -> None:
        super().__init__(binary, columns)
        names = [encode_basestring(column.name).replace("%", "%%") for column in columns]
        self._line = "{" + ",".join(f"{name}:%s" for name in names) + "}\n"
        self._texts = [_JSON_TEXTS[column.kind] for column in columns]

    def write(self, values: Sequence[Any]) -> None:
        # Twice as fast as json.dumps of a dict, which decides on each value anew how it is written.
        try:
            texts = ["null" if value is None else text(value) for text, value in zip(self._texts, values, strict=True)]
        except (TypeError, ValueError):
            raise self._explained(values) from None
        self._text.write(self._line % tuple(texts))
        self.rows += 1


def _number_text(value: float) -> str:
    if not isfinite(value):
        raise ValueError(f"{value} is no number")
    return float.__repr__(value) if isinstance(value, float) else int.__repr__(value)


def _flag_text(value: bool) -> str:
    if not isinstance(value, bool):
        raise TypeError(f"{value!r} is neither True nor False")
    return "true" if value else "false"


_JSON_TEXTS: dict[Kind, Callable[[Any], str]] = {
    "text": encode_basestring,
    "integer": int.__repr__,
    "number": _number_text,
    "flag": _flag_text,
    "moment": encode_basestring,
}


def _unfit(row: int, column: Column, value: Any) -> InvalidRequestError | None:
    """Say that a value is not of its column's kind, if it is not."""
    try:
        if value is not None:
            _JSON_TEXTS[column.kind](value)
    except (TypeError, ValueError):
        shown = value if isinstance(value, float) else f"a value of type {type(value).__name__}"  # it may be a name
        return InvalidRequestError(f"Row {row} has {shown} in column {column.name}, whose kind is {column.kind}.")
    return None


# --- Parquet ---------------------------------------------------------------------------------------------------------

_ROWS_READ = 1024
_ROWS_WRITTEN = 8192
_BYTES_OF_A_GROUP = 1 << 24
_PAGE_BUFFER = 1 << 16
_COPIED_AT_ONCE = 1 << 20


class _ParquetWriter(RowWriter):
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
            _write_parquet(self._binary, self._schema, batches)

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
            unfit = (_unfit(row, column, value) for row, value in enumerate(values, first))
            rows = f"rows {first} to {self.rows}"
            raise next(
                filter(None, unfit),
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
        except UnicodeEncodeError:  # half of a surrogate pair; see _TextWriter
            texts = arrow.array([_encodable(value) for value in values], arrow.string())
        return texts.cast(_arrow_type(kind))
    if kind == "number" and not all(isfinite(value) for value in values if value is not None):
        raise ValueError("NaN or infinite")
    return arrow.array(values, _arrow_type(kind))


def _encodable(text: str | None) -> str | None:
    return None if text is None else text.encode("utf-8", "replace").decode()


def _write_parquet(binary: BinaryIO, schema: Any, batches: Iterable[Any]) -> None:
    """Write record batches in row groups large enough to be read fast and small enough for memory."""
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


_WRITERS: dict[Format, type[RowWriter]] = {"csv": _CsvWriter, "jsonl": _JsonLinesWriter, "parquet": _ParquetWriter}


# --- small files, and merging ----------------------------------------------------------------------------------------


def write_dicts(where: Where, rows: Sequence[Mapping[str, Any]], columns: Sequence[str], *, schema: Any = None) -> None:
    """
    Write a small file of rows as they were read, faulty ones included: what :func:`read` gave comes out the same.

    :param where: Its path; its name says the format.
    :param rows: The rows. In JSON Lines each keeps its own columns.
    :param columns: The columns of a CSV or Parquet file.
    :param schema: The types of a Parquet file, the separator of a CSV file, as :func:`schema_of` gives them.
    """
    format = format_of(where)
    with written_whole(where) as binary:
        if format == "parquet":
            table = _arrow().Table.from_pylist([{name: row.get(name) for name in columns} for row in rows], schema)
            _write_parquet(binary, table.schema, table.to_batches())
        elif format == "csv":
            cells = (row.get(UNREAD) or [row.get(name) for name in columns] for row in rows)
            binary.writelines(_csv_line(each, schema) for each in chain([columns], cells))
        else:
            binary.writelines(_json_line(row) for row in rows)


def _csv_line(cells: Sequence[Any], separator: str | None) -> bytes:
    line = io.StringIO(newline="")
    cells = [_flag_text(cell) if isinstance(cell, bool) else cell for cell in cells]
    csv.writer(line, delimiter=separator or ",").writerow(cells)
    return line.getvalue().encode("utf-8", "surrogateescape")


def _json_line(row: Mapping[str, Any]) -> bytes:
    if UNREAD in row:
        return f"{row[UNREAD]}\n".encode("utf-8", "surrogateescape")
    text = json.dumps(row, ensure_ascii=False, skipkeys=True, default=_plain)
    return f"{text}\n".encode("utf-8", "backslashreplace")  # half of a surrogate pair can only be escaped


def _plain(value: Any) -> str:
    """Write what a database or a Parquet file gives and JSON does not know (a date, a decimal number)."""
    return str(value.isoformat() if hasattr(value, "isoformat") else value)


def concatenate(parts: Sequence[Where], where: Where) -> None:
    """
    Merge files that this module wrote into one, which appears whole or not at all.

    :param parts: Paths of files of one format and with the same columns, at least one.
    :param where: Path of the merged file.
    """
    format = format_of(where)
    with written_whole(where) as binary:
        if format == "parquet":
            schema = schema_of(parts[0])
            _write_parquet(binary, schema, chain.from_iterable(_batches(part, schema) for part in parts))
            return
        header = _csv_line(columns_of(parts[0]) or [], schema_of(parts[0])) if format == "csv" else b""
        binary.write(header)
        for part in parts:
            _append(part, header, binary)


def _batches(part: Where, schema: Any) -> Iterator[Any]:
    with opened(part) as binary:
        file = _parquet_file(binary, part)
        if not file.schema_arrow.equals(schema):
            raise _other_columns(part)
        yield from file.iter_batches(batch_size=_ROWS_WRITTEN)


def _append(part: Where, header: bytes, binary: BinaryIO) -> None:
    with opened(part) as rows:
        if rows.read(len(header)) != header:
            raise _other_columns(part)
        shutil.copyfileobj(rows, binary, _COPIED_AT_ONCE)


def _other_columns(part: Where) -> InvalidRequestError:
    return InvalidRequestError(f"{part} has other columns than the first part: only files of one kind can be merged.")
