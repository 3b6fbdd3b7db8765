"""A sync that is killed after each of its phases is completed by later attempts, and nothing is sent twice."""

from __future__ import annotations

import json
import subprocess

import pytest

from tests.conftest import BIN
from tests.rows.support import ROOT
from tests.sync.attempt import context
from tests.sync.sync_runs import changes_of, row
from tests.sync.test_accidents import changing, users_by_key

pytestmark = pytest.mark.slow
ARGUMENTS = {
    "managed_groups": ["Sales"],
    "groups_mode": "exact",
    "create_groups": True,
    "leavers": "both",
    "leaver_action": "delete",
    "max_email_changes": 5,
}
PHASES = [
    "create_group",
    "change_mail",
    "reinstate",
    "create",
    "update",
    "add_to_group",
    "remove_from_group",
    "add_manager",
    "delete",
]
ADDITIONS = {"addUserToGroup", "addUsersToGroups"}
REMOVALS = {"deleteUserFromGroup", "removeUsersFromGroups"}


def test_a_sync_that_is_killed_after_each_phase_is_completed(api, sandbox, syncs):
    first = [row(key, groups="Sales") for key in ("ana", "bo", "dee", "eve")] + [row("cy", groups="Makers")]
    syncs.apply(first, **ARGUMENTS)
    ids = users_by_key(api)
    api.delete_user(user=ids["hr:dee"])  # comes back
    second = [
        row("ana", groups="Sales;Welders", job="Smith", manager="new"),
        row("bo", groups="Sales") | {"mail": "bob@acme.test", "first_name": "Bob"},
        row("cy", groups="Welders", manager="new"),
        row("dee", groups="Sales"),
        row("new", groups="Sales;Sales:coach"),
        row("two", groups="Welders"),
    ]
    mails_before = len(sandbox.control.state()["mails_sent"])
    sandbox.control.clear_journal()
    places = {"plan_path": f"{syncs.folder}/second", "state_path": f"{syncs.folder}/state"}
    operator = {"rows": second, "mode": "plan_and_apply", **places, **syncs.defaults, **ARGUMENTS}
    command = [str(BIN / "python"), "-m", "tests.sync.killed_attempts", json.dumps(operator)]
    attempts = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert attempts.returncode == 0, attempts.stderr[-3000:]
    killed = json.loads(attempts.stdout.splitlines()[-1])
    assert [name.split("-")[1] for name in killed] == PHASES

    after = users_by_key(api)
    assert after.keys() == {f"hr:{key}" for key in ("ana", "bo", "cy", "dee", "new", "two")}
    assert {key: after[key] for key in ids if key in after} == {key: ids[key] for key in ids if key != "hr:eve"}
    plan = syncs.plan(second, context=context(), **ARGUMENTS)
    assert changes_of(plan) == []

    sent = changing(sandbox)
    requests = [json.dumps([entry["operation"], entry["path"], entry["body"]]) for entry in sent]
    assert len(requests) == len(set(requests)), "a request was sent twice"
    names = [entry["operation"] for entry in sent]
    added = [place for place, name in enumerate(names) if name in ADDITIONS]
    removed = [place for place, name in enumerate(names) if name in REMOVALS]
    assert max(added) < min(removed) < names.index("deleteUser") == len(names) - 1
    assert len(sandbox.control.state()["mails_sent"]) == mails_before
