"""The attempts of all users at all courses, proven complete: one file per interval, or a feed of changes."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Unpack
from uuid import uuid4

from airflow_provider_360learning.api.course_attempts import Attempt, DateField, ReadsCourseAttempts
from airflow_provider_360learning.api.text import counted
from airflow_provider_360learning.exceptions import InvalidRequestError
from airflow_provider_360learning.exports.columns import COLUMNS
from airflow_provider_360learning.exports.interval import Interval
from airflow_provider_360learning.exports.mails import Mails, mails_of
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

_MAIL = Attempt._fields.index("user_mail")


def export_course_statistics(
    api: ReadsCourseAttempts,
    output_path: StoragePath,
    interval: Interval,
    *,
    date_field: DateField = "completed_at",
    allow_incomplete: bool = False,
    with_mails: bool = False,
    **options: Unpack[FileOptions],
) -> CourseStatisticsResult:
    """
    Write the attempts of an interval to a file.

    :param api: The API adapter.
    :param output_path: The file, which is replaced; by ``last_activity_at`` the folder to which a file is added.
    :param interval: The interval.
    :param date_field: ``completed_at`` or ``last_activity_at``.
    :param allow_incomplete: Warn where it cannot be proven that all attempts came, instead of failing.
    :param with_mails: Look up email addresses, where the API returns ids only.
    :param options: How the file is written; in a folder as ``jsonl`` by default.
    :return: The result of the export.
    :raises NotAvailableError: if this version of the API does not select by ``date_field``.
    :raises IncompleteResponseError: where completeness cannot be proven.
    """
    api.check_date_field(date_field)
    path = storage_path(output_path)
    if date_field == "last_activity_at":
        path = _new_file_in(path, interval, options.get("format") or "jsonl")
    with mails_of(api, with_mails) as mails, open_rows(path, COLUMNS["course_statistics"], **options) as file:
        summary = api.read_course_attempts(
            interval_start=interval.start,
            interval_end=interval.end,
            date_field=date_field,
            allow_incomplete=allow_incomplete,
            sink=_Sink(file, mails),
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


def _write_with_mail(file: RowFile, mails: Mails, attempt: Attempt) -> None:
    file.write((*attempt[:_MAIL], attempt.user_mail or mails.mail_of(attempt.user_id), *attempt[_MAIL + 1 :]))


class _Sink:
    """
    Writes attempts to a file, and commits those of a part when it is accepted.

    :param file: The file.
    :param mails: Email addresses, if they are looked up.
    :param clock: Returns seconds, for the progress in the log.
    """

    def __init__(self, file: RowFile, mails: Mails | None, clock: Callable[[], float] = time.monotonic) -> None:
        self.hold = file.write if mails is None else partial(_write_with_mail, file, mails)
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
