"""Ids of users in other platforms, through API v1."""

from __future__ import annotations

from airflow_provider_360learning.api.actions import ApiAdapter, WriteSpec, action
from airflow_provider_360learning.api.models.users import GetUserByExternalId, SetExternalId
from airflow_provider_360learning.api.results import (
    ExternalIdOfUser,
    UserRecord,
)
from airflow_provider_360learning.api.types import ActionSteps, Call
from airflow_provider_360learning.api.v1.users import neutral_user


class ExternalIdActions(ApiAdapter):
    """Set ids of users in other platforms, and find users by them."""

    @action(SetExternalId, write=WriteSpec("addExternalIdToUser", key=("user", "external_platform")))
    def set_external_id(self, arguments: SetExternalId) -> ActionSteps[ExternalIdOfUser]:
        """
        Set the id that a user has in another platform (``addExternalIdToUser``).

        That it replaces an earlier one is an assumption.

        :raises NotFoundError: if the user does not exist, or the company has no such platform.
        """
        platform, external_id = arguments.external_platform, arguments.external_id
        body = {"externalPlatform": platform, "externalId": external_id}
        yield Call("addExternalIdToUser", path={"user": arguments.user}, body=body)
        return {
            "user": arguments.user,
            "external_platform": platform,
            "external_id": external_id,
            "outcome": "set",
        }

    @action(GetUserByExternalId)
    def get_user_by_external_id(self, arguments: GetUserByExternalId) -> ActionSteps[UserRecord]:
        """
        Return the user with an id in another platform (``getUserByExternalId``).

        :raises NotFoundError: if no user has it, the user is deleted, or the company has no such platform.
        """
        path = {"external_id": arguments.external_id, "external_platform": arguments.external_platform}
        return neutral_user((yield Call("getUserByExternalId", path=path)))
