"""Plans are applied through sockets, on both versions: what is there afterwards, and that a second run does nothing."""

from __future__ import annotations

import json

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_360learning.files.storage import storage_path
from airflow_provider_360learning.sandbox.demo_company import SALES_GROUP_ID
from tests.rows.support import writes
from tests.sync.sync_runs import changes_of, row


def user(api, key):
    return api.get_user(user=f"{key}@acme.test")


def roles(api, key):
    return {(one["group_id"], one["role"]) for one in api.list_user_roles(user=f"{key}@acme.test")}


def outcomes_of(result):
    return [json.loads(line) for line in storage_path(result["results_path"]).read_text().splitlines()]


def test_creates_people_with_groups_and_managers(api, syncs):
    rows = [row("ana", manager="bo", groups="Sales;Sales:coach", job="Welder"), row("bo")]
    result = syncs.apply(rows, managed_groups=["Sales"])
    assert set(result["outcomes"]) <= {"created", "added", "updated"}
    assert user(api, "ana")["custom"] == "hr:ana"
    assert (SALES_GROUP_ID, "coach") in roles(api, "ana")
    assert [one["user_id"] or one["mail"] for one in api.list_managers(user="ana@acme.test")]
    second = syncs.plan(rows, managed_groups=["Sales"])
    assert changes_of(second) == []


def test_changes_fields_addresses_and_groups(api, syncs):
    arguments = {"managed_groups": ["Sales"], "groups_mode": "exact"}
    syncs.apply([row("ana", job="Welder", groups="Sales"), row("bo")], **arguments)
    changed = [row("ana", job="Smith", groups="Sales:coach") | {"mail": "anna@acme.test"}, row("bo", groups="Sales")]
    syncs.apply(changed, **arguments)
    assert user(api, "anna")["custom"] == "hr:ana"
    assert (SALES_GROUP_ID, "learner") in roles(api, "bo")
    assert (SALES_GROUP_ID, "coach") in roles(api, "anna")
    assert changes_of(syncs.plan(changed, **arguments)) == []


@pytest.mark.parametrize("action", ["deactivate", "delete"])
def test_leavers_leave_and_return(api, syncs, action):
    arguments = {"leavers": "both", "leaver_action": action}
    syncs.apply([row("ana"), row("bo")], **arguments)
    user_id = user(api, "ana")["user_id"]
    left = syncs.apply([row("bo")], **arguments)
    assert left["counts"] == {action: 1}
    assert changes_of(syncs.plan([row("bo")], **arguments)) == []
    if action == "delete":
        syncs.apply([row("ana"), row("bo")], **arguments)
        assert user(api, "ana")["user_id"] == user_id
        assert changes_of(syncs.plan([row("ana"), row("bo")], **arguments)) == []
    else:
        assert api.get_user(user=user_id)["to_be_deactivated_at"]


def test_a_plan_is_applied_once(syncs):
    plan = syncs.plan([row("ana")])
    syncs.run(mode="apply", plan_id=plan["plan_id"])
    with pytest.raises(AirflowFailException, match="was applied at"):
        syncs.run(mode="apply", plan_id=plan["plan_id"])


def test_an_accepted_plan_is_applied_although_a_guard_refuses_it(api, sandbox, syncs):
    sandbox.control.clear_journal()
    with pytest.raises(AirflowFailException, match="max_joiners"):
        syncs.apply([row("ana"), row("bo")], max_joiners=1)
    assert not [entry for entry in writes(sandbox) if entry["operation"] in ("createUser", "createOrInviteUser")]
    [plan] = (syncs.folder / "plans").iterdir()
    syncs.run(mode="apply", plan_id=plan.name, accept_plan=plan.name)
    assert user(api, "bo")["custom"] == "hr:bo"


def test_a_change_that_does_not_fit_any_more_is_stale(api, syncs):
    syncs.apply([row("ana")])
    plan = syncs.plan([row("ana", first_name="Anna"), row("bo")])
    api.update_user(user="ana@acme.test", first_name="Annabel")
    result = syncs.run(mode="apply", plan_id=plan["plan_id"])
    assert result["outcomes"] == {"created": 1, "stale": 1}
    assert user(api, "ana")["first_name"] == "Annabel"


def test_creates_groups(api, syncs):
    arguments = {"managed_groups": ["Sales"], "create_groups": True}
    rows = [row("ana", groups="Welders")]
    syncs.apply(rows, **arguments)
    [made] = [group for group in api.list_groups() if group["name"] == "Welders"]
    assert made["parent_id"] == SALES_GROUP_ID
    assert (made["group_id"], "learner") in roles(api, "ana")
    assert changes_of(syncs.plan(rows, **arguments)) == []


def test_people_who_are_invited_are_not_invited_again(sandbox, syncs):
    rows = [row("ana")]
    result = syncs.apply(rows, joiner_mode="invite")
    assert result["outcomes"]["invited"] == 1
    assert changes_of(syncs.plan(rows, joiner_mode="invite")) == []
