"""Compare managers: whom the source means, and which managers are added and removed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from airflow_provider_360learning.sync.columns import NO_MANAGER
from airflow_provider_360learning.sync.fields import is_kept
from airflow_provider_360learning.sync.findings import Findings
from airflow_provider_360learning.sync.matching import AccountIndex, Match
from airflow_provider_360learning.sync.options import SyncOptions
from airflow_provider_360learning.sync.people import Person
from airflow_provider_360learning.sync.platform import Account
from airflow_provider_360learning.sync.state import Remembered

MANAGER = "manager"


@dataclass(frozen=True, slots=True)
class Manager:
    """
    A manager in 360Learning.

    :param user_id: Id of the user; ``None`` for one whom the plan creates.
    :param mail: Email address.
    :param key: Key of the person whom the plan creates.
    """

    user_id: str | None
    mail: str
    key: str | None = None

    @property
    def names(self) -> frozenset[str]:
        """What the listings may call this user."""
        return frozenset(name for name in (self.user_id, self.mail) if name)


@dataclass(frozen=True, slots=True)
class ManagerChanges:
    """
    What changes the managers of one user.

    :param addition: The manager to add.
    :param removals: Ids (or addresses) of managers to remove.
    """

    addition: Manager | None = None
    removals: tuple[str, ...] = ()


class WantedManagers:
    """
    The managers that the source means.

    :param people: All people of the source.
    :param invalid: Keys of invalid rows, which are no unknown managers.
    :param index: The accounts.
    """

    def __init__(self, people: Iterable[Person], invalid: Collection[str | None], index: AccountIndex) -> None:
        self._people = {person.key: person for person in sorted(people, key=lambda one: one.key)}
        self._by_mail = {person.mail: person for person in self._people.values()}
        self._invalid = invalid
        self._index = index
        #: Whether the source has managers at all.
        self.are_given = any(person.manager is not None for person in self._people.values())

    def check(self, keys: AbstractSet[str], findings: Findings) -> frozenset[str]:
        """
        Report unknown managers, and people who manage themselves, also through others.

        :param keys: Keys of the people in the plan; managers of others do not matter.
        :param findings: Where they are reported.
        :return: Keys of the people whose managers are invalid.
        """
        found: set[str] = set()
        for key in sorted(keys):
            person = self._people[key]
            if person.manager and not self._is_known(person.manager):
                text = (
                    "the manager is neither a key nor the address of a person of the source, nor of a user: correct it"
                )
                findings.error(person, text, leaves_out=False)
                found.add(person.key)
        own = {key for key in keys if self._is_own_account(self._people[key])}
        for key in sorted((self._in_circles() | own) & keys):
            findings.error(
                self._people[key], "this person is a manager of their own managers: correct it", leaves_out=False
            )
            found.add(key)
        return frozenset(found)

    def of(self, person: Person, matches: Mapping[str, Match], created: Collection[str]) -> Manager | None:
        """
        Return the manager of a person; ``None`` if the source has none, or this user does not exist yet.

        :param person: The person.
        :param matches: The people of the plan by key.
        :param created: Keys of the people who become users by the plan.
        """
        if not person.manager:
            return None
        of_source = self._person(person.manager)
        if of_source is not None and (match := matches.get(of_source.key)) is not None:
            if match.kind == "new" or match.user_id is None:
                return Manager(None, of_source.mail, of_source.key) if of_source.key in created else None
            if match.kind != "deleted" or of_source.key in created:
                return Manager(match.user_id, of_source.mail)
            return None
        account = self._account(person.manager if of_source is None else of_source.key)
        if account is None and of_source is not None:
            account = self._account(of_source.mail)
            if account is not None and account.key is not None:
                return None  # the address is that of another person by now
        return None if account is None else Manager(account.user_id, account.mail)

    def _person(self, manager: str) -> Person | None:
        return self._people.get(manager) or self._by_mail.get(manager.lower())

    def _account(self, manager: str) -> Account | None:
        """Return the user with a key or an address, if there is exactly one."""
        found = self._index.live.get(manager) or self._index.live_with_mail(manager.lower())
        return found[0] if len(found) == 1 and found[0].user_id is not None else None

    def _is_own_account(self, person: Person) -> bool:
        """Return whether the manager is the account of the person, by an address that is about to change."""
        if not person.manager or self._person(person.manager) is not None:
            return False
        account = self._account(person.manager)
        return account is not None and account.key == person.key

    def _is_known(self, manager: str) -> bool:
        is_account = (
            manager in self._index.live or manager in self._index.deleted or self._index.with_mail(manager.lower())
        )
        return bool(is_account or self._person(manager) or manager in self._invalid)

    def _in_circles(self) -> set[str]:
        found: set[str] = set()
        seen: set[str] = set()
        for start in self._people:
            way: dict[str, None] = {}
            key: str | None = start
            while key is not None and key not in seen:
                seen.add(key)
                way[key] = None
                manager = self._people[key].manager
                above = self._person(manager) if manager else None
                key = None if above is None else above.key
            if key in way:
                keys = list(way)
                found.update(keys[keys.index(key) :])
        return found


def compare_managers(
    match: Match, wanted: Manager | None, remembered: Remembered, options: SyncOptions
) -> ManagerChanges:
    """
    Return what changes the managers of a user.

    Only the manager whom an earlier run has added is removed; all others as well if managers are owned. Those of a
    person who returns are not known before the account is restored: see :mod:`.phases`.

    :param match: The person.
    :param wanted: The manager according to the source.
    :param remembered: What earlier runs have applied.
    :param options: What the sync is to do.
    """
    if match.kind != "new" and is_kept(MANAGER, {MANAGER}, remembered, options):
        return ManagerChanges()
    if match.kind == "deleted":
        return ManagerChanges(wanted)
    names = frozenset() if wanted is None else wanted.names
    applied = remembered.applied.get(MANAGER)
    held = None if match.account is None or match.account.managers is None else list(match.account.managers)
    is_owned = MANAGER in options.owned
    addition = None
    if wanted is not None and (held is None or names.isdisjoint(held)):
        source_changed = applied is None or applied not in names
        is_drift = is_owned and held is not None
        addition = wanted if source_changed or is_drift else None
    of_sync = [applied] if applied is not None and (held is None or applied in held) else []
    is_decided = wanted is not None or match.person.manager == NO_MANAGER
    stale = (held if is_owned and held is not None else of_sync) if is_decided else []
    return ManagerChanges(addition, tuple(sorted(set(stale) - names)))


def may_have_managers(match: Match, remembered: Remembered, options: SyncOptions) -> bool:
    """Return whether a person whom the source gives no manager may have one whom a sync has not added."""
    is_owned = MANAGER in options.owned and not is_kept(MANAGER, {MANAGER}, remembered, options)
    return match.person.manager == NO_MANAGER and is_owned and MANAGER not in remembered.applied


def is_unread(match: Match, options: SyncOptions) -> bool:
    """Return whether the source decides about the managers of a user, and they were not read."""
    is_owned = MANAGER in options.owned and match.person.manager is not None
    return is_owned and match.account is not None and not match.is_invitation and match.account.managers is None


def agreed_manager(match: Match, wanted: Manager | None, remembered: Remembered) -> Mapping[str, str | None]:
    """
    Return the manager who counts as applied because the user has them; ``None`` if the user has none, as is wanted.

    :param match: The person.
    :param wanted: The manager according to the source.
    :param remembered: What earlier runs have applied.
    """
    held = None if match.account is None else match.account.managers
    if held is None:
        return {}
    applied = remembered.applied.get(MANAGER)
    if wanted is not None:
        return {MANAGER: wanted.user_id} if wanted.user_id != applied and not wanted.names.isdisjoint(held) else {}
    is_unknown = not held and MANAGER not in remembered.applied
    is_gone = applied is not None and applied not in held
    return {MANAGER: None} if match.person.manager == NO_MANAGER and (is_unknown or is_gone) else {}


def describe(manager: Manager) -> Mapping[str, str | None]:
    """Return how a change names a manager."""
    if manager.user_id is not None:
        return {MANAGER: manager.user_id}
    return {"manager_key": manager.key}
