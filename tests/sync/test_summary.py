"""The summary of a plan: keys and counts, short, and safe to show."""

from __future__ import annotations

from typing import get_args

import pytest

from airflow_provider_360learning.sync import summary
from airflow_provider_360learning.sync.guards import Verdict
from airflow_provider_360learning.sync.names import label
from airflow_provider_360learning.sync.plan import Action, Finding
from airflow_provider_360learning.sync.summary import MAX_LINES, counts_of, summary_of
from tests.sync.support import change, changes

KINDS = [*get_args(Action), *get_args(Finding)]


def text_of(plan, verdicts=(), **values):
    given = {"company": "acme v2", "rows": 1000, "invitations": 3, "address_changes": 0, "seconds": 90}
    return summary_of(plan, verdicts, **given | values)


def test_every_action_and_finding_has_a_title():
    assert {*KINDS, "conflict", "row_error"} == set(summary._TITLES)


def test_counts_have_every_kind_once():
    plan = changes(
        *(change(action) for action in get_args(Action)), reports=[(each, "1") for each in get_args(Finding)]
    )
    assert counts_of(plan) == dict.fromkeys(counts_of(plan), 1)
    assert set(counts_of(plan)) == set(KINDS)


def test_a_person_with_two_reports_of_one_kind_is_counted_once():
    assert counts_of(changes(reports=[("missing", "1"), ("missing", "1"), ("missing", "2")])) == {"missing": 2}


def test_people_are_listed_by_key():
    text = text_of(changes(change("deactivate", "13"), change("deactivate", "14"), conflicts=["20"]))
    assert "- **People deactivated: 2**: `13`, `14`\n" in text
    assert "- **Conflicts, left out of the plan: 1**: `20`\n" in text
    assert "Applying takes about 90 s" in text
    assert "Emails: 3 invitations" in text


def test_updates_that_clear_values_or_give_a_key_are_named():
    updates = {"1": {"job": "Nurse"}, "2": {"job": None}, "3": {"key": "3"}, "4": {"custom_fields.a1": None}}
    plan = changes(*(change("update", key, after=after) for key, after in updates.items()))
    text = text_of(plan)
    assert "- **People updated: 4**: `1`, `2`, `3`, `4`\n" in text
    assert "- **Of these, values cleared, or accounts that get a key: 3**: `2`, `3`, `4`\n" in text


def test_a_person_who_stays_loses_nothing():
    assert "Of these" not in text_of(changes(change("update", after={"deactivates_at": None})))


def test_a_refused_plan_says_so_first():
    text = text_of(changes(), [Verdict("max_leavers", 3, 4, passed=False), Verdict("max_joiners", 9, 4, passed=True)])
    assert text.splitlines()[2] == "**Refused by max_leavers: nothing is sent.**"
    assert "| max_leavers | 4 | 3 | **refused** |" in text
    assert "| max_joiners | 4 | 9 | passed |" in text


def test_nothing_to_do():
    assert "Nothing changes." in text_of(changes())


def test_a_summary_of_a_large_plan_is_short():
    plan = changes(
        *(change(action, f"key{number}" * 20) for action in get_args(Action) for number in range(2000)),
        conflicts=[f"conflict{number}" for number in range(2000)],
        reports=[(finding, f"{number}") for finding in get_args(Finding) for number in range(2000)],
        missing=[f"missing{number}" for number in range(2000)],
        errors=[(number, "is invalid") for number in range(2000)],
    )
    text = text_of(plan, [Verdict(f"guard{number}", 1, 1, passed=True) for number in range(9)])
    assert len(text.splitlines()) < MAX_LINES
    assert len(text) < 64_000
    assert "and 1,970 more" in text


@pytest.mark.parametrize(
    "key", ["{{ conn.x.password }}", "{% raw %}", "a\n# b", "<script>", "`x` **y**", "\x1b[31m", "a|b", "[x](http://y)"]
)
def test_a_hostile_key_renders_nothing(key):
    plan = changes(change("delete", key), conflicts=[key], reports=[("unmanaged", key), ("missing", key)])
    text = text_of(plan, company=key)
    assert "{{" not in text
    assert "{%" not in text
    assert "\x1b" not in text
    lines = [line for line in text.splitlines() if line.startswith("- **")]
    assert len(lines) == 4
    assert all(line.endswith("`") and line.count("`") == 2 for line in lines)


def test_no_email_address_is_shown():
    plan = changes(
        change("delete", "ana@acme.example", user_id="b1"),
        change("update", "bob@acme.example", rows=(3, 4), after={"mail": "bob@acme.example"}),
        conflicts=["ana@acme.example"],
        reports=[("unmanaged", "ana@acme.example")],
        missing=["ana@acme.example"],
    )
    text = text_of(plan)
    assert "@" not in text
    assert "`user b1`" in text
    assert "`rows 3, 4`" in text


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, "a person"),
        ({"rows": (3,)}, "row 3"),
        ({"rows": (1, 2, 3, 4)}, "rows 1, 2, 3…"),
        ({"user_id": "b1"}, "user b1"),
        ({"user_id": "b1", "rows": (3,)}, "row 3"),
    ],
)
def test_what_stands_for_an_address(values, expected):
    assert label("ana@acme.example", **values) == expected


def test_other_keys_stand_for_themselves():
    assert label("4711", rows=(3,)) == "4711"
    assert label("{{ x }}\n") == "{ { x }}"
