"""Who is created, recognized, adopted, reinstated, and given another address."""

from __future__ import annotations

from dataclasses import replace

import pytest

from airflow_provider_360learning.sync.state import Remembered, SyncState
from tests.sync.companies import (
    LIKE_V1,
    NOW,
    OTHER,
    SALES,
    STAFF,
    account,
    an_id,
    conflicts,
    findings,
    mail_of,
    only,
    people,
    person,
    plan,
    platform,
    shown,
    user_id,
)

SITE = an_id(77)


def unmanaged(key, **given):
    """Return an account without a key."""
    return replace(account(key), key=None, **given)


def deleted(key, **given):
    return replace(account(key), **{"status": "deleted", "memberships": None} | given)


# Recognized


def test_equal_people_change_nothing():
    ada = person("ada", "Sales", fields={"job": "Engineer"})
    found = plan([ada], platform(account("ada", SALES, fields={"job": "Engineer"})))
    assert found.changes == found.conflicts == found.reports == found.errors == ()
    assert found.managed == 1


def test_a_new_person_is_created_with_groups_and_fields():
    ada = person("ada", "Sales", "Board:coach", "Staff", fields={"job": "Engineer", "phone": None})
    found = plan([ada], platform())
    created, added = found.changes
    assert created.action == "create"
    assert created.user_id is None
    assert created.before == {}
    assert created.after == {
        "key": "ada",
        "mail": "ada@acme.test",
        "role": "learner",
        "groups": [SALES, STAFF],
        "job": "Engineer",
    }
    assert (added.action, added.after) == ("add_to_group", {"role": "coach"})


def test_a_new_person_without_groups_joins_the_default_group():
    assert only(plan([person("ada")], platform())).after["groups"] == [STAFF]


def test_a_new_person_without_any_group_is_an_error():
    found = plan([person("ada", rows=(7,))], platform(), default_group=None)
    assert found.changes == ()
    assert found.errors == ((7, "ada: a new or returning person must be in a group: give one, or set default_group"),)


def test_custom_fields_of_a_new_person_are_a_change_of_their_own():
    ada = person("ada", custom_fields={"Site": "Lyon"})
    found = plan([ada], platform(custom_fields={user_id("site"): "Site"}))
    assert shown(found) == [("create", "ada"), ("update", "ada")]
    assert found.changes[1].after == {f"custom_fields.{user_id('site')}": "Lyon"}


def test_an_account_without_a_key_is_reported_and_nothing_else():
    found = plan([person("ada")], platform(unmanaged("ada")))
    assert (found.changes, found.conflicts, findings(found)) == ((), (), {("unmanaged", "ada")})
    assert found.managed == 0


def test_an_account_without_a_key_is_adopted_by_its_address():
    change = only(plan([person("ada")], platform(unmanaged("ada")), adopt="mail"))
    assert (change.action, change.user_id) == ("update", user_id("ada"))
    assert (change.before, change.after) == ({"key": None}, {"key": "ada"})


@pytest.mark.parametrize(
    "has",
    [unmanaged("ada", other_key="crm:1"), unmanaged("ada", status="deleted"), unmanaged("ada", is_protected=True)],
    ids=["another key", "deleted", "protected"],
)
def test_other_accounts_are_not_adopted(has):
    found = plan([person("ada")], platform(has), adopt="mail")
    assert found.changes == found.conflicts == ()
    assert len(found.reports) == 1


def test_people_who_left_are_neither_created_nor_adopted_nor_reinstated():
    left = [person("new", status="inactive"), person("free", leaves_at=NOW), person("old", status="inactive")]
    found = plan(left, platform(unmanaged("free"), deleted("old")), adopt="mail")
    assert found.changes == found.conflicts == ()


def test_two_accounts_with_one_key_are_a_conflict():
    twin = replace(account("ada"), user_id=user_id("twin"), mail="twin@acme.test")
    found = plan([person("ada", fields={"job": "X"})], platform(account("ada"), twin))
    assert (found.changes, conflicts(found)) == ((), [("ada",)])
    assert plan([], platform(account("ada"), twin), leavers="missing").changes == ()


