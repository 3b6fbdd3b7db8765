"""How long it takes to apply a plan at the rate limit, and the emails that 360Learning sends meanwhile."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from airflow_provider_360learning.api.interface import LearningApi
from airflow_provider_360learning.api.models.base import ActionArguments
from airflow_provider_360learning.sync.creations import values_after_creation
from airflow_provider_360learning.sync.options import CUSTOM_FIELD, SyncOptions
from airflow_provider_360learning.sync.plan import Action, Change, Changes, Value

#: The action of the API that makes each change.
API_ACTIONS: Mapping[Action, str] = {
    "create_group": "create_group",
    "update_group": "update_group",
    "change_mail": "update_user",
    "reinstate": "create_user",
    "change_reinstated_mail": "update_user",
    "create": "create_user",
    "update": "update_user",
    "add_to_group": "add_user_to_group",
    "remove_from_group": "remove_user_from_group",
    "add_manager": "add_manager",
    "remove_manager": "remove_manager",
    "deactivate": "update_user",
    "delete": "delete_user",
}


def expected_seconds(changes: Changes, options: SyncOptions, api: LearningApi) -> int:
    """
    Return how many seconds the writes of a plan take at the rate limit, if no other client uses it.

    The phases follow one another. Reads have a limit of their own, which is higher, and the time that 360Learning takes
    for a bulk job is not known: neither is counted.

    :param changes: The changes of the plan.
    :param options: What the sync is to do.
    :param api: The API.
    """
    phases: dict[Action, list[Change]] = defaultdict(list)
    for change in changes.changes:
        phases[change.action].append(change)
    seconds = sum(_seconds(API_ACTIONS[action], each, options, api) for action, each in phases.items())
    completed = [change for change in phases["create"] if values_after_creation(change, options, api.user_facts)]
    return math.ceil(seconds + _seconds_of("updateUser", len(completed), api))


def invitations(changes: Changes, options: SyncOptions) -> int:
    """
    Return how many invitations 360Learning will email.

    :param changes: The changes of the plan.
    :param options: What the sync is to do.
    """
    return sum(change.action == "create" for change in changes.changes) if options.joiner_mode == "invite" else 0


def address_changes(changes: Changes) -> int:
    """
    Return to how many people 360Learning may email an invitation because their address changes.

    :param changes: The changes of the plan.
    """
    return sum(change.action in ("change_mail", "change_reinstated_mail") for change in changes.changes)


def _seconds(name: str, changes: list[Change], options: SyncOptions, api: LearningApi) -> float:
    action = api.actions[name]
    write = action.write
    assert write is not None
    kind = None if api.jobs is None else api.jobs.kinds.get(name)
    if kind is not None:
        operation, writes = kind.operation, math.ceil(len(changes) / kind.max_rows)
    elif write.writes is None:
        operation, writes = write.operation, len(changes)
    else:
        operation = write.operation
        writes = sum(max(write.writes(_arguments(action.model, each, options)), 1) for each in changes)
    writes += sum(map(_more_writes, changes))
    if options.key == "external_id":  # which is set by a request of its own
        writes += sum("key" in each.after for each in changes)
    return _seconds_of(operation, writes, api)


def _seconds_of(operation: str, writes: int, api: LearningApi) -> float:
    limits = api.client.spec.endpoints[operation].limits
    return writes / min(limit.requests / limit.seconds for limit in limits)


def _more_writes(change: Change) -> int:
    """Return how many requests clear custom fields, less the one that a change without other values does not need."""
    cleared = sum(_is_cleared(name, value) for name, value in change.after.items())
    return cleared - (0 < cleared == len(change.after))


def _is_cleared(name: str, value: Value) -> bool:
    return name.startswith(CUSTOM_FIELD) and value is None


# Any: the values of a model.
def _arguments(model: type[ActionArguments], change: Change, options: SyncOptions) -> ActionArguments:
    """Return arguments that need as many writes as those of a change; they are not checked, and nothing sends them."""
    given: dict[str, Any] = dict.fromkeys((name for name in change.after if name in model.model_fields), "")
    if any(name.startswith(CUSTOM_FIELD) and not _is_cleared(name, value) for name, value in change.after.items()):
        given["custom_fields"] = {}
    if "key" in change.after or "deactivates_at" in change.after:
        given["custom"] = ""
    groups = change.after.get("groups")
    if "other_group_ids" in model.model_fields and isinstance(groups, list):
        given["other_group_ids"] = tuple(groups)
    if "mode" in model.model_fields:
        given["mode"] = options.joiner_mode if change.action == "create" else "invite"
    return model.model_construct(**given)
