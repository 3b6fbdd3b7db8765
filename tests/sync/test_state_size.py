"""A plan is refused if the state that it leads to could not be read by the next run."""

from __future__ import annotations

import json

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_360learning.exceptions import InvalidRequestError
from airflow_provider_360learning.files.storage import storage_path
from airflow_provider_360learning.rows.stored_state import StoredStateError, number_of_values
from airflow_provider_360learning.sync.listing import read_platform
from airflow_provider_360learning.sync.new_state import with_all_changes
from airflow_provider_360learning.sync.plan_files import load_plan
from airflow_provider_360learning.sync.planning import company_of, identity_of
from airflow_provider_360learning.sync.state import (
    FILE,
    Remembered,
    Restored,
    SyncState,
    ensure_readable,
    load_state,
    save_state,
)
from tests.rows.support import writes
from tests.sync.sync_runs import row

IDENTITY = "acme v2 custom hr:"
STATE = SyncState(
    {
        "1": Remembered(mail="una@acme.test", applied={"job": "R&D, Labs [Lyon]", "phone": None}, awaits_key=True),
        "2": Remembered(applied={"job": "x" * 500}),
    },
    restored={"bo@acme.test": Restored()},
)


def sizes(folder):
    data = (folder / FILE).read_bytes()
    return {"max_people": len(json.loads(data)["people"]), "max_bytes": len(data), "max_values": number_of_values(data)}


def test_a_state_at_its_limits_can_be_read(tmp_path):
    save_state(tmp_path, STATE, IDENTITY)
    ensure_readable(STATE, IDENTITY, **sizes(tmp_path))


@pytest.mark.parametrize("limit", ["max_people", "max_bytes", "max_values"])
def test_a_state_beyond_a_limit_is_refused(tmp_path, limit):
    save_state(tmp_path, STATE, IDENTITY)
    maximum = sizes(tmp_path)[limit] - 1
    expected = rf"at most .*\b{maximum:,} {limit.removeprefix('max_')}.*several parts.*Nothing was sent"
    with pytest.raises(InvalidRequestError, match=expected):
        ensure_readable(STATE, IDENTITY, **{**sizes(tmp_path), limit: maximum})


def test_a_person_beyond_the_limit_of_one_is_refused():
    with pytest.raises(InvalidRequestError, match=r"for 2, but .* at most 400: shorten the values"):
        ensure_readable(STATE, IDENTITY, max_part=400)
    ensure_readable(STATE, IDENTITY, max_part=600)


@pytest.mark.parametrize("length", [(1 << 20) - 20, 1 << 20])
def test_what_is_not_refused_can_be_read(tmp_path, length):
    state = SyncState({"1": Remembered(applied={"job": "x" * (length - 20), "phone": None})})
    save_state(tmp_path, state, IDENTITY)
    try:
        ensure_readable(state, IDENTITY)
    except InvalidRequestError:
        with pytest.raises(StoredStateError):
            load_state(tmp_path, IDENTITY)
    else:
        assert load_state(tmp_path, IDENTITY) == state


def test_a_person_with_more_than_the_state_can_have_is_refused(sandbox, syncs):
    sandbox.control.clear_journal()
    with pytest.raises(AirflowFailException, match="for ana, but the next run can read at most 1,048,576"):
        syncs.apply([row("ana", job="é" * 200_000), row("bo")])
    assert {"createOrInviteUser", "createUser"}.isdisjoint(entry["operation"] for entry in writes(sandbox))


@pytest.mark.parametrize("joiner_mode", ["invite", "create_active"])
@pytest.mark.parametrize("key", ["custom", "mail"])
def test_a_plan_expects_at_least_the_state_that_it_leads_to(api, syncs, joiner_mode, key):
    arguments = {"joiner_mode": joiner_mode, "key": key, "leavers": "both", "leaver_action": "deactivate"}
    arguments |= {"max_leavers": 50, "max_leavers_per_period": (50, "30 days")}
    people = [row(name, job="Welder", phone="1", manager="cy@acme.test") for name in ("ana", "bo", "cy", "dee")]
    people[2]["manager"] = ""
    nights = [people, [people[0] | {"job": "Doctor"}, people[2], people[3] | {"leaves_at": "2099-01-01"}], people]
    if key == "mail":
        arguments |= {"key_namespace": None}
        nights = [[{name: one[name] for name in one if name != "key"} for one in night] for night in nights]
    folder = f"{syncs.folder}/state"
    for night in nights:
        if not api.user_facts.lists_invited and night is nights[2]:
            break  # API v1 cannot cancel a deactivation
        planned = syncs.plan(night, **arguments)
        plan = load_plan(f"{syncs.folder}/plans", planned["plan_id"])
        identity = identity_of(company_of(api), plan.options)
        state = load_state(folder, identity)
        accounts = read_platform(api, plan.options, state, plan.created_at).accounts
        grown = with_all_changes(state, accounts, plan.changes, plan.options, plan.created_at)
        syncs.apply(night, **arguments)
        expected = storage_path(f"{syncs.folder}/expected")
        save_state(expected, grown, identity)
        actual = sizes(storage_path(folder))
        assert {name: actual[name] <= maximum for name, maximum in sizes(expected).items()} == dict.fromkeys(
            actual, True
        )
