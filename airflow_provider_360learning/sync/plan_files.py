"""
The folder of a plan: it can be read, verified and applied once.

``plan.json`` has only what the input determines, and the hash of its bytes is the id of the plan. It contains the
digests of the other files, so that an edited plan does not fit its id any more. What differs between two equal plans is
in ``meta.json``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from airflow.providers.common.compat.sdk import ObjectStoragePath

from airflow_provider_360learning.exceptions import Learning360Error
from airflow_provider_360learning.files.permissions import PRIVATE
from airflow_provider_360learning.files.storage import (
    StoragePath,
)
from airflow_provider_360learning.sync.guards import Verdict
from airflow_provider_360learning.sync.options import SyncOptions
from airflow_provider_360learning.sync.people import People
from airflow_provider_360learning.sync.plan import Changes
from airflow_provider_360learning.sync.platform import Platform
from airflow_provider_360learning.sync.state import SyncState

VERSION = 1
PLAN, META, CHANGES, FINDINGS, SUMMARY, APPLIED = (
    "plan.json",
    "meta.json",
    "changes.jsonl",
    "findings.jsonl",
    "summary.md",
    "applied.json",
)


class PlanError(Learning360Error):
    """A stored plan cannot be applied; the message says why, and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPlan:
    """
    A plan in its folder.

    :param plan_id: Its id: a hash of the bytes of ``plan.json``.
    :param folder: Its folder.
    :param company: Identifies the company and the version of the API.
    :param options: What the sync is to do, without the guards.
    :param changes: The changes.
    :param verdicts: What the guards have decided.
    :param counts: Number of changes by action, of conflicts, of invalid rows, and of what is reported by finding.
    :param rows: Number of rows of the source.
    :param invitations: How many invitations 360Learning will email.
    :param seconds: How long applying takes at the rate limit.
    :param created_at: When the plan was made.
    :param valid_until: Until when it can be applied.
    :param redacted: Whether the values are left out in the files, so that it cannot be applied from them.
    """

    plan_id: str
    folder: ObjectStoragePath
    company: str
    options: SyncOptions
    changes: Changes
    verdicts: tuple[Verdict, ...]
    counts: Mapping[str, int]
    rows: int
    invitations: int
    seconds: int
    created_at: datetime
    valid_until: datetime
    redacted: bool = False


def write_plan(
    plan_path: StoragePath,
    changes: Changes,
    verdicts: Sequence[Verdict],
    *,
    people: People,
    platform: Platform,
    state: SyncState,
    options: SyncOptions,
    seconds: int,
    now: datetime,
    valid_for: timedelta,
    redact: bool = False,
    file_mode: int = PRIVATE,
) -> StoredPlan:
    """
    Write the folder of a plan, ``<plan_path>/<id>/``. The same arguments but the times give the same bytes and id.

    :param plan_path: Folder of the plans.
    :param changes: The changes.
    :param verdicts: What the guards have decided.
    :param people: The people of the source.
    :param platform: What 360Learning has.
    :param state: What earlier runs have applied.
    :param options: What the sync is to do.
    :param seconds: How long applying takes at the rate limit.
    :param now: When the plan was made.
    :param valid_for: How long it can be applied.
    :param redact: Leave values out of the files: such a plan can be read, but not be applied from them.
    :param file_mode: Permissions of the files.
    """
    raise NotImplementedError


def load_plan(plan_path: StoragePath, plan_id: str) -> StoredPlan:
    """
    Return a stored plan whose bytes fit its id.

    :param plan_path: Folder of the plans.
    :param plan_id: Id of the plan.
    :raises PlanError: if it does not exist, was changed after it was written, or was written with ``redact``.
    """
    raise NotImplementedError


def check_applicable(plan: StoredPlan, *, company: str, now: datetime) -> None:
    """
    Refuse a plan that must not be applied.

    :param plan: The plan.
    :param company: Identifies the company and the version of the API of the connection.
    :param now: The time.
    :raises PlanError: if it has expired, or belongs to another company or version of the API.
    """
    raise NotImplementedError


def begin_applying(plan: StoredPlan, run: str, now: datetime, *, file_mode: int = PRIVATE) -> None:
    """
    Mark a plan as being applied: from now on, only a retry of this run can apply it.

    :param plan: The plan.
    :param run: Name of the run, the same in all of its attempts.
    :param now: The time.
    :param file_mode: Permissions of the file.
    :raises PlanError: if it was applied, or if another run has begun to apply it.
    """
    raise NotImplementedError


def finish_applying(plan: StoredPlan, run: str, now: datetime, *, file_mode: int = PRIVATE) -> None:
    """
    Mark a plan as applied: it cannot be applied again.

    :param plan: The plan.
    :param run: Name of the run.
    :param now: The time.
    :param file_mode: Permissions of the file.
    """
    raise NotImplementedError
