"""The result of an export: its XCom, and the extra of its asset events."""

from __future__ import annotations

from typing import TypedDict

from airflow_provider_360learning.api.text import counted
from airflow_provider_360learning.exceptions import NotFoundError
from airflow_provider_360learning.exports.interval import Interval
from airflow_provider_360learning.files.row_file import RowFile
from airflow_provider_360learning.log_text import get_logger

log = get_logger(__name__)


class ExportResult(TypedDict):
    """
    Result of an export.

    ``interval_start`` and ``interval_end`` are ``None`` for exports of the current state; ``highest_timestamp`` is the
    latest timestamp by which a row was selected; ``complete`` is whether the rows are proven complete;
    ``invalid_values`` counts values that became null.
    """

    output_path: str
    rows: int
    interval_start: str | None
    interval_end: str | None
    highest_timestamp: str | None
    complete: bool
    invalid_values: int


class CourseStatisticsResult(ExportResult):
    """Result of an export of course statistics; see :class:`~..api.course_attempts.AttemptsSummary`."""

    incomplete_at: list[str]
    largest_response: int
    likely_cap: int | None


class PathSessionStatisticsResult(ExportResult):
    """Result of an export of path session statistics: numbers of sessions exported, and deleted meanwhile."""

    sessions: int
    deleted_meanwhile: int


def check_any_found(what: str, listed: int, missing: int) -> None:
    """
    Refuse an export without any of the objects that were listed: it would replace a good file by an empty one.

    :param what: What was listed.
    :param listed: Number of objects that were listed.
    :param missing: Number of those that 360Learning does not find.
    :raises NotFoundError: if it finds none.
    """
    if listed and listed == missing:
        raise NotFoundError(
            f"360Learning lists {listed} {what}, but finds none of them: nothing was exported, and an existing file "
            "stays as it is. Check what the credentials may read."
        )


def summarize(
    output_path: object,
    file: RowFile,
    exported: str,
    *,
    interval: Interval | None = None,
    highest_timestamp: str | None = None,
    complete: bool = True,
) -> ExportResult:
    """
    Return the result of an export, and log it in one sentence.

    :param output_path: Path of the file.
    :param file: The file.
    :param exported: What was exported, such as ``1,000 users``.
    :param interval: The interval of the export, if it has one.
    :param highest_timestamp: The latest timestamp by which a row was selected.
    :param complete: Whether the rows are proven complete.
    """
    invalid_values = file.invalid_values.total()
    span = f" from {interval.start_text} until {interval.end_text}" if interval else ""
    nulls = f"; {counted(invalid_values, 'invalid value')} became null" if invalid_values else ""
    doubt = "" if complete else "; not proven complete"
    log.info("Exported %s%s to %s%s%s", exported, span, output_path, nulls, doubt)
    if not file.rows:
        log.warning("The export has no rows: output_path=%s", output_path)
    return {
        "output_path": str(output_path),
        "rows": file.rows,
        "interval_start": interval.start_text if interval else None,
        "interval_end": interval.end_text if interval else None,
        "highest_timestamp": highest_timestamp,
        "complete": complete,
        "invalid_values": invalid_values,
    }
