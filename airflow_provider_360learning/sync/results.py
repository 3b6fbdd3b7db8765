"""The result of a sync: its XCom, and the extra of its asset events."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NotRequired, TypedDict

from airflow_provider_360learning.sync.plan_files import StoredPlan


class GuardResult(TypedDict):
    """
    What a guard has decided.

    :param limit: The limit; ``None`` if the first plan has nothing to be compared with.
    :param actual: The value in the plan.
    :param passed: Whether the value is within the limit.
    """

    limit: int | None
    actual: int
    passed: bool


class SyncResult(TypedDict):
    """
    The result of a sync: counts and paths, no keys and no values of people.

    :param plan_id: Id of the plan.
    :param path: Its folder.
    :param counts: Number of changes by action, of conflicts, of invalid rows, and of what is reported by finding.
    :param destructive: Number of changes that take something away, or give an account its key.
    :param guards: What the guards have decided, by name.
    :param emails: Number of invitations that 360Learning emails.
    :param seconds: How long applying takes at the rate limit.
    :param outcomes: Number of changes by outcome, once the plan is applied.
    :param results_path: The outcome of each change, once the plan is applied.
    """

    plan_id: str
    path: str
    counts: dict[str, int]
    destructive: int
    guards: dict[str, GuardResult]
    emails: int
    seconds: int
    outcomes: NotRequired[dict[str, int]]
    results_path: NotRequired[str]


def result_of(
    plan: StoredPlan, outcomes: Mapping[str, int] | None = None, results_path: str | None = None
) -> SyncResult:
    """
    Return the result of a plan.

    :param plan: The plan.
    :param outcomes: Number of changes by outcome, if it was applied.
    :param results_path: The outcome of each change, if it was applied.
    """
    result = SyncResult(
        plan_id=plan.plan_id,
        path=str(plan.folder),
        counts=dict(plan.counts),
        destructive=sum(change.is_destructive for change in plan.changes.changes),
        guards={one.guard: GuardResult(limit=one.limit, actual=one.actual, passed=one.passed) for one in plan.verdicts},
        emails=plan.invitations,
        seconds=plan.seconds,
    )
    if outcomes is not None:
        result["outcomes"] = dict(outcomes)
    if results_path is not None:
        result["results_path"] = results_path
    return result
