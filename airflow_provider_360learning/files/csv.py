"""CSV files, read and written."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from itertools import chain
from typing import Any, BinaryIO, Literal

from airflow_provider_360learning.exceptions import InvalidRequestError
from airflow_provider_360learning.files.columns import Column, Value, check_names
from airflow_provider_360learning.files.formulas import escape, escape_if_ambiguous, unescape
from airflow_provider_360learning.files.records import MAX_COLUMNS, MAX_ROW_SIZE, REJECTED_ROW, UNREAD, Record, too_long
from airflow_provider_360learning.files.row_encoder import RowEncoder
from airflow_provider_360learning.files.storage import StoragePath
from airflow_provider_360learning.files.text import append_rows, beginning, encode_text, read_lines, shortened

#: Separator of the cells in files that this package writes.
DEFAULT_SEPARATOR = ","
#: Separators that are found by the header.
SEPARATORS = ",;\t"
#: Maximum number of characters of the header of a part: that of a source, which is as long as a row, and two columns.
_MAX_OWN_HEADER = 16 << 20

_PADDING_LINE = re.compile(r'(?:""|[\s,;])*')
# A first line of this form sets the separator in Excel.
_SEPARATOR_LINE = re.compile(r'"?sep=([^"\r\n])"?\r?\n?', re.IGNORECASE)


def read(where: StoragePath, encoding: str | None = None, max_size: int = MAX_ROW_SIZE) -> Iterator[Record]:
    """Read rows; of one that cannot be read, the cells are returned, or the beginning of the first one."""
    with closing(_lines(where, encoding, max_size)) as lines:
        rows = _Rows(lines, where, max_size)
        for number, (line, cells, error) in enumerate(rows, 1):
            if error:
                yield number, line, {UNREAD: cells}, f"{rows.place_of_last} {error}"
            else:
                yield number, line, dict(zip(rows.header, cells, strict=True)), None


def columns_of(where: StoragePath, encoding: str | None = None, max_size: int = MAX_ROW_SIZE) -> list[str]:
    """Return the header."""
    with closing(_lines(where, encoding, max_size)) as lines:
        return _Rows(lines, where, max_size).header


def separator_of(where: StoragePath, encoding: str | None = None, max_size: int = MAX_ROW_SIZE) -> str:
    """Return the separator for files of the same rows: that of the cells, unless only a first line can name it."""
    with closing(_lines(where, encoding, max_size)) as lines:
        separator = _Rows(lines, where, max_size).separator
    return separator if separator in SEPARATORS else DEFAULT_SEPARATOR


def _lines(where: StoragePath, encoding: str | None, max_size: int) -> Generator[str, None, None]:
    return read_lines(where, encoding, newline="", max_length=max_size)


class _Rows:
    """
    The rows of a CSV file: the line where each starts, its cells, and its error if it has one.

    :param text: The lines of the file.
    :param where: Its path, for errors.
    :param max_size: Maximum number of characters of a row, which may have many lines within quotation marks.
    """

    def __init__(self, text: Iterable[str], where: StoragePath, max_size: int) -> None:
        # For the whole process, and never lowered: another module of it may have longer cells.
        csv.field_size_limit(max(csv.field_size_limit(), max_size))
        self._max_size = max_size
        self._size = 0
        self._lines_of_row: list[str] = []
        lines = self._lines(text)
        self._lines_before = 0
        first = self._first_filled(lines, where)
        named = _SEPARATOR_LINE.fullmatch(first)
        if named:
            self._lines_before += 1
            first = self._first_filled(lines, where, named[1])
        self.separator = named[1] if named else _most_frequent_separator(first)
        # strict: a quotation mark that is never closed must not swallow the rest of the file silently.
        self._reader = csv.reader(chain([first], lines), delimiter=self.separator, strict=True)
        names = self._header_cells(where)
        #: Cells per row as the file has them; those beyond the header are empty.
        self._width = len(names)
        #: The header as the file has it.
        self.raw_header = _without_padding(names)
        # Rejected rows, which this package has escaped. In any other file, an apostrophe is part of the value.
        self._is_escaped = REJECTED_ROW in self.raw_header
        self.header = check_names(self._unescaped(self.raw_header), where)

    def _first_filled(self, lines: Iterator[str], where: StoragePath, separator: str = DEFAULT_SEPARATOR) -> str:
        """Skip empty lines and lines of separators, which spreadsheets write for empty rows above the header."""
        for line in lines:
            if self._size > self._max_size:
                raise InvalidRequestError(f"The header of {where} {too_long(self._max_size)}.")
            if not _PADDING_LINE.fullmatch(line.replace(separator, "")):
                self._lines_of_row[:] = [line]
                return line
            self._size = 0
            self._lines_before += 1
        return ""

    def _lines(self, text: Iterable[str]) -> Iterator[str]:
        for line in text:
            self._size += len(line)
            if self._size <= self._max_size:
                self._lines_of_row.append(line)
                yield line
            else:
                self._lines_of_row[:] = [beginning((self._lines_of_row or [line])[0])]
                self._lines_before += 1  # the reader counts strings only
                # The reader raises its error for anything but a string, and starts the next row with the next line.
                yield None  # type: ignore[misc]

    def _header_cells(self, where: StoragePath) -> list[str]:
        try:
            header = next(self._reader, [])
        except csv.Error as error:
            raise InvalidRequestError(f"The header of {where} {self._unreadable(error)}.") from None
        return [name.strip() for name in header]

    def __iter__(self) -> Iterator[tuple[int, list[str], str | None]]:
        while True:
            self._lines_of_row.clear()
            self._size = 0
            self._line = line = self._lines_before + self._reader.line_num + 1
            try:
                cells = next(self._reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield line, self._text_as_cells(), self._unreadable(error)
            else:
                if cells and not _are_separators_only(cells):
                    cells = self._unescaped(self._without_padding(cells))
                    problem = self._error(cells)
                    # A million cells take long to be written.
                    is_wide = problem is not None and len(cells) > MAX_COLUMNS
                    yield line, self._text_as_cells() if is_wide else cells, problem

    def _text_as_cells(self) -> list[str]:
        """
        Return the last row in one cell: its quotation marks must not swallow other rows in a file of rejected rows.

        If the header has one cell as well, an empty cell follows, since the row must not be valid in that file.
        """
        cells = self._unescaped([self.text_of_last])
        return cells if len(self.header) > 1 else [*cells, ""]

    def _unescaped(self, cells: list[str]) -> list[str]:
        return list(map(unescape, cells)) if self._is_escaped else cells

    def _without_padding(self, cells: list[str]) -> list[str]:
        """Cut off the empty cells of columns that the header pads as well; Excel does not write all of them."""
        width = len(self.header)
        is_padded = width < len(cells) <= self._width and not any(map(str.strip, cells[width:]))
        return cells[:width] if is_padded else cells

    def _error(self, cells: list[str]) -> str | None:
        if len(cells) == len(self.header):
            return None
        advice = f"cells that hold a {self.separator!r} must be quoted"
        return f"has {len(cells)} cells, the header {len(self.header)}: {advice}"

    @property
    def text_of_last(self) -> str:
        """The last row as it is in the file."""
        return "".join(self._lines_of_row).rstrip("\r\n")

    @property
    def place_of_last(self) -> str:
        """The lines of the last row."""
        last = self._lines_before + self._reader.line_num
        return f"line {self._line}" if self._line == last else f"lines {self._line} to {last}"

    def _unreadable(self, error: csv.Error) -> str:
        advice = "look for a quotation mark too many or one that is never closed"
        if self._size > self._max_size:
            return f"{too_long(self._max_size)}; or {advice}"
        return f"cannot be read ({error}): {advice}"


def _are_separators_only(cells: list[str]) -> bool:
    """Return whether a row is padding, which spreadsheets write below the last row."""
    return len(cells) > 1 and not any(map(str.strip, cells))


def _without_padding(names: list[str]) -> list[str]:
    """Cut off empty names at the end; if all are empty, keep them for the error."""
    width = max((number for number, name in enumerate(names, 1) if name), default=len(names))
    return names[:width]


def _most_frequent_separator(header: str) -> str:
    """Return the separator that is most frequent in the header, outside of quotation marks."""
    return max(SEPARATORS, key=re.sub('"[^"]*"', "", header).count)


class Encoder(RowEncoder):
    """Encodes rows as cells that are separated by commas; strings as they are, for machines to read."""

    def __init__(self, binary: BinaryIO, columns: Sequence[Column]) -> None:
        super().__init__(binary, columns)
        binary.write(_line([column.name for column in columns], DEFAULT_SEPARATOR))

    def _encode_columns(self, columns: Sequence[Sequence[Value]]) -> bytes:
        cells = [
            [_cell(value) for value in values] if column.kind == "boolean" else values
            for column, values in zip(self._columns, columns, strict=True)
        ]
        text = io.StringIO(newline="")
        csv.writer(text).writerows(zip(*cells, strict=True))
        return encode_text(text.getvalue())


class EscapingEncoder(Encoder):
    """Encodes rows for a spreadsheet, which executes none of their texts; numbers stay numbers."""

    def _encode_columns(self, columns: Sequence[Sequence[Value]]) -> bytes:
        pairs = zip(self._columns, columns, strict=True)
        return super()._encode_columns(
            [_escaped(values) if column.kind in ("string", "json") else values for column, values in pairs]
        )


def _escaped(values: Sequence[Any]) -> list[Any]:
    return [value and escape(value) for value in values]


def write_dicts(
    binary: BinaryIO,
    rows: Sequence[Mapping[str, Any]],
    columns: Sequence[str],
    separator: str = DEFAULT_SEPARATOR,
    escape_formulas: bool = False,
) -> None:
    """Write a small file, in which rejected rows are escaped so that reading it returns them as they were."""
    # Without escape_formulas, only what the reader would take for an escaped cell.
    protect = escape if escape_formulas else escape_if_ambiguous
    is_protected = escape_formulas or REJECTED_ROW in columns
    for number, cells in enumerate(chain([columns], (_cells_of(row, columns) for row in rows))):
        if is_protected:
            cells = [protect(cell) if isinstance(cell, str) else cell for cell in cells]
        binary.write(_line(cells, separator) if number else _header_line(cells, separator))


def _cells_of(row: Mapping[str, Any], columns: Sequence[str]) -> list[Any]:
    if UNREAD in row:  # its cells belong to no column, others of its values do
        return [*row[UNREAD], *(row[name] for name in columns if name in row)]
    return [row.get(name) for name in columns]


def _header_line(names: Sequence[str], separator: str) -> bytes:
    """Return a header by which the separator is found, also if names contain other separators."""
    is_ambiguous = any(each in name for name in names for each in SEPARATORS)
    return _line(names, separator, csv.QUOTE_ALL if is_ambiguous else csv.QUOTE_MINIMAL)


def _line(cells: Sequence[Any], separator: str, quoting: Literal[0, 1] = csv.QUOTE_MINIMAL) -> bytes:
    line = io.StringIO(newline="")
    csv.writer(line, delimiter=separator, quoting=quoting).writerow(map(_cell, cells))
    return encode_text(line.getvalue())


def _cell(value: Any) -> Any:
    """Return booleans as JSON writes them, and integers as strings, of which Python has none for 4,300 digits."""
    if isinstance(value, bool):
        return ("false", "true")[value]
    return shortened(value) if isinstance(value, int) else value


def concatenate(parts: Sequence[StoragePath], binary: BinaryIO) -> None:
    """Copy the header of the first part, and the rows of all that have the same."""
    with closing(_lines(parts[0], None, _MAX_OWN_HEADER)) as lines:
        rows = _Rows(lines, parts[0], _MAX_OWN_HEADER)
        header = _header_line(rows.raw_header, rows.separator)
    binary.write(header)
    for part in parts:
        append_rows(part, header, binary)
