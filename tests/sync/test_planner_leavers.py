"""Who leaves, when, and what happens to the account: nothing is worse than a mistake here."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from airflow_provider_360learning.sync import guards
from airflow_provider_360learning.sync.plan import IN_AN_HOUR
from airflow_provider_360learning.sync.stale import StaleCheck
from airflow_provider_360learning.sync.state import Remembered, SyncState
from tests.sync.companies import (
    LIKE_V1,
    NOW,
    account,
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

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
GONE = person("ada", status="inactive")


def remembered(key="ada", **given):
    return SyncState({key: Remembered(user_id=user_id(key), mail=mail_of(key), **given)})


# By default


def test_by_default_leavers_are_reported_only():
    for leavers in ("explicit", "missing", "both"):
        wanted = [] if leavers == "missing" else [GONE]
        found = plan(wanted, platform(account("ada")), leavers=leavers, leaver_action="report")
        assert (found.changes, findings(found)) == ((), {("leaver", "ada")})


# What the source says


def test_an_inactive_person_is_deactivated_in_an_hour():
    change = only(plan([GONE], platform(account("ada"))))
    assert (change.action, change.after) == ("deactivate", {"deactivates_at": IN_AN_HOUR})


def test_an_inactive_person_is_deleted():
    change = only(plan([GONE], platform(account("ada")), leaver_action="delete"))
    assert (change.action, change.before, change.after) == ("delete", {"status": "active"}, {})


@pytest.mark.parametrize("action", ["deactivate", "delete"])
def test_a_future_date_is_set_at_once_and_the_person_works_until_then(action):
    ada = person("ada", "Sales", leaves_at=NOW + DAY)
    found = plan([ada], platform(account("ada")), leaver_action=action)
    assert shown(found) == [("add_to_group", "ada"), ("deactivate", "ada")]
    assert found.changes[1].after == {"deactivates_at": (NOW + DAY).isoformat()}


@pytest.mark.parametrize("action", ["deactivate", "delete"])
def test_a_future_date_counts_for_inactive_people_too(action):
    ada = person("ada", "Sales", status="inactive", leaves_at=NOW + DAY)
    change = only(plan([ada], platform(account("ada")), leaver_action=action))
    assert (change.action, change.after) == ("deactivate", {"deactivates_at": (NOW + DAY).isoformat()})
    assert plan([ada], platform(account("ada", deactivates_at=NOW + DAY)), leaver_action=action).changes == ()
    assert plan([ada], platform()).changes == ()
    invitation = account("ada", user_id=None, status="pending", memberships=None)
    invited = plan([ada], platform(invitation, **LIKE_V1), leaver_action=action)
    assert (invited.changes, findings(invited)) == ((), {("pending", "ada")})


@pytest.mark.parametrize(("days", "is_reported"), [(1, True), (30, True), (31, False), (400, False)])
def test_who_leaves_later_is_reported_when_that_is_near(days, is_reported):
    found = plan([person("ada", leaves_at=NOW + days * DAY)], platform(account("ada")), leaver_action="report")
    assert (found.changes, findings(found)) == ((), {("leaver", "ada")} if is_reported else set())


def test_an_account_without_a_key_leaves_while_it_gets_no_other_key():
    has = platform(replace(account("ada"), key=None))
    for action in ("deactivate", "delete"):
        found = plan([GONE], has, remembered(awaits_key=True), leaver_action=action)
        change = only(found)
        assert (change.action, change.before["key"]) == (action, None)
        assert StaleCheck(has, found.changes).problem(change) is None
        taken = platform(replace(account("ada"), key=None, other_key="manual:1"))
        assert StaleCheck(taken, found.changes).problem(change) == "key has changed"
        other = platform(replace(account("ada"), key="eve"))
        assert StaleCheck(other, found.changes).problem(change) == "the account has another key by now"


def test_a_newcomer_may_have_a_date():
    found = plan([person("ada", leaves_at=NOW + DAY)], platform())
    assert shown(found) == [("create", "ada"), ("deactivate", "ada")]
    assert shown(plan([person("ada", leaves_at=NOW + DAY)], platform(**LIKE_V1))) == [("create", "ada")]


@pytest.mark.parametrize("known", [NOW + DAY, None])
def test_a_date_that_is_set_is_not_set_again(known):
    ada = person("ada", leaves_at=NOW + DAY)
    has = account("ada", deactivates_at=known, deactivation_known=known is not None)
    assert plan([ada], platform(has), remembered(applied={"deactivates_at": (NOW + DAY).isoformat()})).changes == ()


@pytest.mark.parametrize("after", [HOUR, timedelta(minutes=5), -HOUR, -DAY])
def test_who_is_about_to_be_deactivated_is_left_alone(after):
    assert plan([GONE], platform(account("ada", deactivates_at=NOW + after))).changes == ()


@pytest.mark.parametrize("after", [2 * HOUR, 90 * DAY, -3 * DAY], ids=["later", "much later", "restored by hand"])
def test_another_date_does_not_keep_a_leaver(after):
    assert only(plan([GONE], platform(account("ada", deactivates_at=NOW + after)))).action == "deactivate"


def test_leavers_who_are_missing_only_do_not_regard_the_status():
    found = plan([GONE], platform(account("ada")), leavers="missing")
    assert (found.changes, findings(found)) == ((), {("leaver", "ada")})


def test_a_deleted_leaver_is_left_alone():
    has = platform(replace(account("ada"), status="deleted"))
    assert plan([GONE], has, leaver_action="delete") == plan([], has, leaver_action="delete")
    assert plan([GONE], has).changes == plan([GONE], has).reports == ()


def test_leavers_are_not_changed_otherwise():
    gone = person("ada", "Sales", status="inactive", fields={"job": "X"}, mail="new@acme.test", manager="boss")
    assert shown(plan([gone, person("boss")], platform(account("ada"), account("boss")))) == [("deactivate", "ada")]


# A date is taken back


def test_a_person_who_stays_after_all_is_not_deactivated():
    state = remembered(applied={"deactivates_at": (NOW + DAY).isoformat()})
    has = account("ada", deactivates_at=NOW + DAY)
    change = only(plan([person("ada")], platform(has), state))
    assert (change.action, change.before) == ("update", {"deactivates_at": (NOW + DAY).isoformat()})
    assert change.after == {"deactivates_at": None}


def test_a_date_that_was_set_by_hand_stays():
    assert plan([person("ada")], platform(account("ada", deactivates_at=NOW + DAY))).changes == ()


def test_a_date_of_the_sync_stays_while_leavers_are_only_reported():
    state = remembered(applied={"deactivates_at": (NOW + DAY).isoformat()})
    has = account("ada", deactivates_at=NOW + DAY)
    for more in ({}, LIKE_V1):
        found = plan([person("ada", leaves_at=NOW + DAY)], platform(has, **more), state, leaver_action="report")
        assert (found.changes, found.errors) == ((), ())


@pytest.mark.parametrize(
    ("applied", "held", "leaves_at", "agreed"),
    [
        (None, DAY, DAY, DAY),  # set by hand, and wanted
        (2 * DAY, DAY, DAY, DAY),
        (DAY, DAY, DAY, ...),
        (DAY, None, None, None),  # removed by hand
        (DAY, 2 * DAY, None, None),
        (None, DAY, None, ...),
        (None, None, None, ...),
        (DAY, 2 * DAY, DAY, ...),  # is set again
    ],
)
def test_a_date_that_is_there_counts_as_applied(applied, held, leaves_at, agreed):
    def at(after):
        return None if after is None else NOW + after

    state = remembered(applied={} if applied is None else {"deactivates_at": at(applied).isoformat()})
    found = plan([person("ada", leaves_at=at(leaves_at))], platform(account("ada", deactivates_at=at(held))), state)
    expected = {} if agreed is ... else {"ada": {"deactivates_at": agreed and at(agreed).isoformat()}}
    assert found.agreed == expected


def test_where_a_date_cannot_be_removed_it_is_an_error():
    state = remembered(applied={"deactivates_at": (NOW + DAY).isoformat()})
    found = plan([person("ada", "Sales")], platform(account("ada", deactivation_known=False), **LIKE_V1), state)
    assert (found.changes, len(found.errors)) == ((), 1)
    removed = plan([person("ada", "Sales")], platform(account("ada"), **LIKE_V1), state)
    assert (shown(removed), removed.errors) == ([("add_to_group", "ada")], ())


# Missing


def test_a_missing_person_leaves():
    found = plan([person("eve")], platform(account("ada"), account("eve")))
    assert (shown(found), found.missing, found.managed) == ([("deactivate", "ada")], ("ada",), 2)


def test_with_explicit_leavers_nobody_is_missing():
    found = plan([], platform(account("ada")), leavers="explicit")
    assert found.changes == found.reports == found.missing == ()


def test_accounts_without_a_key_are_never_missing():
    others = [replace(account("ada"), key=None), replace(account("eve"), key=None, other_key="crm:1")]
    found = plan([], platform(*others))
    assert (found.changes, found.reports, found.managed) == ((), (), 0)


def test_with_addresses_as_keys_only_people_of_the_state_are_missing():
    has = platform(account("ada"), account("eve"))
    found = plan([], has, remembered("eve"), key="mail")
    assert (shown(found), found.managed) == ([("deactivate", "eve")], 1)


def test_with_addresses_as_keys_all_people_of_a_plan_are_remembered():
    gone = person("gone", status="inactive")
    has = platform(*map(account, ("ada", "eve", "gone", "other")))
    found = plan([person("ada"), person("eve"), gone], has, remembered("eve"), key="mail", leaver_action="report")
    assert found.agreed == {"ada": {}, "gone": {}}


def test_protected_people_are_never_missing():
    found = plan([], platform(account("ada", is_protected=True)))
    assert (found.changes, findings(found)) == ((), {("protected", "ada")})


def test_invalid_rows_do_not_make_their_people_leave():
    found = plan(people(invalid=frozenset({"ada"})), platform(account("ada"), account("eve")))
    assert shown(found) == [("deactivate", "eve")]


def test_no_one_leaves_while_the_key_of_a_row_is_invalid():
    found = plan(people(invalid=frozenset({None})), platform(account("ada")), leaver_action="delete")
    assert (found.changes, found.missing, findings(found)) == ((), ("ada",), {("missing", "ada")})


def test_people_of_conflicts_do_not_leave():
    twins = [account("ada"), replace(account("ada"), user_id=user_id("twin"), mail="twin@acme.test")]
    newcomer = person("new", mail="old@acme.test")
    found = plan([newcomer], platform(*twins, account("old")))
    assert (found.changes, found.missing) == ((), ("ada", "old"))
    assert set(conflicts(found)) == {("ada",), ("new", "old")}


@pytest.mark.parametrize(
    ("earlier", "required", "is_new", "leaves"),
    [
        (0, 1, True, True),
        (0, 1, False, True),
        (0, 2, True, False),
        (1, 2, True, True),
        (1, 2, False, False),  # retries and previews of an interval do not count
        (2, 2, False, True),
        (0, 3, False, False),
    ],
)
def test_missing_runs(earlier, required, is_new, leaves):
    state = remembered(missing_runs=earlier, missing_since=NOW - DAY if earlier else None)
    found = plan([], platform(account("ada")), state, missing_runs=required, is_new_interval=is_new)
    assert (shown(found), found.missing) == ([("deactivate", "ada")] if leaves else [], ("ada",))


@pytest.mark.parametrize(("days", "leaves"), [(None, False), (6, False), (7, True), (8, True)])
def test_grace(days, leaves):
    since = None if days is None else NOW - days * DAY
    state = remembered(missing_since=since, missing_runs=5)
    found = plan([], platform(account("ada")), state, leaver_grace=7)
    assert (bool(found.changes), found.missing) == (leaves, ("ada",))


def test_a_leaver_who_is_only_reported_is_missing_in_each_plan():
    """Otherwise the state would forget that the person is missing, and the next plan count another first night."""
    state = remembered(missing_since=NOW - DAY, missing_runs=1)
    found = plan([], platform(account("ada")), state, missing_runs=2, leaver_action="report")
    assert (findings(found), found.missing) == ({("leaver", "ada")}, ("ada",))
    assert guards.leavers(found, state, NOW) == frozenset()


def test_an_invitation_that_cannot_be_withdrawn_is_reported():
    invitation = account("ada", user_id=None, status="pending", memberships=None)
    for wanted in ([], [GONE]):
        found = plan(wanted, platform(invitation, **LIKE_V1), leaver_action="delete")
        assert found.changes == ()
        assert ("pending", "ada") in findings(found)


def test_an_invited_user_leaves():
    assert shown(plan([], platform(account("ada", status="pending")), leaver_action="delete")) == [("delete", "ada")]
