"""Courses of API v1: the catalogs of groups, and what users did with a course."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple, TypeVar

from airflow_provider_360learning.api.actions import ApiAdapter, action, writes
from airflow_provider_360learning.api.types import ActionSteps, Call
from airflow_provider_360learning.api.v1.json_stream import JsonStream, unusable
from airflow_provider_360learning.api.values import answered_moment, check_id, check_ids, check_user, utc
from airflow_provider_360learning.exceptions import InvalidRequestError

R = TypeVar("R")


class Attempt(NamedTuple):
    """
    What a user did with a course once. What v1 leaves out is ``None``, and moments are as v1 documents them:
    ``2022-05-16T22:00:00.000Z``.
    """

    attempt_id: str
    user_id: str | None
    #: Not in API v2.
    user_mail: str | None
    course_id: str | None
    path_id: str | None
    session_id: str | None
    #: 0 to 100.
    progress: float | None
    #: 0 to 100.
    score: float | None
    first_activity: str | None
    last_activity: str | None
    completed_at: str | None
    time_spent_seconds: float | None


class CourseActions(ApiAdapter):
    """List courses, change catalogs, read a user's attempts."""

    @action
    def list_courses(
        self,
        *,
        created_after: datetime | str | None = None,
        created_before: datetime | str | None = None,
        modified_after: datetime | str | None = None,
        modified_before: datetime | str | None = None,
    ) -> ActionSteps[list[dict[str, Any]]]:
        """
        List courses (``getCourses``), all of them or those of a span of time.

        :returns: ``course_id``, ``name``, ``status``, ``author_mail``, ``created_at``, ``modified_at``.
        """
        query = {
            "createdAfter": utc("created_after", created_after),
            "createdBefore": utc("created_before", created_before),
            "modifiedAfter": utc("modified_after", modified_after),
            "modifiedBefore": utc("modified_before", modified_before),
        }
        items = yield Call("getCourses", query=query)
        return [
            {
                "course_id": item.get("_id"),
                "name": item.get("name"),
                "status": item.get("status"),
                "author_mail": item.get("author"),
                "created_at": item.get("creationDate"),
                "modified_at": item.get("modificationDate"),
            }
            for item in items
        ]

    @action
    def get_catalog(self, group_id: str) -> ActionSteps[dict[str, Any]]:
        """
        Read the catalog of a group (``getGroupCatalog``).

        :param group_id: Id of the group.
        :returns: ``{"courses", "paths"}``, lists of ``{"id", "name"}``. Whether the ids of ``paths`` are those of
            paths or of path sessions is not known.
        """
        answer = yield Call("getGroupCatalog", path={"group_id": check_id("group_id", group_id)})
        return {
            kind: [{"id": item.get("_id"), "name": item.get("name")} for item in answer.get(kind) or ()]
            for kind in ("courses", "paths")
        }

    @writes("addToGroupCatalog", key=("group_id", "course_ids", "session_ids"))
    @action
    def add_to_catalog(
        self, group_id: str, *, course_ids: Iterable[str] = (), session_ids: Iterable[str] = ()
    ) -> ActionSteps[dict[str, Any]]:
        """
        Add courses and path sessions to the catalog of a group (``addToGroupCatalog``).

        :param group_id: Id of the group.
        :param course_ids: Ids of courses.
        :param session_ids: Ids of path sessions.
        :returns: ``{"group_id", "outcome": "added", "items"}``, ``items`` being their number.
        """
        return (yield from self._change_catalog("addToGroupCatalog", "added", group_id, course_ids, session_ids))

    @writes("deleteFromGroupCatalog", key=("group_id", "course_ids", "session_ids"))
    @action
    def remove_from_catalog(
        self, group_id: str, *, course_ids: Iterable[str] = (), session_ids: Iterable[str] = ()
    ) -> ActionSteps[dict[str, Any]]:
        """
        Take courses and path sessions out of the catalog of a group (``deleteFromGroupCatalog``).

        :param group_id: Id of the group.
        :param course_ids: Ids of courses.
        :param session_ids: Ids of path sessions.
        :returns: ``{"group_id", "outcome": "removed", "items"}``, ``items`` being their number.
        """
        return (yield from self._change_catalog("deleteFromGroupCatalog", "removed", group_id, course_ids, session_ids))

    @action
    def read_course_stats(
        self,
        take: Callable[[Iterator[list[Attempt]]], R],
        *,
        completed_after: datetime | str | None = None,
        completed_before: datetime | str | None = None,
        first_activity_after: datetime | str | None = None,
        first_activity_before: datetime | str | None = None,
        last_activity_after: datetime | str | None = None,
        last_activity_before: datetime | str | None = None,
    ) -> ActionSteps[R]:
        """
        Read the attempts of all users at all courses (``getCoursesStats``) while the answer comes in.

        v1 caps the answer at a number that is not documented, and does not say when it did. Nor is it known whether
        the moments asked for belong to the span.

        :param take: Takes the attempts, in lists of one user's at one course. It is called anew, with all attempts from
            the first, when the answer breaks off and is asked for again; it may stop before the last one.
        :returns: What ``take`` returns.
        """
        query = {
            "completedAtAfter": utc("completed_after", completed_after),
            "completedAtBefore": utc("completed_before", completed_before),
            "firstActivityAtAfter": utc("first_activity_after", first_activity_after),
            "firstActivityAtBefore": utc("first_activity_before", first_activity_before),
            "lastActivityAtAfter": utc("last_activity_after", last_activity_after),
            "lastActivityAtBefore": utc("last_activity_before", last_activity_before),
        }
        call = Call("getCoursesStats", query=query, read=lambda body: take(_attempts(JsonStream(body.read))))
        return (yield call)  # type: ignore[no-any-return]

    @action
    def get_user_course_stats(self, course_id: str, user: str) -> ActionSteps[list[dict[str, Any]]]:
        """
        Read the attempts of a user at a course (``getUserCourseStats``).

        The shape of v1's answer is an assumption: one object with ``attempts``, as in the listing of all users.

        :param course_id: Id of the course.
        :param user: Mail or id.
        :returns: A list of ``attempt_id``, ``progress`` (0-100), ``score`` (0-100 or ``None``),
            ``first_activity``, ``last_activity``, ``completed_at`` (ISO 8601 or ``None``), ``time_spent_ms``.
        """
        path = {"course_id": check_id("course_id", course_id), "user": check_user("user", user)}
        answer = yield Call("getUserCourseStats", path=path)
        return [
            {
                "attempt_id": attempt.get("_id"),
                "progress": attempt.get("progress"),
                "score": attempt.get("score"),
                "first_activity": attempt.get("firstActivity"),
                "last_activity": attempt.get("lastActivity"),
                "completed_at": answered_moment("completedAt", attempt.get("completedAt")),
                "time_spent_ms": attempt.get("globalTime"),
            }
            for attempt in answer["attempts"]
        ]

    def _change_catalog(
        self,
        operation: str,
        outcome: str,
        group_id: str,
        course_ids: Iterable[str],
        session_ids: Iterable[str],
    ) -> ActionSteps[dict[str, Any]]:
        courses, sessions = check_ids("course_ids", course_ids), check_ids("session_ids", session_ids)
        if not courses and not sessions:
            raise InvalidRequestError("course_ids and session_ids are both empty. Nothing was sent.")
        yield Call(
            operation,
            path={"group_id": check_id("group_id", group_id)},
            body={"courses": courses or None, "pathSessions": sessions or None},
        )
        return {"group_id": group_id, "outcome": outcome, "items": len(courses) + len(sessions)}


