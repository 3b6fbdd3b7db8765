"""Courses of API v1: the catalogs of groups, and what users did with a course."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Literal

from airflow_provider_360learning.api.actions import ApiAdapter, WriteSpec, action
from airflow_provider_360learning.api.course_results import (
    Catalog,
    CatalogItem,
    ChangedCatalog,
    CourseAttempt,
    CourseRecord,
    CourseTranslation,
    UserCourseAttempt,
)
from airflow_provider_360learning.api.fields import boolean, nested, number, objects, string, strings_if_any
from airflow_provider_360learning.api.models.courses import (
    AddToCatalog,
    ChangeCatalog,
    GetCatalog,
    GetCourse,
    GetUserCourseStats,
    ListCourses,
    ListUserCourseStats,
    RemoveFromCatalog,
)
from airflow_provider_360learning.api.timestamps import Interval, read_timestamp, write_timestamp
from airflow_provider_360learning.api.types import ActionSteps, Call, ResponseObject

#: The first start of an interval that has a time before it.
_EARLIEST = datetime(1, 1, 2, tzinfo=UTC)
_CATALOG_KEY = ("group_id", "course_ids", "session_ids")


def _neutral_course(item: ResponseObject) -> CourseRecord:
    """Read a course of the listing, which lacks some keys, or of ``getCourse``."""
    translations = None
    if item.get("translationsLangs") is not None:
        translations = [_neutral_translation(each) for each in objects(item, "translationsLangs")]
    return {
        "course_id": string(item, "_id"),
        "name": string(item, "name"),
        "status": string(item, "status"),
        "type": string(item, "type"),
        "lang": string(item, "lang"),
        "default_lang": string(item, "defaultLang"),
        "description": string(item, "description"),
        "duration_minutes": number(item, "courseDuration"),
        "group_id": string(item, "group"),
        "group_name": string(item, "groupName"),
        "author_id": None,
        "author_mail": string(item, "author"),
        "co_author_ids": None,
        "co_author_mails": strings_if_any(item, "coAuthors"),
        "tag_ids": strings_if_any(item, "skills"),
        "translations": translations,
        "external_platform": None,
        "version_number": None,
        "collaborative_learning": None,
        "created_at": read_timestamp("creationDate", item.get("creationDate")),
        "modified_at": read_timestamp("modificationDate", item.get("modificationDate")),
    }


def _neutral_translation(item: ResponseObject) -> CourseTranslation:
    return {
        "lang": string(item, "lang"),
        "published": boolean(item, "published"),
        "translator_ids": None,
        "translator_mails": strings_if_any(item, "translators"),
        "name": None,
        "description": None,
    }


class CourseActions(ApiAdapter):
    """List courses, change catalogs, read the attempts of users."""

    @action(ListCourses)
    def list_courses(self, arguments: ListCourses) -> ActionSteps[list[CourseRecord]]:
        """
        Return courses (``getCourses``), all of them or those of an interval.

        It is not known whether v1's bounds are included. A millisecond more is requested, and each course is checked.
        """
        created = Interval(arguments.created_after, arguments.created_before)
        modified = Interval(arguments.modified_after, arguments.modified_before)
        query = {
            "createdAfter": _just_before(created.start),
            "createdBefore": write_timestamp(created.end),
            "modifiedAfter": _just_before(modified.start),
            "modifiedBefore": write_timestamp(modified.end),
        }
        items = yield Call("getCourses", query=query)
        courses = [_neutral_course(item) for item in items]
        return [each for each in courses if created.has(each["created_at"]) and modified.has(each["modified_at"])]

    @action(GetCourse)
    def get_course(self, arguments: GetCourse) -> ActionSteps[CourseRecord]:
        """
        Return a course (``getCourse``).

        :raises NotFoundError: if the course does not exist.
        """
        return _neutral_course((yield Call("getCourse", path={"course_id": arguments.course_id})))

    @action(GetCatalog)
    def get_catalog(self, arguments: GetCatalog) -> ActionSteps[Catalog]:
        """Return the catalog of a group (``getGroupCatalog``)."""
        response = yield Call("getGroupCatalog", path={"group_id": arguments.group_id})
        return {"courses": _catalog_items(response, "courses"), "paths": _catalog_items(response, "paths")}

    @action(AddToCatalog, write=WriteSpec("addToGroupCatalog", key=_CATALOG_KEY))
    def add_to_catalog(self, arguments: AddToCatalog) -> ActionSteps[ChangedCatalog]:
        """Add courses and path sessions to the catalog of a group (``addToGroupCatalog``)."""
        return (yield from self._change_catalog("addToGroupCatalog", "added", arguments))

    @action(RemoveFromCatalog, write=WriteSpec("deleteFromGroupCatalog", key=_CATALOG_KEY))
    def remove_from_catalog(self, arguments: RemoveFromCatalog) -> ActionSteps[ChangedCatalog]:
        """Remove courses and path sessions from the catalog of a group (``deleteFromGroupCatalog``)."""
        return (yield from self._change_catalog("deleteFromGroupCatalog", "removed", arguments))

    @action(GetUserCourseStats)
    def get_user_course_stats(self, arguments: GetUserCourseStats) -> ActionSteps[list[CourseAttempt]]:
        """
        Return the attempts of a user at a course (``getUserCourseStats``).

        The shape of v1's response is an assumption: one object with ``attempts``, as in the listing of all users.
        """
        path = {"course_id": arguments.course_id, "user": arguments.user}
        response = yield Call("getUserCourseStats", path=path)
        return [_neutral_attempt(attempt) for attempt in response["attempts"]]

    @action(ListUserCourseStats)
    def list_user_course_stats(self, arguments: ListUserCourseStats) -> ActionSteps[list[UserCourseAttempt]]:
        """
        Return the attempts of a user at all courses (``getUserCourses``).

        The shape of v1's response is an assumption: that of ``getCoursesStats`` without users.
        """
        items = yield Call("getUserCourses", path={"user": arguments.user})
        return [
            {
                "course_id": string(nested(item, "course"), "_id"),
                "course_name": string(nested(item, "course"), "name"),
                **_neutral_attempt(attempt),
            }
            for item in items
            for attempt in objects(item, "attempts")
        ]

    def _change_catalog(
        self, operation: str, outcome: Literal["added", "removed"], arguments: ChangeCatalog
    ) -> ActionSteps[ChangedCatalog]:
        courses, sessions = list(arguments.course_ids), list(arguments.session_ids)
        body = {"courses": courses or None, "pathSessions": sessions or None}
        yield Call(operation, path={"group_id": arguments.group_id}, body=body)
        return {"group_id": arguments.group_id, "outcome": outcome, "items": len(courses) + len(sessions)}


def _neutral_attempt(attempt: ResponseObject) -> CourseAttempt:
    return {
        "attempt_id": string(attempt, "_id"),
        "progress": number(attempt, "progress"),
        "score": number(attempt, "score"),
        "first_activity": string(attempt, "firstActivity"),
        "last_activity": string(attempt, "lastActivity"),
        "completed_at": read_timestamp("completedAt", attempt.get("completedAt")),
        "time_spent_ms": _whole(number(attempt, "globalTime")),
        "path_id": string(attempt, "path"),
        "session_id": string(attempt, "pathSession"),
        "version_number": None,
        "lang": None,
    }


def _just_before(start: datetime | None) -> str | None:
    return None if start is None else write_timestamp(max(start, _EARLIEST) - timedelta(milliseconds=1))


def _whole(milliseconds: float | None) -> int | None:
    return None if milliseconds is None else round(milliseconds)


def _catalog_items(response: ResponseObject, kind: str) -> list[CatalogItem]:
    return [{"id": string(item, "_id"), "name": string(item, "name")} for item in objects(response, kind)]
