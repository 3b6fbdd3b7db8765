"""Paths of API v1 themselves: read, create and change them."""

from __future__ import annotations

from airflow_provider_360learning.api.actions import ApiAdapter, WriteSpec, action, confirm_by_lookup
from airflow_provider_360learning.api.existing_paths import existing_path, find_path
from airflow_provider_360learning.api.fields import boolean, first_string, objects, string, strings, strings_if_any
from airflow_provider_360learning.api.models.paths import CreatePath, GetPath, UpdatePath
from airflow_provider_360learning.api.path_results import (
    CreatedPath,
    PathRecord,
    UpdatedPath,
)
from airflow_provider_360learning.api.timestamps import read_timestamp
from airflow_provider_360learning.api.types import ActionSteps, Call, JsonValue, ResponseObject
from airflow_provider_360learning.exceptions import NotAvailableError, OutcomeUnknownError

#: Keys that may have the id of a new path: its response is not documented.
_PATH_ID_KEYS = ("_id", "id", "pathId")


def _check_update(arguments: UpdatePath) -> None:
    if arguments.additional_information is not None:
        raise NotAvailableError(
            "additional_information is not available in API v1, which sets it at the creation of a path only.",
            argument="additional_information",
        )


def _check_creation(arguments: CreatePath) -> None:
    if not (arguments.course_ids or arguments.courses):
        raise NotAvailableError(
            "course_ids is missing or empty: API v1 creates no path without courses.", argument="course_ids"
        )
    if arguments.if_exists == "update" and arguments.additional_information is not None:
        raise NotAvailableError(
            "additional_information is not available in API v1 with if_exists='update': it cannot be updated.",
            argument="additional_information",
        )


def neutral_path(item: ResponseObject) -> PathRecord:
    """Read a path of any v1 route."""
    return {
        "path_id": string(item, "_id"),
        "name": string(item, "name"),
        "group_id": string(item, "groupId"),
        "session_ids": strings(item, "sessionIds"),
        "status": None,
        "lang": string(item, "sourceLang"),
        "default_lang": string(item, "defaultLang"),
        "description": string(item, "description"),
        "additional_information": None,
        "author_id": string(item, "authorId"),
        "co_author_ids": None,
        "certificate_id": None,
        "certificate_title": string(item, "certificatePDF"),
        "cover_picture_id": None,
        "linear": None,
        "mandatory_replay": None,
        "automated_reminders": None,
        "display_forum": None,
        "display_classroom_messages": None,
        "notification_on_step_creation": None,
        "estimated_duration": None,
        "estimated_weekly_commitment": None,
        "steps": [
            {
                "step_id": string(step, "_id"),
                "type": string(step, "type"),
                "title": string(step, "title"),
                "options": None,
            }
            for step in objects(item, "steps")
        ],
        "translations": [
            {
                "lang": string(each, "lang"),
                "published": boolean(each, "published"),
                "translator_ids": strings_if_any(each, "translators"),
                "name": None,
                "description": None,
            }
            for each in objects(item, "translationsLangs")
        ],
        "created_at": read_timestamp("createdAt", item.get("createdAt")),
        "modified_at": read_timestamp("modifiedAt", item.get("modifiedAt")),
    }


class PathDefinitions(ApiAdapter):
    """Read, create and change paths."""

    @action(GetPath)
    def get_path(self, arguments: GetPath) -> ActionSteps[PathRecord]:
        """
        Return a path with its steps (``getPath``).

        :raises NotFoundError: if the path does not exist.
        """
        return neutral_path((yield Call("getPath", path={"path_id": arguments.path_id})))

    @action(CreatePath, write=WriteSpec("createPath", key=("name", "group_id"), makes="path_id"), check=_check_creation)
    def create_path(self, arguments: CreatePath) -> ActionSteps[CreatedPath]:
        """
        Create a path of courses (``createPath``), unless the group owns one of this name.

        All paths are listed first, and again if the outcome of the creation is unknown; the creation is never sent
        twice. That it takes the language and the options is an assumption: they are documented for updates.

        :return: ``outcome`` is ``created``, ``already_exists`` or ``updated``.
        :raises AlreadyExistsError: with ``if_exists="fail"``, if the path exists.
        :raises RefusedError: if several paths match, so that the choice would be arbitrary.
        :raises OutcomeUnknownError: if the outcome is unknown, and the path is not listed (yet) or the listing fails.
        """
        found = yield from self._find_path(arguments)
        if found is not None:
            return (yield from existing_path(arguments, found, self.update_path))
        body = {
            **_fields(arguments),
            "additionalInformation": arguments.additional_information,
            "steps": [{"type": "course", "id": course_id} for course_id in arguments.course_ids],
        }
        try:
            response = yield Call("createPath", body=body)
        except OutcomeUnknownError as unknown:
            path_id = yield from confirm_by_lookup(unknown, self._find_path(arguments))
        else:
            path_id = first_string(response, *_PATH_ID_KEYS)
        return {"path_id": path_id, "name": arguments.name, "outcome": "created"}

    @action(UpdatePath, write=WriteSpec("updatePath", key=("path_id",)), check=_check_update)
    def update_path(self, arguments: UpdatePath) -> ActionSteps[UpdatedPath]:
        """
        Change a path (``updatePath``); fields that are not given keep their values.

        :raises NotFoundError: if the path does not exist.
        """
        yield Call("updatePath", path={"path_id": arguments.path_id}, body=_fields(arguments))
        return {"path_id": arguments.path_id, "outcome": "updated"}

    def _find_path(self, arguments: CreatePath) -> ActionSteps[str | None]:
        items: list[ResponseObject] = yield Call("getPaths")
        found = find_path(items, arguments)
        return None if found is None else first_string(found, "_id")


def _fields(arguments: CreatePath | UpdatePath) -> dict[str, JsonValue]:
    return {
        "name": arguments.name,
        "description": arguments.description,
        "ownerGroup": arguments.group_id,
        "authorMails": list(arguments.authors) or None,
        "defaultLang": arguments.default_lang,
        "linear": arguments.linear,
        "mandatoryReplay": arguments.mandatory_replay,
        "sendAutomatedReminders": arguments.automated_reminders,
    }
