"""Compare the people of a source with 360Learning: what a sync would change."""

from __future__ import annotations

from datetime import datetime

from airflow_provider_360learning.sync.options import SyncOptions
from airflow_provider_360learning.sync.people import People
from airflow_provider_360learning.sync.plan import Changes
from airflow_provider_360learning.sync.platform import Platform
from airflow_provider_360learning.sync.state import SyncState


def compare(
    people: People,
    platform: Platform,
    state: SyncState,
    options: SyncOptions,
    now: datetime,
    *,
    is_new_interval: bool = True,
) -> Changes:
    """
    Return what makes 360Learning agree with the source. The same arguments give the same changes.

    :param people: The people of the source.
    :param platform: What 360Learning has.
    :param state: What earlier runs have applied.
    :param options: What the sync is to do.
    :param now: The time of the plan.
    :param is_new_interval: Whether a plan of this data interval was not applied yet, so that this run counts as one
        more in which a person is missing.
    """
    raise NotImplementedError


def users_to_read(people: People, platform: Platform, state: SyncState, options: SyncOptions) -> frozenset[str]:
    """
    Return the ids of the users whose managers, custom fields and deactivation date a comparison needs.

    These are the users for whom the source differs from what was applied last, and people who return.

    :param people: The people of the source.
    :param platform: What the listings of 360Learning show.
    :param state: What earlier runs have applied.
    :param options: What the sync is to do.
    """
    raise NotImplementedError
