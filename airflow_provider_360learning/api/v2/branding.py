"""Colors and images of groups in API v2."""

from __future__ import annotations

from airflow_provider_360learning.api.actions import WriteSpec, action
from airflow_provider_360learning.api.fields import string
from airflow_provider_360learning.api.models.groups import SetGroupBranding, UploadGroupMedia
from airflow_provider_360learning.api.results import (
    GroupMedia,
    UpdatedGroup,
)
from airflow_provider_360learning.api.types import ActionSteps, Call
from airflow_provider_360learning.api.v2.lookups import Lookups

_DEFAULT = "default"


class BrandingActions(Lookups):
    """Change colors and images of groups."""

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

    @action(UploadGroupMedia)
    def upload_group_media(self, arguments: UploadGroupMedia) -> ActionSteps[GroupMedia]:
        """
        Upload images of a group (``uploadGroupMedia``); images of other kinds stay.

        :raises NotFoundError: if the group or the author does not exist.
        :raises OutcomeUnknownError: if the outcome is unknown. Uploading the files again has the same effect.
        """
        group_id = arguments.group_id
        files = {
            "banner": arguments.banner,
            "background": arguments.background,
            "favicon": arguments.favicon,
            "logo": arguments.logo,
        }
        author_id = yield from self.user_id_of(arguments.author)
        item = yield Call(
            "uploadGroupMedia",
            path={"groupId": group_id},
            body={"authorId": author_id},
            files={name: file for name, file in files.items() if file is not None},
        )
        return {
            "group_id": group_id,
            "banner_image_id": string(item, "bannerImageId"),
            "background_image_id": string(item, "backgroundImageId"),
            "favicon_image_id": string(item, "faviconImageId"),
            "logo_image_id": string(item, "logoImageId"),
            "outcome": "updated",
        }
