"""Users of API v1."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date, datetime
from typing import Any, TypeVar

from airflow_provider_360learning.api.actions import ApiAdapter, action, writes
from airflow_provider_360learning.api.types import ActionSteps, Call
from airflow_provider_360learning.api.v1.json_stream import JsonStream, unusable
from airflow_provider_360learning.api.values import (
    check_choice,
    check_id,
    check_ids,
    check_mail,
    check_texts,
    check_user,
    is_id,
    refuse,
    utc,
)
from airflow_provider_360learning.exceptions import (
    AlreadyExistsError,
    InvalidRequestError,
    Learning360Error,
    NotFoundError,
    RefusedError,
)

log = logging.getLogger(__name__)

R = TypeVar("R")

#: Role names of API v2 to those of v1. That "author" became "editor" is likely, but nowhere stated (assumption).
ROLES = {"learner": "learner", "coach": "coach", "editor": "author", "admin": "admin"}
_ROLES_OF_V2_ONLY = frozenset({"analyst", "contributor", "user-admin"})

#: What happens to a new person, as (a password is sent along, ``sendCredentials``): the documented matrix.
MODES = {
    "invite": (False, False),
    "create_active": (True, False),
    "create_active_and_mail_password": (True, True),
    "create_active_and_mail_generated_password": (False, True),
}
#: What to do about somebody who exists.
IF_EXISTS = ("skip", "update", "fail")
#: What to do about somebody who does not exist (any more).
IF_MISSING = ("skip", "fail")


def v1_role(role: str) -> str:
    """
    Translate a role to v1's name of it.

    :param role: learner, coach, editor or admin.
    :raises InvalidRequestError: for a role that only v2 has, and for anything else.
    """
    if role in _ROLES_OF_V2_ONLY:
        refuse("role", role, f"one of {', '.join(ROLES)}: API v1 does not know it")
        return role
    return ROLES.get(check_choice("role", role, ROLES), role)


def neutral_user(item: Mapping[str, Any]) -> dict[str, Any]:
    """Read a user of any v1 route; what an answer does not hold is ``None``."""
    return {
        "user_id": item.get("_id"),
        "mail": item.get("mail"),
        "first_name": item.get("firstName"),
        "last_name": item.get("lastName"),
        "custom": item.get("custom"),
        "primary_group_id": item.get("primaryGroupId"),
    }


class UserActions(ApiAdapter):
    """Create, read, change and delete users."""

    @writes("createOrInviteUser", key=("mail",), makes="user_id")
    @action
    def create_user(
        self,
        mail: str,
        *,
        first_name: str | None = None,
        last_name: str | None = None,
        group_id: str | None = None,
        role: str = "learner",
        mode: str = "invite",
        password: str | None = None,
        other_group_ids: Iterable[str] = (),
        primary_group_id: str | None = None,
        job: str | None = None,
        organization: str | None = None,
        phone: str | None = None,
        lang: str | None = None,
        custom: str | None = None,
        labels: Iterable[str] = (),
        invitation_expires_after_days: int | None = None,
        password_must_be_changed: bool | None = None,
        if_exists: str = "skip",
    ) -> ActionSteps[dict[str, Any]]:
        """
        Create or invite a user (``createOrInviteUser``).

        ``mode`` says what happens to the person:

        - ``invite``: a mail invites; the account exists once the invitation is accepted.
        - ``create_active``: the account exists at once and no mail goes out. Without ``password``, a random one
          is set that nobody knows: the person signs in by single sign-on or resets it.
        - ``create_active_and_mail_password``: the account exists at once; a mail brings ``password``. v1 only.
        - ``create_active_and_mail_generated_password``: the account exists at once; a mail brings a password
          that 360Learning makes. v1 only.

        :param mail: Mail address of the person.
        :param group_id: Group to join with ``role``. v2 requires it.
        :param role: learner, coach, editor or admin; it applies to all groups given here.
        :param other_group_ids: Further groups to join.
        :param primary_group_id: Primary group; must be one of the groups given here.
        :param custom: Additional information, often used for the id of the HR system.
        :param labels: Old tags of the user. v1 only.
        :param invitation_expires_after_days: Days until an invitation expires. v1 only.
        :param password_must_be_changed: Whether the person must change ``password`` when they sign in. v2 requires
            it with a password; v1 has no use for it.
        :param if_exists: ``skip`` leaves somebody who exists as they are; ``update`` brings names, job, organization,
            phone, language, ``custom`` and the primary group up to date where they are given, and makes sure of the
            groups; ``fail`` raises.
        :returns: ``{"mail", "user_id", "outcome"}``. ``outcome`` is ``created``, ``invited``, ``already_exists``,
            ``updated`` or ``already_invited`` (an invitation of before is pending; v1 has no way to look one up,
            so ``user_id`` is ``None``).
        :raises AlreadyExistsError: with ``if_exists="fail"``, if somebody has the mail.
        :raises RefusedError: if another company uses or has invited the mail, or if somebody with a pending
            invitation was to be updated.
        :raises InvalidRequestError: if an argument is wrong; it is named.

        .. seealso:: https://360learning.readme.io/docs
        """
        check_mail("mail", mail)
        check_choice("mode", mode, MODES)
        check_choice("if_exists", if_exists, IF_EXISTS)
        groups = check_ids("group_id", [] if group_id is None else [group_id])
        groups += check_ids("other_group_ids", other_group_ids)
        if primary_group_id is not None and check_id("primary_group_id", primary_group_id) not in groups:
            refuse("primary_group_id", primary_group_id, "one of group_id and other_group_ids")
        has_password, sends_credentials = MODES.get(mode, (password is not None, False))
        profile = {
            "first_name": first_name,
            "last_name": last_name,
            "job": job,
            "organization": organization,
            "phone": phone,
            "lang": lang,
            "custom": custom,
            "primary_group_id": primary_group_id,
        }
        body = {
            "mail": mail,
            **_v1_profile(profile),
            "password": _password(mode, has_password, password),
            # The default is documented in two contradictory ways: always said.
            "sendCredentials": sends_credentials,
            "groups": groups or None,
            "roles": [v1_role(role)],
            "labels": check_texts("labels", labels) or None,
            "cancelTheInvitationAfterDays": invitation_expires_after_days,
        }
        try:
            answer = yield Call("createOrInviteUser", body=body)
        except AlreadyExistsError as error:
            invited = error.code == "invitation_already_exists"
            if error.after_unknown_outcome and invited == (mode == "invite"):
                # A send of this very call, whose outcome was not known, has done it.
                if if_exists == "update" and not invited:  # unless they were there before: then it does no harm
                    yield from self._updated(mail, profile, groups, role)
                return (yield from self._created(mail, "invitation_created" if invited else "user_created"))
            if if_exists == "fail":
                raise
            if invited:
                return _still_invited(mail, if_exists)
            if if_exists == "update":
                return (yield from self._updated(mail, profile, groups, role))
            return (yield from self._existing(mail, "already_exists"))
        if (answer["status"] == "invitation_created") != (mode == "invite"):
            log.warning("%s was asked for, but 360Learning answered %s for %s", mode, answer["status"], mail)
        return (yield from self._created(mail, answer["status"], answer.get("_id")))

    @action
    def get_user(self, user: str) -> ActionSteps[dict[str, Any]]:
        """
        Read a user (``getUser``).

        :param user: Mail or id.
        :returns: ``user_id``, ``mail``, ``first_name``, ``last_name``, ``custom``, ``primary_group_id``,
            ``last_login_at``, ``to_be_deactivated_at`` (ISO 8601 or ``None``), ``custom_fields`` (id to value).
        :raises NotFoundError: if there is no such user.
        """
        item = yield Call("getUser", path={"user": check_user("user", user)})
        return {
            **neutral_user(item),
            "last_login_at": item.get("lastLoginAt") or None,
            "to_be_deactivated_at": item.get("toDeactivateAt") or None,  # an empty text where it is not set
            "custom_fields": {one.get("customFieldId"): one.get("value") for one in item.get("customFields") or ()},
        }

    @action
    def list_users(self, *, deleted: bool | None = None) -> ActionSteps[list[dict[str, Any]]]:
        """
        List all users (``getUsers``); v1 has no filter by mail and no pages.

        :param deleted: Passed on as it is; that it lists deleted users is an assumption.
        :returns: A list of users as :meth:`get_user` has them, with the first six keys.
        """
        items = yield Call("getUsers", query={"deleted": deleted})
        return [neutral_user(item) for item in items]

    @action
    def read_users(self, take: Callable[[Iterator[dict[str, Any]]], R]) -> ActionSteps[R]:
        """
        Read all users while the answer comes in (``getUsers``): a large company's need not be held at once.

        :param take: Takes the users, as :meth:`list_users` has them. It is called anew, with all of them from the
            first, when the answer breaks off and is asked for again.
        :returns: What ``take`` returns.
        """
        return (yield Call("getUsers", read=lambda body: take(_users(JsonStream(body.read)))))  # type: ignore[no-any-return]

    @writes("updateUser", key=("user",))
    @action
    def update_user(
        self,
        user: str,
        *,
        mail: str | None = None,
        first_name: str | None = None,
        last_name: str | None = None,
        job: str | None = None,
        organization: str | None = None,
        phone: str | None = None,
        lang: str | None = None,
        custom: str | None = None,
        primary_group_id: str | None = None,
        password: str | None = None,
        password_must_be_changed: bool | None = None,
        to_be_deactivated_at: datetime | str | None = None,
        custom_fields: Mapping[str, str | date] | None = None,
    ) -> ActionSteps[dict[str, Any]]:
        """
        Change fields of a user (``updateUser``); what is not given stays.

        :param user: Mail or id.
        :param mail: New mail. That the user has it already is fine.
        :param custom: Additional information; that v1 takes it here is an assumption (creation does).
        :param to_be_deactivated_at: When to deactivate the account; in the future, with a time zone.
        :param password_must_be_changed: Whether the user must change ``password`` when they sign in. v2 requires it
            with a password; v1 has no use for it.
        :param custom_fields: Custom field id to value, a text or a date (v2 tells the two apart).
        :returns: ``{"user", "outcome": "updated"}``; ``outcome`` is ``invited`` where the new mail led to a new
            invitation.
        :raises NotFoundError: if there is no such user.
        :raises AlreadyExistsError: if somebody else has the new mail.
        """
        check_user("user", user)
        profile = {
            "first_name": first_name,
            "last_name": last_name,
            "job": job,
            "organization": organization,
            "phone": phone,
            "lang": lang,
            "custom": custom,
            "primary_group_id": primary_group_id and check_id("primary_group_id", primary_group_id),
        }
        body = {
            **_v1_profile(profile),
            "password": password,
            "toDeactivateAt": utc("to_be_deactivated_at", to_be_deactivated_at),
            "customFields": None
            if custom_fields is None
            else [
                {"customField": check_id("custom_fields", field), "value": str(value)}
                for field, value in custom_fields.items()
            ],
        }
        if mail is not None:
            check_mail("mail", mail)
        changes = any(value is not None for value in body.values())
        if mail is None and not changes:
            raise InvalidRequestError("update_user needs at least one field to change. Nothing was sent.")
        try:
            answer = yield Call("updateUser", path={"user": user}, body={**body, "mail": mail})
        except (AlreadyExistsError, NotFoundError) as error:
            # v1 refuses the mail that the user has already, which is what a second try after a kill meets.
            if mail is None or not (yield from self._has_mail(user, mail, error)):
                raise
            answer = (yield Call("updateUser", path={"user": mail}, body=body)) if changes else None
        status = answer.get("status") if isinstance(answer, dict) else None
        return {"user": user, "outcome": "invited" if status == "invitation_created" else "updated"}

    @writes("deleteUser", key=("user",))
    @action
    def delete_user(self, user: str, *, if_missing: str = "skip") -> ActionSteps[dict[str, Any]]:
        """
        Delete a user (``deleteUser``): no login any more; statistics stay.

        :param user: Mail or id.
        :param if_missing: ``skip`` takes a user who does not exist for done; ``fail`` raises.
        :returns: ``{"user", "outcome"}``, ``outcome`` being ``deleted`` or ``not_found``.
        :raises NotFoundError: with ``if_missing="fail"``.
        """
        check_choice("if_missing", if_missing, IF_MISSING)
        try:
            yield Call("deleteUser", path={"user": check_user("user", user)})
        except NotFoundError as error:
            if error.after_unknown_outcome:
                return {"user": user, "outcome": "deleted"}
            if if_missing == "fail":
                raise
            return {"user": user, "outcome": "not_found"}
        return {"user": user, "outcome": "deleted"}

    @action
    def list_user_roles(self, user: str) -> ActionSteps[list[dict[str, Any]]]:
        """
        List the groups of a user and the roles there (``getUserRoles``).

        :param user: Mail or id.
        :returns: One ``{"group_id", "role"}`` for each role.
        """
        items = yield Call("getUserRoles", path={"user": check_user("user", user)})
        names = {theirs: ours for ours, theirs in ROLES.items()}
        return [
            {"group_id": item.get("group"), "role": names.get(role, role)}
            for item in items
            for role in _several_roles(item.get("roles"))
        ]

    def _created(self, mail: str, status: str, user_id: str | None = None) -> ActionSteps[dict[str, Any]]:
        if status == "invitation_created":
            return {"mail": mail, "user_id": user_id, "outcome": "invited"}
        if user_id is None:
            return (yield from self._existing(mail, "created"))
        return {"mail": mail, "user_id": user_id, "outcome": "created"}

    def _existing(self, mail: str, outcome: str) -> ActionSteps[dict[str, Any]]:
        found = yield from self.get_user.steps(mail)
        return {"mail": mail, "user_id": found["user_id"], "outcome": outcome}

    def _updated(
        self, mail: str, profile: Mapping[str, str | None], groups: Iterable[str], role: str
    ) -> ActionSteps[dict[str, Any]]:
        # Memberships first: v1 wants the primary group to be one of the user's groups.
        for group in groups:
            yield Call("addUserToGroup", path={"group_id": group, "user": mail}, body={"role": v1_role(role)})
        if any(profile.values()):
            yield Call("updateUser", path={"user": mail}, body=_v1_profile(profile))
        return (yield from self._existing(mail, "updated"))

    def _has_mail(self, user: str, mail: str, error: Learning360Error) -> ActionSteps[bool]:
        """Tell whether the mail that an update was refused for is this user's own."""
        owner = yield from self._id_of(mail)
        if owner is None or is_id(user):
            return owner == user
        before = yield from self._id_of(user)
        # A send whose outcome was not known has done it if the old mail leads nowhere and the new one to somebody.
        return before == owner or (before is None and error.after_unknown_outcome)

    def _id_of(self, user: str) -> ActionSteps[str | None]:
        try:
            found = yield from self.get_user.steps(user)
        except NotFoundError:
            return None
        return str(found["user_id"])


