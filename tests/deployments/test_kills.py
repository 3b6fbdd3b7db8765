"""Rows are exact after any process of a Celery worker gets any signal."""

from __future__ import annotations

import pytest

from tests.deployments.kills import CELLS, kill_all
from tests.deployments.tables import add_row
from tests.kill_recovery import RecoveryReport

pytestmark = pytest.mark.slow

BACKENDS = ("redis", "postgres")


@pytest.fixture(scope="session")
def killed(stack, request, tmp_path_factory):
    """Kill a process per selected cell, with a backend of the rate limiter, and return its name and the runs."""
    selected = {item.callspec.params["cell"] for item in request.session.items if item.originalname == NAME}
    cells = [cell for cell in CELLS if cell in selected]
    return request.param, kill_all(stack, cells, request.param, tmp_path_factory.mktemp("kills"))


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell.name)
@pytest.mark.parametrize("killed", BACKENDS, indirect=True, scope="session")
def test_rows_are_exact_after_a_process_is_killed(killed, cell):
    backend, runs = killed
    report = RecoveryReport(runs[cell].result())
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
            "Sent by both": sum(report.resent_per_attempt().values()),
            "Violations": len(report.violations()),
        }
    )
    assert report.violations() == []


NAME = test_rows_are_exact_after_a_process_is_killed.__name__
