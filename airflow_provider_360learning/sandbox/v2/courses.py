"""Courses, and the attempts on them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from airflow_provider_360learning.sandbox.clock import iso
from airflow_provider_360learning.sandbox.routing import Response
from airflow_provider_360learning.sandbox.state.generated import (
    DAY_MS,
    GeneratedAttempts,
    generated_course,
    generated_user,
    text_of_day,
    texts_of_seconds,
)
from airflow_provider_360learning.sandbox.state.model import Attempt, Course, CourseTranslation, ExternalCourse
from airflow_provider_360learning.sandbox.v2.call import Call, Operations
from airflow_provider_360learning.sandbox.v2.errors import ApiError
from airflow_provider_360learning.sandbox.v2.filters import boolean, choices, dates, ids
from airflow_provider_360learning.sandbox.v2.languages import CONTENT_LANGUAGES

operations = Operations()

#: Language of all courses.
_LANGUAGE = "en"


@operations.add(
    "getCourses",
    "GET",
    "/courses",
    scope="courses:read",
    page_size=500,
    filters=(
        *dates("createdAt", "modifiedAt"),
        choices("status", "eq", "archived", "deleted", "published"),
        choices("type", "eq", "elearning standard", "external", "native"),
        *(ids(name, "eq") for name in ("authorId", "groupId", "originalAuthorId")),
        *(ids(name, "in") for name in ("tagIds", "coAuthorIds")),
        choices("sourceLang", "eq in", *CONTENT_LANGUAGES),
        boolean("collaborativeLearning"),
    ),
    assumes="Drafts, which have no status in API v2, are not listed.",
)
def get_courses(call: Call) -> Response:
    """List the courses that fulfill all filters."""
    external = _external(call)
    courses = [course for course in call.state.courses.values() if course.status != "draft"]
    if call.conditions:
        courses = [course for course in courses if _fulfills(call, course, external)]
    return call.page(courses, lambda course: _course(call, course, external))


@operations.add(
    "getCourse", "GET", "/courses/{courseId}", scope="courses:read", assumes="A draft is not found; a deleted one is."
)
def get_course(call: Call) -> Response:
    """Return one course."""
    course = call.course(call.path["courseId"])
    if course.status == "draft":
        raise ApiError(404, "courseNotFound")
    return Response(render_course(call, course))


@operations.add(
    "archiveOrUnarchiveCourse",
    "PUT",
    "/courses/{courseId}/archive",
    scope="courses:write",
    bodies=("json",),
    assumes="A deleted course and a draft are not found; an inactive integration is a deleted one.",
)
def archive_or_unarchive_course(call: Call) -> Response:
    """Archive or restore a course, which does not count as a modification."""
    call.require("archived")
    course = call.course(call.path["courseId"])
    if course.status in ("draft", "deleted"):
        raise ApiError(404, "courseNotFound")
    external = _external(call).get(course.id)
    if external and not external.is_connected:
        raise ApiError(400, "integrationInactive")
    course.status = "archived" if call.boolean("archived") else "published"
    return Response(render_course(call, course))


@operations.add(
    "getAllCourseStats",
    "GET",
    "/courses/stats",
    scope="courseStats:read",
    page_size=500,
    filters=(*dates("completedAt"), ids("courseId"), ids("userId")),
)
def get_all_course_stats(call: Call) -> Response:
    """List the attempts of all learners on all courses that fulfill all filters."""
    if generated := call.company.generated:
        return _generated_stats(call, generated)
    return call.page(list(_attempts(call)), _attempt)


def render_course(call: Call, course: Course) -> dict[str, object]:
    """Return a course as responses show it."""
    return _course(call, course, _external(call))


class _Stat(NamedTuple):
    """An attempt with its owner."""

    course: str
    user: str
    attempt: Attempt


def _attempts(call: Call) -> Iterator[_Stat]:
    learners, completed = call.company.learners, call.conditions.on("completedAt")
    of_course, of_user = call.conditions.on("courseId"), call.conditions.on("userId")
    for course in call.state.courses.values():
        if not of_course.hold(courseId=course.id):
            continue
        for person in learners.of_course(course):
            if of_user.hold(userId=person.id):
                for attempt in learners.attempts(course, person):
                    if completed.hold(completedAt=attempt.completed_at):
                        yield _Stat(course.id, person.id, attempt)


def _attempt(stat: _Stat) -> dict[str, object]:
    attempt = stat.attempt
    optional = {
        "score": None if attempt.score is None else round(attempt.score),
        "completedAt": None if attempt.completed_at is None else iso(attempt.completed_at),
        "pathId": attempt.path,
        "pathSessionId": attempt.session,
    }
    return {
        "_id": attempt.id,
        "versionNumber": 1,
        "lang": _LANGUAGE,
        "firstActivityAt": iso(attempt.first_activity),
        "lastActivityAt": iso(attempt.last_activity),
        "timeSpent": attempt.time_spent_ms,
        "progress": attempt.progress,
        **{name: value for name, value in optional.items() if value is not None},
        "courseId": stat.course,
        "userId": stat.user,
    }


def _external(call: Call) -> Mapping[str, ExternalCourse]:
    """Return the external courses by their ids as courses."""
    return {external.course.id: external for external in call.state.external.courses.values()}


def _fulfills(call: Call, course: Course, external: Mapping[str, ExternalCourse]) -> bool:
    author = _author(call, course)
    return call.conditions.hold(
        createdAt=course.created_at,
        modifiedAt=course.modified_at,
        status=course.status,
        type=_type(course, external),
        authorId=author,
        originalAuthorId=author,
        groupId=course.group,
        tagIds=course.tags,
        coAuthorIds=course.co_authors,
        sourceLang=course.lang,
        collaborativeLearning=False,
    )


def _course(call: Call, course: Course, external: Mapping[str, ExternalCourse]) -> dict[str, object]:
    platform = {"externalPlatform": external[course.id].platform} if course.id in external else {}
    return {
        "name": course.name,
        "sourceLang": course.lang,
        "authorId": _author(call, course),
        "groupId": course.group,
        "coAuthorIds": course.co_authors,
        "description": course.description,
        "duration": course.duration,
        "_id": course.id,
        "createdAt": iso(course.created_at),
        "defaultLang": course.lang,
        "modifiedAt": iso(course.modified_at),
        "status": course.status,
        "translations": [_translation(each) for each in course.translations],
        "type": _type(course, external),
        **platform,
        "currentVersionNumber": course.version,
        "collaborativeLearning": False,
    }


def _translation(translation: CourseTranslation) -> dict[str, object]:
    return {
        "lang": translation["lang"],
        "published": translation["published"],
        "translatorIds": translation["translators"],
        "translatedFields": {"name": translation["name"], "description": translation["description"]},
    }


def _type(course: Course, external: Mapping[str, ExternalCourse]) -> str:
    if course.id in external:
        return "external"
    return "elearning standard" if course.is_package else "native"


def _author(call: Call, course: Course) -> str | None:
    author = call.state.find(course.author)
    return author.id if author else call.state.owner


# Generated attempts: their JSON is put together from prepared parts, which is faster than `json.dumps`.


def _generated_stats(call: Call, generated: GeneratedAttempts) -> Response:
    """Return a page of generated attempts, which takes the same time wherever it is."""
    conditions = call.conditions
    selection = generated.select(completed=conditions.period("completedAt"))
    numbers: Sequence[int] = selection
    of_course, of_user = conditions.on("courseId"), conditions.on("userId")
    if of_course or of_user:
        courses = [each for each in range(generated.courses) if of_course.hold(courseId=generated_course(each)[0])]
        users = {each for each in range(generated.users) if of_user.hold(userId=generated_user(each).id)}
        numbers = generated.of(courses, users, selection)
    page, headers = call.take_page(numbers)
    texts = _written(generated, page)
    return Response(f"[{','.join(texts)}]".encode(), headers=headers)


def _written(generated: GeneratedAttempts, numbers: Sequence[int]) -> Iterator[str]:
    """Yield generated attempts as JSON."""
    users, courses = _generated_users(generated.users), _generated_courses(generated.courses)
    seconds, completed_ms = texts_of_seconds(), generated.completed_ms
    for number in numbers:
        day, time_of_day = divmod(completed_ms(number), DAY_MS)
        second, millisecond = divmod(time_of_day, 1000)
        time = f"{seconds[second]}.{millisecond:03}Z"
        first, last = text_of_day(day - 1), text_of_day(day)
        yield (
            f'{{"_id":"64c0{number:020x}","versionNumber":1,"lang":"{_LANGUAGE}","progress":100,'
            f'"firstActivityAt":"{first}{time}","lastActivityAt":"{last}{time}","completedAt":"{last}{time}",'
            f'"courseId":"{courses[generated.course_of(number)]}",{users[generated.user_of(number)]}}}'
        )


@lru_cache(maxsize=1)
def _generated_courses(count: int) -> list[str]:
    return [generated_course(number)[0] for number in range(count)]


@lru_cache(maxsize=1)
def _generated_users(count: int) -> list[str]:
    """Return the parts of the JSON that are the same in all attempts of a user."""
    return [_user_part(number) for number in range(count)]


def _user_part(number: int) -> str:
    user = generated_user(number)
    score = "" if user.score is None else f'"score":{user.score},'
    in_path = f'"pathId":"{user.path}","pathSessionId":"{user.session}",' if user.path else ""
    return f'{score}{in_path}"timeSpent":{user.time_spent_ms},"userId":"{user.id}"'
