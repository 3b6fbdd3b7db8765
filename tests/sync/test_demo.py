"""The demo of a sync ends as it is described, on both API versions."""

from __future__ import annotations

import pytest

from airflow_provider_360learning.api.versions import VERSIONS
from demo.sync import run
from tests.unlimited_sandbox import CONNECTION

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_three_nights_end_as_described(version, tmp_path, monkeypatch):
    monkeypatch.setenv(CONNECTION, "")  # restored after the test: the demo sets it
    lines = []
    limits = dict.fromkeys(VERSIONS[version].spec.limits, 1000)
    problems = run(version, tmp_path, lines.append, {"limits_enabled": False, "bulk_job_seconds": 0}, limits)
    assert "\n".join(problems) == ""
    assert sum("a second run changes nothing" in line for line in lines) == 3
    assert sum("is refused: max_leavers" in line for line in lines) == 1
