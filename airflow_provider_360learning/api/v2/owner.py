"""The owner of the platform, in the place of users whom API v2 requires and a caller does not give."""

from __future__ import annotations

from collections.abc import Collection

from airflow_provider_360learning.api.fields import first_string, string
from airflow_provider_360learning.api.pages import first_item
from airflow_provider_360learning.api.types import ActionSteps, Call
from airflow_provider_360learning.api.v2.lookups import Lookups
from airflow_provider_360learning.exceptions import RefusedError


class OwnerLookup(Lookups):
    """Users by email address, or the owner of the platform, who is looked up once."""

    _owner_id: str | None = None

    def ids_or_owner(self, mails: Collection[str], argument: str, operation: str) -> ActionSteps[list[str]]:
        """
        Return the ids of users in their order; without any, that of the owner of the platform.

        :param mails: Email addresses, each once.
        :param argument: The argument that gives them.
        :param operation: The operation that requires one.
        :raises RefusedError: if none is given, and the platform has no owner.
        """
        if mails:
            ids = yield from self.user_ids_of(mails)
            return [ids[mail] for mail in mails]
        if self._owner_id is None:
            root_id = yield from self.root_group_id()
            members = Call("getGroupMembers", path={"groupId": root_id})
            owner = yield from first_item(members, lambda item: string(item, "role") == "owner")
            self._owner_id = None if owner is None else first_string(owner, "userId")
        if self._owner_id is not None:
            return [self._owner_id]
        raise RefusedError(
            f"API v2 requires {argument}, and the root group has no owner to be it: give {argument}. Nothing "
            "was created.",
            operation=operation,
        )
