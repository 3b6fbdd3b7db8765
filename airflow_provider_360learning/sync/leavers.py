"""Decide who leaves, and what happens to their accounts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from airflow_provider_360learning.sync.fields import DEACTIVATION, FieldError, applied_deactivation, known_deactivation
from airflow_provider_360learning.sync.findings import Findings
from airflow_provider_360learning.sync.matching import CONTRADICTORY, AccountIndex, Match, has_left, managed_keys
from airflow_provider_360learning.sync.options import SyncOptions
from airflow_provider_360learning.sync.people import People, Person
from airflow_provider_360learning.sync.plan import IN_AN_HOUR, NEAR, Action, Change, Value
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
        self._is_reported = options.leaver_action == "report"

    # People of the source

    def departure(self, match: Match) -> Iterator[Change]:
        """Yield what happens to a person whom the source lets leave, now or later."""
        person = match.person
        if (at := self._later(person)) is not None:
            yield from self._leave(match, f"leaves at {at.isoformat()}", at)
        elif has_left(person, self._now) and self._explicit:
            reason = "inactive in the source" if person.status == "inactive" else "leaves_at has passed"
            yield from self._leave(match, reason)
        elif has_left(person, self._now):
            text = "has left according to the source, which leavers='missing' does not regard: nothing is changed"
            self._findings.report("leaver", person.key, text)

    def may_cancel(self, match: Match) -> bool:
        """Return whether the sync has set a date that is still to come, and the person stays."""
        applied = applied_deactivation(self._of(match.person.key))
        return applied is not None and applied > self._now and self._later(match.person) is None

    def agreed(self, match: Match) -> Mapping[str, str | None]:
        """
        Return the date of deactivation that counts as applied, although the sync has not set it, or set another one.

        It is the date that the source has, or none where the one of the sync was removed or replaced.

        :param match: A person of the source.
        """
        person, account = match.person, match.account
        if account is None or not account.deactivation_known:
            return {}
        applied, held = applied_deactivation(self._of(person.key)), account.deactivates_at
        if not self._is_reported and (wanted := self._later(person)) is not None:
            return {DEACTIVATION: wanted.isoformat()} if held == wanted and applied != wanted else {}
        stays = not has_left(person, self._now)
        return {DEACTIVATION: None} if stays and applied not in (None, held) else {}

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
        is_replaced = self._later(person) is not None and not (self._is_reported and match.kind == "deleted")
        if known is None or is_replaced or not (is_of_sync or match.kind == "deleted"):
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
            if account.is_contradictory:
                self._findings.report("contradictory", key, CONTRADICTORY)
                continue
            missing.append(key)
            if (why := self._why_not_yet(key, people)) is not None:
                self._findings.report("missing", key, why)
            elif key not in self._findings.left_out:
                match = Match(_absent(key, account), account, "existing")
                changes += self._leave(match, "missing in the source")
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

    def _later(self, person: Person) -> datetime | None:
        """Return when a person leaves whom the source lets leave later, whatever the status is until then."""
        at = person.leaves_at if self._explicit else None
        return None if at is None or at <= self._now else at

    def _leave(self, match: Match, reason: str, at: datetime | None = None) -> Iterator[Change]:
        """Yield what lets a person leave: at a time that is to come, or at once."""
        key = match.person.key
        if self._is_reported:
            if at is None or at - self._now <= NEAR:
                self._findings.report("leaver", key, reason)
        elif match.is_invitation:
            self._findings.report(
                "pending", key, f"{reason}, but this version of the API cannot withdraw an invitation"
            )
        elif at is not None:
            if known_deactivation(match, self._of(key)) != at:
                yield self._change("deactivate", match, reason, self._known_date(match), {DEACTIVATION: at.isoformat()})
        elif self._options.leaver_action == "delete":
            status = {} if match.account is None else {"status": match.account.status}
            yield self._change("delete", match, reason, status, {})
        elif not self._is_leaving(match):
            yield self._change("deactivate", match, reason, self._known_date(match), {DEACTIVATION: IN_AN_HOUR})

    def _is_leaving(self, match: Match) -> bool:
        """Return whether an account is deactivated within the hour, or about to be."""
        known = known_deactivation(match, self._of(match.person.key))
        # The account has been reinstated by hand if an older date is still there.
        return known is not None and self._now - _DELAY < known <= self._now + _SOON

    def _known_date(self, match: Match) -> dict[str, str | None]:
        known = known_deactivation(match, self._of(match.person.key))
        return {} if match.account is None else {DEACTIVATION: None if known is None else known.isoformat()}

    def _change(
        self, action: Action, match: Match, reason: str, before: Mapping[str, Value], after: Mapping[str, Value]
    ) -> Change:
        # An account whose key is not set (yet) is that of the person as long as it has no other key.
        has_no_key = match.account is not None and match.account.key is None
        return Change(
            action=action,
            key=match.person.key,
            user_id=match.user_id,
            before={**before, **({"key": None} if has_no_key else {})},
            after=after,
            reason=reason,
            rows=match.person.rows,
        )

    def _of(self, key: str) -> Remembered:
        return self._state.people.get(key) or Remembered()


def _absent(key: str, account: Account) -> Person:
    """Return a person of whom the source says nothing."""
    return Person(key=key, mail=account.mail, fields={}, custom_fields={}, manager=None, memberships=None)
