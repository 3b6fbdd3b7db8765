"""Ids of users in other platforms, through API v2."""

from __future__ import annotations

from collections.abc import Iterator

from airflow_provider_360learning.api.actions import WriteSpec, action
from airflow_provider_360learning.api.fields import first_string, string
from airflow_provider_360learning.api.models.parsers import shown
from airflow_provider_360learning.api.models.users import GetUserByExternalId, SetExternalId
from airflow_provider_360learning.api.pages import all_items, read_pages
from airflow_provider_360learning.api.results import (
    ExternalIdOfUser,
    UserRecord,
)
from airflow_provider_360learning.api.types import ActionSteps, Call, JsonObject, ResponseObject
from airflow_provider_360learning.api.user_facts import ExternalIdOf
from airflow_provider_360learning.api.v2.accounts import MAX_SENDS
from airflow_provider_360learning.api.v2.lookups import USER_NOT_FOUND, Lookups
from airflow_provider_360learning.api.v2.user_records import neutral_user
from airflow_provider_360learning.exceptions import NotFoundError, OutcomeUnknownError


class ExternalIdActions(Lookups):
    """Set ids of users in other platforms, and find users by them."""

    @action(SetExternalId, write=WriteSpec("createExternalId", key=("user", "external_platform")))
    def set_external_id(self, arguments: SetExternalId) -> ActionSteps[ExternalIdOfUser]:
        """
        Set the id that a user has in another platform (``createExternalId`` or ``updateExternalId``).

        An earlier one is replaced. Nothing is sent if the user has it already.

        :raises NotFoundError: if the user does not exist.
        :raises AlreadyExistsError: if something else has this id in the platform.
        :raises OutcomeUnknownError: if the outcome is unknown, and the user does not have the id (yet).
        """
        user_id = yield from self.user_id_of(arguments.user)
        yield from _set(user_id, arguments)
        return {
            "user": arguments.user,
            "external_platform": arguments.external_platform,
            "external_id": arguments.external_id,
            "outcome": "set",
        }

    @action(GetUserByExternalId)
    def get_user_by_external_id(self, arguments: GetUserByExternalId) -> ActionSteps[UserRecord]:
        """
        Return the user with an id in another platform (``getExternalIds`` and ``getUser``).

        :raises NotFoundError: if no user has it, or the user is deleted.
        """
        platform, external_id = arguments.external_platform, arguments.external_id
        for mapping in (yield from _mappings(platform, "value", external_id)):
            # Whether letter case makes a difference to the server's filter is not known. To the platform, it may.
            if string(mapping, "value") == external_id:
                user = yield Call("getUser", path={"userId": first_string(mapping, "targetId")})
                if string(user, "status") != "deleted":
                    return neutral_user(user)
        raise NotFoundError(
            f"No active or invited user has the id {shown(external_id)} in {shown(platform)}: check both, capital "
            "letters included",
            operation="getExternalIds",
            code=USER_NOT_FOUND,
        )

    def external_ids_of_users(self, external_platform: str) -> Iterator[ExternalIdOf]:
        """See :meth:`~..interface.LearningApi.external_ids_of_users` (``getExternalIds``): page by page."""
        query: JsonObject = {"type[eq]": "user", "platform[eq]": external_platform}
        for page in read_pages(self.client.call, Call("getExternalIds", query=query)):
            for item in page:
                yield ExternalIdOf(first_string(item, "targetId"), first_string(item, "value"))


def _set(user_id: str, arguments: SetExternalId) -> ActionSteps[None]:
    """Create or replace the mapping of a user, after looking at what is there each time."""
    platform, external_id = arguments.external_platform, arguments.external_id
    body: JsonObject = {"platform": platform, "targetId": user_id, "targetType": "user", "value": external_id}
    for sent in range(1, MAX_SENDS + 1):
        mappings = yield from _mappings(platform, "targetId", user_id)
        if any(string(each, "value") == external_id for each in mappings):
            return
        try:
            if mappings:
                yield Call("updateExternalId", path={"mappingId": first_string(mappings[0], "_id")}, body=body)
            else:
                yield Call("createExternalId", body=body)
            return
        except OutcomeUnknownError:
            if sent == MAX_SENDS:
                raise


def _mappings(platform: str, key: str, value: str) -> ActionSteps[list[ResponseObject]]:
    """
    Return the ids that users have in a platform, with the users whose they are.

    :param key: ``value`` or ``targetId``, which selects them.
    :param value: Its value.
    """
    query = {"type[eq]": "user", "platform[eq]": platform, f"{key}[eq]": value}
    return (yield from all_items(Call("getExternalIds", query=query)))
