"""
Creations and reinstatements that restore the account of another person, whom the plan did not know.

API v1 does not list deleted accounts, and in both versions one can be deleted while a plan is applied: so that both do
it, the attempts here end before they create anybody, and the leaver is deleted before the next one.
"""

from __future__ import annotations

import json

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_360learning.sandbox.demo_company import GRACE_MAIL
from airflow_provider_360learning.sync.planning import company_of
from airflow_provider_360learning.sync.state import load_state
from tests.sync.sync_runs import changes_of, row
from tests.sync.test_apply_lifecycle import attempt

pytestmark = pytest.mark.slow  # each phase of an applied plan is a bulk run

CREATIONS = ("createUser", "createOrInviteUser")
REJECTED = {"kind": "status", "status": 401, "body": {"error": "invalid_api_key"}, "count": 20}
#: The address of a person who has left, and of a newcomer.
RECYCLED = "una@acme.test"
NEWCOMER = row("ana", first_name="Ana", job="Welder", groups="Sales;Welders") | {"mail": RECYCLED}
ROWS = [NEWCOMER, row("bo", job="Smith")]
ARGUMENTS = {"managed_groups": ["Sales"], "create_groups": True}


def leave(api, sandbox, mail=RECYCLED, custom="E-17"):
    """Let a user use an account, and delete it; return its id."""
    api.create_user(mail=mail, mode="create_active", first_name="Una", last_name="Old", custom=custom)
    user_id = api.get_user(user=mail)["user_id"]
    api.add_manager(user=user_id, manager=api.get_user(user=GRACE_MAIL)["user_id"])
    sandbox.control.log_in(mail)
    api.delete_user(user=user_id)
    return user_id


def stop_before_creations(sandbox, syncs, rows, **arguments):
    """Let an attempt end before it creates anybody."""
    for operation in CREATIONS:
        sandbox.control.add_fault(operation, **REJECTED)
    with pytest.raises(AirflowFailException, match=r"(?i)api.key|client"):
        syncs.apply(rows, **arguments)
    sandbox.control.clear_faults()


def found(sandbox, user_id):
    """Return what the sandbox has of a user, deleted or not."""
    state = sandbox.control.state()
    [user] = [each for each in state["users"] + state["invitations"] if each["id"] == user_id]
    names = ("first_name", "last_name", "custom", "job")
    return {"status": user["status"], "mail": user["mail"]} | {name: user["profile"].get(name) for name in names}


LEFT = {"status": "deleted", "mail": RECYCLED, "first_name": "Una", "last_name": "Old", "custom": "E-17", "job": None}


def outcomes(syncs):
    """Return outcome and message by action and key, of the plan that was applied last."""
    path = max((syncs.folder / "plans").glob("*/outcomes.jsonl"), key=lambda each: each.stat().st_mtime)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return {(line["action"], line["key"]): (line["outcome"], line["message"]) for line in lines}


def remembered(api, syncs, key="custom hr:"):
    return load_state(f"{syncs.folder}/state", f"{company_of(api)} {key}")


def created(sandbox):
    """Return the creations that succeeded since the journal was cleared."""
    return [each for each in sandbox.control.journal() if each["operation"] in CREATIONS and each["status"] < 400]


def unmanaged(result):
    """Return whether a plan changes nothing, and reports one person as unmanaged."""
    return changes_of(result) == [] and result["counts"].get("unmanaged") == 1


def test_an_account_that_was_restored_is_deleted_again_and_keeps_its_values(api, sandbox, syncs):
    stop_before_creations(sandbox, syncs, ROWS, **ARGUMENTS)
    user_id = leave(api, sandbox)
    with pytest.raises(AirflowFailException, match=r"changes were not made, the first: create of .*conflict"):
        syncs.apply(ROWS, **ARGUMENTS)
    assert found(sandbox, user_id) == LEFT
    outcome, message = outcomes(syncs)["create", "ana"]
    assert (outcome, "is deleted again" in message) == ("conflict", True)
    assert api.get_user(user="bo@acme.test")["first_name"] == "Bo"
    # The next nights, the newcomer is reported, and nothing is created and deleted again.
    sandbox.control.clear_journal()
    assert unmanaged(syncs.apply(ROWS, **ARGUMENTS))
    assert unmanaged(syncs.apply(ROWS, **ARGUMENTS, adopt="mail"))
    assert created(sandbox) == []
    # The way back, if it is the same person: the account is restored by hand, and gets the key.
    api.create_user(mail=RECYCLED, mode="create_active")
    api.update_user(user=user_id, custom="hr:ana")
    syncs.apply(ROWS, **ARGUMENTS)
    assert found(sandbox, user_id)["job"] == "Welder"
    assert (changes_of(syncs.plan(ROWS, **ARGUMENTS)), remembered(api, syncs).restored) == ([], {})


