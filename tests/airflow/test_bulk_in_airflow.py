"""One task with many rows, killed in a real Airflow: nothing is lost, and nothing that was done is sent again."""

from __future__ import annotations

import pytest

from airflow_provider_360learning.sandbox.v1.version import DOCUMENTED_LIMITS
from tests.airflow.conftest import FASTER
from tests.kill_recovery import CompletionStatus, KilledRun

pytestmark = pytest.mark.slow

#: Seconds, instead of 30.
LEASE = 6


@pytest.fixture(autouse=True)
def _fast_platform(platform):
    platform.control.reset()
    platform.control.clear_journal()
    limits = {name: FASTER * calls for name, calls in DOCUMENTED_LIMITS.items()}
    platform.control.settings(limits=limits, delay_before_ms=50, delay_after_ms=50)
    yield
    platform.control.reset()


@pytest.mark.parametrize(
    ("victim", "on_shelf"),
    [
        pytest.param("task", False, id="the task is killed, and the results are files"),
        pytest.param("supervisor", True, id="its supervisor is killed, and the results are objects without append"),
    ],
)
def test_what_was_done_when_a_process_is_killed_is_not_sent_again(stack, platform, tmp_path, victim, on_shelf):
    run = KilledRun(stack, platform.control, tmp_path, rows=100, on_shelf=on_shelf, connection="faster", lease=LEASE)
    evidence = run.kill([(60, victim)], timeout=150)
    verdict = CompletionStatus(evidence)
    assert verdict.wrong() == []
    assert len(verdict.attempts) >= 2, "the process that was left alone went on"
    (kill,) = evidence.kills
    assert any(part.written_at < kill.at for part in evidence.parts), "nothing was done yet, which proves nothing"
    assert sum(verdict.sent_again().values()) < 60
