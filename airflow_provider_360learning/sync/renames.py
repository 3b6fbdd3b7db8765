"""Recognize groups that were renamed in the HR system, where groups are found by their names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from airflow_provider_360learning.sync.findings import Findings
from airflow_provider_360learning.sync.memberships import GroupTree
from airflow_provider_360learning.sync.platform import Platform
from airflow_provider_360learning.sync.wanted_groups import NewGroup


def report_renamed_groups(
    new: Iterable[NewGroup],
    wanted: Mapping[str, frozenset[str]],
    platform: Platform,
    tree: GroupTree,
    findings: Findings,
) -> None:
    """
    Report each managed group that no row wants any more, and most of whose members one new group has.

    :param new: The groups that the plan creates.
    :param wanted: Keys of the people who are wanted in each group, by its id, or path of a new one.
    :param platform: What 360Learning has.
    :param tree: The groups above and below each other.
    :param findings: Where the groups are reported.
    """
    groups = list(new)
    if not groups:
        return
    joined = {above for group_id in wanted for above in tree.joined_by_itself(group_id)}
    abandoned = platform.managed_groups - wanted.keys() - joined
    held = {
        account.key: [group_id for group_id in account.memberships if group_id in abandoned]
        for account in platform.accounts
        if account.key is not None and account.memberships
    }
    sizes = Counter(group_id for group_ids in held.values() for group_id in group_ids)
    for group in groups:
        joining = wanted.get(group.path, frozenset())
        moved = Counter(group_id for key in joining for group_id in held.get(key, ()))
        for group_id, number in moved.items():
            path = tree.path(group_id)
            is_above = group.path.startswith(f"{path}/")
            if 2 * number > max(sizes[group_id], len(joining)) and not is_above:
                findings.report(
                    "renamed_group",
                    group_id,
                    f"{number} of {sizes[group_id]} members of {path} join the new group {group.path}: if it was "
                    "renamed or moved, do the same in 360Learning before this plan is applied",
                )
