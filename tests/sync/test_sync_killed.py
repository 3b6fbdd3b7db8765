"""
A sync that is killed in each of its phases is completed by later attempts: nothing is lost, and nothing done twice.

Each attempt is killed in one place: at the first request of a phase, which is lost or has no response; after the phase,
before the state has its results; before and after the plan is marked as applied.
"""

from __future__ import annotations

import json
from collections import Counter

import pytest

from tests.sync.attempt import COMPLETE, FINISHED, LOST, SAVED, SENT, context
from tests.sync.kills import attempts, killing_server, running_sandbox  # noqa: F401 - fixtures
from tests.sync.sync_runs import changes_of, row
from tests.sync.test_accidents import changing

pytestmark = pytest.mark.slow
ARGUMENTS = {
    "managed_groups": ["Sales"],
    "groups_mode": "exact",
    "create_groups": True,
    "group_key": "custom",
    "leavers": "both",
    "clear": ["custom_fields.Site"],
    "max_email_changes": 5,
}
#: Arguments by the mode of joiners: what leavers do does not depend on it, and each way must occur.
MODES = {
    "create_active": {"joiner_mode": "create_active", "leaver_action": "delete"},
    "invite": {"joiner_mode": "invite", "leaver_action": "deactivate"},
}
KEYS = {"custom": {}, "external_id": {"key": "external_id", "external_platform": "HR"}}
PHASES = [
    "01-create_group-1",
    "02-update_group",
    "03-change_mail-1",
    "04-reinstate",
    "05-change_reinstated_mail",
    "06-create",
    "09-update",
    "10-clear",
    "11-add_to_group",
    "12-remove_from_group",
    "13-add_manager",
    "14-remove_manager",
    "15-deactivate",
]
SITE = "custom_fields.Site"
FIRST = [
    row("ana", groups="M=Makers", job="Welder", manager="bo", **{SITE: "Paris"}),
    row("bo", groups="M=Makers", **{SITE: "Paris"}),
    row("cy", groups="M=Makers", manager="bo", **{SITE: "Paris"}),
    row("dee", groups="M=Makers", **{SITE: "Paris"}),
    row("eve", groups="M=Makers", **{SITE: "Paris"}),
    row("fay", groups="M=Makers", **{SITE: "Paris"}),
    row("gil", groups="M=Makers", **{SITE: "Paris"}),
]
SECOND = [
    row("ana", groups="M=Builders;W=Welders", job="Smith", manager="bo", **{SITE: None}),
    row("bo", groups="M=Builders", **{SITE: "Paris"}) | {"mail": "bob@acme.test", "first_name": "Bob"},
    row("cy", groups="W=Welders", manager="ana", **{SITE: "Lyon"}),
    row("dee", groups="M=Builders", **{SITE: "Paris"}) | {"mail": "dee.novak@acme.test"},
    row("fay", groups="M=Builders", leaves_at="2099-12-31", **{SITE: "Paris"}),
    row("gil", groups="W=Welders", **{SITE: "Paris"}),
    row("new", groups="M=Builders;W=Welders:coach", **{SITE: "Paris"}),
    row("two", groups="W=Welders", **{SITE: "Paris"}),
]
ADDITIONS = {"addUserToGroup", "addUsersToGroups"}
REMOVALS = {"deleteUserFromGroup", "removeUsersFromGroups"}
CREATIONS = {"createGroup", "createUser", "createOrInviteUser"}


DONE = {
    *("created", "updated", "restored", "invited", "set", "added", "removed", "deleted"),
    *("already_exists", "already_invited", "not_found"),  # done by an attempt that was killed
}


def users(api):
    """Return the ids of users by their addresses."""
    return {one["mail"]: one["user_id"] for one in api.list_users()}


def requests(sandbox):
    """Return the requests since the journal was cleared that may have changed something."""
    return [json.dumps([entry["operation"], entry["path"], entry["body"]]) for entry in changing(sandbox)]


