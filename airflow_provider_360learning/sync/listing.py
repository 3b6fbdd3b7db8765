"""Read what the listings of 360Learning show of users and groups, without a request per user."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Literal, TypeVar, cast, get_args

from airflow_provider_360learning.api import group_tree as api_group_tree
from airflow_provider_360learning.api.interface import LearningApi
from airflow_provider_360learning.api.models.choices import Role
from airflow_provider_360learning.api.models.parsers import normalized
from airflow_provider_360learning.api.pages import bounded
from airflow_provider_360learning.api.results import GroupMember, GroupRecord, UserRecord
from airflow_provider_360learning.exceptions import InvalidRequestError, UnexpectedResponseError
from airflow_provider_360learning.log_text import get_logger
from airflow_provider_360learning.ordered_executor import map_ordered
from airflow_provider_360learning.sync.memberships import GroupTree
from airflow_provider_360learning.sync.options import SyncOptions
from airflow_provider_360learning.sync.platform import Account, Group, Platform
from airflow_provider_360learning.sync.protection import Protection
from airflow_provider_360learning.sync.state import Remembered, SyncState

log = get_logger(__name__)

_ROLES = frozenset(get_args(Role))
#: Roles in the root group whose holders are protected.
_PROTECTED_ROLES = frozenset({"owner", "admin"})
_STATUSES: Mapping[str | None, Literal["active", "pending", "deleted"]] = {"invited": "pending", "deleted": "deleted"}

#: Maximum number of levels of groups (assumption: no company has as many).
MAX_DEPTH = 100
#: Maximum size of all users that are held in memory, in responses of the maximum size: some 500,000 users by default.
MAX_RESPONSES = 8
#: What a user takes in memory beside texts, in bytes: with profile fields, and without.
_FULL_USER, _USER = 1000, 300

T = TypeVar("T")

#: Roles of users by id of the group, by id of the user in lower case, or by email address where the id is missing.
_Memberships = dict[str, dict[str, frozenset[Role]]]


def read_platform(
    api: LearningApi, options: SyncOptions, state: SyncState, now: datetime, *, custom_fields: bool = False
) -> Platform:
    """
    Read the listings: users, groups, members of each managed group and of the root group, external ids.

    Managers, values of custom fields, and what else the listing of users does not have are read by
    :func:`~.details.read_details`.

    :param api: The actions.
    :param options: What is the key of a user, which groups are managed, and who is protected.
    :param state: What the sync remembers: people whom the version does not list.
    :param now: The time, which decides whether remembered invitations have expired.
    :param custom_fields: Whether the custom fields of users are listed.
    :raises InvalidRequestError: if a managed group does not exist, or another group of the options.
    :raises UnexpectedResponseError: if no root group is listed, so that its administrators are not known.
    :raises NotAvailableError: if the keys are external ids, and the version does not list these.
    """
    records = api.list_groups()
    groups = groups_of(records)
    managed = _managed_groups(records, groups, options)
    roots = {group.group_id for group in groups.values() if group.parent_id is None}
    if not roots:
        raise UnexpectedResponseError(
            "360Learning lists no root group, so that its administrators cannot be protected. Nothing was changed"
        )
    # Removals may reach groups that are not managed.
    reached = GroupTree(groups).reached_from(managed) if options.groups_mode == "exact" else managed
    memberships, protected = _members(api, frozenset(reached), roots)
    protection = Protection(options, protected)
    facts = api.user_facts
    reader = _AccountReader(api, options, memberships, protection)
    accounts = reader.read()
    accounts += reader.remembered(state, accounts, now)
    if protection.unused:
        entries = ", ".join(f"protected[{index}]" for index in protection.unused)
        log.warning("No user matches entries=%s; these protect nothing", entries)
    return Platform(
        company=f"{api.client.company} {api.client.spec.name}",
        version=cast(Literal["v1", "v2"], api.client.spec.name),
        accounts=tuple(sorted(accounts, key=_order)),
        groups=groups,
        managed_groups=managed,
        custom_fields=_custom_fields(api) if custom_fields else {},
        clears_values=facts.clears_values,
        invited_are_users=facts.invited_are_users,
        every_role_cascades=facts.every_role_cascades,
        roles=facts.roles,
    )


def _order(account: Account) -> tuple[str, str, str]:
    return account.user_id or "", account.mail, account.key or ""


# Groups


def groups_of(records: Iterable[GroupRecord]) -> dict[str, Group]:
    """
    Return groups by id, in the order of their ids.

    :param records: All groups, as they are listed.
    :raises UnexpectedResponseError: if they are nested too deeply.
    """
    groups = {}
    for record in records:
        if record["group_id"]:
            group_id = record["group_id"].lower()
            custom = normalized(as_text(record["custom"])) or None
            parent_id = record["parent_id"].lower() if record["parent_id"] else None
            groups[group_id] = Group(group_id, record["name"] or "", parent_id, bool(record["public"]), custom)
    _check_depth(groups)
    return dict(sorted(groups.items()))


def _check_depth(groups: Mapping[str, Group]) -> None:
    """Refuse groups that are nested too deeply: paths of names would take memory that grows with the square of it."""
    depths: dict[str, int] = {}
    for group_id in groups:
        way: dict[str, None] = {}
        above = group_id
        while above in groups and above not in depths and above not in way:  # parents may be in a circle
            way[above] = None
            above = groups[above].parent_id or ""
        depth = depths.get(above, 0)
        for each in reversed(way):
            depths[each] = depth = depth + 1
        if depth > MAX_DEPTH:
            raise UnexpectedResponseError(
                f"360Learning lists groups of more than {MAX_DEPTH} levels, which a sync does not support"
            )


def _managed_groups(records: list[GroupRecord], groups: Mapping[str, Group], options: SyncOptions) -> frozenset[str]:
    given = {"default_group": options.default_group, "groups_parent": options.groups_parent}
    given |= {f"managed_groups[{index}]": group for index, group in enumerate(options.managed_groups)}
    for argument, group in given.items():
        if group is not None and group.lower() not in groups:
            raise InvalidRequestError(
                f"{argument}: no group has the id {group!r}. Correct the id, or create the group. Nothing was changed.",
                argument=argument,
            )
    tree = api_group_tree.GroupTree(records)
    top = [group.lower() for group in options.managed_groups]
    below = (each for group in top for each in tree.below(group, private=True)) if options.managed_subgroups else ()
    return frozenset((*top, *below))


def _members(api: LearningApi, groups: frozenset[str], roots: set[str]) -> tuple[_Memberships, set[str]]:
    """Return the memberships of groups, and the users who are protected by their roles in the root group."""
    memberships: _Memberships = {}
    protected: set[str] = set()
    shared: dict[frozenset[Role], frozenset[Role]] = {}
    group_ids = sorted(groups | roots)
    listed = map_ordered(lambda group_id: api.list_group_members(group_id=group_id), group_ids)
    for group_id, members in zip(group_ids, listed, strict=True):
        roles: dict[str, frozenset[Role]] = {}
        for member in members:
            user, role = _user_of(member), member["role"]
            if group_id in roots and role in _PROTECTED_ROLES:
                protected.add(user)
            if group_id in groups and role in _ROLES:
                held = roles.get(user, frozenset()) | {cast(Role, role)}
                roles[user] = shared.setdefault(held, held)  # few different sets, many users
        for user, held in roles.items():
            memberships.setdefault(user, {})[group_id] = held
    return memberships, protected


def _user_of(member: GroupMember) -> str:
    return (member["user_id"] or member["mail"] or "").lower()


# Users


class _AccountReader:
    """
    Reads users as accounts.

    :param api: The actions.
    :param options: What is the key of a user.
    :param memberships: The memberships of all users.
    :param protection: Who is protected.
    """

    def __init__(
        self, api: LearningApi, options: SyncOptions, memberships: _Memberships, protection: Protection
    ) -> None:
        self._api = api
        self._facts = api.user_facts
        self._fields = sorted(api.user_facts.listed_fields)
        self._options = options
        self._memberships = memberships
        self._protection = protection
        self._external_ids = self._read_external_ids() if options.key == "external_id" else {}

    def read(self) -> list[Account]:
        """Return the listed users, deleted ones included if the version lists them."""
        accounts = self._api.read_users(lambda users: list(self._bounded(map(self._account, users), _size_of)))
        if self._facts.lists_deleted:
            accounts += self._api.read_users(
                lambda users: list(self._bounded((self._account(user, "deleted") for user in users), _size_of)),
                deleted=True,
            )
        found: dict[str | None, Account] = {}
        for account in accounts:  # a user who changes meanwhile can be listed twice
            earlier = found.get(account.user_id, account)
            has_changed = (earlier.status == "deleted") != (account.status == "deleted")
            is_contradictory = earlier.is_contradictory or has_changed
            found[account.user_id] = replace(account, is_contradictory=True) if is_contradictory else account
        return list(found.values())

    def _bounded(self, items: Iterable[T], size_of: Callable[[T], int]) -> Iterator[T]:
        return bounded(items, size_of, MAX_RESPONSES * self._api.client.settings.max_response_mib, "users")

    def remembered(self, state: SyncState, listed: list[Account], now: datetime) -> Iterator[Account]:
        """Yield the accounts of the state that the version does not list: pending invitations, and deleted users."""
        ids = {account.user_id for account in listed}
        keys = {account.key for account in listed}
        mails = {account.mail for account in listed}
        for key, one in sorted(state.people.items()):
            if key in keys or (one.user_id or "").lower() in ids:
                continue
            if one.invited_at is not None:
                # An account that has the address is the accepted invitation.
                is_known = self._facts.lists_invited or (one.mail or "").lower() in mails
                if not is_known and not one.invitation_has_expired(now):
                    yield self._unlisted(key, one, "pending")
            elif one.user_id and not self._facts.lists_deleted:
                yield self._unlisted(key, one, "deleted")
        for mail, restored in sorted(state.restored.items()):
            if not self._facts.lists_deleted and mail not in mails and restored.user_id not in ids:
                yield self._unlisted(None, Remembered(user_id=restored.user_id, mail=mail), "deleted")

    def _account(self, user: UserRecord, status: Literal["deleted"] | None = None) -> Account:
        user_id, mail = (user["user_id"] or "").lower(), (user["mail"] or "").strip().lower()
        if not user_id:
            raise UnexpectedResponseError("360Learning's response cannot be used: a user has no id")
        mail = mail if "@" in mail else ""  # a pseudonym
        key, other_key = self._key_of(user_id, mail, user)
        status_of_user = status or _STATUSES.get(user["status"], "active")
        is_deleted = status_of_user == "deleted"
        # Of deleted users, whose number is not limited, only those who can return are held in full.
        has_fields = not is_deleted or key is not None
        return Account(
            user_id=user_id,
            mail=mail,
            key=key,
            other_key=other_key,
            status=status_of_user,
            fields=self._fields_of(user) if has_fields else {},
            deactivates_at=as_time(user["to_be_deactivated_at"]),
            deactivation_known=self._facts.lists_deactivation,
            primary_group=(user["primary_group_id"] or "").lower() or None,
            memberships=None if is_deleted else self._memberships_of(user_id, mail),
            is_protected=self._protection.covers(user_id, mail, key, other_key),
            was_restored=bool(user["reactivated_at"]),
        )

    def _fields_of(self, user: UserRecord) -> dict[str, str | None]:
        return {name: normalized(user[name]) or None for name in self._fields}  # type: ignore[literal-required]

    def _unlisted(self, key: str | None, one: Remembered, status: Literal["pending", "deleted"]) -> Account:
        user_id = one.user_id.lower() if one.user_id and status == "deleted" else None
        mail = (one.mail or "").lower()
        return Account(
            user_id=user_id,
            mail=mail,
            key=key,
            other_key=None,
            status=status,
            fields={},
            deactivation_known=False,
            is_protected=self._protection.covers(user_id or "", mail, key, None),
            is_listed=False,
        )

    def _memberships_of(self, user_id: str, mail: str) -> Mapping[str, frozenset[Role]]:
        return self._memberships.get(user_id) or self._memberships.get(mail) or {}

    def _key_of(self, user_id: str, mail: str, user: UserRecord) -> tuple[str | None, str | None]:
        """Return the key of a user without the namespace, or what is in its place."""
        match self._options.key:
            case "mail":
                return mail or None, None
            case "external_id":
                text = self._external_ids.get(user_id, "")
            case "custom":
                text = normalized(as_text(user["custom"]))
        namespace = self._options.key_namespace
        key = text[len(namespace) :].strip() if text.startswith(namespace) else ""
        return (key, None) if key else (None, text or None)

    def _read_external_ids(self) -> dict[str, str]:
        platform, namespace = self._options.external_platform, self._options.key_namespace
        if platform is None:
            raise InvalidRequestError(
                'external_platform is missing: with key="external_id", give the name of the platform whose ids the '
                "keys are. Nothing was sent.",
                argument="external_platform",
            )
        found: dict[str, str] = {}
        listed = self._api.external_ids_of_users(platform)
        for user_id, external_id in self._bounded(listed, lambda each: _USER + sum(map(len, each))):
            text = normalized(external_id)
            earlier = found.setdefault(user_id.lower(), text)
            # Whether 360Learning allows several is not known; the same one must be the key in each run.
            found[user_id.lower()] = min(earlier, text, key=lambda each: (not each.startswith(namespace), each))
        return found


def _size_of(account: Account) -> int:
    ids = (account.user_id, account.mail, account.key, account.other_key, account.primary_group)
    texts = (*ids, *account.fields.values())
    return (_FULL_USER if account.fields else _USER) + sum(len(text) for text in texts if text)


def _custom_fields(api: LearningApi) -> dict[str, str]:
    fields = api.list_custom_fields(target_type="users")
    return dict(
        sorted((one["custom_field_id"].lower(), normalized(one["name"])) for one in fields if one["custom_field_id"])
    )


def as_text(value: object) -> str:
    """Return a value as text: API v1 returns ``custom`` of any type."""
    return value if isinstance(value, str) else "" if value is None else str(value)


def as_time(text: str | None) -> datetime | None:
    """Return a timestamp of a response as a time."""
    return None if text is None else datetime.fromisoformat(text)
