"""Paths."""

from __future__ import annotations

from airflow_provider_360learning.sandbox.calls import Answer, Call
from airflow_provider_360learning.sandbox.clock import iso
from airflow_provider_360learning.sandbox.periods import asked_period
from airflow_provider_360learning.sandbox.routing import operation
from airflow_provider_360learning.sandbox.state import Path


@operation("getPaths", "GET", "/paths")
def get_paths(call: Call) -> Answer:
    """List all paths."""
    modified = asked_period(call, "modifiedAfter")
    return Answer([_plain(call, path) for path in call.world.paths.values() if modified.holds(iso(path.created_at))])


@operation("getPath", "GET", "/paths/{path_id}")
def get_path(call: Call) -> Answer:
    """Show one path."""
    return Answer(_plain(call, call.learning_path(call.path["path_id"])))


def _plain(call: Call, path: Path) -> dict[str, object]:
    return {
        "_id": path.id,
        "authorId": path.author,
        "description": "",
        "createdAt": iso(path.created_at),
        "modifiedAt": iso(path.created_at),
        "defaultLang": "en",
        "sourceLang": "en",
        "groupId": path.group,
        "name": path.name,
        "sessionIds": [session.id for session in call.world.sessions_of(path)],
        "steps": [
            {"_id": course, "title": call.world.courses[course].name, "type": "course"} for course in path.courses
        ],
        "translationsLangs": [],
    }