def _attempts(answer: JsonStream) -> Iterator[list[Attempt]]:
    """Flatten course statistics: one list for each user and course."""
    for _ in answer.items():
        course: Any = None
        held_back: list[Any] = []
        seen = set()
        for name in answer.names():
            seen.add(name)
            if name == "stats" and "course" in seen:
                for statistic in answer.values():
                    yield _attempts_of_user(course, statistic)
            elif name == "stats":  # JSON does not promise an order: one course's are held until it is named
                held_back = list(answer.values())
            elif name == "course":
                course = answer.value()
            else:
                answer.value()
        if not {"course", "stats"} <= seen:
            raise unusable("a course lacks course or stats")
        for statistic in held_back:
            yield _attempts_of_user(course, statistic)
    answer.end()


def _attempts_of_user(course: Mapping[str, Any] | None, statistic: Mapping[str, Any]) -> list[Attempt]:
    try:
        user = statistic["user"] or {}
        user_id, mail, course_id = user.get("_id"), user.get("mail"), (course or {}).get("_id")
        return [
            Attempt(
                attempt["_id"],
                user_id,
                mail,
                course_id,
                attempt.get("path"),
                attempt.get("pathSession"),
                attempt.get("progress"),
                attempt.get("score"),
                _moment("firstActivity", attempt.get("firstActivity")),
                _moment("lastActivity", attempt.get("lastActivity")),
                _moment("completedAt", attempt.get("completedAt")),
                _seconds(attempt.get("globalTime")),
            )
            for attempt in statistic["attempts"]
        ]
    except (AttributeError, KeyError, TypeError) as error:
        fault = type(error).__name__
    raise unusable(f"a statistic is not as expected ({fault})")


def _moment(name: str, value: Any) -> str | None:
    # As v1 writes them; to parse millions would take a minute. No other way of ISO 8601 is as long and ends so.
    if value is None or (len(value) == 24 and value[10] == "T" and value[23] == "Z"):
        return value  # type: ignore[no-any-return]
    return answered_moment(name, value)


def _seconds(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000
