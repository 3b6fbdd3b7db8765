"""People who return, and newcomers with the address of a leaver: whose account they get, and what it has."""

from __future__ import annotations

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_360learning.api.types import Call
from airflow_provider_360learning.sandbox.demo_company import GRACE_MAIL, SALES_GROUP_ID
from tests.api.factory import api_factory
from tests.sync.sync_runs import changes_of, row
from tests.unlimited_sandbox import make_session

pytestmark = pytest.mark.slow  # each applied plan verifies its lease, for a second per phase

GROUPS = {"managed_groups": ["Sales"], "groups_mode": "exact"}
ANA = row("ana", job="Welder", groups="Sales;Sales:coach")
MOVED = ANA | {"mail": "ana.novak@acme.test"}


def leavers(action):
    return {"leavers": "both", "leaver_action": action, **GROUPS}


def user(api, mail):
    return api.get_user(user=mail)


def managers(api, mail):
    """Return the ids of the managers of a user."""
    user_id = user(api, mail)["user_id"]
    return sorted(each["user_id"] for each in api.list_managers(user=user_id))


def learn(sandbox, mail):
    """Let a user complete a path session, and return its id."""
    sandbox.control.settings(learner_seconds=60)
    session_id = make_session(sandbox, mail)
    sandbox.control.advance(120)
    return session_id


def progress(api, session_id):
    """Return the progress in a path session by the id of the user."""
    return {each["user_id"]: each["progress"] for each in api.list_path_session_stats(session_id=session_id)}


def remove_date_by_hand(sandbox, user_id):
    """Cancel a deactivation in 360Learning, which API v1 cannot."""
    with api_factory(sandbox, "v2") as make:
        make().update_user(user=user_id, clear=["to_be_deactivated_at"])


@pytest.mark.parametrize("returned", [ANA, MOVED], ids=["same address", "new address"])
@pytest.mark.parametrize("action", ["delete", "deactivate"])
def test_a_person_who_returns_keeps_the_account_with_its_statistics(api, sandbox, syncs, version, action, returned):
    arguments = leavers(action)
    syncs.apply([ANA, row("bo")], **arguments)
    user_id = user(api, ANA["mail"])["user_id"]
    session_id = learn(sandbox, ANA["mail"])
    assert progress(api, session_id) == {user_id: 100}
    syncs.apply([row("bo")], **arguments)
    rows = [returned, row("bo")]
    if (version, action) == ("v1", "deactivate"):
        with pytest.raises(AirflowFailException, match="max_row_errors is 1"):
            syncs.apply(rows, **arguments)
        remove_date_by_hand(sandbox, user_id)
    syncs.apply(rows, **arguments)
    found = user(api, returned["mail"])
    assert (found["user_id"], found["custom"], found["to_be_deactivated_at"]) == (user_id, "hr:ana", None)
    assert progress(api, session_id) == {user_id: 100}
    roles = {(one["group_id"], one["role"]) for one in api.list_user_roles(user=user_id)}
    assert {(SALES_GROUP_ID, "learner"), (SALES_GROUP_ID, "coach")} <= roles
    assert changes_of(syncs.plan(rows, **arguments)) == []


@pytest.mark.parametrize(
    ("manager_of_ana", "manager_of_bo", "left"),
    [("bo", None, {"bo"}), (None, "cy", set()), (None, None, {"bo", GRACE_MAIL})],
    ids=["another one", "no one", "a source without managers"],
)
def test_managers_of_the_time_before_are_removed(api, syncs, manager_of_ana, manager_of_bo, left):
    arguments = leavers("delete")
    others = [row("bo", manager=manager_of_bo), row("cy")]
    syncs.apply([row("ana", manager="bo"), *others], **arguments)
    api.add_manager(user="ana@acme.test", manager=user(api, GRACE_MAIL)["user_id"])  # by hand
    syncs.apply(others, **arguments)
    rows = [row("ana", manager=manager_of_ana), *others]
    syncs.apply(rows, **arguments)
    wanted = {key if "@" in key else f"{key}@acme.test" for key in left}
    assert managers(api, "ana@acme.test") == sorted(user(api, mail)["user_id"] for mail in wanted)
    assert changes_of(syncs.plan(rows, **arguments)) == []


