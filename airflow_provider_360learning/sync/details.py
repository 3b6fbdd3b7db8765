"""Read what the listing of users does not have: managers, values of custom fields, API v1's date of deactivation."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from airflow_provider_360learning.api.interface import LearningApi
from airflow_provider_360learning.api.models.parsers import normalized
from airflow_provider_360learning.api.user_facts import UnlistedValues
from airflow_provider_360learning.exceptions import NotFoundError
from airflow_provider_360learning.ordered_executor import map_ordered
from airflow_provider_360learning.sync.listing import as_text, as_time
from airflow_provider_360learning.sync.platform import Account, Platform


def read_details(api: LearningApi, platform: Platform, user_ids: Collection[str] | None) -> Platform:
    """
    Return the platform with the managers, custom fields and dates of deactivation of some users.

    :param api: The actions.
    :param platform: What the listings show.
    :param user_ids: Ids of the users; ``None`` for all who are managed. Users who are deleted, or do not exist any
        more, are left as they are.
    """
    wanted = None if user_ids is None else {user_id.lower() for user_id in user_ids}
    ids = [
        account.user_id
        for account in platform.accounts
        if account.user_id and account.status != "deleted"
        if (account.key is not None if wanted is None else account.user_id in wanted)
    ]
    found = dict(zip(ids, map_ordered(lambda user_id: _values_of(api, user_id), ids), strict=True))
    ids_by_mail = {account.mail: account.user_id for account in platform.accounts if account.user_id}
    accounts = [
        _detailed(api, account, values, ids_by_mail) if (values := found.get(account.user_id or "")) else account
        for account in platform.accounts
    ]
    return replace(platform, accounts=tuple(accounts))


def _values_of(api: LearningApi, user_id: str) -> UnlistedValues | None:
    try:
        return api.client.run(api.unlisted_values(user_id))
    except NotFoundError:
        return None  # deleted since the listing


def _detailed(api: LearningApi, account: Account, values: UnlistedValues, ids_by_mail: Mapping[str, str]) -> Account:
    managers = {ids_by_mail.get(manager.lower(), manager.lower()) for manager in values.managers}
    fields = {field.lower(): normalized(as_text(value)) or None for field, value in values.custom_fields.items()}
    is_listed = api.user_facts.lists_deactivation
    return replace(
        account,
        managers=tuple(sorted(managers)),
        custom_fields=dict(sorted(fields.items())),
        deactivates_at=account.deactivates_at if is_listed else as_time(values.deactivates_at),
        deactivation_known=True,
        was_restored=account.was_restored or values.was_used,
    )
