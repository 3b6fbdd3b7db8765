"""Check all rows of a source before the first one is sent, and again as they are sent."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from airflow_provider_360learning.api.named_objects import NewGroup
from airflow_provider_360learning.exceptions import InvalidRequestError
from airflow_provider_360learning.files.key_table import KeyTable
from airflow_provider_360learning.rows.schema import CheckedRow, RowError, RowSchema, shown_text
from airflow_provider_360learning.rows.sources import Row, Source

#: Rows per digest that the second pass is compared with.
ROWS_PER_DIGEST = 1000
#: Size of rows after which there are fewer rows per digest, because they are held in memory.
MAX_CHUNK_SIZE = 1 << 20
#: Maximum number of groups that a run creates because rows name them: more are rather a column of other values.
MAX_NEW_GROUPS = 1000


class RowChecker:
    """
    Checks the rows of a source twice: all of them before the first write, and each again when it is sent.

    :param source: The rows.
    :param schema: What a row must be.
    """

    def __init__(self, source: Source, schema: RowSchema) -> None:
        self._source = source
        self._schema = schema
        self._rows_by_key = KeyTable()
        #: Whether a key is in several rows.
        self._has_duplicates = False
        self._digests: list[bytes] = []
        #: Number of rows, and a digest of them all.
        self.total, self.fingerprint = 0, ""
        self._writes = 0
        #: Groups that must be created before the valid rows are sent, each once.
        self.new_groups: dict[NewGroup, None] = {}
        self._size_of_new_groups = 0

    def all_rows(self) -> Iterator[CheckedRow]:
        """Check all rows, and keep their digests."""
        whole = hashlib.sha256()
        writes = self._schema.writes
        self._schema.check_header(self._source)
        for chunk in _chunks(self._source.rows()):
            checked = self._check_first(chunk)
            self._digests.append(_digest(checked))
            whole.update(self._digests[-1])
            self.total += len(checked)
            for row in checked:
                if row.new_groups and not row.errors:
                    self._add_new_groups(row)
                self._writes += 1 if row.errors or writes is None else writes(row.arguments)
                yield row
        self.fingerprint = whole.hexdigest()

    @property
    def writes_per_row(self) -> float:
        """How many writes a row needs on average."""
        return self._writes / self.total if self.total else 1.0

    def _add_new_groups(self, row: CheckedRow) -> None:
        self._size_of_new_groups += sum(len(group.name) for group in row.new_groups if group not in self.new_groups)
        self.new_groups.update(dict.fromkeys(row.new_groups))
        if len(self.new_groups) > MAX_NEW_GROUPS or self._size_of_new_groups > MAX_CHUNK_SIZE:
            raise InvalidRequestError(
                f"{self._source.name} names more than {MAX_NEW_GROUPS} groups that do not exist: is the column of the "
                "group the right one? Nothing was sent. To create so many, use the action create_group.",
                argument="create_groups",
            )

    def second_pass(self) -> Iterator[CheckedRow]:
        """
        Read and check the rows again, as they are sent.

        :raises InvalidRequestError: if they differ from the first pass; no row that differs is yielded.
        """
        known = iter(self._digests)
        for chunk in _chunks(self._source.rows()):
            checked = self._check_again(chunk)
            if next(known, None) != _digest(checked):
                raise InvalidRequestError(
                    f"{self._source.name} changed while it was read, between row {chunk[0].number} and "
                    f"{chunk[-1].number}; none of these rows was sent. Leave the input unchanged while it is used "
                    "(a query needs an ORDER BY), and clear the task."
                )
            yield from checked
        if next(known, None) is not None:
            raise InvalidRequestError(
                f"{self._source.name} is shorter than it was when it was checked. Clear the task."
            )

    def close(self) -> None:
        """Delete the table of keys."""
        self._rows_by_key.close()

    def _check_first(self, rows: Sequence[Row]) -> list[CheckedRow]:
        """Check rows, and compare their keys with those of all rows before."""
        checked = [self._schema.check(row) for row in rows]
        keys = [(row.identity, str(row.row.number)) for row in checked if not row.errors]
        if self._rows_by_key.add_all(keys):
            return checked
        self._has_duplicates = True
        return [self._refuse_duplicate(row) for row in checked]

    def _check_again(self, rows: Sequence[Row]) -> list[CheckedRow]:
        """Check rows whose keys the first pass has compared: rows that differ from those are not yielded."""
        checked = [self._schema.check(row) for row in rows]
        return [self._refuse_duplicate(row) for row in checked] if self._has_duplicates else checked

    def _refuse_duplicate(self, checked: CheckedRow) -> CheckedRow:
        row = checked.row
        before = None if checked.errors else self._rows_by_key.get(checked.identity)
        if before is None or before == str(row.number):
            return checked
        key = shown_text(checked.key)
        problem = f"{key} is in row {before} already: leave one of the two out"
        error = RowError(row.number, row.line, self._schema.key, key, problem)
        return replace(checked, errors=(error,))


def _chunks(rows: Iterable[Row]) -> Iterator[list[Row]]:
    chunk: list[Row] = []
    size = 0
    for row in rows:
        chunk.append(row)
        size += row.size
        if len(chunk) == ROWS_PER_DIGEST or size > MAX_CHUNK_SIZE:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def _digest(rows: Sequence[CheckedRow]) -> bytes:
    whole = hashlib.sha256()
    for row in rows:
        whole.update(row.digest_as_written())
    return whole.digest()
