"""Compare memberships: what changes them, what the platform adds by itself, and what a removal reaches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from airflow_provider_360learning.api.models.choices import Role
from airflow_provider_360learning.api.models.parsers import normalized
from airflow_provider_360learning.sync.options import SyncOptions
from airflow_provider_360learning.sync.platform import Account, Group, Platform

_NOT_MANAGED = "which is not managed: add it to managed_groups, or make it private"

#: Id of a group, or path of a new one; and a role.
Membership: TypeAlias = tuple[str, Role]


class MembershipConflict(Exception):
    """Memberships cannot become what the source says; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Removal:
    """
    The removal of a role in a group.

    :param membership: The group and the role.
    :param leaves: Groups below that it reaches.
    """

    membership: Membership
    leaves: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MembershipChanges:
    """
    What changes the memberships of one user.

    :param additions: Roles to add.
    :param removals: Roles to remove, those of groups above first.
    :param kept: Roles that are not wanted, and stay, because the user must not leave the last group.
    """

    additions: tuple[Membership, ...] = ()
    removals: tuple[Removal, ...] = ()
    kept: tuple[Membership, ...] = ()


class GroupTree:
    """
    The groups above and below each other.

    :param groups: All groups by id.
    """

    def __init__(self, groups: Mapping[str, Group]) -> None:
        self._groups = groups
        self._children: dict[str, list[str]] = {}
        self._by_place: dict[tuple[str, str], str] = {}
        for group in groups.values():
            if group.parent_id is not None:
                self._children.setdefault(group.parent_id, []).append(group.group_id)
                self._by_place.setdefault((group.parent_id, normalized(group.name).casefold()), group.group_id)
        self._reached: dict[str, tuple[str, ...]] = {}

    def path(self, group_id: str) -> str:
        """Return the names of a group and of its parents."""
        above = [group_id, *self._above(group_id)]
        return "/".join(normalized(self._groups[each].name) for each in reversed(above))

    def depth(self, group_id: str) -> int:
        """Return how many groups are above a group."""
        return len(list(self._above(group_id)))

    def child(self, parent_id: str, name: str) -> str | None:
        """Return the group below a parent that has a name; case does not count."""
        return self._by_place.get((parent_id, name.casefold()))

    def joined_by_itself(self, group_id: str) -> Iterator[str]:
        """
        Yield the groups that a learner of a group joins as well.

        These are the groups above a public one, up to and including the first private one.
        """
        for parent in self._above(group_id):
            if not self._groups[group_id].public:
                return
            yield parent
            group_id = parent

    def reached(self, group_id: str) -> tuple[str, ...]:
        """Return the groups that a removal reaches: the public ones below, down to private ones."""
        if group_id not in self._reached:
            self._reached[group_id] = tuple(each for each in self.reached_from([group_id]) if each != group_id)
        return self._reached[group_id]

    def reached_from(self, group_ids: Iterable[str]) -> tuple[str, ...]:
        """Return the given groups, and the groups that removals from them reach."""
        found = dict.fromkeys(group_ids)
        pending = list(found)
        for each in pending:  # grows
            children = self._children.get(each, ())
            below = [child for child in children if self._groups[child].public and child not in found]
            found.update(dict.fromkeys(below))
            pending += below
        return tuple(pending)

    def lost_with(self, membership: Membership, *, every_role: bool) -> Iterator[Membership]:
        """
        Yield the memberships that a user loses with one, if they have them: the same role in the groups below.

        :param membership: The membership that is removed.
        :param every_role: Whether the removal of any role reaches groups below, not that of learners only.
        """
        group_id, role = membership
        if every_role or role == "learner":
            yield from ((below, role) for below in self.reached(group_id))

    def _above(self, group_id: str) -> Iterator[str]:
        seen = {group_id}
        parent = self._groups[group_id].parent_id if group_id in self._groups else None
        while parent is not None and parent in self._groups and parent not in seen:
            seen.add(parent)
            yield parent
            parent = self._groups[parent].parent_id


def compare_memberships(
    account: Account, wanted: tuple[Membership, ...], platform: Platform, options: SyncOptions, tree: GroupTree
) -> MembershipChanges:
    """
    Return what changes the memberships of a user.

    :param account: The user.
    :param wanted: The memberships according to the source.
    :raises MembershipConflict: if a removal would reach a group that it must not.
    """
    held = {(group, role) for group, roles in (account.memberships or {}).items() for role in roles}
    additions = tuple(sorted(set(wanted) - held))
    if options.groups_mode == "add":
        return MembershipChanges(additions)
    by_itself = {(above, role) for group, role in wanted if role == "learner" for above in tree.joined_by_itself(group)}
    unwanted = {one for one in held - set(wanted) - by_itself if one[0] in platform.managed_groups}
    kept = (
        set() if held - unwanted or wanted or _has_another_group(account, platform) else _last(unwanted, account, tree)
    )
    # A group whose removal would reach the kept one stays as well.
    kept |= {(group, role) for group, role in unwanted for last, _ in kept if last in tree.reached(group)}
    # What is added counts as well: additions are made before removals.
    stays = (held - unwanted) | set(wanted) | by_itself
    removals = _removals(unwanted - kept, stays, platform, tree)
    return MembershipChanges(additions, tuple(removals), tuple(sorted(kept)))


def _has_another_group(account: Account, platform: Platform) -> bool:
    """Return whether a user is known to be a member of a group that is not managed."""
    return account.primary_group is not None and account.primary_group not in platform.managed_groups


def _last(unwanted: set[Membership], account: Account, tree: GroupTree) -> set[Membership]:
    """Return one of the memberships, if there are any: of the primary group, or else of one of the highest groups."""

    def order(one: Membership) -> tuple[bool, int, Membership]:
        return one[0] != account.primary_group, tree.depth(one[0]), one

    return set(sorted(unwanted, key=order)[:1])


def _removals(
    unwanted: set[Membership], stays: set[Membership], platform: Platform, tree: GroupTree
) -> Iterator[Removal]:
    """Yield the removals, without those that others reach."""
    done: set[Membership] = set()
    for membership in sorted(unwanted, key=lambda one: (tree.depth(one[0]), one)):
        if membership in done:
            continue
        leaves = []
        for lost in tree.lost_with(membership, every_role=platform.every_role_cascades):
            if lost in stays:
                is_managed = lost[0] in platform.managed_groups
                raise MembershipConflict(
                    f"losing the role {lost[1]} in {tree.path(membership[0])} would mean losing it in "
                    f"{tree.path(lost[0])}, "
                    + ("where it is wanted: change it by hand" if is_managed else _NOT_MANAGED)
                )
            if lost in unwanted:
                leaves.append(lost[0])
                done.add(lost)
        yield Removal(membership, tuple(leaves))
