"""A change whose ground has gone is not sent."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest

from airflow_provider_360learning.sync.plan import Change
from airflow_provider_360learning.sync.stale import StaleCheck
from tests.sync.companies import BOARD, GROUPS, MANAGED, NOW, OTHER, SALES, STAFF, account, mail_of, platform, user_id


def change(action, key, **given):
    usual = {"user_id": user_id(key), "before": {}, "after": {}, "reason": "a test"}
    return Change(action=action, key=key, **(usual | given))


def problem(one, *accounts, among=(), **has):
    """Return why a change is stale for a company with these accounts."""
    return StaleCheck(platform(*accounts, **has), [one, *among]).problem(one)


@pytest.mark.parametrize(
    ("before", "now"),
    [
        ({"mail": mail_of("ana")}, {"mail": "ana.new@acme.test"}),
        ({"job": "Smith"}, {"fields": {"job": "Baker"}}),
        ({"status": "active"}, {"status": "pending"}),
        ({"managers": [user_id("bo")]}, {"managers": (user_id("cy"),)}),
        ({"custom_fields.f1": "Lyon"}, {"custom_fields": {"f1": "Paris"}}),
        ({"deactivates_at": None}, {"deactivates_at": NOW, "deactivation_known": True}),
    ],
    ids=lambda values: "-".join(values),
)
def test_a_value_that_has_changed_makes_a_change_stale(before, now):
    update = change("update", "ana", before=before)
    assert problem(update, account("ana", **now)) is not None


def test_values_that_are_as_they_were_do_not():
    before = {"mail": mail_of("ana"), "job": "Smith", "status": "active", "managers": []}
    before["deactivates_at"] = NOW.isoformat()
    same = account("ana", fields={"job": "Smith"}, managers=(), deactivates_at=NOW, deactivation_known=True)
    assert problem(change("update", "ana", before=before), same) is None


def test_what_cannot_be_read_is_not_known_to_have_changed():
    unread = account("ana", memberships=None, deactivation_known=False)
    before = {"job": "Smith", "role": "learner", "managers": [], "deactivates_at": None, "custom_fields.f1": "Lyon"}
    assert problem(change("update", "ana", before=before, group=SALES), unread) is None


def test_a_role_that_was_removed_by_hand_is_not_removed_again():
    removal = change("remove_from_group", "ana", group=SALES, before={"role": "learner"})
    assert problem(removal, account("ana", SALES)) is None
    assert problem(removal, account("ana", f"{SALES}:coach")) == "role has changed"


@pytest.mark.parametrize(
    ("now", "reason"),
    [
        ({"is_protected": True}, "protected"),
        ({"key": "bo"}, "another key"),
        ({"key": None}, "another key"),
        ({"status": "deleted"}, "deleted"),
    ],
)
def test_an_account_that_is_no_longer_of_the_person_is_not_changed(now, reason):
    leaver = {"user_id": user_id("ana"), "mail": mail_of("ana"), **now}
    key = leaver.pop("key", "ana")
    assert reason in str(problem(change("delete", "ana"), account(key, **leaver)))


def test_an_account_that_does_not_exist_any_more_is_not_changed():
    assert problem(change("delete", "ana"), account("bo")) == "the account does not exist any more"


def test_an_adopted_account_has_no_key_yet():
    adoption = change("update", "ana", before={"key": None}, after={"key": "ana"})
    assert problem(adoption, account(None, user_id=user_id("ana"), mail=mail_of("ana"))) is None


def test_a_person_is_not_created_twice():
    creation = change("create", "ana", user_id=None, after={"mail": mail_of("ana")})
    assert problem(creation) is None
    assert problem(creation, account("ana", mail="other@acme.test")) == "an account has this key by now"
    newcomer = account("bo", mail=mail_of("ana"))
    assert problem(creation, newcomer) == "an account has this address by now"
    freed = change("change_mail", "bo", before={"mail": mail_of("ana")}, after={"mail": mail_of("bo")})
    assert problem(creation, newcomer, among=[freed]) is None, "the plan frees the address before"


def test_a_group_that_was_renamed_by_hand_is_not_renamed_again():
    rename = change("update_group", "Acme/Staff/Sales", user_id=None, group=SALES, before={"name": "Sales"})
    assert problem(rename) is None
    assert problem(rename, groups={one: group for one, group in GROUPS.items() if one != SALES}) is not None
    assert problem(change("update_group", "x", user_id=None, group=SALES, before={"name": "Shops"})) is not None


@pytest.mark.parametrize("action", ["add_to_group", "remove_from_group", "update_group"])
def test_a_group_that_is_gone_or_not_managed_any_more_is_not_changed(action):
    before = {"name": "Sales"} if action == "update_group" else {}
    one = change(action, "ana", group=SALES, before=before, after={"role": "learner"})
    assert problem(one, account("ana", SALES)) is None
    assert "is not managed" in problem(one, account("ana", SALES), managed_groups=MANAGED - {SALES})
    gone = {each: group for each, group in GROUPS.items() if each != SALES}
    assert problem(one, account("ana"), groups=gone, managed_groups=MANAGED - {SALES}) is not None


def test_a_person_is_not_created_in_a_group_that_is_gone():
    creation = change(
        "create", "ana", user_id=None, after={"mail": mail_of("ana"), "groups": [OTHER, "Acme/Staff/New"]}
    )
    new = change("create_group", "Acme/Staff/New", user_id=None, group="Acme/Staff/New")
    new = replace(new, after={"name": "New", "parent": STAFF})
    assert problem(creation, among=[new]) is None, "Other is the default group, which need not be managed"
    gone = {each: group for each, group in GROUPS.items() if each != OTHER}
    assert problem(creation, among=[new], groups=gone) == "a group does not exist any more"


def test_a_new_group_whose_place_has_changed_is_not_created():
    top = change("create_group", "Acme/Staff/Sales/New", user_id=None, group="Acme/Staff/Sales/New")
    top = replace(top, after={"name": "New", "parent": SALES})
    below = change("create_group", f"{top.key}/Newer", user_id=None, group=f"{top.key}/Newer")
    below = replace(below, after={"name": "Newer", "parent": top.key})
    assert problem(top, among=[below]) is problem(below, among=[top]) is None
    for groups in (
        {one: group for one, group in GROUPS.items() if one != SALES},
        GROUPS | {SALES: replace(GROUPS[SALES], name="Vente")},
        GROUPS | {SALES: replace(GROUPS[SALES], parent_id=BOARD)},
    ):
        managed = MANAGED & groups.keys()
        assert problem(top, among=[below], groups=groups, managed_groups=managed) is not None
        assert problem(below, among=[top], groups=groups, managed_groups=managed) is not None
    assert problem(top, managed_groups=MANAGED - {SALES}) is not None


def test_dates_are_compared_as_times():
    before = {"deactivates_at": "2026-12-01T03:00:00+01:00"}
    assert datetime.fromisoformat(before["deactivates_at"]) == NOW
    leaves = account("ana", deactivates_at=NOW, deactivation_known=True)
    assert problem(change("update", "ana", before=before), leaves) is None
