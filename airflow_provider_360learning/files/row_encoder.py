"""What the encoders of all formats do: they encode rows, and convert values of other types."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from typing import BinaryIO, TypeAlias

from airflow_provider_360learning.exceptions import InvalidRequestError
from airflow_provider_360learning.files.columns import Column, Value, is_normalized, normalize
from airflow_provider_360learning.log_text import get_logger

log = get_logger(__name__)

#: Values of one row, in the order of the columns. The types may be others than those of the columns: JSON has any.
Values: TypeAlias = Sequence[object]


class RowEncoder(ABC):
    """
    Encodes rows in chunks, and appends chunks to a file.

    A value of another type is converted to the kind of its column. A value that cannot be becomes null, with a warning:
    one of a million must not fail an export for good.

    :param binary: The file, open for writing.
    :param columns: Its columns.
    """

    def __init__(self, binary: BinaryIO, columns: Sequence[Column]) -> None:
        self._binary = binary
        self._columns = columns
        self._first_row = 1
        self._warned: set[str] = set()
        #: Column to the number of its values that became null, of the rows encoded since this was cleared.
        self.invalid_values: Counter[str] = Counter()

    def encode(self, rows: Sequence[Values], first_row: int) -> bytes:
        """
        Encode rows, many at once because that is faster.

        :param rows: The rows, at least one.
        :param first_row: Number of the first one, for messages.
        :return: A chunk for :meth:`append`.
        :raises InvalidRequestError: if a row has not as many values as there are columns.
        """
        self._first_row = first_row
        if set(map(len, rows)) != {len(self._columns)}:
            raise self._wrong_length(rows)
        columns = zip(self._columns, zip(*rows, strict=True), strict=True)
        return self._encode_columns([self._normalized(*each) for each in columns])

    def _wrong_length(self, rows: Sequence[Values]) -> InvalidRequestError:
        lengths = enumerate(map(len, rows), self._first_row)
        row, length = next(each for each in lengths if each[1] != len(self._columns))
        return InvalidRequestError(f"Row {row} has {length} values for {len(self._columns)} columns.")

    @abstractmethod
    def _encode_columns(self, columns: Sequence[Sequence[Value]]) -> bytes:
        """Encode rows that are given as the values of each column."""

    def append(self, chunk: bytes) -> None:
        """
        Append a chunk of rows to the file.

        :param chunk: A return value of :meth:`encode`.
        """
        self._binary.write(chunk)

    def finish(self) -> None:  # noqa: B027 - nothing follows the rows of text
        """Write what follows the last row."""

    def release(self) -> None:  # noqa: B027 - text is in the hands of the file
        """Let go of the file, finished or not, without closing it."""

    def _normalized(self, column: Column, values: Sequence[object]) -> Sequence[Value]:
        return values if is_normalized(column.kind, values) else self._convert(column, values)  # type: ignore[return-value]

    def _convert(self, column: Column, values: Sequence[object]) -> list[Value]:
        return [self._convert_value(row, column, value) for row, value in enumerate(values, self._first_row)]

    def _convert_value(self, row: int, column: Column, value: object) -> Value:
        try:
            return normalize(column.kind, value)
        except ValueError:
            pass
        self.invalid_values[column.name] += 1
        if column.name not in self._warned:
            self._warned.add(column.name)
            log.warning(
                "Value cannot be converted and becomes null: column=%s kind=%s row=%s type=%s. "
                "Further values of this column are counted, not logged",
                column.name,
                column.kind,
                row,
                type(value).__name__,
            )
        return None
