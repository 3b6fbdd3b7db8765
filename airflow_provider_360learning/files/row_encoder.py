"""What an encoder of each format does: it appends rows to a file, and normalizes values of other types."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import BinaryIO, TypeAlias

from airflow_provider_360learning.exceptions import InvalidRequestError
from airflow_provider_360learning.files.columns import Column, Value, normalize

log = logging.getLogger(__name__)

#: Values of one row, in the order of the columns. The types may be others than those of the columns: JSON has any.
Values: TypeAlias = Sequence[object]


class RowEncoder(ABC):
    """
    Appends rows to a file.

    A value of another type is converted to the kind of its column. A value that cannot be becomes null, with a warning:
    one of a million must not fail an export for good.

    :param binary: The file, open for writing.
    :param columns: Its columns.
    """

    def __init__(self, binary: BinaryIO, columns: Sequence[Column]) -> None:
        self._binary = binary
        self._columns = columns
        #: Rows written so far.
        self.rows = 0
        #: Column to the number of its values that became null.
        self.invalid_values: Counter[str] = Counter()

    @abstractmethod
    def write(self, values: Values) -> None:
        """
        Append one row.

        :param values: Its values.
        :raises InvalidRequestError: if their number is not that of the columns.
        """

    def write_all(self, rows: Iterable[Values]) -> None:
        """
        Append rows.

        :param rows: The values of each.
        """
        for values in rows:
            self.write(values)

    @abstractmethod
    def finish(self) -> None:
        """Write what is still held back."""

    @abstractmethod
    def release(self) -> None:
        """Let go of the file, finished or not, without closing it."""

    def _normalized(self, values: Values) -> list[Value]:
        """Convert the values of the next row."""
        if len(values) != len(self._columns):
            raise InvalidRequestError(f"Row {self.rows + 1} has {len(values)} values for {len(self._columns)} columns.")
        return [
            self._normalized_value(self.rows + 1, column, value)
            for column, value in zip(self._columns, values, strict=True)
        ]

    def _normalized_value(self, row: int, column: Column, value: object) -> Value:
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
