"""Managers of users of API v2."""

from __future__ import annotations

from airflow_provider_360learning.api.actions import WriteSpec, action, confirm_by_lookup
from airflow_provider_360learning.api.models.users import AddManager, ListManagers, ListSubordinates, RemoveManager
from airflow_provider_360learning.api.pages import all_items
from airflow_provider_360learning.api.results import (
    AddedManager,
    RelatedUser,
    RemovedManager,
)
from airflow_provider_360learning.api.types import ActionSteps, Call
from airflow_provider_360learning.api.v2.lookups import Lookups
from airflow_provider_360learning.exceptions import NotFoundError, OutcomeUnknownError

_KEY = ("user", "manager")
_NOT_ASSIGNED = "managerNotAssignedToUser"


class ManagerActions(Lookups):
    """Add, remove and list the managers of users."""

    @action(AddManager, write=WriteSpec("addManager", key=_KEY))
    def add_manager(self, arguments: AddManager) -> ActionSteps[AddedManager]:
        """
        Make a user the manager of another one (``addManager``); other managers stay.

        That repeating it changes nothing is an assumption. If the outcome is unknown, the managers are read.

        :raises NotFoundError: if one of the users does not exist.
        :raises RefusedError: if one of the users is deleted.
        :raises OutcomeUnknownError: if the outcome is unknown, and the user does not have the manager (yet).
        """
        path = yield from self._path_of_link(arguments)
        try:
            yield Call("addManager", path=path)
        except OutcomeUnknownError as unknown:
            yield from confirm_by_lookup(unknown, _find_manager(path))
        return {"user": arguments.user, "manager": arguments.manager, "outcome": "added"}

    @action(RemoveManager, write=WriteSpec("deleteManager", key=_KEY))
    def remove_manager(self, arguments: RemoveManager) -> ActionSteps[RemovedManager]:
        """
        Remove a manager of a user (``deleteManager``), who need not have this manager.

        :raises NotFoundError: if one of the users does not exist.
        :raises RefusedError: if the user is deleted.
        """
        path = yield from self._path_of_link(arguments)
        try:
            yield Call("deleteManager", path=path)
        except NotFoundError as error:
            if error.code != _NOT_ASSIGNED:
                raise
        return {"user": arguments.user, "manager": arguments.manager, "outcome": "removed"}

    @action(ListManagers)
    def list_managers(self, arguments: ListManagers) -> ActionSteps[list[RelatedUser]]:
        """
        Return the managers of a user (``getManagers``), 1,000 per request.

        :raises NotFoundError: if the user does not exist.
        """
        user_id = yield from self.user_id_of(arguments.user)
        return _related_users((yield from all_items(Call("getManagers", path={"userId": user_id}))))

    @action(ListSubordinates)
    def list_subordinates(self, arguments: ListSubordinates) -> ActionSteps[list[RelatedUser]]:
        """
        Return the users whose manager a user is (``getSubordinates``), 1,000 per request.

        :raises NotFoundError: if the user does not exist.
        """
        user_id = yield from self.user_id_of(arguments.user)
        return _related_users((yield from all_items(Call("getSubordinates", path={"userId": user_id}))))

    def _path_of_link(self, arguments: AddManager | RemoveManager) -> ActionSteps[dict[str, str]]:
        ids = yield from self.user_ids_of([arguments.user, arguments.manager])
        return {"userId": ids[arguments.user], "managerId": ids[arguments.manager]}


def _find_manager(path: dict[str, str]) -> ActionSteps[str | None]:
    """Return the id of the manager if the user has this manager."""
    managers = yield from all_items(Call("getManagers", path={"userId": path["userId"]}))
    wanted = path["managerId"].lower()
    return next((id for id in managers if id.lower() == wanted), None)


def _related_users(ids: list[str]) -> list[RelatedUser]:
    return [{"user_id": id, "mail": None} for id in ids]
