"""Which values are cleared, written once and written back, through sockets, on both versions."""

from __future__ import annotations

import json

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_360learning.files.storage import storage_path
from airflow_provider_360learning.sandbox.demo_company import DEPARTMENT_FIELD_ID, SALES_GROUP_ID, SITE_FIELD_ID
from tests.sync.sync_runs import changes_of, row

pytestmark = pytest.mark.slow  # each phase of an applied plan is a bulk run
SITE, DEPARTMENT = "custom_fields.Site", "custom_fields.Department"


def custom_fields(api, key):
    return {name: value for name, value in api.get_user(user=f"{key}@acme.test")["custom_fields"].items() if value}


def managers(api, key):
    """Return the keys of the managers of a person."""
    keys = {one["user_id"]: one["custom"].removeprefix("hr:") for one in api.list_users() if one["custom"]}
    return [keys[one["user_id"]] for one in api.list_managers(user=f"{key}@acme.test")]


def reports_of(result):
    lines = (storage_path(result["path"]) / "findings.jsonl").read_text().splitlines()
    return {(one["finding"], *one.get("keys", ())) for one in map(json.loads, lines)}


# Cleared


def test_empty_cells_clear_custom_fields_managers_and_groups(api, syncs):
    arguments = {
        "clear": ["groups", "manager", SITE],
        "managed_groups": ["Sales"],
        "groups_mode": "exact",
    }
    boss = row("boss", groups="Sales", manager="", **{SITE: "Paris", DEPARTMENT: ""})
    ana = row("ana", groups="Sales;Sales:coach", manager="boss", **{SITE: "Lyon", DEPARTMENT: "R&D"})
    syncs.apply([ana, boss], **arguments)
    assert (custom_fields(api, "ana"), managers(api, "ana")) == (
        {SITE_FIELD_ID: "Lyon", DEPARTMENT_FIELD_ID: "R&D"},
        ["boss"],
    )
    ana |= {"groups": "", "manager": "", SITE: "", DEPARTMENT: ""}
    result = syncs.apply([ana, boss], **arguments)
    assert result["counts"] == {"remove_from_group": 1, "remove_manager": 1, "update": 1, "last_group": 1}
    # An empty cell of another custom field changes nothing.
    assert (custom_fields(api, "ana"), managers(api, "ana")) == ({DEPARTMENT_FIELD_ID: "R&D"}, [])
    roles = [one["role"] for one in api.list_user_roles(user="ana@acme.test") if one["group_id"] == SALES_GROUP_ID]
    assert len(roles) == 1  # the last membership stays
    assert (custom_fields(api, "boss"), changes_of(syncs.plan([ana, boss], **arguments))) == (
        {SITE_FIELD_ID: "Paris"},
        [],
    )


def test_profile_fields_are_cleared_where_that_is_possible(api, syncs, version):
    arguments = {"clear": ["first_name", "job", SITE]}
    syncs.apply([row("ana", job="Welder", **{SITE: "Lyon"}), row("bo")], **arguments)
    rows = [row("ana", job="", **{SITE: ""}), row("bo")]
    if version == "v1":
        with pytest.raises(AirflowFailException, match="max_row_errors is 1"):
            syncs.apply(rows, **arguments)
        # The custom field can be cleared without the other one.
        syncs.apply([row("ana", job="Welder", **{SITE: ""}), row("bo")], **arguments)
    else:
        syncs.apply(rows, **arguments)
        assert api.get_user(user="ana@acme.test")["job"] is None
        assert changes_of(syncs.plan(rows, **arguments)) == []
    assert custom_fields(api, "ana") == {}


def test_what_is_empty_already_is_read_once(api, sandbox, syncs):
    arguments = {"clear": ["manager", SITE], "owned": ["manager", SITE]}
    rows = [row("ana", manager="", **{SITE: ""}), row("bo", manager="", **{SITE: ""})]
    syncs.apply(rows, **arguments)
    api.update_user(user="ana@acme.test", custom_fields={SITE_FIELD_ID: "Lyon"})
    api.add_manager(user="bo@acme.test", manager="ana@acme.test")
    syncs.apply(rows, **arguments)
    assert (custom_fields(api, "ana"), managers(api, "bo")) == ({}, [])
    for _ in range(2):  # what was applied is verified, and then known
        syncs.apply(rows, **arguments)
    sandbox.control.clear_journal()
    assert changes_of(syncs.plan(rows, **arguments)) == []
    names = ("getUser", "listUserManagers", "getUserCustomFieldValues")
    assert not [one for one in sandbox.control.journal() if one["operation"] in names]


# Written once


def test_what_new_people_get_is_set_when_they_have_an_account(api, sandbox, syncs):
    arguments = {"create_only": ["manager", "job", SITE], "joiner_mode": "invite"}
    rows = [row("ana", manager="boss", job="Welder", **{SITE: "Lyon"}), row("boss")]
    syncs.apply(rows, **arguments)
    for key in ("ana", "boss"):
        sandbox.control.accept_invitation(f"{key}@acme.test")
    syncs.apply(rows, **arguments)
    assert (custom_fields(api, "ana"), managers(api, "ana")) == ({SITE_FIELD_ID: "Lyon"}, ["boss"])
    changed = [row("ana", manager="", job="Smith", **{SITE: "Paris"}), row("boss", manager="ana")]
    # Boss has no manager yet, and gets the first one that the source has.
    assert [(one["action"], one["key"]) for one in changes_of(syncs.plan(changed, **arguments))] == [
        ("add_manager", "boss")
    ]


def test_what_new_people_get_is_not_given_to_others(api, syncs):
    api.create_user(mail="ana@acme.test", mode="create_active", group_id=SALES_GROUP_ID, custom="hr:ana")
    rows = [row("ana", manager="boss", **{SITE: "Lyon"}), row("boss")]
    syncs.apply(rows, create_only=["manager", SITE])
    assert (custom_fields(api, "ana"), managers(api, "ana")) == ({}, [])


# Written back


def test_what_is_owned_and_not_read_is_reported(api, syncs):
    arguments = {"owned": ["manager", SITE]}
    rows = [row("ana", manager="boss", **{SITE: "Lyon"}), row("boss")]
    syncs.apply(rows, **arguments)
    api.update_user(user="ana@acme.test", custom_fields={SITE_FIELD_ID: "Paris"})
    api.remove_manager(user="ana@acme.test", manager="boss@acme.test")
    unread = {("not_verifiable", "manager"), ("not_verifiable", f"custom_fields.{SITE_FIELD_ID}")}
    result = syncs.plan(rows, **arguments)
    assert (changes_of(result), reports_of(result) & unread) == ([], unread)
    result = syncs.apply(rows, **arguments, verify="full")
    assert reports_of(result) & unread == set()
    assert (custom_fields(api, "ana"), managers(api, "ana")) == ({SITE_FIELD_ID: "Lyon"}, ["boss"])
