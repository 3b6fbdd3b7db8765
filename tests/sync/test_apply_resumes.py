"""An attempt that ends in any phase is continued by the next one: the same plan, and nothing is sent twice."""

from __future__ import annotations

import json

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_360learning.files.storage import storage_path
from tests.sync.sync_runs import changes_of, row

pytestmark = pytest.mark.slow

REJECTED = {"kind": "status", "status": 401, "body": {"error": "invalid_api_key"}, "count": 20}
REFUSED = {"kind": "status", "status": 400, "body": {"error": "invalid argument"}, "count": 100}
ARGUMENTS = {"managed_groups": ["Sales"], "groups_mode": "exact", "leavers": "explicit", "create_groups": True}
BEFORE = [row("ana", groups="Sales;Sales:coach"), row("bo", groups="Sales"), row("cy", groups="Sales")]
AFTER = [
    row("ana", groups="Sales;Welders", job="Welder", manager="ed"),
    row("bo", groups="Sales") | {"mail": "bob@acme.test"},
    row("cy", groups="Sales", status="inactive"),
    row("ed", groups="Sales"),
]


@pytest.mark.parametrize(
    "action",
    [
        "create_group",
        "create_user",
        "update_user",
        "add_user_to_group",
        "remove_user_from_group",
        "add_manager",
        "delete_user",
    ],
)
def test_a_retry_continues_in_the_phase(sandbox, api, syncs, action):
    arguments = {**ARGUMENTS, "leaver_action": "delete" if action == "delete_user" else "deactivate"}
    syncs.apply(BEFORE, **arguments)
    operation = api.actions[action].write.operation
    if api.jobs is not None and action in api.jobs.kinds:
        operation = api.jobs.kinds[action].operation
    sandbox.control.clear_journal()
    sandbox.control.add_fault(operation, **REJECTED)
    with pytest.raises(AirflowFailException):
        syncs.apply(AFTER, **arguments)
    sandbox.control.clear_faults()
    result = syncs.apply(AFTER, **arguments)
    assert set(result["outcomes"]) <= {"created", "updated", "added", "removed", "deleted", "already_exists"}
    assert api.get_user(user="bob@acme.test")["custom"] == "hr:bo"
    assert changes_of(syncs.plan(AFTER, **arguments)) == []
    created = [
        entry for entry in sandbox.control.journal() if entry["operation"] in ("createUser", "createOrInviteUser")
    ]
    assert [entry["status"] for entry in created if entry["status"] < 400] in ([200], [201])


def test_a_plan_that_is_redacted_leaves_no_addresses(syncs):
    result = syncs.apply([row("ana"), row("bo")], redact=True)
    for path in storage_path(result["path"]).rglob("*"):
        assert path.is_dir() or "@acme.test" not in path.read_text()


def outcomes_of(syncs, name="outcome"):
    """Return key and outcome of each change of the only plan, or another value."""
    [path] = (syncs.folder / "plans").glob("*/outcomes.jsonl")
    return {line["key"]: line[name] for line in map(json.loads, path.read_text().splitlines())}


def state_of(syncs):
    return json.loads((syncs.folder / "state" / "sync_state.json").read_text())


def fail_creations(sandbox, **fault):
    for operation in ("createUser", "createOrInviteUser"):
        sandbox.control.add_fault(operation, **REFUSED, **fault)


def test_applying_stops_after_failures_and_says_what_became_of_each_row(sandbox, syncs):
    fail_creations(sandbox, mentions="p0")
    with pytest.raises(AirflowFailException, match="stop_after_failures"):
        syncs.apply([row(f"p{number:02}") for number in range(100)], stop_after_failures=3)
    outcomes = outcomes_of(syncs)
    assert (outcomes["p00"], outcomes["p99"]) == ("refused", "skipped")


def test_the_state_has_what_was_done_before_a_phase_broke_off(sandbox, syncs):
    fail_creations(sandbox, mentions="p99")
    with pytest.raises(AirflowFailException, match="stop_after_failures"):
        syncs.apply([row(f"p{number:02}") for number in range(100)], stop_after_failures=0)
    created = {key for key, text in outcomes_of(syncs, "message").items() if "account was created" in (text or "")}
    assert "p00" in created
    assert created == {key for key, one in state_of(syncs)["people"].items() if "created" in one}
