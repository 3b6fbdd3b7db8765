"""Which accounts without a key a sync manages: those that it has created itself, and by their address if it may."""

from __future__ import annotations

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_360learning.api.types import Call
from airflow_provider_360learning.sandbox.demo_company import GRACE_ID, GRACE_MAIL, LINUS_MAIL
from tests.sync.sync_runs import changes_of, row

EXTERNAL = {"key": "external_id", "external_platform": "HR"}
EXTERNAL_IDS = ("createExternalId", "updateExternalId")


def user(api, mail):
    return api.get_user(user=mail)


def users_with(sandbox, mail):
    return [one["id"] for one in sandbox.control.state()["users"] if one["mail"] == mail]


def remove_key(api, mail):
    """Remove the key of a user, as a person does in the web interface."""
    if api.user_facts.clears_values:
        api.update_user(user=mail, clear=["custom"])
    else:
        api.client.call(Call("updateUser", path={"user": mail}, body={"custom": ""}))


@pytest.mark.parametrize("version", ["v2"])
def test_an_account_that_was_created_before_its_key_could_be_set_is_adopted(api, sandbox, syncs):
    for operation in EXTERNAL_IDS:
        sandbox.control.add_fault(operation, kind="status", status=400, body={"error": "invalid"}, count=10)
    with pytest.raises(AirflowFailException, match="ChangesNotDoneError"):
        syncs.apply([row("ana")], **EXTERNAL)
    sandbox.control.clear_faults()
    created = users_with(sandbox, "ana@acme.test")
    assert len(created) == 1
    [change] = changes_of(syncs.plan([row("ana")], **EXTERNAL))
    assert (change["action"], change["after"]) == ("update", {"key": "ana"})
    syncs.apply([row("ana")], **EXTERNAL)
    found = api.get_user_by_external_id(external_platform="HR", external_id="hr:ana")
    assert [found["user_id"]] == created == users_with(sandbox, "ana@acme.test")
    assert changes_of(syncs.plan([row("ana")], **EXTERNAL)) == []
    # Once it has its key, it is not adopted a second time.
    [mapping] = api.client.call(Call("getExternalIds", query={"platform[eq]": "HR"})).items
    api.client.call(Call("deleteExternalId", path={"mappingId": mapping["_id"]}))
    assert syncs.plan([row("ana")], **EXTERNAL)["counts"] == {"unmanaged": 1}


@pytest.mark.parametrize("after", [1, 2])
def test_an_account_whose_key_was_removed_by_hand_is_reported(api, sandbox, syncs, after):
    for _ in range(after):
        syncs.apply([row("ana"), row("bo")])
    remove_key(api, "ana@acme.test")
    moved = row("ana") | {"mail": "anna@acme.test"}
    for ana in (row("ana"), moved):
        result = syncs.apply([ana, row("bo")])
        assert (changes_of(result), result["counts"]) == ([], {"unmanaged": 1})
    assert not user(api, "ana@acme.test")["custom"]
    assert users_with(sandbox, "anna@acme.test") == []
    # By its address, it is adopted like any other account.
    assert syncs.plan([moved, row("bo")], adopt="mail")["counts"] == {"unmanaged": 1}
    syncs.apply([row("ana"), row("bo")], adopt="mail")
    assert user(api, "ana@acme.test")["custom"] == "hr:ana"


def test_an_account_is_adopted_by_its_address(api, syncs):
    rows = [row("grace") | {"mail": GRACE_MAIL}]
    assert syncs.apply(rows)["counts"] == {"unmanaged": 1}
    assert not user(api, GRACE_MAIL)["custom"]
    syncs.apply(rows, adopt="mail")
    assert (user(api, GRACE_MAIL)["custom"], user(api, GRACE_MAIL)["user_id"]) == ("hr:grace", GRACE_ID)
    assert changes_of(syncs.plan(rows)) == []


def test_a_person_whom_another_client_has_invited_is_adopted_by_the_address(api, sandbox, syncs):
    """Version 2 shows the invitation; with version 1, the creation meets it."""
    rows = [row("linus", job="Welder") | {"mail": LINUS_MAIL}]
    invite = {"joiner_mode": "invite", "adopt": "mail"}
    first = syncs.apply(rows, **invite)
    is_listed = api.user_facts.lists_invited
    assert first["outcomes"] == ({"updated": 1} if is_listed else {"already_invited": 1})
    second = syncs.apply(rows, **invite)
    assert (changes_of(second), second["counts"]) == ([], {"pending": 1})
    sandbox.control.accept_invitation(LINUS_MAIL)
    syncs.apply(rows, **invite)
    assert (user(api, LINUS_MAIL)["custom"], user(api, LINUS_MAIL)["job"]) == ("hr:linus", "Welder")
    assert changes_of(syncs.plan(rows, **invite)) == []
    assert sandbox.control.state()["mails_sent"] == []


def test_a_person_whom_another_client_has_invited_is_not_adopted_by_default(api, sandbox, syncs):
    rows = [row("linus", job="Welder") | {"mail": LINUS_MAIL}]
    for _ in range(2):
        syncs.apply(rows, joiner_mode="invite")
    sandbox.control.accept_invitation(LINUS_MAIL)
    result = syncs.apply(rows, joiner_mode="invite")
    assert (changes_of(result), result["counts"]) == ([], {"unmanaged": 1})
    assert not user(api, LINUS_MAIL)["custom"]
    assert sandbox.control.state()["mails_sent"] == []
