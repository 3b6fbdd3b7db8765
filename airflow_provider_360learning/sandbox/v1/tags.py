"""Tags, which API v1 calls skills. The sandbox has no translations of their names."""

from __future__ import annotations

from collections.abc import Mapping

from airflow_provider_360learning.sandbox.routing import Response
from airflow_provider_360learning.sandbox.state.model import Course, Path
from airflow_provider_360learning.sandbox.state.tags import Tag
from airflow_provider_360learning.sandbox.v1.call import ApiError, Call, Operations

operations = Operations()


@operations.add("getSkills", "GET", "/skills", assumes="`author` is the owner; `externalId` is absent if not given.")
def get_skills(call: Call) -> Response:
    """List all tags."""
    return Response([_shown(call, tag) for tag in call.state.tags.values()])


@operations.add(
    "postSkills",
    "POST",
    "/skills",
    bodies=("json",),
    takes_list=True,
    assumes="The response; an invalid skill, a name that another tag has, or an unknown content refuses all.",
)
def post_skills(call: Call) -> Response:
    """Create tags."""
    names = set()
    for item in call.rows():
        name = item.get("name")
        if not isinstance(name, str) or not name:
            raise ApiError(400, "invalid argument : name")
        if name in names or call.state.tags.has_other(name):
            raise ApiError(400, "skill_already_exists")
        names.add(name)
    contents = [_contents(call, item, "courseId", "pathId") for item in call.rows()]
    for item, tagged in zip(call.rows(), contents, strict=True):
        external_id = item.get("externalId")
        tag = Tag(
            call.state.new_id(),
            str(item["name"]),
            is_main=item.get("isMain") is True,
            external_id=None if external_id is None else str(external_id),
        )
        call.state.tags.add(tag)
        for each in tagged:
            each.tags.append(tag.id)
    return call.acknowledge()


@operations.add(
    "updateSkill",
    "PUT",
    "/skills/{skillId}",
    bodies=("json",),
    assumes="The response, and the errors. Contents that are not given keep the tag.",
)
def update_skill(call: Call) -> Response:
    """Change the given fields of a tag."""
    tag = call.state.tags.get(call.path["skillId"])
    if tag is None:
        raise ApiError(404, "skill_not_found")
    if not call.fields:
        raise ApiError(400, "bad_request")
    name = call.text("name", empty=False) if "name" in call.fields else tag.name
    is_main = call.boolean("isMain")
    if call.state.tags.has_other(name, tag):
        raise ApiError(400, "skill_already_exists")
    contents = _contents(call, call.fields, "courseIds", "pathIds")
    tag.external_id = call.text("externalId") if "externalId" in call.fields else tag.external_id
    tag.name, tag.is_main = name, tag.is_main if is_main is None else is_main
    for each in contents:
        if tag.id not in each.tags:
            each.tags.append(tag.id)
    return call.acknowledge()


def _contents(call: Call, item: Mapping[str, object], courses: str, paths: str) -> list[Course | Path]:
    """Return the courses and paths that an object names in these lists, or refuse."""
    found: list[Course | Path] = []
    for name, known in ((courses, call.state.courses), (paths, call.state.paths)):
        ids = item.get(name, [])
        if not isinstance(ids, list) or not all(id in known for id in ids):
            raise ApiError(400, f"invalid argument : {name}")
        found += [known[id] for id in dict.fromkeys(ids)]
    return found


def _shown(call: Call, tag: Tag) -> dict[str, object]:
    author = call.state.people.get(call.state.owner or "")
    optional = {"author": author.mail if author else None, "externalId": tag.external_id}
    given = {name: value for name, value in optional.items() if value is not None}
    return {"_id": tag.id, "name": tag.name, "isMain": tag.is_main, **given}
