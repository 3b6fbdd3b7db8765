"""Attempts of a large generated company, computed on demand: any number of them in constant memory."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import date
from functools import cache
from typing import NamedTuple

from airflow_provider_360learning.sandbox.clock import ALWAYS, Period, milliseconds

DAY_MS = 86_400_000

_EPOCH = date(1970, 1, 1).toordinal()


class GeneratedUser(NamedTuple):
    """
    A generated user, whose attempts are alike except for their times.

    :param score: ``None`` for one user of three.
    :param path: id of the path that every other user learns in.
    """

    id: str
    mail: str
    score: int | None
    time_spent_ms: int
    path: str | None
    session: str | None


class GeneratedAttempts:
    """
    The attempts 0, 1, 2, … of a generated company, ordered by completion.

    Attempt *n* is on course *n* modulo the number of courses, and the attempts on one course are spread over the users
    in the same way. Each one starts a day before its completion, so that every filter is a range of numbers.

    :param since: time of the first completion, seconds since the epoch; the others follow in equal steps.
    :param until: all are completed before this time.
    """

    def __init__(self, attempts: int, *, courses: int, users: int, since: float, until: float) -> None:
        self.courses = courses
        self.users = users
        self._attempts = attempts
        self._since = milliseconds(since)
        self._span = milliseconds(until) - self._since

    def completed_ms(self, attempt: int) -> int:
        """Return when an attempt is completed, in milliseconds since the epoch."""
        return self._since + attempt * self._span // self._attempts

    def select(
        self, *, first_activity: Period = ALWAYS, last_activity: Period = ALWAYS, completed: Period = ALWAYS
    ) -> range:
        """Return the numbers of the attempts whose dates are in these periods."""
        first, last = float(self._since), float(self._since + self._span - 1)
        for period, later in ((first_activity, DAY_MS), (last_activity, 0), (completed, 0)):
            first, last = max(first, period.first + later), min(last, period.last + later)
        return range(self._first_completed_from(int(first)), self._first_completed_from(int(last) + 1))

    def by_user(self, course: int, selection: range) -> Iterator[tuple[int, range]]:
        """Yield the number of each user with the numbers of the attempts on a course, among the selected ones."""
        first = -((course - selection.start) // self.courses)
        end = -((course - selection.stop) // self.courses)
        stop = course + self.courses * end
        for turn in range(first, min(end, first + self.users)):
            yield turn % self.users, range(course + self.courses * turn, stop, self.courses * self.users)

    def course_of(self, attempt: int) -> int:
        """Return the number of the course of an attempt."""
        return attempt % self.courses

    def user_of(self, attempt: int) -> int:
        """Return the number of the user of an attempt."""
        return attempt // self.courses % self.users

    def of(self, courses: Collection[int], users: Collection[int], selection: range) -> list[int]:
        """
        Return the numbers of the attempts of some users on some courses, among the selected ones.

        :param courses: numbers of courses, in ascending order.
        :param users: numbers of users.
        """
        turns = range(selection.start // self.courses, -(-selection.stop // self.courses))
        return [
            attempt
            for turn in turns
            if turn % self.users in users
            for attempt in (turn * self.courses + course for course in courses)
            if attempt in selection
        ]

    def _first_completed_from(self, time_ms: int) -> int:
        return -(-(time_ms - self._since) * self._attempts // self._span)


def generated_user(number: int) -> GeneratedUser:
    """Return a generated user."""
    in_path = number % 2
    return GeneratedUser(
        id=f"64c1{number:020x}",
        mail=f"learner.{number:06}@acme.test",
        score=number % 101 if number % 3 else None,
        time_spent_ms=60_000 + number * 7919 % 3_600_000,
        path=f"64c2{number % 7:020x}" if in_path else None,
        session=f"64c3{number % 7:020x}" if in_path else None,
    )


def generated_course(number: int) -> tuple[str, str]:
    """Return id and name of a generated course. As in production, some names contain quotes and line breaks."""
    name = f"Module {number}" if number % 10 else f'Sécurité, "niveau {number}"\n日本'
    return f"64c4{number:020x}", name


@cache
def text_of_day(number: int) -> str:
    """Return a day, counted since the epoch, as a timestamp begins: ``2026-01-31T``."""
    return f"{date.fromordinal(_EPOCH + number)}T"


@cache
def texts_of_seconds() -> list[str]:
    """Return all seconds of a day as texts."""
    return [f"{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}" for second in range(86_400)]
