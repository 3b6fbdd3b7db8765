"""Which values are written: owned ones, those of the source that have changed, and what cannot be read."""

from __future__ import annotations

from datetime import timedelta

import pytest

from airflow_provider_360learning.sync.planner import users_to_read
from airflow_provider_360learning.sync.state import Remembered, SyncState
from tests.sync.companies import (
    LIKE_V1,
    NOW,
    account,
    an_id,
    findings,
    only,
    options,
    people,
    person,
    plan,
    platform,
    shown,
    user_id,
)

SITE, GRADE = an_id(77), an_id(76)


def applied(key="ada", **values):
    return SyncState({key: Remembered(user_id=user_id(key), mail=f"{key}@acme.test", applied=values)})


@pytest.mark.parametrize(
    ("held", "last", "wanted", "is_owned", "is_written"),
    [
        ("A", {}, "A", False, False),
        ("A", {}, "B", False, True),  # never applied: the source decides
        (None, {}, "B", False, True),
        ("A", {"job": "A"}, "B", False, True),  # the source has changed
        ("by hand", {"job": "B"}, "B", False, False),  # a change by hand stays
        ("by hand", {"job": "B"}, "B", True, True),  # and comes back where the field is owned
        ("by hand", {"job": "A"}, "B", False, True),
        ("B", {"job": "A"}, "B", True, False),
        ("A", {"job": "A"}, None, False, True),  # cleared
        (None, {"job": "A"}, None, True, False),
        (" A  B", {}, "A B", True, False),
    ],
)
def test_a_value_that_can_be_read(held, last, wanted, is_owned, is_written):
    ada = person("ada", fields={"job": wanted})
    has = platform(account("ada", fields={"job": held}))
    found = plan([ada], has, applied(**last), owned=frozenset({"job"} if is_owned else ()))
    assert [(one.action, one.before, one.after) for one in found.changes] == (
        [("update", {"job": None if held is None else held}, {"job": wanted})] if is_written else []
    )


@pytest.mark.parametrize(
    ("last", "wanted", "is_written"),
    [
        ({}, "B", True),
        ({"job": "A"}, "B", True),
        ({"job": "B"}, "B", False),
        ({}, None, False),  # it may be empty
    ],
)
def test_a_value_that_cannot_be_read_is_compared_with_the_last_one(last, wanted, is_written):
    ada = person("ada", fields={"job": wanted})
    found = plan([ada], platform(account("ada"), **LIKE_V1), applied(**last), owned=frozenset({"job"}))
    assert shown(found) == ([("update", "ada")] if is_written else [])
    assert findings(found) == {("not_verifiable", "job")}
    if is_written:
        assert "job" not in only(found).before


def test_what_cannot_be_cleared_is_an_error():
    ada = person("ada", fields={"job": None, "phone": "1"})
    found = plan([ada], platform(account("ada"), **LIKE_V1), applied(job="A"))
    assert (found.changes, len(found.errors)) == ((), 1)


def test_fields_for_new_people_only_do_not_change():
    ada = person("ada", fields={"lang": "fr"}, mail="new@acme.test", manager="boss", custom_fields={"Site": "Lyon"})
    has = platform(account("ada", fields={"lang": "en"}), account("boss"), custom_fields={SITE: "Site"})
    only_new = frozenset({"lang", "mail", "manager", "custom_fields.Site"})
    assert plan([ada, person("boss")], has, create_only=only_new).changes == ()
    new = plan([ada, person("boss")], platform(account("boss"), custom_fields={SITE: "Site"}), create_only=only_new)
    assert shown(new) == [("create", "ada"), ("update", "ada"), ("add_manager", "ada")]


def test_fields_for_new_people_only_are_set_once_in_accounts_that_the_sync_has_created():
    ada = person("ada", fields={"job": "B"}, custom_fields={"Site": "Lyon"})
    has = platform(account("ada", fields={"job": "A"}, custom_fields={SITE: "Paris"}), custom_fields={SITE: "Site"})
    only_new = {"create_only": frozenset({"job", "custom_fields.Site"})}
    state = SyncState({"ada": Remembered(created=True, applied={"job": "A"})})
    assert only(plan([ada], has, state, **only_new)).after == {f"custom_fields.{SITE}": "Lyon"}
    assert users_to_read(people(ada), has, state, options(**only_new), NOW) == {user_id("ada")}
    was_set = SyncState({"ada": Remembered(created=True, applied={"job": "A", f"custom_fields.{SITE}": "Paris"})})
    for state in (was_set, applied(), SyncState()):
        assert plan([ada], has, state, **only_new).changes == ()
        assert users_to_read(people(ada), has, state, options(**only_new), NOW) == frozenset()


@pytest.mark.parametrize("name", ["Site", SITE])
@pytest.mark.parametrize("more", [{}, LIKE_V1])
def test_custom_fields_are_cleared_that_may_be(name, more):
    ada = person("ada", custom_fields={"Site": None, "Grade": None})
    fields = {SITE: "Site", GRADE: "Grade"}
    has = platform(account("ada", custom_fields=dict.fromkeys(fields, "A")), custom_fields=fields, **more)
    change = only(plan([ada], has, clear=frozenset({f"custom_fields.{name}"})))
    assert (change.before, change.after) == ({f"custom_fields.{SITE}": "A"}, {f"custom_fields.{SITE}": None})