def test_with_addresses_as_keys_a_person_whose_account_was_restored_returns_by_hand(api, sandbox, syncs):
    rows = [{name: value for name, value in each.items() if name != "key"} for each in ROWS]
    arguments = {**ARGUMENTS, "key": "mail", "key_namespace": None}
    stop_before_creations(sandbox, syncs, rows, **arguments)
    user_id = leave(api, sandbox)
    with pytest.raises(AirflowFailException, match="conflict"):
        syncs.apply(rows, **arguments)
    assert found(sandbox, user_id) == LEFT
    for _ in range(2):
        result = syncs.apply(rows, **arguments, max_conflicts=1)
        assert changes_of(result) == []
        assert {"unmanaged", "conflict"} & result["counts"].keys()
    api.create_user(mail=RECYCLED, mode="create_active")
    syncs.apply(rows, **arguments)
    assert found(sandbox, user_id)["job"] == "Welder"
    assert (changes_of(syncs.plan(rows, **arguments)), remembered(api, syncs, "mail").restored) == ([], {})


def test_an_account_that_was_restored_is_deleted_again_before_applying_stops(api, sandbox, syncs):
    rows = [NEWCOMER, *(row(f"p{number}") for number in range(6))]
    stop_before_creations(sandbox, syncs, rows, **ARGUMENTS)
    user_id = leave(api, sandbox)
    for number in range(6):
        for operation in CREATIONS:
            sandbox.control.add_fault(operation, kind="status", status=400, mentions=f"p{number}@acme", count=9)
    with pytest.raises(AirflowFailException, match="stop_after_failures"):
        syncs.apply(rows, **ARGUMENTS, stop_after_failures=1)
    assert found(sandbox, user_id) == LEFT
    assert remembered(api, syncs).restored[RECYCLED].status == "deleted"
    sandbox.control.clear_faults()
    with pytest.raises(AirflowFailException, match="conflict"):
        syncs.apply(rows, **ARGUMENTS, stop_after_failures=100)
    assert found(sandbox, user_id) == LEFT
    result = syncs.plan(rows, **ARGUMENTS)  # may have those whose creation failed
    assert result["counts"]["unmanaged"] == 1
    assert "ana" not in {change["key"] for change in changes_of(result)}


def test_a_restoration_whose_response_was_lost_is_noticed(api, sandbox, syncs):
    stop_before_creations(sandbox, syncs, ROWS, **ARGUMENTS)
    user_id = leave(api, sandbox)
    for operation in CREATIONS:
        sandbox.control.add_fault(operation, kind="drop_after", mentions=RECYCLED)
    with pytest.raises(AirflowFailException, match="conflict"):
        syncs.apply(ROWS, **ARGUMENTS)
    assert found(sandbox, user_id) == LEFT


def lose_creations(sandbox, syncs, rows, **arguments):
    """Let an attempt end after it has created people, and before it knows it."""
    sandbox.control.add_fault("createOrInviteUser", kind="drop_after", count=len(rows))
    sandbox.control.add_fault("getUser", **REJECTED, mentions="@acme.test")
    sandbox.control.add_fault("replacePassword", **REJECTED)  # in API v2, the request after the creation
    with pytest.raises(AirflowFailException, match=r"(?i)api.key|client"):
        syncs.apply(rows, **arguments)
    sandbox.control.clear_faults()


def test_a_restoration_by_an_attempt_that_has_ended_is_noticed(api, sandbox, syncs):
    stop_before_creations(sandbox, syncs, ROWS, **ARGUMENTS)
    user_id = leave(api, sandbox)
    lose_creations(sandbox, syncs, ROWS, **ARGUMENTS)
    assert found(sandbox, user_id)["status"] != "deleted"
    with pytest.raises(AirflowFailException, match="conflict"):
        syncs.apply(ROWS, **ARGUMENTS)
    assert found(sandbox, user_id) == LEFT
    # An account that such an attempt has created is that of the person.
    assert api.get_user(user="bo@acme.test")["custom"] == "hr:bo"
    assert unmanaged(syncs.plan(ROWS, **ARGUMENTS))


@pytest.mark.parametrize("adopt", ["never", "mail"])
def test_a_later_run_adopts_new_accounts_of_one_that_has_ended_and_no_restored_one(api, sandbox, syncs, adopt):
    arguments = {**ARGUMENTS, "adopt": adopt}
    stop_before_creations(sandbox, syncs, ROWS, **arguments, context=attempt(1))
    user_id = leave(api, sandbox, custom=None)
    lose_creations(sandbox, syncs, ROWS, **arguments, context=attempt(1))
    result = syncs.apply(ROWS, **arguments, context=attempt(2))
    assert result["counts"]["unmanaged"] == 1
    assert api.get_user(user="bo@acme.test")["custom"] == "hr:bo"
    assert (found(sandbox, user_id)["first_name"], found(sandbox, user_id)["custom"]) == ("Una", None)


