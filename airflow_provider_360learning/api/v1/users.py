"""Users of API v1."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Iterator
from typing import Literal, TypeVar

from airflow_provider_360learning.api.actions import ApiAdapter, WriteSpec, action
from airflow_provider_360learning.api.fields import first_string, objects, string, strings
from airflow_provider_360learning.api.json_stream import JsonStream, unusable
from airflow_provider_360learning.api.models.parsers import is_id
from airflow_provider_360learning.api.models.users import (
    CreateUser,
    DeleteUser,
    GetUser,
    ListUserRoles,
    ListUsers,
    UpdateUser,
)
from airflow_provider_360learning.api.results import (
    CreatedUser,
    DeletedUser,
    RelatedUser,
    UpdatedUser,
    UserDetails,
    UserProfile,
    UserRecord,
    UserRole,
)
from airflow_provider_360learning.api.timestamps import read_timestamp, write_timestamp
from airflow_provider_360learning.api.types import ActionSteps, Call, JsonObject, ResponseObject
from airflow_provider_360learning.api.user_facts import ExternalIdOf, UnlistedValues, UserFacts, shows_earlier_use
from airflow_provider_360learning.api.v1.formats import (
    NEUTRAL_ROLES,
    V1_ROLES,
    check_role,
    v1_profile,
)
from airflow_provider_360learning.exceptions import (
    AlreadyExistsError,
    Learning360Error,
    NotAvailableError,
    NotFoundError,
)
from airflow_provider_360learning.log_text import get_logger

log = get_logger(__name__)

R = TypeVar("R")

_RESTORED = "Restored the deleted user with this email address: user_id=%s"

#: ``sendCredentials`` of each mode: together with whether a password is sent, it decides what happens (documented).
_SENDS_CREDENTIALS = {
    "invite": False,
    "create_active": False,
    "create_active_and_mail_password": True,
    "create_active_and_mail_generated_password": True,
}
_MODES_WITH_PASSWORD = frozenset({"create_active", "create_active_and_mail_password"})

#: Statuses and error codes of v1, and what they mean. Clients have seen ``already_invited`` and
#: ``email_already_used`` without a record of whether they come as a status or as an error: both are understood.
_EVENTS: dict[str, Literal["created", "invited", "updated", "user_exists", "invitation_exists"]] = {
    "user_created": "created",
    "user_updated": "updated",
    "invitation_created": "invited",
    "user_already_exists": "user_exists",
    "email_already_used": "user_exists",
    "invitation_already_exists": "invitation_exists",
    "already_invited": "invitation_exists",
}


def neutral_user(item: ResponseObject) -> UserRecord:
    """Read a user of any v1 route."""
    return {
        "user_id": string(item, "_id"),
        "mail": string(item, "mail"),
        "username": None,
        "status": None,
        "first_name": string(item, "firstName"),
        "last_name": string(item, "lastName"),
        "job": string(item, "job"),
        "organization": string(item, "organization"),
        "phone": string(item, "phone"),
        "lang": string(item, "lang"),
        "custom": item.get("custom"),  # of any type: one odd value must not make a listing unusable
        "primary_group_id": string(item, "primaryGroupId"),
        "profile_image_id": None,
        "last_login_at": read_timestamp("lastLoginAt", item.get("lastLoginAt")),
        "to_be_deactivated_at": read_timestamp("toDeactivateAt", item.get("toDeactivateAt")),
        "deleted_at": None,
        "reactivated_at": None,
    }


def _profile_of(item: ResponseObject) -> UserProfile:
    """Read what only a single user has."""
    return {
        "groups": item.get("groups"),
        "managers": item.get("managers"),
        "subordinates": item.get("subordinates"),
        "external_ids": item.get("externalIds"),
        "labels": item.get("labels"),
        "skills": item.get("skills"),
        "certifications": item.get("certifications"),
        "paths": item.get("paths"),
        "assigned_programs": item.get("assignedPrograms"),
        "completed_programs": item.get("completedPrograms"),
        "average_score": item.get("averageScore"),
        "total_time_spent_minutes": item.get("totalTimeSpentInMinutes"),
        "publications": item.get("publications"),
        "comments": item.get("comments"),
        "messages": item.get("messages"),
        "reactions": item.get("reactions"),
        "champion_status": item.get("championStatus"),
        "champion_achievements": item.get("championAchievements"),
        "learner_achievements": item.get("learnerAchievements"),
        "image_url": string(item, "imageUrl"),
    }


def _custom_fields(item: ResponseObject) -> dict[str, object]:
    return {first_string(field, "customFieldId"): field.get("value") for field in objects(item, "customFields")}


def related_users(item: ResponseObject, key: str) -> list[RelatedUser]:
    """
    Return the managers or subordinates of a user.

    :param item: The user.
    :param key: ``managers`` or ``subordinates``.
    """
    listed = item.get(key) or []
    if not isinstance(listed, list):
        raise unusable(f"{key} is not a list")
    return [_related_user(key, each) for each in listed]


def _related_user(key: str, item: object) -> RelatedUser:
    """Read a manager or subordinate: an object, an email address or an id, because its form is not documented."""
    if isinstance(item, dict):
        return {"user_id": string(item, "_id"), "mail": string(item, "mail")}
    user = string({key: item}, key)
    return {"user_id": user, "mail": None} if user is None or is_id(user) else {"user_id": None, "mail": user}


def check_creation(arguments: CreateUser) -> None:
    """
    Refuse what exists in API v2 only.

    :raises NotAvailableError: naming the argument.
    """
    check_role(arguments)
    if arguments.custom_fields is not None:
        raise NotAvailableError(
            "custom_fields is not available in API v1 when a user is created: use update_user.",
            argument="custom_fields",
        )


def check_update(arguments: UpdateUser) -> None:
    """
    Refuse what exists in API v2 only.

    :raises NotAvailableError: naming the argument.
    """
    if arguments.clear:
        raise NotAvailableError(
            "clear is not available in API v1: how it empties a field is not known.", argument="clear"
        )


def _writes_of_update(arguments: UpdateUser) -> int:
    """Return how many writes update a user: custom fields have their own."""
    given = arguments.given().keys() - {"user", "password_must_be_changed"}
    return ("custom_fields" in given) + (given > {"custom_fields"} or "custom_fields" not in given)


class UserActions(ApiAdapter):
    """Create, read, change and delete users."""

    #: That v1 does not list people whose invitation is pending, and not reliably deleted ones, are assumptions.
    user_facts = UserFacts(
        listed_fields=frozenset({"first_name", "last_name"}),
        lists_invited=False,
        lists_deleted=False,
        lists_deactivation=False,
        clears_values=False,
        invited_are_users=False,
        every_role_cascades=True,
        expires_invitations=True,
        roles=frozenset(V1_ROLES),
    )

    @action(CreateUser, write=WriteSpec("createOrInviteUser", key=("mail",), makes="user_id"), check=check_creation)
    def create_user(self, arguments: CreateUser) -> ActionSteps[CreatedUser]:
        """
        Create or invite a user (``createOrInviteUser``).

        :return: ``outcome`` is ``created``, ``invited``, ``restored`` (the email address is that of a deleted user,
            whose managers, statistics and password are back; if the response was lost, these show it),
            ``already_exists``, ``updated`` or ``already_invited``
            (an earlier invitation is pending; v1 can neither look up nor change an invited person, so that
            ``user_id`` is ``None``, and ``if_exists="update"`` updates nothing before the person accepts).
        :raises AlreadyExistsError: with ``if_exists="fail"``, if a user has the email address.
        :raises RefusedError: if another company uses or has invited the email address.
        """
        mail = arguments.mail
        try:
            response = yield Call("createOrInviteUser", body=_creation_body(arguments))
        except AlreadyExistsError as error:
            invited = _EVENTS.get(error.code or "") == "invitation_exists"
            if error.after_unknown_outcome and invited == (arguments.mode == "invite"):
                # An earlier send of this very call, whose outcome was unknown, has done it.
                if arguments.if_exists == "update" and not invited:  # unless the user existed: then it does no harm
                    yield from self._updated(arguments)
                if invited:
                    return {"mail": mail, "user_id": None, "outcome": "invited"}
                return (yield from self._created_or_restored(mail))
            return (yield from self._handle_existing_user(arguments, invited, error))
        event = _EVENTS.get(response["status"], "created")
        if event == "user_exists" or event == "invitation_exists":
            return (yield from self._handle_existing_user(arguments, event == "invitation_exists"))
        return (yield from self._created(arguments, event, response))

    @action(GetUser)
    def get_user(self, arguments: GetUser) -> ActionSteps[UserDetails]:
        """
        Return a user (``getUser``).

        :raises NotFoundError: if the user does not exist.
        """
        item = yield Call("getUser", path={"user": arguments.user})
        return {
            **neutral_user(item),
            **_profile_of(item),
            "custom_fields": _custom_fields(item),
        }

    @action(ListUsers)
    def list_users(self, arguments: ListUsers) -> ActionSteps[list[UserRecord]]:
        """Return all users (``getUsers``); v1 has no filter by email address and no pages."""
        items = yield Call("getUsers", query={"deleted": arguments.deleted})
        return [neutral_user(item) for item in items]

    def read_users(self, take: Callable[[Iterator[UserRecord]], R], *, deleted: bool = False) -> R:
        """
        Read all users as a stream (``getUsers``), because those of a large company may not fit in memory.

        :param take: Consumes the users. It is called again, with all users from the first, if the response breaks off
            and is requested again.
        :param deleted: Whether to read deleted users instead (assumption).
        :return: The return value of ``take``.
        """
        query: JsonObject = {"deleted": True} if deleted else {}
        call = Call("getUsers", query=query, read=lambda body: take(_users(JsonStream(body.read))))
        return self.client.call(call)  # type: ignore[no-any-return]

    def unlisted_values(self, user_id: str) -> ActionSteps[UnlistedValues]:
        """See :meth:`~..interface.LearningApi.unlisted_values`: one user has all of it (``getUser``)."""
        item = yield Call("getUser", path={"user": user_id})
        return UnlistedValues(
            tuple(each for one in related_users(item, "managers") if (each := one["user_id"] or one["mail"])),
            _custom_fields(item),
            read_timestamp("toDeactivateAt", item.get("toDeactivateAt")),
            was_used=shows_earlier_use({**neutral_user(item), **_profile_of(item)}),
        )

    def external_ids_of_users(self, external_platform: str) -> Iterator[ExternalIdOf]:
        """See :meth:`~..interface.LearningApi.external_ids_of_users`: API v1 does not list them."""
        raise NotAvailableError(
            "external ids are not available in API v1, which cannot list them: use the field custom, or the email "
            "address.",
            argument="key",
        )

    def active_among(self, users: Collection[str]) -> ActionSteps[frozenset[str]]:
        """
        Return which of several users are active (``getUser``), one request each.

        Assumption: v1 does not know people whose invitation is pending, as it does not know deleted users.
        """
        active = set()
        for user in users:
            if (yield from self.id_of(user)) is not None:
                active.add(user)
        return frozenset(active)

    @action(UpdateUser, write=WriteSpec("updateUser", key=("user",), writes=_writes_of_update), check=check_update)
    def update_user(self, arguments: UpdateUser) -> ActionSteps[UpdatedUser]:
        """
        Change fields of a user (``updateUser``, ``addCustomFieldValue``); fields that are not given keep their values.

        Whether ``updateUser`` keeps other custom fields is not known, so that these are set by a request of their own,
        for which the id of the user is read if it is not given (``getUser``). A new email address that the user has
        already is not an error.

        :return: ``outcome`` is ``invited`` if the new email address led to a new invitation.
        :raises NotFoundError: if the user does not exist.
        :raises AlreadyExistsError: if another user has the new email address.
        """
        user, mail, fields = arguments.user, arguments.mail, arguments.custom_fields
        body = {
            **v1_profile(arguments),
            "password": None if arguments.password is None else arguments.password.get_secret_value(),
            "toDeactivateAt": write_timestamp(arguments.to_be_deactivated_at),
        }
        response = yield from self._change(user, mail, body)
        if fields:
            user_id = user if is_id(user) else str((yield from self.get_user.steps(user=mail or user))["user_id"])
            values = [{"customFieldId": field, "value": str(value)} for field, value in fields.items()]
            path = {"collection": "users", "target_id": user_id}
            yield Call("addCustomFieldValue", path=path, body={"values": values})
        status = response.get("status") if isinstance(response, dict) else None
        return {"user": user, "outcome": "invited" if status == "invitation_created" else "updated"}

    def _change(self, user: str, mail: str | None, body: JsonObject) -> ActionSteps[object]:
        """Send what is given of a profile, and return the response."""
        is_empty = all(value is None for value in body.values())
        if is_empty and mail is None:
            return None
        try:
            return (yield Call("updateUser", path={"user": user}, body={**body, "mail": mail}))
        except (AlreadyExistsError, NotFoundError) as error:
            # v1 refuses the address that the user has already, which is what a second try after a kill meets.
            if mail is None or not (yield from self._has_mail(user, mail, error)):
                raise
            return None if is_empty else (yield Call("updateUser", path={"user": mail}, body=body))

    @action(DeleteUser, write=WriteSpec("deleteUser", key=("user",)))
    def delete_user(self, arguments: DeleteUser) -> ActionSteps[DeletedUser]:
        """
        Delete a user (``deleteUser``), who cannot log in any more; statistics stay.

        :raises NotFoundError: with ``if_missing="fail"``, if the user does not exist.
        """
        user = arguments.user
        try:
            yield Call("deleteUser", path={"user": user})
        except NotFoundError as error:
            if error.after_unknown_outcome:
                return {"user": user, "outcome": "deleted"}
            if arguments.if_missing == "fail":
                raise
            return {"user": user, "outcome": "not_found"}
        return {"user": user, "outcome": "deleted"}

    @action(ListUserRoles)
    def list_user_roles(self, arguments: ListUserRoles) -> ActionSteps[list[UserRole]]:
        """Return the groups of a user, and the roles there (``getUserRoles``): one item for each role."""
        items = yield Call("getUserRoles", path={"user": arguments.user})
        return [
            {"group_id": string(item, "group"), "role": NEUTRAL_ROLES.get(role, role)}
            for item in items
            for role in strings(item, "roles")  # that they are a list is an assumption
        ]

    def _created(
        self, arguments: CreateUser, event: Literal["created", "invited", "updated"], response: ResponseObject
    ) -> ActionSteps[CreatedUser]:
        """Return what a response reports, and log what was not asked for."""
        mail, user_id = arguments.mail, string(response, "_id")
        outcome: Literal["created", "updated", "restored"] = "updated" if event == "updated" else "created"
        if event != "updated" and (event == "invited") != (arguments.mode == "invite"):
            log.warning("mode=%s, but 360Learning reports outcome=%s user_id=%s", arguments.mode, event, user_id)
        if "reactivated" in str(response.get("warning", "")).lower():
            log.warning(_RESTORED, user_id)
            outcome = "restored"
        if event == "invited":  # v1 cannot look up an invited person, not even one who was deleted before
            return {"mail": mail, "user_id": user_id, "outcome": "restored" if outcome == "restored" else "invited"}
        if user_id is None:
            return (yield from self._existing(mail, outcome))
        return {"mail": mail, "user_id": user_id, "outcome": outcome}

    def _created_or_restored(self, mail: str) -> ActionSteps[CreatedUser]:
        """Return what became of a creation whose response was lost, and with it the warning of a restoration."""
        found = yield from self.get_user.steps(user=mail)
        is_restored = shows_earlier_use({**found})
        if is_restored:
            log.warning(_RESTORED, found["user_id"])
        return {"mail": mail, "user_id": found["user_id"], "outcome": "restored" if is_restored else "created"}

    def _handle_existing_user(
        self, arguments: CreateUser, invited: bool, error: AlreadyExistsError | None = None
    ) -> ActionSteps[CreatedUser]:
        """Do what ``if_exists`` says about a user who exists, or whose invitation is pending."""
        mail = arguments.mail
        if arguments.if_exists == "fail":
            raise error or AlreadyExistsError(f"{mail} exists already", operation="createOrInviteUser")
        if not invited and arguments.if_exists == "update":
            return (yield from self._updated(arguments))
        if not invited:
            return (yield from self._existing(mail, "already_exists"))
        return {"mail": mail, "user_id": None, "outcome": "already_invited"}

    def _existing(
        self, mail: str, outcome: Literal["created", "restored", "updated", "already_exists"]
    ) -> ActionSteps[CreatedUser]:
        found = yield from self.get_user.steps(user=mail)
        return {"mail": mail, "user_id": found["user_id"], "outcome": outcome}

    def _updated(self, arguments: CreateUser) -> ActionSteps[CreatedUser]:
        mail = arguments.mail
        # Memberships first: v1 wants the primary group to be one of the user's groups.
        for group in _groups(arguments):
            path = {"group_id": group, "user": mail}
            yield Call("addUserToGroup", path=path, body={"role": V1_ROLES[arguments.role]})
        profile = v1_profile(arguments)
        if any(profile.values()):
            yield Call("updateUser", path={"user": mail}, body=profile)
        return (yield from self._existing(mail, "updated"))

    def _has_mail(self, user: str, mail: str, error: Learning360Error) -> ActionSteps[bool]:
        """Return whether the email address that an update was refused for is this user's own."""
        owner = yield from self.id_of(mail)
        if owner is None or is_id(user):
            return owner == user
        before = yield from self.id_of(user)
        # A send with an unknown outcome has done it if the old address is gone, and the new one has a user.
        return before == owner or (before is None and error.after_unknown_outcome)

    def id_of(self, user: str) -> ActionSteps[str | None]:
        """
        Return the id of a user, ``None`` for one who does not exist or is deleted.

        :param user: Email address or id.
        :raises UnexpectedResponseError: if the response has something else than an id.
        """
        try:
            found = yield from self.get_user.steps(user=user)
        except NotFoundError:
            return None
        if not is_id(found["user_id"]):
            raise unusable("_id is not an id")
        return str(found["user_id"])


def _creation_body(arguments: CreateUser) -> JsonObject:
    return {
        "mail": arguments.mail,
        **v1_profile(arguments),
        "password": _password(arguments),
        # Its default is documented in two contradictory ways, so that it is always sent.
        "sendCredentials": _SENDS_CREDENTIALS[arguments.mode],
        "groups": _groups(arguments) or None,
        "roles": [V1_ROLES[arguments.role]],
        "labels": list(arguments.labels) or None,
        "cancelTheInvitationAfterDays": arguments.invitation_expires_after_days,
    }


def _password(arguments: CreateUser) -> str | None:
    if arguments.mode not in _MODES_WITH_PASSWORD:
        return None
    if arguments.password is None:
        return secrets.token_urlsafe(24)
    return arguments.password.get_secret_value()


def _groups(arguments: CreateUser) -> list[str]:
    first = [] if arguments.group_id is None else [arguments.group_id]
    return list(dict.fromkeys([*first, *arguments.other_group_ids]))


def _users(response: JsonStream) -> Iterator[UserRecord]:
    for item in response.values():
        if not isinstance(item, dict):
            raise unusable("a list of objects was expected")
        yield neutral_user(item)
    response.end()
