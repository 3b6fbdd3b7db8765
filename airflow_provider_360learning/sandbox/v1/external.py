"""
External contents: courses of other platforms, and the attempts that those report.

The errors, and the form of the per-item results, are assumptions.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from airflow_provider_360learning.sandbox.clock import parse_iso
from airflow_provider_360learning.sandbox.routing import Response
from airflow_provider_360learning.sandbox.state.external_contents import ExternalKey
from airflow_provider_360learning.sandbox.state.model import Group, Person, ReportedAttempt
from airflow_provider_360learning.sandbox.v1.call import ApiError, Call, Operations

operations = Operations()

_COURSES = "/externalContents/groups/{groupId}/externalPlatforms/{externalPlatform}/courses"
_MAX_STATISTICS = 20
_DONE = ("created", "updated", "archived")
_UNKNOWN = "external_course_not_found"


def _date(value: object) -> float | None:
    date = parse_iso(value)
    if date is None and value is not None:
        raise ValueError("not an ISO 8601 date")
    return date


_Text = Annotated[str, Field(min_length=1)]
_Date = Annotated[float | None, BeforeValidator(_date)]
_Percentage = Annotated[int, Field(ge=0, le=100)]


class _Item(BaseModel):
    model_config = ConfigDict(strict=True, alias_generator=to_camel)

    external_id: _Text


class _CourseItem(_Item):
    """An imported course, with its documented fields."""

    launch_url: _Text
    mobile_launch_url: str | None = None
    thumbnail_url: str | None = None
    title: _Text
    description: str | None = None
    language: _Text
    alternative_languages: list[str] | None = None
    authors: list[str] | None = None
    course_duration: float | None = None
    difficulty_level: Literal["beginner", "intermediate", "advanced"] | None = None
    content_type: str | None = None
    skills: list[str] | None = None


class _StatisticItem(_Item):
    """An imported statistic, with its documented fields."""

    mail: _Text
    progress: _Percentage | None = None
    score: Annotated[float, Field(ge=0, le=100)] | None = None
    result: Literal["failed", "success"] | None = None
    global_time: Annotated[int, Field(ge=0)] | None = None
    completed_at: _Date = None
    first_activity: _Date = None
    last_activity: _Date = None

    def attempt(self, now: float) -> ReportedAttempt:
        """
        Return the attempt that is reported, without an id, and with defaults for what is missing.

        Documented: completion forces progress 100, and progress 100 means completion at the last activity.
        Assumptions: the last activity is the completion, or else now; the first activity is earlier by the time spent;
        the time spent lies between both.
        """
        last = _first_known(self.last_activity, self.completed_at, now)
        first = _first_known(self.first_activity, last - (self.global_time or 0) / 1000)
        progress = self.progress or 0 if self.completed_at is None else 100
        return ReportedAttempt(
            id="",
            sent_first_activity=self.first_activity,
            progress=progress,
            score=self.score,
            result=self.result,
            time_spent_ms=round((last - first) * 1000) if self.global_time is None else self.global_time,
            first_activity=first,
            last_activity=last,
            completed_at=last if progress == 100 and self.completed_at is None else self.completed_at,
        )


_AnyItem = TypeVar("_AnyItem", bound=_Item)


@operations.add(
    "importExternalCourses",
    "POST",
    _COURSES,
    bodies=("json",),
    assumes="Any number of courses is accepted, and an invalid one refuses all; the author needs a role in the group"
    " itself; importing an archived course publishes it.",
)
def import_external_courses(call: Call) -> Response:
    """Create external courses, or update those whose external id is known."""
    group = call.group(call.path["groupId"])
    author = _author(call, group)
    items = [_read(_CourseItem, each) for each in _list(call, "externalCourses")]
    statuses = [_put_course(call, author, item) for item in items]
    return _report(
        call,
        externalCourses=[
            _result(call, status, externalId=item.external_id) for item, status in zip(items, statuses, strict=True)
        ],
        report={"coursesCreated": statuses.count("created"), "coursesUpdated": statuses.count("updated")},
    )


@operations.add(
    "deleteExternalCourses",
    "DELETE",
    _COURSES,
    bodies=("json",),
    assumes="Unknown courses are reported, and do not refuse the others.",
)
def delete_external_courses(call: Call) -> Response:
    """Archive external courses."""
    call.group(call.path["groupId"])
    if not (external_ids := call.strings("externalIds")):
        raise ApiError(400, "invalid argument : externalIds")
    statuses = [_archive(call, external_id) for external_id in external_ids]
    return _report(
        call,
        externalCourses=[
            _result(call, status, externalId=each) for each, status in zip(external_ids, statuses, strict=True)
        ],
        report={"coursesArchived": statuses.count("archived")},
    )


@operations.add(
    "getExternalCourse",
    "GET",
    f"{_COURSES}/{{externalId}}",
    assumes="The error for an unknown course; a field without a value and a default is absent.",
)
def get_external_course(call: Call) -> Response:
    """Return one external course."""
    call.group(call.path["groupId"])
    external = call.state.external.courses.get(_key(call, call.path["externalId"]))
    if external is None:
        raise ApiError(404, _UNKNOWN)
    return Response(
        {
            "id": external.course.id,  # not `_id`
            "authorId": external.author,
            "archived": external.course.status == "archived",
            "externalPlatform": external.platform,
            "groupId": external.course.group,
            "description": "",
            "skills": [],
            "authors": [],
            "alternativeLanguages": [],
            "mobileLaunchUrl": external.details["launch_url"],
            **{to_camel(name): value for name, value in external.details.items()},
        }
    )


@operations.add(
    "importExternalCoursesStats",
    "POST",
    f"{_COURSES}/stats",
    bodies=("json",),
    assumes="The defaults of missing fields; archived courses are accepted.",
)
def import_external_courses_stats(call: Call) -> Response:
    """Store each statistic as an attempt on an external course."""
    call.group(call.path["groupId"])
    items = _list(call, "statistics")
    if len(items) > _MAX_STATISTICS:
        raise ApiError(400, "invalid argument : statistics")
    attempts = [_attempt_or_error(call, item) for item in items]
    errors = [each for each in attempts if isinstance(each, ApiError)]
    if errors and call.settings.faulty_statistics == "refuse_batch":
        raise errors[0]
    statuses = [_store(call, each) for each in attempts]
    return _report(
        call,
        statistics=[
            _result(call, status, externalId=item.get("externalId"), mail=item.get("mail"))
            for item, status in zip(items, statuses, strict=True)
        ],
        report={"statisticsUpdated": len(items) - len(errors)},
    )


def _list(call: Call, name: str) -> list[dict[str, object]]:
    items = call.fields.get(name)
    if not isinstance(items, list) or not items or not all(isinstance(item, dict) for item in items):
        raise ApiError(400, f"invalid argument : {name}")
    return items


def _read(kind: type[_AnyItem], item: dict[str, object]) -> _AnyItem:
    try:
        return kind.model_validate(item)
    except ValidationError as error:
        fault = error.errors()[0]
        kind_of_fault = "missing" if fault["type"] == "missing" else "invalid"
        raise ApiError(400, f"{kind_of_fault} argument : {fault['loc'][0]}") from None


def _report(call: Call, **parts: object) -> Response:
    """Return the results of each item and of all. That there are both is documented, their form is not."""
    return call.acknowledge() if call.settings.external_reports == "none" else Response(parts)


def _result(call: Call, status: str, **item: object) -> dict[str, object]:
    """
    Return the result of one item.

    :param status: a word for success, or an error code.
    """
    if status in _DONE or call.settings.external_reports == "status":
        return {**item, "status": status}
    return {**item, "status": "error", "error": status}


def _key(call: Call, external_id: str) -> ExternalKey:
    return call.path["groupId"], call.path["externalPlatform"], external_id


def _author(call: Call, group: Group) -> Person:
    """Return the author, or refuse."""
    if "authorId" not in call.fields:
        raise ApiError(400, "missing argument : authorId")
    author = call.person(str(call.fields["authorId"]))
    if not {"editor", "admin"} & set(group.members.get(author.id, ())):
        raise ApiError(400, "invalid argument : authorId")
    return author


def _put_course(call: Call, author: Person, item: _CourseItem) -> str:
    key = _key(call, item.external_id)
    known = key in call.state.external.courses
    call.state.external.put_course(key, item.title, author, item.model_dump(exclude_none=True))
    return "updated" if known else "created"


def _archive(call: Call, external_id: str) -> str:
    external = call.state.external.courses.get(_key(call, external_id))
    if external is None:
        return _UNKNOWN
    external.course.status = "archived"
    return "archived"


def _attempt_or_error(call: Call, item: dict[str, object]) -> tuple[str, str, ReportedAttempt] | ApiError:
    """Return course, user and attempt."""
    try:
        read = _read(_StatisticItem, item)
        person = call.person(read.mail)
    except ApiError as error:
        return error
    external = call.state.external.courses.get(_key(call, read.external_id))
    if external is None:
        return ApiError(400, _UNKNOWN)
    return external.course.id, person.id, read.attempt(call.now)


def _store(call: Call, attempt: tuple[str, str, ReportedAttempt] | ApiError) -> str:
    """Store an attempt, and return its status or the error code."""
    if isinstance(attempt, ApiError):
        return attempt.code
    course, user, reported = attempt
    update = call.settings.repeated_statistics == "update"
    call.state.external.report_attempt(course, user, replace(reported, id=call.state.new_id()), update=update)
    return "updated"


def _first_known(*values: float | None) -> float:
    return next(value for value in values if value is not None)
