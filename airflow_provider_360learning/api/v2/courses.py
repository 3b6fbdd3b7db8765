"""Courses and catalogs of API v2, and what users did with a course."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import cached_property
from typing import Literal

from airflow_provider_360learning.api.actions import WriteSpec, action
from airflow_provider_360learning.api.bulk_jobs import JobKind, JobTarget
from airflow_provider_360learning.api.course_results import (
    ArchivedCourse,
    Catalog,
    CatalogItem,
    ChangedCatalog,
    CourseAttempt,
    CourseCompletionRecord,
    CourseRecord,
    CourseTranslation,
    UserCourseAttempt,
)
from airflow_provider_360learning.api.fields import (
    boolean,
    first_string,
    nested,
    number,
    objects,
    string,
    strings_if_any,
)
from airflow_provider_360learning.api.models.courses import (
    AddToCatalog,
    ArchiveCourse,
    ChangeCatalog,
    GetCatalog,
    GetCourse,
    GetUserCourseStats,
    ListCourses,
    ListUserCourseStats,
    RemoveFromCatalog,
)
from airflow_provider_360learning.api.pages import all_items, each_page
from airflow_provider_360learning.api.timestamps import Interval, read_timestamp
from airflow_provider_360learning.api.types import ActionSteps, Call, JsonObject, ResponseObject
from airflow_provider_360learning.api.v2.job_kinds import ADD_TO_CATALOG, REMOVE_FROM_CATALOG, catalog_inputs
from airflow_provider_360learning.api.v2.job_steps import raise_refused, run_jobs
from airflow_provider_360learning.api.v2.lookups import USER_NOT_FOUND, Lookups
from airflow_provider_360learning.api.v2.timestamps import at_or_after, before
from airflow_provider_360learning.exceptions import NotFoundError

#: Maximum number of users in one query: 24 characters each, and the name of the parameter, in 4 kB of URL.
USERS_PER_QUERY = 85
#: Maximum number of queries for the attempts of given users; for more users, those of all are read.
MAX_QUERIES = 2
#: No completion is earlier.
EARLIEST_COMPLETION = datetime(1970, 1, 1, tzinfo=UTC)
_CATALOG_KEY = ("group_id", "course_ids", "session_ids")


def neutral_course(item: ResponseObject) -> CourseRecord:
    """Read a course of any v2 route."""
    translations = [_neutral_translation(each) for each in objects(item, "translations")]
    return {
        "course_id": string(item, "_id"),
        "name": string(item, "name"),
        "status": string(item, "status"),
        "type": string(item, "type"),
        "lang": string(item, "sourceLang"),
        "default_lang": string(item, "defaultLang"),
        "description": string(item, "description"),
        "duration_minutes": number(item, "duration"),
        "group_id": string(item, "groupId"),
        "group_name": None,
        "author_id": string(item, "authorId"),
        "author_mail": None,
        "co_author_ids": strings_if_any(item, "coAuthorIds"),
        "co_author_mails": None,
        "tag_ids": None,
        "translations": translations,
        "external_platform": string(item, "externalPlatform"),
        "version_number": number(item, "currentVersionNumber"),
        "collaborative_learning": boolean(item, "collaborativeLearning"),
        "created_at": read_timestamp("createdAt", item.get("createdAt")),
        "modified_at": read_timestamp("modifiedAt", item.get("modifiedAt")),
    }


def _neutral_translation(item: ResponseObject) -> CourseTranslation:
    fields = nested(item, "translatedFields")
    return {
        "lang": string(item, "lang"),
        "published": boolean(item, "published"),
        "translator_ids": strings_if_any(item, "translatorIds"),
        "translator_mails": None,
        "name": string(fields, "name"),
        "description": string(fields, "description"),
    }


class CourseActions(Lookups):
    """List courses, change catalogs, read the attempts of users."""

    @action(ListCourses)
    def list_courses(self, arguments: ListCourses) -> ActionSteps[list[CourseRecord]]:
        """
        Return courses (``getCourses``), all of them or those of an interval, 500 per request.

        ``author_mail`` is ``None``: API v2 returns the id of the author.
        """
        created = Interval(arguments.created_after, arguments.created_before)
        modified = Interval(arguments.modified_after, arguments.modified_before)
        items = yield from all_items(
            Call("getCourses", query={**_filter("createdAt", created), **_filter("modifiedAt", modified)})
        )
        courses = [neutral_course(item) for item in items]
        # The filters have a precision of one second.
        return [each for each in courses if created.has(each["created_at"]) and modified.has(each["modified_at"])]

    @action(GetCourse)
    def get_course(self, arguments: GetCourse) -> ActionSteps[CourseRecord]:
        """
        Return a course (``getCourse``).

        :raises NotFoundError: if the course does not exist.
        """
        return neutral_course((yield Call("getCourse", path={"courseId": arguments.course_id})))

    @action(ArchiveCourse, write=WriteSpec("archiveOrUnarchiveCourse", key=("course_id",)))
    def archive_course(self, arguments: ArchiveCourse) -> ActionSteps[ArchivedCourse]:
        """
        Archive or restore a course (``archiveOrUnarchiveCourse``).

        :raises NotFoundError: if the course does not exist.
        :raises RefusedError: for an external course whose integration is not active.
        """
        course_id = arguments.course_id
        if arguments.dry_run:
            item = yield Call("getCourse", path={"courseId": course_id})
            return {
                "course_id": course_id,
                "name": string(item, "name"),
                "outcome": "would_archive" if arguments.archived else "would_restore",
            }
        yield Call("archiveOrUnarchiveCourse", path={"courseId": course_id}, body={"archived": arguments.archived})
        return {"course_id": course_id, "name": None, "outcome": "archived" if arguments.archived else "restored"}

    @action(GetCatalog)
    def get_catalog(self, arguments: GetCatalog) -> ActionSteps[Catalog]:
        """
        Return the ids of the catalog of a group (``getCatalogContentIds``): ``paths`` are path sessions.

        ``name`` of the items is ``None``: API v2 lists ids, and the names would take the listings of all courses and
        sessions.

        :raises NotFoundError: if the group does not exist.
        """
        courses = yield from self._catalog_items(arguments.group_id, "course")
        sessions = yield from self._catalog_items(arguments.group_id, "path-session")
        return {"courses": courses, "paths": sessions}

    @action(AddToCatalog, write=WriteSpec(ADD_TO_CATALOG.operation, key=_CATALOG_KEY))
    def add_to_catalog(self, arguments: AddToCatalog) -> ActionSteps[ChangedCatalog]:
        """
        Add courses and path sessions to the catalog of a group by a bulk job (``addContentsToGroupsCatalog``).

        :raises RefusedError: if the job has refused one of them. The others are in the catalog.
        """
        return (yield from self._change_catalog(ADD_TO_CATALOG, "added", arguments))

    @action(RemoveFromCatalog, write=WriteSpec(REMOVE_FROM_CATALOG.operation, key=_CATALOG_KEY))
    def remove_from_catalog(self, arguments: RemoveFromCatalog) -> ActionSteps[ChangedCatalog]:
        """
        Remove courses and path sessions from the catalog of a group by a job (``removeContentsFromGroupsCatalog``).

        :raises RefusedError: if the job has refused one of them. The others are not in the catalog any more.
        """
        return (yield from self._change_catalog(REMOVE_FROM_CATALOG, "removed", arguments))

    @action(GetUserCourseStats)
    def get_user_course_stats(self, arguments: GetUserCourseStats) -> ActionSteps[list[CourseAttempt]]:
        """
        Return the attempts of a user at a course (``getAllCourseStats``).

        API v2 returns no attempts for an unknown course or user, and those of a deleted user. Without attempts, the
        course is therefore looked up; without a completed one, the user.

        :raises NotFoundError: if the course or the user does not exist.
        """
        course_id, user = arguments.course_id, arguments.user
        user_id = yield from self.user_id_of(user)
        query = {"courseId[eq]": course_id, "userId[eq]": user_id}
        items = yield from all_items(Call("getAllCourseStats", query=query))
        if not items:
            yield from self._check_course(course_id)
        if not any(item.get("completedAt") for item in items):
            yield from self._check_user(user, user_id)
        return [_neutral_attempt(item) for item in items]

    @action(ListUserCourseStats)
    def list_user_course_stats(self, arguments: ListUserCourseStats) -> ActionSteps[list[UserCourseAttempt]]:
        """
        Return the attempts of a user at all courses (``getAllCourseStats``).

        API v2 returns no attempts for an unknown user, and those of a deleted one. Without a completed attempt, the
        user is therefore looked up.

        :raises NotFoundError: if the user does not exist.
        """
        user = arguments.user
        user_id = yield from self.user_id_of(user)
        items = yield from all_items(Call("getAllCourseStats", query={"userId[eq]": user_id}))
        if not any(item.get("completedAt") for item in items):
            yield from self._check_user(user, user_id)
        return [
            {"course_id": string(item, "courseId"), "course_name": None, **_neutral_attempt(item)} for item in items
        ]

    def course_completions(
        self,
        course_id: str,
        user_ids: Sequence[str],
        since: datetime | None,
        take: Callable[[CourseCompletionRecord], None],
    ) -> ActionSteps[None]:
        """
        Read the completed attempts of users at a course (``getAllCourseStats``).

        A few users are asked for by their ids. For more, all attempts that were completed since then are read, 500 per
        request, so that the number of requests does not grow with the users.

        .. seealso:: :meth:`~..statistics_by_id.StatisticsById.course_completions` for the arguments.
        """
        first = since or EARLIEST_COMPLETION
        query: JsonObject = {"courseId[eq]": course_id, "completedAt[gte]": at_or_after(first)}
        chunks = [user_ids[start : start + USERS_PER_QUERY] for start in range(0, len(user_ids), USERS_PER_QUERY)]
        queries = [{**query, "userId[in]": list(chunk)} for chunk in chunks] if len(chunks) <= MAX_QUERIES else [query]
        found = False

        def take_page(items: list[ResponseObject]) -> None:
            nonlocal found
            for item in items:
                found = True
                take(
                    {
                        "user_id": first_string(item, "userId"),
                        "score": number(item, "score"),
                        "completed_at": read_timestamp("completedAt", item.get("completedAt")),
                    }
                )

        for each in queries:
            yield from each_page(Call("getAllCourseStats", query=each), take_page)
        if queries and not found:
            yield from self._check_course(course_id)

    def _change_catalog(
        self, kind: JobKind, outcome: Literal["added", "removed"], arguments: ChangeCatalog
    ) -> ActionSteps[ChangedCatalog]:
        inputs = catalog_inputs(arguments)
        raise_refused(kind, (yield from run_jobs(kind, inputs, JobTarget())))
        return {"group_id": arguments.group_id, "outcome": outcome, "items": len(inputs)}

    @cached_property
    def _found_courses(self) -> set[str]:
        """The ids of courses that exist."""
        return set()

    def _check_course(self, course_id: str) -> ActionSteps[None]:
        """Raise an error for a course that does not exist; that one does exist is remembered."""
        if course_id not in self._found_courses:
            yield Call("getCourse", path={"courseId": course_id})
            self._found_courses.add(course_id)

    def _check_user(self, user: str, user_id: str) -> ActionSteps[None]:
        """Raise the error of API v1 for a user who does not exist, or not any more."""
        try:
            item = yield Call("getUser", path={"userId": user_id})
            if string(item, "status") != "deleted":
                return
        except NotFoundError:
            pass
        self.forget_user(user)
        raise NotFoundError(
            f"The user {user} does not exist, or is deleted: check the email address or id",
            operation="getUser",
            code=USER_NOT_FOUND,
        )

    def _catalog_items(self, group_id: str, content_type: str) -> ActionSteps[list[CatalogItem]]:
        path = {"groupId": group_id, "contentType": content_type}
        ids = yield from all_items(Call("getCatalogContentIds", path=path))
        return [{"id": id, "name": None} for id in ids]


def _neutral_attempt(item: ResponseObject) -> CourseAttempt:
    return {
        "attempt_id": string(item, "_id"),
        "progress": number(item, "progress"),
        "score": number(item, "score"),
        "first_activity": read_timestamp("firstActivityAt", item.get("firstActivityAt")),
        "last_activity": read_timestamp("lastActivityAt", item.get("lastActivityAt")),
        "completed_at": read_timestamp("completedAt", item.get("completedAt")),
        "time_spent_ms": _whole(number(item, "timeSpent")),
        "path_id": string(item, "pathId"),
        "session_id": string(item, "pathSessionId"),
        "version_number": number(item, "versionNumber"),
        "lang": string(item, "lang"),
    }


def _filter(field: str, interval: Interval) -> dict[str, str]:
    """Return the filter that selects an interval, to whole seconds."""
    bounds: tuple[tuple[str, datetime | None, Callable[[datetime], str]], ...] = (
        ("gte", interval.start, at_or_after),
        ("lt", interval.end, before),
    )
    return {f"{field}[{operator}]": written(time) for operator, time, written in bounds if time is not None}


def _whole(milliseconds: float | None) -> int | None:
    return None if milliseconds is None else round(milliseconds)
