"""Courses in an eLearning standard (SCORM, AICC, xAPI), which API v2 creates from a file."""

from __future__ import annotations

from airflow_provider_360learning.api.actions import action, confirm_by_lookup
from airflow_provider_360learning.api.course_results import (
    CreatedCourse,
    UpdatedCourse,
)
from airflow_provider_360learning.api.fields import first_string, string
from airflow_provider_360learning.api.models.elearning import CreateElearningCourse, UpdateElearningCourse
from airflow_provider_360learning.api.models.parsers import normalized
from airflow_provider_360learning.api.pages import all_items
from airflow_provider_360learning.api.text import listed_ids
from airflow_provider_360learning.api.types import ActionSteps, Call, JsonObject, Upload
from airflow_provider_360learning.api.v2.lookups import Lookups
from airflow_provider_360learning.exceptions import AlreadyExistsError, OutcomeUnknownError, RefusedError


class ElearningActions(Lookups):
    """Create and change courses in an eLearning standard."""

    # They are no actions for rows: a file of rows could name any file of the host.

    @action(CreateElearningCourse)
    def create_elearning_course(self, arguments: CreateElearningCourse) -> ActionSteps[CreatedCourse]:
        """
        Create a course from a file in an eLearning standard (``createELearningStandardCourse``).

        Names are not unique in 360Learning, so the courses of the author in this group are listed first. If the outcome
        of the creation is unknown, they are listed again, and the creation is never sent twice.

        :return: ``outcome`` is ``created``, ``already_exists`` or ``updated``.
        :raises AlreadyExistsError: with ``if_exists="fail"``, if the course exists.
        :raises NotFoundError: if the author, a co-author or the group does not exist.
        :raises InvalidRequestError: if 360Learning cannot process the file.
        :raises RefusedError: if the author is not an editor, or if several courses have this name.
        :raises OutcomeUnknownError: if the outcome is unknown, and the course is not listed (yet) or the listing fails.
        """
        body, files = yield from self._course_content(arguments)
        found = yield from _find(arguments, body)
        if found is not None:
            return (yield from self._existing_course(arguments, found, body, files))
        try:
            item = yield Call("createELearningStandardCourse", body=body, files=files)
        except OutcomeUnknownError as unknown:
            course_id = yield from confirm_by_lookup(unknown, _find(arguments, body))
        else:
            course_id = first_string(item, "_id")
        return {"course_id": course_id, "name": arguments.name, "outcome": "created"}

    @action(UpdateElearningCourse)
    def update_elearning_course(self, arguments: UpdateElearningCourse) -> ActionSteps[UpdatedCourse]:
        """
        Change a course in an eLearning standard (``updateELearningStandardCourse``).

        Fields that are not given keep their values.

        :raises NotFoundError: if the course, an author or the group does not exist.
        :raises InvalidRequestError: if 360Learning cannot process the file.
        :raises RefusedError: if the course is not one in an eLearning standard, or if the author is not an editor.
        """
        body, files = yield from self._course_content(arguments)
        yield _update(arguments.course_id, body, files)
        return {"course_id": arguments.course_id, "outcome": "updated"}

    def _course_content(
        self, arguments: CreateElearningCourse | UpdateElearningCourse
    ) -> ActionSteps[tuple[JsonObject, dict[str, Upload]]]:
        """Return body and files of a creation or a change."""
        people = list(filter(None, (arguments.author, *arguments.co_authors)))
        ids = (yield from self.user_ids_of(people)) if people else {}
        minutes = arguments.duration_minutes
        body = {
            "name": arguments.name,
            "sourceLang": arguments.lang,
            "authorId": None if arguments.author is None else ids[arguments.author],
            "groupId": arguments.group_id,
            "coAuthorIds": [ids[user] for user in arguments.co_authors] or None,
            "description": arguments.description,
            "duration": None if minutes is None else str(minutes),
        }
        files = {"estdFile": arguments.package, "coverPicture": arguments.cover_picture}
        return body, {name: file for name, file in files.items() if file is not None}

    def _existing_course(
        self, arguments: CreateElearningCourse, course_id: str, body: JsonObject, files: dict[str, Upload]
    ) -> ActionSteps[CreatedCourse]:
        if arguments.if_exists == "fail":
            raise AlreadyExistsError(
                f"The course {arguments.name!r:.200} exists already: {course_id}",
                operation="createELearningStandardCourse",
            )
        if arguments.if_exists == "skip":
            return {"course_id": course_id, "name": arguments.name, "outcome": "already_exists"}
        yield _update(course_id, body, files)
        return {"course_id": course_id, "name": arguments.name, "outcome": "updated"}


def _update(course_id: str, body: JsonObject, files: dict[str, Upload]) -> Call:
    return Call("updateELearningStandardCourse", path={"courseId": course_id}, body=body, files=files)


def _find(arguments: CreateElearningCourse, body: JsonObject) -> ActionSteps[str | None]:
    """Return the id of the course in an eLearning standard with this name, author and group."""
    query: JsonObject = {
        "type[eq]": "elearning standard",
        "authorId[eq]": body["authorId"],
        "groupId[eq]": body["groupId"],
    }
    items = yield from all_items(Call("getCourses", query=query))
    found = [
        first_string(item, "_id")
        for item in items
        if normalized(string(item, "name")) == arguments.name and string(item, "status") != "deleted"
    ]
    if len(found) > 1:
        raise RefusedError(
            f"{len(found)} courses of this author and group have the name {arguments.name!r:.200} ({listed_ids(found)}"
            "): rename all but one",
            operation="createELearningStandardCourse",
        )
    return found[0] if found else None
