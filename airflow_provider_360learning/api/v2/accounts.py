"""Accounts of API v2: found, activated, given a password, and pseudonymized."""

from __future__ import annotations

from airflow_provider_360learning.api.actions import WriteSpec, action, confirm_by_lookup
from airflow_provider_360learning.api.fields import first_string, string
from airflow_provider_360learning.api.models.parsers import is_id
from airflow_provider_360learning.api.models.users import (
    ActivateUser,
    CreateUser,
    PseudonymizeUser,
    SetPassword,
    SetProfileImage,
    UpdateUser,
)
from airflow_provider_360learning.api.results import (
    ActivatedUser,
    PasswordOfUser,
    ProfileImage,
    PseudonymizedUser,
)
from airflow_provider_360learning.api.types import ActionSteps, Call, JsonObject, ResponseObject
from airflow_provider_360learning.api.v2.lookups import USER_NOT_FOUND, Lookups, ambiguous, not_found
from airflow_provider_360learning.exceptions import (
    InvalidRequestError,
    NotFoundError,
    OutcomeUnknownError,
    RefusedError,
)

#: Documented minimum number of characters of a password; rules of the company may come on top.
MIN_PASSWORD = 8
#: Maximum number of times that a request is sent whose outcome is unknown, with a lookup after each.
MAX_SENDS = 3


def check_password(arguments: CreateUser | UpdateUser | SetPassword) -> None:
    """
    Refuse a password that is too short for API v2.

    :raises InvalidRequestError: if there is one.
    """
    if arguments.password is not None and len(arguments.password.get_secret_value()) < MIN_PASSWORD:
        raise InvalidRequestError(
            f"password has fewer than {MIN_PASSWORD} characters, the minimum in API v2. Nothing was sent.",
            argument="password",
        )


