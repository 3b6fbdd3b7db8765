"""Invitations that are pending, accepted, or expired, through the operator, on both API versions."""

from __future__ import annotations

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_360learning.sandbox.demo_company import SALES_GROUP_ID
from tests.sync.sync_runs import changes_of, pass_days, row

ANA = "ana@acme.test"
DAY = 86_400


@pytest.fixture
def syncs(syncs):
    """Run syncs that invite new people."""
    syncs.defaults |= {"joiner_mode": "invite", "managed_groups": ["Sales"]}
    return syncs


def invited(sandbox):
    """Return the addresses that were sent an invitation."""
    return sorted(mail["to"] for mail in sandbox.control.state()["mails_sent"] if mail["kind"] == "invitation")


def let_days_pass(api, sandbox, syncs, days):
    """Let days pass for 360Learning and for what the sync remembers."""
    sandbox.control.advance(days * DAY)
    pass_days(api, syncs, days)


def roles(api, mail):
    return {(one["group_id"], one["role"]) for one in api.list_user_roles(user=mail)}


@pytest.mark.parametrize("version", ["v1"])
@pytest.mark.parametrize("ids", ["user", "own"])
def test_an_expired_invitation_is_sent_again(api, sandbox, syncs, ids):
    sandbox.control.settings(invitation_ids=ids)
    rows, arguments = [row("ana"), row("bo")], {"invitation_valid_for": 7}
    syncs.apply(rows, **arguments)
    sandbox.control.accept_invitation("bo@acme.test")
    let_days_pass(api, sandbox, syncs, 6)
    waiting = syncs.apply(rows, **arguments)
    # An invitation is sent without the key, which the account gets once it is accepted.
    assert (waiting["counts"], waiting["emails"]) == ({"pending": 1, "update": 1}, 0)
    assert api.get_user(user="bo@acme.test")["custom"] == "hr:bo"
    let_days_pass(api, sandbox, syncs, 2)
    # In the meantime, the person has got another address.
    moved = [row("ana") | {"mail": "anna@acme.test"}, row("bo")]
    again = syncs.apply(moved, **arguments)
    [change] = changes_of(again)
    assert (change["action"], change["key"], change["reason"]) == ("create", "ana", "the invitation has expired")
    assert (again["emails"], again["outcomes"]) == (1, {"invited": 1})
    assert invited(sandbox) == [ANA, "anna@acme.test", "bo@acme.test"]
    assert [one["mail"] for one in sandbox.control.state()["invitations"] if one["mail"].startswith("an")] == [
        "anna@acme.test"
    ]
    # The days of the new one are counted from its own beginning.
    let_days_pass(api, sandbox, syncs, 6)
    assert syncs.apply(moved, **arguments)["counts"] == {"pending": 1}
    sandbox.control.accept_invitation("anna@acme.test")
    let_days_pass(api, sandbox, syncs, 30)
    syncs.apply(moved, **arguments)
    assert api.get_user(user="anna@acme.test")["custom"] == "hr:ana"
    assert changes_of(syncs.plan(moved, **arguments)) == []


@pytest.mark.parametrize("version", ["v1"])
def test_an_invitation_keeps_the_days_with_which_it_was_sent(api, sandbox, syncs):
    syncs.apply([row("ana")], invitation_valid_for=30)
    let_days_pass(api, sandbox, syncs, 10)
    assert syncs.plan([row("ana")], invitation_valid_for=3)["counts"] == {"pending": 1}
    syncs.apply([row("ana"), row("bo")])
    let_days_pass(api, sandbox, syncs, 1000)
    assert [change["key"] for change in changes_of(syncs.apply([row("ana"), row("bo")]))] == ["ana"]
    assert invited(sandbox) == [ANA, ANA, "bo@acme.test"]


@pytest.mark.parametrize("version", ["v1"])
def test_an_invitation_that_has_not_expired_after_all_is_not_sent_twice(api, sandbox, syncs):
    syncs.apply([row("ana")], invitation_valid_for=7)
    pass_days(api, syncs, 8)
    assert syncs.apply([row("ana")], invitation_valid_for=7)["outcomes"] == {"already_invited": 1}
    result = syncs.apply([row("ana")], invitation_valid_for=7)
    assert (changes_of(result), result["counts"]) == ([], {"pending": 1})
    assert invited(sandbox) == [ANA]


def test_days_are_refused_where_no_invitation_expires(api, syncs):
    if not api.user_facts.expires_invitations:
        with pytest.raises(AirflowFailException, match="invitation_valid_for: this version of the API has no"):
            syncs.plan([row("ana")], invitation_valid_for=7)
    with pytest.raises(AirflowFailException, match="invitation_valid_for"):
        syncs.plan([row("ana")], invitation_valid_for=7, joiner_mode="create_active")
    with pytest.raises(AirflowFailException, match="invitation_valid_for"):
        syncs.plan([row("ana")], invitation_valid_for=0)


@pytest.mark.parametrize(
    ("version", "ids", "details"),
    [("v2", "user", True), ("v1", "user", True), ("v1", "own", True), ("v1", "user", False), ("v1", "own", False)],
)
def test_an_accepted_invitation_is_found_whatever_its_account_has(api, sandbox, syncs, ids, details):
    sandbox.control.settings(invitation_ids=ids, accepted_details=details)
    rows = [row("ana", job="Welder", groups="Sales:coach")]
    syncs.apply(rows)
    sandbox.control.accept_invitation(ANA)
    syncs.apply(rows, owned=["first_name"])
    found = api.get_user(user=ANA)
    assert (found["custom"], found["first_name"]) == ("hr:ana", "Ana")
    result = syncs.apply(rows)
    assert (changes_of(result), "pending" in result["counts"]) == ([], False)
    assert invited(sandbox) == [ANA]


def test_changes_of_pending_people_are_made_in_the_end(api, sandbox, syncs):
    syncs.apply([row("ana"), row("bo")])
    rows = [
        row("ana", job="Welder", manager="bo", groups="Sales;Sales:coach") | {"mail": "anna@acme.test"},
        row("bo", phone="1"),
    ]
    first = syncs.apply(rows)
    if not api.user_facts.invited_are_users:
        assert (changes_of(first), first["counts"]) == ([], {"pending": 2})
    for mail in ("bo@acme.test", ANA if changes_of(first) == [] else "anna@acme.test"):
        sandbox.control.accept_invitation(mail)
    syncs.apply(rows)
    ana = api.get_user(user="anna@acme.test")
    assert ana["job"] == "Welder"
    assert roles(api, "anna@acme.test") >= {(SALES_GROUP_ID, "learner"), (SALES_GROUP_ID, "coach")}
    bo = api.get_user(user="bo@acme.test")["user_id"]
    managers = api.list_managers(user="anna@acme.test")
    assert [one["user_id"] or one["mail"] for one in managers] in ([bo], ["bo@acme.test"])
    assert changes_of(syncs.plan(rows)) == []
    assert invited(sandbox) == [ANA, "bo@acme.test"]
