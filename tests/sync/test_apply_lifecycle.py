"""Which run applies a plan, for how long, and what its attempts leave: through the operator, on both API versions."""

from __future__ import annotations

import json
import threading
import time
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_360learning.files.storage import storage_path, write_atomic
from airflow_provider_360learning.rows.folders import FolderInUseError, FolderOwner, task_name
from tests.files.conftest import place  # noqa: F401 - a fixture
from tests.files.object_store import object_store  # noqa: F401 - a fixture
from tests.sync.sync_runs import row
from tests.sync.test_accidents import changing

pytestmark = pytest.mark.slow

NIGHT = datetime(2026, 12, 1, 2, tzinfo=UTC)
REJECTED = {"kind": "status", "status": 401, "body": {"error": "invalid_api_key"}, "count": 20}
REFUSED = {"kind": "status", "status": 400, "body": {"error": "invalid argument"}, "count": 20}
EXTERNAL = {"key": "external_id", "external_platform": "HR"}
CREATIONS = ("createUser", "createOrInviteUser")


def attempt(night=1, *, max_tries=0):
    """Return the context of an attempt of the run of a night; clearing the task raises the maximum number of tries."""
    identity = {"dag_id": "people", "task_id": "sync", "run_id": f"night {night}", "map_index": -1}
    ti = SimpleNamespace(**identity, max_tries=max_tries, raw=True, xcom_push=lambda *_: None)
    return {"ti": ti, "data_interval_end": NIGHT + timedelta(days=night)}


def fail(sandbox, syncs, *operations, reason="AuthenticationError", fault=REJECTED, **arguments):
    """Expect that a run fails because requests do; afterwards they work again."""
    for operation in operations:
        sandbox.control.add_fault(operation, **fault)
    with pytest.raises(AirflowFailException, match=reason):
        syncs.run(**arguments)
    sandbox.control.clear_faults()
    sandbox.control.clear_journal()


def refused(sandbox, syncs, reason, **arguments):
    """Expect that a run is refused for good, and sends nothing that changes something."""
    sandbox.control.clear_journal()
    with pytest.raises(AirflowFailException, match=reason):
        syncs.run(**arguments)
    assert changing(sandbox) == []


def expire(result, made=-1):
    """Let a plan expire, as a run has made it."""
    path = storage_path(result["path"]) / "meta.json"
    meta = json.loads(path.read_text())
    meta["made"][made]["valid_until"] = "2026-01-01T00:00:00+00:00"
    path.write_text(json.dumps(meta))


def mails(api):
    return {user["mail"] for user in api.list_users()}


def state_of(syncs):
    return json.loads((syncs.folder / "state" / "sync_state.json").read_text())


# Which run


def test_a_plan_that_a_run_could_not_begin_to_send_is_applied_by_the_next_run(api, sandbox, syncs):
    plan = syncs.plan([row("ana")], context=attempt(1))
    fail(sandbox, syncs, "getGroups", mode="apply", plan_id=plan["plan_id"], context=attempt(1))
    refused(sandbox, syncs, "Another run began", mode="apply", plan_id=plan["plan_id"], context=attempt(2))
    again = syncs.plan([row("ana")], context=attempt(2))
    assert again["plan_id"] == plan["plan_id"]
    result = syncs.run(mode="apply", plan_id=plan["plan_id"], context=attempt(2))
    assert result["outcomes"] == {"created": 1}
    refused(sandbox, syncs, "was applied at", mode="apply", plan_id=plan["plan_id"], context=attempt(1))


def test_a_plan_that_is_made_again_does_not_continue_the_results_of_the_other_run(api, sandbox, syncs):
    plan = syncs.plan([row("ana")], context=attempt(1))
    fail(sandbox, syncs, *CREATIONS, mode="apply", plan_id=plan["plan_id"], context=attempt(1))
    state = syncs.folder / "state" / "sync_state.json"
    state.unlink()  # as it was when the plan was made
    syncs.plan([row("ana")], context=attempt(2))
    result = syncs.run(mode="apply", plan_id=plan["plan_id"], context=attempt(2))
    assert result["outcomes"] == {"created": 1}
    assert [path.name for path in storage_path(plan["path"]).iterdir() if path.is_dir()] == ["results-2"]


