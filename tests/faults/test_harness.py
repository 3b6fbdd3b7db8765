"""The fault harness itself, and a short run: none of a hundred writes is lost or done twice."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.faults.plan import KINDS, LOOKUPS, MIN_WRITES, NO_LOOKUP, OPERATIONS, make_plan

ROOT_OF_THE_PROJECT = __file__.rpartition("/tests/")[0]


def test_the_plan_is_determined_by_its_seed():
    assert make_plan(1, 300) == make_plan(1, 300)
    assert make_plan(1, 300).fingerprint == make_plan(1, 300).fingerprint
    assert make_plan(1, 300).fingerprint != make_plan(2, 300).fingerprint


@pytest.mark.parametrize("seed", range(5))
def test_the_smallest_plan_has_all_operations_refusals_and_kinds_of_faults(seed):
    plan = make_plan(seed, MIN_WRITES)
    assert len(plan.writes) == MIN_WRITES
    assert {write.operation for write in plan.writes if write.refusal} == set(OPERATIONS)
    for not_repeatable in (False, True):
        writes = [write for write in plan.writes if (write.operation in LOOKUPS) == not_repeatable]
        met = {kind.name for write in writes for kind in write.faults}
        assert met >= {kind.name for kind in KINDS if kind.fault and (kind.times == 1 or not not_repeatable)}
    assert sum(write.killed_after is not None for write in plan.writes) == 2


@pytest.mark.slow
def test_no_write_of_a_hundred_is_lost_or_done_twice(tmp_path):
    file = tmp_path / "summary.json"
    command = [sys.executable, "-m", "tests.faults", "--seed", "1", "--writes", str(MIN_WRITES), "--json", str(file)]
    harness = subprocess.run(command, cwd=ROOT_OF_THE_PROJECT, capture_output=True, text=True, timeout=540, check=False)
    print(harness.stdout)
    assert harness.returncode == 0, harness.stderr
    summary = json.loads(file.read_text())
    assert summary["violations"] == []
    assert len(summary["writes"]) == MIN_WRITES
    for kind in (*KINDS, NO_LOOKUP):
        assert not kind.fault or summary["met"][kind.name], f"no request met: {kind.name}"
    assert summary["met"]["401, token ended"]
    assert sum(summary["kills"].values()) >= 2
