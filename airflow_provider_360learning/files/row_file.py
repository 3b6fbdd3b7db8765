"""A file of rows that is written in parts: each is held until it is known whether its rows belong to the file."""

from __future__ import annotations

from collections import Counter

from airflow_provider_360learning.files.row_encoder import RowEncoder, Values
from airflow_provider_360learning.files.spool import Spool

_ROWS_PER_CHUNK = 500


class RowFile:
    """
    Encodes rows once, and appends them to a file when they are committed.

    :param encoder: The encoder of the file.
    :param spool: Holds encoded rows until then.
    """

    def __init__(self, encoder: RowEncoder, spool: Spool) -> None:
        self._encoder = encoder
        self._spool = spool
        self._rows_in_spool = 0
        self._pending: list[Values] = []
        #: Rows that were committed.
        self.rows = 0
        #: Column to the number of its values that became null in these rows.
        self.invalid_values: Counter[str] = Counter()

    def write(self, values: Values) -> None:
        """
        Hold a row.

        :param values: Its values.
        :raises InvalidRequestError: if this row or an earlier one has not as many values as there are columns.
        """
        self._pending.append(values)
        if len(self._pending) == _ROWS_PER_CHUNK:
            self._encode_pending()

    def commit(self) -> None:
        """Append the held rows to the file."""
        self._encode_pending()
        for chunk in self._spool:
            self._encoder.append(chunk)
        self.rows += self._rows_in_spool
        self.invalid_values += self._encoder.invalid_values
        self.discard()

    def discard(self) -> None:
        """Drop the held rows."""
        self._pending = []
        self._rows_in_spool = 0
        self._encoder.invalid_values.clear()
        self._spool.discard()

    def _encode_pending(self) -> None:
        if self._pending:
            chunk = self._encoder.encode(self._pending, first_row=self.rows + self._rows_in_spool + 1)
            self._spool.append(chunk)
            self._rows_in_spool += len(self._pending)
            self._pending = []
