"""External contents of API v1: courses of other providers, and the statistics of learners there."""

from __future__ import annotations

import re

from airflow_provider_360learning.api.actions import ApiAdapter, WriteSpec, action
from airflow_provider_360learning.api.external import archiving_of
from airflow_provider_360learning.api.fields import boolean, first_string, string
from airflow_provider_360learning.api.models.external import (
    ArchiveExternalCourses,
    ExternalCourse,
    ExternalStatistic,
    GetExternalCourse,
    ImportExternalCourses,
    ImportExternalCourseStats,
    Library,
)
from airflow_provider_360learning.api.redaction import MASK
from airflow_provider_360learning.api.request import without_nones
from airflow_provider_360learning.api.results import ArchivedCourses, ExternalCourseRecord
from airflow_provider_360learning.api.spec import MAX_QUOTE
from airflow_provider_360learning.api.text import one_line
from airflow_provider_360learning.api.timestamps import write_timestamp
from airflow_provider_360learning.api.types import ActionSteps, Call, JsonObject, ResponseObject
from airflow_provider_360learning.exceptions import InvalidRequestError, NotAvailableError

#: Maximum number of statistics per request (documented).
MAX_STATISTICS = 20
_ARCHIVED_KEY = ("group_id", "external_platform", "external_ids")
_FAILURE = re.compile(r"error|fail|not.?found|invalid|missing|refus|reject|denied|unknown", re.IGNORECASE)


def _check_library(arguments: Library) -> None:
    if arguments.integration_id is not None:
        raise NotAvailableError(
            "integration_id is not available in API v1, which finds courses by group and provider",
            argument="integration_id",
        )


def _check_statistics(arguments: ImportExternalCourseStats) -> None:
    _check_library(arguments)
    count = len(arguments.statistics)
    if count > MAX_STATISTICS:
        raise InvalidRequestError(
            f"statistics has {count} items, but API v1 takes at most {MAX_STATISTICS} per request. Nothing was sent.",
            argument="statistics",
        )


class ExternalActions(ApiAdapter):
    """Courses of other providers, and the statistics of learners there."""

    @action(
        ImportExternalCourses,
        write=WriteSpec("importExternalCourses", key=("external_id",), batched=True, rows_per_request=MAX_STATISTICS),
        check=_check_library,
    )
    def import_external_courses(self, arguments: ImportExternalCourses) -> ActionSteps[list[str | None]]:
        """
        Create or update courses of another provider (``importExternalCourses``).

        :return: For each course why it was refused, or ``None``; see :func:`_refusals`.
        """
        courses = [_v1_course(course) for course in arguments.courses]
        body: JsonObject = {"authorId": arguments.author_id, "externalCourses": courses}
        response = yield Call("importExternalCourses", path=_library(arguments), body=body)
        return _refusals(response, len(courses))

    @action(
        ArchiveExternalCourses,
        write=WriteSpec("deleteExternalCourses", key=_ARCHIVED_KEY),
        check=_check_library,
    )
    def archive_external_courses(self, arguments: ArchiveExternalCourses) -> ActionSteps[ArchivedCourses]:
        """
        Archive courses of another provider (``deleteExternalCourses``), which learners then cannot start any more.

        Importing a course again restores it. ``dry_run`` looks each course up.

        :raises NotFoundError: if the group does not exist.
        """
        if arguments.dry_run:
            yield Call("getGroup", path={"group_id": arguments.group_id})
            return (yield from archiving_of(arguments, self.get_external_course))
        ids = list(arguments.external_ids)
        yield Call("deleteExternalCourses", path=_library(arguments), body={"externalIds": ids})
        return {"outcome": "archived", "courses": len(ids)}

    @action(GetExternalCourse, check=_check_library)
    def get_external_course(self, arguments: GetExternalCourse) -> ActionSteps[ExternalCourseRecord]:
        """Return a course of another provider (``getExternalCourse``)."""
        path = {**_library(arguments), "external_id": arguments.external_id}
        item = yield Call("getExternalCourse", path=path)
        return {
            "course_id": first_string(item, "id"),
            "external_id": string(item, "externalId"),
            "title": string(item, "title"),
            "language": string(item, "language"),
            "archived": boolean(item, "archived"),
            "author_id": string(item, "authorId"),
            "launch_url": string(item, "launchUrl"),
        }

    @action(
        ImportExternalCourseStats,
        write=WriteSpec(
            "importExternalCoursesStats",
            key=("external_id", "mail", "first_activity"),
            subject_fields=2,
            batched=True,
            rows_per_request=MAX_STATISTICS,
        ),
        check=_check_statistics,
    )
    def import_external_course_stats(self, arguments: ImportExternalCourseStats) -> ActionSteps[list[str | None]]:
        """
        Import attempts at courses of another provider (``importExternalCoursesStats``).

        What v1 does with a statistic that is sent twice is not known, so that it is never sent again automatically.

        :return: For each statistic why it was refused, or ``None``; see :func:`_refusals`.
        :raises OutcomeUnknownError: if it is not known whether they were imported.
        """
        items = [_v1_statistic(statistic) for statistic in arguments.statistics]
        response = yield Call("importExternalCoursesStats", path=_library(arguments), body={"statistics": items})
        return _refusals(response, len(items))


def _library(
    arguments: ImportExternalCourses | ArchiveExternalCourses | GetExternalCourse | ImportExternalCourseStats,
) -> dict[str, str]:
    return {"group_id": arguments.group_id, "external_platform": arguments.external_platform}


def _v1_course(course: ExternalCourse) -> JsonObject:
    return without_nones(
        {
            "externalId": course.external_id,
            "title": course.title,
            "launchUrl": course.launch_url,
            "language": course.language,
            "description": course.description,
            "mobileLaunchUrl": course.mobile_launch_url,
            "thumbnailUrl": course.thumbnail_url,
            "authors": list(course.authors) or None,
            "alternativeLanguages": list(course.alternative_languages) or None,
            "courseDuration": course.duration_minutes,
            "difficultyLevel": course.difficulty_level,
            "contentType": course.content_type,
        }
    )


def _v1_statistic(statistic: ExternalStatistic) -> JsonObject:
    # v1 derives what is left out in ways that are not documented, so that everything is sent.
    return without_nones(
        {
            "externalId": statistic.external_id,
            "mail": statistic.mail,
            "progress": statistic.progress,
            "score": statistic.score,
            "result": statistic.result,
            "globalTime": max(1, round(statistic.time_spent_seconds * 1000)),
            "firstActivity": write_timestamp(statistic.first_activity),
            "lastActivity": write_timestamp(statistic.last_activity),
            "completedAt": write_timestamp(statistic.completion),
        }
    )


def _refusals(response: object, count: int) -> list[str | None]:
    """
    Return why each of the items of a request was refused, ``None`` where it was not.

    That a response has a status of each item is documented, its keys and words are not. Assumption: a list of as many
    objects as were sent is that report, in their order; an item with a text under ``error``, or whose ``status`` names
    a failure, was refused. Without such a list, a success means that all items were accepted.
    """
    if isinstance(response, dict):
        for value in response.values():
            if isinstance(value, list) and len(value) == count and all(isinstance(item, dict) for item in value):
                return [_refusal(item) for item in value]
    return [None] * count


def _refusal(item: ResponseObject) -> str | None:
    if item.get("error"):
        return one_line(str(item["error"]), MAX_QUOTE)
    status = one_line(str(item.get("status") or ""), MAX_QUOTE)
    return status if _FAILURE.search(status) or MASK in status else None  # a secret may have hidden the word
