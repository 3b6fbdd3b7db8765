"""Users of API v2."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Callable, Iterator, Sequence
from typing import Literal, TypeVar, get_args

from airflow_provider_360learning.api.actions import WriteSpec, action
from airflow_provider_360learning.api.course_attempts import UserMail
from airflow_provider_360learning.api.fields import first_string, string
from airflow_provider_360learning.api.models.choices import Role
from airflow_provider_360learning.api.models.users import (
    CreateUser,
    DeleteUser,
    GetUser,
    ListUserRoles,
    ListUsers,
    UpdateUser,
)
from airflow_provider_360learning.api.pages import all_items, read_pages
from airflow_provider_360learning.api.results import (
    CreatedUser,
    DeletedUser,
    UpdatedUser,
    UserDetails,
    UserRecord,
    UserRole,
)
from airflow_provider_360learning.api.timestamps import write_timestamp
from airflow_provider_360learning.api.types import ActionSteps, Call, JsonObject, ResponseObject
from airflow_provider_360learning.api.user_facts import UnlistedValues, UserFacts
from airflow_provider_360learning.api.v2.accounts import (
    MAX_SENDS,
    AccountActions,
    check_password,
    deleted,
    replace_password,
)
from airflow_provider_360learning.api.v2.custom_values import CustomValues, comparable, values_of_user
from airflow_provider_360learning.api.v2.roles import neutral_role, role_in_body
from airflow_provider_360learning.api.v2.user_records import NO_PROFILE, neutral_user
from airflow_provider_360learning.exceptions import (
    AlreadyExistsError,
    Learning360Error,
    NotAvailableError,
    NotFoundError,
    OutcomeUnknownError,
)
from airflow_provider_360learning.log_text import get_logger

log = get_logger(__name__)

R = TypeVar("R")

_PROFILE = {
    "first_name": "firstName",
    "last_name": "lastName",
    "job": "job",
    "organization": "organization",
    "phone": "phone",
    "lang": "lang",
    "custom": "custom",
}
_CLEARED = {**_PROFILE, "to_be_deactivated_at": "toBeDeactivatedAt"}


def check_creation(arguments: CreateUser) -> None:
    """
    Refuse what exists in API v1 only, and a password that API v2 does not accept.

    :raises NotAvailableError: naming the argument.
    :raises InvalidRequestError: for a password that is too short: it would be refused after the account was created.
    """
    if arguments.mode not in ("invite", "create_active"):
        raise NotAvailableError(
            f"mode {arguments.mode!r} is not available in API v2, which emails no passwords: use 'invite' or "
            "'create_active'.",
            argument="mode",
        )
    for name in ("labels", "invitation_expires_after_days"):
        if getattr(arguments, name):
            raise NotAvailableError(f"{name} is not available in API v2: leave it out.", argument=name)
    check_password(arguments)


def _writes_of_creation(arguments: CreateUser) -> int:
    """Return how many writes create an account: itself, further groups, the rest, and password and activation."""
    changes = (arguments.primary_group_id, arguments.custom_fields)
    further = len(_groups(arguments)[1:]) + sum(each is not None for each in changes)
    return 1 + further + (2 if arguments.mode == "create_active" else 0)


def _writes_of_update(arguments: UpdateUser) -> int:
    """Return how many writes update a user: custom fields and password have their own."""
    given = arguments.given().keys() - {"user", "password_must_be_changed"}
    apart = given & {"custom_fields", "password"}
    return len(apart) + (given > apart)


class UserActions(AccountActions, CustomValues):
    """Create, read, change and delete users."""

    user_facts = UserFacts(
        listed_fields=frozenset({"first_name", "last_name", "job", "organization", "phone", "lang"}),
        lists_invited=True,
        lists_deleted=True,
        lists_deactivation=True,
        clears_values=True,
        invited_are_users=True,
        every_role_cascades=False,
        expires_invitations=False,
        roles=frozenset(get_args(Role)),
    )

    @action(
        CreateUser,
        write=WriteSpec("createUser", key=("mail",), makes="user_id", writes=_writes_of_creation),
        check=check_creation,
    )
    def create_user(self, arguments: CreateUser) -> ActionSteps[CreatedUser]:
        """
        Create a user in several requests (``createUser``, ``replacePassword``, ``activateUser`` and others).

        The account is activated last, so that an attempt that was cut leaves an invited account, which the next one
        completes. In mode ``invite``, an invited account is completed if it has the profile and the group of this
        creation.

        :return: ``outcome`` is ``created``, ``invited``, ``restored`` (the email address is that of a deleted user),
            ``already_exists``, ``updated`` or ``already_invited``.
        :raises AlreadyExistsError: with ``if_exists="fail"``, if a user has the email address.
        """
        groups = _groups(arguments) or [(yield from self._default_group())]
        # An invalid custom field is found before an account exists.
        yield from self.typed_values("users", arguments.custom_fields or {}, "custom_fields")
        try:
            account, is_restored = yield from self._create_account(arguments, groups[0])
        except AlreadyExistsError as error:
            return (yield from self._handle_existing_user(arguments, groups, error))
        yield from self._complete(arguments, account, groups[1:], is_new=True)
        outcome: Literal["created", "invited"] = "invited" if arguments.mode == "invite" else "created"
        return _created(arguments, account, "restored" if is_restored else outcome)

    @action(GetUser)
    def get_user(self, arguments: GetUser) -> ActionSteps[UserDetails]:
        """
        Return a user, active or invited (``getUsers`` or ``getUser``, and ``getUserCustomFieldValues``).

        :raises NotFoundError: if the user does not exist, or is deleted.
        """
        item = yield from self.account_of(arguments.user)
        values = yield Call("getUserCustomFieldValues", path={"userId": first_string(item, "_id")})
        return {
            **neutral_user(item),
            **NO_PROFILE,
            "custom_fields": {first_string(value, "customFieldId"): value.get("value") for value in values},
        }

    @action(ListUsers)
    def list_users(self, arguments: ListUsers) -> ActionSteps[list[UserRecord]]:
        """Return all active and invited users, or the deleted ones (``getUsers``)."""
        items = yield from all_items(Call("getUsers", query=_listed_status(arguments.deleted)))
        return [neutral_user(item) for item in items]

    def read_users(self, take: Callable[[Iterator[UserRecord]], R], *, deleted: bool = False) -> R:
        """
        Read all active and invited users page by page (``getUsers``), so that one page is in memory at a time.

        :param take: Consumes the users. It is called once: a page that fails is requested again.
        :param deleted: Whether to read deleted users instead.
        :return: The return value of ``take``.
        """
        pages = read_pages(self.client.call, Call("getUsers", query=_listed_status(deleted)))
        return take(neutral_user(item) for page in pages for item in page)

    def unlisted_values(self, user_id: str) -> ActionSteps[UnlistedValues]:
        """See :meth:`~..interface.LearningApi.unlisted_values` (``getManagers``, ``getUserCustomFieldValues``)."""
        managers = yield from all_items(Call("getManagers", path={"userId": user_id}))
        items = yield Call("getUserCustomFieldValues", path={"userId": user_id})
        values = {first_string(item, "customFieldId"): comparable(item) for item in items}
        return UnlistedValues(tuple(managers), values, None)

    def mails_in_statistics(self) -> Iterator[UserMail]:
        """Yield all users, deleted ones included (``getUsers``): statistics of API v2 have ids only."""
        for page in read_pages(self.client.call, Call("getUsers")):
            for item in page:
                deleted = string(item, "status") == "deleted"
                yield UserMail(first_string(item, "_id"), string(item, "mail"), deleted)

    @action(UpdateUser, write=WriteSpec("updateUser", key=("user",), writes=_writes_of_update), check=check_password)
    def update_user(self, arguments: UpdateUser) -> ActionSteps[UpdatedUser]:
        """
        Change fields of a user (``updateUser``, ``updateUserCustomFieldValues``, ``replacePassword``).

        Fields that are not given keep their values, custom fields included. A new email address that the user has
        already is not an error.

        :raises NotFoundError: if the user or a custom field does not exist.
        :raises AlreadyExistsError: if another user has the new email address.
        """
        user_id = yield from self.user_id_of(arguments.user)
        steps = self._update(arguments, user_id)
        yield from self.holding_values(values_of_user(user_id), steps) if arguments.custom_fields else steps
        return {"user": arguments.user, "outcome": "updated"}

    @action(DeleteUser, write=WriteSpec("deleteUser", key=("user",)))
    def delete_user(self, arguments: DeleteUser) -> ActionSteps[DeletedUser]:
        """
        Delete a user (``deleteUser``), who cannot log in any more; statistics stay.

        :raises NotFoundError: with ``if_missing="fail"``, if the user does not exist.
        :raises RefusedError: for the owner of the company.
        """
        user = arguments.user
        try:
            user_id = yield from self.user_id_of(user)
            self.forget_user(user_id)
            yield Call("deleteUser", path={"userId": user_id})
        except NotFoundError as error:
            if error.after_unknown_outcome:
                return {"user": user, "outcome": "deleted"}
            if arguments.if_missing == "fail":
                raise
            return {"user": user, "outcome": "not_found"}
        return {"user": user, "outcome": "deleted"}

    @action(ListUserRoles)
    def list_user_roles(self, arguments: ListUserRoles) -> ActionSteps[list[UserRole]]:
        """Return the groups of a user, and the roles there (``getUserRolesInGroups``): one item for each role."""
        user_id = yield from self.user_id_of(arguments.user)
        return (yield from self._roles_of(user_id))

    # Creation

    def _default_group(self) -> ActionSteps[str]:
        """Return the root group, for a creation without a group."""
        is_new = not self.knows_root_group
        group_id = yield from self.root_group_id()
        if is_new:
            log.info("No group is given and API v2 requires one; using the root group: group_id=%s", group_id)
        return group_id

    def _create_account(self, arguments: CreateUser, group_id: str) -> ActionSteps[tuple[ResponseObject, bool]]:
        """
        Create an account with the status ``invited``.

        :param arguments: The arguments.
        :param group_id: The group that the user joins at once.
        :return: The account, and whether it is a deleted one that was restored.
        :raises AlreadyExistsError: if the account existed before.
        :raises OutcomeUnknownError: if that cannot be settled.
        """
        call = Call(
            "createUser",
            query={"sendInvitationEmail": arguments.mode == "invite"},
            body=_creation_body(arguments, group_id),
            with_status=True,
        )
        try:
            status, account = yield call
        except OutcomeUnknownError as unknown:
            return (yield from self._settle_creation(call, arguments.mail, unknown))
        # Documented: 201 for a new account, 200 for a deleted one.
        return account, status == 200 or _was_restored(account)

    def _settle_creation(
        self, call: Call, mail: str, unknown: OutcomeUnknownError
    ) -> ActionSteps[tuple[ResponseObject, bool]]:
        """
        Look up the account of a creation with an unknown outcome, and send it again if no user has the address.

        360Learning refuses an address that is used (documented), so that a late effect of the first one does no harm.
        """
        for sent in itertools.count(1):
            try:
                account = yield from self.find_account(mail)
            except Learning360Error as error:
                if not error.transient:
                    raise
                raise unknown from error
            if account is not None and string(account, "status") != "invited":
                # A creation leaves the account invited, so that this one existed before.
                raise AlreadyExistsError(f"{mail} exists already", operation="createUser")
            if account is not None:
                return account, _was_restored(account)
            if sent == MAX_SENDS:
                break
            try:
                status, account = yield call
                return account, status == 200 or _was_restored(account)
            except OutcomeUnknownError as error:
                unknown = error
            except AlreadyExistsError:
                pass  # by the first one: look again
        raise unknown

    def _handle_existing_user(
        self, arguments: CreateUser, groups: Sequence[str], error: AlreadyExistsError
    ) -> ActionSteps[CreatedUser]:
        """Do what ``if_exists`` says about an account that exists, or complete that of an earlier attempt."""
        account = yield from self.find_account(arguments.mail)
        if account is None:
            raise error
        if string(account, "status") != "invited":
            return (yield from self._handle_active_user(arguments, account, error))
        is_own = _has_profile_of(arguments, account)
        if arguments.mode == "create_active":
            if arguments.if_exists == "fail" and not is_own:
                raise error
            if arguments.if_exists == "update":
                yield from self._patch(first_string(account, "_id"), _profile(arguments))
            yield from self._complete(arguments, account, groups, is_new=False)
            return _created(arguments, account, "restored" if _was_restored(account) else "created")
        if arguments.if_exists == "update":
            return (yield from self._updated(arguments, account))
        is_completed = is_own and (yield from self._complete_invitation(arguments, account, groups))
        if arguments.if_exists == "fail":
            raise error
        return _created(arguments, account, "invited" if is_completed else "already_invited")

    def _handle_active_user(
        self, arguments: CreateUser, account: ResponseObject, error: AlreadyExistsError
    ) -> ActionSteps[CreatedUser]:
        if arguments.if_exists == "fail":
            raise error
        if arguments.if_exists == "update":
            return (yield from self._updated(arguments, account))
        return _created(arguments, account, "already_exists")

    def _complete_invitation(
        self, arguments: CreateUser, account: ResponseObject, groups: Sequence[str]
    ) -> ActionSteps[bool]:
        """
        Do what an earlier attempt at this invitation has not done yet.

        :return: Whether there was anything to do. Nothing is done for an account that is not in the first group, which
            is that of another creation.
        """
        if len(groups) == 1 and arguments.primary_group_id is None and arguments.custom_fields is None:
            return False  # the creation is the only step
        roles = yield from self._roles_of(first_string(account, "_id"))
        if (groups[0].lower(), arguments.role) not in _keys(roles):
            return False
        return (yield from self._complete(arguments, account, groups, is_new=False))

    def _complete(
        self, arguments: CreateUser, account: ResponseObject, groups: Sequence[str], *, is_new: bool
    ) -> ActionSteps[bool]:
        """
        Add an invited account to groups, set primary group and custom fields, and activate it last.

        :param arguments: The arguments.
        :param account: The account.
        :param groups: The groups.
        :param is_new: Whether the account has none of the roles yet.
        :return: Whether anything was changed.
        """
        user_id = first_string(account, "_id")
        joins = yield from self._add_roles(user_id, arguments.role, groups, is_new=is_new)
        primary = arguments.primary_group_id
        moves = primary is not None and primary.lower() != (string(account, "primaryGroupId") or "").lower()
        if moves:
            yield Call("updateUser", path={"userId": user_id}, body={"primaryGroupId": primary})
        values = arguments.custom_fields or {}
        changes = yield from self.set_values(values_of_user(user_id), values, "custom_fields")
        if arguments.mode != "create_active":
            return joins or moves or changes
        password = random_password() if arguments.password is None else arguments.password.get_secret_value()
        yield replace_password(user_id, password, arguments.password_must_be_changed)
        yield Call("activateUser", path={"userId": user_id})
        return True

    def _updated(self, arguments: CreateUser, account: ResponseObject) -> ActionSteps[CreatedUser]:
        """Add an account to the groups that are given, and update the fields that are given."""
        user_id = first_string(account, "_id")
        # Memberships first: the primary group must be one of the user's groups.
        yield from self._add_roles(user_id, arguments.role, _groups(arguments), is_new=False)
        yield from self._patch(user_id, {**_profile(arguments), "primaryGroupId": arguments.primary_group_id})
        yield from self.set_values(values_of_user(user_id), arguments.custom_fields or {}, "custom_fields")
        return _created(arguments, account, "updated")

    # Parts of several actions

    def _update(self, arguments: UpdateUser, user_id: str) -> ActionSteps[None]:
        # What can be found to be invalid is read before anything is changed.
        target = values_of_user(user_id)
        values = yield from self.merged_values(target, arguments.custom_fields or {}, "custom_fields")
        yield from self._patch(
            user_id,
            {
                **_profile(arguments),
                "primaryGroupId": arguments.primary_group_id,
                "toBeDeactivatedAt": write_timestamp(arguments.to_be_deactivated_at),
            },
            arguments.mail,
            clear=[_CLEARED[name] for name in arguments.clear],
        )
        if arguments.mail is not None:
            self.forget_user(user_id, arguments.mail)
        if values is not None:
            yield target.replacement(values)
        if arguments.password is not None:
            password = arguments.password.get_secret_value()
            yield replace_password(user_id, password, arguments.password_must_be_changed)

    def _patch(
        self, user_id: str, fields: JsonObject, mail: str | None = None, clear: Sequence[str] = ()
    ) -> ActionSteps[None]:
        """Change fields that are given, and empty others; ``None`` stands for one that is not given."""
        if mail is None and not clear and all(value is None for value in fields.values()):
            return
        try:
            account = yield Call(
                "updateUser", path={"userId": user_id}, body={**fields, "mail": mail}, nulls=tuple(clear)
            )
        except AlreadyExistsError:
            # The user's own address may be refused as well (assumption), which a retry after a kill meets.
            owner = None if mail is None else (yield from self.find_account(mail))
            if owner is None or first_string(owner, "_id").lower() != user_id.lower():
                raise
            yield from self._patch(user_id, fields, clear=clear)
            return
        if isinstance(account, dict) and account.get("status") == "deleted":
            raise deleted(user_id, "updateUser")

    def _roles_of(self, user_id: str) -> ActionSteps[list[UserRole]]:
        items = yield from all_items(Call("getUserRolesInGroups", path={"userId": user_id}))
        return [
            {"group_id": first_string(item, "groupId"), "role": neutral_role(first_string(item, "role"))}
            for item in items
        ]

    def _add_roles(self, user_id: str, role: str, groups: Sequence[str], *, is_new: bool) -> ActionSteps[bool]:
        """
        Give a user a role in groups where the user does not have it.

        :return: Whether there was any.
        """
        if not groups:
            return False
        held = set() if is_new else _keys((yield from self._roles_of(user_id)))
        missing = [group for group in groups if (group.lower(), role) not in held]
        for group_id in missing:
            yield from self._add_role(user_id, role, group_id)
        return bool(missing)

    def _add_role(self, user_id: str, role: str, group_id: str) -> ActionSteps[None]:
        """Give a user a role in a group; that doing it twice changes nothing is an assumption."""
        for sent in range(1, MAX_SENDS + 1):
            try:
                yield from self.actions["add_user_to_group"].steps(group_id=group_id, user=user_id, role=role)
                return
            except OutcomeUnknownError:  # and the user does not have the role
                if sent == MAX_SENDS:
                    raise


def random_password() -> str:
    """Return a random password. It has characters of each kind, because a company may require them."""
    return secrets.token_urlsafe(24) + "aA1-"


def _created(
    arguments: CreateUser,
    account: ResponseObject,
    outcome: Literal["created", "invited", "restored", "updated", "already_exists", "already_invited"],
) -> CreatedUser:
    if outcome == "restored":
        log.warning("Restored the deleted user with this email address: user_id=%s", first_string(account, "_id"))
    return {"mail": arguments.mail, "user_id": first_string(account, "_id"), "outcome": outcome}


def _was_restored(account: ResponseObject) -> bool:
    """
    Return whether an invited account was deleted before.

    Assumption: 360Learning records a restoration in ``reactivatedAt`` at once, or keeps ``deletedAt``.
    """
    return bool(account.get("reactivatedAt") or account.get("deletedAt"))


def _has_profile_of(arguments: CreateUser, account: ResponseObject) -> bool:
    """Return whether an account looks as if an earlier attempt at this creation had made it."""
    for key, value in _profile(arguments).items():
        actual = string(account, key)
        # What is not given is not there, unless 360Learning has a default or the account has an earlier life.
        is_free = value is None and (key == "lang" or _was_restored(account))
        if actual != value and not is_free:
            return False
    return True


def _creation_body(arguments: CreateUser, group_id: str) -> JsonObject:
    primary = arguments.primary_group_id
    return {
        "mail": arguments.mail,
        **_profile(arguments),
        "membership": {"groupId": group_id, "role": role_in_body(arguments.role)},
        # It must be a group of the user, who is in one group only so far.
        "primaryGroupId": primary if primary is not None and primary.lower() == group_id.lower() else None,
    }


def _profile(arguments: CreateUser | UpdateUser) -> dict[str, str | None]:
    """Return the fields of a person with v2's names."""
    return {theirs: getattr(arguments, ours) for ours, theirs in _PROFILE.items()}


def _groups(arguments: CreateUser) -> list[str]:
    first = [] if arguments.group_id is None else [arguments.group_id]
    return list(dict.fromkeys([*first, *arguments.other_group_ids]))


def _keys(roles: Sequence[UserRole]) -> set[tuple[str, str]]:
    return {((role["group_id"] or "").lower(), role["role"]) for role in roles}


def _listed_status(deleted: bool | None) -> JsonObject:
    return {"status[eq]": "deleted"} if deleted else {"status[ne]": "deleted"}
