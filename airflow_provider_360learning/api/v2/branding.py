"""The branding of groups in API v2, which their subgroups inherit."""

from __future__ import annotations

from airflow_provider_360learning.api.actions import ApiAdapter, WriteSpec, action
from airflow_provider_360learning.api.models.groups import SetGroupBranding
from airflow_provider_360learning.api.results import UpdatedGroup
from airflow_provider_360learning.api.types import ActionSteps, Call

_DEFAULT = "default"


class BrandingActions(ApiAdapter):
    """Change the branding of groups."""

    @action(SetGroupBranding, write=WriteSpec("upsertGroupCustomizationColors", key=("group_id",)))
    def set_group_branding(self, arguments: SetGroupBranding) -> ActionSteps[UpdatedGroup]:
        """
        Set colors of a group and its subgroups (``upsertGroupCustomizationColors``); other colors stay.

        :raises NotFoundError: if the group does not exist.
        :raises RefusedError: for another group than the root group without the Extended Training package.
        """
        given = {
            "primary": arguments.primary,
            "menuBackground": arguments.menu_background,
            "myWorkBackground": arguments.my_work_background,
            "platformBackground": arguments.platform_background,
        }
        colors = {name: None if color == _DEFAULT else color for name, color in given.items() if color is not None}
        yield Call("upsertGroupCustomizationColors", path={"groupId": arguments.group_id}, body={"colors": colors})
        return {"group_id": arguments.group_id, "outcome": "updated"}
