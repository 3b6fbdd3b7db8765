"""
Course statistics of API v2 (``getAllCourseStats``): all attempts of an interval, in windows of time.

Pages of one list can only be read one after the other, each after the latency of the one before. Several windows are
read at once, so that the rate limit decides how long an export takes. The order of a list is not documented: the
attempts of each window are sorted, so that two exports of the same attempts are equal.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from datetime import datetime
from functools import partial
from math import ceil
from operator import itemgetter
from typing import Any, NamedTuple

from airflow_provider_360learning.api.course_attempts import Attempt, AttemptSink, AttemptsSummary, DateField
from airflow_provider_360learning.api.json_stream import unusable
from airflow_provider_360learning.api.pages import read_pages
from airflow_provider_360learning.api.timestamps import milliseconds_of, read_usual_timestamp, text_of
from airflow_provider_360learning.api.types import Call
from airflow_provider_360learning.api.v2.lookups import Lookups
from airflow_provider_360learning.api.v2.sorted_rows import SortedRows
from airflow_provider_360learning.exceptions import NotAvailableError
from airflow_provider_360learning.ordered_executor import map_ordered

#: Attempts that a window should have: eight pages, of which the last one is half empty on average.
TARGET_ATTEMPTS = 4_000
#: Attempts of a window that are sorted in memory. Up to 16 windows are in memory, with about 1 KB per attempt.
MAX_IN_MEMORY = 5_000
#: Attempts after which the reading of a window ends, if it is longer than a second: its parts are read at once instead.
MAX_ATTEMPTS = 4 * TARGET_ATTEMPTS
#: The first windows are this part of the interval; later ones are at most so many times longer than an earlier one.
INITIAL_PART, MAX_GROWTH = 256, 4

_ORDER = itemgetter(Attempt._fields.index("completed_at"), Attempt._fields.index("attempt_id"))


class _Window(NamedTuple):
    """An interval in milliseconds since 1970. Its start belongs to it, its end does not."""

    start: int
    end: int


class _Windows:
    """
    Divides an interval into windows with about as many attempts as wanted; only its ends are not whole seconds.

    :param interval: The interval.
    """

    def __init__(self, interval: _Window) -> None:
        self._interval = interval
        self._seconds = max(1, (interval.end - interval.start) // 1000 // INITIAL_PART)

    def __iter__(self) -> Iterator[_Window]:
        """Yield the windows in order. Each is made when it is needed, with what earlier ones have shown."""
        start = self._interval.start
        while start < self._interval.end:
            end = min(self._interval.end, (start // 1000 + self._seconds) * 1000)
            yield _Window(start, end)
            start = end

    def learn(self, window: _Window, attempts: int) -> None:
        """Adapt the length of later windows to the number of attempts of one."""
        seconds = (window.end - window.start) / 1000
        wanted = seconds * TARGET_ATTEMPTS / max(1, attempts)
        self._seconds = max(1, ceil(min(wanted, seconds * MAX_GROWTH)))


class _Attempts(NamedTuple):
    """The attempts of a window in order, or ``None`` if they are too many; and the largest number in one response."""

    window: _Window
    attempts: SortedRows[Attempt] | None
    largest_page: int


class CourseAttemptActions(Lookups):
    """Read the attempts of all users at all courses."""

    @staticmethod
    def check_date_field(date_field: str) -> None:
        """
        Refuse to select attempts by another timestamp than their completion, the only one that API v2 filters by.

        :raises NotAvailableError: for another one.
        """
        if date_field != "completed_at":
            raise NotAvailableError(
                f"date_field {date_field!r} is not available in API v2, which selects attempts by the time of their "
                "completion only: use 'completed_at'.",
                argument="date_field",
            )

    def read_course_attempts(
        self,
        *,
        interval_start: datetime,
        interval_end: datetime,
        sink: AttemptSink,
        date_field: DateField = "completed_at",
        allow_incomplete: bool = False,
    ) -> AttemptsSummary:
        """
        Read the attempts of an interval, several windows at once. Lists of API v2 are complete.

        ``user_mail`` of the attempts is ``None``: API v2 returns the id of the user.

        :raises NotAvailableError: for ``date_field="last_activity_at"``.

        .. seealso:: :meth:`~..course_attempts.ReadsCourseAttempts.read_course_attempts` for the arguments.
        """
        self.check_date_field(date_field)
        interval = _Window(milliseconds_of(interval_start), milliseconds_of(interval_end))
        highest: str | None = None
        largest = 0
        is_over = threading.Event()
        try:
            for window, attempts, largest_page in self._windows(interval, is_over):
                largest = max(largest, largest_page)
                for attempt in _without_repetitions(attempts or ()):
                    sink.hold(attempt)
                    highest = attempt.completed_at
                sink.accept(text_of(window.end))
        finally:
            is_over.set()  # after an error, the other threads request no further pages
        return AttemptsSummary(highest_timestamp=highest, incomplete_at=(), largest_response=largest, likely_cap=None)

    def _windows(self, interval: _Window, is_over: threading.Event) -> Iterator[_Attempts]:
        """Yield the attempts of an interval, in windows and in order."""
        windows = _Windows(interval)
        for found in map_ordered(partial(self._read_window, windows, is_over), windows):
            if found.attempts is None:
                # Later windows of this interval are in memory meanwhile. Each level of parts is 256 times shorter.
                yield from self._windows(found.window, is_over)
            else:
                yield found

    def _read_window(self, windows: _Windows, is_over: threading.Event, window: _Window) -> _Attempts:
        # The filter has a precision of one second: both sides are rounded outwards, and each attempt is compared.
        query = {
            "completedAt[gte]": text_of(window.start // 1000 * 1000),
            "completedAt[lt]": text_of(-(-window.end // 1000) * 1000),
        }
        start, end = text_of(window.start), text_of(window.end)
        max_attempts = MAX_ATTEMPTS if window.end - window.start > 1000 else None
        attempts: SortedRows[Attempt] = SortedRows(_ORDER, MAX_IN_MEMORY)
        largest_page = 0
        for items in read_pages(self.client.call, Call("getAllCourseStats", query=query)):
            largest_page = max(largest_page, len(items))
            attempts.extend([each for each in _attempts(items) if start <= (each.completed_at or "") < end])
            if max_attempts and attempts.total > max_attempts:
                windows.learn(window, attempts.total)
                return _Attempts(window, None, largest_page)
            if is_over.is_set():
                break
        windows.learn(window, attempts.total)
        return _Attempts(window, attempts, largest_page)


def _without_repetitions(attempts: Iterable[Attempt]) -> Iterator[Attempt]:
    """Leave out attempts that a list has twice, because it changed while its pages were read (assumption)."""
    last = None
    for attempt in attempts:
        if attempt[0] != last:
            yield attempt
        last = attempt[0]


# Any: of millions, each costs, and values of another type are found where they are used.
def _attempts(items: Iterable[Any]) -> list[Attempt]:
    new = tuple.__new__
    try:
        return [
            new(
                Attempt,
                (
                    # Rows are sorted by id and completion, which must be strings for that.
                    str.__str__(item["_id"]),
                    item["userId"],
                    None,
                    item["courseId"],
                    item.get("pathId"),
                    item.get("pathSessionId"),
                    item.get("progress"),
                    item.get("score"),
                    read_usual_timestamp("firstActivityAt", item.get("firstActivityAt")),
                    read_usual_timestamp("lastActivityAt", item.get("lastActivityAt")),
                    str.__str__(read_usual_timestamp("completedAt", item.get("completedAt")) or ""),
                    None if (spent := item.get("timeSpent")) is None else spent / 1000,
                    item.get("versionNumber"),
                    item.get("lang"),
                ),
            )
            for item in items
        ]
    except (AttributeError, KeyError, TypeError, OverflowError) as error:
        fault = type(error).__name__
    raise unusable(f"an attempt is not as expected ({fault})")
