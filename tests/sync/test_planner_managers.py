"""Which managers are added and removed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from airflow_provider_360learning.sync.columns import NO_MANAGER
from airflow_provider_360learning.sync.state import Remembered, SyncState
from tests.sync.companies import LIKE_V1, account, findings, mail_of, people, person, plan, platform, shown, user_id


def steps(found):
    return [(one.action, one.key, one.after) for one in found.changes if one.action.endswith("manager")]


def applied(manager):
    return SyncState({"ada": Remembered(user_id=user_id("ada"), applied={"manager": user_id(manager)})})


@pytest.mark.parametrize("manager", ["boss", "boss@acme.test", "BOSS@acme.test"])
def test_a_manager_is_added_by_key_or_address(manager):
    has = platform(account("ada"), account("boss"))
    found = plan([person("ada", manager=manager), person("boss")], has)
    assert steps(found) == [("add_manager", "ada", {"manager": user_id("boss")})]


def test_a_manager_may_be_a_user_who_is_not_managed():
    has = platform(account("ada"), replace(account("boss"), key=None))
    found = plan([person("ada", manager="boss@acme.test")], has)
    assert steps(found) == [("add_manager", "ada", {"manager": user_id("boss")})]


@pytest.mark.parametrize("has_account", [True, False])
def test_a_manager_who_is_created_by_the_same_plan(has_account):
    wanted = [person("ada", manager="boss"), person("boss")]
    found = plan(wanted, platform(*([account("ada")] if has_account else [])))
    assert steps(found) == [("add_manager", "ada", {"manager_key": "boss"})]
    assert [action for action, _ in shown(found)][-1] == "add_manager"


def test_a_manager_whose_invitation_must_be_accepted_first_waits():
    found = plan([person("ada", manager="boss"), person("boss")], platform(account("ada"), **LIKE_V1))
    assert steps(found) == []
    assert ("pending", "ada") in findings(found)


def test_a_new_manager_replaces_the_one_that_was_applied():
    has = platform(account("ada"), account("old"), account("new"))
    wanted = [person("ada", manager="new"), person("old"), person("new")]
    assert steps(plan(wanted, has, applied("old"))) == [
        ("add_manager", "ada", {"manager": user_id("new")}),
        ("remove_manager", "ada", {"manager": user_id("old")}),
    ]
    assert steps(plan(wanted, has, applied("new"))) == []


def test_managers_of_others_stay_unless_managers_are_owned():
    ada = account("ada", managers=(user_id("other"), user_id("boss")))
    has = platform(ada, account("boss"), account("other"))
    wanted = [person("ada", manager="boss"), person("boss"), person("other")]
    assert steps(plan(wanted, has)) == []
    assert steps(plan(wanted, has, owned=frozenset({"manager"}))) == [
        ("remove_manager", "ada", {"manager": user_id("other")})
    ]


def test_a_manager_who_was_removed_by_hand_comes_back_where_managers_are_owned():
    has = platform(account("ada", managers=()), account("boss"))
    wanted = [person("ada", manager="boss"), person("boss")]
    assert steps(plan(wanted, has, applied("boss"))) == []
    assert len(steps(plan(wanted, has, applied("boss"), owned=frozenset({"manager"})))) == 1


def test_managers_may_be_read_as_addresses():
    has = platform(account("ada", managers=(mail_of("boss"),)), account("boss"))
    assert steps(plan([person("ada", manager="boss"), person("boss")], has)) == []


def test_an_empty_cell_removes_no_manager():
    has = platform(account("ada", managers=(user_id("boss"),)), account("boss"))
    assert steps(plan([person("ada"), person("boss")], has, applied("boss"), owned=frozenset({"manager"}))) == []


@pytest.mark.parametrize(
    ("last", "held", "is_owned", "removed", "agreed"),
    [
        ("boss", None, False, ["boss"], ...),
        ("boss", ["boss", "other"], False, ["boss"], ...),
        ("boss", ["other"], False, [], None),  # removed by hand
        ("boss", [], True, [], None),
        (None, ["other"], False, [], ...),  # who was added by hand stays
        (None, ["other"], True, ["other"], ...),
        ("boss", ["boss", "other"], True, ["boss", "other"], ...),
        (None, [], False, [], None),
        (None, None, True, [], ...),
    ],
)
def test_a_person_without_a_manager_according_to_the_source(last, held, is_owned, removed, agreed):
    managers = None if held is None else tuple(user_id(key) for key in held)
    has = platform(account("ada", managers=managers), account("boss"), account("other"))
    state = SyncState() if last is None else applied(last)
    wanted = [person("ada", manager=NO_MANAGER), person("boss"), person("other")]
    found = plan(wanted, has, state, owned=frozenset({"manager"} if is_owned else ()))
    assert steps(found) == [("remove_manager", "ada", {"manager": user_id(key)}) for key in removed]
    assert found.agreed == ({} if agreed is ... else {"ada": {"manager": None}})


def test_new_people_get_the_first_manager_that_the_source_has():
    has = platform(account("ada"), account("eve"), account("boss"), account("other"))
    state = SyncState({"ada": Remembered(created=True), "eve": Remembered()})
    wanted = [person("ada", manager="boss"), person("eve", manager="boss"), person("boss"), person("other")]
    only_new = {"create_only": frozenset({"manager"})}
    assert steps(plan(wanted, has, state, **only_new)) == [("add_manager", "ada", {"manager": user_id("boss")})]
    state = SyncState({"ada": Remembered(created=True, applied={"manager": user_id("other")})})
    assert steps(plan(wanted, has, state, **only_new)) == []


def test_an_unknown_manager_is_an_error_and_other_changes_are_made():
    ada = person("ada", "Sales", manager="missing", rows=(4,))
    found = plan([ada], platform(account("ada")))
    assert shown(found) == [("add_to_group", "ada")]
    assert [row for row, _ in found.errors] == [4]


def test_the_key_of_an_invalid_row_is_no_unknown_manager():
    source = people(person("ada", manager="boss"), invalid=frozenset({"boss"}))
    assert plan(source, platform(account("ada"))).errors == ()


@pytest.mark.parametrize(
    ("managers", "in_circle"),
    [
        ({"a": "a"}, {"a"}),
        ({"a": "b", "b": "a"}, {"a", "b"}),
        ({"a": "b", "b": "c", "c": "b", "d": "a"}, {"b", "c"}),
        ({"a": "b", "b": "c"}, set()),
    ],
)
def test_circles_of_managers_are_errors(managers, in_circle):
    keys = "abcd"
    wanted = [person(key, manager=managers.get(key), rows=(index,)) for index, key in enumerate(keys)]
    found = plan(wanted, platform(*map(account, keys)))
    assert {keys[row] for row, _ in found.errors} == in_circle
    assert {key for _, key, _ in steps(found)} == managers.keys() - in_circle


def test_a_long_line_of_managers():
    keys = [f"k{index:05}" for index in range(3000)]
    wanted = [person(key, manager=above) for key, above in zip(keys, [None, *keys], strict=False)]
    assert len(steps(plan(wanted, platform(*map(account, keys))))) == len(keys) - 1


def test_managers_of_people_who_have_left_do_not_matter():
    wanted = [
        person("ada", manager="missing", status="inactive"),
        person("eve", manager="joe"),
        person("joe", manager="eve", status="inactive"),
    ]
    found = plan(wanted, platform(account("ada"), account("eve")))
    assert [text for _, text in found.errors] == ["eve: this person is a manager of their own managers: correct it"]


def test_a_manager_who_has_left_is_no_error():
    has = platform(account("ada"), replace(account("boss"), status="deleted"))
    found = plan([person("ada", manager="boss")], has)
    assert (found.changes, found.errors) == ((), ())


def test_managers_that_agree_are_remembered():
    has = platform(account("ada", managers=(user_id("boss"),)), account("boss"))
    wanted = [person("ada", manager="boss"), person("boss")]
    assert plan(wanted, has).agreed == {"ada": {"manager": user_id("boss")}}
    assert plan(wanted, has, applied("boss")).agreed == {}


def test_a_manager_whose_address_another_person_has_is_not_that_person():
    wanted = [person("ada", manager="boss"), person("boss", mail=mail_of("ada"), status="inactive")]
    assert steps(plan(wanted, platform(account("ada")))) == []


def test_an_old_address_of_the_same_person_is_no_manager():
    ada = person("ada", mail="new@acme.test", manager=mail_of("ada"))
    found = plan([ada], platform(account("ada")))
    assert (steps(found), len(found.errors)) == ([], 1)
