"""What a sync remembers between runs, in its state_path."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from airflow_provider_360learning.files.permissions import PRIVATE
from airflow_provider_360learning.files.storage import StoragePath


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """
    What is remembered of one person.

    :param user_id: Id of the user, if known.
    :param mail: The address that was applied last.
    :param applied: The values that were applied last, by field; custom fields as ``custom_fields.<id>``, the id of the
        manager as ``manager``, and the date of deactivation, in ISO 8601, as ``deactivates_at``.
    :param invited_at: When an invitation was sent that was not seen accepted.
    :param missing_since: When the person was first missing, in an applied run.
    :param missing_runs: Number of applied runs in a row, one per data interval, in which the person was missing.
    :param left_at: When the person was deactivated or deleted by a sync.
    """

    user_id: str | None = None
    mail: str | None = None
    applied: Mapping[str, str | None] = field(default_factory=dict)
    invited_at: datetime | None = None
    missing_since: datetime | None = None
    missing_runs: int = 0
    left_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AppliedPlan:
    """
    A plan that was applied.

    :param plan_id: Its id.
    :param applied_at: When.
    :param rows: Number of rows of its source.
    :param leavers: Number of people who were deactivated or deleted.
    """

    plan_id: str
    applied_at: datetime
    rows: int
    leavers: int


@dataclass(frozen=True, slots=True)
class SyncState:
    """
    What a sync remembers.

    :param people: By key.
    :param plans: Applied plans, in the order of their application.
    """

    people: Mapping[str, Remembered] = field(default_factory=dict)
    plans: tuple[AppliedPlan, ...] = ()


def load_state(folder: StoragePath, identity: str) -> SyncState:
    """
    Return what a sync remembers; nothing before its first run.

    :param folder: The ``state_path`` of the sync.
    :param identity: Company, version and kind of keys, as text: the state of another sync must not be used.
    :raises StoredStateError: if it cannot be used.
    """
    raise NotImplementedError


def save_state(folder: StoragePath, state: SyncState, identity: str, *, file_mode: int = PRIVATE) -> None:
    """
    Write what a sync remembers: whole or not at all, and the same state as the same bytes.

    :param folder: The ``state_path`` of the sync.
    :param state: The state.
    :param identity: See :func:`load_state`.
    :param file_mode: Permissions of the file.
    """
    raise NotImplementedError
