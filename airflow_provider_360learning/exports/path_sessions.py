"""What the learners of path sessions did: those who completed in a span of time, or where everybody stands."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from functools import partial
from typing import Any

from airflow_provider_360learning.api.v1 import ApiV1
from airflow_provider_360learning.api.v1.complete_reader import Window
from airflow_provider_360learning.exceptions import NotFoundError
from airflow_provider_360learning.exports.columns import COLUMNS
from airflow_provider_360learning.exports.ordered_executor import in_order
from airflow_provider_360learning.exports.summary import outcome
from airflow_provider_360learning.exports.timestamps import text_of
from airflow_provider_360learning.files.formats import Format, open_rows
from airflow_provider_360learning.files.storage import StoragePath

log = logging.getLogger(__name__)

Row = dict[str, Any]


def export_path_session_statistics(
    api: ApiV1,
    where: StoragePath,
    span: Window | None,
    *,
    session_ids: Iterable[str] | None = None,
    format: Format | None = None,
) -> dict[str, Any]:
    """
    WriteSpec what the learners of path sessions did to a file, one request a session.

    :param api: The actions.
    :param where: The file, which is replaced.
    :param span: Only those who completed the session in this span; by default all.
    :param session_ids: The sessions, which must exist; by default all that are listed.
    :param format: By default as the name of the file says.
    :returns: What there is to say about the file.
    """
    listed = session_ids is None
    ids = [session["session_id"] for session in api.list_path_sessions()] if session_ids is None else list(session_ids)
    columns = COLUMNS["path_session_statistics"]
    highest: str | None = None
    deleted = 0
    with open_rows(where, columns, format=format) as rows:
        for found in in_order(partial(_rows_of, api, span, listed), ids):
            deleted += found is None
            for row in found or ():
                rows.write([row[column.name] for column in columns])
                highest = max(highest or "", row["completed_at"] or "") or None
    return outcome(where, rows.rows, span, highest, sessions=len(ids) - deleted, deleted_meanwhile=deleted)


def _rows_of(api: ApiV1, span: Window | None, listed: bool, session_id: str) -> list[Row] | None:
    # Whether the bounds belong to the span is not known: so a millisecond more on both sides, and a look at each.
    bounds = {"completed_after": text_of(span.start - 1), "completed_before": text_of(span.end)} if span else {}
    try:
        found = api.list_path_session_stats(session_id, **bounds)
    except NotFoundError:
        if not listed:
            raise
        log.warning("Session %s was deleted after it had been listed: its learners are not in this export", session_id)
        return None
    return [_row(each) for each in found if span is None or _is_in(span, each["completed_at"])]


def _is_in(span: Window, moment: str | None) -> bool:
    return moment is not None and text_of(span.start) <= moment < text_of(span.end)


def _row(found: Row) -> Row:
    spent = found["time_spent_ms"]
    return found | {"user_mail": found["mail"], "time_spent_seconds": None if spent is None else spent / 1000}