@pytest.mark.parametrize("version", ["v1"])
def test_a_restored_account_without_a_trace_of_its_use_is_not_taken_for_a_new_one(api, sandbox, syncs):
    stop_before_creations(sandbox, syncs, ROWS, **ARGUMENTS)
    api.create_user(mail=RECYCLED, mode="create_active", first_name="Una")
    user_id = api.get_user(user=RECYCLED)["user_id"]
    api.delete_user(user=user_id)
    lose_creations(sandbox, syncs, ROWS, **ARGUMENTS)
    with pytest.raises(AirflowFailException, match="conflict"):
        syncs.apply(ROWS, **ARGUMENTS)
    assert (found(sandbox, user_id)["first_name"], found(sandbox, user_id)["custom"]) == ("Una", None)
    assert unmanaged(syncs.plan(ROWS, **ARGUMENTS))


def test_an_invitation_that_restores_an_account_does_not_hand_it_over(api, sandbox, syncs, version):
    arguments = {**ARGUMENTS, "joiner_mode": "invite", "adopt": "mail"}
    stop_before_creations(sandbox, syncs, ROWS, **arguments)
    user_id = leave(api, sandbox)
    with pytest.raises(AirflowFailException, match="conflict"):
        syncs.apply(ROWS, **arguments)
    outcome, message = outcomes(syncs)["create", "ana"]
    assert outcome == "conflict"
    assert found(sandbox, user_id)["custom"] == "E-17"
    sandbox.control.clear_journal()
    assert unmanaged(syncs.apply(ROWS, **arguments))
    if version == "v2":
        assert found(sandbox, user_id)["status"] == "deleted"
    else:  # no request reaches an invited person
        assert "could not be deleted again" in message
        sandbox.control.accept_invitation(RECYCLED)
        for _ in range(2):
            assert unmanaged(syncs.apply(ROWS, **arguments))
        assert found(sandbox, user_id)["custom"] == "E-17"
        # Once it is deleted by hand, it is as any other one.
        api.delete_user(user=user_id)
        assert unmanaged(syncs.apply(ROWS, **arguments))
    assert created(sandbox) == []


def test_people_who_are_rehired_after_a_lost_state_get_their_accounts(api, sandbox, syncs):
    rows = [row("ana", groups="Sales", job="Welder", manager="bo"), row("bo")]
    arguments = {"managed_groups": ["Sales"], "leavers": "both", "leaver_action": "delete"}
    syncs.apply(rows, **arguments)
    user_id = api.get_user(user="ana@acme.test")["user_id"]
    api.add_manager(user=user_id, manager=api.get_user(user=GRACE_MAIL)["user_id"])
    syncs.apply(rows[1:], **arguments)
    for path in (syncs.folder / "state").iterdir():
        path.unlink()
    syncs.apply(rows, **arguments)
    assert api.get_user(user="ana@acme.test")["user_id"] == user_id
    managers = [each["user_id"] for each in api.list_managers(user=user_id)]
    assert managers == [api.get_user(user="bo@acme.test")["user_id"]]
    assert changes_of(syncs.plan(rows, **arguments)) == []


# Reinstatements


def rehire(api, syncs, prepare):
    """Let a person leave, prepare something, and return; return id and row."""
    arguments = {"leavers": "both", "leaver_action": "delete"}
    rows = [row("ana", job="Welder"), row("bo")]
    syncs.apply(rows, **arguments)
    user_id = api.get_user(user="ana@acme.test")["user_id"]
    syncs.apply(rows[1:], **arguments)
    prepare(user_id)
    return rows, arguments, user_id


@pytest.mark.parametrize("version", ["v1"])
def test_a_reinstatement_that_restores_another_account_is_undone(api, sandbox, syncs):
    others = []

    def prepare(user_id):
        api.create_user(mail="ana@acme.test", mode="create_active")
        api.update_user(user=user_id, mail="old@acme.test")
        api.delete_user(user=user_id)
        others.append(leave(api, sandbox, "ana@acme.test"))

    rows, arguments, user_id = rehire(api, syncs, prepare)
    with pytest.raises(AirflowFailException, match=r"first: reinstate of .*conflict"):
        syncs.apply(rows, **arguments)
    assert found(sandbox, others[0]) == LEFT | {"mail": "ana@acme.test"}
    assert found(sandbox, user_id)["status"] == "deleted"
    sandbox.control.clear_journal()
    syncs.apply(rows, **arguments, max_conflicts=1)
    assert created(sandbox) == []


@pytest.mark.parametrize("version", ["v1"])
def test_a_person_whose_account_cannot_be_restored_any_more_gets_a_new_one(api, sandbox, syncs):
    rows, arguments, user_id = rehire(api, syncs, lambda user_id: api.pseudonymize_user(user=user_id))
    syncs.apply(rows, **arguments)
    new = api.get_user(user="ana@acme.test")
    assert (new["custom"], new["user_id"] != user_id) == ("hr:ana", True)
    assert found(sandbox, new["user_id"])["job"] == "Welder"
    assert remembered(api, syncs).people["ana"].user_id == new["user_id"]
    assert changes_of(syncs.plan(rows, **arguments)) == []
