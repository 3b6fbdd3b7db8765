"""Managers of users of API v1."""

from __future__ import annotations

from airflow_provider_360learning.api.actions import ApiAdapter, WriteSpec, action
from airflow_provider_360learning.api.models.users import AddManager, ListManagers, ListSubordinates, RemoveManager
from airflow_provider_360learning.api.results import (
    AddedManager,
    RelatedUser,
    RemovedManager,
)
from airflow_provider_360learning.api.types import ActionSteps, Call
from airflow_provider_360learning.api.v1.users import related_users
from airflow_provider_360learning.exceptions import NotFoundError

_KEY = ("user", "manager")


class ManagerActions(ApiAdapter):
    """Add, remove and list the managers of users."""

    @action(AddManager, write=WriteSpec("addManagerToUser", key=_KEY))
    def add_manager(self, arguments: AddManager) -> ActionSteps[AddedManager]:
        """
        Make a user the manager of another one (``addManagerToUser``); other managers stay.

        That repeating it changes nothing is an assumption.

        :raises NotFoundError: if one of the users does not exist.
        """
        user, manager = arguments.user, arguments.manager
        yield Call("addManagerToUser", path={"user": user, "manager": manager})
        return {"user": user, "manager": manager, "outcome": "added"}

    @action(RemoveManager, write=WriteSpec("deleteManagerFromUser", key=_KEY))
    def remove_manager(self, arguments: RemoveManager) -> ActionSteps[RemovedManager]:
        """
        Remove a manager of a user (``deleteManagerFromUser``), who need not have this manager.

        :raises NotFoundError: if one of the users does not exist.
        """
        user, manager = arguments.user, arguments.manager
        try:
            yield Call("deleteManagerFromUser", path={"user": user, "manager": manager})
        except NotFoundError as error:
            # What API v1 says about a manager whom the user does not have is not known.
            if not error.after_unknown_outcome or error.code == "user_not_found":
                raise
        return {"user": user, "manager": manager, "outcome": "removed"}

    @action(ListManagers)
    def list_managers(self, arguments: ListManagers) -> ActionSteps[list[RelatedUser]]:
        """
        Return the managers of a user (``getUser``).

        :raises NotFoundError: if the user does not exist.
        """
        return (yield from _related_users(arguments.user, "managers"))

    @action(ListSubordinates)
    def list_subordinates(self, arguments: ListSubordinates) -> ActionSteps[list[RelatedUser]]:
        """
        Return the users whose manager a user is (``getUser``).

        :raises NotFoundError: if the user does not exist.
        """
        return (yield from _related_users(arguments.user, "subordinates"))


def _related_users(user: str, key: str) -> ActionSteps[list[RelatedUser]]:
    return related_users((yield Call("getUser", path={"user": user})), key)
