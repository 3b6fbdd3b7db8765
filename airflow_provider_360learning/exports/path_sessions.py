"""Statistics of the learners of path sessions: those who completed in an interval, or the current state of all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from functools import partial
from typing import Unpack

from airflow_provider_360learning.api.interface import LearningApi
from airflow_provider_360learning.api.path_results import (
    PathSessionStatistic,
)
from airflow_provider_360learning.api.text import counted
from airflow_provider_360learning.exceptions import NotFoundError
from airflow_provider_360learning.exports.columns import COLUMNS
from airflow_provider_360learning.exports.interval import Interval
from airflow_provider_360learning.exports.listings import ids_of
from airflow_provider_360learning.exports.mails import Mails, mails_of
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
    with_mails: bool = False,
    **options: Unpack[FileOptions],
) -> PathSessionStatisticsResult:
    """
    Write the statistics of the learners of path sessions to a file.

    All sessions are read from one list, where the API has it, and with one request per session otherwise.

    :param api: The API adapter.
    :param output_path: The file, which is replaced.
    :param interval: Only learners who completed the session in this interval; by default all.
    :param session_ids: The sessions, which must exist; by default all that are listed.
    :param with_mails: Look up email addresses and deleted users, where the API returns ids only.
    :param options: How the file is written.
    :return: The result of the export.
    """
    is_listed = session_ids is None
    if session_ids is None:
        session_ids = ids_of(api, "list_path_sessions", "session_id", "path sessions")
    ids = list(session_ids)
    columns = COLUMNS["path_session_statistics"]
    highest = ""
    deleted = 0
    with mails_of(api, with_mails) as mails, open_rows(output_path, columns, **options) as file:
        of_all = api.stats_of_all_sessions(*_bounds(interval)) if is_listed and ids else None
        rows_of_sessions = map_ordered(partial(_read, api, interval, is_listed), ids) if of_all is None else (of_all,)
        for statistics in rows_of_sessions:
            deleted += statistics is None
            for row in _rows(statistics or (), interval, mails):
                file.write([row[column.name] for column in columns])
                highest = max(highest, str(row["completed_at"] or ""))
            file.commit()
        check_any_found("path sessions", len(ids), deleted)
    sessions = len(ids) - deleted
    exported = f"{counted(file.rows, 'learner')} of {counted(sessions, 'session')}"
    result = summarize(output_path, file, exported, interval=interval, highest_timestamp=highest or None)
    return {**result, "sessions": sessions, "deleted_meanwhile": deleted}


def _bounds(interval: Interval | None) -> tuple[datetime | None, datetime | None]:
    return interval.bounds if interval else (None, None)


def _read(
    api: LearningApi, interval: Interval | None, is_listed: bool, session_id: str
) -> list[PathSessionStatistic] | None:
    after, before = _bounds(interval)
    try:
        return api.list_path_session_stats(session_id=session_id, completed_after=after, completed_before=before)
    except NotFoundError:
        if not is_listed:
            raise
        log.warning("Session was deleted after it was listed; its learners are not exported: session_id=%s", session_id)
        return None


def _rows(statistics: Iterable[PathSessionStatistic], interval: Interval | None, mails: Mails | None) -> Iterator[Row]:
    for found in statistics:
        if interval is not None and not interval.contains(found["completed_at"]):
            continue
        mail, deleted, spent = found["mail"], found["deleted"], found["time_spent_ms"]
        if mails is not None and mail is None:
            mail, deleted = mails.find(found["user_id"])
        yield {
            **found,
            "user_mail": mail,
            "deleted": deleted,
            "time_spent_seconds": None if spent is None else spent / 1000,
        }
