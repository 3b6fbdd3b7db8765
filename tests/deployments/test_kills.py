"""Rows are exact after any process of a Celery worker gets any signal."""

from __future__ import annotations

import pytest

from tests.deployments.celery_stack import Worker
from tests.deployments.kills import CELLS, kill_all
from tests.deployments.tables import add_row
from tests.kill_recovery import RecoveryReport

pytestmark = pytest.mark.slow


@pytest.fixture(scope="session")
def backend(stack, request):
    """Run workers with a backend of the rate limiter: a worker for each run that kills one, and two for the others."""
    killed = [cell for cell in CELLS if cell.victim == "worker"]
    workers = [Worker(f"spare-{number}", "127.0.0.1", ["spare"], 1) for number, _ in enumerate(killed, 1)]
    workers += [Worker(f"worker-{number}", "127.0.0.1", ["default"], 3) for number in (1, 2)]
    with stack.workers(workers, request.param):
        yield request.param


@pytest.fixture(scope="session")
def killed_runs(stack, backend, sandboxes, tmp_path_factory):
    """Kill a process in each cell of the table."""
    controls = {cell: sandboxes[cell.name].control for cell in CELLS}
    for control in controls.values():
        control.reset()
        control.clear_journal()
    return kill_all(stack, controls, tmp_path_factory.mktemp("kills"))


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell.name)
@pytest.mark.parametrize("backend", ["redis"], indirect=True, scope="session")
def test_rows_are_exact_after_a_process_is_killed(backend, killed_runs, cell):
    report = RecoveryReport(killed_runs[cell].result())
    takeover = report.seconds_to_takeover()
    add_row(
        {
            "Rate limiter": backend,
            "Killed": cell.victim,
            "Signal": cell.number.name,
            "Attempts": len(report.attempts),
            "Seconds to the next attempt": "–" if takeover is None else f"{takeover:.0f}",
            "Rows": len(report.mails),
            "Requests": len(report.sent),
            "429s": report.throttled,
            "Unconfirmed rows": sum(report.resent_per_attempt().values()),
            "Violations": len(report.violations()),
        }
    )
    assert report.violations() == []
