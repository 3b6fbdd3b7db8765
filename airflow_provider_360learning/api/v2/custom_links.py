"""Custom links in API v2, which names them and users by their ids."""

from __future__ import annotations

from airflow_provider_360learning.api.actions import WriteSpec, action
from airflow_provider_360learning.api.custom_links import CustomLinkSteps, neutral_link
from airflow_provider_360learning.api.fields import string
from airflow_provider_360learning.api.models.custom_links import (
    CreateCustomLink,
    CreateCustomUserLink,
    DeleteCustomLink,
    DeleteCustomUserLink,
    ListCustomLinks,
    ListCustomUserLinks,
    UpdateCustomLink,
    UpdateCustomUserLink,
)
from airflow_provider_360learning.api.pages import all_items
from airflow_provider_360learning.api.request import without_nones
from airflow_provider_360learning.api.results import (
    CreatedCustomLink,
    CreatedCustomUserLink,
    CustomLinkRecord,
    CustomUserLinkRecord,
    DeletedCustomLink,
    DeletedCustomUserLink,
    UpdatedCustomLink,
    UpdatedCustomUserLink,
)
from airflow_provider_360learning.api.types import ActionSteps, Call, JsonObject
from airflow_provider_360learning.api.v2.lookups import Lookups


class CustomLinkActions(CustomLinkSteps, Lookups):
    """List, create, change and delete custom links, and their URLs of single users."""

    @action(ListCustomLinks)
    def list_custom_links(self, arguments: ListCustomLinks) -> ActionSteps[list[CustomLinkRecord]]:
        """Return all custom links (``getCustomLinksByCompany``), 1,000 per request."""
        return (yield from self._links())

    @action(CreateCustomLink, write=WriteSpec("createCustomLink", key=("type",), makes="custom_link_id"))
    def create_custom_link(self, arguments: CreateCustomLink) -> ActionSteps[CreatedCustomLink]:
        """
        Create a custom link (``createCustomLink``), unless one has this type.

        All links are listed first, and once more for the id of the new one. If the outcome of the creation is unknown,
        the listing decides, and the creation is never sent twice.

        :return: ``outcome`` is ``created``, ``already_exists`` or ``updated``.
        :raises AlreadyExistsError: with ``if_exists="fail"``, if the link exists; and if another one has this name or
            position.
        :raises OutcomeUnknownError: if the outcome is unknown, and the link is not listed (yet) or the listing fails.
        """
        return (yield from self._create_link(arguments))

    @action(UpdateCustomLink, write=WriteSpec("replaceCustomLink", key=("type",)))
    def update_custom_link(self, arguments: UpdateCustomLink) -> ActionSteps[UpdatedCustomLink]:
        """
        Change a custom link (``replaceCustomLink``); fields that are not given keep their values.

        :raises NotFoundError: if no link has this type.
        """
        return (yield from self._update_link(arguments))

    @action(DeleteCustomLink, write=WriteSpec("deleteCustomLink", key=("type",)))
    def delete_custom_link(self, arguments: DeleteCustomLink) -> ActionSteps[DeletedCustomLink]:
        """
        Delete a custom link (``deleteCustomLink``), with the URLs of all users for it.

        :raises NotFoundError: with ``if_missing="fail"``, if no link has this type.
        """
        return (yield from self._delete_link(arguments))

    @action(ListCustomUserLinks)
    def list_custom_user_links(self, arguments: ListCustomUserLinks) -> ActionSteps[list[CustomUserLinkRecord]]:
        """
        Return the URLs of a user for custom links (``getCustomUserLinks``).

        :raises NotFoundError: if the user does not exist.
        """
        return (yield from self._urls((yield from self._user_key(arguments.user))))

    @action(CreateCustomUserLink, write=WriteSpec("createCustomUserLink", key=("user", "type")))
    def create_custom_user_link(self, arguments: CreateCustomUserLink) -> ActionSteps[CreatedCustomUserLink]:
        """
        Set the URL of a user for a custom link (``createCustomUserLink``), unless there is one.

        The URLs of the user are listed first. If the outcome is unknown, they are listed again, and the URL is never
        sent twice.

        :return: ``outcome`` is ``created``, ``already_exists`` or ``updated``.
        :raises AlreadyExistsError: with ``if_exists="fail"``, if the user has a URL for this link.
        :raises NotFoundError: if the user or the link does not exist.
        :raises OutcomeUnknownError: if the outcome is unknown, and the URL is not listed (yet) or the listing fails.
        """
        return (yield from self._create_url(arguments))

    @action(UpdateCustomUserLink, write=WriteSpec("updateCustomUserLink", key=("user", "type")))
    def update_custom_user_link(self, arguments: UpdateCustomUserLink) -> ActionSteps[UpdatedCustomUserLink]:
        """
        Change the URL of a user for a custom link, or the link that has the URL (``updateCustomUserLink``).

        :raises NotFoundError: if the user has no URL for this link.
        """
        return (yield from self._update_url(arguments))

    @action(DeleteCustomUserLink, write=WriteSpec("deleteCustomUserLink", key=("user", "type")))
    def delete_custom_user_link(self, arguments: DeleteCustomUserLink) -> ActionSteps[DeletedCustomUserLink]:
        """
        Delete the URL of a user for a custom link (``deleteCustomUserLink``).

        :raises NotFoundError: with ``if_missing="fail"``, if the user has no URL for this link.
        """
        return (yield from self._delete_url(arguments))

    def _links(self) -> ActionSteps[list[CustomLinkRecord]]:
        items = yield from all_items(Call("getCustomLinksByCompany"))
        return [neutral_link(item) for item in items]

    def _add_link(self, fields: JsonObject) -> ActionSteps[None]:
        yield Call("createCustomLink", body=fields)

    def _change_link(self, known: CustomLinkRecord, fields: JsonObject) -> ActionSteps[None]:
        # The link is replaced, so that it needs all fields.
        unchanged = {"type": known["type"], "name": known["name"], "order": known["order"], "iconName": known["icon"]}
        path = {"customLinkId": str(known["custom_link_id"])}
        yield Call("replaceCustomLink", path=path, body={**unchanged, **without_nones(fields)})

    def _remove_link(self, known: CustomLinkRecord) -> ActionSteps[None]:
        yield Call("deleteCustomLink", path={"customLinkId": str(known["custom_link_id"])})

    def _user_key(self, user: str) -> ActionSteps[str]:
        return self.user_id_of(user)

    def _urls(self, user_key: str) -> ActionSteps[list[CustomUserLinkRecord]]:
        items = yield from all_items(Call("getCustomUserLinks", path={"userId": user_key}))
        links = {}
        if items:
            links = {link["custom_link_id"]: link for link in (yield from self._links())}
        known = [(item, links.get(string(item, "customLinkId"))) for item in items]
        return [
            {
                "custom_user_link_id": string(item, "_id"),
                "type": link and link["type"],
                "name": link and link["name"],
                "icon": link and link["icon"],
                "url": string(item, "url"),
            }
            for item, link in known
        ]

    def _add_url(self, user_key: str, type: str, url: str) -> ActionSteps[None]:
        link = yield from self._known_link(type)
        body = {"customLinkId": link["custom_link_id"], "url": url}
        yield Call("createCustomUserLink", path={"userId": user_key}, body=body)

    def _change_url(
        self, user_key: str, known: CustomUserLinkRecord, url: str | None, new_type: str | None
    ) -> ActionSteps[None]:
        link = yield from self._known_link(new_type or str(known["type"]))
        body = {"customLinkId": link["custom_link_id"], "url": url or known["url"]}
        yield Call("updateCustomUserLink", path=_path(user_key, known), body=body)

    def _remove_url(self, user_key: str, known: CustomUserLinkRecord) -> ActionSteps[None]:
        yield Call("deleteCustomUserLink", path=_path(user_key, known))


def _path(user_id: str, known: CustomUserLinkRecord) -> dict[str, str]:
    return {"userId": user_id, "customUserLinkId": str(known["custom_user_link_id"])}
