"""
What became of each row: numbered parts, each written whole, merged at the end; refused rows in their own format.

Object stores cannot append, hence the parts. Whoever reads a merged file reads all of a run: it appears whole, and
``manifest.json`` after it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

from airflow_provider_360learning.files.formats import concatenate, write_dicts
from airflow_provider_360learning.files.records import UNREAD
from airflow_provider_360learning.files.storage import open_binary, write_atomic
from airflow_provider_360learning.rows.schema import SECRETS, CheckedRow, RowSchema
from airflow_provider_360learning.rows.sources import Source

RESULTS = "results.jsonl"
MANIFEST = "manifest.json"

#: Outcomes of rows that were not done. All others say what was done.
INVALID, REFUSED, FAILED, UNKNOWN = "invalid", "refused", "failed", "unknown"
NOT_DONE = frozenset({INVALID, REFUSED, FAILED, UNKNOWN})
UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True)
class Result:
    """
    One line of the results.

    :param row: Number of the row, from 1.
    :param key: Whom or what it is about.
    :param outcome: What was done (``created``, ``updated``, ``already_exists``, …), ``unchanged``, or why not: ``invalid``
        (did not pass the checks), ``refused`` (360Learning says no), ``failed`` (it did not work for now),
        ``unknown`` (it may have been done).
    :param id: Id of what was made or found.
    :param error_code: 360Learning's code for it, or the kind of error.
    :param message: What happened and what to do.
    :param retryable: Whether another run can do it as it is.
    """

    row: int
    key: str
    outcome: str
    id: str | None = None
    error_code: str | None = None
    message: str | None = None
    retryable: bool = False

    @property
    def is_done(self) -> bool:
        """Whether what the row asks for is so."""
        return self.outcome not in NOT_DONE


class Parts:
    """
    The parts of one run.

    :param results: Folder of the results, an ``ObjectStoragePath``.
    :param rejected: Folder of the rows that were not done.
    :param run: Name of the run.
    :param source: StoragePath the rows come from.
    :param secret_columns: RowSchema of the source that are left empty.
    """

    def __init__(self, results: Any, rejected: Any, run: str, source: Source, secret_columns: Sequence[str]) -> None:
        self._results = results
        self._rejected = rejected
        self._run = run
        self._source = source
        self._secret_columns = frozenset(name.casefold() for name in secret_columns)
        self._rejected_file = rejected / f"rejected.{source.rejected_format}"

    def write(self, number: int, rows: Sequence[tuple[CheckedRow, Result]]) -> None:
        """WriteSpec one part, whole."""
        lines = [json.dumps(asdict(result), ensure_ascii=False) + "\n" for _, result in rows]
        rejected = [self._without_secrets(checked.row.original) for checked, result in rows if not result.is_done]
        if rejected := [row for row in rejected if row]:
            columns = self._source.columns or list(dict.fromkeys(name for row in rejected for name in row))
            part = self._part(self._rejected, number, self._source.rejected_format)
            write_dicts(part, rejected, columns, separator=self._source.separator)
        write_atomic(self._part(self._results, number, "jsonl"), "".join(lines).encode())

    def read(self, parts: int) -> Iterator[Result]:
        """
        Read what is written, in the order of the rows.

        :param parts: Number of parts.
        """
        for number in range(1, parts + 1):
            yield from _results_in(self._part(self._results, number, "jsonl"))

    def read_one(self, number: int) -> list[Result]:
        """
        Read one part.

        :param number: Its number.
        :returns: Nothing if it was never written.
        """
        part = self._part(self._results, number, "jsonl")
        return list(_results_in(part)) if part.exists() else []

    def merge(self, parts: int, manifest: Mapping[str, Any]) -> dict[str, str | None]:
        """
        Merge the parts, write the manifest, and return where the merged files are.

        :param parts: Their number.
        :param manifest: What else the manifest says.
        """
        numbers = range(1, parts + 1)
        concatenate([self._part(self._results, each, "jsonl") for each in numbers], self._results / RESULTS)
        rejected = [self._part(self._rejected, each, self._source.rejected_format) for each in numbers]
        rejected = [part for part in rejected if part.exists()]
        if rejected:
            concatenate(rejected, self._rejected_file)
        else:
            self._rejected_file.unlink(missing_ok=True)  # that of a run before
        files = {
            "results_path": str(self._results / RESULTS),
            "rejected_path": str(self._rejected_file) if rejected else None,
        }
        write_atomic(self._results / MANIFEST, json.dumps({**manifest, **files}, indent=2).encode())
        return files

    def clean_up(self, parts: int) -> None:
        """Remove the parts."""
        for number in range(1, parts + 1):
            self._part(self._results, number, "jsonl").unlink(missing_ok=True)
            self._part(self._rejected, number, self._source.rejected_format).unlink(missing_ok=True)
        for folder in (self._results, self._rejected):
            _remove_folder(folder / "parts" / self._run)
            _remove_folder(folder / "parts")

    def _part(self, folder: Any, number: int, suffix: str) -> Any:
        return folder / "parts" / self._run / f"{number:06}.{suffix}"

    def _without_secrets(self, original: Mapping[str, Any]) -> dict[str, Any]:
        # A row that could not be read may have had any column, if its source does not say which it has.
        columns = self._source.columns or self._secret_columns
        if UNREAD in original and any(self._is_secret(name) for name in columns):
            return {}  # nobody knows which part of it is the password
        return {name: None if self._is_secret(name) else value for name, value in original.items()}

    def _is_secret(self, column: str) -> bool:
        return column.casefold() in self._secret_columns


def read_results(folder: Any) -> Iterator[Result]:
    """
    Read the merged results of the run before.

    :param folder: Folder of the results.
    """
    yield from _results_in(folder / RESULTS)


def read_manifest(folder: Any) -> dict[str, Any] | None:
    """
    Read the manifest of the run before, if one came to its end.

    :param folder: Folder of the results.
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())
    except FileNotFoundError:
        return None
    return manifest if isinstance(manifest, dict) else None


def secret_columns(columns: RowSchema, renames: Mapping[str, str | None] | None) -> list[str]:
    """
    List the source's columns that hold secrets.

    :param columns: What the action takes.
    :param renames: The source's names to those of the arguments.
    """
    renamed = [theirs for theirs, ours in (renames or {}).items() if ours in SECRETS]
    return [*SECRETS, *renamed] if columns.may_hold_secrets else []


def _results_in(path: Any) -> Iterator[Result]:
    with open_binary(path) as file:
        for line in file:
            yield Result(**json.loads(line))


def _remove_folder(folder: Any) -> None:
    """Remove a folder that is empty; object stores have none."""
    with suppress(OSError):
        folder.rmdir()
