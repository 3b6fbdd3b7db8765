"""The guards of a plan: limits that are evaluated over the whole plan, before the first write."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from airflow_provider_360learning.exceptions import RefusedError
from airflow_provider_360learning.sync.fields import DEACTIVATION
from airflow_provider_360learning.sync.options import Guards, Limit
from airflow_provider_360learning.sync.people import People
from airflow_provider_360learning.sync.plan import IN_AN_HOUR, NEAR, Action, Change, Changes
from airflow_provider_360learning.sync.state import AppliedPlan, Remembered, SyncState

#: Minimum limit of a share, without which a small company could change nothing.
MIN_OF_SHARE = 3

_UNKNOWN = Remembered()


class GuardError(RefusedError):
    """A guard refuses a plan. Nothing was sent."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """
    What a guard has decided.

    :param guard: Name of the guard, which is that of its argument.
    :param limit: The limit; ``None`` if the first plan has nothing to be compared with.
    :param actual: The value in the plan.
    :param passed: Whether the value is within the limit; a value equal to the limit is.
    """

    guard: str
    limit: int | None
    actual: int
    passed: bool

    def __str__(self) -> str:
        limit = "none" if self.limit is None else f"{self.limit:,}"
        return f"guard={self.guard} actual={self.actual:,} limit={limit} passed={str(self.passed).lower()}"


def verdicts(
    changes: Changes, *, people: People, state: SyncState, guards: Guards, now: datetime
) -> tuple[Verdict, ...]:
    """
    Return what each guard decides, in the order of the guards; those that are off are left out.

    :param changes: The changes of the plan.
    :param people: The people of the source.
    :param state: What earlier runs have applied.
    :param guards: The limits.
    :param now: The time of the plan, before which the period of ``max_leavers_per_period`` ends.
    """
    managed = changes.managed
    period = guards.max_leavers_per_period
    since = now - period.period
    leaving = leaving_soon(changes, now)
    # The leavers of an earlier plan, which may have been accepted above the limit, refuse no plan that has none.
    left = left_between(state, since, now + NEAR) if leaving else frozenset()
    errors = {row for row, _ in (*people.errors, *changes.errors)}
    found: list[tuple[str, Limit | None, int]] = [
        ("max_leavers", guards.max_leavers, len(leavers(changes, state, now))),
        ("max_leavers_per_period", period.limit, len(left | leaving)),
        ("max_email_changes", guards.max_email_changes, len(_keys(changes, "change_mail", "change_reinstated_mail"))),
        ("max_joiners", guards.max_joiners, len(_keys(changes, "create"))),
        ("max_updates", guards.max_updates, len(_keys(changes, "update"))),
        ("max_conflicts", guards.max_conflicts, len(changes.conflicts)),
        ("max_row_errors", guards.max_row_errors, len(errors)),
        ("max_group_creations", guards.max_group_creations, _number(changes, "create_group")),
    ]
    decided = [_verdict(name, limit_of(limit, managed), actual) for name, limit, actual in found if limit is not None]
    return (*decided, _source_change(guards.max_source_change, people.rows, state.plans))


def leavers(changes: Changes, state: SyncState, now: datetime) -> frozenset[str]:
    """
    Return the keys of the people who count for ``max_leavers``.

    These are people who leave soon, those who are missing in the source for the first time, even within their grace,
    and those who are reported as leavers for the first time: who is only missing or reported counts once, not in each
    plan.

    :param changes: The changes of the plan.
    :param state: What earlier runs have applied.
    :param now: The time of the plan.
    """
    missing = {key for key in changes.missing if state.people.get(key, _UNKNOWN).missing_since is None}
    reported = {key for key in changes.reported_leavers if state.people.get(key, _UNKNOWN).reported_at is None}
    return leaving_soon(changes, now) | missing | reported


def left_between(state: SyncState, start: datetime, end: datetime) -> frozenset[str]:
    """
    Return the keys of the people whom a sync has let leave after a time, until another one.

    :param state: What earlier runs have applied.
    :param start: The first time.
    :param end: The other one.
    """
    return frozenset(key for key, one in state.people.items() if one.left_at and start < one.left_at <= end)


def leaving_soon(changes: Changes, now: datetime) -> frozenset[str]:
    """
    Return the keys of the people who are deleted by a plan, or deactivated soon.

    A date that is further away does not count until it is near, for ``max_leavers_per_period``. One that only postpones
    an earlier one does not count either.

    :param changes: The changes of the plan.
    :param now: The time of the plan.
    """
    return frozenset(change.key for change in changes.changes if _leaves_soon(change, now))


def _leaves_soon(change: Change, now: datetime) -> bool:
    if change.action != "deactivate":
        return change.action == "delete"
    at, held = change.after.get(DEACTIVATION), change.before.get(DEACTIVATION)
    if not isinstance(at, str) or at == IN_AN_HOUR:
        return True
    is_postponed = isinstance(held, str) and now < datetime.fromisoformat(held) < datetime.fromisoformat(at)
    return datetime.fromisoformat(at) - now <= NEAR and not is_postponed


def limit_of(limit: Limit, managed: int) -> int:
    """
    Return the number that a limit stands for.

    :param limit: The limit.
    :param managed: Number of people managed before the plan.
    """
    numbers = [] if limit.number is None else [limit.number]
    if limit.share is not None:
        numbers.append(max(_share_of(limit.share, managed), MIN_OF_SHARE))
    return min(numbers)


def ensure_passed(decided: Sequence[Verdict], plan: str, *, redacted: bool = False) -> None:
    """
    Refuse a plan that a guard refuses.

    :param decided: What the guards have decided.
    :param plan: Id of the plan.
    :param redacted: Whether its files leave values out, so that it cannot be accepted later.
    :raises GuardError: naming each guard that refuses it, the limit and the value.
    """
    failed = [verdict for verdict in decided if not verdict.passed]
    if failed:
        reasons = "; ".join(f"{each.guard} is {each.actual:,}, the limit {each.limit:,}" for each in failed)
        override = "a larger number, or plan without redact" if redacted else f"accept_plan={plan!r} or a larger number"
        raise GuardError(
            f"Plan {plan} is refused: {reasons}. Nothing was sent. Read summary.md of the plan. If it is what you "
            f"want, run with {override}; otherwise correct the source."
        )


def _source_change(limit: Limit, rows: int, plans: Sequence[AppliedPlan]) -> Verdict:
    """Decide about the number of rows; its share has no minimum, which would let a small source be cut in half."""
    if not plans:
        return Verdict("max_source_change", None, 0, passed=True)
    before = plans[-1].rows
    numbers = [] if limit.number is None else [limit.number]
    if limit.share is not None:
        numbers.append(_share_of(limit.share, before))
    return _verdict("max_source_change", min(numbers), abs(rows - before))


def _verdict(guard: str, limit: int, actual: int) -> Verdict:
    return Verdict(guard, limit, actual, passed=actual <= limit)


def _share_of(share: float, number: int) -> int:
    """Return a share, rounded down. As a decimal, because 0.29 * 100 is 28.999… in binary."""
    return int(Decimal(repr(share)) * number)


def _keys(changes: Changes, *actions: Action) -> frozenset[str]:
    return frozenset(change.key for change in changes.changes if change.action in actions)


def _number(changes: Changes, *actions: Action) -> int:
    return sum(change.action in actions for change in changes.changes)
