"""The sync operator in mode plan, through sockets: what it writes and returns, and that it sends nothing."""

from __future__ import annotations

import datetime as dt
import re

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_360learning.files.storage import storage_path
from airflow_provider_360learning.sandbox.demo_company import GRACE_MAIL, ROOT_GROUP_ID
from tests.sync.sync_runs import changes_of, row

WRITES = ("POST", "PUT", "PATCH", "DELETE")


def test_plans_and_sends_nothing(sandbox, syncs):
    sandbox.control.clear_journal()
    result = syncs.plan([row("ana"), row("bo")])
    assert result["counts"] == {"create": 2}
    assert [change["key"] for change in changes_of(result)] == ["ana", "bo"]
    assert {name: each["passed"] for name, each in result["guards"].items()}["max_leavers"] is True
    journal = [entry for entry in sandbox.control.journal() if "oauth" not in entry["path"]]
    assert not [entry for entry in journal if entry["method"] in WRITES and "token" not in entry["path"].lower()]


def test_the_same_source_gives_the_same_plan(syncs):
    first, second = (syncs.plan([row("ana")]) for _ in range(2))
    assert first == second


def test_a_plan_that_a_guard_refuses_is_written_all_the_same(syncs):
    with pytest.raises(AirflowFailException, match="max_joiners is 2, the limit 1"):
        syncs.plan([row("ana"), row("bo")], max_joiners=1)
    [plan] = (syncs.folder / "plans").iterdir()
    assert '"max_joiners","limit":1,"passed":false' in (plan / "plan.json").read_text().replace(" ", "").replace(
        "\n", ""
    )
    result = syncs.plan([row("ana"), row("bo")], max_joiners=1, accept_plan=plan.name)
    assert result["guards"]["max_joiners"] == {"limit": 1, "actual": 2, "passed": False}


def test_an_account_without_a_key_is_reported(syncs):
    assert syncs.plan([row("ana", mail=GRACE_MAIL)])["counts"] == {"unmanaged": 1}


# Changes that take something away, or give an account its key


def test_an_account_that_gets_its_key_is_a_destructive_change(syncs):
    result = syncs.plan([row("ana", mail=GRACE_MAIL), row("bo")], adopt="mail")
    assert (result["counts"], result["destructive"]) == ({"create": 1, "update": 1}, 1)


def test_a_value_that_is_cleared_is_a_destructive_change(api, syncs, version):
    people = [row("ana", job="Nurse"), row("bo", job="Nurse")]
    for person in people:
        profile = {"first_name": person["first_name"], "job": person["job"], "custom": f"hr:{person['key']}"}
        api.create_user(mail=person["mail"], mode="create_active", group_id=ROOT_GROUP_ID, **profile)
    result = syncs.plan([row("ana", job=""), row("bo", job="Doctor")], clear=["job"])
    assert result["destructive"] == {"v1": 0, "v2": 1}[version]  # v1 clears no values


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"max_leavers": None}, "max_leavers is None"),
        ({"key": "mail"}, "key_namespace"),
        ({"key_namespace": None, "leavers": "missing"}, "leavers='missing' needs a namespace"),
        ({"key": "external_id"}, "external_platform"),
        ({"groups_mode": "exact"}, "managed_groups"),
        ({"create_groups": True}, "groups_parent"),
        ({"owned": ["salary"]}, "owned has 'salary'"),
        ({"owned": ["mail"]}, "owned has 'mail'"),
        ({"create_only": ["groups"]}, "create_only has 'groups'"),
        *(({"clear": [name]}, f"clear has '{name}'") for name in ("mail", "lang", "status", "leaves_at", "salary")),
        ({"managed_groups": ["Nowhere"]}, "managed_groups"),
        ({"mode": "destroy"}, "mode is 'destroy'"),
        ({"plan_valid_for": "soon"}, "plan_valid_for"),
    ],
)
def test_refuses_arguments(syncs, arguments, problem):
    with pytest.raises(AirflowFailException, match=problem):
        syncs.run([row("ana")], **arguments)


def test_groups_are_given_by_names(syncs):
    result = syncs.plan([row("ana", groups="Sales")], managed_groups=["Sales"])
    assert result["counts"] == {"create": 1}


# Plans without values


def test_a_redacted_plan_has_no_dates_no_values_that_are_not_strings_and_none_that_are_cut(syncs):
    cut = "7.625, but must " * 30
    invalid = [
        row("bo", lang=7.625),
        row("cy", phone=[7.625, "x, but must 7.625"]),
        row("dee", leaves_at=dt.date(1969, 7, 31)),
        row("ed", status=cut),
        row("fay", groups=cut),
        row("gil", groups="7.625, but must 7.625"),
    ]
    arguments = {"leavers": "explicit", "leaver_action": "deactivate", "max_row_errors": 6}
    result = syncs.plan([row("ana", leaves_at="2098-07-30"), *invalid], redact=True, **arguments)
    assert result["counts"] == {"row_error": 6, "create": 1, "deactivate": 1}
    folder = storage_path(result["path"])
    lines = "".join((folder / name).read_text() for name in ("changes.jsonl", "findings.jsonl"))
    assert not re.search(r"7\.625|2098|1969", lines)
    assert "lang is …, but must be a string" in lines
    assert '"reason":"leaves at …"' in lines
