"""Integrations of API v2: what connects a group with an external platform."""

from __future__ import annotations

from airflow_provider_360learning.api.actions import ApiAdapter, WriteSpec, action, confirm_by_lookup
from airflow_provider_360learning.api.existing import outcome_of_existing
from airflow_provider_360learning.api.fields import boolean, first_string, number, string
from airflow_provider_360learning.api.models.integrations import (
    CreateIntegration,
    DeleteIntegration,
    ListIntegrations,
    UpdateIntegration,
)
from airflow_provider_360learning.api.pages import all_items
from airflow_provider_360learning.api.results import (
    CreatedIntegration,
    DeletedIntegration,
    IntegrationRecord,
    UpdatedIntegration,
)
from airflow_provider_360learning.api.text import listed_ids
from airflow_provider_360learning.api.types import ActionSteps, Call, JsonObject, ResponseObject
from airflow_provider_360learning.exceptions import NotFoundError, OutcomeUnknownError


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
    items = yield from _with_platform(external_platform)
    if (found := _of_group(items, group_id)) is not None:
        return found
    others = listed_ids(sorted({str(string(item, "groupId")) for item in items}))
    raise NotFoundError(
        f"Group {group_id} has no integration with the external platform {external_platform!r:.200}, through which "
        "API v2 imports courses and statistics"
        + (f"; groups that have one: {others}" if others else "")
        + ": check the spelling, capital letters included. To create it once: create_integration (scope "
        "integrations:write), or in 360Learning; or give integration_id",
        operation="getIntegrations",
    )


class IntegrationActions(ApiAdapter):
    """List, create, change and delete integrations."""

    @action(ListIntegrations)
    def list_integrations(self, arguments: ListIntegrations) -> ActionSteps[list[IntegrationRecord]]:
        """Return all integrations (``getIntegrations``), 100 per request."""
        items = yield from all_items(Call("getIntegrations"))
        return [_neutral_integration(item) for item in items]

    @action(
        CreateIntegration,
        write=WriteSpec("createIntegration", key=("group_id", "external_platform"), makes="integration_id"),
    )
    def create_integration(self, arguments: CreateIntegration) -> ActionSteps[CreatedIntegration]:
        """
        Connect a group with an external provider (``createIntegration``), unless it is.

        The integrations with the provider are listed first. If the outcome of the creation is unknown, they are listed
        again, and the creation is never sent twice.

        :return: ``outcome`` is ``created``, ``already_exists`` or ``updated``.
        :raises AlreadyExistsError: with ``if_exists="fail"``, if the integration exists.
        :raises RefusedError: if the company has as many integrations as it may have.
        :raises OutcomeUnknownError: if the outcome is unknown, and the integration is not listed (yet) or the listing
            fails.
        """
        group_id, platform = arguments.group_id, arguments.external_platform
        found = yield from _find(group_id, platform)
        if found is not None:
            described = f"The integration of group {group_id} with {platform!r:.200}"
            update = _edit(found, {**_options(arguments), "authorId": arguments.author_id})
            outcome = yield from outcome_of_existing(arguments.if_exists, described, found, update, "createIntegration")
            return {"integration_id": found, "outcome": outcome}
        body: JsonObject = {
            "groupId": group_id,
            "externalPlatform": platform,
            "authorId": arguments.author_id,
            **_options(arguments),
        }
        try:
            response = yield Call("createIntegration", body=body)
        except OutcomeUnknownError as unknown:
            made = yield from confirm_by_lookup(unknown, _find(group_id, platform))
            return {"integration_id": made, "outcome": "created"}
        return {"integration_id": first_string(response, "_id"), "outcome": "created"}

    @action(UpdateIntegration, write=WriteSpec("editIntegration", key=("integration_id",)))
    def update_integration(self, arguments: UpdateIntegration) -> ActionSteps[UpdatedIntegration]:
        """
        Change an integration (``editIntegration``); fields that are not given keep their values.

        :raises NotFoundError: if the integration does not exist.
        :raises AlreadyExistsError: if the group has another integration with the provider.
        """
        body: JsonObject = {
            "groupId": arguments.group_id,
            "externalPlatform": arguments.external_platform,
            "authorId": arguments.author_id,
            **_options(arguments),
        }
        yield from _edit(arguments.integration_id, body)
        return {"integration_id": arguments.integration_id, "outcome": "updated"}

    @action(DeleteIntegration, write=WriteSpec("deleteIntegration", key=("integration_id",)))
    def delete_integration(self, arguments: DeleteIntegration) -> ActionSteps[DeletedIntegration]:
        """
        Delete an integration **and archive all of its courses** (``deleteIntegration``).

        :raises NotFoundError: with ``if_missing="fail"``, if the integration does not exist.
        """
        integration_id = arguments.integration_id
        try:
            if arguments.dry_run:
                found = yield from self._existing(integration_id)
                return {"integration_id": integration_id, "outcome": "would_delete", "integration": found}
            yield Call("deleteIntegration", path={"integrationId": integration_id})
        except NotFoundError as error:
            if error.after_unknown_outcome:
                return {"integration_id": integration_id, "outcome": "deleted"}
            if arguments.if_missing == "fail":
                raise
            return {"integration_id": integration_id, "outcome": "not_found"}
        return {"integration_id": integration_id, "outcome": "deleted"}

    def _existing(self, integration_id: str) -> ActionSteps[IntegrationRecord]:
        for integration in (yield from self.list_integrations.steps()):
            if str(integration["integration_id"]).lower() == integration_id.lower():
                return integration
        raise NotFoundError(f"The integration {integration_id} does not exist", operation="getIntegrations")


def _neutral_integration(item: ResponseObject) -> IntegrationRecord:
    progress = number(item, "defaultProgress")
    return {
        "integration_id": string(item, "_id"),
        "group_id": string(item, "groupId"),
        "external_platform": string(item, "externalPlatform"),
        "author_id": string(item, "authorId"),
        "default_completion": boolean(item, "defaultCompletion"),
        "default_progress": None if progress is None else round(progress),
        "no_group_propagation": boolean(item, "noGroupPropagation"),
        "logo_url": string(item, "externalPlatformLogoUrl"),
        "unicolor_logo_url": string(item, "externalPlatformUnicolorLogoUrl"),
    }


def _options(arguments: CreateIntegration | UpdateIntegration) -> JsonObject:
    return {
        "defaultCompletion": arguments.default_completion,
        "defaultProgress": arguments.default_progress,
        "noGroupPropagation": arguments.no_group_propagation,
        "externalPlatformLogoUrl": arguments.logo_url,
        "externalPlatformUnicolorLogoUrl": arguments.unicolor_logo_url,
    }


def _edit(integration_id: str, body: JsonObject) -> ActionSteps[None]:
    yield Call("editIntegration", path={"integrationId": integration_id}, body=body)


def _find(group_id: str, external_platform: str) -> ActionSteps[str | None]:
    """Return the id of the integration of a group with a provider, of which it has one at most."""
    return _of_group((yield from _with_platform(external_platform)), group_id)


def _with_platform(external_platform: str) -> ActionSteps[list[ResponseObject]]:
    return (yield from all_items(Call("getIntegrations", query={"externalPlatform[eq]": external_platform})))


def _of_group(items: list[ResponseObject], group_id: str) -> str | None:
    found = (item for item in items if str(string(item, "groupId")).lower() == group_id.lower())
    return next((first_string(item, "_id") for item in found), None)
