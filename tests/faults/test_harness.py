"""The fault harness itself, and a short run: none of a hundred writes is lost or done twice."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.faults.plan import JOB_KINDS, KINDS, MIN_WRITES, NO_LOOKUP, OPERATIONS, lookups, make_plan

ROOT_OF_THE_PROJECT = __file__.rpartition("/tests/")[0]


def test_the_plan_is_determined_by_its_seed():
    assert make_plan(1, 300) == make_plan(1, 300)
    assert make_plan(1, 300).fingerprint == make_plan(1, 300).fingerprint
    assert make_plan(1, 300).fingerprint != make_plan(2, 300).fingerprint


@pytest.mark.parametrize("version", OPERATIONS)
@pytest.mark.parametrize("seed", range(5))
def test_the_smallest_plan_has_all_operations_refusals_and_kinds_of_faults(seed, version):
    plan = make_plan(seed, MIN_WRITES[version], version)
    assert len(plan.writes) == MIN_WRITES[version]
    assert {write.operation for write in plan.writes if write.refusal} == set(OPERATIONS[version])
    for not_repeatable in (False, True):
        writes = [write for write in plan.writes if (write.operation in lookups(version)) == not_repeatable]
        met = {kind.name for write in writes for kind in write.faults}
        assert met >= {kind.name for kind in KINDS if kind.fault and (kind.times == 1 or not not_repeatable)}
    assert sum(write.killed_after is not None for write in plan.writes) == 2


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Run the harness on all versions at the same time, because it mostly waits; return process and file of each."""
    folder = tmp_path_factory.mktemp("summaries")

    def run(version):
        command = [sys.executable, "-m", "tests.faults", "--version", version, "--seed", "1"]
        command += ["--writes", str(MIN_WRITES[version]), "--json", str(folder / version)]
        return subprocess.run(
            command, cwd=ROOT_OF_THE_PROJECT, capture_output=True, text=True, timeout=540, check=False
        )

    with ThreadPoolExecutor() as threads:
        finished = threads.map(run, OPERATIONS)
        return {version: (process, folder / version) for version, process in zip(OPERATIONS, finished, strict=True)}


@pytest.mark.slow
@pytest.mark.parametrize("version", OPERATIONS)
def test_no_write_is_lost_or_done_twice(runs, version):
    harness, file = runs[version]
    print(harness.stdout)
    assert harness.returncode == 0, harness.stderr
    summary = json.loads(file.read_text())
    assert summary["violations"] == []
    assert len(summary["writes"]) == MIN_WRITES[version]
    for kind in (*KINDS, NO_LOOKUP):
        assert not kind.fault or summary["met"].get(kind.name), f"no request met: {kind.name}"
    # Each is planned for one or two submissions, which an outage may meet first.
    assert version != "v2" or any(summary["met"].get(kind.name) for kind in JOB_KINDS)
    assert summary["met"]["401, token ended"]
    assert sum(summary["kills"].values()) >= 2