class AccountActions(Lookups):
    """Activate and pseudonymize users, and set their passwords."""

    @action(ActivateUser, write=WriteSpec("activateUser", key=("user",)))
    def activate_user(self, arguments: ActivateUser) -> ActionSteps[ActivatedUser]:
        """
        Activate an invited user, who can log in then (``activateUser``).

        :return: ``outcome`` is ``activated``, or ``already_active``, for which nothing is sent.
        :raises NotFoundError: if the user does not exist, or is deleted.
        """
        account = yield from self.account_of(arguments.user)
        user_id = first_string(account, "_id")
        if string(account, "status") == "active":
            return {"user": arguments.user, "user_id": user_id, "outcome": "already_active"}
        yield Call("activateUser", path={"userId": user_id})
        return {"user": arguments.user, "user_id": user_id, "outcome": "activated"}

    @action(SetPassword, write=WriteSpec("replacePassword", key=("user",)), check=check_password)
    def set_password(self, arguments: SetPassword) -> ActionSteps[PasswordOfUser]:
        """
        Set the password of a user (``replacePassword``), active or invited.

        :raises NotFoundError: if the user does not exist.
        :raises RefusedError: if the user is deleted.
        :raises InvalidRequestError: if the password does not follow the rules of the company.
        """
        user_id = yield from self.user_id_of(arguments.user)
        yield replace_password(user_id, arguments.password.get_secret_value(), arguments.password_must_be_changed)
        return {"user": arguments.user, "outcome": "set"}

    # No action for rows: a file of rows could name any file of the host.
    @action(SetProfileImage)
    def set_profile_image(self, arguments: SetProfileImage) -> ActionSteps[ProfileImage]:
        """
        Replace the profile image of a user (``uploadUserMedia``).

        If the outcome is unknown, the user is read, and the upload is not repeated.

        :raises NotFoundError: if the user does not exist, or is deleted.
        :raises InvalidRequestError: if 360Learning cannot process the file.
        :raises OutcomeUnknownError: if the outcome is unknown, and the user has no new image (yet).
        """
        account = yield from self.account_of(arguments.user)
        user_id, before = first_string(account, "_id"), string(account, "profileImageId")
        try:
            item = yield Call("uploadUserMedia", path={"userId": user_id}, files={"profileImage": arguments.image})
        except OutcomeUnknownError as unknown:
            image_id = yield from confirm_by_lookup(unknown, _find_new_image(user_id, before))
        else:
            image_id = first_string(item, "profileImageId")
        return {"user": arguments.user, "user_id": user_id, "profile_image_id": image_id, "outcome": "set"}

    @action(PseudonymizeUser, write=WriteSpec("pseudonymizeUser", key=("user",)))
    def pseudonymize_user(self, arguments: PseudonymizeUser) -> ActionSteps[PseudonymizedUser]:
        """
        Remove the personal data of a deleted user for good (``pseudonymizeUser``); the id and the statistics stay.

        :return: ``outcome`` is ``pseudonymized``, ``not_found`` or ``would_pseudonymize``.
        :raises NotFoundError: with ``if_missing="fail"``, if the user does not exist.
        :raises RefusedError: if the user is not deleted.
        """
        user = arguments.user
        try:
            user_id = yield from self._deleted_user_id(arguments)
            if arguments.dry_run:
                return {"user": user, "user_id": user_id, "outcome": "would_pseudonymize"}
            query: JsonObject = {"deleteExternalIds": arguments.delete_external_ids}
            yield Call("pseudonymizeUser", path={"userId": user_id}, query=query)
        except NotFoundError:
            if arguments.if_missing == "fail":
                raise
            return {"user": user, "user_id": user if is_id(user) else None, "outcome": "not_found"}
        return {"user": user, "user_id": user_id, "outcome": "pseudonymized"}

    def account_of(self, user: str) -> ActionSteps[ResponseObject]:
        """
        Return the active or invited account of a user, as 360Learning has it now.

        :param user: Email address or id.
        :raises NotFoundError: if no such account exists.
        :raises RefusedError: naming the ids, if several users have the address.
        """
        if not is_id(user):
            found = (yield from self.find_accounts([user]))[user]
            if len(found) > 1:
                raise ambiguous(user, found)
            if not found:
                raise not_found([user])
            return found[0]
        item: ResponseObject = yield Call("getUser", path={"userId": user})
        if string(item, "status") == "deleted":
            raise deleted(user, "getUser")
        return item

    def _deleted_user_id(self, arguments: PseudonymizeUser) -> ActionSteps[str]:
        """
        Return the id of a deleted user.

        :raises NotFoundError: if the user does not exist.
        :raises RefusedError: if the user is not deleted, or several deleted users have the address.
        """
        user = arguments.user
        if not is_id(user):
            if (yield from self.find_account(user)) is not None:
                raise _not_deleted(user)
            return (yield from self.deleted_user_id_of(user))
        if arguments.dry_run:  # otherwise, 360Learning itself refuses a user who is not deleted
            item = yield Call("getUser", path={"userId": user})
            if string(item, "status") != "deleted":
                raise _not_deleted(user)
        return user


def _find_new_image(user_id: str, before: str | None) -> ActionSteps[str | None]:
    """Return the id of the profile image of a user if it is another one than before."""
    image_id = string((yield Call("getUser", path={"userId": user_id})), "profileImageId")
    return None if image_id == before else image_id


def replace_password(user_id: str, password: str, must_be_changed: bool | None) -> Call:
    """
    Return the call that sets a password.

    :param user_id: Id of the user.
    :param password: The password.
    :param must_be_changed: Whether it must be changed at the next login.
    """
    body: JsonObject = {"password": password, "passwordMustBeChanged": bool(must_be_changed)}
    return Call("replacePassword", path={"userId": user_id}, body=body)


def deleted(user: str, operation: str) -> NotFoundError:
    """
    Return the error about a user who is deleted.

    :param user: Email address or id.
    :param operation: The operation that has shown it.
    """
    return NotFoundError(f"The user {user} is deleted", operation=operation, code=USER_NOT_FOUND)


def _not_deleted(user: str) -> RefusedError:
    return RefusedError(
        f"The user {user} is not deleted, and API v2 pseudonymizes deleted users only: delete the user first "
        "(delete_user). Nothing was changed",
        operation="pseudonymizeUser",
        code="userNotDeleted",
    )