def test_a_plan_that_is_made_again_after_the_state_was_lost_is_applied_again(api, sandbox, syncs):
    api.create_user(mail="ana@acme.test", first_name="Ana", custom="hr:ana", mode="create_active")
    first = syncs.apply([row("ana")], context=attempt(1))
    (syncs.folder / "state" / "sync_state.json").unlink()
    again = syncs.plan([row("ana")], context=attempt(2))
    assert again["plan_id"] == first["plan_id"]
    assert syncs.run(mode="apply", plan_id=again["plan_id"], context=attempt(2))["outcomes"] == {}
    refused(sandbox, syncs, "was applied at", mode="apply", plan_id=again["plan_id"], context=attempt(3))


@pytest.mark.parametrize("mode", ["apply", "plan_and_apply"])
def test_a_finished_plan_returns_its_outcomes_to_an_attempt_of_the_same_run(api, sandbox, syncs, mode):
    rows = [row("ana")]
    plan = {"plan_id": syncs.plan(rows, context=attempt())["plan_id"]} if mode == "apply" else {}
    first = syncs.run(rows, mode=mode, context=attempt(), **plan)
    sandbox.control.clear_journal()
    assert syncs.run(rows, mode=mode, context=attempt(), **plan) == first  # Airflow did not record the result
    assert changing(sandbox) == []
    if mode == "apply":
        refused(sandbox, syncs, "was applied at", mode=mode, context=attempt(max_tries=1), **plan)
    else:
        assert syncs.run(rows, mode=mode, context=attempt(max_tries=1))["outcomes"] == {}


def test_a_finished_plan_fails_a_further_attempt_as_it_failed_the_first(sandbox, syncs):
    arguments = {"rows": [row("ana"), row("bo")], "mode": "plan_and_apply", "context": attempt()}
    reason = r"2 of 2 changes were not made, the first: create of ana \(refused\)"
    fail(sandbox, syncs, *CREATIONS, reason=reason, fault=REFUSED, **arguments)
    refused(sandbox, syncs, reason, **arguments)


# For how long


def test_a_begun_plan_expires(api, sandbox, syncs):
    plan = syncs.plan([row("ana")], context=attempt())
    arguments = {"mode": "apply", "plan_id": plan["plan_id"], "context": attempt()}
    fail(sandbox, syncs, *CREATIONS, **arguments)
    expire(plan)
    refused(sandbox, syncs, "was valid until 2026-01-01", **arguments)


def test_a_run_whose_plan_has_expired_makes_a_new_one(api, sandbox, syncs):
    arguments = {"mode": "plan_and_apply", "context": attempt()}
    fail(sandbox, syncs, *CREATIONS, rows=[row("ana")], **arguments)
    [path] = (path for path in (syncs.folder / "plans").iterdir() if path.is_dir())
    expire({"path": path})
    result = syncs.run([row("bo")], **arguments)
    assert result["outcomes"] == {"created": 1}
    assert "ana@acme.test" not in mails(api)


def test_a_begun_plan_is_not_continued_after_another_was_applied(api, sandbox, syncs):
    plan = syncs.plan([row("ana")], context=attempt(1))
    arguments = {"mode": "apply", "plan_id": plan["plan_id"], "context": attempt(1)}
    fail(sandbox, syncs, *CREATIONS, **arguments)
    syncs.apply([row("bo")], context=attempt(2))
    refused(sandbox, syncs, "Another plan was applied since this run began", **arguments)


def test_a_run_makes_a_new_plan_after_another_was_applied(api, sandbox, syncs):
    arguments = {"mode": "plan_and_apply", "context": attempt(1)}
    fail(sandbox, syncs, *CREATIONS, rows=[row("ana")], **arguments)
    syncs.apply([row("bo")], context=attempt(2))
    assert syncs.run([row("bo"), row("cy")], **arguments)["outcomes"] == {"created": 1}
    assert "ana@acme.test" not in mails(api)


def test_a_plan_is_valid_for_a_run_as_long_as_this_run_has_made_it(api, sandbox, syncs):
    first = syncs.plan([row("ana")], context=attempt(1))
    expire(first)
    assert syncs.plan([row("ana")], context=attempt(2))["plan_id"] == first["plan_id"]
    refused(sandbox, syncs, "was valid until", mode="apply", plan_id=first["plan_id"], context=attempt(1))
    syncs.run(mode="apply", plan_id=first["plan_id"], context=attempt(2))


