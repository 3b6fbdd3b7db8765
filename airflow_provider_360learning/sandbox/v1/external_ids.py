"""Ids that users have in other platforms."""

from __future__ import annotations

from airflow_provider_360learning.sandbox.routing import Response
from airflow_provider_360learning.sandbox.v1.call import ApiError, Call, Operations
from airflow_provider_360learning.sandbox.v1.users import given

operations = Operations()

_FOUND_FIELDS = {"firstName": "first_name", "lastName": "last_name", "primaryGroupId": "primary_group"}


@operations.add(
    "addExternalIdToUser",
    "PUT",
    "/users/{user_email}/externalId",
    bodies=("form",),
    assumes="The response is an acknowledgment, an earlier id in the platform is replaced, and an id that another user"
    " has is refused with `externalId_already_used`.",
)
def add_external_id(call: Call) -> Response:
    """Set the id that a user has in another platform."""
    person = call.person(call.path["user_email"])
    for name in ("externalPlatform", "externalId"):
        if not call.fields.get(name):
            raise ApiError(400, f"missing argument : {name}")
    platform, value = call.text("externalPlatform"), call.text("externalId")
    _check_platform(call, platform)
    mappings = call.state.external_ids
    owner, mapping = mappings.with_value(platform, "user", value), mappings.of_target(platform, person.id)
    if owner is not None and owner.target != person.id:
        raise ApiError(400, "externalId_already_used")
    if mapping is None:
        mappings.add(platform, person.id, "user", value)
    else:
        mapping.value = value
    return call.acknowledge()


@operations.add("getUserByExternalId", "GET", "/users/getUserByExternalId/{externalId}/{externalPlatform}")
def get_user_by_external_id(call: Call) -> Response:
    """Return the user with an id in another platform."""
    platform = call.path["externalPlatform"]
    _check_platform(call, platform)
    mapping = call.state.external_ids.with_value(platform, "user", call.path["externalId"])
    if mapping is None:
        raise ApiError(404, "user_not_found")
    person = call.person(mapping.target, status=404)
    return Response({"_id": person.id, "mail": person.mail, **given(person, _FOUND_FIELDS)})


def _check_platform(call: Call, platform: str) -> None:
    known = call.settings.hr_platforms
    if known is not None and platform not in known:
        raise ApiError(404, "externalPlatform_not_found")
