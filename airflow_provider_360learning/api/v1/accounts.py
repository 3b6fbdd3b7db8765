"""Accounts of API v1: given a password, and pseudonymized."""

from __future__ import annotations

from airflow_provider_360learning.api.actions import WriteSpec, action
from airflow_provider_360learning.api.models.parsers import is_id, shown
from airflow_provider_360learning.api.models.users import PseudonymizeUser, SetPassword
from airflow_provider_360learning.api.results import (
    PasswordOfUser,
    PseudonymizedUser,
)
from airflow_provider_360learning.api.types import ActionSteps, Call
from airflow_provider_360learning.api.v1.users import UserActions
from airflow_provider_360learning.exceptions import NotAvailableError, NotFoundError


def check_pseudonymization(arguments: PseudonymizeUser) -> None:
    """
    Refuse what exists in API v2 only.

    :raises NotAvailableError: naming the argument.
    """
    if arguments.delete_external_ids:
        raise NotAvailableError(
            "delete_external_ids is not available in API v1: leave it out.", argument="delete_external_ids"
        )


class AccountActions(UserActions):
    """Pseudonymize users, and set their passwords."""

    @action(SetPassword, write=WriteSpec("updateUser", key=("user",)))
    def set_password(self, arguments: SetPassword) -> ActionSteps[PasswordOfUser]:
        """
        Set the password of a user (``updateUser``).

        :raises NotFoundError: if the user does not exist.
        """
        body = {"password": arguments.password.get_secret_value()}
        yield Call("updateUser", path={"user": arguments.user}, body=body)
        return {"user": arguments.user, "outcome": "set"}

    @action(PseudonymizeUser, write=WriteSpec("pseudonymizeUser", key=("user",)), check=check_pseudonymization)
    def pseudonymize_user(self, arguments: PseudonymizeUser) -> ActionSteps[PseudonymizedUser]:
        """
        Remove the personal data of a user for good (``pseudonymizeUser``); the id and the statistics stay.

        Whether API v1 needs the user to be deleted first, as API v2 does, is not known.

        :return: ``outcome`` is ``pseudonymized``, ``not_found`` or ``would_pseudonymize``; ``user_id`` is ``None`` for
            a deleted user who is given by the email address, unless ``dry_run`` is set.
        :raises NotFoundError: with ``if_missing="fail"``, if the user does not exist.
        """
        user = arguments.user
        try:
            if arguments.dry_run:
                return {"user": user, "user_id": (yield from self._any_id_of(user)), "outcome": "would_pseudonymize"}
            # The email address is gone afterwards.
            user_id = user if is_id(user) else (yield from self.id_of(user))
            yield from _pseudonymize(user)
        except NotFoundError:
            if arguments.if_missing == "fail":
                raise
            return {"user": user, "user_id": None, "outcome": "not_found"}
        return {"user": user, "user_id": user_id, "outcome": "pseudonymized"}

    def _any_id_of(self, user: str) -> ActionSteps[str]:
        """
        Return the id of a user, who may be deleted.

        :raises NotFoundError: if neither a user nor a deleted one has this email address or id.
        """
        found = yield from self.id_of(user)
        if found is not None:
            return found
        for each in (yield from self.list_users.steps(deleted=True)):
            if user.lower() in (str(each["mail"]).lower(), each["user_id"]) and each["user_id"]:
                return each["user_id"]
        raise NotFoundError(f"No user is {shown(user)}, not even a deleted one", operation="getUsers")


def _pseudonymize(user: str) -> ActionSteps[None]:
    try:
        yield Call("pseudonymizeUser", path={"user": user})
    except NotFoundError as error:
        if not error.after_unknown_outcome:
            raise
        # The first request has replaced the email address.
