"""What the encoders of all formats do: they append rows to a file, and convert values of other types."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import BinaryIO, TypeAlias

from airflow_provider_360learning.exceptions import InvalidRequestError
from airflow_provider_360learning.files.columns import Column, Value, is_normalized, normalize

log = logging.getLogger(__name__)

#: Values of one row, in the order of the columns. The types may be others than those of the columns: JSON has any.
Values: TypeAlias = Sequence[object]

_ROWS_PER_BATCH = 1000


class RowEncoder(ABC):
    """
    Appends rows to a file, in batches.

    A value of another type is converted to the kind of its column. A value that cannot be becomes null, with a warning:
    one of a million must not fail an export for good.

    :param binary: The file, open for writing.
    :param columns: Its columns.
    """

    def __init__(self, binary: BinaryIO, columns: Sequence[Column]) -> None:
        self._binary = binary
        self._columns = columns
        self._pending: list[Values] = []
        self._rows_encoded = 0
        #: Column to the number of its values that became null, of the rows encoded so far.
        self.invalid_values: Counter[str] = Counter()

    @property
    def rows(self) -> int:
        """Rows appended so far."""
        return self._rows_encoded + len(self._pending)

    def write(self, values: Values) -> None:
        """
        Append one row.

        :param values: Its values.
        """
        self.write_all((values,))

    def write_all(self, rows: Iterable[Values]) -> None:
        """
        Append rows.

        :param rows: The values of each.
        :raises InvalidRequestError: if a row has not as many values as there are columns.
        """
        rows = iter(rows)
        while batch := list(islice(rows, _ROWS_PER_BATCH - len(self._pending))):
            self._pending += batch
            if len(self._pending) == _ROWS_PER_BATCH:
                self._encode_pending()

    def finish(self) -> None:
        """Write all that is held back."""
        self._encode_pending()

    @abstractmethod
    def release(self) -> None:
        """Let go of the file, finished or not, without closing it."""

    @abstractmethod
    def _write_columns(self, columns: Sequence[Sequence[Value]]) -> None:
        """Write a batch of rows, given as the values of each column."""

    def _encode_pending(self) -> None:
        if not self._pending:
            return
        for number, values in enumerate(self._pending, self._rows_encoded + 1):
            if len(values) != len(self._columns):
                raise InvalidRequestError(f"Row {number} has {len(values)} values for {len(self._columns)} columns.")
        columns = zip(*self._pending, strict=True)
        self._write_columns([self._normalized(*pair) for pair in zip(self._columns, columns, strict=True)])
        self._rows_encoded += len(self._pending)
        self._pending = []

    def _normalized(self, column: Column, values: Sequence[object]) -> Sequence[Value]:
        return values if is_normalized(column.kind, values) else self._convert(column, values)  # type: ignore[return-value]

    def _convert(self, column: Column, values: Sequence[object]) -> list[Value]:
        first = self._rows_encoded + 1
        return [self._convert_value(row, column, value) for row, value in enumerate(values, first)]

    def _convert_value(self, row: int, column: Column, value: object) -> Value:
        try:
            return normalize(column.kind, value)
        except ValueError:
            pass
        self.invalid_values[column.name] += 1
        if self.invalid_values[column.name] == 1:
            log.warning(
                "Value cannot be converted and becomes null: column=%s kind=%s row=%s type=%s. "
                "Further values of this column are counted, not logged",
                column.name,
                column.kind,
                row,
                type(value).__name__,
            )
        return None
