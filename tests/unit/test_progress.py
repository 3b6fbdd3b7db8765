"""The progress lines of ``make test``."""

from __future__ import annotations

from types import SimpleNamespace

from tests.progress import INTERVAL, Progress


def test_a_line_follows_at_intervals_and_for_each_failure():
    lines, now = [], [0.0]
    progress = Progress("Airflow 3", lines.append, lambda: now[0])
    progress.pytest_xdist_node_collection_finished(ids=["a", "b", "c"])
    for failed in (True, False):
        report = {"failed": failed, "nodeid": "test_a.py::test_b", "when": "call", "duration": 1.2}
        progress.pytest_runtest_logreport(SimpleNamespace(**report))
        progress.pytest_runtest_logfinish()
    assert lines == ["Airflow 3: collecting tests", "Airflow 3: test_a.py::test_b failed in call, after 1 s"]
    now[0] = 60 + INTERVAL
    progress.pytest_runtest_logfinish()
    assert lines[2:] == ["Airflow 3: 3 of 3 tests, 1 failed, after 70 s"]
