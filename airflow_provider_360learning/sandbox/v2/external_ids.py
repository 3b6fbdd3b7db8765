"""Ids that users and other objects have in other platforms."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping

from airflow_provider_360learning.sandbox.routing import Response
from airflow_provider_360learning.sandbox.state.model import ExternalId
from airflow_provider_360learning.sandbox.state.state import State
from airflow_provider_360learning.sandbox.v2.call import NO_CONTENT, Call, Operations
from airflow_provider_360learning.sandbox.v2.errors import ApiError
from airflow_provider_360learning.sandbox.v2.filters import choices, ids, strings

operations = Operations()

_ONE = "/external-ids/{mappingId}"

#: Types of objects (documented).
_TYPES = (
    "attempt",
    "classroom",
    "classroomAttendance",
    "classroomAttendanceSheet",
    "classroomSlot",
    "classroomSlotRegistration",
    "course",
    "group",
    "learningNeed",
    "path",
    "pathEnrollment",
    "pathSession",
    "pathTracking",
    "registrationRequest",
    "user",
)
#: Objects of the types that the sandbox can find by their ids.
_OBJECTS: Mapping[str, Callable[[State], Container[str]]] = {
    "course": lambda state: state.courses,
    "group": lambda state: state.groups,
    "path": lambda state: state.paths,
    "pathSession": lambda state: state.sessions,
    "user": lambda state: state.people,
}


@operations.add(
    "createExternalId",
    "POST",
    "/external-ids",
    scope="externalIds:write",
    bodies=("json",),
    assumes="In a platform, a value is used once per type of object.",
)
def create_external_id(call: Call) -> Response:
    """Give an object an id in a platform."""
    platform, target, target_type, value = _input(call)
    mappings = call.state.external_ids
    if mappings.of_target(platform, target) is not None:
        raise ApiError(400, "mappingAlreadyExists")
    if mappings.with_value(platform, target_type, value) is not None:
        raise ApiError(400, "valueAlreadyUsed")
    return Response(_shown(mappings.add(platform, target, target_type, value)), status=201)


@operations.add(
    "getExternalIds",
    "GET",
    "/external-ids",
    scope="externalIds:read",
    page_size=5000,
    filters=(strings("platform"), choices("type", "eq ne in nin", *_TYPES), strings("value"), ids("targetId")),
)
def get_external_ids(call: Call) -> Response:
    """List ids in other platforms."""
    found = [
        each
        for each in call.state.external_ids
        if call.conditions.hold(platform=each.platform, type=each.target_type, value=each.value, targetId=each.target)
    ]
    return call.page(found, _shown)


@operations.add("updateExternalId", "PUT", _ONE, scope="externalIds:write", bodies=("json",))
def update_external_id(call: Call) -> Response:
    """Replace an entry."""
    mappings, mapping = call.state.external_ids, _mapping(call)
    platform, target, target_type, value = _input(call)
    if mappings.of_target(platform, target) not in (None, mapping):
        raise ApiError(400, "targetAlreadyMapped")
    if mappings.with_value(platform, target_type, value) not in (None, mapping):
        raise ApiError(400, "valueAlreadyUsed")
    mapping.platform, mapping.target, mapping.target_type, mapping.value = platform, target, target_type, value
    return Response(_shown(mapping))


@operations.add("deleteExternalId", "DELETE", _ONE, scope="externalIds:write")
def delete_external_id(call: Call) -> Response:
    """Remove an entry."""
    mapping = _mapping(call)
    _check_platform(call, mapping.platform)
    del call.state.external_ids.by_id[mapping.id]
    return NO_CONTENT


def _mapping(call: Call) -> ExternalId:
    mapping = call.state.external_ids.by_id.get(call.path["mappingId"])
    if mapping is None:
        raise ApiError(404, "mappingIdNotFound")
    return mapping


def _input(call: Call) -> tuple[str, str, str, str]:
    """Return platform, object, type and value of the body. In which order they are checked is an assumption."""
    call.require("platform", "targetId", "targetType", "value")
    platform, value = str(call.text("platform")), str(call.text("value"))
    target, target_type = str(call.id("targetId")), str(call.choice("targetType", _TYPES))
    _check_platform(call, platform)
    find = _OBJECTS.get(target_type)
    if find is None or target not in find(call.state):
        raise ApiError(404, "resourceNotFound")
    return platform, target, target_type, value


def _check_platform(call: Call, platform: str) -> None:
    if platform in call.settings.reserved_platforms:
        raise ApiError(400, "reservedPlatformName")


def _shown(mapping: ExternalId) -> dict[str, object]:
    return {
        "_id": mapping.id,
        "platform": mapping.platform,
        "targetId": mapping.target,
        "targetType": mapping.target_type,
        "value": mapping.value,
    }
