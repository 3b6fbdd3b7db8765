"""
Custom links and their URLs of single users, as far as they do not depend on the version of the API.

Links are named by their type, and looked up by it in a listing: errors for unknown types are not documented in API v1,
and API v2 has ids.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from airflow_provider_360learning.api.actions import ApiAdapter, confirm_by_lookup
from airflow_provider_360learning.api.existing import outcome_of_existing
from airflow_provider_360learning.api.fields import number, string
from airflow_provider_360learning.api.models.custom_links import (
    CreateCustomLink,
    CreateCustomUserLink,
    DeleteCustomLink,
    DeleteCustomUserLink,
    UpdateCustomLink,
    UpdateCustomUserLink,
)
from airflow_provider_360learning.api.models.parsers import normalized
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
from airflow_provider_360learning.api.types import ActionSteps, JsonObject, ResponseObject
from airflow_provider_360learning.exceptions import (
    AlreadyExistsError,
    Learning360Error,
    NotFoundError,
    OutcomeUnknownError,
)

#: Maximum number of positions that are tried for a new link, while other links are created at the same time.
MAX_POSITIONS = 20

L = TypeVar("L", CustomLinkRecord, CustomUserLinkRecord)


def neutral_link(item: ResponseObject) -> CustomLinkRecord:
    """Read a custom link, which has the same keys in all versions."""
    order = number(item, "order")
    return {
        "custom_link_id": string(item, "_id"),
        "type": string(item, "type"),
        "name": string(item, "name"),
        "order": None if order is None else int(order),
        "icon": string(item, "iconName"),
    }


class CustomLinkSteps(ApiAdapter):
    """What the actions on custom links do; a version has the requests."""

    def _links(self) -> ActionSteps[list[CustomLinkRecord]]:
        """Return all custom links."""
        raise NotImplementedError

    def _add_link(self, fields: JsonObject) -> ActionSteps[None]:
        """Create a custom link with these fields, in the words of the API."""
        raise NotImplementedError

    def _change_link(self, known: CustomLinkRecord, fields: JsonObject) -> ActionSteps[None]:
        """Change fields of a custom link, in the words of the API; those that are ``None`` keep their values."""
        raise NotImplementedError

    def _remove_link(self, known: CustomLinkRecord) -> ActionSteps[None]:
        """Delete a custom link."""
        raise NotImplementedError

    def _user_key(self, user: str) -> ActionSteps[str]:
        """Return what names a user in the requests of this version: the id or the email address."""
        raise NotImplementedError

    def _urls(self, user_key: str) -> ActionSteps[list[CustomUserLinkRecord]]:
        """Return the URLs of a user for custom links."""
        raise NotImplementedError

    def _add_url(self, user_key: str, type: str, url: str) -> ActionSteps[None]:
        """Set the URL of a user for a custom link."""
        raise NotImplementedError

    def _change_url(
        self, user_key: str, known: CustomUserLinkRecord, url: str | None, new_type: str | None
    ) -> ActionSteps[None]:
        """Change the URL of a user for a custom link, or the link that has it; ``None`` keeps a value."""
        raise NotImplementedError

    def _remove_url(self, user_key: str, known: CustomUserLinkRecord) -> ActionSteps[None]:
        """Delete the URL of a user for a custom link."""
        raise NotImplementedError

    def _create_link(self, arguments: CreateCustomLink) -> ActionSteps[CreatedCustomLink]:
        type = arguments.type
        links = yield from self._links()
        if found := _of_type(links, type):
            changes = UpdateCustomLink(type=type, name=arguments.name, order=arguments.order, icon=arguments.icon)
            described, link_id = f"The custom link {type!r:.200}", found["custom_link_id"]
            outcome = yield from outcome_of_existing(
                arguments.if_exists, described, link_id, self._update_link(changes), "createCustomLink"
            )
            return {"custom_link_id": link_id, "type": type, "outcome": outcome}
        try:
            yield from self._add_new_link(arguments, links)
        except OutcomeUnknownError as unknown:
            made: str | None = yield from confirm_by_lookup(unknown, self._id_of_link(type))
        else:
            made = yield from self._id_of_link(type)
        return {"custom_link_id": made, "type": type, "outcome": "created"}

    def _add_new_link(self, arguments: CreateCustomLink, links: list[CustomLinkRecord]) -> ActionSteps[None]:
        """Create a link; without a position, after all others, also while other rows or tasks do the same."""
        fields = {"type": arguments.type, "name": arguments.name, "iconName": arguments.icon}
        if arguments.order is not None:
            yield from self._add_link({**fields, "order": arguments.order})
            return
        for attempt in range(1, MAX_POSITIONS + 1):
            order = _next_order(links)
            try:
                yield from self._add_link({**fields, "order": order})
                return
            except AlreadyExistsError:
                links = yield from self._links()
                was_taken = any(link["order"] == order and link["name"] != arguments.name for link in links)
                if not was_taken or attempt == MAX_POSITIONS:
                    raise

    def _update_link(self, arguments: UpdateCustomLink) -> ActionSteps[UpdatedCustomLink]:
        known = yield from self._known_link(arguments.type)
        fields = {
            "type": arguments.new_type,
            "name": arguments.name,
            "order": arguments.order,
            "iconName": arguments.icon,
        }
        yield from self._change_link(known, fields)
        return {"type": arguments.new_type or arguments.type, "outcome": "updated"}

    def _delete_link(self, arguments: DeleteCustomLink) -> ActionSteps[DeletedCustomLink]:
        type = arguments.type
        try:
            known = yield from self._known_link(type)
        except NotFoundError:
            if arguments.if_missing == "fail":
                raise
            return {"type": type, "outcome": "not_found"}
        try:
            yield from self._remove_link(known)
        except Learning360Error as error:
            if not error.after_unknown_outcome or (yield from self._id_of_link(type)):
                raise
        return {"type": type, "outcome": "deleted"}

    def _create_url(self, arguments: CreateCustomUserLink) -> ActionSteps[CreatedCustomUserLink]:
        user, type, url = arguments.user, arguments.type, arguments.url
        key = yield from self._user_key(user)
        if found := _of_type((yield from self._urls(key)), type):
            # The URL itself is not shown: it may have a secret of its user.
            described = f"The URL of the user {user} for the custom link {type!r:.200}"
            link_id, update = found["custom_user_link_id"], self._change_url(key, found, url, None)
            outcome = yield from outcome_of_existing(
                arguments.if_exists, described, link_id, update, "createCustomUserLink"
            )
            return {"user": user, "type": type, "outcome": outcome}
        try:
            yield from self._add_url(key, type, url)
        except OutcomeUnknownError as unknown:
            yield from confirm_by_lookup(unknown, self._url_of(key, type))
        return {"user": user, "type": type, "outcome": "created"}

    def _update_url(self, arguments: UpdateCustomUserLink) -> ActionSteps[UpdatedCustomUserLink]:
        user, type = arguments.user, arguments.type
        key = yield from self._user_key(user)
        known = yield from self._known_url(key, arguments)
        yield from self._change_url(key, known, arguments.url, arguments.new_type)
        return {"user": user, "type": arguments.new_type or type, "outcome": "updated"}

    def _delete_url(self, arguments: DeleteCustomUserLink) -> ActionSteps[DeletedCustomUserLink]:
        user, type = arguments.user, arguments.type
        key = yield from self._user_key(user)
        try:
            known = yield from self._known_url(key, arguments)
        except NotFoundError:
            if arguments.if_missing == "fail":
                raise
            return {"user": user, "type": type, "outcome": "not_found"}
        try:
            yield from self._remove_url(key, known)
        except Learning360Error as error:
            if not error.after_unknown_outcome or (yield from self._url_of(key, type)):
                raise
        return {"user": user, "type": type, "outcome": "deleted"}

    def _known_link(self, type: str) -> ActionSteps[CustomLinkRecord]:
        found = _of_type((yield from self._links()), type)
        if found is None:
            raise NotFoundError(f"No custom link has the type {type!r:.200}: check the spelling")
        return found

    def _known_url(
        self, user_key: str, arguments: UpdateCustomUserLink | DeleteCustomUserLink
    ) -> ActionSteps[CustomUserLinkRecord]:
        found = _of_type((yield from self._urls(user_key)), arguments.type)
        if found is None:
            raise NotFoundError(f"The user {arguments.user} has no URL for the custom link {arguments.type!r:.200}")
        return found

    def _id_of_link(self, type: str) -> ActionSteps[str | None]:
        found = _of_type((yield from self._links()), type)
        return found and found["custom_link_id"]

    def _url_of(self, user_key: str, type: str) -> ActionSteps[str | None]:
        found = _of_type((yield from self._urls(user_key)), type)
        return found and found["url"]


def _of_type(records: Iterable[L], type: str) -> L | None:
    """Return the link of a type, which is unique among all links, and among those of a user."""
    return next((record for record in records if normalized(record["type"]) == type), None)


def _next_order(links: Iterable[CustomLinkRecord]) -> int:
    """Return the position after all custom links."""
    return 1 + max((link["order"] for link in links if link["order"] is not None), default=-1)
