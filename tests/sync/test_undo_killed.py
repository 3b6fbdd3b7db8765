"""A creation that restored the account of a leaver is undone, also if attempts are killed meanwhile."""

from __future__ import annotations

import json

import pytest

from airflow_provider_360learning.sandbox.demo_company import GRACE_MAIL
from tests.sync.attempt import COMPLETE, FINISHED, LOST, SAVED, SENT, context
from tests.sync.kills import attempts, killing_server, running_sandbox  # noqa: F401 - fixtures
from tests.sync.sync_runs import changes_of, row
from tests.sync.test_restored_accounts import LEFT, RECYCLED, found, leave

pytestmark = pytest.mark.slow
ROWS = [row("ana", job="Welder") | {"mail": RECYCLED}]


def test_an_undo_that_is_killed_is_completed(api, sandbox, syncs, attempts):  # noqa: F811
    places = {"plan_path": f"{syncs.folder}/plans", "state_path": f"{syncs.folder}/state"}
    arguments = {"rows": ROWS, "mode": "plan_and_apply", **places, **syncs.defaults}
    attempts.kill(arguments, (LOST, "06-create"))
    left = leave(api, sandbox)
    attempts.kill(arguments, (SENT, "06-create"), (COMPLETE, "06-create"))
    attempts.kill(arguments, *((moment, "07-undo") for moment in (LOST, SENT, COMPLETE, SAVED, FINISHED)))
    status, error = attempts.make(arguments)
    assert (status, "(conflict)" in error) == (1, True), error
    [outcomes] = (syncs.folder / "plans").glob("*/outcomes.jsonl")
    assert [json.loads(line)["outcome"] for line in outcomes.read_text().splitlines()] == ["conflict"]
    assert found(sandbox, left) == LEFT
    assert changes_of(syncs.plan(ROWS, context=context())) == []


def test_a_new_account_is_not_undone_because_of_what_later_phases_do(api, syncs, attempts):  # noqa: F811
    """It looks like one that was used before, once it has a manager."""
    places = {"plan_path": f"{syncs.folder}/plans", "state_path": f"{syncs.folder}/state"}
    rows = [{"mail": "ana@acme.test", "manager": GRACE_MAIL}]
    arguments = {"rows": rows, "mode": "plan_and_apply", **places, **syncs.defaults, "key": "mail"}
    del arguments["key_namespace"]
    attempts.kill(arguments, (SENT, "06-create"), (COMPLETE, "13-add_manager"))
    user_id = api.get_user(user="ana@acme.test")["user_id"]
    assert attempts.make(arguments) == (0, "")
    assert api.get_user(user="ana@acme.test")["user_id"] == user_id