def test_the_interval_of_a_plan_is_that_of_the_run_that_made_it(syncs):
    plan = syncs.plan([row("ana")], context=attempt(1))
    syncs.run(mode="apply", plan_id=plan["plan_id"], context=attempt(7))
    [applied] = state_of(syncs)["plans"]
    assert applied["interval"] == attempt(1)["data_interval_end"].isoformat()


# What was changed in between


def test_an_attempt_that_continues_sends_nothing_that_has_become_stale(api, sandbox, syncs, caplog):
    syncs.apply([row("ana"), row("bo", manager="ana")])
    rows = [row("ana", first_name="Anna"), row("bo", manager="cy"), row("cy")]
    arguments = {"mode": "plan_and_apply", "owned": ["manager"], "context": attempt()}
    fail(sandbox, syncs, *CREATIONS, rows=rows, **arguments)
    api.update_user(user="ana@acme.test", first_name="Annabel")
    result = syncs.run(rows, **arguments)
    assert result["outcomes"] == {"added": 1, "created": 1, "removed": 1, "stale": 1}
    assert api.get_user(user="ana@acme.test")["first_name"] == "Annabel"
    assert "Change is stale and not sent: action=update key=ana reason=first_name has changed" in caplog.text
    assert "@acme.test" not in caplog.text


# Dates


def hours_from_now(at):
    return (datetime.fromisoformat(at) - datetime.now(UTC)) / timedelta(hours=1)


def deactivation_of(api, key):
    return hours_from_now(api.get_user(user=f"{key}@acme.test")["to_be_deactivated_at"])


def test_a_date_that_may_have_passed_when_it_is_sent_is_an_hour_from_then(api, syncs):
    syncs.apply([row("ana"), row("bo")])
    soon, later = (datetime.now(UTC) + timedelta(minutes=minutes) for minutes in (5, 180))
    rows = [row("ana", leaves_at=soon.isoformat()), row("bo", leaves_at=later.isoformat())]
    syncs.apply(rows, leaver_action="deactivate")
    assert 0.9 < deactivation_of(api, "ana") < 1.1
    assert 2.9 < deactivation_of(api, "bo") < 3.1


def test_a_phase_that_is_resumed_late_computes_its_dates_again(api, sandbox, syncs):
    people = ("ana", "bo", "cy")
    syncs.apply([row(key) for key in people])
    rows = [row(key, status="inactive") for key in people]
    arguments = {"rows": rows, "mode": "plan_and_apply", "leaver_action": "deactivate", "context": attempt()}
    fail(sandbox, syncs, "updateUser", fault={**REJECTED, "after": 1}, **arguments)
    [phase] = syncs.folder.glob("plans/*/results/15-deactivate.jsonl")
    sent = [json.loads(line) for line in phase.read_text().splitlines()]
    late = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    phase.write_text("".join(json.dumps({**line, "to_be_deactivated_at": late}) + "\n" for line in sent))
    assert syncs.run(**arguments)["outcomes"] == {"updated": 3}
    assert all(0.9 < deactivation_of(api, key) < 1.1 for key in people)
    assert all(hours_from_now(state_of(syncs)["people"][key]["left_at"]) > 0.9 for key in people[1:])


# Keys that are set after an account is created


@pytest.mark.parametrize("version", ["v2"], indirect=True)
@pytest.mark.parametrize(("arguments", "operation"), [(EXTERNAL, "createExternalId"), ({}, "updateUser")])
def test_an_account_whose_key_could_not_be_set_is_adopted(api, sandbox, syncs, arguments, operation):
    sandbox.control.add_fault("createUser", kind="delay", seconds=3)
    state = syncs.folder / "state" / "sync_state.json"
    killed = []

    def copy_state():
        while not list(syncs.folder.glob("plans/*/results/06-create/progress-*.json")):
            time.sleep(0.01)
        killed.append(state.read_bytes())

    thread = threading.Thread(target=copy_state)
    thread.start()
    fail(sandbox, syncs, operation, rows=[row("ana")], mode="plan_and_apply", context=attempt(1), **arguments)
    thread.join()
    state.write_bytes(killed[0])  # what an attempt that is killed in the phase leaves
    assert syncs.apply([row("ana")], context=attempt(2), **arguments)["counts"] == {"update": 1}
    assert syncs.plan([row("ana")], context=attempt(3), **arguments)["counts"] == {}


