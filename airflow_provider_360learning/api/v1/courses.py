"""Courses of API v1: the catalogs of groups, and what users did with a course."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from airflow_provider_360learning.api.actions import ApiAdapter, action, writes
from airflow_provider_360learning.api.types import ActionSteps, Call
from airflow_provider_360learning.api.values import answered_moment, check_id, check_ids, check_user, utc
from airflow_provider_360learning.exceptions import InvalidRequestError


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
