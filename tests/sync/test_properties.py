"""
Any company, and any two sources one after the other, against the sandbox.

An applied plan leaves nothing to do, and nothing outside the scope of the sync changes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from airflow_provider_360learning.api.interface import LearningApi
from airflow_provider_360learning.sandbox.demo_company import ROOT_GROUP_ID
from airflow_provider_360learning.sandbox.server import Sandbox
from tests.sync.sync_runs import Syncs, changes_of

KEYS = "abcd"
MAILS = [f"{name}@acme.test" for name in (*KEYS, "x", "y")]
NAMESPACE = "hr:"
#: Crew is managed: North, below it, is public, and Board is private. Other is not managed.
MANAGED, OTHER = ["Crew", "North", "Board"], "Other"
#: What rows want and is missing, and the names of the groups that are created for it.
MISSING, CREATED = ["New", "Crew/North/Deep/Down"], ["New", "Deep", "Down"]
#: Passed by every plan: what they refuse is tested elsewhere.
LIMITS = {
    "max_leavers": 100,
    "max_leavers_per_period": (100, "30 days"),
    "max_email_changes": 100,
    "max_source_change": "100%",
    "max_conflicts": 100,
    "max_row_errors": 100,
}


@dataclass(frozen=True)
class Account:
    """A user before the sync."""

    mail: str
    custom: str | None
    job: str | None
    groups: Mapping[str, str]
    manager: int | None


accounts = st.builds(
    Account,
    mail=st.sampled_from(MAILS),
    custom=st.sampled_from([*(NAMESPACE + key for key in KEYS), None, "crm:1"]),
    job=st.sampled_from([None, "Engineer", "Nurse"]),
    groups=st.dictionaries(
        st.sampled_from([*MANAGED, OTHER]), st.sampled_from(["learner", "coach"]), min_size=1, max_size=3
    ),
    manager=st.none() | st.integers(0, 3),
)
companies = st.lists(accounts, max_size=5, unique_by=lambda one: one.mail)


@st.composite
def sources(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Return at least two rows, so that another source has at most twice as many."""
    keys = draw(st.lists(st.sampled_from(KEYS), min_size=2, unique=True))
    mails = draw(st.permutations(MAILS))
    cells = st.fixed_dictionaries(
        {
            "groups": st.lists(st.sampled_from([*MANAGED, "Acme/Crew/Board:coach", *MISSING]), max_size=3),
            "job": st.sampled_from([None, "Engineer", "Nurse"]),
            "manager": st.sampled_from([None, *KEYS]),
            "status": st.sampled_from(["active", "active", "inactive"]),
        }
    )
    usual = draw(st.booleans())  # usual addresses, so that not all people are in conflict
    return [
        {"key": key, "mail": f"{key}@acme.test" if usual else mail, **draw(cells)}
        for key, mail in zip(keys, mails, strict=False)
    ]


arguments = st.fixed_dictionaries(
    {
        "adopt": st.sampled_from(["never", "mail"]),
        "joiner_mode": st.sampled_from(["invite", "create_active"]),
        "groups_mode": st.sampled_from(["add", "exact"]),
        "create_groups": st.booleans(),
        "leavers": st.sampled_from(["explicit", "missing", "both"]),
        "leaver_action": st.sampled_from(["report", "deactivate", "delete"]),
        "owned": st.sampled_from([(), ("job", "manager")]),
        "protected": st.sampled_from([(), ("a",), ("x@acme.test",)]),
    }
)


def build(api: LearningApi, company: list[Account]) -> None:
    """Create groups and users."""
    ids = {"Crew": api.create_group(name="Crew", parent_id=ROOT_GROUP_ID, public=False)["group_id"]}
    ids["North"] = api.create_group(name="North", parent_id=ids["Crew"], public=True)["group_id"]
    ids["Board"] = api.create_group(name="Board", parent_id=ids["Crew"], public=False)["group_id"]
    ids[OTHER] = api.create_group(name=OTHER, parent_id=ROOT_GROUP_ID, public=False)["group_id"]
    for one in company:
        (group, role), *more = one.groups.items()
        given = {name: value for name in ("custom", "job") if (value := getattr(one, name)) is not None}
        api.create_user(mail=one.mail, mode="create_active", group_id=ids[group], role=role, **given)
        for other, role in more:
            api.add_user_to_group(user=one.mail, group_id=ids[other], role=role)
    for one in company:
        if one.manager is not None and one.manager < len(company) and company[one.manager] != one:
            api.add_manager(user=one.mail, manager=company[one.manager].mail)


def writes(sandbox: Sandbox) -> list[str]:
    """Return the operations that change something."""
    operations = [entry["operation"] for entry in sandbox.control.journal() if entry["method"] != "GET"]
    return [operation for operation in operations if operation != "generateToken"]


def outside(sandbox: Sandbox, mails: set[str]) -> Iterator[tuple[str, object]]:
    """
    Yield what no sync may change: users without a key, unless they are adopted, and memberships in other groups.

    :param mails: Addresses of users whom the sync may adopt.
    """
    state = sandbox.control.state()
    managed = set()
    for user in (*state["users"], *state["invitations"]):
        custom = str(user["profile"].get("custom") or "")
        if custom.startswith(NAMESPACE) or (not custom and user["mail"] in mails):
            managed.add(user["id"])
        else:
            yield user["id"], user
    names = {group["id"]: group["name"] for group in state["groups"]}
    for one in state["memberships"]:
        if one["user"] not in managed or names[one["group"]] not in (*MANAGED, *CREATED):
            yield f"{one['user']} in {names[one['group']]}", one["roles"]


def memberships_of_deleted(sandbox: Sandbox) -> set[str]:
    """Return the memberships of users who are deleted, which end with the account."""
    state = sandbox.control.state()
    deleted = [user["id"] for user in state["users"] if user["status"] == "deleted"]
    return {f"{user} in {group['name']}" for user in deleted for group in state["groups"]}


@pytest.mark.slow
@given(companies, sources(), sources(), arguments)
@settings(
    max_examples=8,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_applied_plans_leave_nothing_to_do_and_change_nothing_outside_the_scope(
    syncs, sandbox, make_api, company, first, second, chosen
):
    sandbox.control.reset()
    sandbox.control.settings(limits_enabled=False, bulk_job_seconds=0)
    build(make_api(), company)  # which knows the ids of no earlier company
    with TemporaryDirectory() as folder:
        runs = Syncs(
            Path(folder), managed_groups=["Crew"], groups_parent="Crew", default_group="Crew", **LIMITS, **chosen
        )
        for rows in (first, second):
            mails = {row["mail"] for row in rows} if chosen["adopt"] == "mail" else set()
            before = dict(outside(sandbox, mails))
            result = runs.apply(rows)
            note(f"applied {result['counts']} {result.get('outcomes')}")
            after = dict(outside(sandbox, mails))
            changed = {name for name in before if after.get(name) != before[name]}
            assert changed - memberships_of_deleted(sandbox) == set()
            invited = {mail["to"] for mail in sandbox.control.state()["mails_sent"]}
            assert invited <= {row["mail"] for row in (*first, *second)}
            again = runs.plan(rows)
            assert changes_of(again) == []
            sandbox.control.clear_journal()
            runs.apply(rows)
            assert writes(sandbox) == []