def test_two_people_with_one_key_are_a_conflict():
    twice = people(person("ada", rows=(1,)), person("ada", rows=(2,), mail="b@acme.test"))
    found = plan(twice, platform(account("ada")))
    assert (found.changes, conflicts(found), found.conflicts[0].rows) == ((), [("ada",)], (1, 2))


def test_an_account_that_was_created_before_its_key_could_be_set_is_adopted_from_the_state():
    state = SyncState({"ada": Remembered(user_id=user_id("ada"), mail=mail_of("ada"), awaits_key=True)})
    change = only(plan([person("ada")], platform(unmanaged("ada")), state))
    assert (change.action, change.after) == ("update", {"key": "ada"})


@pytest.mark.parametrize("mail", ["ada@acme.test", "new@acme.test"])
@pytest.mark.parametrize("adopt", ["never", "mail"])
def test_an_account_whose_key_was_removed_by_hand_is_not_adopted_from_the_state(mail, adopt):
    state = SyncState({"ada": Remembered(user_id=user_id("ada"), mail=mail_of("ada"))})
    found = plan([person("ada", mail=mail)], platform(unmanaged("ada")), state, adopt=adopt)
    if adopt == "mail" and mail == mail_of("ada"):
        assert only(found).after == {"key": "ada"}
    else:
        assert (found.changes, findings(found)) == ((), {("unmanaged", "ada")})


def test_an_accepted_invitation_is_adopted_from_the_state():
    invitation = Remembered(user_id=user_id("invitation"), mail=mail_of("ada"), invited_at=NOW, awaits_key=True)
    found = plan([person("ada")], platform(unmanaged("ada")), SyncState({"ada": invitation}))
    assert only(found).after == {"key": "ada"}


def test_an_account_of_the_state_with_another_key_is_a_conflict():
    state = SyncState({"ada": Remembered(user_id=user_id("ada"), mail=mail_of("ada"))})
    for other in (account("ada"), replace(account("ada"), other_key="crm:9")):
        renamed = replace(other, key="eve" if other.other_key is None else None)
        found = plan([person("ada"), person("eve", mail="ada@acme.test")][:1], platform(renamed), state)
        assert found.changes == ()
        assert "ada" in conflicts(found)[0]


def test_an_account_that_is_found_for_two_people_is_a_conflict():
    state = SyncState({"eve": Remembered(user_id=user_id("ada"), mail=mail_of("eve"), awaits_key=True)})
    found = plan([person("ada"), person("eve")], platform(unmanaged("ada")), state, adopt="mail")
    assert (found.changes, conflicts(found)) == ((), [("ada", "eve")])


@pytest.mark.parametrize("entry", ["ada", "hr:ada", "ada@acme.test", "*@acme.test", user_id("ada")])
def test_protected_people_are_not_changed(entry):
    ada = person("ada", fields={"job": "X"})
    is_account = entry == user_id("ada")
    assert findings(plan([ada], platform(account("ada")), protected=(entry,))) == {("protected", "ada")}
    new = plan([ada], platform(), protected=(entry,))
    assert (new.changes == ()) is not is_account


def test_protected_accounts_are_not_changed():
    found = plan([person("ada", "Sales", status="inactive")], platform(account("ada", is_protected=True)))
    assert (found.changes, findings(found)) == ((), {("protected", "ada")})


# Pending


def test_pending_people_of_v2_are_changed_but_not_created_again():
    ada = person("ada", "Sales", fields={"job": "X"})
    found = plan([ada], platform(account("ada", SALES, status="pending", fields={"job": None})))
    assert (shown(found), findings(found)) == ([("update", "ada")], {("pending", "ada")})


def test_changes_of_pending_people_of_v1_wait():
    boss = person("boss")
    ada = person(
        "ada", "Sales", "Board:coach", fields={"job": "X"}, mail="new@acme.test", manager="boss", leaves_at=None
    )
    invitation = account("ada", user_id=None, status="pending", memberships=None)
    found = plan([ada, boss], platform(invitation, account("boss"), **LIKE_V1))
    assert (found.changes, findings(found)) == ((), {("pending", "ada")})


