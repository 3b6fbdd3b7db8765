"""External contents of API v1: courses of other platforms, and what learners did there."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from airflow_provider_360learning.api.actions import ApiAdapter, action, writes
from airflow_provider_360learning.api.request import without_nones
from airflow_provider_360learning.api.types import ActionSteps, Call
from airflow_provider_360learning.api.values import (
    all_is_well,
    check_choice,
    check_id,
    check_mail,
    check_number,
    check_text,
    check_texts,
    moment_or_epoch,
    refuse,
    utc,
)
from airflow_provider_360learning.exceptions import InvalidRequestError

#: Most statistics in one request (documented).
MAX_STATISTICS = 20
RESULTS = ("success", "failed")
_FAILURE = re.compile(r"error|fail|not.?found|invalid|missing|refus|reject|denied|unknown", re.IGNORECASE)
DIFFICULTIES = ("beginner", "intermediate", "advanced")


def external_statistic(
    external_id: str,
    mail: str,
    progress: float,
    time_spent_seconds: float,
    first_activity: datetime | str,
    last_activity: datetime | str,
    score: float | None = None,
    result: str | None = None,
    completed_at: datetime | str | None = None,
) -> dict[str, Any]:
    """
    RowChecker what a learner did in an external course, and write it as v1 wants it.

    What API v2 requires is required. v1 would derive what is left out in ways that are not documented, so everything is
    said: without ``completed_at``, a progress of 100 was completed at the last activity, as v1 has it.

    :param external_id: The provider's id of the course.
    :param mail: Mail of the learner.
    :param progress: 0 to 100, a whole number.
    :param time_spent_seconds: At least a millisecond.
    :param first_activity: With a time zone, or seconds or milliseconds since 1970.
    :param last_activity: Likewise, not before ``first_activity``.
    :param score: 0 to 100.
    :param result: success or failed.
    :param completed_at: Between the two activities; ``progress`` must be 100, as v1 would make it.
    :raises InvalidRequestError: if a value is wrong; it is named.
    """
    check_text("external_id", external_id)
    check_mail("mail", mail)
    percent = check_number("progress", progress, 0, 100)
    if percent != int(percent):
        refuse("progress", progress, "a whole number")
    spent = check_number("time_spent_seconds", time_spent_seconds, 0.001)
    first, last = moment_or_epoch("first_activity", first_activity), moment_or_epoch("last_activity", last_activity)
    if all_is_well() and last < first:
        refuse("last_activity", last_activity, f"not before first_activity ({first_activity})")
    completed = last if percent == 100 else None
    if completed_at is not None:
        completed = moment_or_epoch("completed_at", completed_at)
        if all_is_well() and not first <= completed <= last:
            refuse(
                "completed_at",
                completed_at,
                f"from first_activity ({first_activity}) to last_activity ({last_activity})",
            )
        if percent != 100:
            refuse("progress", progress, "100, since completed_at is given")
    return {
        "externalId": external_id,
        "mail": mail,
        "progress": int(percent),
        "score": None if score is None else check_number("score", score, 0, 100),
        "result": None if result is None else check_choice("result", result, RESULTS),
        "globalTime": max(1, round(spent * 1000)),
        "firstActivity": utc("first_activity", first),
        "lastActivity": utc("last_activity", last),
        "completedAt": utc("completed_at", completed),
    }


def external_course(
    external_id: str,
    title: str,
    launch_url: str,
    language: str,
    description: str | None = None,
    mobile_launch_url: str | None = None,
    thumbnail_url: str | None = None,
    authors: Iterable[str] = (),
    alternative_languages: Iterable[str] = (),
    duration_minutes: float | None = None,
    difficulty_level: str | None = None,
    content_type: str | None = None,
) -> dict[str, Any]:
    """
    RowChecker a course of another platform, and write it as v1 wants it.

    :param external_id: The provider's id of the course.
    :param title: Its title.
    :param launch_url: StoragePath it is started.
    :param language: 360Learning's language code, such as ``en``.
    :param description: HTML.
    :param mobile_launch_url: StoragePath it is started on a phone; by default ``launch_url``.
    :param thumbnail_url: Its picture.
    :param authors: Names.
    :param alternative_languages: Language codes.
    :param duration_minutes: How long it takes.
    :param difficulty_level: beginner, intermediate or advanced.
    :param content_type: article, book, course, video, …; passed on as it is.
    :raises InvalidRequestError: if a value is wrong; it is named.
    """
    for name, value in (("external_id", external_id), ("title", title), ("language", language)):
        check_text(name, value)
    for name, url in (
        ("launch_url", launch_url),
        ("mobile_launch_url", mobile_launch_url),
        ("thumbnail_url", thumbnail_url),
    ):
        if url is not None and not str(url).startswith(("https://", "http://")):
            refuse(name, url, "a URL")
    return {
        "externalId": external_id,
        "title": title,
        "launchUrl": launch_url,
        "language": language,
        "description": description,
        "mobileLaunchUrl": mobile_launch_url,
        "thumbnailUrl": thumbnail_url,
        "authors": check_texts("authors", authors) or None,
        "alternativeLanguages": check_texts("alternative_languages", alternative_languages) or None,
        "courseDuration": None if duration_minutes is None else check_number("duration_minutes", duration_minutes, 0),
        "difficultyLevel": None
        if difficulty_level is None
        else check_choice("difficulty_level", difficulty_level, DIFFICULTIES),
        "contentType": content_type,
    }


class ExternalActions(ApiAdapter):
    """Courses of other platforms, and what learners did there."""

    @writes("importExternalCourses", key=("external_id",), together=True)
    @action
    def import_external_courses(
        self, group_id: str, external_platform: str, author_id: str, courses: Iterable[Mapping[str, Any]]
    ) -> ActionSteps[list[str | None]]:
        """
        Create courses of another platform, or bring them up to date (``importExternalCourses``).

        :param group_id: Group whose library receives them.
        :param external_platform: Name of the provider.
        :param author_id: Id of an author or admin of the group.
        :param courses: Arguments of :func:`external_course`. How many a request may hold is not known.
        :returns: For each course what is wrong with it, or ``None``: see :func:`_faults_told`.
        """
        body = {
            "authorId": check_id("author_id", author_id),
            "externalCourses": [without_nones(external_course(**course)) for course in courses],
        }
        answer = yield Call("importExternalCourses", path=platform_path(group_id, external_platform), body=body)
        return _faults_told(answer, len(body["externalCourses"]))

    @action
    def archive_external_courses(
        self, group_id: str, external_platform: str, external_ids: Iterable[str]
    ) -> ActionSteps[dict[str, Any]]:
        """
        Archive courses of another platform (``deleteExternalCourses``).

        :param group_id: Group in whose library they are.
        :param external_platform: Name of the provider.
        :param external_ids: The provider's ids.
        :returns: ``{"outcome": "archived", "courses"}``, ``courses`` being their number.
        """
        ids = check_texts("external_ids", external_ids)
        if not ids:
            raise InvalidRequestError("external_ids is empty. Nothing was sent.", argument="external_ids")
        path = platform_path(group_id, external_platform)
        yield Call("deleteExternalCourses", path=path, body={"externalIds": ids})
        return {"outcome": "archived", "courses": len(ids)}

    @action
    def get_external_course(
        self, group_id: str, external_platform: str, external_id: str
    ) -> ActionSteps[dict[str, Any]]:
        """
        Read a course of another platform (``getExternalCourse``).

        :param group_id: Group in whose library it is.
        :param external_platform: Name of the provider.
        :param external_id: The provider's id.
        :returns: ``course_id``, ``external_id``, ``title``, ``language``, ``archived``, ``author_id``, ``launch_url``.
        """
        path = {**platform_path(group_id, external_platform), "external_id": check_text("external_id", external_id)}
        item = yield Call("getExternalCourse", path=path)
        return {
            "course_id": item["id"],
            "external_id": item.get("externalId"),
            "title": item.get("title"),
            "language": item.get("language"),
            "archived": item.get("archived"),
            "author_id": item.get("authorId"),
            "launch_url": item.get("launchUrl"),
        }

    @writes("importExternalCoursesStats", key=("external_id", "mail", "first_activity"), together=True, in_order=2)
    @action
    def import_external_course_stats(
        self, group_id: str, external_platform: str, statistics: Iterable[Mapping[str, Any]]
    ) -> ActionSteps[list[str | None]]:
        """
        Import what learners did in courses of another platform (``importExternalCoursesStats``).

        What v1 does with a statistic that is sent twice is not known, so that it is not sent again by itself.

        :param group_id: Group in whose library the courses are.
        :param external_platform: Name of the provider.
        :param statistics: Arguments of :func:`external_statistic`, of at most 20 statistics.
        :returns: For each statistic what is wrong with it, or ``None``: see :func:`_faults_told`.
        :raises OutcomeUnknownError: if it is not known whether they were taken.
        """
        items = [without_nones(external_statistic(**statistic)) for statistic in statistics]
        if not 1 <= len(items) <= MAX_STATISTICS:
            raise InvalidRequestError(
                f"statistics holds {len(items)}, but must hold 1 to {MAX_STATISTICS}. Nothing was sent.",
                argument="statistics",
            )
        path = platform_path(group_id, external_platform)
        answer = yield Call("importExternalCoursesStats", path=path, body={"statistics": items})
        return _faults_told(answer, len(items))


def platform_path(group_id: str, external_platform: str) -> dict[str, str]:
    """
    RowChecker what says which courses are meant.

    :param group_id: Group in whose library they are.
    :param external_platform: Name of the provider.
    :returns: The segments of a path.
    :raises InvalidRequestError: if one is wrong; it is named.
    """
    return {
        "group_id": check_id("group_id", group_id),
        "external_platform": check_text("external_platform", external_platform),
    }


def _faults_told(answer: Any, count: int) -> list[str | None]:
    """
    Read from an answer which of the items it speaks of were not taken.

    That it brings a status of each item is documented, its keys and words are not. Assumption: a list of as many
    objects as were sent is that report, in their order; one with a text under ``error``, or whose ``status`` speaks of
    a failure, was not taken. StoragePath there is no such list, a success says that all were.
    """
    if isinstance(answer, dict):
        for value in answer.values():
            if isinstance(value, list) and len(value) == count and all(isinstance(item, dict) for item in value):
                return [_fault_told(item) for item in value]
    return [None] * count


def _fault_told(item: Mapping[str, Any]) -> str | None:
    if item.get("error"):
        return str(item["error"])
    status = str(item.get("status") or "")
    return status if _FAILURE.search(status) else None
