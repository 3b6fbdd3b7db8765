"""Which users of API v2 are active."""

from __future__ import annotations

from collections.abc import Collection

from airflow_provider_360learning.api.fields import string
from airflow_provider_360learning.api.models.parsers import is_id
from airflow_provider_360learning.api.types import ActionSteps, ResponseObject
from airflow_provider_360learning.api.v2.lookups import Lookups, ambiguous


class UserStates(Lookups):
    """The states of users, as 360Learning has them now."""

    def active_among(self, users: Collection[str]) -> ActionSteps[frozenset[str]]:
        """
        Return which of several users are active (``getUsers``, ``getUser``).

        About 100 email addresses take one request; ids take one each, or the listing of all users where that is
        cheaper.

        :raises RefusedError: naming the ids, if several users have an address.
        """
        by_id = yield from self.users_of([user for user in users if is_id(user)])
        active_ids = {id.lower() for id, item in by_id.items() if _is_active(item)}
        active = {user for user in users if user.lower() in active_ids}
        by_mail = yield from self.find_accounts([user for user in users if not is_id(user)])
        for mail, found in by_mail.items():
            if len(found) > 1:
                raise ambiguous(mail, found)
            active.update(mail for item in found if _is_active(item))
        return frozenset(active)


def _is_active(user: ResponseObject) -> bool:
    return string(user, "status") == "active"
