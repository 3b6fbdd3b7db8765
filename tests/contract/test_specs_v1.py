"""The client's table of API v1 agrees with what is known about it."""

from __future__ import annotations

import json
import subprocess
import sys

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


LOAD = """
import json, time
from airflow_provider_360learning.api.v1.operations import known
from airflow_provider_360learning.api.versions import VERSIONS

read = known.cache_info().currsize
started = time.process_time()
VERSIONS["v1"].spec.endpoints["getUsers"]
print(json.dumps([read, time.process_time() - started]))
"""


def test_the_table_is_read_quickly_when_an_operation_is_first_looked_up():
    read, seconds = json.loads(subprocess.check_output([sys.executable, "-c", LOAD], text=True, timeout=60))
    assert read == 0
    assert seconds < 0.02
