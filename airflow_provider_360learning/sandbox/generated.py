"""Course statistics of a large company, made up while they are sent: in constant memory, and fast."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import date
from functools import cache, lru_cache
from itertools import islice
from typing import NamedTuple

from airflow_provider_360learning.sandbox.periods import ALWAYS, Period, milliseconds
from airflow_provider_360learning.sandbox.result_cap import Room
from airflow_provider_360learning.sandbox.settings import Settings

DAY = 86_400_000
_EPOCH = date(1970, 1, 1).toordinal()
#: User entries that are sent at a time: some ten kilobytes.
_BLOCK = 100


class GeneratedAttempts:
    """The attempts 0, 1, 2, … of a made-up company, in the order of their completion.

    They take turns with the courses; those of one course with the users. Everybody begins a day before completion, so
    that each filter is a range of numbers.
    """

    def __init__(self, settings: Settings) -> None:
        self._count = settings.generated_attempts
        self._courses = settings.generated_courses
        self._users = settings.generated_users
        self._from = milliseconds(settings.generated_from.timestamp())
        self._span = milliseconds(settings.generated_until.timestamp()) - self._from

    def answer(self, periods: Mapping[str, Period], room: Room) -> Iterator[bytes]:
        """Write the body of getCoursesStats.

        :param periods: the period that is asked for, by the date that is to be in it.
        """
        numbers = self._numbers(periods)
        separator = "["
        for course in range(self._courses):
            opening = f'{separator}{{"course":{_course(course)},"stats":['
            users = self._users_of(course, self._turns(course, numbers), room)
            while block := ",".join(islice(users, _BLOCK)):
                yield (opening + block).encode()
                opening = separator = ","
            if opening == ",":
                yield b"]}"
        yield b"[]" if separator == "[" else b"]"

    def _numbers(self, periods: Mapping[str, Period]) -> range:
        """Return which attempts are in all periods."""
        first, last = float(self._from), float(self._from + self._span - 1)
        for name, later in (("completedAt", 0), ("lastActivity", 0), ("firstActivity", DAY)):
            period = periods.get(name, ALWAYS)
            first, last = max(first, period.first + later), min(last, period.last + later)
        return range(self._next_from(int(first)), self._next_from(int(last) + 1))

    def _next_from(self, moment: int) -> int:
        """Return the first attempt that is completed at a moment or later."""
        return -(-(moment - self._from) * self._count // self._span)

    def _turns(self, course: int, numbers: range) -> range:
        """Return at which turns of a course its attempts have these numbers."""
        return range(-((course - numbers.start) // self._courses), -((course - numbers.stop) // self._courses))

    def _users_of(self, course: int, turns: range, room: Room) -> Iterator[str]:
        """Write the entries of a course, one a user."""
        people, clock = _people(self._users), _clock()
        start, span, count, courses, users = self._from, self._span, self._count, self._courses, self._users
        for first in turns[:users]:
            mine = range(first, turns.stop, users)
            mine = mine[: room.take(len(mine))]
            if not mine:
                return
            person = people[first % users]
            attempts = []
            for turn in mine:
                number = course + courses * turn
                day, time = divmod(start + number * span // count, DAY)
                second, thousandth = divmod(time, 1000)
                begun, completed = _day(day - 1), _day(day)
                time_of_day = f"{clock[second]}.{thousandth:03}Z"
                attempts.append(
                    f'{{"_id":"64c0{number:020x}","progress":100,{person.score}"firstActivity":"{begun}{time_of_day}",'
                    f'"lastActivity":"{completed}{time_of_day}","completedAt":"{completed}{time_of_day}",{person.end}}}'
                )
            yield f"{person.start}{','.join(attempts)}]}}"


class _Person(NamedTuple):
    """Parts of the JSON that are the same in all entries of a user."""

    start: str
    score: str
    end: str


@lru_cache(maxsize=1)
def _people(count: int) -> list[_Person]:
    """Make the users up. Two of three have scores, every other one learns in a path."""
    return [
        _Person(
            start=f'{{"user":{{"_id":"64c1{number:020x}","mail":"learner.{number:06}@acme.test"}},"attempts":[',
            score=f'"score":{number % 101},' if number % 3 else "",
            end=f'"globalTime":{60_000 + number * 7919 % 3_600_000}'
            + (f',"path":"64c2{number % 7:020x}","pathSession":"64c3{number % 7:020x}"' if number % 2 else ""),
        )
        for number in range(count)
    ]


def _course(number: int) -> str:
    # Real names hold all sorts of characters, line breaks included.
    name = f"Module {number}" if number % 10 else f'Sécurité, "niveau {number}"\n日本'
    return json.dumps({"_id": f"64c4{number:020x}", "name": name}, ensure_ascii=False, separators=(",", ":"))


@cache
def _day(number: int) -> str:
    return f"{date.fromordinal(_EPOCH + number)}T"


@cache
def _clock() -> list[str]:
    """Write all seconds of a day."""
    return [f"{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}" for second in range(86_400)]
