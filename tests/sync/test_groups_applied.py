"""Groups and memberships through the operator, on each API version: no person loses more than the source says."""

from __future__ import annotations

import contextlib
import json
from collections import Counter

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_360learning.sandbox.demo_company import ROOT_GROUP_ID, SALES_GROUP_ID
from tests.sync.attempt import COMPLETE, LOST, SENT, context
from tests.sync.kills import attempts, killing_server, running_sandbox  # noqa: F401 - fixtures
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


# Additions before removals


def test_the_last_group_is_not_left(api, sandbox, syncs):
    sandbox.control.settings(learners_join_above=False)
    arguments = {**EXACT, "default_group": None, "clear": ["groups"]}
    syncs.apply([row("ana", groups="Sales;Sales:coach")], **arguments)
    gone = [row("ana", groups=None)]
    result = syncs.apply(gone, **arguments)
    assert (result["counts"]["remove_from_group"], result["counts"]["last_group"]) == (1, 1)
    assert roles_of(api, "ana") == {(SALES_GROUP_ID, "coach")}
    assert changes_of(syncs.plan(gone, **arguments)) == []


def test_a_removal_that_became_one_of_the_last_group_is_not_sent(api, sandbox, syncs):
    sandbox.control.settings(learners_join_above=False)
    board = group(api, "Board", public=False)
    rows = [row("ana", groups="Sales")]
    syncs.apply(rows, **EXACT)
    api.add_user_to_group(user="ana@acme.test", group_id=board, role="learner")
    plan = syncs.plan(rows, **EXACT)
    assert plan["counts"] == {"remove_from_group": 1}
    api.update_group(group_id=SALES_GROUP_ID, public=True)
    api.remove_user_from_group(user="ana@acme.test", group_id=SALES_GROUP_ID, role="learner")
    assert roles_of(api, "ana") == {(board, "learner")}
    with contextlib.suppress(AirflowFailException):
        syncs.run(mode="apply", plan_id=plan["plan_id"])
    assert roles_of(api, "ana") == {(board, "learner")}
    syncs.apply(rows, **EXACT)
    assert roles_of(api, "ana") == {(SALES_GROUP_ID, "learner")}


def test_an_addition_that_fails_prevents_the_removal(api, sandbox, syncs):
    board = group(api, "Board", public=False)
    syncs.apply([row("ana", groups="Sales"), row("bo", groups="Sales")], **EXACT)
    refused = {"kind": "status", "status": 400, "body": {"error": "invalid"}, "mentions": user(api, "ana")["user_id"]}
    for operation in ("addUserToGroup", "addUsersToGroups"):
        sandbox.control.add_fault(operation, **refused, count=100)
    moved = [row("ana", groups="Board"), row("bo", groups="Board")]
    with pytest.raises(AirflowFailException):
        syncs.apply(moved, **EXACT)
    assert (SALES_GROUP_ID, "learner") in roles_of(api, "ana")
    sandbox.control.clear_faults()
    syncs.apply(moved, **EXACT)
    for key in ("ana", "bo"):
        held = roles_of(api, key)
        assert (board, "learner") in held
        assert (SALES_GROUP_ID, "learner") not in held


# Public groups


def test_groups_above_public_ones_are_neither_added_nor_removed(api, sandbox, syncs):
    """A learner of a public group is one of the groups above, up to and including the first private one."""
    sandbox.control.settings(learners_join_above=True)
    crew = group(api, "Crew", ROOT_GROUP_ID, public=False)
    north = group(api, "North", crew)
    oslo, board = group(api, "Oslo", north), group(api, "Board", crew, public=False)
    arguments = {"managed_groups": ["Crew"], "groups_mode": "exact", "default_group": crew}
    first = [row("ana", groups="Oslo"), row("bo", groups="Board"), row("cy", groups="Crew;Oslo:coach")]
    syncs.apply(first, **arguments)
    assert roles_of(api, "ana") == {(each, "learner") for each in (oslo, north, crew)}
    assert roles_of(api, "bo") == {(board, "learner")}
    assert changes_of(syncs.plan(first, **arguments)) == []
    second = [row("ana", groups="Board"), row("bo", groups="Oslo"), row("cy", groups="North")]
    syncs.apply(second, **arguments)
    assert roles_of(api, "ana") == {(board, "learner")}
    assert roles_of(api, "bo") == {(each, "learner") for each in (oslo, north, crew)}
    assert roles_of(api, "cy") == {(each, "learner") for each in (north, crew)}
    sandbox.control.clear_journal()
    assert syncs.apply(second, **arguments)["outcomes"] == {}
    assert changing(sandbox) == []


# New groups

CREATES = {**EXACT, "create_groups": True}
NESTED = [
    row("ana", groups="Acme/Sales/Crafts/Metal/Welders"),
    row("bo", groups="Sales/Crafts/Wood:coach"),
    row("cy", groups="Plain"),
]


def created_groups(api):
    """Return the names of the groups that are new in Sales, with the names above them; each must exist once."""
    groups = {one["group_id"]: one for one in api.list_groups()}

    def path(one):
        above = [] if one["group_id"] == SALES_GROUP_ID else path(groups[one["parent_id"]])
        return [*above, one["name"]]

    below = [one for one in groups.values() if one["parent_id"] not in (None, ROOT_GROUP_ID)]
    return sorted("/".join(path(one)) for one in below)


CREATED = ["Sales/Crafts", "Sales/Crafts/Metal", "Sales/Crafts/Metal/Welders", "Sales/Crafts/Wood", "Sales/Plain"]


