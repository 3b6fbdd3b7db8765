"""The attempts of all users at all courses, proven complete: one file an interval, or a feed of what changed."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Iterable
from functools import partial
from math import inf
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import uuid4

from airflow_provider_360learning.api.v1 import ApiV1
from airflow_provider_360learning.api.v1.complete_reader import Answer, CompleteReader, Size, Window
from airflow_provider_360learning.api.v1.courses import Attempt
from airflow_provider_360learning.api.values import check_choice
from airflow_provider_360learning.exceptions import InvalidRequestError
from airflow_provider_360learning.exports.columns import COLUMNS
from airflow_provider_360learning.exports.summary import outcome
from airflow_provider_360learning.exports.timestamps import milliseconds_of, text_of
from airflow_provider_360learning.files.formats import Format, RowWriter, open_rows
from airflow_provider_360learning.files.storage import StoragePath, storage_path

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import ObjectStoragePath

log = logging.getLogger(__name__)

#: Seconds between two lines in the log.
SECONDS_A_LINE = 10.0
#: Most moments that are named.
MAX_NAMED = 20


class _Date(NamedTuple):
    """A date of attempts that an export can go by: its column, and the filters of ``read_course_stats``."""

    column: str
    after: str
    before: str


_DATES = {
    "completed_at": _Date("completed_at", "completed_after", "completed_before"),
    "last_activity_at": _Date("last_activity", "last_activity_after", "last_activity_before"),
}


def export_course_statistics(
    api: ApiV1,
    where: StoragePath,
    span: Window,
    *,
    date_field: str = "completed_at",
    format: Format | None = None,
    allow_incomplete: bool = False,
) -> dict[str, Any]:
    """
    WriteSpec the attempts of a span of time to a file.

    :param api: The actions.
    :param where: The file, which is replaced; by ``last_activity_at`` the folder to which a file is added.
    :param span: The span.
    :param date_field: ``completed_at`` or ``last_activity_at``.
    :param format: By default as the name of the file says; in a folder, ``jsonl``.
    :param allow_incomplete: Go on where it cannot be proven that all attempts came.
    :returns: What there is to say about the file.
    :raises IncompleteAnswerError: where that cannot be proven.
    """
    date = _DATES[check_choice("date_field", date_field, _DATES)]
    path = (
        storage_path(where)
        if date_field == "completed_at"
        else _new_file_in(storage_path(where), span, format or "jsonl")
    )
    with open_rows(path, COLUMNS["course_statistics"], format=format) as rows:
        reading = CompleteReader(_Attempts(api, rows, date), span, allow_incomplete=allow_incomplete)
        said_at = time.monotonic()
        for window in reading.windows():
            if time.monotonic() - said_at >= SECONDS_A_LINE:
                log.info("%s attempts until %s", f"{rows.rows:,}", text_of(window.end))
                said_at = time.monotonic()
    is_cap = " (likely the cap of API v1)" if reading.cap else ""
    log.info("The largest answer had %s attempts%s", f"{reading.largest.attempts:,}", is_cap)
    return outcome(
        path,
        rows.rows,
        span,
        None if reading.highest is None else text_of(reading.highest),
        complete=not reading.incomplete,
        incomplete_at=[text_of(window.start) for window in reading.incomplete[:MAX_NAMED]],
        largest_answer=reading.largest.attempts,
        likely_cap=reading.cap and reading.cap.attempts,
    )


def _new_file_in(folder: ObjectStoragePath, span: Window, format: Format) -> ObjectStoragePath:
    if folder.suffix:
        raise InvalidRequestError(f"{folder} looks like a file: a feed needs a folder, to which each run adds a file.")
    first, last = (re.sub(r"[-:.]", "", text_of(each)) for each in (span.start, span.end))
    return folder / f"{first}_{last}_{uuid4().hex[:12]}.{format}"


class _Attempts:
    """
    Attempts from the API to a file, as :class:`~.windows.CompleteReader` wants them.

    :param api: The actions.
    :param rows: The file.
    :param date: The date that the export goes by.
    """

    def __init__(self, api: ApiV1, rows: RowWriter, date: _Date) -> None:
        self._api = api
        self._rows = rows
        self._date = date
        self._mark = rows.mark()

    def count(self, window: Window, enough: Size) -> Answer:
        """Count what comes."""
        return self._ask(window, enough, keep=False)

    def keep(self, window: Window, enough: Size | None) -> Answer:
        """Count what comes, and write it."""
        self._mark = self._rows.mark()
        return self._ask(window, enough, keep=True)

    def drop(self) -> None:
        """Take back what was written last."""
        self._rows.rollback(self._mark)

    def _ask(self, window: Window, enough: Size | None, *, keep: bool) -> Answer:
        # Whether the bounds belong to the span is not known: so a millisecond more on both sides, and a look at each.
        bounds = {self._date.after: text_of(window.start - 1), self._date.before: text_of(window.end)}
        return self._api.read_course_stats(partial(self._take, window, enough, keep), **bounds)

    def _take(self, window: Window, enough: Size | None, keep: bool, statistics: Iterable[list[Attempt]]) -> Answer:
        if keep:
            self.drop()  # what came before an answer broke
        at, write = Attempt._fields.index(self._date.column), self._rows.write
        start, end = text_of(window.start), text_of(window.end)
        most_attempts, most_statistics = enough or (inf, inf)
        came = in_statistics = inside = 0
        first, last = end, ""
        whole = True
        for attempts in statistics:
            came += len(attempts)
            in_statistics += 1
            for attempt in attempts:
                moment: Any = attempt[at]
                if moment is not None and start <= moment < end:
                    inside += 1
                    if moment < first:
                        first = moment
                    if moment > last:
                        last = moment
                    if keep:
                        write(attempt)
            if came > most_attempts and in_statistics > most_statistics:
                whole = False
                break
        return Answer(
            Size(came, in_statistics),
            inside,
            first=milliseconds_of(first) if inside else None,
            last=milliseconds_of(last) if inside else None,
            whole=whole,
        )
