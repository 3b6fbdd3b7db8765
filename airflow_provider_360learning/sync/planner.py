"""Compare the people of a source with 360Learning: what a sync would change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import get_args

from airflow_provider_360learning.api.models.choices import Role
from airflow_provider_360learning.sync.addresses import Addresses, changes_mail
from airflow_provider_360learning.sync.fields import (
    DEACTIVATION,
    Difference,
    FieldError,
    Wanted,
    WantedFields,
    compare_fields,
    initial_fields,
    is_equal,
    is_kept,
    is_new,
    unreadable,
)
from airflow_provider_360learning.sync.findings import Findings
from airflow_provider_360learning.sync.leavers import Leavers
from airflow_provider_360learning.sync.managers import (
    MANAGER,
    WantedManagers,
    agreed_manager,
    compare_managers,
    describe,
    is_unread,
    may_have_managers,
)
from airflow_provider_360learning.sync.matching import (
    AccountIndex,
    Match,
    Matcher,
    has_left,
    is_found_by_address,
    managed_keys,
)
from airflow_provider_360learning.sync.memberships import (
    GroupTree,
    Membership,
    MembershipChanges,
    MembershipConflict,
    compare_memberships,
)
from airflow_provider_360learning.sync.options import CUSTOM_FIELD, SyncOptions
from airflow_provider_360learning.sync.people import People
from airflow_provider_360learning.sync.plan import Action, Change, Changes, Value
from airflow_provider_360learning.sync.platform import Platform
from airflow_provider_360learning.sync.renames import report_renamed_groups
from airflow_provider_360learning.sync.state import Remembered, SyncState
from airflow_provider_360learning.sync.wanted_groups import MembershipError, WantedGroups

_ORDER: Mapping[str, int] = {action: index for index, action in enumerate(get_args(Action))}


def compare(
    people: People,
    platform: Platform,
    state: SyncState,
    options: SyncOptions,
    now: datetime,
    *,
    is_new_interval: bool = True,
) -> Changes:
    """
    Return what makes 360Learning agree with the source. The same arguments give the same changes.

    :param people: The people of the source.
    :param platform: What 360Learning has.
    :param state: What earlier runs have applied.
    :param options: What the sync is to do.
    :param now: The time of the plan.
    :param is_new_interval: Whether a plan of this data interval was not applied yet, so that this run counts as one
        more in which a person is missing.
    """
    return _Comparison(people, platform, state, options, now, is_new_interval=is_new_interval).changes()


def users_to_read(
    people: People, platform: Platform, state: SyncState, options: SyncOptions, now: datetime
) -> frozenset[str]:
    """
    Return the ids of the users whose managers, custom fields and deactivation date a comparison needs.

    These are the users for whom the source differs from what was applied last, and people who return.

    :param people: The people of the source.
    :param platform: What the listings of 360Learning show.
    :param state: What earlier runs have applied.
    :param options: What the sync is to do.
    :param now: The time of the plan.
    """
    return _Comparison(people, platform, state, options, now, is_new_interval=True).users_to_read()


@dataclass(slots=True)
class _Draft:
    """
    What is planned for one person, who may still be left out.

    :param match: The person and the account.
    :param fields: The values that the source has.
    :param differences: The values to write.
    :param wanted: The wanted memberships; ``None`` if the source does not say.
    :param memberships: The changes of memberships.
    :param cancels_deactivation: Whether the date of deactivation is removed.
    """

    match: Match
    fields: tuple[Wanted, ...] = ()
    differences: Mapping[str, Difference] = field(default_factory=dict)
    wanted: tuple[Membership, ...] | None = None
    memberships: MembershipChanges = field(default_factory=MembershipChanges)
    cancels_deactivation: bool = False


class _Comparison:
    """See :func:`compare`."""

    def __init__(
        self,
        people: People,
        platform: Platform,
        state: SyncState,
        options: SyncOptions,
        now: datetime,
        *,
        is_new_interval: bool,
    ) -> None:
        self._people = people
        self._platform = platform
        self._state = state
        self._options = options
        self._findings = Findings()
        self._index = AccountIndex(platform)
        self._tree = GroupTree(platform.groups)
        self._wanted_fields = WantedFields(platform, options)
        self._wanted_managers = WantedManagers(people.people, people.invalid, self._index)
        self._leavers = Leavers(self._index, state, options, now, self._findings, is_new_interval=is_new_interval)
        matches = Matcher(self._index, state, options, now, self._findings).match(people.people)
        self._matches = matches
        self._staying = {key: match for key, match in matches.items() if not has_left(match.person, now)}
        staying = [match.person for match in self._staying.values()]
        self._wanted_groups = WantedGroups(platform, options, self._tree, staying)

    def changes(self) -> Changes:
        """Return what is found."""
        drafts = {key: self._draft(match) for key, match in self._staying.items()}
        order = Addresses(self._staying, self._index, self._options, self._findings).check()
        # Nothing below leaves out a person.
        left_out = self._findings.left_out
        in_plan = {key: draft for key, draft in drafts.items() if key not in left_out}
        invalid_managers = self._wanted_managers.check(in_plan.keys(), self._findings)
        changes: list[Change] = []
        for draft in in_plan.values():
            changes += self._changes_of(draft, has_valid_manager=draft.match.person.key not in invalid_managers)
        changes += self._manager_changes(in_plan, invalid_managers)
        for key, match in self._matches.items():
            if key not in left_out and (key not in self._staying or self._can_be_changed(match)):
                changes += self._leavers.departure(match)
        of_missing, missing = self._leavers.missing(self._people)
        changes += of_missing
        changes += list(self._group_changes(in_plan, changes))
        self._report_unreadable(in_plan)
        wanted = {person.key for person in self._people.people}
        return Changes(
            changes=tuple(sorted(changes, key=lambda one: _position(one, order))),
            conflicts=self._findings.conflicts,
            reports=self._findings.reports,
            managed=len(managed_keys(self._index, self._state, self._options, wanted)),
            missing=missing,
            errors=self._findings.errors,
            agreed=self._agreed(in_plan),
        )

    def users_to_read(self) -> frozenset[str]:
        """See :func:`users_to_read`."""
        drafts = {key: self._draft(match) for key, match in self._staying.items()}
        in_plan = {key: draft for key, draft in drafts.items() if key not in self._findings.left_out}
        found = {change.user_id for change in self._manager_changes(in_plan, frozenset())}
        found |= {draft.match.user_id for draft in in_plan.values() if self._may_differ(draft)}
        found |= {match.user_id for match in self._matches.values() if match.kind == "deleted"}
        found |= {
            match.user_id
            for match in self._matches.values()
            if match.kind == "adopted" and match.account and is_found_by_address(self._of(match), match.account)
        }
        found |= self._with_unknown_dates()
        return frozenset(user_id for user_id in found if user_id is not None)

    def _may_differ(self, draft: _Draft) -> bool:
        """Return whether custom fields, or managers whom the sync has not added, may differ from the source."""
        remembered = self._of(draft.match)
        return may_have_managers(draft.match, remembered, self._options) or any(
            is_new(one, remembered) and not is_kept(one.name, one.names, remembered, self._options)
            for one in draft.fields
            if one.name.startswith(CUSTOM_FIELD)
        )

    def _with_unknown_dates(self) -> set[str | None]:
        """Return the users whose date of deactivation the listing does not have, and that is about to change."""
        changes = [change for match in self._matches.values() for change in self._leavers.departure(match)]
        changes += self._leavers.missing(self._people)[0]
        found = {change.user_id for change in changes if change.action == "deactivate"}
        found |= {match.user_id for match in self._staying.values() if self._leavers.may_cancel(match)}
        return {user_id for user_id in found if user_id and not self._index.by_id[user_id].deactivation_known}

    def _of(self, match: Match) -> Remembered:
        return self._state.people.get(match.person.key) or Remembered()

    # Before it is known who is left out

    def _draft(self, match: Match) -> _Draft:
        person = match.person
        draft = _Draft(match)
        try:
            draft.fields = self._wanted_fields.of(person)
            if person.memberships is not None:
                draft.wanted = self._with_default(self._wanted_groups.resolve(person.memberships))
            if match.is_invitation:
                return draft
            if match.kind in ("new", "deleted"):
                self._first_groups(draft)
            elif draft.wanted is not None and match.account is not None:
                draft.memberships = compare_memberships(
                    match.account, draft.wanted, self._platform, self._options, self._tree
                )
            if match.kind != "new":
                remembered = self._of(match)
                draft.differences = compare_fields(match, draft.fields, remembered, self._platform, self._options)
                draft.cancels_deactivation = self._leavers.cancels_deactivation(match, self._platform)
        except (FieldError, MembershipError) as error:
            self._findings.error(person, str(error))
        except MembershipConflict as error:
            self._findings.conflict([person.key], str(error), person.rows)
        return draft

    def _with_default(self, wanted: tuple[Membership, ...]) -> tuple[Membership, ...]:
        """Return the memberships; those of a person without groups are the default group, if it is managed."""
        default = (self._options.default_group or "").lower()
        if wanted or self._options.groups_mode == "add" or default not in self._platform.managed_groups:
            return wanted
        return ((default, "learner"),)

    def _first_groups(self, draft: _Draft) -> tuple[Role, list[str], list[Membership]]:
        """
        Return what a new or reinstated user joins at once: groups with one role; and the other memberships.

        :raises MembershipError: if there is no group, because a user must be in one.
        """
        wanted = draft.wanted or ()
        if not wanted and self._options.default_group is not None:
            wanted = ((self._options.default_group.lower(), "learner"),)
        if not wanted:
            raise MembershipError("a new or returning person must be in a group: give one, or set default_group")
        roles = {role for _, role in wanted}
        first: Role = "learner" if "learner" in roles else wanted[0][1]
        return (
            first,
            [group for group, role in wanted if role == first],
            [(group, role) for group, role in wanted if role != first],
        )

    # Changes of people who are not left out

    def _changes_of(self, draft: _Draft, *, has_valid_manager: bool) -> Iterator[Change]:
        match, person, account = draft.match, draft.match.person, draft.match.account
        if account is not None and account.status == "pending":
            waits = "; changes wait until then" if match.is_invitation else ""
            self._findings.report("pending", person.key, f"has not accepted the invitation yet{waits}")
        if match.is_invitation:
            return
        if match.kind == "new":
            yield self._creation(draft)
        elif match.kind == "deleted":
            yield self._reinstatement(draft, has_valid_manager=has_valid_manager)
        if account is not None and changes_mail(match, self._options):
            action: Action = "change_reinstated_mail" if match.kind == "deleted" else "change_mail"
            yield self._change(
                match, action, {"mail": account.mail}, {"mail": person.mail}, "new address in the source"
            )
        if self._can_be_changed(match):
            yield from self._update(draft)
            yield from self._membership_changes(draft)

    def _creation(self, draft: _Draft) -> Change:
        person = draft.match.person
        role, groups, _ = self._first_groups(draft)
        after: dict[str, Value] = {"key": person.key, "mail": person.mail, "role": role, "groups": groups}
        after |= initial_fields(draft.fields, custom=False)
        was_invited = self._of(draft.match).invited_at is not None
        return self._change(
            draft.match, "create", {}, after, "the invitation has expired" if was_invited else "new in the source"
        )

    def _reinstatement(self, draft: _Draft, *, has_valid_manager: bool) -> Change:
        account = draft.match.account
        assert account is not None  # what is reinstated exists
        role, groups, _ = self._first_groups(draft)
        before: dict[str, Value] = {"status": "deleted", "mail": account.mail}
        after: dict[str, Value] = {"mail": account.mail, "role": role, "groups": groups}
        if has_valid_manager and self._wanted_managers.are_given and MANAGER not in self._options.create_only:
            after["removes_managers"] = True
        return self._change(draft.match, "reinstate", before, after, "in the source, and the account is deleted")

    def _update(self, draft: _Draft) -> Iterator[Change]:
        match = draft.match
        before: dict[str, Value] = {name: one.before for name, one in draft.differences.items() if one.is_known}
        after: dict[str, Value] = {name: one.after for name, one in draft.differences.items()}
        reasons = []
        changed = [name for name, one in draft.differences.items() if not one.is_drift]
        drift = [name for name, one in draft.differences.items() if one.is_drift]
        if match.kind == "new":
            after |= initial_fields(draft.fields, custom=True)
            reasons += ["new in the source"]
        if changed:
            reasons.append(f"new in the source: {', '.join(changed)}")
        if drift:
            reasons.append(f"changed in 360Learning: {', '.join(drift)}")
        if match.account is not None and match.account.key is None:
            before["key"], after["key"] = None, match.person.key
            reasons.append("the account gets the key of this person")
        elif match.account is not None and not match.account.is_listed and self._options.key != "mail":
            after["key"] = match.person.key
            reasons.append("a restored account may have lost its key")
        if draft.cancels_deactivation:
            known = None if match.account is None else match.account.deactivates_at
            before[DEACTIVATION], after[DEACTIVATION] = None if known is None else known.isoformat(), None
            reasons.append("this person stays")
        if after:
            yield self._change(match, "update", before, after, "; ".join(reasons))

    def _membership_changes(self, draft: _Draft) -> Iterator[Change]:
        match, changes = draft.match, draft.memberships
        additions: Sequence[Membership] = changes.additions
        if match.kind in ("new", "deleted"):
            *_, additions = self._first_groups(draft)
        for group, role in additions:
            yield self._change(match, "add_to_group", {}, {"role": role}, "wanted by the source", group)
        for removal in changes.removals:
            group, role = removal.membership
            after: dict[str, Value] = {"leaves": list(removal.leaves)} if removal.leaves else {}
            before: dict[str, Value] = {"role": role}
            yield self._change(match, "remove_from_group", before, {"role": role} | after, "not in the source", group)
        for group, _ in changes.kept:
            text = f"stays in {self._tree.path(group)}: a user who leaves the last group is deleted"
            self._findings.report("last_group", match.person.key, text)

    def _manager_changes(self, in_plan: Mapping[str, _Draft], invalid: frozenset[str]) -> Iterator[Change]:
        becoming = {
            key
            for key, one in in_plan.items()
            if one.match.kind in ("new", "deleted") and self._can_be_changed(one.match)
        }
        for key, draft in in_plan.items():
            match = draft.match
            if key in invalid or not self._can_be_changed(match):
                continue
            wanted = self._wanted_managers.of(match.person, self._matches, becoming)
            if wanted is None and match.person.manager:
                self._findings.report("pending", key, "the manager is added when they have an account")
            changes = compare_managers(match, wanted, self._of(match), self._options)
            held = None if match.account is None else match.account.managers
            before: dict[str, Value] = {} if held is None else {"managers": list(held)}
            if changes.addition is not None:
                after = describe(changes.addition)
                yield self._change(match, "add_manager", before, after, "the manager in the source")
            for removed in changes.removals:
                reason = "not the manager in the source"
                yield self._change(match, "remove_manager", before, {MANAGER: removed}, reason)

    def _can_be_changed(self, match: Match) -> bool:
        """Return whether the person is a user, or becomes one by the plan, whom requests can change."""
        if match.kind == "new":
            return self._options.joiner_mode == "create_active" or self._platform.invited_are_users
        return not match.is_invitation

    def _change(
        self,
        match: Match,
        action: Action,
        before: Mapping[str, Value],
        after: Mapping[str, Value],
        reason: str,
        group: str | None = None,
    ) -> Change:
        return Change(
            action=action,
            key=match.person.key,
            user_id=match.user_id,
            group=group,
            before=before,
            after=after,
            reason=reason,
            rows=match.person.rows,
        )

    # Groups

    def _group_changes(self, in_plan: Mapping[str, _Draft], changes: Sequence[Change]) -> Iterator[Change]:
        """Yield the creations of groups that changes use, and the new names of groups that people are wanted in."""
        used = {change.group for change in changes} | {
            group for change in changes for group in _strings(change.after.get("groups"))
        }
        wanted: dict[str, set[str]] = {}
        rows: dict[str, set[int]] = {}
        for key, draft in in_plan.items():
            for group, _ in draft.wanted or ():
                wanted.setdefault(group, set()).add(key)
                rows.setdefault(group, set()).update(draft.match.person.rows)
        yield from self._group_creations(used, wanted, rows)
        for group_id, name in self._wanted_groups.renamed.items():
            if group_id in wanted:
                yield Change(
                    action="update_group",
                    key=self._tree.path(group_id),
                    group=group_id,
                    before={"name": self._platform.groups[group_id].name},
                    after={"name": name},
                    reason="new name in the source",
                    rows=tuple(sorted(rows[group_id])),
                )
        members = {group: frozenset(keys) for group, keys in wanted.items()}
        new = [group for path, group in self._wanted_groups.new.items() if path in used]
        report_renamed_groups(new, members, self._platform, self._tree, self._findings)

    def _group_creations(
        self, used: Iterable[str | None], wanted: Mapping[str, set[str]], rows: Mapping[str, set[int]]
    ) -> Iterator[Change]:
        """Yield the creations of groups that changes use, and of those above them."""
        new = self._wanted_groups.new
        people: dict[str, set[str]] = {}
        sources: dict[str, set[int]] = {}
        for path in (path for path in used if path in new):
            above = path
            while above in new:
                people.setdefault(above, set()).update(wanted[path])
                sources.setdefault(above, set()).update(rows[path])
                above = new[above].parent
        for path in people:
            after: dict[str, Value] = {"name": new[path].name, "parent": new[path].parent}
            if (custom := new[path].custom) is not None:
                after["custom"] = custom
            yield Change(
                action="create_group",
                key=path,
                group=path,
                before={},
                after=after,
                reason=f"wanted for {len(people[path])} people",
                rows=tuple(sorted(sources[path])),
            )

    # Reports

    def _report_unreadable(self, in_plan: Mapping[str, _Draft]) -> None:
        drafts = in_plan.values()
        counts = Counter(name for one in drafts for name in unreadable(one.match, one.fields, self._options))
        counts[MANAGER] = sum(is_unread(one.match, self._options) for one in drafts)
        for name, count in (+counts).items():
            why = "cannot be read: changes in 360Learning are not seen"
            if name == MANAGER or name.startswith(CUSTOM_FIELD):
                why = "were not read: changes in 360Learning are seen with verify='full' only"
            self._findings.report("not_verifiable", name, f"of {count} people {why}")

    def _agreed(self, in_plan: Mapping[str, _Draft]) -> Mapping[str, Mapping[str, str | None]]:
        """Return the values of the source that 360Learning has already, and the state does not know."""
        agreed: dict[str, Mapping[str, str | None]] = {}
        for key, match in sorted(self._matches.items()):
            if key in self._findings.left_out:
                continue
            values = {**self._leavers.agreed(match), **(self._agreed_values(in_plan[key]) if key in in_plan else {})}
            # With addresses as keys, only the state says who is managed.
            is_unknown = self._options.key == "mail" and match.kind == "existing" and key not in self._state.people
            if values or is_unknown:
                agreed[key] = values
        return agreed

    def _agreed_values(self, draft: _Draft) -> Mapping[str, str | None]:
        match, remembered = draft.match, self._of(draft.match)
        values = {one.name: one.value for one in draft.fields if is_equal(match, one) and is_new(one, remembered)}
        manager = self._wanted_managers.of(match.person, self._matches, ())
        return {**values, **agreed_manager(match, manager, remembered)}


def _position(change: Change, order: Mapping[str, int]) -> tuple[int, int, str, str, str]:
    turn = order.get(change.key, 0) if change.action == "change_mail" else 0
    return _ORDER[change.action], turn, change.key, change.group or "", str(sorted(change.after.items()))


def _strings(value: Value) -> list[str]:
    return value if isinstance(value, list) else []
