"""Statistics of the learners of path sessions: those who completed in an interval, or the current state of all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Unpack

from airflow_provider_360learning.api.interface import LearningApi
from airflow_provider_360learning.api.results import PathSessionStatistic
from airflow_provider_360learning.api.text import counted
from airflow_provider_360learning.exceptions import NotFoundError
from airflow_provider_360learning.exports.columns import COLUMNS
from airflow_provider_360learning.exports.interval import Interval
from airflow_provider_360learning.exports.summary import PathSessionStatisticsResult, check_any_found, summarize
from airflow_provider_360learning.files.formats import FileOptions, open_rows
from airflow_provider_360learning.files.storage import StoragePath
from airflow_provider_360learning.log_text import get_logger
from airflow_provider_360learning.ordered_executor import map_ordered

log = get_logger(__name__)

Row = Mapping[str, object]


def export_path_session_statistics(
    api: LearningApi,
    output_path: StoragePath,
    interval: Interval | None,
    *,
    session_ids: Iterable[str] | None = None,
    **options: Unpack[FileOptions],
) -> PathSessionStatisticsResult:
    """
    Write the statistics of the learners of path sessions to a file, with one request per session.

    :param api: The API adapter.
    :param output_path: The file, which is replaced.
    :param interval: Only learners who completed the session in this interval; by default all.
    :param session_ids: The sessions, which must exist; by default all that are listed.
    :param options: How the file is written.
    :return: The result of the export.
    """
    listed = session_ids is None
    ids = [session["session_id"] for session in api.list_path_sessions()] if session_ids is None else list(session_ids)
    columns = COLUMNS["path_session_statistics"]
    highest = ""
    deleted = 0
    with open_rows(output_path, columns, **options) as file:
        for rows in map_ordered(partial(_rows_of, api, interval, listed), ids):
            deleted += rows is None
            for row in rows or ():
                file.write([row[column.name] for column in columns])
                highest = max(highest, str(row["completed_at"] or ""))
            file.commit()
        check_any_found("path sessions", len(ids), deleted)
    sessions = len(ids) - deleted
    exported = f"{counted(file.rows, 'learner')} of {counted(sessions, 'session')}"
    result = summarize(output_path, file, exported, interval=interval, highest_timestamp=highest or None)
    return {**result, "sessions": sessions, "deleted_meanwhile": deleted}


def _rows_of(api: LearningApi, interval: Interval | None, listed: bool, session_id: str) -> list[Row] | None:
    after, before = interval.bounds if interval else (None, None)
    try:
        found = api.list_path_session_stats(session_id=session_id, completed_after=after, completed_before=before)
    except NotFoundError:
        if not listed:
            raise
        log.warning("Session was deleted after it was listed; its learners are not exported: session_id=%s", session_id)
        return None
    return [_row(each) for each in found if interval is None or interval.contains(each["completed_at"])]


def _row(found: PathSessionStatistic) -> Row:
    spent = found["time_spent_ms"]
    return {**found, "user_mail": found["mail"], "time_spent_seconds": None if spent is None else spent / 1000}
