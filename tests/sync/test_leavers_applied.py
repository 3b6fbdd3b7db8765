"""Leavers are applied through sockets, on both versions: which dates are set, who counts, and who is remembered."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_360learning.files.storage import storage_path
from airflow_provider_360learning.sandbox.demo_company import GRACE_MAIL
from airflow_provider_360learning.sync.planning import company_of
from airflow_provider_360learning.sync.state import load_state
from tests.sync.sync_runs import changes_of, row

pytestmark = pytest.mark.slow  # each phase of an applied plan is a bulk run
NOW = datetime.now(UTC).replace(microsecond=0)
BOTH = {"leavers": "both", "leaver_action": "deactivate"}
EVERY = {"max_leavers": 50, "max_leavers_per_period": (50, "30 days")}


def findings_of(result):
    lines = (storage_path(result["path"]) / "findings.jsonl").read_text().splitlines()
    return {(one["finding"], *one.get("keys", ())) for one in map(json.loads, lines)}


def date_of(api, mail):
    """Return when a user is deactivated."""
    text = api.get_user(user=mail)["to_be_deactivated_at"]
    return None if not text else datetime.fromisoformat(text)


def in_days(days):
    return NOW + timedelta(days=days)


def people_of(api, syncs, key="custom hr:"):
    """Return what the state remembers of people."""
    return load_state(f"{syncs.folder}/state", f"{company_of(api)} {key}").people


def is_soon(date):
    return timedelta() < date - datetime.now(UTC) <= timedelta(hours=1)


# Dates


def test_a_date_that_was_set_by_hand_is_replaced_for_all_who_leave(api, syncs):
    keys = ("missing", "inactive", "later")
    syncs.apply([row(key) for key in (*keys, "stays")], **BOTH)
    for key in (*keys, "stays"):
        api.update_user(user=f"{key}@acme.test", to_be_deactivated_at=in_days(90).isoformat())
    rows = [row("inactive", status="inactive"), row("later", leaves_at=in_days(9).isoformat()), row("stays")]
    result = syncs.apply(rows, **BOTH)
    assert result["outcomes"] == {"updated": 3}
    assert is_soon(date_of(api, "missing@acme.test"))
    assert is_soon(date_of(api, "inactive@acme.test"))
    assert date_of(api, "later@acme.test") == in_days(9)
    assert date_of(api, "stays@acme.test") == in_days(90)
    assert changes_of(syncs.plan(rows, **BOTH)) == []


@pytest.mark.parametrize("action", ["deactivate", "delete"])
def test_a_future_date_counts_for_who_is_inactive_already(api, syncs, action):
    arguments = BOTH | {"leaver_action": action}
    syncs.apply([row("ana"), row("bo")], **arguments)
    rows = [row("ana", status="inactive", leaves_at=in_days(9).isoformat()), row("bo")]
    syncs.apply(rows, **arguments)
    assert date_of(api, "ana@acme.test") == in_days(9)
    assert changes_of(syncs.plan(rows, **arguments)) == []


def test_who_returns_before_the_date_stays_and_where_it_cannot_be_removed_is_an_error(api, syncs, version):
    rows = [row("ana"), row("bo")]
    syncs.apply(rows, **BOTH)
    syncs.apply(rows[1:], **BOTH)
    if version == "v1":
        with pytest.raises(AirflowFailException, match="max_row_errors is 1"):
            syncs.apply(rows, **BOTH)
        assert is_soon(date_of(api, "ana@acme.test"))
    else:
        assert syncs.apply(rows, **BOTH)["outcomes"] == {"updated": 1}
        assert date_of(api, "ana@acme.test") is None
        assert changes_of(syncs.plan(rows, **BOTH)) == []


def test_dates_are_not_read_in_each_plan(api, sandbox, syncs, version):
    rows = [row("ana", leaves_at=in_days(9).isoformat()), row("bo", leaves_at=in_days(90).isoformat())]
    syncs.apply([row("ana"), row("bo")], **BOTH)
    api.update_user(user="ana@acme.test", to_be_deactivated_at=in_days(9).isoformat())

    def reads(**arguments):
        sandbox.control.clear_journal()
        result = syncs.plan(rows, **BOTH | arguments)
        read = [one for one in sandbox.control.journal() if one["operation"] == "getUser"]
        return len(read), len(changes_of(result))

    assert reads(leaver_action="report") == (0, 0)
    # The listing of API v2 has the dates.
    assert reads() == ((2 if version == "v1" else 0), 1)
    syncs.apply(rows, **BOTH)
    assert reads() == (0, 0)


# Who counts


def test_people_who_are_there_collect_no_missing_runs(api, syncs):
    arguments = {"leavers": "both", "leaver_action": "report", "missing_runs": 3}
    rows = [row("ana", status="inactive"), row("bo", leaves_at=in_days(9).isoformat()), row("cy"), row("dee")]
    syncs.apply([row(key) for key in ("ana", "bo", "cy", "dee")], **arguments)
    for counts in (3, 0, 0):
        result = syncs.apply(rows[:3], **arguments)
        assert result["guards"]["max_leavers"]["actual"] == counts
    people = people_of(api, syncs)
    assert {key: one.missing_runs for key, one in people.items()} == {"ana": 0, "bo": 0, "cy": 0, "dee": 3}
    assert [key for key, one in people.items() if one.reported_at] == ["ana", "bo"]
    # They are missing from now on, for the first time.
    result = syncs.apply(rows[2:3], **arguments)
    assert findings_of(result) >= {("missing", "ana"), ("missing", "bo"), ("leaver", "dee")}
    assert result["guards"]["max_leavers"]["actual"] == 2


def test_a_date_that_is_far_away_counts_when_it_is_near(api, syncs):
    syncs.apply([row("ana"), row("bo")], **BOTH)

    def leavers(days, **arguments):
        rows = [row("ana", leaves_at=in_days(days).isoformat()), row("bo")]
        guards = syncs.apply(rows, **BOTH | arguments)["guards"]
        assert date_of(api, "ana@acme.test") == in_days(days)
        return guards["max_leavers"]["actual"], guards["max_leavers_per_period"]["actual"]

    assert leavers(400) == (0, 0)
    assert leavers(29) == (1, 1)
    assert leavers(30) == (0, 0)  # only postponed


# Who is remembered


def test_with_addresses_as_keys_all_who_are_wanted_can_be_missing_later(api, syncs):
    arguments = {"leavers": "missing", "leaver_action": "delete", "key": "mail", "key_namespace": None}
    assert syncs.apply([{"mail": GRACE_MAIL}], **arguments)["outcomes"] == {}  # nothing differs
    assert GRACE_MAIL in people_of(api, syncs, "mail")
    result = syncs.apply([{"mail": "new@acme.test"}], **arguments)
    assert result["counts"] == {"create": 1, "delete": 1}
    assert result["outcomes"] == {"created": 1, "deleted": 1}


@pytest.mark.parametrize("action", ["deactivate", "delete"])
@pytest.mark.parametrize("version", ["v2"], indirect=True)  # which has external ids
def test_who_leaves_before_the_account_has_its_key_leaves(api, sandbox, syncs, action):
    arguments = {"key": "external_id", "external_platform": "HR", "leaver_action": action}
    sandbox.control.add_fault("createExternalId", kind="status", status=403)
    with pytest.raises(AirflowFailException, match="1 of 1 changes were not made"):
        syncs.apply([row("ana")], **arguments)
    user_id = api.get_user(user="ana@acme.test")["user_id"]
    result = syncs.apply([row("ana", status="inactive")], **arguments)
    assert result["outcomes"] == {"deleted" if action == "delete" else "updated": 1}
    if action == "deactivate":
        assert is_soon(date_of(api, user_id))
    else:
        assert user_id not in {one["user_id"] for one in api.list_users()}
