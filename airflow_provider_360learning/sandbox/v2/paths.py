"""Paths: what their sessions have in common."""

from __future__ import annotations

from typing import NamedTuple

from airflow_provider_360learning.sandbox.clock import iso
from airflow_provider_360learning.sandbox.routing import Response
from airflow_provider_360learning.sandbox.state.model import Path
from airflow_provider_360learning.sandbox.v2.call import NO_CONTENT, Call, Operations
from airflow_provider_360learning.sandbox.v2.errors import ApiError
from airflow_provider_360learning.sandbox.v2.filters import choices, dates
from airflow_provider_360learning.sandbox.v2.path_sessions import has_ended
from airflow_provider_360learning.sandbox.v2.path_steps import step_object

operations = Operations()

_OPTIONS = (
    "linearProgression",
    "mandatoryReplay",
    "displayForum",
    "displayClassroomMessages",
    "automatedReminders",
    "notificationOnStepCreation",
)


@operations.add(
    "getPaths",
    "GET",
    "/paths",
    scope="paths:read",
    page_size=200,
    filters=(*dates("createdAt", "modifiedAt"), choices("status", "eq", "archived", "published")),
)
def get_paths(call: Call) -> Response:
    """List all paths, also archived ones."""
    paths = [
        path
        for path in call.state.paths.values()
        if call.conditions.hold(createdAt=path.created_at, modifiedAt=path.modified_at, status=_path_status(path))
    ]
    return call.page(paths, _path)


@operations.add("getPath", "GET", "/paths/{pathId}", scope="paths:read")
def get_path(call: Call) -> Response:
    """Return one path."""
    return Response(_path(call.learning_path(call.path["pathId"])))


@operations.add("archiveOrUnarchivePath", "PUT", "/paths/{pathId}/archive", scope="paths:write", bodies=("json",))
def archive_path(call: Call) -> Response:
    """Archive a path without running sessions, or restore it."""
    path = call.learning_path(call.path["pathId"])
    call.require("archived")
    archived = bool(call.boolean("archived"))
    if archived and any(each.start <= call.now and not has_ended(call, each) for each in call.state.sessions_of(path)):
        raise ApiError(400, "pathHasRunningSessions")
    call.state.archive_path(path, archived)
    return Response()


@operations.add(
    "createPath",
    "POST",
    "/paths",
    scope="paths:write",
    bodies=("multipart",),
    assumes="A list has a part of the same name for each item, and an object is JSON. Cover pictures are "
    "accepted and not kept.",
)
def create_path(call: Call) -> Response:
    """Create a path without steps."""
    call.require("authorId", "groupId", "name")
    name, group, author = call.text("name"), call.id("groupId"), call.id("authorId")
    assert name is not None
    assert group is not None
    assert author is not None
    changes = _changes(call)
    _, *co_authors = _authors(call, author, changes.co_authors or [])
    path = call.state.add_path(name, group=call.group(group).id, author=author, courses=[])
    path.co_authors = co_authors
    changes.apply(path)
    return Response(_path(path), 201)


@operations.add(
    "updatePath",
    "PATCH",
    "/paths/{pathId}",
    scope="paths:write",
    bodies=("multipart",),
    assumes="As for createPath; an archived path can be changed.",
)
def update_path(call: Call) -> Response:
    """Change the given fields of a path."""
    path = call.learning_path(call.path["pathId"])
    name, group, author = call.text("name"), call.id("groupId"), call.id("authorId")
    changes = _changes(call)
    present = path.co_authors if changes.co_authors is None else changes.co_authors
    main, *co_authors = _authors(call, author or path.author, present)
    owner = path.group if group is None else call.group(group).id
    path.name, path.group, path.author, path.co_authors = name or path.name, owner, main, co_authors
    changes.apply(path)
    call.state.touch(path)
    return Response(_path(path))


@operations.add(
    "deletePath",
    "DELETE",
    "/paths/{pathId}",
    scope="paths:write",
    assumes="The sessions of the path are deleted, too. A path is used as a training if it is a step of another one.",
)
def delete_path(call: Call) -> Response:
    """Delete a path."""
    path = call.learning_path(call.path["pathId"])
    if call.state.paths_with("path", path.id):
        raise ApiError(409, "pathIsUsedAsATraining")
    call.state.delete_path(path)
    return NO_CONTENT


@operations.add(
    "addTokens",
    "POST",
    "/paths/add-tokens",
    scope="tokens:write",
    bodies=("json",),
    assumes="The first tokens make the path one whose enrollments take tokens. They are counted, and never taken.",
)
def add_tokens(call: Call) -> Response:
    """Add bought tokens of a path to a group."""
    call.require("authorId", "groupId", "numberTokensBought", "pathId")
    author, group, path = (str(call.id(name)) for name in ("authorId", "groupId", "pathId"))
    number = call.integer("numberTokensBought", minimum=1)
    assert number is not None
    found, owner = call.learning_path(path), call.group(group).id
    call.person(author)
    found.uses_tokens = True
    found.tokens[owner] = found.tokens.get(owner, 0) + number
    return NO_CONTENT


class _Changes(NamedTuple):
    """The fields of a body that are optional at the creation and at an update of a path; ``None`` if missing."""

    co_authors: list[str] | None
    description: str | None
    info: str | None
    language: str | None
    certificate: str | None
    options: dict[str, bool]
    commitment: dict[str, object] | None

    def apply(self, path: Path) -> None:
        """Set the fields of a path, apart from the authors."""
        for name in ("description", "info", "language", "certificate", "commitment"):
            if (value := getattr(self, name)) is not None:
                setattr(path, name, value)
        path.options |= self.options


def _changes(call: Call) -> _Changes:
    options = call.part("options") or {}
    if not options.keys() <= set(_OPTIONS) or not all(isinstance(each, bool) for each in options.values()):
        raise call.malformed(f"options must have booleans for {', '.join(_OPTIONS)}.")
    certificate = call.id("certificateId")
    if certificate is not None and certificate not in call.state.certificate_outlines:
        raise ApiError(404, "certificateOutlineNotFound")
    commitment = call.part("estimatedWeeklyCommitment")
    if commitment is not None and commitment.keys() != {"min", "max"}:
        raise call.malformed("estimatedWeeklyCommitment must have min and max.")
    return _Changes(
        call.ids("coAuthorIds"),
        call.text("description"),
        call.text("additionalInformation"),
        call.text("defaultLang"),
        certificate,
        {name: bool(value) for name, value in options.items()},
        commitment,
    )


def _authors(call: Call, author: str, co_authors: list[str]) -> list[str]:
    """Return the ids of the authors, the main one first, or refuse."""
    if author in co_authors:
        raise ApiError(400, "mainAuthorAsCoAuthor")
    return [person.id for person in call.people([author, *co_authors])]


def _path(path: Path) -> dict[str, object]:
    optional = {
        "certificateId": path.certificate,
        "additionalInformation": path.info or None,
        "description": path.description or None,
        "estimatedWeeklyCommitment": path.commitment,
    }
    return {
        "_id": path.id,
        "name": path.name,
        "authorId": path.author,
        "coAuthorIds": path.co_authors,
        "groupId": path.group,
        "createdAt": iso(path.created_at),
        "modifiedAt": iso(path.modified_at),
        "defaultLang": path.language,
        "sourceLang": path.source_language,
        "status": _path_status(path),
        "options": dict.fromkeys(_OPTIONS, False) | path.options,
        "steps": [step_object(each) for each in path.steps],
        "translations": path.translations,
        **{name: value for name, value in optional.items() if value is not None},
    }


def _path_status(path: Path) -> str:
    return "archived" if path.archived else "published"
