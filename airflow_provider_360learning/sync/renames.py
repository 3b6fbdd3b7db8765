"""Recognize groups that were renamed in the HR system, where groups are found by their names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from airflow_provider_360learning.sync.findings import Findings
from airflow_provider_360learning.sync.memberships import GroupTree, NewGroup
from airflow_provider_360learning.sync.platform import Platform


def report_renamed_groups(
    new: Iterable[NewGroup],
    wanted: Mapping[str, frozenset[str]],
    platform: Platform,
    tree: GroupTree,
    findings: Findings,
) -> None:
    """
    Report each group that no row wants any more, and most of whose members a new group beside it has.

    :param new: The groups that the plan creates.
    :param wanted: Keys of the people who are wanted in each group, by its id, or path of a new one.
    :param platform: What 360Learning has.
    :param tree: The groups above and below each other.
    :param findings: Where the groups are reported.
    """
    groups = list(new)
    parents = {group.parent_id for group in groups}
    members: dict[str, set[str]] = {
        group_id: set()
        for group_id in platform.managed_groups - wanted.keys()
        if group_id in platform.groups and platform.groups[group_id].parent_id in parents
    }
    for account in platform.accounts if members else ():
        for group_id in account.memberships or ():
            if group_id in members and account.key is not None:
                members[group_id].add(account.key)
    for group in groups:
        joining = wanted.get(group.path, frozenset())
        for group_id, keys in sorted(members.items()):
            moved = len(keys & joining)
            if platform.groups[group_id].parent_id == group.parent_id and 2 * moved > max(len(keys), len(joining)):
                findings.report(
                    "renamed_group",
                    group_id,
                    f"{moved} of {len(keys)} members of {tree.path(group_id)} join the new group {group.path}: if it "
                    "was renamed, rename it in 360Learning before this plan is applied",
                )
