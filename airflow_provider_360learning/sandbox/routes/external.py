"""External contents: what other platforms report about their courses.

The errors and the look of the reports are assumptions.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from airflow_provider_360learning.sandbox.calls import Answer, ApiError, Call
from airflow_provider_360learning.sandbox.clock import parse_iso
from airflow_provider_360learning.sandbox.external_contents import ExternalCourse, Key, Statistic
from airflow_provider_360learning.sandbox.routing import operation
from airflow_provider_360learning.sandbox.state import Course, Group, Person

_COURSES = "/externalContents/groups/{groupId}/externalPlatforms/{externalPlatform}/courses"
_MAX_STATISTICS = 20
_DONE = ("created", "updated", "archived")
_UNKNOWN = "external_course_not_found"


def _moment(value: object) -> float | None:
    moment = parse_iso(value)
    if moment is None and value is not None:
        raise ValueError("not an ISO 8601 date")
    return moment


_Text = Annotated[str, Field(min_length=1)]
_Moment = Annotated[float | None, BeforeValidator(_moment)]
_Percentage = Annotated[int, Field(ge=0, le=100)]


class _Item(BaseModel):
    model_config = ConfigDict(strict=True, alias_generator=to_camel)

    external_id: _Text


class _CourseItem(_Item):
    """One of the imported courses, in the documented fields."""

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
    """One of the imported statistics, in the documented fields."""

    mail: _Text
    progress: _Percentage | None = None
    score: Annotated[float, Field(ge=0, le=100)] | None = None
    result: Literal["failed", "success"] | None = None
    global_time: Annotated[int, Field(ge=0)] | None = None
    completed_at: _Moment = None
    first_activity: _Moment = None
    last_activity: _Moment = None

    def complete(self, now: float) -> Statistic:
        """Fill in what is missing.

        Documented: completion forces progress 100, and progress 100 means completion at the last activity.
        Assumptions: the last activity is the completion, else it is now; the first one is earlier by the time spent;
        the time spent is what lies between both.
        """
        last = _first_known(self.last_activity, self.completed_at, now)
        first = _first_known(self.first_activity, last - (self.global_time or 0) / 1000)
        progress = self.progress or 0 if self.completed_at is None else 100
        return Statistic(
            sent_first_activity=self.first_activity,
            progress=progress,
            score=self.score,
            result=self.result,
            global_time_ms=round((last - first) * 1000) if self.global_time is None else self.global_time,
            first_activity=first,
            last_activity=last,
            completed_at=last if progress == 100 and self.completed_at is None else self.completed_at,
        )


_AnyItem = TypeVar("_AnyItem", bound=_Item)


@operation("importExternalCourses", "POST", _COURSES, bodies=("json",))
def import_external_courses(call: Call) -> Answer:
    """Create external courses, or update those whose external id is known, which brings archived ones back.

    Assumptions: there may be any number of them, and a faulty one refuses all.
    """
    group = call.group(call.path["groupId"])
    author = _author(call, group)
    items = [_read(_CourseItem, each) for each in _list(call, "externalCourses")]
    statuses = [_put_course(call, group, author, item) for item in items]
    return _report(
        call,
        externalCourses=[
            _outcome(call, status, externalId=item.external_id) for item, status in zip(items, statuses, strict=True)
        ],
        report={"coursesCreated": statuses.count("created"), "coursesUpdated": statuses.count("updated")},
    )


@operation("deleteExternalCourses", "DELETE", _COURSES, bodies=("json",))
def delete_external_courses(call: Call) -> Answer:
    """Archive external courses. That unknown ones are only reported is an assumption."""
    call.group(call.path["groupId"])
    if not (external_ids := call.strings("externalIds")):
        raise ApiError(400, "invalid argument : externalIds")
    statuses = [_archive(call, external_id) for external_id in external_ids]
    return _report(
        call,
        externalCourses=[
            _outcome(call, status, externalId=each) for each, status in zip(external_ids, statuses, strict=True)
        ],
        report={"coursesArchived": statuses.count("archived")},
    )


@operation("getExternalCourse", "GET", f"{_COURSES}/{{externalId}}")
def get_external_course(call: Call) -> Answer:
    """Show one external course. What was not given and has no default is absent."""
    call.group(call.path["groupId"])
    external = call.world.external.courses.get(_key(call, call.path["externalId"]))
    if external is None:
        raise ApiError(404, _UNKNOWN)
    return Answer(
        {
            "id": external.course.id,  # not `_id`
            "authorId": external.author,
            "archived": external.course.archived,
            "externalPlatform": external.platform,
            "groupId": external.course.group,
            "description": "",
            "skills": [],
            "authors": [],
            "alternativeLanguages": [],
            "mobileLaunchUrl": external.details["launchUrl"],
            **external.details,
        }
    )


@operation("importExternalCoursesStats", "POST", f"{_COURSES}/stats", bodies=("json",))
def import_external_courses_stats(call: Call) -> Answer:
    """Store each statistic as an attempt on an external course, archived or not."""
    call.group(call.path["groupId"])
    items = _list(call, "statistics")
    if len(items) > _MAX_STATISTICS:
        raise ApiError(400, "invalid argument : statistics")
    attempts = [_attempt_or_error(call, item) for item in items]
    errors = [each for each in attempts if isinstance(each, ApiError)]
    if errors and call.settings.faulty_statistics == "refuse_batch":
        raise errors[0]
    statuses = [_store_or_name_error(call, each) for each in attempts]
    return _report(
        call,
        statistics=[
            _outcome(call, status, externalId=item.get("externalId"), mail=item.get("mail"))
            for item, status in zip(items, statuses, strict=True)
        ],
        report={"statisticsUpdated": len(items) - len(errors)},
    )


def _list(call: Call, name: str) -> list[dict[str, Any]]:
    items = call.body.get(name)
    if not isinstance(items, list) or not items or not all(isinstance(item, dict) for item in items):
        raise ApiError(400, f"invalid argument : {name}")
    return items


def _read(kind: type[_AnyItem], item: dict[str, Any]) -> _AnyItem:
    try:
        return kind.model_validate(item)
    except ValidationError as error:
        fault = error.errors()[0]
        kind_of_fault = "missing" if fault["type"] == "missing" else "invalid"
        raise ApiError(400, f"{kind_of_fault} argument : {fault['loc'][0]}") from None


def _report(call: Call, **parts: object) -> Answer:
    """Answer what became of each item and of all. That both are told is documented, how is not."""
    return call.acknowledge() if call.settings.external_reports == "none" else Answer(parts)


def _outcome(call: Call, status: str, **item: object) -> dict[str, object]:
    """Say what became of one item.

    :param status: one of the words for success, or an error code.
    """
    if status in _DONE or call.settings.external_reports == "status":
        return {**item, "status": status}
    return {**item, "status": "error", "error": status}


def _key(call: Call, external_id: str) -> Key:
    return call.path["groupId"], call.path["externalPlatform"], external_id


def _author(call: Call, group: Group) -> Person:
    """Find the author. Only roles in the group itself count, not those in the groups above: an assumption."""
    if "authorId" not in call.body:
        raise ApiError(400, "missing argument : authorId")
    author = call.person(str(call.body["authorId"]))
    if not {"author", "admin"} & set(group.members.get(author.id, ())):
        raise ApiError(400, "invalid argument : authorId")
    return author


def _put_course(call: Call, group: Group, author: Person, item: _CourseItem) -> str:
    """Create or update an external course, and the course of the company that it is."""
    courses, key = call.world.external.courses, _key(call, item.external_id)
    known = key in courses
    if not known:
        course = call.world.add_course(item.title, group=group.id, author=author.mail)
        courses[key] = ExternalCourse(course, call.path["externalPlatform"], item.external_id)
    external = courses[key]
    external.author, external.details = author.id, item.model_dump(by_alias=True, exclude_none=True)
    external.times_sent += 1
    external.course.name, external.course.author = item.title, author.mail
    _change(call, external.course, archived=False)
    return "updated" if known else "created"


def _archive(call: Call, external_id: str) -> str:
    external = call.world.external.courses.get(_key(call, external_id))
    if external is None:
        return _UNKNOWN
    _change(call, external.course, archived=True)
    return "archived"


def _change(call: Call, course: Course, *, archived: bool) -> None:
    course.archived, course.modified_at = archived, call.now


def _attempt_or_error(call: Call, item: dict[str, Any]) -> tuple[str, str, Statistic] | ApiError:
    """Return course, user and statistic."""
    try:
        read = _read(_StatisticItem, item)
        person = call.person(read.mail)
    except ApiError as error:
        return error
    external = call.world.external.courses.get(_key(call, read.external_id))
    if external is None:
        return ApiError(400, _UNKNOWN)
    return external.course.id, person.id, read.complete(call.now)


def _store_or_name_error(call: Call, attempt: tuple[str, str, Statistic] | ApiError) -> str:
    if isinstance(attempt, ApiError):
        return attempt.code
    update = call.settings.repeated_statistics == "update"
    call.world.external.store(*attempt, call.world.new_id(), update=update)
    return "updated"


def _first_known(*values: float | None) -> float:
    return next(value for value in values if value is not None)