def test_fields_that_are_owned_and_not_read_are_reported():
    ada = person("ada", manager="boss", custom_fields={"Site": "Lyon", "Grade": "A"})
    wanted = [ada, person("boss")]
    values = {f"custom_fields.{SITE}": "Lyon", f"custom_fields.{GRADE}": "A", "manager": user_id("boss")}
    owned = {"owned": frozenset({"manager", "custom_fields.Site"})}

    def has(**read):
        return platform(account("ada", **read), account("boss"), custom_fields={SITE: "Site", GRADE: "Grade"})

    assert findings(plan(wanted, has(), applied(**values))) == set()
    found = plan(wanted, has(), applied(**values), **owned)
    assert findings(found) == {("not_verifiable", "manager"), ("not_verifiable", f"custom_fields.{SITE}")}
    assert all("verify='full'" in report.text for report in found.reports)
    read = has(managers=(user_id("boss"),), custom_fields={SITE: "Lyon"})
    assert findings(plan(wanted, read, applied(**values), **owned)) == set()


@pytest.mark.parametrize("column", ["Site", SITE, SITE.upper()])
def test_custom_fields_are_found_by_name_and_id(column):
    ada = person("ada", custom_fields={column: "Lyon"})
    has = platform(account("ada", custom_fields={SITE: "Paris"}), custom_fields={SITE: "Site"})
    change = only(plan([ada], has, owned=frozenset({"custom_fields.Site"})))
    assert (change.before, change.after) == ({f"custom_fields.{SITE}": "Paris"}, {f"custom_fields.{SITE}": "Lyon"})


@pytest.mark.parametrize("fields", [{}, {SITE: "Site", an_id(78): "Site"}], ids=["unknown", "several"])
def test_an_unknown_custom_field_is_an_error(fields):
    found = plan([person("ada", custom_fields={"Site": "Lyon"})], platform(account("ada"), custom_fields=fields))
    assert (found.changes, len(found.errors)) == ((), 1)


def test_columns_of_the_same_custom_field_are_an_error():
    ada = person("ada", custom_fields={"Site": "Lyon", SITE: "Paris"})
    found = plan([ada], platform(account("ada"), custom_fields={SITE: "Site"}))
    assert (found.changes, found.errors) == (
        (),
        ((1, "ada: several columns are the same custom field: leave out all but one"),),
    )


def test_a_custom_field_that_was_not_read_is_compared_with_the_last_value():
    ada = person("ada", custom_fields={"Site": "Lyon"})
    has = platform(account("ada"), custom_fields={SITE: "Site"})
    assert plan([ada], has, applied(**{f"custom_fields.{SITE}": "Lyon"})).changes == ()
    assert shown(plan([ada], has)) == [("update", "ada")]


def test_values_that_agree_are_remembered():
    ada = person("ada", fields={"job": "A", "lang": "fr", "phone": "1"})
    has = platform(account("ada", fields={"job": "A", "lang": "en", "phone": "1"}))
    assert plan([ada], has, applied(phone="1")).agreed == {"ada": {"job": "A"}}


# What is read per person


def test_only_people_whose_source_has_changed_are_read():
    values = {"manager": user_id("boss"), f"custom_fields.{SITE}": "Lyon"}
    same = person("same", manager="boss", custom_fields={"Site": "Lyon"})
    moved = person("moved", manager="boss", custom_fields={"Site": "Paris"})
    led = person("led", manager="same", custom_fields={"Site": "Lyon"})
    keys = ["boss", "same", "moved", "led"]
    has = platform(*map(account, keys), custom_fields={SITE: "Site"})
    state = SyncState({key: Remembered(user_id=user_id(key), applied=values) for key in keys})
    source = people(person("boss"), same, moved, led)
    assert users_to_read(source, has, state, options(), NOW) == {user_id("moved"), user_id("led")}
    assert users_to_read(source, has, SyncState(), options(), NOW) == {user_id(key) for key in keys[1:]}


def test_dates_that_the_listing_does_not_have_are_read_where_they_differ():
    later = NOW + timedelta(days=1)
    source = [person("stays"), person("back"), person("gone", status="inactive"), person("later", leaves_at=later)]
    keys = ["stays", "back", "gone", "later", "missing"]
    has = platform(*(account(key, deactivation_known=False) for key in keys), **LIKE_V1)
    state = applied("back", deactivates_at=later.isoformat())

    def read(state=state, **given):
        return users_to_read(people(*source), has, state, options(**given), NOW)

    assert read() == {user_id(key) for key in keys[1:]}
    assert read(leavers="explicit") == {user_id(key) for key in keys[1:4]}
    assert read(leavers="missing") == {user_id(key) for key in ("back", "missing")}
    assert read(leaver_action="delete") == {user_id(key) for key in ("back", "later")}
    assert read(leaver_action="report") == {user_id("back")}
    # Neither a date that has come, nor one that agrees, is read in each plan.
    assert read(applied("back", deactivates_at=NOW.isoformat()), leaver_action="report") == frozenset()
    dates = {key: Remembered(applied={"deactivates_at": later.isoformat()}) for key in ("later",)}
    dates |= {key: Remembered(applied={"deactivates_at": NOW.isoformat()}) for key in ("gone", "missing", "back")}
    assert read(SyncState(dates)) == frozenset()


def test_a_date_that_is_written_in_another_way_is_not_read():
    has = platform(account("ada", deactivation_known=False), **LIKE_V1)
    state = applied("ada", deactivates_at="2026-12-01T02:00:00.000Z")
    assert users_to_read(people(person("ada", leaves_at=NOW)), has, state, options(), NOW) == frozenset()
