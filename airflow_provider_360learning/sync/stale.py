"""Find the changes of a plan that do not fit 360Learning any more: what they rely on has changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from airflow_provider_360learning.api.named_objects import SEPARATOR
from airflow_provider_360learning.sync.fields import DEACTIVATION
from airflow_provider_360learning.sync.memberships import GroupTree
from airflow_provider_360learning.sync.options import CUSTOM_FIELD
from airflow_provider_360learning.sync.plan import Change, Value
from airflow_provider_360learning.sync.platform import Account, Platform

#: Fields of ``before`` that listings do not have.
_DETAILS = ("managers", DEACTIVATION)


def users_to_read(changes: Sequence[Change]) -> frozenset[str]:
    """
    Return the ids of the users of whom changes rely on what listings do not have.

    :param changes: The changes.
    """
    return frozenset(
        change.user_id
        for change in changes
        if change.user_id and any(name in _DETAILS or name.startswith(CUSTOM_FIELD) for name in change.before)
    )


class StaleCheck:
    """
    Compares changes with what 360Learning has now.

    :param platform: What it has.
    :param changes: All changes of the plan.
    """

    def __init__(self, platform: Platform, changes: Sequence[Change]) -> None:
        self._platform = platform
        self._by_id = {account.user_id: account for account in platform.accounts if account.user_id}
        self._by_mail: dict[str, list[Account]] = {}
        for account in platform.accounts:
            self._by_mail.setdefault(account.mail, []).append(account)
        self._keys = {account.key for account in platform.accounts if account.status != "deleted"}
        self._tree = GroupTree(platform.groups)
        self._new_groups = {change.group: change for change in changes if change.action == "create_group"}
        self._existing = platform.groups.keys() | self._new_groups.keys()
        self._managed = platform.managed_groups | self._new_groups.keys()
        self._freed = {change.user_id for change in changes if change.action == "change_mail"}
        self._reinstated = {change.key for change in changes if change.action == "reinstate"}
        self._gets_key = {change.key for change in changes if "key" in change.after}

    def problem(self, change: Change) -> str | None:
        """
        Return why a change is stale, or ``None`` if it is not.

        :param change: The change.
        """
        if change.action == "create_group":
            return self._problem_of_new_group(change)
        if problem := self._problem_of_groups(change):
            return problem
        if change.action == "update_group":
            group = self._platform.groups.get(change.group or "")
            return None if group and group.name == change.before.get("name") else "the group has changed"
        if change.action == "create":
            return self._problem_of_creation(change)
        if change.user_id is None:
            return None  # a person whom the plan creates
        account = self._by_id.get(change.user_id.lower())
        return "the account does not exist any more" if account is None else self._problem_of(change, account)

    def _problem_of_groups(self, change: Change) -> str | None:
        """Return what has become of the group whose members change, or of the groups that a new user joins."""
        if change.group is not None and change.group not in self._managed:
            return "the group does not exist any more, or is not managed"
        joined = _strings(change.after.get("groups"))
        return None if self._existing.issuperset(joined) else "a group does not exist any more"

    def _problem_of_new_group(self, change: Change) -> str | None:
        """Return what has become of the group above. A group of this name below it is used as it is."""
        parent = str(change.after["parent"])
        if above := self._new_groups.get(parent):
            return self._problem_of_new_group(above)
        if parent not in self._platform.managed_groups:
            return "the group above does not exist any more, or is not managed"
        path = f"{self._tree.path(parent)}{SEPARATOR}{change.after['name']}"
        return None if path == change.key else "the group above was renamed or moved"

    def _problem_of_creation(self, change: Change) -> str | None:
        if change.key in self._keys:
            return "an account has this key by now"
        held = [each for each in self._by_mail.get(str(change.after["mail"]), ()) if each.user_id not in self._freed]
        return "an account has this address by now" if held else None

    def _problem_of(self, change: Change, account: Account) -> str | None:
        if account.is_protected:
            return "the account is protected by now"
        if account.is_contradictory:
            return "the account is listed both as deleted and as not deleted"
        if account.key != change.key and not (account.key is None and self._may_have_no_key(change)):
            return "the account has another key by now"
        if account.status == "deleted" and change.key not in self._reinstated:
            return "the account is deleted"
        for name, value in change.before.items():
            if name == "status" and account.status != value:
                return f"the account is {account.status} by now"
            if name != "status" and not self._holds(name, value, change, account):
                return f"{name} has changed"
        return None

    def _may_have_no_key(self, change: Change) -> bool:
        return "key" in change.before or change.key in self._gets_key | self._reinstated

    def _holds(self, name: str, value: Value, change: Change, account: Account) -> bool:
        """Return whether an account still has a value; what cannot be read is not known to have changed."""
        if name == "mail":
            return account.mail == value
        if name == "key":
            return account.key == value and (value is not None or account.other_key is None)
        if name == "role":
            roles = (account.memberships or {}).get((change.group or "").lower(), frozenset())
            return account.memberships is None or value in roles
        if name == "managers":
            return account.managers is None or sorted(account.managers) == sorted(_strings(value))
        if name == DEACTIVATION:
            known = None if account.deactivates_at is None else account.deactivates_at.timestamp()
            wanted = datetime.fromisoformat(value).timestamp() if isinstance(value, str) else None
            return not account.deactivation_known or known == wanted
        if name.startswith(CUSTOM_FIELD):
            fields: Mapping[str, str | None] | None = account.custom_fields
            return fields is None or fields.get(name.removeprefix(CUSTOM_FIELD)) == value
        return name not in account.fields or account.fields[name] == value


def _strings(value: Value) -> list[str]:
    return value if isinstance(value, list) else []
