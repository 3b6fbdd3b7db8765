"""Decide who may have which address, and in which order addresses change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from airflow_provider_360learning.sync.findings import Findings
from airflow_provider_360learning.sync.matching import AccountIndex, Match
from airflow_provider_360learning.sync.names import label
from airflow_provider_360learning.sync.options import SyncOptions
from airflow_provider_360learning.sync.platform import Account

_ADVICE = "decide by hand who has it"


def changes_mail(match: Match, options: SyncOptions) -> bool:
    """Return whether the address of an account is to become another one."""
    return (
        match.account is not None
        and not match.is_invitation
        and match.account.mail != match.person.mail
        and "mail" not in options.create_only
    )


class Addresses:
    """
    The addresses that people of the plan need.

    A person must never get the account of another one. Therefore an address that belongs to another account is a
    conflict, unless the plan gives that account another address first.

    :param matches: The people who are wanted, by key.
    :param index: The accounts.
    :param options: What the sync is to do.
    :param findings: Where conflicts are added.
    """

    def __init__(
        self, matches: Mapping[str, Match], index: AccountIndex, options: SyncOptions, findings: Findings
    ) -> None:
        self._matches = matches
        #: Of the accounts that people have in the plan: another one may have the same key, such as a deleted one.
        self._by_account = {id(match.account): match for match in matches.values()}
        self._index = index
        self._options = options
        self._findings = findings

    def check(self) -> Mapping[str, int]:
        """
        Add the conflicts, and return the order in which addresses change.

        :return: The positions of the people whose address changes, by key.
        """
        self._check_claims()
        while True:  # who is left out does not free an address, which may leave out others
            before = len(self._findings.left_out)
            for match in self._in_plan():
                self._check_holders(match)
            order = self._order()
            if len(self._findings.left_out) == before:
                return order

    def _in_plan(self) -> list[Match]:
        return [match for key, match in self._matches.items() if key not in self._findings.left_out]

    def _needed(self, match: Match) -> Iterator[str]:
        """Yield the addresses that a person does not have yet, and needs."""
        if match.kind == "new":
            yield match.person.mail
            return
        if match.kind == "deleted" and match.account is not None:
            yield match.account.mail  # by which it is restored
        if changes_mail(match, self._options):
            yield match.person.mail

    def _check_claims(self) -> None:
        """Refuse an address that several people need."""
        claims: dict[str, set[str]] = {}
        for match in self._matches.values():
            for mail in (*self._needed(match), match.person.mail):
                claims.setdefault(mail, set()).add(match.person.key)
        for keys in claims.values():
            if len(keys) > 1:
                self._conflict(*keys, reason=f"these people need the same address: {_ADVICE}")

    def _check_holders(self, match: Match) -> None:
        key = match.person.key
        for mail in self._needed(match):
            for holder in self._index.with_mail(mail):
                if holder is match.account or self._freed_by(holder) is not None:
                    continue
                what = "a deleted account" if holder.status == "deleted" else "an account"
                who = "that is not managed" if holder.key is None else f"of {label(holder.key, user_id=holder.user_id)}"
                person = label(key, rows=match.person.rows)
                reason = f"the address of {person} belongs to {what} {who} ({holder.user_id or 'invited'}): {_ADVICE}"
                self._conflict(key, *(() if holder.key is None else (holder.key,)), reason=reason)

    def _freed_by(self, holder: Account) -> str | None:
        """Return the key of the person to whose account the plan gives another address before this one is needed."""
        match = self._by_account.get(id(holder))
        if match is None or match.person.key in self._findings.left_out:
            return None
        return match.person.key if match.kind != "deleted" and changes_mail(match, self._options) else None

    def _order(self) -> Mapping[str, int]:
        """Return the positions of address changes, such that each address is free; swaps are conflicts."""
        waits_for = {
            match.person.key: {
                self._freed_by(holder)
                for holder in self._index.with_mail(match.person.mail)
                if holder is not match.account
            }
            for match in self._in_plan()
            if match.kind != "deleted" and changes_mail(match, self._options)
        }
        order: dict[str, int] = {}
        waiting: dict[str | None, list[str]] = {}
        for key, holders in waits_for.items():
            for holder in holders:
                waiting.setdefault(holder, []).append(key)
        free = sorted(key for key, holders in waits_for.items() if holders.isdisjoint(waits_for))
        for key in free:  # grows
            order[key] = len(order)
            for next_key in sorted(waiting.get(key, ())):
                waits_for[next_key].discard(key)
                if next_key not in order and waits_for[next_key].isdisjoint(waits_for.keys() - order.keys()):
                    free.append(next_key)
        if swapped := waits_for.keys() - order.keys():
            # Those who wait for a swap, without being part of it, do not get their address either.
            self._conflict(*swapped, reason=f"these people exchange their addresses: {_ADVICE}")
        return order

    def _conflict(self, *keys: str, reason: str) -> None:
        rows = [row for key in keys if key in self._matches for row in self._matches[key].person.rows]
        self._findings.conflict(keys, reason, rows)
