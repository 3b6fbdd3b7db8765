"""What became of the changes of a plan, by their numbers, and what later changes need of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from airflow_provider_360learning.rows.results import Result
from airflow_provider_360learning.sync.plan import Change
from airflow_provider_360learning.sync.state import Restored

#: Outcomes of changes that were not sent.
STALE, SKIPPED, CONFLICT = "stale", "skipped", "conflict"


@dataclass(slots=True)
class Outcomes:
    """
    What became of each change.

    :param changes: The changes of the plan.
    """

    changes: Sequence[Change]
    #: Results of the requests for a change, by its number.
    results: dict[int, list[Result]] = field(default_factory=dict)
    #: Why a change was not sent, or was taken back: outcome and reason, by its number.
    left_out: dict[int, tuple[str, str]] = field(default_factory=dict)
    #: Ids of users by key, and of new groups by path.
    users: dict[str, str] = field(default_factory=dict)
    groups: dict[str, str] = field(default_factory=dict)
    #: Keys of new people whose accounts are not known to have them yet.
    without_key: set[str] = field(default_factory=set)
    #: What was sent, by number, where that depends on the time.
    sent: dict[int, Mapping[str, object]] = field(default_factory=dict)
    #: The phases that have yet to complete a new account, by number.
    incomplete: dict[int, set[str]] = field(default_factory=dict)
    #: Accounts of others that were restored, by number.
    restored: dict[int, Restored] = field(default_factory=dict)

    def leave_out(self, number: int, outcome: str, reason: str) -> None:
        """
        Record that a change is not sent.

        :param number: Its number.
        :param outcome: The outcome.
        :param reason: Why.
        """
        self.left_out.setdefault(number, (outcome, reason))

    def has_account(self, number: int) -> bool:
        """
        Return whether a creation has led to an account of the person, which may be incomplete.

        :param number: Its number.
        """
        results = self.results.get(number, [])
        return number not in self.left_out and any(each.is_done for each in results[:1])

    def is_done(self, number: int) -> bool:
        """
        Return whether a change was made.

        :param number: Its number.
        """
        results = self.results.get(number)
        is_sent = bool(results) and all(each.is_done for each in results or ())
        return is_sent and number not in self.left_out and not self.incomplete.get(number)

    def of(self, *actions: str) -> Iterator[tuple[int, Change]]:
        """
        Yield the changes of some actions that are not left out, with their numbers.

        :param actions: The actions.
        """
        for number, change in enumerate(self.changes):
            if change.action in actions and number not in self.left_out:
                yield number, change

    def outcome(self, number: int) -> tuple[str, str | None]:
        """
        Return the outcome of a change, and what a person must know of it.

        :param number: Its number.
        """
        if number in self.left_out:
            return self.left_out[number]
        results = self.results.get(number, [])
        rejected = next((each for each in results if not each.is_done), None)
        if rejected is not None:
            return rejected.outcome, rejected.message
        if self.incomplete.get(number):
            return SKIPPED, "the account was created, and its values were not sent: the next plan has them"
        # What follows the first one completes it.
        return (results[0].outcome, results[0].message) if results else (SKIPPED, "was not sent")

    def counts(self) -> dict[str, int]:
        """Return the number of changes by outcome."""
        return dict(sorted(Counter(self.outcome(number)[0] for number in range(len(self.changes))).items()))

    @property
    def failures(self) -> list[int]:
        """Numbers of the changes that were sent and not made, and of changes that turned out to be conflicts."""
        rejected = {
            number
            for number, results in self.results.items()
            if number not in self.left_out and not all(each.is_done for each in results)
        }
        return sorted(rejected | {number for number, (outcome, _) in self.left_out.items() if outcome == CONFLICT})
