"""
Any source against any company: an applied plan leaves nothing to do, and nothing outside the scope is in a plan.

A small model applies changes as 360Learning does: it refuses an address that is in use, learners join groups above, and
removals reach public groups below.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_360learning.sync.memberships import GroupTree
from airflow_provider_360learning.sync.options import SyncOptions
from airflow_provider_360learning.sync.people import Person, WantedMembership
from airflow_provider_360learning.sync.plan import IN_AN_HOUR, Change, Changes
from airflow_provider_360learning.sync.planner import compare
from airflow_provider_360learning.sync.platform import Account, Group, Platform
from airflow_provider_360learning.sync.state import Remembered, SyncState
from tests.sync.companies import (
    BOARD,
    EUROPE,
    LIKE_V1,
    NOW,
    OTHER,
    SALES,
    STAFF,
    an_id,
    mail_of,
    options,
    people,
    platform,
    user_id,
)

KEYS = "abcdef"
MAILS = [mail_of(key) for key in (*KEYS, "x", "y")]
JOBS = [None, "Engineer", "Nurse"]
ROLES = ["learner", "coach"]
NEW_GROUPS = [
    "New",
    "Newer",
    "Staff/New",
    "Sales/New/Deep",
    "Acme/Staff/Craft/Metal",
    "Acme/Staff/Craft",
    "Staff/craft",
]
SOON = timedelta(hours=1)


@dataclass
class Company:
    """360Learning, and what the sync remembers."""

    accounts: dict[str, Account]
    groups: dict[str, Group]
    facts: Mapping[str, object]
    state: dict[str, Remembered] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)

    def listing(self) -> Platform:
        return platform(
            *self.accounts.values(),
            groups=self.groups,
            managed_groups=frozenset(self.groups) - {OTHER, self.groups[STAFF].parent_id},
            **self.facts,
        )

    def apply(self, changes: Changes) -> None:
        for key, values in changes.agreed.items():
            self.remember(key, values)
        for change in changes.changes:
            getattr(self, change.action)(change)
        for key in changes.missing:
            one = self.state.get(key, Remembered())
            missing_since = one.missing_since or NOW
            self.state[key] = replace(one, missing_since=missing_since, missing_runs=one.missing_runs + 1)

    # One method per action

    def create_group(self, change: Change) -> None:
        name, parent = change.after["name"], self.ids.get(change.after["parent"], change.after["parent"])
        assert GroupTree(self.groups).child(parent, name) is None, "the group exists"
        group_id = self.ids[change.key] = an_id(0xF00 + len(self.ids))
        self.groups[group_id] = Group(group_id, name, parent, False, None)
        assert GroupTree(self.groups).path(group_id) == change.key

    def change_mail(self, change: Change) -> None:
        held = self.accounts[change.user_id]
        assert held.mail == change.before["mail"]
        self.refuse_used(change.after["mail"])
        self.accounts[change.user_id] = replace(held, mail=change.after["mail"])

    change_reinstated_mail = change_mail

    def reinstate(self, change: Change) -> None:
        [one] = [one for one in self.accounts.values() if one.mail == change.after["mail"]]
        assert (one.user_id, one.status) == (change.user_id, "deleted")
        self.accounts[one.user_id] = replace(one, status="active", memberships={})
        self.join(one.user_id, change)

    def create(self, change: Change) -> None:
        self.refuse_used(change.after["mail"])
        new = user_id("new" + change.key)
        fields = {name: change.after[name] for name in ("job",) if name in change.after}
        listed = {"job": fields.get("job")} if self.facts["clears_values"] else {}
        self.accounts[new] = Account(
            user_id=new,
            mail=change.after["mail"],
            key=change.key,
            other_key=None,
            status="active",
            fields=listed,
            memberships={},
        )
        self.remember(change.key, fields)
        self.join(new, change)

    def update(self, change: Change) -> None:
        one = self.accounts[self.user_of(change)]
        after = dict(change.after)
        if "key" in after:
            one = replace(one, key=after.pop("key"))
        if "deactivates_at" in after:
            assert self.facts["clears_values"]
            one = replace(one, deactivates_at=None)
        listed = {name: value for name, value in after.items() if name in one.fields}
        self.accounts[one.user_id] = replace(one, fields=dict(one.fields) | listed)
        self.remember(change.key, after)

    def add_to_group(self, change: Change) -> None:
        self.add(self.user_of(change), self.ids.get(change.group, change.group), change.after["role"])

    def remove_from_group(self, change: Change) -> None:
        one = self.accounts[change.user_id]
        cascades = change.after["role"] == "learner" or self.facts["every_role_cascades"]
        reached = [change.group, *(GroupTree(self.groups).reached(change.group) if cascades else ())]
        left = {
            group: roles - ({change.after["role"]} if group in reached else frozenset())
            for group, roles in one.memberships.items()
        }
        left = {group: roles for group, roles in left.items() if roles}
        assert left, "360Learning would delete this user"
        self.accounts[one.user_id] = replace(one, memberships=left)

    def add_manager(self, change: Change) -> None:
        one = self.accounts[self.user_of(change)]
        manager = change.after.get("manager") or self.by_key(change.after["manager_key"])
        assert self.accounts[manager].status != "deleted"
        held = None if one.managers is None else (*one.managers, manager)
        self.accounts[one.user_id] = replace(one, managers=held)
        self.remember(change.key, {"manager": manager})

    def remove_manager(self, change: Change) -> None:
        one = self.accounts[self.user_of(change)]
        kept = None if one.managers is None else tuple(id for id in one.managers if id != change.after["manager"])
        self.accounts[one.user_id] = replace(one, managers=kept)

    def deactivate(self, change: Change) -> None:
        at = change.after["deactivates_at"]
        date = NOW + SOON if at == IN_AN_HOUR else datetime.fromisoformat(at)
        one = self.accounts[self.user_of(change)]
        self.accounts[one.user_id] = replace(one, deactivates_at=date if one.deactivation_known else None)
        self.remember(change.key, {"deactivates_at": date.isoformat()})

    def delete(self, change: Change) -> None:
        one = self.accounts[change.user_id]
        self.accounts[one.user_id] = replace(one, status="deleted", memberships=None)

    # Helpers

    def refuse_used(self, mail: str) -> None:
        assert mail not in {one.mail for one in self.accounts.values()}, "the address is in use"

    def by_key(self, key: str) -> str:
        [one] = [one for one in self.accounts.values() if one.key == key and one.status != "deleted"]
        return one.user_id

    def user_of(self, change: Change) -> str:
        return change.user_id or self.by_key(change.key)

    def join(self, id: str, change: Change) -> None:
        for group in change.after["groups"]:
            self.add(id, self.ids.get(group, group), change.after["role"])

    def add(self, id: str, group: str, role: str) -> None:
        one = self.accounts[id]
        tree = GroupTree(self.groups)
        memberships = dict(one.memberships)
        managed = self.listing().managed_groups
        for each in (group, *(tree.joined_by_itself(group) if role == "learner" else ())):
            if each in managed:
                memberships[each] = memberships.get(each, frozenset()) | {role}
        self.accounts[id] = replace(one, memberships=memberships)

    def remember(self, key: str, values: Mapping[str, str | None]) -> None:
        one = self.state.get(key, Remembered())
        self.state[key] = replace(one, applied=dict(one.applied) | dict(values))


# Any company, any source

groups_held = st.dictionaries(
    st.sampled_from([STAFF, SALES, EUROPE, BOARD]),
    st.sets(st.sampled_from(ROLES), min_size=1).map(frozenset),
    min_size=1,
)


@st.composite
def companies(draw) -> Company:
    like_v1 = draw(st.booleans())
    facts = dict(LIKE_V1) if like_v1 else {"clears_values": True, "every_role_cascades": False}
    accounts = {}
    for index, mail in enumerate(draw(st.lists(st.sampled_from(MAILS), unique=True))):
        id = an_id(0xC00 + index)
        status = draw(st.sampled_from(["active", "active", "active", "deleted"]))
        key = draw(st.sampled_from([*KEYS, None]))
        accounts[id] = Account(
            user_id=id,
            mail=mail,
            key=key,
            other_key=None if key is not None else draw(st.sampled_from([None, "crm:1"])),
            status=status,
            fields={} if like_v1 else {"job": draw(st.sampled_from(JOBS))},
            managers=draw(st.sampled_from([None, (), (an_id(0xC00),)])),
            deactivates_at=draw(st.sampled_from([None, None, NOW + timedelta(days=3), NOW - timedelta(days=5)])),
            memberships=None if status == "deleted" else draw(groups_held),
            is_protected=draw(st.sampled_from([False, False, False, True])),
        )
    state = {
        key: Remembered(
            user_id=draw(st.sampled_from([None, *accounts])),
            mail=draw(st.sampled_from(MAILS)),
            applied=draw(
                st.dictionaries(st.sampled_from(["job", "manager"]), st.sampled_from(["Engineer", an_id(0xC00)]))
            ),
            missing_runs=draw(st.integers(0, 2)),
            awaits_key=draw(st.booleans()),
        )
        for key in draw(st.sets(st.sampled_from(KEYS)))
    }
    return Company(accounts, dict(platform().groups), facts, state)


@st.composite
def sources(draw):
    wanted = [
        Person(
            key=key,
            mail=draw(st.sampled_from(MAILS)),
            fields=draw(st.dictionaries(st.just("job"), st.sampled_from(JOBS))),
            custom_fields={},
            manager=draw(st.sampled_from([None, None, *KEYS, "x@acme.test"])),
            memberships=draw(
                st.none()
                | st.lists(
                    st.builds(
                        WantedMembership,
                        st.sampled_from(["Staff", "Sales", "Europe", "Board", "Other", *NEW_GROUPS]),
                        st.sampled_from(ROLES),
                    )
                ).map(tuple)
            ),
            status=draw(st.sampled_from(["active", "active", "active", "inactive"])),
            leaves_at=draw(st.sampled_from([None, None, NOW + timedelta(days=9), NOW - timedelta(days=9)])),
            rows=(index,),
        )
        for index, key in enumerate(draw(st.lists(st.sampled_from(KEYS), unique=True)))
    ]
    return people(*wanted, invalid=draw(st.sets(st.sampled_from([*KEYS, None])).map(frozenset)))


any_options = st.builds(
    options,
    adopt=st.sampled_from(["never", "mail"]),
    joiner_mode=st.just("create_active"),
    groups_mode=st.sampled_from(["add", "exact"]),
    default_group=st.sampled_from([None, STAFF, OTHER]),
    create_groups=st.booleans(),
    groups_parent=st.just(STAFF),
    leavers=st.sampled_from(["explicit", "missing", "both"]),
    leaver_action=st.sampled_from(["report", "deactivate", "delete"]),
    missing_runs=st.integers(1, 3),
    owned=st.sets(st.sampled_from(["job", "manager"])).map(frozenset),
    create_only=st.sets(st.sampled_from(["job", "manager", "mail"])).map(frozenset),
    protected=st.sampled_from([(), ("a",), (MAILS[1],)]),
)
# How long examples take depends on how busy the machine is.
examples = settings(max_examples=120, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])


@pytest.mark.slow
@given(companies(), sources(), any_options)
@examples
def test_an_applied_plan_leaves_nothing_to_do(company, source, chosen):
    first = compare(source, company.listing(), SyncState(company.state), chosen, NOW)
    company.apply(first)
    again = compare(source, company.listing(), SyncState(company.state), chosen, NOW, is_new_interval=False)
    assert again.changes == ()


@pytest.mark.slow
@given(companies(), sources(), any_options)
@examples
def test_nothing_outside_the_scope_is_in_a_plan(company, source, chosen):
    listing = company.listing()
    found = compare(source, listing, SyncState(company.state), chosen, NOW)
    by_id = {account.user_id: account for account in listing.accounts}
    wanted = {person.key: person for person in source.people}
    in_conflict = {key for conflict in found.conflicts for key in conflict.keys}
    made = set()
    for change in found.changes:
        if change.action == "create_group":
            assert change.after["parent"] in listing.managed_groups | made, "parents are created first"
            made.add(change.group)
            continue
        assert change.key not in in_conflict
        groups = {change.group, *change.after.get("groups", ()), *change.after.get("leaves", ())} - {None}
        assert groups <= listing.managed_groups | made | {chosen.default_group}
        account = by_id.get(change.user_id)
        if account is not None:
            assert not account.is_protected
            adopted = change.key in wanted and account.key is None and account.other_key is None
            assert account.key == change.key or adopted
        if change.action in ("deactivate", "delete") and change.user_id is not None:
            check_departure(change, wanted.get(change.key), source.invalid, chosen)


def check_departure(change, person, invalid, chosen: SyncOptions) -> None:
    """Only those leave who may."""
    assert chosen.leaver_action != "report"
    if person is None:
        assert chosen.leavers != "explicit"
        assert not invalid & {None, change.key}
        return
    assert chosen.leavers != "missing"
    assert person.status == "inactive" or person.leaves_at is not None
    if change.action == "delete":
        assert person.status == "inactive" or person.leaves_at <= NOW


@pytest.mark.slow
@given(companies(), sources(), any_options)
@examples
def test_the_order_of_accounts_and_people_does_not_matter(company, source, chosen):
    listing, state = company.listing(), SyncState(company.state)
    backwards = replace(listing, accounts=listing.accounts[::-1], groups=dict(reversed(listing.groups.items())))
    reverse = replace(source, people=source.people[::-1])
    later = SyncState(dict(reversed(state.people.items())))
    assert compare(source, listing, state, chosen, NOW) == compare(reverse, backwards, later, chosen, NOW)
