"""The attempts of all users at all courses, proven complete: one file per interval, or a feed of changes."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING
from uuid import uuid4

from airflow_provider_360learning.api.course_attempts import Attempt, DateField, ReadsCourseAttempts
from airflow_provider_360learning.exceptions import InvalidRequestError
from airflow_provider_360learning.exports.columns import COLUMNS
from airflow_provider_360learning.exports.interval import Interval
from airflow_provider_360learning.exports.summary import CourseStatisticsResult, summarize
from airflow_provider_360learning.files.formats import Format, open_rows
from airflow_provider_360learning.files.row_encoder import RowEncoder
from airflow_provider_360learning.files.spool import Spool
from airflow_provider_360learning.files.storage import StoragePath, storage_path

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import ObjectStoragePath

log = logging.getLogger(__name__)

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
    format: Format | None = None,
    allow_incomplete: bool = False,
) -> CourseStatisticsResult:
    """
    Write the attempts of an interval to a file.

    :param api: The API adapter.
    :param output_path: The file, which is replaced; by ``last_activity_at`` the folder to which a file is added.
    :param interval: The interval.
    :param date_field: ``completed_at`` or ``last_activity_at``.
    :param format: By default the suffix of the file's name decides; in a folder, ``jsonl``.
    :param allow_incomplete: Warn where it cannot be proven that all attempts came, instead of failing.
    :return: The result of the export.
    :raises IncompleteResponseError: where that cannot be proven.
    """
    path = storage_path(output_path)
    if date_field == "last_activity_at":
        path = _new_file_in(path, interval, format or "jsonl")
    with open_rows(path, COLUMNS["course_statistics"], format=format) as encoder, Spool[Attempt]() as spool:
        summary = api.read_course_attempts(
            interval_start=interval.start,
            interval_end=interval.end,
            date_field=date_field,
            allow_incomplete=allow_incomplete,
            sink=_Sink(encoder, spool),
        )
    log.info("Largest response: attempts=%s likely_cap=%s", summary.largest_response, summary.likely_cap)
    result = summarize(
        path,
        encoder,
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
    Holds the attempts of a part in the spool, and writes them to the file when the part is accepted.

    :param encoder: Writes the file.
    :param spool: Holds attempts.
    :param clock: Returns seconds, for the progress in the log.
    """

    def __init__(self, encoder: RowEncoder, spool: Spool[Attempt], clock: Callable[[], float] = time.monotonic) -> None:
        self.hold = spool.append
        self.discard = spool.discard
        self._encoder = encoder
        self._spool = spool
        self._clock = clock
        self._logged_at = clock()

    def accept(self, until: str) -> None:
        """Write the attempts of the current part."""
        self._encoder.write_all(self._spool)
        self._spool.discard()
        if self._clock() - self._logged_at >= PROGRESS_INTERVAL:
            log.info("Export in progress: rows=%s until=%s", self._encoder.rows, until)
            self._logged_at = self._clock()
