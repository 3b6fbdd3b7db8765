"""Custom links in API v1, which names them by their type, and users by their email address."""

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
from airflow_provider_360learning.api.v1.mails import mail_of


class CustomLinkActions(CustomLinkSteps):
    """List, create, change and delete custom links, and their URLs of single users."""

    @action(ListCustomLinks)
    def list_custom_links(self, arguments: ListCustomLinks) -> ActionSteps[list[CustomLinkRecord]]:
        """Return all custom links (``getCustomLinks``)."""
        return (yield from self._links())

    @action(CreateCustomLink, write=WriteSpec("createCustomLink", key=("type",), makes="custom_link_id"))
    def create_custom_link(self, arguments: CreateCustomLink) -> ActionSteps[CreatedCustomLink]:
        """
        Create a custom link (``createCustomLink``), unless one has this type.

        All links are listed first, and once more for the id of the new one. If the outcome of the creation is unknown,
        the listing decides, and the creation is never sent twice. The body of the request is an assumption.

        :return: ``outcome`` is ``created``, ``already_exists`` or ``updated``.
        :raises AlreadyExistsError: with ``if_exists="fail"``, if the link exists.
        :raises OutcomeUnknownError: if the outcome is unknown, and the link is not listed (yet) or the listing fails.
        """
        return (yield from self._create_link(arguments))

    @action(UpdateCustomLink, write=WriteSpec("updateCustomLink", key=("type",)))
    def update_custom_link(self, arguments: UpdateCustomLink) -> ActionSteps[UpdatedCustomLink]:
        """
        Change a custom link (``updateCustomLink``); fields that are not given keep their values.

        The body of the request is an assumption.

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
        Return the URLs of a user for custom links (``getAllCustomUserLinks``).

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
        items = yield Call("getCustomLinks")
        return [neutral_link(item) for item in items]

    def _add_link(self, fields: JsonObject) -> ActionSteps[None]:
        yield Call("createCustomLink", body=fields)

    def _change_link(self, known: CustomLinkRecord, fields: JsonObject) -> ActionSteps[None]:
        yield Call("updateCustomLink", body={"type": known["type"], "update": without_nones(fields)})

    def _remove_link(self, known: CustomLinkRecord) -> ActionSteps[None]:
        yield Call("deleteCustomLink", query={"type": known["type"]})

    def _user_key(self, user: str) -> ActionSteps[str]:
        return mail_of(user)

    def _urls(self, user_key: str) -> ActionSteps[list[CustomUserLinkRecord]]:
        items = yield Call("getAllCustomUserLinks", query={"mail": user_key})
        return [
            {
                "custom_user_link_id": None,
                "type": string(item, "type"),
                "name": string(item, "name"),
                "icon": string(item, "iconName"),
                "url": string(item, "url"),
            }
            for item in items
        ]

    def _add_url(self, user_key: str, type: str, url: str) -> ActionSteps[None]:
        yield Call("createCustomUserLink", body={"mail": user_key, "type": type, "url": url})

    def _change_url(
        self, user_key: str, known: CustomUserLinkRecord, url: str | None, new_type: str | None
    ) -> ActionSteps[None]:
        update = without_nones({"url": url, "type": new_type})
        yield Call("updateCustomUserLink", body={"mail": user_key, "type": known["type"], "update": update})

    def _remove_url(self, user_key: str, known: CustomUserLinkRecord) -> ActionSteps[None]:
        yield Call("deleteCustomUserLink", query={"mail": user_key, "type": known["type"]})