def test_invitations_of_v1_wait_for_everything_that_needs_a_user():
    ada = person("ada", "Sales", "Staff", "Board:coach", custom_fields={"Site": "Lyon"}, manager="boss")
    found = plan([ada, person("boss")], platform(account("boss"), custom_fields={user_id("s"): "Site"}, **LIKE_V1))
    assert shown(found) == [("create", "ada")]
    assert only(found).after["groups"] == [SALES, STAFF]


def test_an_expired_invitation_is_sent_again():
    state = SyncState({"ada": Remembered(mail=mail_of("ada"), invited_at=NOW)})
    assert shown(plan([person("ada")], platform(**LIKE_V1), state)) == [("create", "ada")]


# Returning


def test_a_deleted_account_is_reinstated_with_its_groups():
    found = plan([person("ada", "Sales", "Board:coach")], platform(deleted("ada")))
    reinstated, added = found.changes
    assert (reinstated.action, reinstated.user_id) == ("reinstate", user_id("ada"))
    assert reinstated.before == {"status": "deleted", "mail": "ada@acme.test"}
    assert reinstated.after == {"mail": "ada@acme.test", "role": "learner", "groups": [SALES]}
    assert (added.action, added.after) == ("add_to_group", {"role": "coach"})


def test_a_rehire_with_a_new_address_gets_the_old_account_and_then_the_address():
    old = deleted("ada", mail="old@acme.test")
    found = plan([person("ada")], platform(old))
    assert shown(found) == [("reinstate", "ada"), ("change_reinstated_mail", "ada")]
    assert found.changes[0].after["mail"] == "old@acme.test"
    assert (found.changes[1].before, found.changes[1].after) == ({"mail": "old@acme.test"}, {"mail": "ada@acme.test"})


def test_a_live_account_goes_before_a_deleted_one():
    other = deleted("ada", user_id=user_id("old"), mail="old@acme.test")
    assert plan([person("ada")], platform(other, account("ada"))).changes == ()


def test_a_pseudonymized_account_is_not_reinstated():
    state = SyncState({"ada": Remembered(user_id=user_id("ada"), mail=mail_of("ada"))})
    with_key = deleted("ada", mail="deleted-1@360learning.test")
    found = plan([person("ada")], platform(with_key), state)
    assert (found.changes, conflicts(found)) == ((), [("ada",)])
    assert shown(plan([person("ada")], platform(replace(with_key, key=None)), state)) == [("create", "ada")]


def test_a_deleted_account_without_an_address_is_a_conflict():
    found = plan([person("ada")], platform(deleted("ada", mail="")))
    assert (found.changes, conflicts(found)) == ((), [("ada",)])


def test_a_deleted_account_that_has_lost_its_key_is_reinstated_from_the_state():
    state = SyncState({"ada": Remembered(user_id=user_id("ada"), mail=mail_of("ada"))})
    found = plan([person("ada", mail="new@acme.test")], platform(replace(deleted("ada"), key=None)), state)
    assert shown(found) == [("reinstate", "ada"), ("change_reinstated_mail", "ada"), ("update", "ada")]


def test_with_addresses_as_keys_accounts_outside_the_scope_are_no_conflict():
    twins = [account("x"), replace(account("x"), user_id=user_id("y"))]
    found = plan([person("ada")], platform(account("ada"), *twins), key="mail")
    assert found.changes == found.conflicts == ()


def test_several_deleted_accounts_with_one_key_are_a_conflict():
    other = deleted("ada", user_id=user_id("old"), mail="old@acme.test")
    assert conflicts(plan([person("ada")], platform(other, deleted("ada")))) == [("ada",)]


def test_the_managers_of_the_old_job_are_removed():
    has = platform(deleted("ada"), account("boss"), account("new"))
    state = SyncState({"ada": Remembered(user_id=user_id("ada"), applied={"manager": user_id("boss")})})
    wanted = [person("ada", manager="new"), person("boss"), person("new")]
    found = plan(wanted, has, state)
    assert shown(found) == [("reinstate", "ada"), ("add_manager", "ada")]
    assert found.changes[0].after["removes_managers"] is True
    # An invalid manager says nothing, nor does a source without managers, nor a field for new people only.
    for rows, more in (
        ([person("ada", manager="nobody"), *wanted[1:]], {}),
        ([person("ada")], {}),
        (wanted, {"create_only": frozenset({"manager"})}),
    ):
        assert "removes_managers" not in plan(rows, has, state, **more).changes[0].after


