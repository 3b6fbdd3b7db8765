"""Paths themselves: what their sessions have in common."""

from __future__ import annotations

from airflow_provider_360learning.sandbox.clock import iso
from airflow_provider_360learning.sandbox.routing import Response
from airflow_provider_360learning.sandbox.state.model import Path, PathStep
from airflow_provider_360learning.sandbox.v1.call import ApiError, Call, Operations, is_id

operations = Operations()

#: Names of options, and those of API v2.
_OPTIONS = {
    "linear": "linearProgression",
    "mandatoryReplay": "mandatoryReplay",
    "sendAutomatedReminders": "automatedReminders",
}


@operations.add("getPaths", "GET", "/paths", assumes="A path is modified when it is created.")
def get_paths(call: Call) -> Response:
    """List all paths."""
    modified = call.period("modifiedAfter")
    return Response([_path(call, path) for path in call.state.paths.values() if modified.holds(path.modified_at)])


@operations.add("getPath", "GET", "/paths/{path_id}")
def get_path(call: Call) -> Response:
    """Return one path."""
    return Response(_path(call, call.learning_path(call.path["path_id"])))


@operations.add("getPathUsers", "GET", "/paths/{path_id}/users")
def get_path_users(call: Call) -> Response:
    """List the users who are enrolled in a session of a path, each once."""
    sessions = call.state.sessions_of(call.learning_path(call.path["path_id"]))
    return Response(call.summaries(dict.fromkeys(id for session in sessions for id in session.enrolled)))


@operations.add(
    "createPath",
    "POST",
    "/paths",
    bodies=("json",),
    assumes="All errors; the key of the new id; without authors, the owner of the platform is the author; the fields "
    "that are documented for updates are accepted; skills are not kept.",
)
def create_path(call: Call) -> Response:
    """Create a path of at least one step."""
    name, group = _text(call, "name"), _text(call, "ownerGroup")
    if not name:
        raise _invalid("name should not be empty")
    if not is_id(group):
        raise _invalid("ownerGroup should not be empty")
    steps = _steps(call)
    owner = call.state.owner
    assert owner is not None
    author, *co_authors = _authors(call) or [owner]
    path = call.state.add_path(name, group=call.group(str(group)).id, author=author, courses=[])
    path.steps, path.co_authors, path.info = steps, co_authors, _text(call, "additionalInformation")
    _change(call, path)
    return Response({"_id": path.id})


@operations.add(
    "updatePath",
    "PUT",
    "/paths/{path_id}",
    bodies=("json",),
    assumes="All errors; fields that are not given keep their values.",
)
def update_path(call: Call) -> Response:
    """Change the given fields of a path."""
    path = call.learning_path(call.path["path_id"])
    name, group = _text(call, "name"), _text(call, "ownerGroup")
    if name == "":
        raise _invalid("name should not be empty")
    owner = path.group if group is None else call.group(group).id
    author, *co_authors = _authors(call) or [path.author, *path.co_authors]
    path.name, path.group, path.author, path.co_authors = name or path.name, owner, author, co_authors
    _change(call, path)
    return call.acknowledge()


def _change(call: Call, path: Path) -> None:
    """Set the fields that are set in the same way at the creation and at an update."""
    description, language, source = (_text(call, name) for name in ("description", "defaultLang", "sourceLang"))
    path.description = path.description if description is None else description
    path.language, path.source_language = language or path.language, source or path.source_language
    path.options |= {key: value for name, key in _OPTIONS.items() if (value := call.boolean(name)) is not None}
    call.state.touch(path)


def _text(call: Call, name: str) -> str | None:
    return None if call.fields.get(name) is None else call.text(name)


def _authors(call: Call) -> list[str]:
    """Return the ids of the authors, who must be active users."""
    people = [call.state.find(mail) for mail in call.strings("authorMails") or []]
    found = [person.id for person in people if person is not None and person.status == "active"]
    if len(found) < len(people):
        raise ApiError(400, "invalid_authors")
    return found


def _steps(call: Call) -> list[PathStep]:
    given = call.fields.get("steps")
    if not isinstance(given, list) or not given or not all(isinstance(each, dict) for each in given):
        raise _invalid("steps should not be empty")
    return [_step(call, each) for each in given]


def _step(call: Call, given: dict[str, object]) -> PathStep:
    """Return a step: a course that exists, or an email or assessment that is created with it."""
    kind = given.get("type")
    if kind == "course":
        return PathStep("course", call.course(str(given.get("id"))).id)
    if kind not in ("email", "assessment"):
        raise _invalid("steps must have a type of course, email, assessment")
    title = given.get("title" if kind == "email" else "assessmentName")
    if not isinstance(title, str) or not title:
        raise _invalid("steps must have a title")
    return PathStep(str(kind), call.state.new_id(), title)


def _path(call: Call, path: Path) -> dict[str, object]:
    return {
        "_id": path.id,
        "authorId": path.author,
        "description": path.description or "",
        "createdAt": iso(path.created_at),
        "modifiedAt": iso(path.modified_at),
        "defaultLang": path.language,
        "sourceLang": path.source_language,
        "groupId": path.group,
        "name": path.name,
        "sessionIds": [session.id for session in call.state.sessions_of(path)],
        "steps": [{"_id": step.id, "title": _title(call, step), "type": step.kind} for step in path.steps],
        "translationsLangs": [
            {"lang": each["lang"], "published": each["published"], "translators": each["translatorIds"]}
            for each in path.translations
        ],
    }


def _title(call: Call, step: PathStep) -> str:
    if step.kind == "course":
        return call.state.courses[step.id].name
    return call.state.paths[step.id].name if step.kind == "path" else step.title


def _invalid(detail: str) -> ApiError:
    return ApiError(400, f"Request validation failed: {detail}")
