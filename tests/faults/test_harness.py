"""The harness in a small size: what it does by itself, and that nothing of a hundred writes is lost or done twice."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.faults.plan import FEWEST_WRITES, KINDS, LOOK_UPS, NO_LOOK_UP, OPERATIONS, make_plan

ROOT_OF_THE_PROJECT = __file__.rpartition("/tests/")[0]


def test_a_plan_follows_from_its_seed():
    assert make_plan(1, 300) == make_plan(1, 300)
    assert make_plan(1, 300).fingerprint == make_plan(1, 300).fingerprint
    assert make_plan(1, 300).fingerprint != make_plan(2, 300).fingerprint


@pytest.mark.parametrize("seed", range(5))
def test_the_smallest_plan_has_all_operations_refusals_and_kinds_of_trouble(seed):
    plan = make_plan(seed, FEWEST_WRITES)
    assert len(plan.pieces) == FEWEST_WRITES
    assert {piece.operation for piece in plan.pieces if piece.refusal} == set(OPERATIONS)
    for once_only in (False, True):
        pieces = [piece for piece in plan.pieces if (piece.operation in LOOK_UPS) == once_only]
        met = {kind.name for piece in pieces for kind in piece.troubles}
        assert met >= {kind.name for kind in KINDS if kind.fault and (kind.times == 1 or not once_only)}
    assert sum(piece.killed_after is not None for piece in plan.pieces) == 2


@pytest.mark.slow
def test_nothing_of_a_hundred_writes_is_lost_or_done_twice(tmp_path):
    told = tmp_path / "summary.json"
    command = [sys.executable, "-m", "tests.faults", "--seed", "1", "--writes", str(FEWEST_WRITES), "--json", str(told)]
    ran = subprocess.run(command, cwd=ROOT_OF_THE_PROJECT, capture_output=True, text=True, timeout=540, check=False)
    print(ran.stdout)
    assert ran.returncode == 0, ran.stderr
    summary = json.loads(told.read_text())
    assert summary["wrong"] == []
    assert len(summary["pieces"]) == FEWEST_WRITES
    for kind in (*KINDS, NO_LOOK_UP):
        assert not kind.fault or summary["met"][kind.name], f"no request met: {kind.name}"
    assert summary["met"]["401, token ended"]
    assert sum(summary["kills"].values()) >= 2
