"""The attempts of all users at all courses, proven complete: one file per interval, or a feed of changes."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Unpack
from uuid import uuid4

from airflow_provider_360learning.api.course_attempts import DateField, ReadsCourseAttempts
from airflow_provider_360learning.api.text import counted
from airflow_provider_360learning.exceptions import InvalidRequestError
from airflow_provider_360learning.exports.columns import COLUMNS
from airflow_provider_360learning.exports.interval import Interval
from airflow_provider_360learning.exports.summary import CourseStatisticsResult, summarize
from airflow_provider_360learning.files.formats import FileOptions, Format, open_rows
from airflow_provider_360learning.files.row_file import RowFile
from airflow_provider_360learning.files.storage import StoragePath, storage_path
from airflow_provider_360learning.log_text import get_logger

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import ObjectStoragePath

log = get_logger(__name__)

#: Seconds between two log lines about the progress.
PROGRESS_INTERVAL = 10.0
#: Maximum number of timestamps in ``incomplete_at``.
MAX_INCOMPLETE_AT = 20


def export_course_statistics(
    api: ReadsCourseAttempts,
    output_path: StoragePath,
    interval: Interval,
    *,
    date_field: DateField = "completed_at",
    allow_incomplete: bool = False,
    **options: Unpack[FileOptions],
) -> CourseStatisticsResult:
    """
    Write the attempts of an interval to a file.

    :param api: The API adapter.
    :param output_path: The file, which is replaced; by ``last_activity_at`` the folder to which a file is added.
    :param interval: The interval.
    :param date_field: ``completed_at`` or ``last_activity_at``.
    :param allow_incomplete: Warn where it cannot be proven that all attempts came, instead of failing.
    :param options: How the file is written; in a folder as ``jsonl`` by default.
    :return: The result of the export.
    :raises IncompleteResponseError: where that cannot be proven.
    """
    path = storage_path(output_path)
    if date_field == "last_activity_at":
        path = _new_file_in(path, interval, options.get("format") or "jsonl")
    with open_rows(path, COLUMNS["course_statistics"], **options) as file:
        summary = api.read_course_attempts(
            interval_start=interval.start,
            interval_end=interval.end,
            date_field=date_field,
            allow_incomplete=allow_incomplete,
            sink=_Sink(file),
        )
    log.info("Largest response: attempts=%s likely_cap=%s", summary.largest_response, summary.likely_cap)
    result = summarize(
        path,
        file,
        counted(file.rows, "attempt"),
        interval=interval,
        highest_timestamp=summary.highest_timestamp,
        complete=not summary.incomplete_at,
    )
    return {
        **result,
        "incomplete_at": list(summary.incomplete_at[:MAX_INCOMPLETE_AT]),
        "largest_response": summary.largest_response,
        "likely_cap": summary.likely_cap,
    }


def _new_file_in(folder: ObjectStoragePath, interval: Interval, format: Format) -> ObjectStoragePath:
    if folder.suffix:
        raise InvalidRequestError(
            f"output_path {folder} looks like a file. By last_activity_at, it is a folder to which each run adds one."
        )
    return folder / f"{interval.file_name}_{uuid4().hex[:12]}.{format}"


class _Sink:
    """
    Writes attempts to a file, and commits those of a part when it is accepted.

    :param file: The file.
    :param clock: Returns seconds, for the progress in the log.
    """

    def __init__(self, file: RowFile, clock: Callable[[], float] = time.monotonic) -> None:
        self.hold = file.write
        self.discard = file.discard
        self._file = file
        self._clock = clock
        self._logged_at = clock()

    def accept(self, until: str) -> None:
        """Commit the attempts of the current part."""
        self._file.commit()
        if self._clock() - self._logged_at >= PROGRESS_INTERVAL:
            log.info("Export in progress: rows=%s until=%s", self._file.rows, until)
            self._logged_at = self._clock()
