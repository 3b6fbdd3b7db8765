"""The tags of courses and paths."""

from __future__ import annotations

from airflow_provider_360learning.sandbox.routing import Response
from airflow_provider_360learning.sandbox.state.model import Course, Path
from airflow_provider_360learning.sandbox.v2.call import Call, Operations
from airflow_provider_360learning.sandbox.v2.errors import ApiError

operations = Operations()

#: Maximum number of tags of a course or path (documented).
_MAX_TAGS = 100


@operations.add("courses.getTags", "GET", "/courses/{courseId}/tags", scope="tags:read", page_size=500)
def get_course_tags(call: Call) -> Response:
    """List the tags of a course."""
    return _page(call, call.course(call.path["courseId"]))


@operations.add(
    "courses.updateTags",
    "PUT",
    "/courses/{courseId}/tags",
    scope="courses:write",
    bodies=("json",),
    assumes="It does not count as a modification of the course.",
)
def update_course_tags(call: Call) -> Response:
    """Replace the tags of a course."""
    return _replace(call, call.course(call.path["courseId"]))


@operations.add("paths.getTags", "GET", "/paths/{pathId}/tags", scope="tags:read", page_size=500)
def get_path_tags(call: Call) -> Response:
    """List the tags of a path."""
    return _page(call, call.learning_path(call.path["pathId"]))


@operations.add(
    "paths.updateTags",
    "PUT",
    "/paths/{pathId}/tags",
    scope="tags:write",
    bodies=("json",),
    assumes="It does not count as a modification of the path.",
)
def update_path_tags(call: Call) -> Response:
    """Replace the tags of a path, unless it is archived."""
    path = call.learning_path(call.path["pathId"])
    if path.archived:
        raise ApiError(400, "pathArchived")
    return _replace(call, path)


def _page(call: Call, tagged: Course | Path) -> Response:
    return call.page(tagged.tags, lambda id: {"tagId": id, "source": call.state.tags[id].source})


def _replace(call: Call, tagged: Course | Path) -> Response:
    call.require("tagIds")
    ids = list(dict.fromkeys(call.ids("tagIds") or ()))
    if len(ids) > _MAX_TAGS:
        raise call.malformed(f"tagIds must have at most {_MAX_TAGS} items.")
    if not all(id in call.state.tags for id in ids):
        raise ApiError(404, "tagNotFound")
    tagged.tags = ids
    return Response(ids)
