"""Groups and memberships through the operator, on each API version: nobody loses more than the source says."""

from __future__ import annotations

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_360learning.sandbox.demo_company import ROOT_GROUP_ID, SALES_GROUP_ID
from tests.sync.sync_runs import changes_of, row
from tests.sync.test_accidents import changing, roles, user

pytestmark = pytest.mark.slow
EXACT = {"managed_groups": ["Sales"], "groups_mode": "exact"}


def group(api, name, parent_id=SALES_GROUP_ID, *, public=True):
    """Create a group, and return its id."""
    return api.create_group(name=name, parent_id=parent_id, public=public)["group_id"]


def roles_of(api, key):
    """Return the roles of a person, as pairs of group and role."""
    return roles(api, user(api, key)["user_id"])


# Cascades


def test_a_role_that_is_added_below_is_not_lost_with_the_one_above(api, sandbox, syncs, version):
    """On v1, leaving Sales as a coach would mean leaving Europe, where the plan adds the same role."""
    europe = group(api, "Europe")
    arguments = {**EXACT, "default_group": SALES_GROUP_ID}
    syncs.apply([row("ana", groups="Sales:coach")], **arguments)
    moved = [row("ana", groups="Europe:coach")]
    if version == "v1":
        sandbox.control.clear_journal()
        with pytest.raises(AirflowFailException, match="max_conflicts is 1"):
            syncs.apply(moved, **arguments)
        assert changing(sandbox) == []
        assert roles_of(api, "ana") == {(SALES_GROUP_ID, "coach")}
    else:
        syncs.apply(moved, **arguments)
        assert roles_of(api, "ana") == {(europe, "coach")}
        assert changes_of(syncs.plan(moved, **arguments)) == []


def test_the_reach_of_a_removal_is_that_of_the_groups_when_it_is_applied(api, syncs):
    """A group that was private in the plan is public by now: the removal above would take the last membership."""
    europe = group(api, "Europe", public=False)
    arguments = {**EXACT, "default_group": SALES_GROUP_ID}
    syncs.apply([row("ana", groups="Sales")], **arguments)
    plan = syncs.plan([row("ana", groups="Europe")], **arguments)
    assert plan["counts"] == {"add_to_group": 1, "remove_from_group": 1}
    api.update_group(group_id=europe, public=True)
    result = syncs.run(mode="apply", plan_id=plan["plan_id"])
    assert result["outcomes"] == {"added": 1, "stale": 1}
    assert roles_of(api, "ana") >= {(europe, "learner")}


@pytest.mark.parametrize("managed_subgroups", [False, True])
def test_a_removal_that_reaches_a_subgroup_that_is_not_managed_is_a_conflict(api, sandbox, syncs, managed_subgroups):
    europe = group(api, "Europe")
    arguments = {**EXACT, "managed_subgroups": managed_subgroups}
    syncs.apply([row("ana", groups="Sales"), row("bo", groups="Sales")], **arguments)
    api.add_user_to_group(user="ana@acme.test", group_id=europe, role="learner")
    moved = [row("ana", groups=ROOT_GROUP_ID), row("bo", groups=ROOT_GROUP_ID)]
    arguments["managed_groups"] = ["Sales", "Acme"]
    if managed_subgroups:
        syncs.apply(moved, **arguments)
    else:
        with pytest.raises(AirflowFailException, match="max_conflicts is 1"):
            syncs.apply(moved, **arguments)
        assert roles_of(api, "ana") >= {(SALES_GROUP_ID, "learner"), (europe, "learner")}
        syncs.apply(moved, **arguments, max_conflicts=1)
        api.remove_user_from_group(user="ana@acme.test", group_id=europe, role="learner")
        syncs.apply(moved, **arguments)
    for key in ("ana", "bo"):
        assert roles_of(api, key) == {(ROOT_GROUP_ID, "learner")}
    assert changes_of(syncs.plan(moved, **arguments)) == []


def test_groups_are_not_created_where_subgroups_are_not_managed(syncs):
    with pytest.raises(AirflowFailException, match="managed_subgroups: create_groups creates groups below"):
        syncs.plan([row("ana", groups="New")], **EXACT, managed_subgroups=False, create_groups=True)
