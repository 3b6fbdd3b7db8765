"""Which groups people join and leave, and which groups are created and renamed."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from airflow_provider_360learning.sync.people import WantedMembership
from airflow_provider_360learning.sync.platform import Group
from tests.sync.companies import (
    BOARD,
    EUROPE,
    GROUPS,
    LIKE_V1,
    MANAGED,
    OTHER,
    ROOT,
    SALES,
    STAFF,
    account,
    an_id,
    conflicts,
    findings,
    only,
    person,
    plan,
    platform,
    shown,
)

CREATES = {"create_groups": True, "groups_parent": STAFF}


def steps(found):
    """Return action, group and role of each change."""
    return [(change.action, change.group, change.after.get("role")) for change in found.changes]


# Added


def test_missing_memberships_are_added_and_others_stay():
    found = plan([person("ada", "Sales", "Board:coach")], platform(account("ada", STAFF)))
    assert steps(found) == [("add_to_group", SALES, "learner"), ("add_to_group", BOARD, "coach")]


def test_a_membership_that_was_removed_by_hand_comes_back():
    assert steps(plan([person("ada", "Sales")], platform(account("ada", BOARD)))) == [
        ("add_to_group", SALES, "learner")
    ]


def test_a_source_without_groups_changes_none():
    assert plan([person("ada")], platform(account("ada", SALES)), groups_mode="exact").changes == ()


# Exact


def test_exact_memberships_are_moved():
    found = plan([person("ada", "Board")], platform(account("ada", SALES)), groups_mode="exact")
    assert steps(found) == [("add_to_group", BOARD, "learner"), ("remove_from_group", SALES, "learner")]


def test_exact_roles_are_removed_one_by_one():
    has = platform(account("ada", SALES, f"{SALES}:coach", f"{SALES}:editor"))
    found = plan([person("ada", "Sales:coach")], has, groups_mode="exact")
    assert steps(found) == [("remove_from_group", SALES, "editor"), ("remove_from_group", SALES, "learner")]


def test_groups_that_360learning_adds_by_itself_stay():
    """A learner of a public group joins the groups above, up to the first private one."""
    has = platform(account("ada", EUROPE, SALES, STAFF, BOARD))
    assert steps(plan([person("ada", "Europe")], has, groups_mode="exact")) == [("remove_from_group", BOARD, "learner")]


def test_groups_that_360learning_adds_by_itself_are_not_added():
    assert plan([person("ada", "Europe")], platform(account("ada", EUROPE)), groups_mode="exact").changes == ()


def test_other_roles_join_no_groups_above():
    has = platform(account("ada", f"{EUROPE}:coach", f"{SALES}:coach"))
    found = plan([person("ada", "Europe:coach")], has, groups_mode="exact")
    assert steps(found) == [("remove_from_group", SALES, "coach")]


def test_a_removal_names_the_groups_below_that_it_reaches():
    has = platform(account("ada", SALES, EUROPE, BOARD))
    found = only(plan([person("ada", "Board")], has, groups_mode="exact"))
    assert (found.group, found.after) == (SALES, {"role": "learner", "leaves": [EUROPE]})


def test_a_removal_does_not_reach_private_groups():
    has = platform(account("ada", STAFF, BOARD, SALES, EUROPE))
    found = plan([person("ada", "Board")], has, groups_mode="exact")
    assert [(change.group, change.after.get("leaves")) for change in found.changes] == [(STAFF, [SALES, EUROPE])]


def test_a_removal_that_would_reach_a_group_that_is_not_managed_is_a_conflict():
    has = platform(account("ada", SALES, EUROPE, BOARD), managed_groups=MANAGED - {EUROPE})
    found = plan([person("ada", "Board", fields={"job": "X"})], has, groups_mode="exact")
    assert (found.changes, conflicts(found)) == ((), [("ada",)])
    assert "Acme/Staff/Sales/Europe, which is not managed" in found.conflicts[0].reason
    elsewhere = platform(account("ada", SALES, BOARD), managed_groups=MANAGED - {EUROPE})
    found = plan([person("ada", "Board")], elsewhere, groups_mode="exact")
    assert (found.conflicts, only(found).after) == ((), {"role": "learner"})


def test_where_every_role_reaches_groups_below_a_wanted_one_is_a_conflict():
    has = (account("ada", f"{SALES}:coach", f"{EUROPE}:coach"),)
    wanted = [person("ada", "Europe:coach")]
    assert steps(plan(wanted, platform(*has), groups_mode="exact")) == [("remove_from_group", SALES, "coach")]
    of_v1 = plan(wanted, platform(*has, **LIKE_V1), groups_mode="exact")
    assert (of_v1.changes, conflicts(of_v1)) == ((), [("ada",)])


def test_a_role_that_is_added_below_is_not_lost_with_the_one_above():
    """Additions come before removals, whose cascade would take the only group that is left."""
    has, wanted = account("ada", f"{SALES}:coach"), [person("ada", "Europe:coach")]
    of_v1 = plan(wanted, platform(has, **LIKE_V1), groups_mode="exact")
    assert (of_v1.changes, conflicts(of_v1)) == ((), [("ada",)])
    found = plan(wanted, platform(has), groups_mode="exact")
    assert steps(found) == [("add_to_group", EUROPE, "coach"), ("remove_from_group", SALES, "coach")]


def test_memberships_that_are_not_managed_are_never_touched():
    has = platform(account("ada", SALES, OTHER, ROOT))
    found = plan([person("ada", "Sales")], has, groups_mode="exact")
    assert found.changes == found.conflicts == ()


def test_the_last_group_is_not_left():
    """360Learning deletes a user who leaves the last group."""
    gone = person("ada", memberships=())
    has = platform(account("ada", SALES, EUROPE, BOARD))
    found = plan([gone], has, groups_mode="exact", default_group=None)
    assert steps(found) == [("remove_from_group", EUROPE, "learner"), ("remove_from_group", BOARD, "learner")]
    assert findings(found) == {("last_group", "ada")}
    again = plan([gone], platform(account("ada", SALES)), groups_mode="exact", default_group=None)
    assert again.changes == ()


def test_the_primary_group_is_the_last_one():
    has = platform(account("ada", SALES, EUROPE, BOARD, primary_group=EUROPE))
    found = plan([person("ada", memberships=())], has, groups_mode="exact", default_group=None)
    assert steps(found) == [("remove_from_group", BOARD, "learner")]  # Sales would take Europe with it


def test_all_managed_groups_are_left_by_a_member_of_another_one():
    has = platform(account("ada", SALES, primary_group=OTHER))
    found = plan([person("ada", memberships=())], has, groups_mode="exact", default_group=None)
    assert steps(found) == [("remove_from_group", SALES, "learner")]


def test_a_person_without_groups_moves_to_the_default_group():
    found = plan([person("ada", memberships=())], platform(account("ada", BOARD)), groups_mode="exact")
    assert steps(found) == [("add_to_group", STAFF, "learner"), ("remove_from_group", BOARD, "learner")]


# Names


@pytest.mark.parametrize(
    "name", ["Europe", "Sales/Europe", "Acme/Staff/Sales/Europe", EUROPE, EUROPE.upper(), " Europe "]
)
def test_groups_are_found_by_names_paths_and_ids(name):
    assert steps(plan([person("ada", name)], platform(account("ada")))) == [("add_to_group", EUROPE, "learner")]


def test_a_name_of_several_groups_is_an_error_with_their_paths():
    other = Group(an_id(9), "Europe", BOARD, False, None)
    has = platform(account("ada", SALES), groups=GROUPS | {other.group_id: other}, managed_groups=MANAGED | {an_id(9)})
    found = plan([person("ada", "Europe", rows=(3,), fields={"job": "X"})], has, groups_mode="exact")
    [(row, text)] = found.errors
    assert (found.changes, row) == ((), 3)
    assert "Acme/Staff/Sales/Europe" in text
    assert "Acme/Staff/Board/Europe" in text


@pytest.mark.parametrize("name", ["Other", "Acme/Other", OTHER, an_id(99), "Missing"])
def test_unknown_groups_and_those_that_are_not_managed_are_errors(name):
    found = plan([person("ada", name, "Sales")], platform(account("ada", BOARD)), groups_mode="exact")
    assert (found.changes, len(found.errors)) == ((), 1)


def test_an_error_of_a_row_does_not_make_its_person_a_leaver():
    found = plan([person("ada", "Missing")], platform(account("ada")), leavers="missing")
    assert found.changes == found.missing == ()


# Created


def test_a_missing_group_is_created_and_joined():
    wanted = [person("ada", "New", rows=(1,)), person("eve", "New", "Sales", rows=(2,))]
    found = plan(wanted, platform(account("ada")), **CREATES)
    created = found.changes[0]
    assert (created.action, created.key, created.group) == ("create_group", "Acme/Staff/New", "Acme/Staff/New")
    assert (created.after, created.rows) == ({"name": "New", "parent": STAFF}, (1, 2))
    assert [change.group for change in found.changes[2:]] == ["Acme/Staff/New"]
    assert found.changes[1].after["groups"] == ["Acme/Staff/New", SALES]


def test_a_group_that_only_people_out_of_the_plan_need_is_not_created():
    found = plan([person("ada", "New", "Missing/Path")], platform(account("ada")), **CREATES)
    assert (found.changes, len(found.errors)) == ((), 1)


def created(found):
    """Return path and parent of each group that is created."""
    return [(change.group, change.after["parent"]) for change in found.changes if change.action == "create_group"]


@pytest.mark.parametrize("path", ["Acme/Staff/Sales/Asia", "Staff/Sales/Asia", "Sales/Asia"])
def test_a_missing_group_is_created_below_the_parent_in_its_path(path):
    found = plan([person("ada", f"{path}:coach")], platform(account("ada")), **CREATES)
    assert created(found) == [("Acme/Staff/Sales/Asia", SALES)]
    assert steps(found)[1:] == [("add_to_group", "Acme/Staff/Sales/Asia", "coach")]


def test_missing_levels_of_a_path_are_created_parents_first():
    wanted = [
        person("ada", "Acme/Staff/Crafts/Metal/Welders", rows=(1,)),
        person("eve", "Acme/Staff/Crafts/Wood", rows=(2,)),
        person("zoe", "Crafts", "Staff/Crafts", rows=(3,)),
    ]
    found = plan(wanted, platform(account("ada"), account("eve"), account("zoe")), **CREATES)
    assert created(found) == [
        ("Acme/Staff/Crafts", STAFF),
        ("Acme/Staff/Crafts/Metal", "Acme/Staff/Crafts"),
        ("Acme/Staff/Crafts/Metal/Welders", "Acme/Staff/Crafts/Metal"),
        ("Acme/Staff/Crafts/Wood", "Acme/Staff/Crafts"),
    ]
    assert [change.rows for change in found.changes[:4]] == [(1, 2, 3), (1,), (1,), (2,)]
    assert found.changes[0].reason == "wanted for 3 people"
    assert [(change.key, change.group) for change in found.changes[4:]] == [
        ("ada", "Acme/Staff/Crafts/Metal/Welders"),
        ("eve", "Acme/Staff/Crafts/Wood"),
        ("zoe", "Acme/Staff/Crafts"),
    ]


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("sales", "differs in case only"),
        ("BOARD ", "differs in case only"),
        ("Staff/sales", "differs in case only"),
        ("Staff/sales/Asia", "differs in case only"),
        ("Stuff/Sales/Asia", "no group above it exists"),
        ("acme/Staff/Asia", "no group above it exists"),
        ("Acme/Asia", "'Acme' (.*) is not managed"),
        ("Other/Asia", "'Other' (.*) is not managed"),
        ("Staff/ Asia", "no blanks"),
        ("Staff//Asia", "no blanks"),
        ("Staff/", "no blanks"),
        ("Staff/" + "x/" * 50 + "x", "at most 50"),
    ],
)
def test_groups_are_not_created_by_mistake(name, problem):
    """A path may be misspelled, and so may a name."""
    found = plan([person("ada", name)], platform(account("ada")), **CREATES)
    [(_, text)] = found.errors
    assert found.changes == ()
    assert re.search(problem, text), text


def test_without_create_groups_a_path_creates_nothing():
    found = plan([person("ada", "Staff/New")], platform(account("ada")))
    assert (found.changes, len(found.errors)) == ((), 1)


def test_a_path_below_a_name_of_several_groups_is_an_error():
    twin = Group(an_id(9), "Europe", BOARD, False, None)
    has = platform(account("ada"), groups=GROUPS | {twin.group_id: twin}, managed_groups=MANAGED | {an_id(9)})
    found = plan([person("ada", "Europe/Paris")], has, **CREATES)
    assert found.changes == ()
    assert "the group above it is 'Europe', which matches 2 groups" in found.errors[0][1]
    assert len(created(plan([person("ada", "Sales/Europe/Paris")], has, **CREATES))) == 1


def test_a_name_that_new_groups_make_ambiguous_is_an_error():
    """The next plan would find two groups of this name; so none is created."""
    wanted = [person("ada", "Sales/Welders", rows=(1,)), person("eve", "Welders", rows=(2,))]
    wanted += [person("zoe", "Board/Europe", rows=(3,)), person("kim", "Europe", rows=(4,))]
    found = plan(wanted, platform(*(account(key) for key in ("ada", "eve", "zoe", "kim"))), **CREATES)
    assert [row for row, _ in found.errors] == [1, 2, 3]
    assert "'Europe' would match 2 groups: 'Acme/Staff/Sales/Europe', 'Acme/Staff/Board/Europe'" in found.errors[2][1]
    assert steps(found) == [("add_to_group", EUROPE, "learner")]
    whole = [person("ada", "Sales/Welders"), person("eve", "Staff/Welders")]
    assert len(created(plan(whole, platform(account("ada"), account("eve")), **CREATES))) == 2


@pytest.mark.parametrize("names", [("New", "NEW"), ("Staff/Crafts/Wood", "Staff/CRAFTS/Metal")])
def test_new_groups_that_differ_in_case_only_are_an_error(names):
    wanted = [person("ada", names[0]), person("eve", names[1], rows=(5,)), person("kim", "Newer")]
    found = plan(wanted, platform(*(account(key) for key in ("ada", "eve", "kim"))), **CREATES)
    assert [row for row, _ in found.errors] == [1, 5]
    assert shown(found) == [("create_group", "Acme/Staff/Newer"), ("add_to_group", "kim")]


def test_groups_of_people_who_leave_are_not_created():
    wanted = [person("ada", "Sales/Welders", status="inactive"), person("eve", "Welders")]
    found = plan(wanted, platform(account("ada"), account("eve")), **CREATES)
    assert (created(found), found.errors) == ([("Acme/Staff/Welders", STAFF)], ())


def test_no_group_is_created_where_groups_are_not_managed():
    found = plan([person("ada", "New")], platform(account("ada")), create_groups=True, groups_parent=OTHER)
    assert (found.changes, len(found.errors)) == ((), 1)


def test_a_new_group_that_looks_like_a_renamed_one_is_reported():
    keys = ["a", "b", "c", "d"]
    has = platform(*(account(key, SALES) for key in keys))
    found = plan([person(key, "Vente") for key in keys], has, **CREATES)
    assert findings(found) == {("renamed_group", SALES)}
    mixed = plan([*(person(key, "Sales") for key in "abc"), person("d", "Vente")], has, **CREATES)
    assert findings(mixed) == set()


def test_a_renamed_group_is_recognized_anywhere_in_the_managed_groups():
    keys = ["a", "b", "c", "d"]
    has = platform(*(account(key, EUROPE) for key in keys))
    found = plan([person(key, "Europa") for key in keys], has, **CREATES)
    assert findings(found) == {("renamed_group", EUROPE)}
    [report] = found.reports
    assert report.text.startswith("4 of 4 members of Acme/Staff/Sales/Europe join the new group Acme/Staff/Europa: ")
    elsewhere = replace(has, managed_groups=MANAGED - {EUROPE})
    assert findings(plan([person(key, "Europa") for key in keys], elsewhere, **CREATES)) == set()


def test_a_group_that_is_joined_by_itself_or_above_the_new_one_was_not_renamed():
    keys = ["a", "b", "c", "d"]
    has = platform(*(account(key, EUROPE, SALES, STAFF) for key in keys))
    assert findings(plan([person(key, "Europe", "Choir") for key in keys], has, **CREATES)) == set()
    private = replace(has, groups=GROUPS | {SALES: replace(GROUPS[SALES], public=False)})
    found = plan([person(key, "Europe", "Choir") for key in keys], private, **CREATES)
    assert findings(found) == set(), "Staff is above Choir"


# By custom


def by_custom(key, *custom, name=None):
    return person(key, memberships=tuple(WantedMembership(one, name=name) for one in custom))


def test_groups_are_found_by_custom():
    found = plan([by_custom("ada", "D2")], platform(account("ada")), group_key="custom")
    assert steps(found) == [("add_to_group", EUROPE, "learner")]


def test_a_new_name_in_the_source_renames_the_group():
    wanted = [by_custom("ada", "D1", name="Vente"), by_custom("eve", "D1")]
    found = plan(wanted, platform(account("ada", SALES), account("eve", SALES)), group_key="custom")
    change = only(found)
    assert (change.action, change.group, change.key) == ("update_group", SALES, "Acme/Staff/Sales")
    assert (change.before, change.after) == ({"name": "Sales"}, {"name": "Vente"})


def test_several_names_for_a_group_are_an_error():
    wanted = [by_custom("ada", "D1", name="Vente"), by_custom("eve", "D1", name="Sales")]
    found = plan(wanted, platform(account("ada", SALES), account("eve", SALES)), group_key="custom")
    assert (found.changes, len(found.errors)) == ((), 2)


def test_a_group_with_a_new_custom_is_created():
    found = plan([by_custom("ada", "D9", name="New")], platform(account("ada")), group_key="custom", **CREATES)
    assert found.changes[0].after == {"name": "New", "parent": STAFF, "custom": "D9"}
    nameless = plan([by_custom("ada", "D9")], platform(account("ada")), group_key="custom", **CREATES)
    assert (nameless.changes, len(nameless.errors)) == ((), 1)


def test_several_groups_with_one_custom_are_an_error():
    twin = Group(an_id(9), "Twin", STAFF, False, "D1")
    has = platform(account("ada"), groups=GROUPS | {an_id(9): twin}, managed_groups=MANAGED | {an_id(9)})
    found = plan([by_custom("ada", "D1")], has, group_key="custom")
    assert found.changes == ()
    assert "Acme/Staff/Twin" in found.errors[0][1]


def test_a_role_that_the_version_does_not_have_is_an_error():
    has = platform(account("ada"), roles=frozenset({"learner", "coach"}))
    found = plan([person("ada", "Sales:analyst")], has)
    text = "ada: the role analyst in 'Sales' does not exist in this version of the API, which has coach, learner"
    assert (found.changes, found.errors) == ((), ((1, f"{text}: correct the source"),))


def test_a_group_without_custom_is_not_created_a_second_time():
    found = plan([by_custom("ada", "D9", name="sales")], platform(account("ada")), group_key="custom", **CREATES)
    assert found.changes == ()
    assert "Acme/Staff/Sales" in found.errors[0][1]
