"""A sync whose state is lost finds out again what it can, and sends no mail a second time; on both API versions."""

from __future__ import annotations

import shutil

import pytest

from tests.rows.support import writes
from tests.sync.sync_runs import changes_of, row

CREATIONS = {"createOrInviteUser", "createUser"}
MISSING = {"leavers": "missing", "leaver_action": "delete"}


def lose_state(syncs):
    shutil.rmtree(syncs.folder / "state")


def creations(sandbox):
    return [entry for entry in writes(sandbox) if entry["operation"] in CREATIONS]


def keys_of(api):
    return sorted(one["custom"] for one in api.list_users() if (one["custom"] or "").startswith("hr:"))


@pytest.mark.parametrize("codes", ["documented", "client"])
@pytest.mark.parametrize("key", ["error", "status"])
def test_invitations_are_pending_again_and_nobody_is_mailed_twice(api, sandbox, syncs, codes, key):
    sandbox.control.settings(existing_user_codes=codes, existing_user_key=key)
    rows, invite = [row("ana", job="Welder"), row("bo")], {"joiner_mode": "invite"}
    syncs.apply(rows, **invite)
    mails = sandbox.control.state()["mails_sent"]
    assert len(mails) == 2
    lose_state(syncs)
    again = syncs.apply(rows, **invite)
    if api.user_facts.lists_invited:
        assert (changes_of(again), again["counts"]) == ([], {"pending": 2})
    else:
        assert again["outcomes"] == {"already_invited": 2}
    sandbox.control.clear_journal()
    third = syncs.apply(rows, **invite)
    assert (changes_of(third), third["counts"], third["emails"]) == ([], {"pending": 2}, 0)
    assert creations(sandbox) == []
    for key_of in ("ana", "bo"):
        sandbox.control.accept_invitation(f"{key_of}@acme.test")
    if not api.user_facts.lists_invited:  # whether the sync has sent these invitations is not known any more
        assert syncs.plan(rows, **invite)["counts"] == {"unmanaged": 2}
    syncs.apply(rows, **invite, adopt="mail")
    assert changes_of(syncs.plan(rows, **invite)) == []
    assert api.get_user(user="ana@acme.test")["job"] == "Welder"
    assert keys_of(api) == ["hr:ana", "hr:bo"]
    assert sandbox.control.state()["mails_sent"] == mails


def test_users_agree_and_absent_people_are_counted_anew(api, sandbox, syncs):
    rows = [row("ana", job="Welder", groups="Sales", manager="bo"), row("bo"), row("cy")]
    arguments = {**MISSING, "missing_runs": 2, "managed_groups": ["Sales"]}
    syncs.apply(rows, **arguments)
    assert syncs.apply(rows[:2], **arguments)["counts"]["missing"] == 1
    lose_state(syncs)
    sandbox.control.clear_journal()
    again = syncs.apply(rows[:2], **arguments)
    # What version 1 does not return is written once more.
    unreadable = [] if api.user_facts.lists_invited else ["update"]
    assert [change["action"] for change in changes_of(again)] == unreadable
    assert again["counts"]["missing"] == 1, "the second run in which the person is absent counts as the first one"
    assert creations(sandbox) == []
    assert keys_of(api) == ["hr:ana", "hr:bo", "hr:cy"]
    assert changes_of(syncs.plan(rows, **arguments)) == []
