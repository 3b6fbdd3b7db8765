"""A sync does the same with each kind of key: the field ``custom``, an external id, and the email address."""

from __future__ import annotations

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_360learning.sandbox.demo_company import GRACE_MAIL, SALES_GROUP_ID
from tests.sync.sync_runs import changes_of, row
from tests.sync.test_accidents import refused, roles, user

pytestmark = pytest.mark.slow
KEYS = {
    "custom": {"key": "custom", "key_namespace": "hr:"},
    "external_id": {"key": "external_id", "external_platform": "HR", "key_namespace": "hr:"},
    "mail": {"key": "mail", "key_namespace": None},
}
VERSIONS = [("v1", "custom"), ("v1", "mail"), ("v2", "custom"), ("v2", "external_id"), ("v2", "mail")]
MARKED = [case for case in VERSIONS if case[1] != "mail"]
MAIL = [case for case in VERSIONS if case[1] == "mail"]
EXACT = {"managed_groups": ["Sales"], "groups_mode": "exact", "create_groups": True}
LEAVERS = {"leavers": "both", "leaver_action": "delete"}


def with_keys(cases):
    return pytest.mark.parametrize(("version", "key"), cases, indirect=["version"])


class People:
    """
    Syncs of people by one kind of key.

    :param syncs: The syncs.
    :param key: The kind of key.
    """

    def __init__(self, syncs, key):
        self.key = key
        self._syncs = syncs
        syncs.defaults |= KEYS[key]

    def rows(self, *rows):
        """Return rows, without keys where addresses are the keys."""
        return [{name: value for name, value in row.items() if name != "key" or self.key != "mail"} for row in rows]

    def plan(self, *rows, **arguments):
        return self._syncs.plan(self.rows(*rows), **arguments)

    def apply(self, *rows, **arguments):
        """Apply a plan, and verify that another one has nothing to do."""
        result = self._syncs.apply(self.rows(*rows), **arguments)
        assert changes_of(self.plan(*rows, **arguments)) == []
        return result


@pytest.fixture
def people(syncs, key):
    return People(syncs, key)


def key_of(api, key, name):
    """Return the key of an account in 360Learning."""
    found = user(api, name)
    if key == "external_id":
        same = api.get_user_by_external_id(external_platform="HR", external_id=f"hr:{name}")
        return f"hr:{name}" if same["user_id"] == found["user_id"] else None
    return found["custom" if key == "custom" else "mail"]


@with_keys(VERSIONS)
def test_people_join_change_and_move(api, people, key):
    people.apply(row("ana", job="Welder", groups="Makers", manager="bo@acme.test"), row("bo", groups="Sales"), **EXACT)
    made = {group["name"]: group["group_id"] for group in api.list_groups()}
    ana = user(api, "ana")
    assert key_of(api, key, "ana") == ("ana@acme.test" if key == "mail" else "hr:ana")
    assert (made["Makers"], "learner") in roles(api, ana["user_id"])

    people.apply(
        row("ana", job="Smith", groups="Sales;Sales:coach", manager="cy@acme.test") | {"first_name": "Anna"},
        row("bo", groups="Sales"),
        row("cy", groups="Sales"),
        **EXACT,
    )
    assert (user(api, "ana")["user_id"], user(api, "ana")["first_name"]) == (ana["user_id"], "Anna")
    held = roles(api, ana["user_id"])
    assert {(SALES_GROUP_ID, "learner"), (SALES_GROUP_ID, "coach")} <= held
    assert (made["Makers"], "learner") not in held
    [manager] = api.list_managers(user="ana@acme.test")
    assert manager["user_id"] == user(api, "cy")["user_id"]


@with_keys(VERSIONS)
def test_missing_people_are_deleted_and_get_their_account_back(api, people, key):
    arguments = EXACT | LEAVERS
    people.apply(row("ana", groups="Sales"), row("bo"), **arguments)
    user_id = user(api, "ana")["user_id"]
    assert people.apply(row("bo"), **arguments)["counts"] == {"delete": 1}
    result = people.apply(row("ana", groups="Sales", job="Smith"), row("bo"), **arguments)
    assert result["counts"]["reinstate"] == 1
    assert user(api, "ana")["user_id"] == user_id
    assert (SALES_GROUP_ID, "learner") in roles(api, user_id)


