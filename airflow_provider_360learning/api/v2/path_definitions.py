"""Paths of API v2 themselves: read, create, change, archive and delete them."""

from __future__ import annotations

from typing import Literal

from airflow_provider_360learning.api.actions import WriteSpec, action, confirm_by_lookup
from airflow_provider_360learning.api.existing_paths import existing_path, find_path
from airflow_provider_360learning.api.fields import boolean, first_string, nested, objects, string, strings_if_any
from airflow_provider_360learning.api.models.paths import ArchivePath, CreatePath, DeletePath, GetPath, UpdatePath
from airflow_provider_360learning.api.pages import all_items
from airflow_provider_360learning.api.path_results import (
    ArchivedPath,
    CreatedPath,
    DeletedPath,
    PathRecord,
    PathStep,
    PathTranslation,
    UpdatedPath,
)
from airflow_provider_360learning.api.timestamps import read_timestamp
from airflow_provider_360learning.api.types import ActionSteps, Call, JsonObject, JsonValue, ResponseObject
from airflow_provider_360learning.api.v2.owner import OwnerLookup
from airflow_provider_360learning.exceptions import NotFoundError, OutcomeUnknownError

#: The filter for paths that are not archived.
PUBLISHED: JsonObject = {"status[eq]": "published"}
#: Options of a new step, which API v2 requires. What 360Learning's editor chooses is not known.
_STEP_OPTIONS: JsonObject = {"optional": False, "showCorrection": "onCompletion", "showForum": "onCompletion"}


def neutral_path(item: ResponseObject, session_ids: list[str]) -> PathRecord:
    """
    Read a path of any v2 route.

    :param item: The path.
    :param session_ids: Ids of its sessions, which are in another list.
    """
    options = nested(item, "options")
    return {
        "path_id": string(item, "_id"),
        "name": string(item, "name"),
        "group_id": string(item, "groupId"),
        "session_ids": session_ids,
        "status": string(item, "status"),
        "lang": string(item, "sourceLang"),
        "default_lang": string(item, "defaultLang"),
        "description": string(item, "description"),
        "additional_information": string(item, "additionalInformation"),
        "author_id": string(item, "authorId"),
        "co_author_ids": strings_if_any(item, "coAuthorIds"),
        "certificate_id": string(item, "certificateId"),
        "certificate_title": None,
        "cover_picture_id": string(item, "coverPicture"),
        "linear": boolean(options, "linearProgression"),
        "mandatory_replay": boolean(options, "mandatoryReplay"),
        "automated_reminders": boolean(options, "automatedReminders"),
        "display_forum": boolean(options, "displayForum"),
        "display_classroom_messages": boolean(options, "displayClassroomMessages"),
        "notification_on_step_creation": boolean(options, "notificationOnStepCreation"),
        "estimated_duration": dict(nested(item, "estimatedDuration")) or None,
        "estimated_weekly_commitment": dict(nested(item, "estimatedWeeklyCommitment")) or None,
        "steps": [_neutral_step(each) for each in objects(item, "steps")],
        "translations": [_neutral_translation(each) for each in objects(item, "translations")],
        "created_at": read_timestamp("createdAt", item.get("createdAt")),
        "modified_at": read_timestamp("modifiedAt", item.get("modifiedAt")),
    }


def _neutral_step(item: ResponseObject) -> PathStep:
    return {
        "step_id": string(item, "_id"),
        "type": string(item, "type"),
        "title": None,
        "options": dict(nested(item, "options")),
    }


def _neutral_translation(item: ResponseObject) -> PathTranslation:
    fields = nested(item, "translatedFields")
    return {
        "lang": string(item, "lang"),
        "published": boolean(item, "published"),
        "translator_ids": strings_if_any(item, "translatorIds"),
        "name": string(fields, "name"),
        "description": string(fields, "description"),
    }