def test_missing_groups_of_paths_are_created_parents_first(api, sandbox, syncs):
    result = syncs.apply(NESTED, **CREATES)
    assert result["counts"]["create_group"] == len(CREATED)
    assert created_groups(api) == CREATED
    ids = {one["name"]: one["group_id"] for one in api.list_groups()}
    assert (ids["Welders"], "learner") in roles_of(api, "ana")
    assert (ids["Wood"], "coach") in roles_of(api, "bo")
    sandbox.control.clear_journal()
    assert syncs.apply(NESTED, **CREATES)["outcomes"] == {}
    assert changing(sandbox) == []


def test_all_levels_count_for_max_group_creations(api, syncs):
    with pytest.raises(AirflowFailException, match="max_group_creations is 5, the limit 4"):
        syncs.apply(NESTED, **CREATES, max_group_creations=4)
    assert created_groups(api) == []


def test_a_group_that_is_not_created_skips_those_below_and_their_memberships(api, sandbox, syncs):
    syncs.apply([{**one, "groups": "Sales"} for one in NESTED], **CREATES)
    refused = {"kind": "status", "status": 400, "body": {"error": "invalid"}, "mentions": "Crafts"}
    sandbox.control.add_fault("createGroup", **refused, count=100)
    with pytest.raises(AirflowFailException):
        syncs.apply(NESTED, **CREATES)
    assert created_groups(api) == ["Sales/Plain"]
    assert (SALES_GROUP_ID, "learner") in roles_of(api, "ana")
    [outcomes] = [
        found
        for path in syncs.folder.glob("plans/*/outcomes.jsonl")
        if (found := outcomes_of(path)).get("create_group")
    ]
    assert outcomes["create_group"] == {"refused": 1, "skipped": 3, "created": 1}
    assert outcomes["add_to_group"] == {"skipped": 2, "added": 1}
    assert outcomes["remove_from_group"] == {"skipped": 2, "removed": 1}
    sandbox.control.clear_faults()
    syncs.apply(NESTED, **CREATES)
    assert created_groups(api) == CREATED
    assert changes_of(syncs.plan(NESTED, **CREATES)) == []


def outcomes_of(path):
    """Return the number of changes by action and outcome."""
    counts: dict[str, Counter[str]] = {}
    for line in map(json.loads, path.read_text().splitlines()):
        counts.setdefault(line["action"], Counter())[line["outcome"]] += 1
    return counts


def test_a_group_whose_response_is_lost_is_not_created_twice(api, sandbox, syncs):
    for name in ("Crafts", "Welders"):
        sandbox.control.add_fault("createGroup", kind="drop_after", mentions=name)
    syncs.apply(NESTED, **CREATES)
    assert created_groups(api) == CREATED
    assert changes_of(syncs.plan(NESTED, **CREATES)) == []


def test_groups_are_created_once_by_a_task_that_is_killed_at_each_level(api, syncs, attempts):  # noqa: F811
    places = {"plan_path": f"{syncs.folder}/plans", "state_path": f"{syncs.folder}/state"}
    arguments = {"rows": NESTED, "mode": "plan_and_apply", **places, **syncs.defaults, **CREATES}
    levels = [f"01-create_group-{level}" for level in (1, 2, 3)]
    attempts.kill(arguments, *((when, level) for level in levels for when in (LOST, SENT, COMPLETE)))
    assert attempts.make(arguments) == (0, "")
    assert created_groups(api) == CREATED
    assert changes_of(syncs.plan(NESTED, context=context(), **CREATES)) == []


def test_a_new_group_is_stale_when_the_one_above_was_renamed(api, syncs):
    syncs.apply([{**one, "groups": "Sales"} for one in NESTED], **CREATES)
    plan = syncs.plan(NESTED, **CREATES)
    api.update_group(group_id=SALES_GROUP_ID, name="Vente")
    with contextlib.suppress(AirflowFailException):
        syncs.run(mode="apply", plan_id=plan["plan_id"])
    [outcomes] = [outcomes_of(path) for path in (syncs.folder / "plans" / plan["plan_id"]).glob("outcomes.jsonl")]
    assert outcomes["create_group"] == {"stale": 5}
    assert [one["name"] for one in api.list_groups() if one["parent_id"] == SALES_GROUP_ID] == []
    for key in ("ana", "bo", "cy"):
        assert (SALES_GROUP_ID, "learner") in roles_of(api, key)


def test_an_addition_to_a_group_that_was_deleted_is_stale(api, syncs):
    board = group(api, "Board", public=False)
    syncs.apply([row("ana", groups="Sales")], **EXACT)
    plan = syncs.plan([row("ana", groups="Board"), row("bo", groups="Board")], **EXACT)
    assert plan["counts"] == {"add_to_group": 1, "create": 1, "remove_from_group": 1}
    api.delete_group(group_id=board)
    with contextlib.suppress(AirflowFailException):
        syncs.run(mode="apply", plan_id=plan["plan_id"])
    [outcomes] = [outcomes_of(path) for path in (syncs.folder / "plans" / plan["plan_id"]).glob("outcomes.jsonl")]
    assert outcomes["add_to_group"] == outcomes["create"] == {"stale": 1}
    assert (SALES_GROUP_ID, "learner") in roles_of(api, "ana")


def test_a_new_name_renames_the_group_with_this_custom(api, syncs):
    arguments = {**CREATES, "group_key": "custom"}
    syncs.apply([row("ana", groups="D1=Welders"), row("bo", groups="D1")], **arguments)
    [made] = [one for one in api.list_groups() if one["custom"] == "D1"]
    renamed = [row("ana", groups="D1=Metal/Welders"), row("bo", groups="D1")]
    assert syncs.apply(renamed, **arguments)["counts"] == {"update_group": 1}
    assert created_groups(api) == ["Sales/Metal/Welders"]
    assert (made["group_id"], "learner") in roles_of(api, "bo")
    assert changes_of(syncs.plan(renamed, **arguments)) == []