@with_keys(VERSIONS)
def test_a_deactivation_of_missing_people_is_canceled_where_it_can_be(api, people, key):
    arguments = LEAVERS | {"leaver_action": "deactivate"}
    people.apply(row("ana"), row("bo"), **arguments)
    assert people.apply(row("bo"), **arguments)["counts"] == {"deactivate": 1}
    assert user(api, "ana")["to_be_deactivated_at"]
    if api.user_facts.clears_values:
        people.apply(row("ana"), row("bo"), **arguments)
        assert user(api, "ana")["to_be_deactivated_at"] is None
    else:
        with pytest.raises(AirflowFailException, match="max_row_errors is 1"):
            people.apply(row("ana"), row("bo"), **arguments)


@with_keys(VERSIONS)
def test_accounts_that_the_sync_does_not_manage_stay(api, sandbox, people, key):
    before = {one["mail"] for one in api.list_users()}
    people.apply(row("ana"), row("bo"), **LEAVERS)
    people.apply(row("bo"), **LEAVERS)
    assert {one["mail"] for one in api.list_users()} == before | {"bo@acme.test"}


@with_keys(VERSIONS)
def test_guards_count_leavers_joiners_and_updates(sandbox, people, syncs, key):
    staff = [row(f"p{number}") for number in range(10)]
    people.apply(*staff, **LEAVERS)
    changed = [one | {"first_name": "Pat"} for one in staff]
    for rows, reason in (
        (staff[4:], "max_leavers is 4, the limit 3"),
        ([*staff, row("ana"), row("bo")], "max_joiners is 2, the limit 1"),
        (changed, "max_updates is 10, the limit 5"),
    ):
        refused(sandbox, syncs, people.rows(*rows), reason, **LEAVERS, max_joiners=1, max_updates=5)


@with_keys(MARKED)
def test_a_new_address_is_the_same_person(api, sandbox, people, syncs, key):
    people.apply(row("ana"), row("bo"), **LEAVERS)
    user_id = user(api, "ana")["user_id"]
    married = row("ana") | {"mail": "ana.novak@acme.test"}
    refused(sandbox, syncs, people.rows(married, row("bo")), "max_email_changes is 1", **LEAVERS, max_email_changes=0)
    people.apply(married, row("bo"), **LEAVERS)
    assert user(api, "ana.novak")["user_id"] == user_id
    people.apply(row("bo"), **LEAVERS)
    people.apply(row("ana") | {"mail": "ana.smith@acme.test"}, row("bo"), **LEAVERS)
    assert user(api, "ana.smith")["user_id"] == user_id


@with_keys(MAIL)
def test_a_new_address_is_a_new_person_where_addresses_are_keys(api, sandbox, people, syncs, key):
    people.apply(row("ana"), row("bo"), **LEAVERS)
    user_id = user(api, "ana")["user_id"]
    married = row("ana") | {"mail": "ana.novak@acme.test"}
    arguments = LEAVERS | {"max_leavers": 0}
    refused(sandbox, syncs, people.rows(married, row("bo")), "max_leavers is 1", **arguments)
    assert people.apply(married, row("bo"), **LEAVERS)["counts"] == {"create": 1, "delete": 1}
    assert user(api, "ana.novak")["user_id"] != user_id


@with_keys(MARKED)
def test_an_account_without_a_key_is_adopted_by_its_address(api, people, key):
    rows = [row("bo"), row("grace") | {"mail": GRACE_MAIL}]
    user_id = api.get_user(user=GRACE_MAIL)["user_id"]
    assert people.apply(*rows)["counts"] == {"create": 1, "unmanaged": 1}
    assert people.apply(*rows, adopt="mail")["counts"]["update"] == 1
    # From now on, the address does not matter.
    people.apply(row("bo"), row("grace") | {"mail": "grace@acme.test"}, adopt="mail")
    assert user(api, "grace")["user_id"] == user_id
    assert key_of(api, key, "grace") == "hr:grace"


@with_keys(MAIL)
def test_an_account_with_the_address_is_the_one_of_the_person_where_addresses_are_keys(api, people, key):
    user_id = api.get_user(user=GRACE_MAIL)["user_id"]
    rows = [row("bo"), row("grace", job="Admiral") | {"mail": GRACE_MAIL}]
    assert people.apply(*rows, **LEAVERS)["counts"]["create"] == 1
    assert api.get_user(user=GRACE_MAIL)["user_id"] == user_id
    assert people.apply(row("bo"), **LEAVERS)["counts"] == {"delete": 1}
