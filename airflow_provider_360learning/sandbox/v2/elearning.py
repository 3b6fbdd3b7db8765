"""Courses that consist of a file in an eLearning standard, and courses that are generated from a prompt."""

from __future__ import annotations

import re

from airflow_provider_360learning.sandbox.routing import Response
from airflow_provider_360learning.sandbox.state.model import Course, Person
from airflow_provider_360learning.sandbox.v2.call import PICTURE_TYPES, Call, Operations
from airflow_provider_360learning.sandbox.v2.courses import render_course
from airflow_provider_360learning.sandbox.v2.errors import ApiError
from airflow_provider_360learning.sandbox.v2.languages import CONTENT_LANGUAGES

operations = Operations()

_PACKAGE_TYPES = ("application/zip", "application/x-zip-compressed")
#: Maximum number of minutes (assumption).
_MAX_DURATION = 100_000
#: Maximum number of characters of the name of a generated course (assumption).
_MAX_GENERATED_NAME = 80


@operations.add(
    "createELearningStandardCourse",
    "POST",
    "/courses/elearning-standard",
    scope="courses:write",
    bodies=("multipart",),
    assumes="The file is not opened; an editor has the role editor or admin in some group, or owns the platform; a "
    "duration has at most 100,000 minutes; without one, the course has 15.",
)
def create_elearning_standard_course(call: Call) -> Response:
    """Create a course from a file in an eLearning standard."""
    call.require("name", "sourceLang", "authorId", "groupId", "estdFile")
    checked = _Fields(call)
    assert checked.author
    course = call.state.add_course(str(call.text("name")), group=str(checked.group), author=checked.author.mail)
    course.is_package = True
    _change(course, checked)
    return Response(render_course(call, course), 201)


@operations.add(
    "updateELearningStandardCourse",
    "PATCH",
    "/courses/elearning-standard/{courseId}",
    scope="courses:write",
    bodies=("multipart",),
    assumes="As in createELearningStandardCourse; another file is another version of the course.",
)
def update_elearning_standard_course(call: Call) -> Response:
    """Change the given fields of a course in an eLearning standard."""
    course = call.course(call.path["courseId"])
    if not course.is_package:
        raise ApiError(400, "courseNotEstd")
    checked = _Fields(call, course)
    _change(course, checked)
    course.modified_at = call.now
    course.version += "estdFile" in call.fields
    return Response(render_course(call, course))


@operations.add(
    "generateFromPrompt",
    "POST",
    "/courses/generate-from-prompt",
    scope="courses:internal",
    bodies=("json",),
    assumes="The course is there at once, with the beginning of the prompt as its name; without a group, it is in the "
    "root group; the error for an unknown author.",
)
def generate_from_prompt(call: Call) -> Response:
    """Generate a course."""
    call.require("prompt", "authorId")
    prompt, author = str(call.text("prompt")), _editor(call, unknown=ApiError(400, "userIsNotAnEditor"))
    group = call.group(call.id("groupId") or call.state.root.id)
    assert author
    call.state.add_course(prompt[:_MAX_GENERATED_NAME], group=group.id, author=author.mail)
    return Response()


class _Fields:
    """
    The fields of a course, all of them valid, or the request is refused.

    :param course: the course that is changed, if any.
    """

    def __init__(self, call: Call, course: Course | None = None) -> None:
        for name in ("estdFile", "coverPicture"):
            call.file(name, *(PICTURE_TYPES if name == "coverPicture" else _PACKAGE_TYPES))
        if (call.fields.get("estdFile") or {"size": 1})["size"] == 0:  # type: ignore[index]
            raise ApiError(400, "invalidFile")
        self.name, self.description = call.text("name"), call.text("description", empty=True)
        self.lang = call.choice("sourceLang", CONTENT_LANGUAGES)
        self.duration = _duration(call)
        group_id = call.id("groupId")
        self.group = None if group_id is None else call.group(group_id).id
        self.author = _editor(call)
        self.co_authors = call.ids("coAuthorIds")
        if any(_deleted(call, id) for id in self.co_authors or ()):
            raise ApiError(404, "usersNotFound")
        author = self.author or (call.state.find(course.author) if course else None)
        if author and author.id in (self.co_authors or (course.co_authors if course else ())):
            raise ApiError(400, "mainAuthorAsCoAuthor")


def _change(course: Course, checked: _Fields) -> None:
    course.name = checked.name or course.name
    course.lang = checked.lang or course.lang
    course.group = checked.group or course.group
    course.author = checked.author.mail if checked.author else course.author
    if checked.description is not None:
        course.description = checked.description
    if checked.duration is not None:
        course.duration = checked.duration
    if checked.co_authors is not None:
        course.co_authors = checked.co_authors


def _duration(call: Call) -> int | None:
    """Return the duration, which is a text in a multipart body."""
    text = call.text("duration", empty=True)
    if text is None:
        return None
    if not re.fullmatch(r"[0-9]{1,6}", text) or not 0 < int(text) <= _MAX_DURATION:
        raise ApiError(400, "invalidCourseDuration")
    return int(text)


def _editor(call: Call, *, unknown: ApiError | None = None) -> Person | None:
    """
    Return the author that the body names, or refuse.

    :param unknown: the error for an unknown user.
    """
    author_id = call.id("authorId")
    if author_id is None:
        return None
    if _deleted(call, author_id):
        raise unknown or ApiError(404, "usersNotFound")
    roles = {role for group in call.state.groups.values() for role in group.members.get(author_id, ())}
    if author_id != call.state.owner and roles.isdisjoint(("editor", "admin")):
        raise ApiError(400, "userIsNotAnEditor")
    return call.state.people[author_id]


def _deleted(call: Call, user_id: str) -> bool:
    person = call.state.people.get(user_id)
    return person is None or person.status == "deleted"
