"""CSV files, read and written."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, BinaryIO

from airflow_provider_360learning.exceptions import InvalidRequestError
from airflow_provider_360learning.files.columns import JSON_TEXTS, Column, checked_names, flag_text
from airflow_provider_360learning.files.records import UNREAD, Record
from airflow_provider_360learning.files.row_writer import RowWriter
from airflow_provider_360learning.files.storage import StoragePath, open_binary
from airflow_provider_360learning.files.text_rows import NO_UTF8_ADVICE, TextWriter, append_rows

# Bytes that are no UTF-8, as Python's "surrogateescape" decodes them: so they are found, and written back as they were.
_NO_UTF8 = re.compile("[\udc80-\udcff]")


def read(where: StoragePath) -> Iterator[Record]:
    """Read rows; what stands in one that cannot be read is a list of cells."""
    with _opened(where) as text:
        rows = _Rows(text, where)
        for number, (line, cells, fault) in enumerate(rows, 1):
            if fault:
                yield number, line, {UNREAD: cells}, f"{rows.place_of_last} {fault}"
            else:
                yield number, line, dict(zip(rows.header, cells, strict=True)), None


def columns_of(where: StoragePath) -> list[str]:
    """Tell what stands in the header."""
    with _opened(where) as text:
        return _Rows(text, where).header


def schema_of(where: StoragePath) -> str:
    """Tell what separates cells."""
    with _opened(where) as text:
        return _Rows(text, where).separator


def _opened(where: StoragePath) -> io.TextIOWrapper:
    return io.TextIOWrapper(open_binary(where), "utf-8-sig", "surrogateescape", newline="")


class _Rows:
    """The rows of a CSV file: the line where each starts, its cells, and what is wrong with it."""

    def __init__(self, text: io.TextIOWrapper, where: StoragePath) -> None:
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

    def _checked_header(self, where: StoragePath) -> list[str]:
        try:
            header = next(self._reader, [])
        except csv.Error as error:
            raise InvalidRequestError(f"The header of {where} {_broken_cell(error)}.") from None
        if _is_no_utf8(self.text_of_last):
            raise InvalidRequestError(f"The header of {where} {NO_UTF8_ADVICE}.")
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
        return NO_UTF8_ADVICE if any(map(_is_no_utf8, self._lines_of_row)) else None

    @property
    def text_of_last(self) -> str:
        """The last row as it stands in the file."""
        return "".join(self._lines_of_row).rstrip("\r\n")

    @property
    def place_of_last(self) -> str:
        """StoragePath the last row stands."""
        last = self._reader.line_num
        first = last - len(self._lines_of_row) + 1
        return f"line {first}" if first == last else f"lines {first} to {last}"


def _is_no_utf8(line: str) -> bool:
    return not line.isascii() and _NO_UTF8.search(line) is not None


def _separator_of(header: str) -> str:
    """Tell what separates cells: what is most frequent in the header, outside of quotation marks."""
    return max(",;\t", key=re.sub('"[^"]*"', "", header).count)


def _broken_cell(error: csv.Error) -> str:
    return f"cannot be read ({error}): look for a quotation mark too many or one that is never closed"


def writer(binary: BinaryIO, columns: Sequence[Column]) -> RowWriter:
    """Take rows and separate their cells by commas."""
    return _Writer(binary, columns)


class _Writer(TextWriter):
    def __init__(self, binary: BinaryIO, columns: Sequence[Column]) -> None:
        super().__init__(binary, columns)
        self._write_row = csv.writer(self._text).writerow
        self._write_row([column.name for column in columns])
        # Texts are written as they are, also where they begin with "=": a file of data is not made for a spreadsheet.
        self._texts = [
            (index, JSON_TEXTS[column.kind])
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


def write_dicts(
    binary: BinaryIO, rows: Sequence[Mapping[str, Any]], columns: Sequence[str], schema: str | None
) -> None:
    """WriteSpec a small file with what separated cells in another, by default commas."""
    cells = (row.get(UNREAD) or [row.get(name) for name in columns] for row in rows)
    binary.writelines(_line(each, schema) for each in chain([columns], cells))


def _line(cells: Sequence[Any], separator: str | None) -> bytes:
    line = io.StringIO(newline="")
    cells = [flag_text(cell) if isinstance(cell, bool) else cell for cell in cells]
    csv.writer(line, delimiter=separator or ",").writerow(cells)
    return line.getvalue().encode("utf-8", "surrogateescape")


def concatenate(parts: Sequence[StoragePath], binary: BinaryIO) -> None:
    """Copy the header of the first part, and the rows of all that have the same."""
    header = _line(columns_of(parts[0]), schema_of(parts[0]))
    binary.write(header)
    for part in parts:
        append_rows(part, header, binary)
