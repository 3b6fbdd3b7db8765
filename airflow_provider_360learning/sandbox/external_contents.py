"""What other platforms report: their courses, and attempts on them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airflow_provider_360learning.sandbox.clock import iso

if TYPE_CHECKING:
    from airflow_provider_360learning.sandbox.state import Course, Person

#: Group, platform, and the platform's id of the course (assumption: another group makes it another course).
Key = tuple[str, str, str]


@dataclass
class ExternalCourse:
    """A course of another platform. It is a course of the company, too.

    :param author: id of the user it is attributed to.
    :param details: the fields of the last import, under their documented names.
    :param times_sent: how often it was imported.
    """

    course: Course
    platform: str
    external_id: str
    author: str = ""
    details: dict[str, object] = field(default_factory=dict)
    times_sent: int = 0


@dataclass(frozen=True)
class Statistic:
    """What a platform says about one attempt, with what was missing filled in. Moments are seconds of the epoch.

    :param sent_first_activity: the first activity as it was sent, by which a repetition is known.
    """

    sent_first_activity: float | None
    progress: int
    score: float | None
    result: str | None
    global_time_ms: int
    first_activity: float
    last_activity: float
    completed_at: float | None


@dataclass
class ExternalAttempt:
    """An attempt on an external course.

    :param times_sent: how many statistics said something about it.
    """

    id: str
    statistic: Statistic
    times_sent: int = 1

    def plain(self) -> dict[str, object]:
        """Return it as course statistics show attempts."""
        statistic = self.statistic
        optional = {"score": statistic.score, "completedAt": _date(statistic.completed_at)}
        return {
            "_id": self.id,
            "progress": statistic.progress,
            "firstActivity": iso(statistic.first_activity),
            "lastActivity": iso(statistic.last_activity),
            "globalTime": statistic.global_time_ms,
        } | {name: value for name, value in optional.items() if value is not None}


class ExternalContents:
    """All external courses and the attempts on them."""

    def __init__(self) -> None:
        self.courses: dict[Key, ExternalCourse] = {}
        self._attempts: dict[str, dict[str, list[ExternalAttempt]]] = {}

    def attempts(self, course: str) -> Mapping[str, list[ExternalAttempt]]:
        """Return the attempts on a course by user, both given by id."""
        return self._attempts.get(course, {})

    def store(self, course: str, user: str, statistic: Statistic, new_id: str, *, update: bool) -> None:
        """Store a statistic as an attempt.

        :param update: whether one with the same first activity says more about the same attempt.
        """
        attempts = self._attempts.setdefault(course, {}).setdefault(user, [])
        for attempt in attempts:
            if update and attempt.statistic.sent_first_activity == statistic.sent_first_activity:
                attempt.statistic = statistic
                attempt.times_sent += 1
                return
        attempts.append(ExternalAttempt(new_id, statistic))

    def plain(self, people: Mapping[str, Person]) -> dict[str, object]:
        """Return all of it as plain JSON."""
        return {
            "external_courses": [_plain_course(each) for each in self.courses.values()],
            "external_attempts": list(self._plain_attempts(people)),
        }

    def _plain_attempts(self, people: Mapping[str, Person]) -> Iterator[dict[str, object]]:
        for external in self.courses.values():
            for user, attempts in self.attempts(external.course.id).items():
                for attempt in attempts:
                    yield _head(external) | {"user": user, "mail": people[user].mail} | _plain_attempt(attempt)


def _head(external: ExternalCourse) -> dict[str, object]:
    return {
        "platform": external.platform,
        "group": external.course.group,
        "external_id": external.external_id,
    }


def _plain_course(external: ExternalCourse) -> dict[str, object]:
    course = external.course
    return _head(external) | {
        "id": course.id,
        "title": course.name,
        "author": external.author,
        "archived": course.archived,
        "details": external.details,
        "times_sent": external.times_sent,
    }


def _plain_attempt(attempt: ExternalAttempt) -> dict[str, object]:
    statistic = attempt.statistic
    return {
        "id": attempt.id,
        "progress": statistic.progress,
        "score": statistic.score,
        "result": statistic.result,
        "global_time_ms": statistic.global_time_ms,
        "first_activity": iso(statistic.first_activity),
        "last_activity": iso(statistic.last_activity),
        "completed_at": _date(statistic.completed_at),
        "times_sent": attempt.times_sent,
    }


def _date(moment: float | None) -> str | None:
    return None if moment is None else iso(moment)
