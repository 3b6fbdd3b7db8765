"""Course statistics of API v1 (``getCoursesStats``): attempts, parsed while the response comes in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple, TypeVar

from airflow_provider_360learning.api.actions import ApiAdapter
from airflow_provider_360learning.api.client import Client
from airflow_provider_360learning.api.course_attempts import Attempt, AttemptSink, AttemptsSummary, DateField
from airflow_provider_360learning.api.json_stream import JsonStream, unusable
from airflow_provider_360learning.api.timestamps import milliseconds_of, read_usual_timestamp, text_of
from airflow_provider_360learning.api.types import Call, ResponseObject
from airflow_provider_360learning.api.v1.complete_reader import CompleteReader, Size, Window, WindowResponse

R = TypeVar("R")

#: Maximum length of the statistics that precede their course, in characters.
MAX_HELD_BACK = 16 << 20

_NOT_A_TIMESTAMP = "a timestamp of an attempt is not one"


class _Filter(NamedTuple):
    """How attempts are selected: the field of their timestamp, and the query parameters."""

    field: int
    after: str
    before: str


_FILTERS: dict[DateField, _Filter] = {
    "completed_at": _Filter(Attempt._fields.index("completed_at"), "completedAtAfter", "completedAtBefore"),
    "last_activity_at": _Filter(Attempt._fields.index("last_activity"), "lastActivityAtAfter", "lastActivityAtBefore"),
}


class CourseAttemptActions(ApiAdapter):
    """Read the attempts of all users at all courses."""

    @staticmethod
    def check_date_field(date_field: str) -> None:
        """Accept each timestamp: API v1 selects attempts by all of them."""

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
        Read the attempts of an interval, and verify that no response was truncated; see docs/exports.md.

        .. seealso:: :meth:`~..course_attempts.ReadsCourseAttempts.read_course_attempts` for the arguments.
        """
        interval = Window(milliseconds_of(interval_start), milliseconds_of(interval_end))
        source = _StatisticsSource(self.client, sink, _FILTERS[date_field])
        reader = CompleteReader(source, interval, allow_incomplete=allow_incomplete)
        for window in reader.windows():
            sink.accept(text_of(window.end))
        return AttemptsSummary(
            highest_timestamp=None if reader.highest is None else text_of(reader.highest),
            incomplete_at=[text_of(window.start) for window in reader.incomplete],
            largest_response=reader.largest.attempts,
            likely_cap=reader.cap and reader.cap.attempts,
        )


class _StatisticsSource:
    """
    Windows of course statistics, read from the API into a sink.

    :param client: Makes the calls.
    :param sink: Takes the attempts.
    :param filter: How they are selected.
    """

    def __init__(self, client: Client, sink: AttemptSink, filter: _Filter) -> None:
        self._client = client
        self._sink = sink
        self._filter = filter

    def count(self, window: Window, enough: Size) -> WindowResponse:
        """Count the attempts of a window."""
        return self._request(window, enough, keep=False)

    def keep(self, window: Window, enough: Size) -> WindowResponse:
        """Count the attempts of a window, and hand them to the sink."""
        return self._request(window, enough, keep=True)

    def drop(self) -> None:
        """Drop the attempts that were handed over last."""
        self._sink.discard()

    def _request(self, window: Window, enough: Size, *, keep: bool) -> WindowResponse:
        # It is not known whether the bounds are included: both sides get a millisecond more, and each attempt a look.
        query = {self._filter.after: text_of(window.start - 1), self._filter.before: text_of(window.end)}
        return read_course_stats(self._client, partial(self._take, window, enough, keep), query)

    def _take(self, window: Window, enough: Size, keep: bool, statistics: Iterable[list[Attempt]]) -> WindowResponse:
        if keep:
            self.drop()  # those of a response that broke
        at, hold = self._filter.field, self._sink.hold
        start, end = text_of(window.start), text_of(window.end)
        max_attempts, max_statistics = enough
        attempts_read = statistics_read = inside = 0
        first, last = end, ""
        whole = True
        for attempts in statistics:
            attempts_read += len(attempts)
            statistics_read += 1
            for attempt in attempts:
                timestamp: Any = attempt[at]  # Any: mypy does not know which field this is
                try:
                    is_inside = timestamp is not None and start <= timestamp < end
                except TypeError:  # a list can look like a timestamp
                    raise unusable(_NOT_A_TIMESTAMP) from None
                if is_inside:
                    inside += 1
                    if timestamp < first:
                        first = timestamp
                    if timestamp > last:
                        last = timestamp
                    if keep:
                        hold(attempt)
            if attempts_read > max_attempts and statistics_read > max_statistics:
                whole = False
                break
        return WindowResponse(
            Size(attempts_read, statistics_read),
            inside,
            first=_milliseconds(first) if inside else None,
            last=_milliseconds(last) if inside else None,
            whole=whole,
        )


