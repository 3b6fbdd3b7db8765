"""Compare memberships: which groups the source means, what the platform adds by itself, and what a removal reaches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from airflow_provider_360learning.api.models.choices import Role
from airflow_provider_360learning.api.models.parsers import is_id, normalized, shown
from airflow_provider_360learning.api.named_objects import OBJECTS, UnusableNameError
from airflow_provider_360learning.sync.options import SyncOptions
from airflow_provider_360learning.sync.people import Person, WantedMembership
from airflow_provider_360learning.sync.platform import Account, Group, Platform

_NOT_MANAGED = "which is not managed: add it to managed_groups, or make it private"

#: Id of a group, or path of a new one; and a role.
Membership: TypeAlias = tuple[str, Role]


class MembershipError(Exception):
    """A membership of the source is not usable; the message says what is invalid and what to do."""


class MembershipConflict(Exception):
    """Memberships cannot become what the source says; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class NewGroup:
    """
    A group that the plan creates.

    :param path: Names of its parents and its own.
    :param name: Its name.
    :param parent_id: Id of its parent.
    :param custom: Its field ``custom``.
    """

    path: str
    name: str
    parent_id: str
    custom: str | None = None


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
        for group in groups.values():
            if group.parent_id is not None:
                self._children.setdefault(group.parent_id, []).append(group.group_id)
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
        return next(
            (
                each
                for each in self._children.get(parent_id, ())
                if normalized(self._groups[each].name).casefold() == name.casefold()
            ),
            None,
        )

    def joined_by_itself(self, group_id: str) -> Iterator[str]:
        """Yield the groups that a learner of a group joins as well: those above, up to the first private one."""
        for parent in self._above(group_id):
            if not self._groups[group_id].public:
                return
            yield parent
            group_id = parent

    def reached(self, group_id: str) -> tuple[str, ...]:
        """Return the groups that a removal reaches: the public ones below, down to private ones."""
        if group_id not in self._reached:
            found = {group_id: None}
            pending = [group_id]
            for each in pending:  # grows
                children = self._children.get(each, ())
                below = [child for child in children if self._groups[child].public and child not in found]
                found.update(dict.fromkeys(below))
                pending += below
            self._reached[group_id] = tuple(pending[1:])
        return self._reached[group_id]

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