def test_values_that_cannot_be_read_are_written_again_to_a_restored_account():
    """Which ones a restoration keeps is not known."""
    ada = person("ada", fields={"job": "Welder", "phone": None}, custom_fields={SITE: "Lyon"})
    applied = {"job": "Welder", "phone": None, f"custom_fields.{SITE}": "Lyon"}
    state = SyncState({"ada": Remembered(user_id=user_id("ada"), mail=mail_of("ada"), applied=applied)})
    fields = {"custom_fields": {SITE: "Site"}}
    found = plan([ada], platform(deleted("ada", is_listed=False), **LIKE_V1, **fields), state)
    assert shown(found) == [("reinstate", "ada"), ("update", "ada")]
    assert found.changes[1].after == {"key": "ada", "job": "Welder", f"custom_fields.{SITE}": "Lyon"}
    found = plan([ada], platform(deleted("ada", fields={"job": "Welder", "phone": None}), **fields), state)
    assert found.changes[1].after == {f"custom_fields.{SITE}": "Lyon"}  # of deleted users, these are not read
    # An address is not a key that could be written.
    found = plan([person("ada")], platform(deleted("ada", is_listed=False), **LIKE_V1), state, key="mail")
    assert shown(found) == [("reinstate", "ada")]


def test_with_addresses_as_keys_only_people_whom_the_state_knows_return():
    has = platform(deleted("ada@acme.test", mail="ada@acme.test"))
    ada = person("ada@acme.test", mail="ada@acme.test")
    found = plan([ada], has, key="mail")
    assert (found.changes, conflicts(found)) == ((), [("ada@acme.test",)])
    state = SyncState({"ada@acme.test": Remembered(mail="ada@acme.test")})
    assert shown(plan([ada], has, state, key="mail")) == [("reinstate", "ada@acme.test")]


def test_a_date_that_has_passed_is_removed_with_the_reinstatement():
    found = plan([person("ada")], platform(deleted("ada", deactivates_at=NOW)))
    assert shown(found) == [("reinstate", "ada"), ("update", "ada")]
    assert found.changes[1].after == {"deactivates_at": None}


# Addresses


def test_a_change_of_address_is_recognized_by_the_key():
    change = only(plan([person("ada", mail="married@acme.test")], platform(account("ada"))))
    assert (change.action, change.before, change.after) == (
        "change_mail",
        {"mail": "ada@acme.test"},
        {"mail": "married@acme.test"},
    )


def test_addresses_change_in_the_order_in_which_they_become_free():
    chain = [person("a", mail="b@acme.test"), person("b", mail="c@acme.test"), person("c", mail="d@acme.test")]
    newcomer = person("n", mail="a@acme.test")
    found = plan([*chain, newcomer], platform(account("a"), account("b"), account("c")))
    assert shown(found) == [("change_mail", "c"), ("change_mail", "b"), ("change_mail", "a"), ("create", "n")]


def test_an_address_is_not_freed_by_another_account_of_the_same_key():
    """Ada gives up an address, but it is not the one of her deleted account."""
    has = platform(account("ada"), deleted("ada", user_id=user_id("old"), mail="old@acme.test"))
    found = plan([person("ada", mail="new@acme.test"), person("eve", mail="old@acme.test")], has)
    assert (found.changes, conflicts(found)) == ((), [("ada", "eve")])


def test_an_address_is_freed_by_an_account_that_awaits_its_key():
    state = SyncState({"ada": Remembered(user_id=user_id("ada"), mail=mail_of("ada"), awaits_key=True)})
    wanted = [person("ada", mail="new@acme.test"), person("eve", mail="ada@acme.test")]
    found = plan(wanted, platform(unmanaged("ada"), account("eve")), state)
    assert shown(found) == [("change_mail", "ada"), ("change_mail", "eve"), ("update", "ada")]


