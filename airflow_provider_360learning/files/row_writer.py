"""What a writer of each format does: it takes rows, and takes them back to a mark."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, BinaryIO, NamedTuple

from airflow_provider_360learning.exceptions import InvalidRequestError
from airflow_provider_360learning.files.columns import Column, unfit


class Mark(NamedTuple):
    """A place between two rows of a file that is being written, to go back to."""

    rows: int
    position: int


class RowWriter(ABC):
    """
    Takes the rows of a file, and takes them back where an answer broke in the middle.

    :param binary: StoragePath the file goes.
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
        WriteSpec one row.

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
        """WriteSpec what is still to be written."""

    @abstractmethod
    def release(self) -> None:
        """Let go of the file, be it finished or not."""

    def _explained(self, values: Sequence[Any]) -> InvalidRequestError:
        """Find out why a row could not be written."""
        row = f"Row {self.rows + 1}"
        if len(values) != self._width:
            return InvalidRequestError(f"{row} has {len(values)} values for {self._width} columns.")
        faults = (unfit(self.rows + 1, *pair) for pair in zip(self._columns, values, strict=True))
        return next(filter(None, faults), InvalidRequestError(f"{row} cannot be written."))
