"""Courses, and the attempts on them."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import islice
from typing import NamedTuple

from airflow_provider_360learning.sandbox.clock import ALWAYS, Period, iso
from airflow_provider_360learning.sandbox.routing import Response
from airflow_provider_360learning.sandbox.settings import Settings
from airflow_provider_360learning.sandbox.state.generated import (
    DAY_MS,
    GeneratedAttempts,
    generated_course,
    generated_user,
    text_of_day,
    texts_of_seconds,
)
from airflow_provider_360learning.sandbox.state.model import Attempt, Course, Person
from airflow_provider_360learning.sandbox.v1.call import Call, Operations

operations = Operations()

#: Filters of course statistics and the date of an attempt that each is about.
_ATTEMPT_DATES = {"completedAt": "completed", "firstActivityAt": "first_activity", "lastActivityAt": "last_activity"}

#: User entries per part of a generated response, which make some ten kilobytes.
_USERS_PER_PART = 100


class ResultCap:
    """The remaining size of a capped course statistic."""

    def __init__(self, settings: Settings) -> None:
        cap = settings.course_stats_cap
        self._left: float = math.inf if cap is None else cap
        self._counts_attempts = settings.course_stats_cap_counts == "attempts"

    def take(self, attempts: int) -> int:
        """Take capacity for the attempts of one user on one course, and return how many of them fit."""
        if not self._counts_attempts:
            attempts = attempts if self._left else 0
            self._left -= bool(attempts)
        elif attempts > self._left:
            attempts, self._left = int(self._left), 0
        else:
            self._left -= attempts
        return attempts


@operations.add(
    "getCourses",
    "GET",
    "/courses",
    evidence="recorded",
    assumes="The status of an archived course is `archived`. Authors, group and duration are those that a public "
    "client reads.",
)
def get_courses(call: Call) -> Response:
    """List all courses, whatever their status, that were created and modified in the given periods."""
    created = call.period("createdAfter", "createdBefore")
    modified = call.period("modifiedAfter", "modifiedBefore")
    return Response(
        [
            _summary(call, each)
            for each in call.state.courses.values()
            if created.holds(each.created_at) and modified.holds(each.modified_at)
        ]
    )


@operations.add(
    "getCourse",
    "GET",
    "/courses/{course_id}",
    assumes="The error for an unknown course; a deleted course is found; `skills` are there, as a guide on migration "
    "implies.",
)
def get_course(call: Call) -> Response:
    """Return one course."""
    course = call.course(call.path["course_id"])
    translations = [
        {
            "lang": each["lang"],
            "published": each["published"],
            "translators": _mails(call, each["translators"]),
        }
        for each in course.translations
    ]
    return Response(_summary(call, course) | {"translationsLangs": translations})


@operations.add("getCoursesStats", "GET", "/courses/stats", assumes="Courses without attempts are left out.")
def get_courses_stats(call: Call) -> Response:
    """List the attempts on all courses, by course and user."""
    entries, cap = [], ResultCap(call.settings)
    if generated := call.company.generated:
        return Response(_written(generated, generated.select(**_attempt_periods(call)), cap))
    for course in call.state.courses.values():
        if stats := _course_stats(call, course, cap):
            entries.append(_entry(call, course={"_id": course.id, "name": course.name}, stats=stats))
    return Response(entries)


@operations.add("getCourseStats", "GET", "/courses/{course_id}/stats")
def get_course_stats(call: Call) -> Response:
    """List the attempts on a course, by user."""
    course = call.course(call.path["course_id"])
    return Response(_course_stats(call, course, ResultCap(call.settings)))


@operations.add(
    "getUserCourseStats",
    "GET",
    "/courses/{course_id}/stats/{user_email}",
    assumes="The shape of the response; a user without attempts has an empty list.",
)
def get_user_course_stats(call: Call) -> Response:
    """List one user's attempts on a course."""
    course, person = call.course(call.path["course_id"]), call.person(call.path["user_email"])
    attempts = _selected(call.company.learners.attempts(course, person), _attempt_periods(call))
    return Response({"attempts": attempts, "user": _user(person)})


@operations.add(
    "getUserCourses",
    "GET",
    "/users/{user_email}/courses",
    evidence="client",
    assumes="The shape of the response, which is that of getCoursesStats without users; deleted courses are listed.",
)
def get_user_courses(call: Call) -> Response:
    """List one user's attempts, by course."""
    person, learners = call.person(call.path["user_email"]), call.company.learners
    found = ((course, _selected(learners.attempts(course, person), {})) for course in call.state.courses.values())
    return Response(
        [
            _entry(call, course={"_id": course.id, "name": course.name}, attempts=attempts)
            for course, attempts in found
            if attempts
        ]
    )


def _summary(call: Call, course: Course) -> dict[str, object]:
    group = call.state.groups.get(course.group)
    return {
        "_id": course.id,
        "name": course.name,
        "author": course.author,
        "coAuthors": _mails(call, course.co_authors),
        "group": course.group,
        "groupName": group.name if group else "",
        "courseDuration": course.duration,
        "skills": course.tags,
        "description": course.description,
        "status": course.status,
        "lang": course.lang,
        "defaultLang": course.lang,
        "creationDate": iso(course.created_at),
        "modificationDate": iso(course.modified_at),
    }


