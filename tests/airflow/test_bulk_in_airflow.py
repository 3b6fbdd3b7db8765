"""One task with many rows, killed in real Airflow: no row is lost, and no finished row is sent again."""

from __future__ import annotations

from signal import SIGKILL, SIGTERM

import pytest

from airflow_provider_360learning.sandbox.v1.version import DOCUMENTED_LIMITS
from tests.airflow.conftest import FASTER
from tests.kill_recovery import KilledRun, PlannedKill, RecoveryReport

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
    ("victim", "number", "in_object_store", "returns_lease"),
    [
        pytest.param("task", SIGKILL, False, False, id="task killed, results in files"),
        pytest.param("supervisor", SIGKILL, True, True, id="supervisor killed, results in an object store"),
        pytest.param("both", SIGTERM, False, True, id="both terminated, results in files"),
    ],
)
def test_finished_rows_are_not_sent_again_after_a_kill(
    stack, platform, tmp_path, victim, number, in_object_store, returns_lease
):
    run = KilledRun(
        stack,
        platform.control,
        tmp_path,
        rows=100,
        in_object_store=in_object_store,
        connection="faster",
        lease=LEASE,
    )
    evidence = run.kill([PlannedKill(60, victim, number)], timeout=300)
    report = RecoveryReport(evidence)
    assert report.violations() == []
    assert len(report.attempts) >= 2, "no second attempt took over"
    # A task that can return its lease does so, even if its supervisor is gone. After a kill of the task, whether the
    # next attempt waits depends on when it starts.
    if returns_lease:
        assert "earlier attempt holds the lease" not in evidence.logs
    (kill,) = evidence.kills
    assert any(part.written_at < kill.at for part in evidence.parts), "no row was finished before the kill"
    assert sum(report.resent_per_attempt().values()) < 60
