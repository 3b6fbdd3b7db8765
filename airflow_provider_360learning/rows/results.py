"""
The result of each row, in numbered parts that are merged at the end, and the rejected rows.

Object stores cannot append, hence the parts. A merged file appears at once and complete, ``manifest.json`` after it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from functools import partial
from typing import Any, NotRequired, TypedDict, TypeGuard

from airflow.providers.common.compat.sdk import ObjectStoragePath

from airflow_provider_360learning.api.text import one_line, without_templates
from airflow_provider_360learning.exceptions import Learning360Error
from airflow_provider_360learning.files.formats import concatenate, write_dicts
from airflow_provider_360learning.files.permissions import PRIVATE
from airflow_provider_360learning.files.records import REJECTED_REASON, REJECTED_ROW, UNREAD
from airflow_provider_360learning.files.storage import (
    list_folder,
    open_binary,
    remove,
    remove_empty_folder,
    remove_files,
    size_of,
    write_atomic,
)
from airflow_provider_360learning.rows.schema import CheckedRow, RowSchema
from airflow_provider_360learning.rows.sources import Source
from airflow_provider_360learning.rows.stored_state import StoredStateError, decode, read_object

#: Version of the manifest and of the results that it describes.
VERSION = 1
RESULTS = "results.jsonl"
MANIFEST = "manifest.json"
PARTS = "parts"

#: Outcomes of rejected rows. All others say what was done.
INVALID, REFUSED, FAILED, UNKNOWN = "invalid", "refused", "failed", "unknown"
NOT_DONE = frozenset({INVALID, REFUSED, FAILED, UNKNOWN})
#: Outcomes of people who have no account until they accept an invitation.
PENDING = frozenset({"invited", "already_invited"})
UNCHANGED = "unchanged"
#: Outcome of a row that would be sent, in a dry run.
WOULD_SEND = "would_send"

#: Maximum number of rejected rows in the log and in the result of a task, and of characters of each message there.
MAX_FIRST_REJECTED, MAX_MESSAGE = 10, 500

#: Maximum number of bytes of the result of a row, whose key may be as long as a row: a longer line is not one of ours.
_MAX_LINE = 16 << 20
_PART_ADVICE = (
    "Restore the file, or clear the task with ignore_checkpoint=True, which starts over at the first row and may send "
    "rows again."
)
_LAST_RUN_ADVICE = "Restore the file, or run without retry_failed_only. Nothing was sent."
_MANIFEST_ADVICE = "Restore the file or remove it. Nothing was sent."


class RejectedRow(TypedDict):
    """
    A rejected row as the log, the result of a task and notifications show it: bounded, in one line, without secrets.

    :param row: Number of the row, from 1.
    :param line: Line of the file where it starts; ``None`` if the source has no lines.
    :param key: Whom or what it is about.
    :param outcome: Why it was rejected.
    :param error_code: 360Learning's error code, or the kind of error.
    :param message: What happened and what to do.
    """

    row: int
    line: int | None
    key: str
    outcome: str
    error_code: str
    message: str


class RunSummary(TypedDict):
    """
    The result of a task.

    :param action: What was done with the rows.
    :param rows: Number of rows.
    :param outcomes: Number of rows by outcome.
    :param results_path: The merged results; ``None`` if the task failed before it had them.
    :param rejected_path: The rejected rows, or the report of the invalid ones; ``None`` if there are none.
    :param retryable: Number of rejected rows that another run can do as they are.
    :param first_rejected: The first rejected rows, with the reasons.
    :param run: Id of the run, by which a later task recognizes the results.
    :param pending_invitations: Number of people who were left out because they have not accepted their invitation, if
        the rows are the users of other bulk tasks.
    """

    action: str
    rows: int
    outcomes: dict[str, int]
    results_path: str | None
    rejected_path: str | None
    retryable: int
    first_rejected: list[RejectedRow]
    run: str
    pending_invitations: NotRequired[int]


class UnaccountedRowError(Learning360Error):
    """A row has no result, although the run is at its end."""


@dataclass(frozen=True, slots=True)
class Result:
    """
    One line of the results.

    :param row: Number of the row, from 1.
    :param key: Whom or what it is about.
    :param outcome: What was done (``created``, ``updated``, ``already_exists``, …), ``unchanged``, or why not:
        ``invalid``, ``refused`` (by the server), ``failed`` (transient), ``unknown`` (may have been done).
    :param id: Id of the object that was created or found.
    :param error_code: 360Learning's error code, or the class of the error.
    :param message: What happened and what to do.
    :param retryable: Whether another run can succeed with the same row.
    :param line: Line of the file where the row starts, set when the result is written; ``None`` without lines.
    :param user: Email address or id of the user after the row was done, set when the result is written; ``None`` if it
        was not done, or is about no user.
    """

    row: int
    key: str
    outcome: str
    id: str | None = None
    error_code: str | None = None
    message: str | None = None
    retryable: bool = False
    line: int | None = None
    user: str | None = None

    @property
    def is_done(self) -> bool:
        """Whether 360Learning has what the row asks for."""
        return self.outcome not in NOT_DONE


def result_of_invalid(row: CheckedRow) -> Result:
    """
    Return the result of a row that is invalid.

    :param row: The row.
    """
    problems = "; ".join(error.problem for error in row.errors)
    return Result(row.row.number, row.key, INVALID, error_code="invalid", message=problems, line=row.row.line)


@dataclass(slots=True)
class Tally:
    """
    What a run has done so far.

    :param outcomes: Number of rows by outcome.
    :param retryable: Number of rejected rows that another run can do as they are.
    :param first_rejected: The first rejected rows.
    """

    outcomes: Counter[str] = field(default_factory=Counter)
    retryable: int = 0
    first_rejected: list[RejectedRow] = field(default_factory=list)

    def add(self, result: Result) -> None:
        """
        Count a result.

        :param result: The result.
        """
        self.outcomes[result.outcome] += 1
        if not result.is_done:
            self.retryable += result.retryable
            if len(self.first_rejected) < MAX_FIRST_REJECTED:
                self.first_rejected.append(_shown_row(result))

    def summary(self, *, action: str, rows: int, run: str, rejected_path: str | None = None) -> RunSummary:
        """
        Return the summary of a run that has no merged results.

        :param action: What was to be done with the rows.
        :param rows: Number of rows.
        :param run: Id of the run; empty if nothing was sent.
        :param rejected_path: The report of invalid rows, if there is one.
        """
        return RunSummary(
            action=action,
            rows=rows,
            outcomes=dict(sorted(self.outcomes.items())),
            results_path=None,
            rejected_path=rejected_path,
            retryable=self.retryable,
            first_rejected=self.first_rejected,
            run=run,
        )


def _shown_row(result: Result) -> RejectedRow:
    return {
        "row": result.row,
        "line": result.line,
        "key": _in_one_line(result.key),
        "outcome": result.outcome,
        "error_code": _in_one_line(result.error_code),
        "message": _in_one_line(result.message),
    }


def _in_one_line(text: str | None) -> str:
    return without_templates(one_line(text or "", MAX_MESSAGE))


class ResultStore:
    """
    The result files of one run.

    :param results: Folder of the results.
    :param rejected: Folder of the rejected rows.
    :param run: Id of the run.
    :param source: Source of the rows.
    :param secret_columns: Columns of the source that are left empty in rejected rows.
    :param known_columns: Columns of the source that the action takes, and ignored ones. If it takes a secret, others
        are left empty, too: each may be a misspelled one.
    :param escape_formulas: Whether rejected rows in CSV hold no formula for a spreadsheet.
    :param file_mode: Permissions of the files.
    """

    def __init__(
        self,
        results: ObjectStoragePath,
        rejected: ObjectStoragePath,
        run: str,
        source: Source,
        secret_columns: Sequence[str],
        known_columns: Collection[str] = (),
        *,
        escape_formulas: bool = True,
        file_mode: int = PRIVATE,
    ) -> None:
        self._results = results
        self._rejected = rejected
        self._run = run
        self._source = source
        self._secret_columns = frozenset(name.casefold() for name in secret_columns)
        self._known_columns = frozenset(known_columns)
        self._escape_formulas = escape_formulas
        self._file_mode = file_mode
        self._format = source.rejected_format
        self._mark = source.rejected_mark
        self._rejected_file = rejected / f"rejected.{self._format}"

    def write_part(self, number: int, rows: Sequence[tuple[CheckedRow, Result]]) -> None:
        """
        Write one part, which appears at once and complete.

        :param number: Its number, from 1.
        :param rows: Its rows with their results, in order.
        """
        part = self._part(self._rejected, number, self._format)
        not_done = [(checked, result) for checked, result in rows if not result.is_done]
        rejected = [row for row in (self._rejected_row(*each) for each in not_done) if row]
        if rejected:
            columns = [*(self._source.columns or ()), *self._added_columns]
            write_dicts(
                part,
                rejected,
                columns,
                separator=self._source.separator,
                escape_formulas=self._escape_formulas,
                file_mode=self._file_mode,
            )
        elif not_done:
            self._write(part, b"")  # all were left out; a part that is missing was lost
        else:
            remove(part)  # of an attempt that was killed before it wrote the results
        lines = [_line_of(*each) for each in rows]
        self._write(self._part(self._results, number, "jsonl"), "".join(lines).encode())

    def read_parts(self, parts: int) -> Iterator[Result]:
        """
        Yield the results in the parts, in the order of the rows.

        :param parts: Number of parts.
        :raises StoredStateError: if a part is missing or cannot be read, or lacks a row; the file is named.
        """
        following = 1
        for number in range(1, parts + 1):
            path, first = self._part(self._results, number, "jsonl"), following
            is_rejected = False
            for result in read_results(path, _PART_ADVICE):
                is_rejected = is_rejected or not result.is_done
                if result.row != following:
                    problem = f"has row {result.row} in the place of row {following}"
                    if following == first > 1:
                        problem += f", with which {self._part(self._results, number - 1, 'jsonl')} may have ended"
                    raise StoredStateError(path, problem, _PART_ADVICE)
                following += 1
                yield result
            rejected = self._part(self._rejected, number, self._format)
            if is_rejected and size_of(rejected) is None:
                raise StoredStateError(rejected, "is missing", _PART_ADVICE)

    def tally(self, parts: int, rows: int) -> Tally:
        """
        Read all parts and count the rows in them.

        :param parts: Number of parts.
        :param rows: Number of rows that they must have.
        :raises StoredStateError: if they cannot be read or lack a row.
        """
        tally = Tally()
        for result in self.read_parts(parts):
            tally.add(result)
        if (counted := tally.outcomes.total()) != rows:
            path = self._part(self._results, parts, "jsonl")
            problem = f"is damaged: the parts up to this one have {counted} rows, not {rows}"
            raise StoredStateError(path, problem, _PART_ADVICE)
        return tally

    def read_next_part(self, parts: int) -> list[Result]:
        """
        Return the results in the part that an attempt may have written before it ended without a checkpoint.

        :param parts: Number of parts that the checkpoint knows.
        :return: Empty if there is none.
        """
        path = self._part(self._results, parts + 1, "jsonl")
        return [] if size_of(path) is None else list(read_results(path, _PART_ADVICE))

    def merge(self, parts: int, manifest: Mapping[str, Any]) -> tuple[str, str | None]:
        """
        Merge the parts and write the manifest.

        :param parts: Number of parts.
        :param manifest: More contents of the manifest.
        :return: Paths of the results and of the rejected rows.
        """
        numbers = range(1, parts + 1)
        results = self._results / RESULTS
        parts_of_results = [self._part(self._results, each, "jsonl") for each in numbers]
        concatenate(parts_of_results, results, file_mode=self._file_mode)
        rejected = [self._part(self._rejected, each, self._format) for each in numbers]
        rejected = [part for part in rejected if size_of(part)]
        if rejected:
            concatenate(rejected, self._rejected_file, mark=self._mark, file_mode=self._file_mode)
        else:
            remove(self._rejected_file)  # of an earlier run
        paths = str(results), str(self._rejected_file) if rejected else None
        contents = {"version": VERSION, **manifest, "results_path": paths[0], "rejected_path": paths[1]}
        self._write(self._results / MANIFEST, json.dumps(contents, indent=2).encode())
        return paths

    @property
    def parts_folder(self) -> ObjectStoragePath:
        """Folder of the parts, and of other files that only this run needs."""
        return self._results / PARTS / self._run

    def remove_parts(self) -> None:
        """Remove the parts, and what a process that was killed has left of one."""
        for folder in (self._results, self._rejected):
            parts = folder / PARTS / self._run
            remove_files(parts)
            remove_empty_folder(parts)
            remove_empty_folder(folder / PARTS)

    def _write(self, path: ObjectStoragePath, data: bytes) -> None:
        write_atomic(path, data, file_mode=self._file_mode)

    def _part(self, folder: ObjectStoragePath, number: int, suffix: str) -> ObjectStoragePath:
        return folder / PARTS / self._run / f"{number:06}.{suffix}"

    @property
    def _added_columns(self) -> list[str]:
        """The columns that rejected rows have and the source has not, unless it is a file of rejected rows."""
        return [name for name in (REJECTED_ROW, REJECTED_REASON) if name not in (self._source.columns or ())]

    def _rejected_row(self, checked: CheckedRow, result: Result) -> dict[str, Any]:
        """Return a row as it was read, with its number and the reason; empty if it may hold a secret."""
        row = self._without_secrets(checked.row.original)
        added = {REJECTED_ROW: result.row, REJECTED_REASON: _in_one_line(result.message)}
        if UNREAD in row:
            # Neither is a column of such a row, which must not be readable by chance with the number of its cells.
            return row | {name: added[name] for name in self._added_columns}
        return row | added if row else {}

    def _without_secrets(self, original: Mapping[str, Any]) -> dict[str, Any]:
        # A row that could not be read may have had any column, if its source does not say which it has.
        columns = self._source.columns or self._secret_columns
        if UNREAD in original and any(self._is_secret(name) for name in columns):
            return {}  # any part of it may be the password
        return {name: None if self._is_secret(name) else value for name, value in original.items()}

    def _is_secret(self, column: str) -> bool:
        if self._secret_columns and self._source.columns is None and column not in self._known_columns:
            return True
        return column.casefold() in self._secret_columns


def read_last_results(folder: ObjectStoragePath) -> Iterator[Result]:
    """
    Yield the merged results of the last run.

    :param folder: Folder of the results.
    :raises StoredStateError: if they cannot be read; the file is named.
    """
    path = folder / RESULTS
    for number, result in enumerate(read_results(path, _LAST_RUN_ADVICE), 1):
        if result.row != number:
            raise StoredStateError(path, f"has row {result.row} in the place of row {number}", _LAST_RUN_ADVICE)
        yield result


def read_written_results(folder: ObjectStoragePath) -> Iterator[Result]:
    """
    Yield the results that a run has written so far, without gaps, whether it has ended or was broken off.

    :param folder: Folder of the results, of one run.
    :raises StoredStateError: if they cannot be read; the file is named.
    """
    if size_of(folder / MANIFEST) is not None:
        yield from read_last_results(folder)
        return
    found = [part for run in list_folder(folder / PARTS) for part in list_folder(run)]
    following = 1
    for part in sorted((part for part in found if part.suffix == ".jsonl" and part.stem.isdigit()), key=str):
        for result in read_results(part, _PART_ADVICE):
            if result.row != following:
                return  # the parts between were lost, or are of another run
            following += 1
            yield result


def read_manifest(folder: ObjectStoragePath, advice: str = _MANIFEST_ADVICE) -> dict[str, Any] | None:
    """
    Return the manifest of the last run, or ``None`` if there is none.

    :param folder: Folder of the results.
    :param advice: What to do if it cannot be used.
    :raises StoredStateError: if it cannot be read.
    """
    path = folder / MANIFEST
    return read_object(path, path, VERSION, advice)


def secret_columns(schema: RowSchema, column_mapping: Mapping[str, str | None]) -> list[str]:
    """
    Return the columns of the source that hold secrets.

    :param schema: The columns of the action.
    :param column_mapping: Columns of the source to those of the action.
    """
    secrets = schema.secret_columns
    return [*secrets, *(theirs for theirs, ours in column_mapping.items() if ours in secrets)]


def known_columns(schema: RowSchema, column_mapping: Mapping[str, str | None]) -> set[str]:
    """
    Return the columns of the source that the action takes, and those that are ignored.

    :param schema: The columns of the action.
    :param column_mapping: Columns of the source to those of the action.
    """
    mapped = {theirs for theirs, ours in column_mapping.items() if ours is None or ours in schema.columns}
    return mapped | (schema.columns - column_mapping.keys())


#: Names of the types that each field may have.
_KINDS = {field.name: str(field.type).replace("None", "NoneType").split(" | ") for field in fields(Result)}


def read_results(path: ObjectStoragePath, advice: str) -> Iterator[Result]:
    """
    Yield the results in a file.

    :param path: The file.
    :param advice: What to do if it cannot be used.
    :raises StoredStateError: if it is missing, or a line is damaged.
    """
    try:
        with open_binary(path) as file:
            for number, line in enumerate(iter(partial(file.readline, _MAX_LINE), b""), 1):
                yield _parse_result(line, path, number, advice)
    except FileNotFoundError:
        raise StoredStateError(path, "is missing", advice) from None


def _parse_result(line: bytes, path: ObjectStoragePath, number: int, advice: str) -> Result:
    try:
        values = decode(line) if line.endswith(b"\n") else None  # otherwise it was truncated
    except ValueError:
        values = None
    if not is_result(values):
        raise StoredStateError(path, f"is damaged in line {number}: it is not the result of a row", advice)
    return Result(**values)


def is_result(values: Any) -> TypeGuard[dict[str, Any]]:
    """Return whether a stored value is that of a :class:`Result`."""
    if not isinstance(values, dict) or values.keys() != _KINDS.keys():
        return False
    return all(type(values[name]).__name__ in kinds for name, kinds in _KINDS.items())


def _line_of(checked: CheckedRow, result: Result) -> str:
    added = {"line": checked.row.line, "user": checked.user if result.is_done else None}
    return json.dumps(asdict(result) | added, ensure_ascii=False) + "\n"