@pytest.mark.parametrize("version", ["v2"], indirect=True)
def test_an_account_of_which_the_creation_was_refused_is_not_adopted(api, sandbox, syncs):
    arguments = {"rows": [row("ana")], **EXTERNAL}
    reason = r"create of ana \(refused\)"
    fail(sandbox, syncs, "createUser", reason=reason, fault=REFUSED, mode="plan_and_apply", **arguments)
    api.create_user(mail="ana@acme.test", first_name="Ana", mode="create_active")
    assert syncs.plan(**arguments)["counts"] == {"unmanaged": 1}


# Two runs over one state


def test_a_run_does_not_apply_while_another_does(api, sandbox, syncs, place):  # noqa: F811 - the fixture
    state = storage_path(place) / "state"
    plan = syncs.plan([row("ana")], state_path=state, context=attempt())
    other = FolderOwner(state, "the other run")
    other.claim()
    sandbox.control.clear_journal()
    arguments = {"mode": "apply", "plan_id": plan["plan_id"], "state_path": state, "context": attempt()}
    with pytest.raises(FolderInUseError, match="in use by the other run"):  # which Airflow retries
        syncs.run(**arguments)
    assert changing(sandbox) == []
    other.release()
    assert syncs.run(**arguments)["outcomes"] == {"created": 1}
    FolderOwner(state, "the other run").claim()  # is free again


def test_an_attempt_that_was_killed_does_not_block_the_next_one(syncs):
    FolderOwner(storage_path(syncs.folder / "state"), task_name(attempt())).claim()
    assert syncs.apply([row("ana")], context=attempt())["outcomes"] == {"created": 1}


def test_a_run_whose_claim_was_replaced_saves_no_state(sandbox, syncs):
    """Two runs may claim a folder in an object store at the same time; the second one's claim replaces the first."""
    for operation in CREATIONS:
        sandbox.control.add_fault(operation, kind="delay", seconds=2)
    state = syncs.folder / "state"

    def replace_claim():
        while not list(syncs.folder.glob("plans/*/results/06-create.jsonl")):
            time.sleep(0.01)
        (state / "owner.json").unlink()
        FolderOwner(storage_path(state), "the other run").claim()

    thread = threading.Thread(target=replace_claim)
    thread.start()
    with pytest.raises(FolderInUseError, match="in use by the other run"):
        syncs.apply([row("ana")], context=attempt())
    thread.join()
    assert "created" not in state_of(syncs)["people"]["ana"]  # what was saved before she was sent
    assert json.loads((state / "owner.json").read_text())["owner"] == "the other run"


# Redacted plans


def files_with_addresses(syncs):
    plans = syncs.folder / "plans"
    return [path.name for path in plans.rglob("*") if path.is_file() and "@acme.test" in path.read_text()]


def test_a_redacted_plan_leaves_no_addresses_after_a_failure(sandbox, syncs):
    arguments = {"rows": [row("ana"), row("bo")], "mode": "plan_and_apply", "redact": True, "context": attempt()}
    fail(sandbox, syncs, *CREATIONS, **arguments)
    assert files_with_addresses(syncs) == []
    assert syncs.run(**arguments)["outcomes"] == {"created": 2}
    assert files_with_addresses(syncs) == []


def test_an_attempt_removes_the_addresses_of_a_redacted_plan_that_a_killed_one_has_left(sandbox, syncs):
    arguments = {"mode": "plan_and_apply", "redact": True, "context": attempt()}
    fail(sandbox, syncs, *CREATIONS, rows=[row("ana")], **arguments)
    [plan] = (path for path in (syncs.folder / "plans").iterdir() if path.is_dir())
    write_atomic(plan / "results" / "06-create" / "parts" / "ab" / "000001.jsonl", b"ana@acme.test")
    syncs.run([row("bo")], **arguments)
    assert files_with_addresses(syncs) == []


def test_a_plan_that_another_run_redacts_can_still_be_applied(syncs):
    plan = syncs.plan([row("ana")], context=attempt(1))
    assert syncs.plan([row("ana")], redact=True, context=attempt(2))["plan_id"] == plan["plan_id"]
    assert syncs.run(mode="apply", plan_id=plan["plan_id"], context=attempt(1))["outcomes"] == {"created": 1}