def _users(answer: JsonStream) -> Iterator[dict[str, Any]]:
    for item in answer.values():
        if not isinstance(item, dict):
            raise unusable("a list of objects was expected")
        yield neutral_user(item)
    answer.end()


def _several_roles(roles: Any) -> list[str]:
    """Read the roles of one group; that they are a list is an assumption."""
    return [roles] if isinstance(roles, str) else list(roles or ())


def _v1_profile(profile: Mapping[str, str | None]) -> dict[str, str | None]:
    """WriteSpec the fields of a person with v1's names."""
    names = {"first_name": "firstName", "last_name": "lastName", "primary_group_id": "primaryGroupId"}
    return {names.get(name, name): value for name, value in profile.items()}


def _password(mode: str, has_password: bool, password: str | None) -> str | None:
    if not has_password:
        if password is not None:
            refuse("password", password, f"left out: mode {mode!r} takes no password")
        return None
    if password is None and mode == "create_active_and_mail_password":
        refuse("password", password, f"given: mode {mode!r} needs a password to mail")
    return password or secrets.token_urlsafe(24)


def _still_invited(mail: str, if_exists: str) -> dict[str, Any]:
    if if_exists == "update":
        raise RefusedError(
            f"{mail} has a pending invitation, and v1 cannot change an invited person: wait for the acceptance, "
            "or use if_exists='skip'",
            operation="createOrInviteUser",
            code="invitation_already_exists",
        )
    return {"mail": mail, "user_id": None, "outcome": "already_invited"}
