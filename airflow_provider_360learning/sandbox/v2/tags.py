"""Tags of courses and paths."""

from __future__ import annotations

from airflow_provider_360learning.sandbox.routing import Response
from airflow_provider_360learning.sandbox.state.tags import Tag
from airflow_provider_360learning.sandbox.v2.call import NO_CONTENT, Call, Operations
from airflow_provider_360learning.sandbox.v2.errors import ApiError
from airflow_provider_360learning.sandbox.v2.filters import boolean

operations = Operations()


@operations.add("tags.getTags", "GET", "/tags", scope="tags:read", page_size=5_000, filters=(boolean("isMain"),))
def get_tags(call: Call) -> Response:
    """List all tags."""
    found = [tag for tag in call.state.tags.values() if call.conditions.hold(isMain=tag.is_main)]
    return call.page(found, _shown_with_source)


@operations.add("getTag", "GET", "/tags/{tagId}", scope="tags:read")
def get_tag(call: Call) -> Response:
    """Return one tag."""
    return Response(_shown_with_source(_tag(call)))


@operations.add("createTag", "POST", "/tags", scope="tags:write", bodies=("json",))
def create_tag(call: Call) -> Response:
    """Create a tag."""
    name, is_main, external_id = _fields(call)
    _refuse_duplicate(call, name, None)
    return Response(_shown(call.state.tags.add(Tag(call.state.new_id(), name, is_main, external_id))), 201)


@operations.add(
    "updateTag",
    "PUT",
    "/tags/{tagId}",
    scope="tags:write",
    bodies=("json",),
    assumes="An external id that is not given is removed, because the tag is replaced.",
)
def update_tag(call: Call) -> Response:
    """Replace a tag."""
    tag = _tag(call)
    name, is_main, external_id = _fields(call)
    _refuse_duplicate(call, name, tag)
    tag.name, tag.is_main, tag.external_id = name, is_main, external_id
    return Response(_shown(tag))


@operations.add("deleteTag", "DELETE", "/tags/{tagId}", scope="tags:write")
def delete_tag(call: Call) -> Response:
    """Delete a tag."""
    call.state.delete_tag(_tag(call))
    return NO_CONTENT


def _tag(call: Call) -> Tag:
    tag = call.state.tags.get(call.path["tagId"])
    if tag is None:
        raise ApiError(404, "tagNotFound")
    return tag


def _fields(call: Call) -> tuple[str, bool, str | None]:
    call.require("name", "isMain")
    return call.text("name") or "", bool(call.boolean("isMain")), call.text("externalId")


def _refuse_duplicate(call: Call, name: str, this: Tag | None) -> None:
    if call.state.tags.has_other(name, this):
        raise ApiError(400, "tagNameNotAvailable")


def _shown(tag: Tag) -> dict[str, object]:
    optional = {} if tag.external_id is None else {"externalId": tag.external_id}
    return {"_id": tag.id, "name": tag.name, "isMain": tag.is_main, **optional}


def _shown_with_source(tag: Tag) -> dict[str, object]:
    return {**_shown(tag), "source": tag.source}
