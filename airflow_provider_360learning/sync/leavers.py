"""Decide who leaves, and what happens to their accounts."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from airflow_provider_360learning.sync.fields import DEACTIVATION, FieldError, applied_deactivation, known_deactivation
from airflow_provider_360learning.sync.findings import Findings
from airflow_provider_360learning.sync.matching import AccountIndex, Match, has_left, managed_keys
from airflow_provider_360learning.sync.options import SyncOptions
from airflow_provider_360learning.sync.people import People, Person
from airflow_provider_360learning.sync.plan import IN_AN_HOUR, Change
from airflow_provider_360learning.sync.platform import Account, Platform
from airflow_provider_360learning.sync.state import Remembered, SyncState

#: How soon accounts of leavers are deactivated.
_SOON = timedelta(hours=1)
#: How long 360Learning may take to deactivate an account whose date has come.
_DELAY = timedelta(days=2)


class Leavers:
    """
    Finds who leaves, and plans what happens to them.

    :param index: The accounts.
    :param state: What earlier runs have applied.
    :param options: What the sync is to do.
    :param now: The time of the plan.
    :param findings: Where leavers and missing people are reported.
    :param is_new_interval: See :func:`.planner.compare`.
    """

    def __init__(
        self,
        index: AccountIndex,
        state: SyncState,
        options: SyncOptions,
        now: datetime,
        findings: Findings,
        *,
        is_new_interval: bool,
    ) -> None:
        self._index = index
        self._state = state
        self._options = options
        self._now = now
        self._findings = findings
        self._is_new_interval = is_new_interval
        self._explicit = options.leavers in ("explicit", "both")
        self._missing = options.leavers in ("missing", "both")

    # People of the source

    def departure(self, match: Match) -> Iterator[Change]:
        """Yield what happens to a person whom the source lets leave, now or later."""
        person = match.person
        if has_left(person, self._now):
            if not self._explicit:
                text = "has left according to the source, which leavers='missing' does not regard: nothing is changed"
                self._findings.report("leaver", person.key, text)
            else:
                reason = "inactive in the source" if person.status == "inactive" else "leaves_at has passed"
                yield from self._leave(match, reason, person.rows)
        elif self._explicit and person.leaves_at is not None:
            if self._options.leaver_action == "report":
                self._findings.report("leaver", person.key, f"leaves at {person.leaves_at.isoformat()}")
            elif known_deactivation(match, self._of(person.key)) != person.leaves_at:
                yield self._deactivation(match, person.leaves_at.isoformat(), "leaves_at in the source", person.rows)

    def cancels_deactivation(self, match: Match, platform: Platform) -> bool:
        """
        Return whether a date of deactivation is removed: that of an earlier run, or of an account that is reinstated.

        :param match: A person who stays.
        :param platform: What 360Learning has.
        :raises FieldError: if it must be removed, and cannot be.
        """
        person = match.person
        known = known_deactivation(match, self._of(person.key))
        is_of_sync = known is not None and known == applied_deactivation(self._of(person.key))
        leaves = self._explicit and person.leaves_at is not None and self._options.leaver_action != "report"
        if known is None or leaves or not (is_of_sync or match.kind == "deleted"):
            return False
        if platform.clears_values:
            return match.kind == "deleted" or known > self._now - _DELAY
        if known > self._now:
            raise FieldError(
                f"this person stays, but is to be deactivated at {known.isoformat()}, and this version of the API "
                "cannot remove that date: remove it by hand"
            )
        return False

    # People who are missing

    def missing(self, people: People) -> tuple[list[Change], tuple[str, ...]]:
        """
        Return what happens to people whom no row wants, and the keys of all of them.

        :param people: The people of the source.
        """
        if not self._missing:
            return [], ()
        present = {person.key for person in people.people} | people.invalid
        changes: list[Change] = []
        missing: list[str] = []
        for key in sorted(managed_keys(self._index, self._state, self._options, ()) - present):
            account = self._index.live[key][0]
            if account.is_protected:
                self._findings.report("protected", key, "is missing in the source, but protected: nothing is changed")
                continue
            missing.append(key)
            if (why := self._why_not_yet(key, people)) is not None:
                self._findings.report("missing", key, why)
            elif key not in self._findings.left_out:
                match = Match(_absent(key, account), account, "existing")
                changes += self._leave(match, "missing in the source", ())
        return changes, tuple(missing)

    def _why_not_yet(self, key: str, people: People) -> str | None:
        """Return why a missing person is not a leaver yet."""
        remembered = self._of(key)
        runs = remembered.missing_runs + 1 if self._is_new_interval else max(remembered.missing_runs, 1)
        missing_since = remembered.missing_since or self._now
        if None in people.invalid:
            return "is missing, but may be one of the rows whose key is invalid: correct these first"
        if key in self._findings.left_out:
            return "is missing, and part of a conflict"
        if runs < self._options.missing_runs:
            return f"is missing in run {runs} of {self._options.missing_runs}"
        if self._now - missing_since < timedelta(days=self._options.leaver_grace):
            return f"is missing since {missing_since.date().isoformat()}, within the {self._options.leaver_grace} days"
        return None

    # What happens

    def _leave(self, match: Match, reason: str, rows: tuple[int, ...]) -> Iterator[Change]:
        account, key = match.account, match.person.key
        assert account is not None  # only accounts leave
        if self._options.leaver_action == "report":
            self._findings.report("leaver", key, reason)
        elif match.is_invitation:
            self._findings.report(
                "pending", key, f"{reason}, but this version of the API cannot withdraw an invitation"
            )
        elif self._options.leaver_action == "delete":
            before = {"status": account.status}
            yield Change(
                action="delete", key=key, user_id=account.user_id, before=before, after={}, reason=reason, rows=rows
            )
        elif not self._is_leaving(match):
            yield self._deactivation(match, IN_AN_HOUR, reason, rows)

    def _is_leaving(self, match: Match) -> bool:
        """Return whether an account is deactivated within the hour, or about to be."""
        known = known_deactivation(match, self._of(match.person.key))
        # The account has been reinstated by hand if an older date is still there.
        return known is not None and self._now - _DELAY < known <= self._now + _SOON

    def _deactivation(self, match: Match, at: str, reason: str, rows: tuple[int, ...]) -> Change:
        known = known_deactivation(match, self._of(match.person.key))
        return Change(
            action="deactivate",
            key=match.person.key,
            user_id=match.user_id,
            before={} if match.account is None else {DEACTIVATION: None if known is None else known.isoformat()},
            after={DEACTIVATION: at},
            reason=reason,
            rows=rows,
        )

    def _of(self, key: str) -> Remembered:
        return self._state.people.get(key) or Remembered()


def _absent(key: str, account: Account) -> Person:
    """Return a person of whom the source says nothing."""
    return Person(key=key, mail=account.mail, fields={}, custom_fields={}, manager=None, memberships=None)
