"""
What reading a Parquet file may cost, found out before pyarrow decodes anything.

A file of 4 KB can say that it has a gigabyte of values, or have it: values are repeated by reference and pages are
compressed. pyarrow has no limit on memory, and the sizes in the footer may be wrong. The footer and the headers of the
pages, by which pyarrow allocates memory, are therefore read here first. Both are in the compact protocol of Thrift.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, islice
from typing import Any, BinaryIO, NamedTuple

from airflow_provider_360learning.files.records import MAX_COLUMNS

#: Maximum number of rows of a file: one of 4 KB can have as many as it likes.
MAX_ROWS = 10_000_000
#: A file may have values of so many bytes, or so many times its own size: rejected rows take as much disk.
MAX_CONTENT, MAX_EXPANSION = 256 << 20, 100
#: Maximum number of bytes of the footer.
MAX_FOOTER = 8 << 20
#: Maximum number of structures and list items in the footer or in the header of a page: pyarrow needs up to 1 KB each.
MAX_ELEMENTS = 150_000
#: Maximum depth of nested columns.
MAX_DEPTH = 16
#: Maximum number of bytes of the pages of all columns that are in memory at the same time.
MAX_PAGES = 128 << 20
#: Maximum number of pages of a row group.
MAX_NUMBER_OF_PAGES = 100_000
#: Maximum number of bytes of a column of lists in a row group, of which one row may have all.
MAX_LISTS = 64 << 20
#: Maximum number of bytes of the values that are decoded at once.
MAX_BATCH = 64 << 20

# Numbers of rows that are decoded at once: the first by which they fit in memory.
_BATCHES = (1024, 128, 16, 1)
#: Number of bytes of a number, of a reference to a value, or of an item of a list.
_WIDTH = 16
_MAGIC = b"PAR1"
_TAIL = 8
#: Number of bytes in which the header of a page is expected, and the maximum of its length: it may have statistics.
_HEADER, _MAX_HEADER = 1 << 10, 1 << 20
# Old writers leave out the header of a page in the size of a column; pyarrow reads so many bytes more, too.
_MISSING = 100
# Numbers in the format: physical types, kinds of pages, encodings, repetition.
_BYTE_ARRAY, _FIXED_LENGTH = 6, 7
_DICTIONARY_PAGE = 2
_DELTA_BYTE_ARRAY = 7
_DELTAS = frozenset({6, _DELTA_BYTE_ARRAY})
_DICTIONARIES = frozenset({2, 8})
_REPEATED = 2
_DECIMAL = _DECIMAL_TYPE = 5

# Any: a structure by the ids of its fields, a list, or a scalar.
Thrift = Any


class TooMuchError(Exception):
    """A file that costs too much; the text completes "<file> …"."""


class DamagedError(Exception):
    """A file that is not Parquet, or is damaged."""


@dataclass(frozen=True)
class Column:
    """
    A column without columns inside.

    :param path: Its name, after those of the columns in which it is.
    :param is_repeated: Whether it is in a list.
    :param is_bytes: Whether its values are of any length.
    :param is_text: Whether they are also not numbers, and can be read as references to a dictionary.
    :param width: Number of bytes of its values, or of references to them.
    """

    path: str
    is_repeated: bool
    is_bytes: bool
    is_text: bool
    width: int


class Footer:
    """
    The footer of a Parquet file.

    :param binary: The file.
    :raises TooMuchError: if it says that reading the file costs too much.
    :raises DamagedError: if the file has none.
    """

    def __init__(self, binary: BinaryIO) -> None:
        self._binary = binary
        #: Number of bytes of the file.
        self.file_size = binary.seek(0, os.SEEK_END)
        #: Length of the footer in bytes.
        self.length = self._length()
        binary.seek(self.file_size - _TAIL - self.length)
        try:
            self._footer = _Reader(binary.read(self.length)).structure()
            self._groups = self._footer[4]
            # pyarrow counts those of the row groups.
            rows = max(self._footer[3], sum(abs(group[3]) for group in self._groups))
            bytes_of_columns = sum(abs(chunk[3][7]) for group in self._groups for chunk in group[1])
            #: The columns without columns inside.
            self.columns = [
                replace(column, is_text=column.is_text and self._has_dictionary(index))
                for index, column in enumerate(_columns(self._footer[2]))
            ]
        except (IndexError, KeyError, TypeError, ValueError, AttributeError):
            raise DamagedError("is not a Parquet file, or its footer is damaged") from None
        if rows > MAX_ROWS:
            raise TooMuchError(f"has {rows:,} rows, but at most {MAX_ROWS:,} are read: divide it into several files")
        if bytes_of_columns > self.file_size:  # the same pages would be read again and again
            raise DamagedError("is damaged: its columns are longer than the file")
        #: Number of row groups.
        self.row_groups = len(self._groups)

    def _has_dictionary(self, column: int) -> bool:
        """Return whether a column has dictionaries, and no encoding in which pyarrow cannot refer to one."""
        encodings = {encoding for group in self._groups for encoding in group[1][column][3][2]}
        return bool(encodings & _DICTIONARIES) and not encodings & _DELTAS

    def _length(self) -> int:
        self._binary.seek(max(0, self.file_size - _TAIL))
        tail = self._binary.read(_TAIL)
        if len(tail) < _TAIL or tail[4:] != _MAGIC:
            raise DamagedError("is not a Parquet file: it does not end as one")
        length = int.from_bytes(tail[:4], "little")
        if length > self.file_size - _TAIL - len(_MAGIC):
            raise DamagedError("is damaged: its footer is longer than the file")
        if length > MAX_FOOTER:
            raise TooMuchError(
                f"has a footer of {length:,} bytes, but at most {MAX_FOOTER:,} are read: write it in larger row groups"
            )
        return length

    def rows_per_batch(self, group: int) -> int:
        """
        Return how many rows of a row group can be decoded at once.

        :param group: Index of the row group.
        :raises TooMuchError: if its pages or the lists of a row may cost too much.
        :raises DamagedError: if pages are not where they should be.
        """
        try:
            return self._rows_per_batch(self._groups[group][1])
        except (IndexError, KeyError, TypeError, ValueError, AttributeError):
            raise DamagedError(f"the pages of row group {group + 1} are not where they should be") from None

    def _rows_per_batch(self, chunks: Thrift) -> int:
        bytes_of_pages = bytes_of_row = number_of_pages = 0
        shares: list[_Share] = []
        for column, chunk in zip(self.columns, chunks, strict=True):
            headers = islice(self._pages(chunk[3]), MAX_NUMBER_OF_PAGES + 1 - number_of_pages)
            pages = [_page_of(header, column) for header in headers]
            number_of_pages += len(pages)
            if number_of_pages > MAX_NUMBER_OF_PAGES:
                raise TooMuchError(
                    f"has more than {MAX_NUMBER_OF_PAGES:,} pages in a row group: write it in larger pages"
                )
            dictionary = max((page.size for page in pages if page.is_dictionary), default=0)
            pages = [page for page in pages if not page.is_dictionary]
            bytes_of_pages += dictionary + max((page.size for page in pages), default=0)
            # Values that are not texts are repeated for each row that has them.
            repeated = 0 if column.is_text else dictionary
            if column.is_repeated:
                _check_list(column, pages, repeated)
            else:
                bytes_of_row += column.width
                shares += _shares_of(pages, repeated) if column.is_bytes else []
        if bytes_of_pages > MAX_PAGES:
            raise TooMuchError(
                f"has pages of {bytes_of_pages:,} bytes that must be in memory at the same time, but at most "
                f"{MAX_PAGES:,} bytes are read: write it with smaller pages or fewer columns"
            )
        return _rows_that_fit(shares, bytes_of_row)

    def _pages(self, chunk: Thrift) -> Iterator[Thrift]:
        """Yield the headers of the pages of a column in a row group."""
        if not chunk[7]:  # no rows
            return
        position = min(offset for offset in (chunk.get(11), chunk[9]) if offset)
        end = position + chunk[7]
        if not len(_MAGIC) <= position <= end <= self.file_size:
            raise ValueError("a column outside of the file")
        while position < end:
            header, length = self._header(position, end)
            if header[2] < 0 or not 0 <= header[3] <= end - position - length + _MISSING:
                raise ValueError("a page that is longer than its column")
            yield header
            position += length + header[3]

    def _header(self, position: int, end: int) -> tuple[Thrift, int]:
        for size in (_HEADER, _MAX_HEADER):
            self._binary.seek(position)
            reader = _Reader(self._binary.read(min(size, end - position)))
            try:
                return reader.structure(), reader.position
            except IndexError:  # the header is longer
                continue
        raise ValueError("the header of a page is too long")


@dataclass(frozen=True)
class _Page:
    """
    A page of a column in a row group.

    :param size: Number of its bytes in memory.
    :param values: Number of its values.
    :param is_dictionary: Whether other pages refer to its values.
    :param repeats: Whether its values consist of parts of other values in it.
    """

    size: int
    values: int
    is_dictionary: bool
    repeats: bool


class _Share(NamedTuple):
    """
    What rows add to the memory of a batch.

    :param first: The first row.
    :param last: The last row.
    :param size: Maximum number of bytes of all of them, which a single one may have.
    :param repeats: Whether each of them may have that many.
    """

    first: int
    last: int
    size: int
    repeats: bool


def _page_of(header: Thrift, column: Column) -> _Page:
    data = header.get(5) or header.get(8) or {}
    encoding = data.get(2) if 5 in header else data.get(4)
    repeats = column.is_bytes and encoding == _DELTA_BYTE_ARRAY
    return _Page(header[2], data.get(1, 0), header[1] == _DICTIONARY_PAGE, repeats)


def _check_list(column: Column, pages: Sequence[_Page], repeated: int) -> None:
    """Check what one row can have in a column of lists: all values of the row group."""
    size = sum(page.values * (column.width + repeated + (page.size if page.repeats else 0)) for page in pages)
    size += sum(page.size for page in pages) if column.is_bytes else 0
    if size > MAX_LISTS:
        raise TooMuchError(
            f"has up to {size:,} bytes of list items in column {column.path[:80]!r} of a row group, but at most "
            f"{MAX_LISTS:,} are read: write it in smaller row groups"
        )


def _shares_of(pages: Sequence[_Page], repeated: int) -> Iterator[_Share]:
    first = 0
    for page in pages:
        if page.values > 0:
            is_repeated = page.repeats or repeated > 0
            yield _Share(first, first + page.values - 1, max(page.size, repeated), is_repeated)
        first += page.values


def _rows_that_fit(shares: Sequence[_Share], bytes_of_row: int) -> int:
    """Return how many rows can be decoded at once: the number by which any batch of them fits into memory."""
    for rows in _BATCHES:
        changes: Counter[int] = Counter()
        for first, last, size, repeats in shares:
            added = size * min(rows, last - first + 1) if repeats else size
            changes[first // rows] += added
            changes[last // rows + 1] -= added
        largest = max(accumulate(changes[batch] for batch in sorted(changes)), default=0)
        if largest + rows * bytes_of_row <= MAX_BATCH:
            return rows
    return 1


def _columns(schema: Thrift) -> Iterator[Column]:
    """Yield the columns without columns inside; the schema lists each column before those inside of it."""
    if schema[0].get(5, 0) > MAX_COLUMNS or len(schema) > 4 * MAX_COLUMNS:
        raise TooMuchError(
            f"has {max(schema[0].get(5, 0), len(schema)):,} columns, but at most {MAX_COLUMNS:,} are read"
        )
    if any(element.get(5, 0) < 0 for element in schema):
        raise ValueError("a negative number of columns")
    # For each open column: names, whether it is in a list, and number of columns inside that follow.
    open_columns: list[tuple[str, bool, int]] = [("", False, schema[0].get(5, 0))]
    for element in schema[1:]:
        while not open_columns[-1][2]:
            open_columns.pop()
        path, is_repeated, following = open_columns.pop()
        open_columns.append((path, is_repeated, following - 1))
        path += bytes(element[4]).decode()
        is_repeated = is_repeated or element.get(3) == _REPEATED
        if children := element.get(5):
            if len(open_columns) > MAX_DEPTH:
                raise TooMuchError(f"has columns that are nested deeper than {MAX_DEPTH} levels")
            open_columns.append((f"{path}.", is_repeated, children))
            continue
        is_bytes = element[1] == _BYTE_ARRAY
        width = max(_WIDTH, element.get(2, 0)) if element[1] == _FIXED_LENGTH else _WIDTH
        is_decimal = element.get(6) == _DECIMAL or _DECIMAL_TYPE in (element.get(10) or {})
        yield Column(path, is_repeated, is_bytes, is_bytes and not is_decimal, width)


class _Reader:
    """Reads the compact protocol of Thrift, of which only ids and values are of interest."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._elements = 0
        #: Number of bytes that are read.
        self.position = 0

    def structure(self, depth: int = 0) -> dict[int, Thrift]:
        """
        Read a structure: its fields by their ids.

        :param depth: Depth at which it is.
        :raises IndexError: if the data is too short.
        :raises TooMuchError: if it has too many elements.
        """
        if depth > MAX_DEPTH:
            raise ValueError("too many levels")
        self._count(1)
        fields: dict[int, Thrift] = {}
        id = 0
        while header := self._byte():
            id = id + (header >> 4) if header >> 4 else self._signed()
            fields[id] = self._value(header & 15, depth + 1)
        return fields

    def _value(self, kind: int, depth: int, *, is_item: bool = False) -> Thrift:
        if kind in (1, 2):  # a boolean: its type is its value, unless it is in a list
            return self._byte() == 1 if is_item else kind == 1
        if kind == 3:
            return self._byte()
        if kind in (4, 5, 6):
            return self._signed()
        if kind == 7:
            return self._bytes(8)
        if kind == 8:
            return self._bytes(self._unsigned())
        if kind in (9, 10):
            header = self._byte()
            return self._list(header & 15, header >> 4 if header >> 4 < 15 else self._unsigned(), depth)
        if kind == 11:
            size = self._unsigned()
            kinds = self._byte() if size else 0
            self._count(size)
            pairs = [kind for _ in range(size) for kind in (kinds >> 4, kinds & 15)]
            return [self._value(one, depth, is_item=True) for one in pairs]
        if kind == 12:
            return self.structure(depth)
        raise ValueError("an unknown type")

    def _list(self, kind: int, size: int, depth: int) -> list[Thrift]:
        self._count(size)
        return [self._value(kind, depth, is_item=True) for _ in range(size)]

    def _count(self, elements: int) -> None:
        self._elements += elements
        if self._elements > MAX_ELEMENTS:
            raise TooMuchError(
                f"has more than {MAX_ELEMENTS:,} elements in its metadata: write it in larger row groups"
            )

    def _byte(self) -> int:
        byte = self._data[self.position]
        self.position += 1
        return byte

    def _bytes(self, length: int) -> bytes:
        if length > len(self._data) - self.position:
            raise IndexError("the data is too short")
        self.position += length
        return self._data[self.position - length : self.position]

    def _unsigned(self) -> int:
        value = shift = 0
        while shift < 70:
            byte = self._byte()
            value |= (byte & 127) << shift
            if byte < 128:
                return value
            shift += 7
        raise ValueError("a number that is too long")

    def _signed(self) -> int:
        value = self._unsigned()
        return (value >> 1) ^ -(value & 1)
