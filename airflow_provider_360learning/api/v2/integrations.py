"""Integrations of API v2: what connects a group with an external platform."""

from __future__ import annotations

from airflow_provider_360learning.api.fields import first_string, string
from airflow_provider_360learning.api.pages import all_items
from airflow_provider_360learning.api.types import ActionSteps, Call
from airflow_provider_360learning.exceptions import NotFoundError


def find_integration(group_id: str, external_platform: str, integration_id: str | None) -> ActionSteps[str]:
    """
    Return the id of an integration (``getIntegrations``), of which a group has one per platform.

    :param group_id: Id of the group.
    :param external_platform: Name of the platform, in the case in which 360Learning has it.
    :param integration_id: The id, if the caller has given it: then nothing is looked up.
    :raises NotFoundError: if there is none.
    """
    if integration_id is not None:
        return integration_id
    call = Call("getIntegrations", query={"externalPlatform[eq]": external_platform})
    items = yield from all_items(call)
    for item in items:
        if str(string(item, "groupId")).lower() == group_id.lower():
            return first_string(item, "_id")
    others = ", ".join(sorted({str(string(item, "groupId")) for item in items}))
    raise NotFoundError(
        f"Group {group_id} has no integration with the external platform {external_platform!r}, through which API v2 "
        "imports courses and statistics"
        + (f"; groups that have one: {others}" if others else "")
        + ": check the spelling, capital letters included. To create it once: POST /api/v2/integrations (scope "
        "integrations:write) with externalPlatform, groupId and authorId, or in 360Learning; or give integration_id",
        operation="getIntegrations",
    )