@pytest.mark.parametrize("version", ["v1"])
def test_what_a_restoration_has_lost_is_written_again(api, sandbox, syncs):
    arguments = leavers("delete")
    syncs.apply([ANA, row("bo")], **arguments)
    user_id = user(api, ANA["mail"])["user_id"]
    syncs.apply([row("bo")], **arguments)
    with api_factory(sandbox, "v2") as make:
        emptied = ("job", "custom", "firstName")
        make().client.call(Call("updateUser", path={"userId": user_id}, body={}, nulls=emptied))
    syncs.apply([ANA, row("bo")], **arguments)
    [found] = [each for each in sandbox.control.state()["users"] if each["id"] == user_id]
    names = ("first_name", "job", "custom")
    assert [found["profile"].get(name) for name in names] == ["Ana", "Welder", "hr:ana"]
    assert changes_of(syncs.plan([ANA, row("bo")], **arguments)) == []


NEWCOMER = row("cy", first_name="Cy") | {"mail": ANA["mail"]}


def status(sandbox, user_id):
    [found] = [each for each in sandbox.control.state()["users"] if each["id"] == user_id]
    return found["status"], found["profile"]["first_name"]


def test_a_newcomer_with_the_address_of_a_leaver_whom_the_state_knows_is_a_conflict(api, sandbox, syncs):
    arguments = leavers("delete")
    syncs.apply([ANA, row("bo")], **arguments)
    user_id = user(api, ANA["mail"])["user_id"]
    syncs.apply([row("bo")], **arguments)
    for rows in ([NEWCOMER, row("bo")], [NEWCOMER, MOVED, row("bo")]):
        with pytest.raises(AirflowFailException, match="max_conflicts is 1"):
            syncs.apply(rows, **arguments)
        assert changes_of(syncs.apply(rows, **arguments, max_conflicts=1)) == []
    assert status(sandbox, user_id) == ("deleted", "Ana")
    # Once the leaver has another address, the newcomer has theirs.
    syncs.apply([MOVED, row("bo")], **arguments)
    syncs.apply([NEWCOMER, MOVED, row("bo")], **arguments)
    assert user(api, MOVED["mail"])["user_id"] == user_id
    assert user(api, NEWCOMER["mail"])["first_name"] == "Cy"


def test_a_newcomer_with_the_address_of_a_leaver_whom_the_state_does_not_know(api, sandbox, syncs, version):
    api.create_user(mail=ANA["mail"], mode="create_active", first_name="Ana")
    user_id = user(api, ANA["mail"])["user_id"]
    api.delete_user(user=user_id)
    if version == "v1":  # which does not list the account
        with pytest.raises(AirflowFailException, match="conflict"):
            syncs.apply([NEWCOMER])
    for _ in range(2):
        found = syncs.apply([NEWCOMER])
        assert (changes_of(found), found["counts"]) == ([], {"unmanaged": 1})
    assert status(sandbox, user_id) == ("deleted", "Ana")


def test_with_addresses_as_keys_a_leaver_whom_the_state_knows_returns(api, syncs):
    arguments = {"key": "mail", "key_namespace": None, "leavers": "both", "leaver_action": "delete"}
    rows = [{"mail": f"{name}@acme.test", "first_name": name} for name in ("ana", "bo")]
    syncs.apply(rows, **arguments)
    user_id = user(api, "ana@acme.test")["user_id"]
    syncs.apply(rows[1:], **arguments)
    syncs.apply(rows, **arguments)
    assert user(api, "ana@acme.test")["user_id"] == user_id
    assert changes_of(syncs.plan(rows, **arguments)) == []