@pytest.mark.parametrize(
    ("version", "key", "joiner_mode"),
    [
        ("v1", "custom", "create_active"),
        ("v1", "custom", "invite"),
        ("v2", "custom", "create_active"),
        ("v2", "external_id", "invite"),
    ],
    indirect=["version"],
)
def test_a_sync_that_is_killed_in_each_phase_is_completed(
    api,
    sandbox,
    syncs,
    attempts,  # noqa: F811
    version,
    key,
    joiner_mode,
):
    syncs.defaults |= {**ARGUMENTS, **KEYS[key], **MODES[joiner_mode]}
    syncs.apply(FIRST, joiner_mode="create_active")
    before = users(api)
    for mail in ("dee@acme.test", "gil@acme.test"):  # who come back
        api.delete_user(user=mail)
    emails = len(sandbox.control.state()["mails_sent"])
    places = {"plan_path": f"{syncs.folder}/second", "state_path": f"{syncs.folder}/state"}
    arguments = {"rows": SECOND, "mode": "plan_and_apply", **places, **syncs.defaults}
    others = {
        "08-complete": joiner_mode == "create_active",
        "08-external_id": key == "external_id",
        "16-delete": joiner_mode == "create_active",
    }
    phases = sorted([*PHASES, *(phase for phase, occurs in others.items() if occurs)])
    moments = (LOST, SENT, COMPLETE) if joiner_mode == "create_active" else (SENT, COMPLETE)

    sent: list[list[str]] = []
    for phase in phases:
        sandbox.control.clear_journal()
        attempts.kill(arguments, *((moment, phase) for moment in moments))
        sent.append(requests(sandbox))
        created = [entry["body"] for entry in changing(sandbox) if is_creation(entry)]
        assert len({json.dumps(body) for body in created}) == len(created), "created twice"
    sandbox.control.clear_journal()
    attempts.kill(arguments, (SAVED, phases[-1]), (FINISHED, phases[-1]))
    status, error = attempts.make(arguments)
    assert status == 0, error
    assert changing(sandbox) == []
    assert max(Counter(each for of_phase in sent for each in set(of_phase)).values()) == 1, "sent after its phase"

    [plan] = (syncs.folder / "second").glob("*/plan.json")
    assert sorted(path.stem for path in plan.parent.glob("results/*.jsonl")) == phases
    outcomes = [json.loads(line)["outcome"] for line in (plan.parent / "outcomes.jsonl").read_text().splitlines()]
    assert set(outcomes) <= DONE
    order = [json.loads(each)[0] for of_phase in sent for each in of_phase]
    added = [place for place, operation in enumerate(order) if operation in ADDITIONS]
    removed = [place for place, operation in enumerate(order) if operation in REMOVALS]
    assert max(added) < min(removed)
    assert "deleteUser" not in order[: max(removed)]

    joined = {"new@acme.test", "two@acme.test"}
    invited = joined if joiner_mode == "invite" else set()
    assert sorted(mail["to"] for mail in sandbox.control.state()["mails_sent"][emails:]) == sorted(invited)
    after = users(api)
    new_addresses = {"bo@acme.test": "bob@acme.test", "dee@acme.test": "dee.novak@acme.test", "eve@acme.test": None}
    if joiner_mode == "invite":  # eve is deactivated in an hour
        del new_addresses["eve@acme.test"]
    stayed = {new_addresses.get(mail, mail): user_id for mail, user_id in before.items()}
    assert {mail: user_id for mail, user_id in after.items() if mail not in joined} == {
        mail: user_id for mail, user_id in stayed.items() if mail is not None
    }
    assert len(api.list_users()) == len(after)
    assert changes_of(syncs.plan(SECOND, context=context())) == []


def is_creation(entry):
    """Return whether a request has created something."""
    return entry["operation"] in CREATIONS and entry["status"] < 300