def _milliseconds(timestamp: str) -> int:
    try:
        return milliseconds_of(timestamp)
    except ValueError:  # only its form was looked at
        pass
    raise unusable(_NOT_A_TIMESTAMP)


def read_course_stats(
    client: Client, take: Callable[[Iterator[list[Attempt]]], R], query: Mapping[str, str] | None = None
) -> R:
    """
    Read attempts while the response comes in.

    v1 caps the response at a number that is not documented, and does not report when it did.

    :param client: Makes the call.
    :param take: Takes the attempts, in lists of one user's at one course. It is called again, with all attempts from
        the first, when the response breaks and the call is retried; it may stop before the last one.
    :param query: Query parameters that select attempts, by default all.
    :return: The return value of ``take``.
    """
    call = Call("getCoursesStats", query=query or {}, read=lambda body: take(_attempts(JsonStream(body.read))))
    return client.call(call)  # type: ignore[no-any-return]


def _attempts(response: JsonStream) -> Iterator[list[Attempt]]:
    """Flatten course statistics: one list for each user and course."""
    for _ in response.items():
        course: ResponseObject | None = None
        held_back: list[ResponseObject] = []
        has_course = has_stats = False
        for name in response.names():
            if name == "stats" and has_course:
                for statistic in response.values():
                    yield _attempts_of_user(course, statistic)
            elif name == "stats":  # JSON does not promise an order: the statistics wait for the name of their course
                held_back = _held_back(response)
            else:
                value = response.value()
                course = value if name == "course" else course
            has_course, has_stats = has_course or name == "course", has_stats or name == "stats"
        if not (has_course and has_stats):
            raise unusable("a course lacks course or stats")
        for statistic in held_back:
            yield _attempts_of_user(course, statistic)
    response.end()


def _held_back(response: JsonStream) -> list[ResponseObject]:
    """Read the statistics that precede their course."""
    start = response.position
    statistics = []
    for statistic in response.values():
        if response.position - start > MAX_HELD_BACK:
            raise unusable(f"more than {MAX_HELD_BACK >> 20} MiB of statistics precede their course")
        statistics.append(statistic)
    return statistics


def _attempts_of_user(course: ResponseObject | None, statistic: ResponseObject) -> list[Attempt]:
    new = tuple.__new__
    try:
        user = statistic["user"] or {}
        user_id, mail, course_id = user.get("_id"), user.get("mail"), (course or {}).get("_id")
        # Of millions, each costs: this is twice as fast as Attempt(…).
        return [
            new(
                Attempt,
                (
                    attempt["_id"],
                    user_id,
                    mail,
                    course_id,
                    attempt.get("path"),
                    attempt.get("pathSession"),
                    attempt.get("progress"),
                    attempt.get("score"),
                    read_usual_timestamp("firstActivity", attempt.get("firstActivity")),
                    read_usual_timestamp("lastActivity", attempt.get("lastActivity")),
                    read_usual_timestamp("completedAt", attempt.get("completedAt")),
                    _seconds(attempt.get("globalTime")),
                    None,
                    None,
                ),
            )
            for attempt in statistic["attempts"]
        ]
    except (AttributeError, KeyError, TypeError, OverflowError) as error:
        fault = type(error).__name__
    raise unusable(f"a statistic is not as expected ({fault})")


def _seconds(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000
