"""Find the groups that the source means: groups that exist, and groups that the plan creates."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from airflow_provider_360learning.api.models.choices import Role
from airflow_provider_360learning.api.models.parsers import is_id, normalized, shown
from airflow_provider_360learning.api.named_objects import MAX_SEPARATORS, OBJECTS, SEPARATOR, NamedObjects
from airflow_provider_360learning.sync.memberships import GroupTree, Membership
from airflow_provider_360learning.sync.options import SyncOptions
from airflow_provider_360learning.sync.people import Person, WantedMembership
from airflow_provider_360learning.sync.platform import Platform


class MembershipError(Exception):
    """A membership of the source is not usable; the message says what is invalid and what to do."""


@dataclass(frozen=True, slots=True)
class NewGroup:
    """
    A group that the plan creates.

    :param path: Names of its parents and its own.
    :param name: Its name.
    :param parent: Id of its parent, or path of one that the plan creates, too.
    :param custom: Its field ``custom``.
    """

    path: str
    name: str
    parent: str
    custom: str | None = None


#: Id of a group that exists; or the groups to create, each below the one before: the last one is meant.
_Found: TypeAlias = str | tuple[NewGroup, ...]


class WantedGroups:
    """
    The groups that the source means.

    :param platform: What 360Learning has.
    :param options: What the sync is to do.
    :param tree: The groups above and below each other.
    :param people: The people whose groups are wanted.
    """

    def __init__(self, platform: Platform, options: SyncOptions, tree: GroupTree, people: Iterable[Person]) -> None:
        self._platform = platform
        self._options = options
        self._tree = tree
        self._named = self._by_name(())
        self._by_custom: dict[str, list[str]] = {}
        for group in platform.groups.values():
            if group.custom:
                self._by_custom.setdefault(normalized(group.custom), []).append(group.group_id)
        #: Names of groups in the source by custom, with ``group_key="custom"``.
        self._names: dict[str, set[str]] = {}
        texts = set()
        for one in (one for person in people for one in person.memberships or ()):
            texts.add(one.group)
            if one.name:
                self._names.setdefault(normalized(one.group), set()).add(normalized(one.name))
        #: New names of groups by id, with ``group_key="custom"``.
        self.renamed: dict[str, str] = {}
        found = {text: self._find(text) for text in sorted(texts)}
        found |= dict(_homonyms(found))
        found |= dict(self._ambiguous(found))
        self._found: Mapping[str, _Found | MembershipError] = found
        #: Groups to create, by path.
        self.new = {group.path: group for each in found.values() if isinstance(each, tuple) for group in each}

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
        found = self._found[text]
        if isinstance(found, MembershipError):
            raise MembershipError(str(found))
        return _key_of(found)

    def _find(self, text: str) -> _Found | MembershipError:
        try:
            return self._with_custom(text) if self._options.group_key == "custom" else self._with_name(text)
        except MembershipError as error:
            return error

    def _by_name(self, new: Iterable[NewGroup]) -> NamedObjects:
        """Return the groups that exist, and new ones, whose ids are their paths."""
        existing = self._platform.groups.values()
        groups = [(group.group_id, group.name, group.parent_id) for group in existing]
        groups += [(group.path, group.name, group.parent) for group in new]
        return OBJECTS["group"](dict(zip(("group_id", "name", "parent_id"), group, strict=True)) for group in groups)

    def _with_name(self, text: str) -> _Found:
        name = normalized(text)
        if is_id(name):
            if name.lower() not in self._platform.groups:
                raise MembershipError(f"no group has the id {shown(name)}: correct the source")
            return self._managed(name.lower(), text)
        found = self._named.find(name, None)
        if len(found) > 1:
            raise MembershipError(f"the group is {shown(name)}, {self._named.ambiguous(found)}")
        return self._managed(found[0].id, text) if found else self._new_groups(name)

    def _with_custom(self, text: str) -> _Found:
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
        return (NewGroup(f"{self._tree.path(parent_id)}{SEPARATOR}{names[0]}", names[0], parent_id, custom),)

    def _managed(self, group_id: str, text: str) -> str:
        if group_id not in self._platform.managed_groups:
            raise MembershipError(
                f"the group {shown(text)} ({group_id}) is not managed: add it to managed_groups, or correct the source"
            )
        return group_id

    # New groups

    def _new_groups(self, text: str) -> tuple[NewGroup, ...]:
        """Return the group to create for a name or a path, after those above it that are missing, too."""
        parent, names = self._place_of(text) if SEPARATOR in text else (self._parent_of_new(text), [text])
        if twin := self._tree.child(parent, names[0]):
            raise MembershipError(
                f"no group is {shown(text)}, and {shown(self._tree.path(twin))} ({twin}) differs in case only: "
                "use that spelling, or create the group first"
            )
        path, groups = self._tree.path(parent), []
        for name in names:
            path = f"{path}{SEPARATOR}{name}"
            groups.append(NewGroup(path, name, parent))
            parent = path
        return tuple(groups)

    def _check_creation(self, text: str) -> None:
        if not self._options.create_groups or not self._options.groups_parent:
            advice = "correct the source, create the group, or set create_groups and groups_parent"
            raise MembershipError(f"no group is {shown(text)}: {advice}")

    def _parent_of_new(self, text: str) -> str:
        self._check_creation(text)
        parent_id = (self._options.groups_parent or "").lower()
        if parent_id not in self._platform.groups or parent_id not in self._platform.managed_groups:
            raise MembershipError(
                f"no group is {shown(text)}, and groups_parent ({parent_id}) is not managed, so that it is not created"
            )
        return parent_id

    def _place_of(self, path: str) -> tuple[str, list[str]]:
        """Return the lowest group of a path that exists, and the names of the missing ones below it."""
        self._check_creation(path)
        names = path.split(SEPARATOR)
        if len(names) > MAX_SEPARATORS or any(not name or name != name.strip() for name in names):
            raise MembershipError(
                f"no group is {shown(path)}, and it is not a path of at most {MAX_SEPARATORS} names with "
                f"{shown(SEPARATOR)} and no blanks between them: correct the source"
            )
        for length in range(len(names) - 1, 0, -1):
            above = SEPARATOR.join(names[:length])
            found = self._named.find(above, None)
            if len(found) > 1:
                raise MembershipError(
                    f"no group is {shown(path)}, and the group above it is {shown(above)}, "
                    f"{self._named.ambiguous(found)}"
                )
            if found:
                return self._managed(found[0].id, above), names[length:]
        raise MembershipError(f"no group is {shown(path)}, and no group above it exists: correct the source")

    def _ambiguous(self, found: Mapping[str, _Found | MembershipError]) -> Iterator[tuple[str, MembershipError]]:
        """Yield the texts whose new groups would make a name of the source match several groups in the next plan."""
        new = {text: each for text, each in found.items() if isinstance(each, tuple)}
        if not new or self._options.group_key == "custom":
            return
        named = self._by_name({group.path: group for groups in new.values() for group in groups}.values())
        problems: dict[str, str] = {}
        for text, meant in found.items():
            name = normalized(text)
            if isinstance(meant, MembershipError) or is_id(name):
                continue
            matches = named.find(name, None)
            if len(matches) > 1:
                listed = f"{shown(name)} would match {len(matches)} groups: {', '.join(map(named.label, matches))}"
                problems |= dict.fromkeys((one.id for one in matches), listed)
        for text, groups in new.items():
            if clash := next((group.path for group in groups if group.path in problems), None):
                yield (
                    text,
                    MembershipError(
                        f"with the new group {shown(clash)}, {problems[clash]}: give the names of their parents in all "
                        "rows"
                    ),
                )


def _key_of(found: _Found) -> str:
    return found if isinstance(found, str) else found[-1].path


def _homonyms(found: Mapping[str, _Found | MembershipError]) -> Iterator[tuple[str, MembershipError]]:
    """Yield the texts whose new groups would have the same place as others, in which case does not count."""
    new = {text: each for text, each in found.items() if isinstance(each, tuple)}
    by_place: dict[str, set[NewGroup]] = {}
    for group in (group for groups in new.values() for group in groups):
        by_place.setdefault(group.path.casefold(), set()).add(group)
    for text, groups in new.items():
        clash = next((same for group in groups if len(same := by_place[group.path.casefold()]) > 1), ())
        if clash:
            names = " and ".join(shown(name) for name in sorted(one.custom or one.path for one in clash))
            yield text, MembershipError(f"the new groups {names} would have the same name: correct the source")
