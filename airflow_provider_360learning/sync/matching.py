"""Find the account of each person of a source: by key, by what the state remembers, or by the address."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

from airflow_provider_360learning.sync.findings import Findings
from airflow_provider_360learning.sync.options import SyncOptions
from airflow_provider_360learning.sync.people import Person
from airflow_provider_360learning.sync.platform import Account, Platform
from airflow_provider_360learning.sync.protection import Protection
from airflow_provider_360learning.sync.state import Remembered, SyncState

#: What is reported of a user who is listed both as deleted and as not deleted.
CONTRADICTORY = "is listed both as deleted and as not deleted: nothing is changed until the listings agree"

#: ``existing`` has an account with the key, ``adopted`` one that gets the key, ``deleted`` one that is reinstated.
Kind: TypeAlias = Literal["existing", "adopted", "deleted", "new"]


@dataclass(frozen=True, slots=True)
class Match:
    """
    A person and the account of this person.

    :param person: The person.
    :param account: The account; ``None`` for a new one.
    :param kind: What the account is to the person.
    """

    person: Person
    account: Account | None
    kind: Kind

    @property
    def is_invitation(self) -> bool:
        """Whether the account is an invitation that no request can change."""
        return self.account is not None and self.account.status == "pending" and self.account.user_id is None

    @property
    def user_id(self) -> str | None:
        """Id of the user, if there is one yet."""
        return None if self.account is None else self.account.user_id


class AccountIndex:
    """
    The accounts of a platform by key, id and address.

    :param platform: What 360Learning has.
    """

    def __init__(self, platform: Platform) -> None:
        #: Accounts that are not deleted, by key.
        self.live: dict[str, list[Account]] = {}
        self.deleted: dict[str, list[Account]] = {}
        self.by_id: dict[str, Account] = {}
        self._by_mail: dict[str, list[Account]] = {}
        in_order = sorted(platform.accounts, key=lambda one: (one.user_id or "", one.mail, one.key or ""))
        for account in in_order:
            if account.key is not None:
                by_key = self.deleted if account.status == "deleted" else self.live
                by_key.setdefault(account.key, []).append(account)
            if account.user_id is not None:
                self.by_id[account.user_id] = account
            if account.mail:
                self._by_mail.setdefault(account.mail, []).append(account)

    def with_mail(self, mail: str | None) -> Iterable[Account]:
        """Return the accounts that have an address, deleted ones included."""
        return self._by_mail.get(mail or "", ())

    def live_with_mail(self, mail: str | None) -> list[Account]:
        """Return the accounts that have an address and are not deleted."""
        return [account for account in self.with_mail(mail) if account.status != "deleted"]


def is_found_by_address(remembered: Remembered, account: Account) -> bool:
    """Return whether an account may be the one that a creation without a known outcome has led to, or restored."""
    return remembered.invited_at is None and (remembered.user_id or "").lower() != account.user_id


def has_left(person: Person, now: datetime) -> bool:
    """Return whether a person does not work for the company any more, according to the source."""
    return person.status == "inactive" or (person.leaves_at is not None and person.leaves_at <= now)


def managed_keys(
    index: AccountIndex, state: SyncState, options: SyncOptions, wanted: Collection[str]
) -> frozenset[str]:
    """
    Return the keys of the people who are managed before the plan.

    With addresses as keys, no account is marked: only those are managed that the state remembers, or the source wants.

    :param index: The accounts.
    :param state: What earlier runs have applied.
    :param options: What the sync is to do.
    :param wanted: Keys of the people of the source.
    """
    if options.key != "mail":
        return frozenset(index.live)
    return frozenset(key for key in index.live if key in state.people or key in wanted)


class Matcher:
    """
    Finds the account of each person.

    :param index: The accounts.
    :param state: What earlier runs have applied.
    :param options: What the sync is to do.
    :param now: The time of the plan.
    :param findings: Where people who are left out are reported.
    """

    def __init__(
        self, index: AccountIndex, state: SyncState, options: SyncOptions, now: datetime, findings: Findings
    ) -> None:
        self._index = index
        self._state = state
        self._options = options
        self._now = now
        self._findings = findings
        self._protection = Protection(options, ())

    def match(self, people: Iterable[Person]) -> Mapping[str, Match]:
        """
        Return the matches by key; people who are left out, or have left and have no account, are not among them.

        :param people: The people of the source.
        """
        people = sorted(people, key=lambda one: one.key)
        keys = managed_keys(self._index, self._state, self._options, {person.key for person in people})
        for key in sorted(keys):
            if len(accounts := self._index.live[key]) > 1:
                ids = ", ".join(sorted(account.user_id or "an invitation" for account in accounts))
                self._findings.conflict(
                    [key], f"{len(accounts)} accounts have this key ({ids}): remove it from all but one"
                )
        matches: dict[str, Match] = {}
        for person in people:
            if person.key in matches:
                earlier = matches[person.key].person
                text = "several people of the source have this key: correct the source"
                self._findings.conflict([person.key], text, (*earlier.rows, *person.rows))
            if person.key not in self._findings.left_out and (match := self._find(person)):
                matches[person.key] = match
        self._check_distinct(matches.values())
        return {key: match for key, match in matches.items() if key not in self._findings.left_out}

    def _check_distinct(self, matches: Iterable[Match]) -> None:
        """Refuse an account that is that of several people: by its key, the state, or the address."""
        by_id: dict[str, list[Person]] = {}
        for match in matches:
            if match.user_id is not None:
                by_id.setdefault(match.user_id, []).append(match.person)
        for user_id, people in by_id.items():
            if len(people) > 1:
                text = f"the account {user_id} is that of several people: give it the key of the right one"
                rows = [row for person in people for row in person.rows]
                self._findings.conflict([person.key for person in people], text, rows)

    def _find(self, person: Person) -> Match | None:
        match = self._with_key(person) or self._remembered(person) or self._deleted(person)
        leaves = has_left(person, self._now)
        if match is None and not leaves and person.key not in self._findings.left_out:
            match = self._with_mail(person)
        if match is None or person.key in self._findings.left_out or (leaves and match.kind in ("deleted", "new")):
            return None
        is_protected = self._protection.covers(match.user_id or "", person.mail, person.key, None)
        if is_protected or (match.account is not None and match.account.is_protected):
            self._findings.leave_out("protected", person.key, "is protected: nothing is changed")
            return None
        if match.account is not None and match.account.is_contradictory:
            self._findings.leave_out("contradictory", person.key, CONTRADICTORY)
            return None
        return match

    def _with_key(self, person: Person) -> Match | None:
        accounts = self._index.live.get(person.key)
        if accounts and self._options.key == "mail" and self._is_of_another(accounts[0]):
            self._findings.leave_out("unmanaged", person.key, _of_another(accounts[0]))
            return None
        return Match(person, accounts[0], "existing") if accounts else None

    def _is_of_another(self, account: Account) -> bool:
        """Return whether a creation has restored an account by mistake, and no person has decided about it yet."""
        return any(
            one.status != "deleted" and (mail == account.mail or one.user_id == account.user_id)
            for mail, one in self._state.restored.items()
        )

    def _remembered(self, person: Person) -> Match | None:
        """
        Return the account that this sync has created before its key could be set, or a deleted one.

        Another one without a key has lost it by hand, and is not managed any more.
        """
        remembered = self._state.people.get(person.key)
        account = None if remembered is None else self._remembered_account(remembered)
        if remembered is None or account is None or account.key == person.key:
            return None  # deleted accounts are found by their key
        if account.status == "deleted" and account.mail != (remembered.mail or "").lower():
            return None  # pseudonymized
        if account.key is not None or account.other_key is not None:
            text = f"the account {account.user_id} of this person has another key now: give it back its key"
            keys = [person.key] if account.key is None else [person.key, account.key]
            self._findings.conflict(keys, text, person.rows)
            return None
        if account.status == "deleted":
            return Match(person, account, "deleted")
        if remembered.awaits_key and account.was_restored and is_found_by_address(remembered, account):
            self._findings.leave_out("unmanaged", person.key, _of_another(account))
            return None
        if remembered.awaits_key:
            return Match(person, account, "adopted")
        if self._options.adopt == "never" or account.mail != person.mail:
            text = f"the account {account.user_id} of this person has lost its key: give it back"
            self._findings.leave_out("unmanaged", person.key, text)
        return None

    def _remembered_account(self, remembered: Remembered) -> Account | None:
        account = self._index.by_id.get((remembered.user_id or "").lower())
        if account is not None or not remembered.awaits_key:
            return account
        # The id of an invitation need not be that of the user who has accepted it.
        found = self._index.live_with_mail((remembered.mail or "").lower())
        # Another key is that of another person, to whom the address belongs by now.
        return found[0] if len(found) == 1 and (found[0].key, found[0].other_key) == (None, None) else None

    def _deleted(self, person: Person) -> Match | None:
        accounts = self._index.deleted.get(person.key, [])
        if not accounts or has_left(person, self._now):
            return None
        if len(accounts) > 1:
            ids = ", ".join(sorted(str(account.user_id) for account in accounts))
            text = f"{len(accounts)} deleted accounts have this key ({ids}): restore the right one by hand"
            self._findings.conflict([person.key], text, person.rows)
            return None
        [account] = accounts
        if self._options.key == "mail" and person.key not in self._state.people:
            text = (
                f"the deleted account {account.user_id} has the address of this person, whom this sync does not know, "
                "and who would inherit it: if it is the same person, restore it by hand"
            )
            self._findings.conflict([person.key], text, person.rows)
            return None
        remembered = self._state.people.get(person.key) or Remembered()
        expected = {(remembered.mail or account.mail).lower(), person.mail}
        if not account.mail or account.mail not in expected:
            text = (
                f"the deleted account {account.user_id} does not have the address that was applied last, by which it "
                "would be restored, which is so after a pseudonymization: restore it by hand, or remove its key, and "
                "the person gets a new account"
            )
            self._findings.conflict([person.key], text, person.rows)
        return Match(person, account, "deleted")

    def _with_mail(self, person: Person) -> Match | None:
        """Return a new person, or the account without a key that is adopted by its address."""
        for account in self._index.with_mail(person.mail):
            if account.key is not None:
                continue  # see addresses
            if account.status == "deleted":
                text = (
                    f"the deleted account {account.user_id}, which is not managed, has the address of this person, who "
                    "would inherit it: if it is the same person, restore it by hand and give it the key"
                )
                self._findings.leave_out("unmanaged", person.key, text)
            elif self._is_of_another(account):
                self._findings.leave_out("unmanaged", person.key, _of_another(account))
            elif account.other_key is not None:
                text = f"the account {account.user_id} with this address has a key of another kind"
                self._findings.leave_out("unmanaged", person.key, text)
            elif self._options.adopt == "never":
                text = f"the account {account.user_id} with this address has no key, and adopt is 'never'"
                self._findings.leave_out("unmanaged", person.key, text)
        if person.key in self._findings.left_out:
            return None
        without_key = [account for account in self._index.live_with_mail(person.mail) if account.key is None]
        if len(without_key) > 1:
            ids = ", ".join(sorted(str(account.user_id) for account in without_key))
            self._findings.conflict([person.key], f"several accounts have this address ({ids})", person.rows)
            return None
        return Match(person, without_key[0], "adopted") if without_key else Match(person, None, "new")


def _of_another(account: Account) -> str:
    return (
        f"the account {account.user_id} with this address is that of a deleted user, whom an earlier run has restored "
        "and did not delete again: delete it, or give it the key if it is the same person"
    )
