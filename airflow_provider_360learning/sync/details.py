"""Read what the listing of users does not have: managers, values of custom fields, API v1's date of deactivation."""

from __future__ import annotations

from collections.abc import Collection

from airflow_provider_360learning.api.interface import LearningApi
from airflow_provider_360learning.sync.platform import Platform


def read_details(api: LearningApi, platform: Platform, user_ids: Collection[str] | None) -> Platform:
    """
    Return the platform with the managers, custom fields and dates of deactivation of some users.

    :param api: The actions.
    :param platform: What the listings show.
    :param user_ids: Ids of the users; ``None`` for all who are managed. Users who are deleted, or do not exist any
        more, are left as they are.
    """
    raise NotImplementedError