def _mails(call: Call, ids: Iterable[str]) -> list[str]:
    return [call.state.people[id].mail for id in ids if id in call.state.people]


def _user(person: Person) -> dict[str, object]:
    return {"_id": person.id, "mail": person.mail}


def _course_stats(call: Call, course: Course, cap: ResultCap) -> list[dict[str, object]]:
    """Return the attempts on a course in the given periods, by user."""
    periods, learners = _attempt_periods(call), call.company.learners
    stats: list[dict[str, object]] = []
    for person in learners.of_course(course):
        attempts = _selected(learners.attempts(course, person), periods)
        if attempts := attempts[: cap.take(len(attempts))]:
            stats.append(_entry(call, user=_user(person), attempts=attempts))
    return stats


def _selected(attempts: Iterable[Attempt], periods: Mapping[str, Period]) -> list[dict[str, object]]:
    """Return the attempts that are in the given periods."""
    return [_attempt(each) for each in attempts if _is_in(each, periods)]


def _is_in(attempt: Attempt, periods: Mapping[str, Period]) -> bool:
    dates = {
        "completed": attempt.completed_at,
        "first_activity": attempt.first_activity,
        "last_activity": attempt.last_activity,
    }
    return all(period.holds(dates[name]) for name, period in periods.items())


def _attempt(attempt: Attempt) -> dict[str, object]:
    optional = {
        "score": attempt.score,
        "completedAt": None if attempt.completed_at is None else iso(attempt.completed_at),
        "path": attempt.path,
        "pathSession": attempt.session,
    }
    return {
        "_id": attempt.id,
        "progress": attempt.progress,
        "firstActivity": iso(attempt.first_activity),
        "lastActivity": iso(attempt.last_activity),
        "globalTime": attempt.time_spent_ms,
    } | {name: value for name, value in optional.items() if value is not None}


def _entry(call: Call, **parts: object) -> dict[str, object]:
    """Return attempts with their owner, in the order of the setting ``attempts_first``."""
    return dict(reversed(parts.items())) if call.settings.attempts_first else parts


def _attempt_periods(call: Call) -> dict[str, Period]:
    periods = {date: call.period(f"{name}After", f"{name}Before") for name, date in _ATTEMPT_DATES.items()}
    return {date: period for date, period in periods.items() if period != ALWAYS}


# Generated attempts: their JSON is put together from prepared parts, ten times faster than by `json.dumps`.


def _written(generated: GeneratedAttempts, selection: range, cap: ResultCap) -> Iterator[bytes]:
    """Return the body of getCoursesStats in parts."""
    separator = "["
    for course in range(generated.courses):
        id, name = generated_course(course)
        head = json.dumps({"_id": id, "name": name}, ensure_ascii=False, separators=(",", ":"))
        opening = f'{separator}{{"course":{head},"stats":['
        users = _written_users(generated, course, selection, cap)
        while part := ",".join(islice(users, _USERS_PER_PART)):
            yield (opening + part).encode()
            opening = separator = ","
        if opening == ",":
            yield b"]}"
    yield b"[]" if separator == "[" else b"]"


def _written_users(generated: GeneratedAttempts, course: int, selection: range, cap: ResultCap) -> Iterator[str]:
    users, clock, completed_ms = _generated_users(generated.users), texts_of_seconds(), generated.completed_ms
    for user, numbers in generated.by_user(course, selection):
        numbers = numbers[: cap.take(len(numbers))]
        if not numbers:
            return
        template = users[user]
        attempts = []
        for number in numbers:
            day, time_of_day = divmod(completed_ms(number), DAY_MS)
            second, millisecond = divmod(time_of_day, 1000)
            time = f"{clock[second]}.{millisecond:03}Z"
            first, last = text_of_day(day - 1), text_of_day(day)
            attempts.append(
                f'{{"_id":"64c0{number:020x}","progress":100,{template.score}"firstActivity":"{first}{time}",'
                f'"lastActivity":"{last}{time}","completedAt":"{last}{time}",{template.end}}}'
            )
        yield f"{template.start}{','.join(attempts)}]}}"


class _UserParts(NamedTuple):
    """The parts of the JSON that are the same in all entries of a user."""

    start: str
    score: str
    end: str


@lru_cache(maxsize=1)
def _generated_users(count: int) -> list[_UserParts]:
    return [_user_parts(number) for number in range(count)]


def _user_parts(number: int) -> _UserParts:
    user = generated_user(number)
    in_path = f',"path":"{user.path}","pathSession":"{user.session}"' if user.path else ""
    return _UserParts(
        start=f'{{"user":{{"_id":"{user.id}","mail":"{user.mail}"}},"attempts":[',
        score="" if user.score is None else f'"score":{user.score},',
        end=f'"globalTime":{user.time_spent_ms}{in_path}',
    )