class PathDefinitions(OwnerLookup):
    """Read, create, change, archive and delete paths."""

    @action(GetPath)
    def get_path(self, arguments: GetPath) -> ActionSteps[PathRecord]:
        """
        Return a path with its steps (``getPath``), and the ids of its sessions (``getPathSessions``).

        :raises NotFoundError: if the path does not exist.
        """
        path = {"pathId": arguments.path_id}
        item = yield Call("getPath", path=path)
        sessions = yield from all_items(Call("getPathSessions", path=path))
        return neutral_path(item, [first_string(session, "_id") for session in sessions])

    @action(
        CreatePath,
        write=WriteSpec(
            "createPath",
            key=("name", "group_id"),
            makes="path_id",
            writes=lambda arguments: 1 + bool(arguments.course_ids),
        ),
    )
    def create_path(self, arguments: CreatePath) -> ActionSteps[CreatedPath]:
        """
        Create a path of courses (``createPath``, ``updateSteps``), unless the group owns one of this name.

        The paths that are not archived are listed first, and again if the outcome of the creation is unknown; the
        creation is never sent twice. A second request adds the courses, which are read before anything is created. A
        path of this name and group that has no steps is one whose creation was interrupted: it gets the courses.

        :return: ``outcome`` is ``created``, ``already_exists`` or ``updated``.
        :raises AlreadyExistsError: with ``if_exists="fail"``, if the path exists.
        :raises NotFoundError: if the group, a course or an author does not exist; nothing was created.
        :raises RefusedError: if several paths match, so that the choice would be arbitrary.
        :raises OutcomeUnknownError: if the outcome is unknown, and the path is not listed (yet) or the listing fails.
        """
        found = yield from self._find_path(arguments)
        if found is not None and (not arguments.course_ids or objects(found, "steps")):
            return (yield from existing_path(arguments, first_string(found, "_id"), self.update_path))
        for course_id in arguments.course_ids:
            yield Call("getCourse", path={"courseId": course_id})
        if found is not None:
            path_id = first_string(found, "_id")
        else:
            path_id = yield from self._start_path(arguments)
        if arguments.course_ids:
            steps = [new_step(course_id) for course_id in arguments.course_ids]
            yield Call("updateSteps", path={"pathId": path_id}, body={"steps": steps})
        return {"path_id": path_id, "name": arguments.name, "outcome": "created"}

    @action(UpdatePath, write=WriteSpec("updatePath", key=("path_id",)))
    def update_path(self, arguments: UpdatePath) -> ActionSteps[UpdatedPath]:
        """
        Change a path (``updatePath``); fields that are not given keep their values.

        :raises NotFoundError: if the path, the group or an author does not exist.
        """
        ids = yield from self.user_ids_of(arguments.authors)
        body = _fields(arguments, [ids[mail] for mail in arguments.authors])
        yield Call("updatePath", path={"pathId": arguments.path_id}, body=body)
        return {"path_id": arguments.path_id, "outcome": "updated"}

    @action(ArchivePath, write=WriteSpec("archiveOrUnarchivePath", key=("path_id",)))
    def archive_path(self, arguments: ArchivePath) -> ActionSteps[ArchivedPath]:
        """
        Archive or restore a path (``archiveOrUnarchivePath``).

        :raises NotFoundError: if the path does not exist.
        :raises RefusedError: for a path with running sessions.
        """
        path_id, archived = arguments.path_id, arguments.archived
        if arguments.dry_run:
            item = yield Call("getPath", path={"pathId": path_id})
            outcome: Literal["would_archive", "would_restore"] = "would_archive" if archived else "would_restore"
            return {"path_id": path_id, "name": string(item, "name"), "outcome": outcome}
        yield Call("archiveOrUnarchivePath", path={"pathId": path_id}, body={"archived": archived})
        return {"path_id": path_id, "name": None, "outcome": "archived" if archived else "restored"}

    @action(DeletePath, write=WriteSpec("deletePath", key=("path_id",)))
    def delete_path(self, arguments: DeletePath) -> ActionSteps[DeletedPath]:
        """
        Delete a path **and all its sessions, with the enrollments of their learners** (``deletePath``).

        That the sessions go, too, is an assumption. What becomes of the statistics of learners is not documented.

        :raises NotFoundError: with ``if_missing="fail"``, if the path does not exist.
        :raises RefusedError: for a path that is used as a training.
        """
        path_id, path = arguments.path_id, {"pathId": arguments.path_id}
        name = sessions = None
        try:
            if arguments.dry_run:
                name = string((yield Call("getPath", path=path)), "name")
                items = yield from all_items(Call("getPathSessions", path=path))
                sessions = [string(item, "name") or first_string(item, "_id") for item in items]
            else:
                yield Call("deletePath", path=path)
        except NotFoundError as error:
            if error.after_unknown_outcome:
                return {"path_id": path_id, "name": None, "sessions": None, "outcome": "deleted"}
            if arguments.if_missing == "fail":
                raise
            return {"path_id": path_id, "name": None, "sessions": None, "outcome": "not_found"}
        outcome: Literal["would_delete", "deleted"] = "would_delete" if arguments.dry_run else "deleted"
        return {"path_id": path_id, "name": name, "sessions": sessions, "outcome": outcome}

    def _find_path(self, arguments: CreatePath) -> ActionSteps[ResponseObject | None]:
        items = yield from all_items(Call("getPaths", query=PUBLISHED))
        return find_path(items, arguments)

    def _id_of_new_path(self, arguments: CreatePath) -> ActionSteps[str | None]:
        found = yield from self._find_path(arguments)
        return None if found is None else first_string(found, "_id")

    def _start_path(self, arguments: CreatePath) -> ActionSteps[str]:
        """Create a path without steps, and return its id."""
        authors = yield from self.ids_or_owner(arguments.authors, "authors", "createPath")
        try:
            path = yield Call("createPath", body=_fields(arguments, authors))
        except OutcomeUnknownError as unknown:
            return (yield from confirm_by_lookup(unknown, self._id_of_new_path(arguments)))
        return first_string(path, "_id")


def _fields(arguments: CreatePath | UpdatePath, authors: list[str]) -> dict[str, JsonValue]:
    """
    Return the fields of a path.

    :param authors: Ids of its authors, the main one first; none to leave them unchanged.
    """
    options = {
        "linearProgression": arguments.linear,
        "mandatoryReplay": arguments.mandatory_replay,
        "automatedReminders": arguments.automated_reminders,
    }
    return {
        "name": arguments.name,
        "groupId": arguments.group_id,
        "authorId": authors[0] if authors else None,
        "coAuthorIds": authors[1:],
        "description": arguments.description,
        "additionalInformation": arguments.additional_information,
        "defaultLang": arguments.default_lang,
        "options": {name: value for name, value in options.items() if value is not None} or None,
    }


def new_step(course_id: str) -> dict[str, JsonValue]:
    """Return the step that a course becomes."""
    return {"_id": course_id, "type": "course", "options": _STEP_OPTIONS}
