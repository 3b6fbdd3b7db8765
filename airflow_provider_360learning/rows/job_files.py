"""
The rows of bulk jobs, stored before a job is submitted.

The results of a job name its inputs, and no rows. What an input was must not depend on what a later attempt would make
of the row: a user may have been deleted since, or have another email address.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from itertools import islice
from typing import Any, TypeGuard

from airflow.providers.common.compat.sdk import ObjectStoragePath

from airflow_provider_360learning.api.types import JsonObject
from airflow_provider_360learning.files.permissions import PRIVATE
from airflow_provider_360learning.files.storage import open_binary, remove, write_atomic
from airflow_provider_360learning.rows.checkpoints import ADVICE, OpenJob
from airflow_provider_360learning.rows.results import Result, is_result
from airflow_provider_360learning.rows.stored_state import StoredStateError, decode

#: Maximum number of bytes of a line: a row, which may be as long as a source allows.
_MAX_LINE = 64 << 20


@dataclass(frozen=True, slots=True)
class StoredRow:
    """
    One row of a job.

    :param row: Its number.
    :param inputs: What was sent for it.
    :param result: Its result, if nothing was sent for it.
    """

    row: int
    inputs: Sequence[JsonObject] = field(default=(), repr=False)
    result: Result | None = None


class JobFiles:
    """
    The files of the jobs of one run.

    :param folder: Folder of the run.
    :param file_mode: Their permissions.
    """

    def __init__(self, folder: ObjectStoragePath, file_mode: int = PRIVATE) -> None:
        self._folder = folder
        self._file_mode = file_mode

    def write(self, rows: Sequence[StoredRow]) -> None:
        """
        Store the rows of a job, instead of those of an earlier one with the same first row.

        :param rows: Consecutive rows.
        """
        write_atomic(self._path(rows[0].row), "".join(map(_line_of, rows)).encode(), file_mode=self._file_mode)

    def read(self, job: OpenJob) -> list[StoredRow]:
        """
        Return the rows of a job.

        :param job: The job.
        :raises StoredStateError: if its file is missing or damaged, or has other rows.
        """
        path = self._path(job.first)
        try:
            with open_binary(path) as file:
                lines = enumerate(iter(partial(file.readline, _MAX_LINE), b""), job.first)
                # One more than the job has, which shows that the file is not that of the job.
                rows = [_row_of(line, number, path) for number, line in islice(lines, job.last - job.first + 2)]
        except FileNotFoundError:
            raise StoredStateError(path, "is missing", ADVICE) from None
        if not rows or rows[-1].row != job.last:
            raise StoredStateError(path, f"does not have the rows {job.first} to {job.last} of a bulk job", ADVICE)
        return rows

    def remove(self, first: int) -> None:
        """
        Remove the file of a job whose results are in a part.

        :param first: Number of its first row.
        """
        remove(self._path(first))

    def _path(self, first: int) -> ObjectStoragePath:
        return self._folder / f"job-{first:06}.jsonl"


def _line_of(row: StoredRow) -> str:
    result = None if row.result is None else asdict(row.result)
    values = {"row": row.row, "inputs": list(row.inputs), "result": result}
    return json.dumps(values, ensure_ascii=False, separators=(",", ":")) + "\n"


def _row_of(line: bytes, number: int, path: ObjectStoragePath) -> StoredRow:
    try:
        values = decode(line) if line.endswith(b"\n") else None  # otherwise it was truncated
    except ValueError:
        values = None
    if not _is_stored_row(values, number):
        raise StoredStateError(path, f"is damaged: it lacks row {number} of a bulk job", ADVICE)
    result = values["result"]
    return StoredRow(number, values["inputs"], None if result is None else Result(**result))


def _is_stored_row(values: Any, number: int) -> TypeGuard[dict[str, Any]]:
    if not isinstance(values, dict) or values.keys() != {"row", "inputs", "result"} or values["row"] != number:
        return False
    inputs, result = values["inputs"], values["result"]
    if not isinstance(inputs, list) or not all(isinstance(each, dict) for each in inputs):
        return False
    return (is_result(result) and result["row"] == number) if result is not None else bool(inputs)


def inputs_of(rows: Iterable[StoredRow]) -> list[JsonObject]:
    """
    Return the inputs of a job.

    :param rows: Its rows.
    """
    return [each for row in rows for each in row.inputs]
