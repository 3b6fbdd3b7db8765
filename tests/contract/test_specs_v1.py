"""The client's table of API v1 agrees with what is known about it."""

from __future__ import annotations

from airflow_provider_360learning.api.v1.operations import known
from tests.contract import specs_v1


def test_the_table_is_up_to_date():
    assert specs_v1.FILE.read_text() == specs_v1.table(), "run make specs"


def test_has_all_operations_and_marks_the_legacy_ones():
    # One operation has no known path.
    assert (len(known()), sum(one.get("legacy", False) for one in known().values())) == (97, 19)


def test_the_counterparts_are_up_to_date():
    assert specs_v1.COUNTERPARTS.read_text() == specs_v1.counterparts(), "run make specs"


def test_only_bodies_that_are_described_in_full_are_closed():
    facts = specs_v1.facts()
    bodies = {name: one["body"] for name, one in known().items() if "body" in one}
    assert {name for name, body in bodies.items() if not body.get("open")} == {
        name for name in bodies if facts[name]["details"] == "full"
    }
    assert [name for name, body in bodies.items() if body.get("is_list")] == ["postSkills"]