class WantedGroups:
    """
    The groups that the source means.

    :param platform: What 360Learning has.
    :param options: What the sync is to do.
    :param tree: The groups above and below each other.
    :param people: All people of the source.
    """

    def __init__(self, platform: Platform, options: SyncOptions, tree: GroupTree, people: Iterable[Person]) -> None:
        self._platform = platform
        self._options = options
        self._tree = tree
        self._named = OBJECTS["group"](
            {"group_id": group.group_id, "name": group.name, "parent_id": group.parent_id}
            for group in platform.groups.values()
        )
        self._by_custom: dict[str, list[str]] = {}
        for group in platform.groups.values():
            if group.custom:
                self._by_custom.setdefault(normalized(group.custom), []).append(group.group_id)
        self._found: dict[str, str | MembershipError] = {}
        #: Names of groups in the source by custom, with ``group_key="custom"``.
        self._names: dict[str, set[str]] = {}
        for one in (one for person in people for one in person.memberships or ()):
            if one.name:
                self._names.setdefault(normalized(one.group), set()).add(normalized(one.name))
        #: Groups to create, by path in lower case.
        self.new: dict[str, NewGroup] = {}
        #: New names of groups by id, with ``group_key="custom"``.
        self.renamed: dict[str, str] = {}

    def resolve(self, wanted: Iterable[WantedMembership]) -> tuple[Membership, ...]:
        """
        Return memberships with ids, or paths of new groups, each once.

        :raises MembershipError: if one does not mean exactly one managed group.
        """
        return tuple(dict.fromkeys((self._group(one.group), self._role(one)) for one in wanted))

    def _role(self, wanted: WantedMembership) -> Role:
        if wanted.role not in self._platform.roles:
            roles = ", ".join(sorted(self._platform.roles))
            raise MembershipError(
                f"the role {wanted.role} in {shown(wanted.group)} does not exist in this version of the API, which has "
                f"{roles}: correct the source"
            )
        return wanted.role

    def _group(self, text: str) -> str:
        if text not in self._found:
            try:
                by_custom = self._options.group_key == "custom"
                self._found[text] = self._with_custom(text) if by_custom else self._with_name(text)
            except MembershipError as error:
                self._found[text] = error
        found = self._found[text]
        if isinstance(found, MembershipError):
            raise MembershipError(str(found))
        return found

    def _with_name(self, text: str) -> str:
        name = normalized(text)
        if is_id(name):
            if name.lower() not in self._platform.groups:
                raise MembershipError(f"no group has the id {shown(name)}: correct the source")
            return self._managed(name.lower(), text)
        found = self._named.find(name, None)
        if len(found) > 1:
            raise MembershipError(f"the group is {shown(name)}, {self._named.ambiguous(found)}")
        if found:
            return self._managed(found[0].id, text)
        parent_id = self._parent_of_new(name)
        try:
            self._named.new_group(name, parent_id)
        except UnusableNameError as error:
            raise MembershipError(f"the group is {shown(name)}, {error}") from None
        return self._created(NewGroup(f"{self._tree.path(parent_id)}/{name}", name, parent_id))

    def _with_custom(self, text: str) -> str:
        custom = normalized(text)
        names = sorted(self._names.get(custom, ()))
        if len(names) > 1:
            raise MembershipError(
                f"the source has {len(names)} names for the group {shown(custom)} ({', '.join(map(shown, names))}): "
                "correct it"
            )
        found = self._by_custom.get(custom, [])
        if len(found) > 1:
            paths = ", ".join(f"{shown(self._tree.path(each))} ({each})" for each in found)
            raise MembershipError(
                f"{len(found)} groups have {shown(custom)} as custom: {paths}: remove it from all but one"
            )
        if found:
            group_id = self._managed(found[0], custom)
            if names and names[0] != normalized(self._platform.groups[group_id].name):
                self.renamed[group_id] = names[0]
            return group_id
        parent_id = self._parent_of_new(custom)
        if not names:
            raise MembershipError(f"no group has {shown(custom)} as custom, and the source has no name to create it")
        if twin := self._tree.child(parent_id, names[0]):
            raise MembershipError(
                f"no group has {shown(custom)} as custom, but {shown(self._tree.path(twin))} ({twin}) has its name: "
                "set custom of that group, or rename it"
            )
        return self._created(NewGroup(f"{self._tree.path(parent_id)}/{names[0]}", names[0], parent_id, custom))

    def _managed(self, group_id: str, text: str) -> str:
        if group_id not in self._platform.managed_groups:
            raise MembershipError(
                f"the group {shown(text)} ({group_id}) is not managed: add it to managed_groups, or correct the source"
            )
        return group_id

    def _parent_of_new(self, text: str) -> str:
        parent_id = (self._options.groups_parent or "").lower()
        if not self._options.create_groups or not parent_id:
            advice = "correct the source, create the group, or set create_groups and groups_parent"
            raise MembershipError(f"no group is {shown(text)}: {advice}")
        if parent_id not in self._platform.groups or parent_id not in self._platform.managed_groups:
            raise MembershipError(
                f"no group is {shown(text)}, and groups_parent ({parent_id}) is not managed, so that it is not created"
            )
        return parent_id

    def _created(self, group: NewGroup) -> str:
        other = self.new.setdefault(group.path.casefold(), group)
        if other != group:
            raise MembershipError(
                f"the new groups {shown(group.name)} and {shown(other.name)} would have the same name: correct the "
                "source"
            )
        return group.path


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
