"""
What a creation sends of a person, and whose account it has led to.

A creation restores the account of a deleted user who has the address, and API v1 does not reliably list these: so that
the leaver keeps their values, those of the new person are written once it is known that the account is not the
leaver's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

from airflow_provider_360learning.api.interface import LearningApi
from airflow_provider_360learning.api.results import UserDetails
from airflow_provider_360learning.api.user_facts import UserFacts, shows_earlier_use
from airflow_provider_360learning.exceptions import NotFoundError
from airflow_provider_360learning.rows.results import Result
from airflow_provider_360learning.sync.options import PROFILE_FIELDS, SyncOptions
from airflow_provider_360learning.sync.plan import Change

#: Whose account a creation has led to: the person's, that of a deleted user whom it has restored, or another one.
Whose: TypeAlias = Literal["own", "restored", "other"]


def values_at_creation(change: Change, options: SyncOptions) -> dict[str, Any]:
    """
    Return the values that a creation sends: an invitation shows the person's, and nothing else needs any.

    :param change: The creation.
    :param options: What the sync is to do.
    """
    return _profile(change) if options.joiner_mode == "invite" else {}


def values_after_creation(change: Change, options: SyncOptions, facts: UserFacts) -> dict[str, Any]:
    """
    Return the values that are written to a new account afterwards.

    :param change: The creation.
    :param options: What the sync is to do.
    :param facts: What the version of the API can do: an invitation that is not a user yet gets its key when the person
        has accepted it.
    """
    if not is_user(change, options, facts):
        return {}
    key = {"custom": full_key(change, options)} if options.key == "custom" else {}
    return (_profile(change) if options.joiner_mode == "create_active" else {}) | key


def is_user(change: Change, options: SyncOptions, facts: UserFacts) -> bool:
    """
    Return whether a creation or reinstatement leads to a user whom requests can change.

    :param change: The change.
    :param options: What the sync is to do.
    :param facts: What the version of the API can do.
    """
    return change.action == "reinstate" or options.joiner_mode == "create_active" or facts.invited_are_users


def full_key(change: Change, options: SyncOptions) -> str:
    """
    Return the key of a person with the namespace.

    :param change: A change of the person.
    :param options: What the sync is to do.
    """
    return f"{options.key_namespace}{change.key}"


def whose_account(
    api: LearningApi,
    options: SyncOptions,
    change: Change,
    row: Mapping[str, Any],
    result: Result,
    *,
    is_resumed: bool,
) -> Whose:
    """
    Return whose account a creation or reinstatement has led to.

    :param api: The API.
    :param options: What the sync is to do.
    :param change: The change.
    :param row: What was sent.
    :param result: Its result, which is not that of a rejected row.
    :param is_resumed: Whether an earlier attempt may have sent it: then an account that exists already may be the one
        that this attempt has created, or restored.
    """
    user_id = (result.id or "").lower()
    if change.user_id is not None and user_id in ("", change.user_id.lower()):
        return "own"
    is_restored = result.outcome == "restored"
    if not is_restored and (not user_id or not result.outcome.startswith("already_")):
        return "own"
    if user_id and _has_key(api, options, change, user_id):
        return "own"
    if is_restored:
        return "restored"
    user = _read(api, user_id) if is_resumed else None
    # No account had the address when the plan began.
    if user is not None and shows_earlier_use({**user}):
        return "restored"
    return "own" if options.key == "mail" or (user is not None and _is_as_created(user, row)) else "other"


def _has_key(api: LearningApi, options: SyncOptions, change: Change, user_id: str) -> bool:
    """Return whether an account has the key of the person."""
    wanted = full_key(change, options)
    if options.key == "custom":
        user = _read(api, user_id)
        return user is not None and str(user["custom"] or "").strip() == wanted
    if options.key == "mail":
        return False
    try:
        found = api.get_user_by_external_id(external_platform=options.external_platform or "", external_id=wanted)
    except NotFoundError:
        return False
    return (found["user_id"] or "").lower() == user_id


def _read(api: LearningApi, user_id: str) -> UserDetails | None:
    try:
        return api.get_user(user=user_id)
    except NotFoundError:
        return None


def _is_as_created(user: UserDetails, row: Mapping[str, Any]) -> bool:
    """Return whether an account has no other values than those with which it is created; each has a language."""
    values: Mapping[str, Any] = {**user}
    names = [name for name in PROFILE_FIELDS if name != "lang"]
    return not values["custom"] and all(not values[name] or values[name] == row.get(name) for name in names)


def _profile(change: Change) -> dict[str, Any]:
    return {name: value for name, value in change.after.items() if name in PROFILE_FIELDS and value is not None}