def test_a_swap_of_addresses_is_a_conflict():
    swap = [person("a", mail="b@acme.test"), person("b", mail="a@acme.test", fields={"job": "X"})]
    found = plan([*swap, person("c", mail="new@acme.test")], platform(account("a"), account("b"), account("c")))
    assert (conflicts(found), shown(found)) == ([("a", "b")], [("change_mail", "c")])


def test_who_waits_for_an_address_that_does_not_become_free_is_left_out():
    wanted = [
        person("a", mail="b@acme.test"),
        person("b", mail="c@acme.test"),
        person("n", mail="a@acme.test"),
    ]
    found = plan(wanted, platform(account("a"), account("b"), account(None, mail="c@acme.test", user_id=user_id("x"))))
    assert found.changes == ()
    assert {key for keys in conflicts(found) for key in keys} == {"a", "b", "n"}


@pytest.mark.parametrize(
    "holder",
    [account("old"), deleted("old"), account("old", status="pending"), account("old", is_protected=True)],
    ids=["active", "deleted", "pending", "protected"],
)
@pytest.mark.parametrize("has_account", [False, True], ids=["newcomer", "mover"])
def test_a_recycled_address_is_a_conflict(holder, has_account):
    """A newcomer must not inherit a leaver's account."""
    has = platform(holder, *([account("new")] if has_account else []))
    found = plan([person("new", mail="old@acme.test")], has, leavers="explicit")
    assert (found.changes, conflicts(found)) == ((), [("new", "old")])


def test_a_leaver_whose_address_is_given_away_is_part_of_the_conflict():
    wanted = [person("old", status="inactive"), person("new", mail="old@acme.test")]
    found = plan(wanted, platform(account("old")))
    assert (found.changes, conflicts(found)) == ((), [("new", "old")])


def test_a_returning_person_does_not_get_an_account_whose_address_has_another_user():
    found = plan(
        [person("ada", mail="new@acme.test"), person("eve")],
        platform(deleted("ada"), account("eve", mail="ada@acme.test")),
        create_only=frozenset({"mail"}),
    )
    assert (found.changes, conflicts(found)) == ((), [("ada", "eve")])


def test_two_people_who_need_one_address_are_a_conflict():
    found = plan([person("a", mail="x@acme.test"), person("b", mail="x@acme.test")], platform())
    assert (found.changes, conflicts(found)) == ((), [("a", "b")])


def test_an_address_of_an_unmanaged_account_is_not_taken():
    other = account(None, OTHER, mail="new@acme.test", user_id=user_id("x"))
    found = plan([person("ada", mail="new@acme.test")], platform(account("ada"), other))
    assert (found.changes, conflicts(found)) == ((), [("ada",)])


def test_no_text_has_an_address():
    wanted = [
        person("a", mail="b@acme.test"),
        person("b", mail="a@acme.test"),
        person("n", mail="free@acme.test"),
        person("m", manager="nobody@acme.test"),
    ]
    has = platform(account("a"), account("b"), unmanaged("free"), deleted("old"))
    found = plan(wanted, has)
    texts = [one.reason for one in (*found.conflicts, *found.changes)] + [one.text for one in found.reports]
    texts += [text for _, text in found.errors]
    assert len(texts) >= 4
    assert not [text for text in texts if "@" in text]


def test_texts_never_name_people_by_an_address():
    """What identifies a person may be an address; logs and summaries quote these texts."""
    keys = ("ada@hr.test", "eve@hr.test")
    ada = person(keys[0], mail="new@acme.test", manager="unknown", rows=(7,))
    found = plan([ada], platform(account(keys[0], mail="ada@acme.test")))
    assert found.errors == (
        (7, "the manager is neither a key nor the address of a person of the source, nor of a user: correct it"),
    )
    found = plan([ada], platform(account(keys[0]), account(keys[1], mail="new@acme.test")))
    [conflict] = found.conflicts
    assert conflict.reason.startswith(f"the address of row 7 belongs to an account of user {user_id(keys[1])} (")
    assert "@" not in str([conflict.reason, found.errors, [report.text for report in found.reports]])
