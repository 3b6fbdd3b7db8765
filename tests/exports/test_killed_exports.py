"""An export that is killed leaves nothing behind, at the latest once the next one has started."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from airflow_provider_360learning.operators.exports import Learning360ExportCourseStatisticsOperator
from tests.files.object_store import object_store  # noqa: F401 - a fixture

INTERVAL = {"interval_start": "2026-01-01T00:00:00Z", "interval_end": "2026-02-01T00:00:00Z"}
EXPORT = f"""
import sys
from airflow_provider_360learning.operators.exports import Learning360ExportCourseStatisticsOperator
from tests.files.object_store import connect_object_store
connect_object_store()
Learning360ExportCourseStatisticsOperator(task_id="export", output_path=sys.argv[1], **{INTERVAL}).execute({{}})
"""


def files_below(folder):
    return sorted(path.name for path in Path(folder).rglob("*") if path.is_file())


@pytest.fixture
def kill_export(sandbox, tmp_path):
    """Return a function that starts an export in a process, and kills it while it reads."""
    sandbox.control.settings(generated_attempts=20_000, generated_courses=20, generated_users=1000)
    (tmp_path / "tmp").mkdir()

    def kill(output_path):
        # Enough responses for the file to have rows, and then one that takes until the process is dead.
        sandbox.control.add_fault("getCoursesStats", kind="delay", seconds=60, after=16)
        environment = {**os.environ, "TMPDIR": str(tmp_path / "tmp"), "PYTHONPATH": str(Path(__file__).parents[2])}
        process = subprocess.Popen([sys.executable, "-c", EXPORT, output_path], env=environment)
        try:
            while not any(entry["fault"] == "delay" for entry in sandbox.control.journal()):
                assert process.poll() is None
                time.sleep(0.05)
        finally:
            process.kill()
            process.wait()
        sandbox.control.reset()
        sandbox.control.settings(generated_attempts=100, generated_courses=20, generated_users=100)

    return kill


@pytest.mark.slow
def test_next_export_removes_the_temporary_file_of_a_killed_one(kill_export, tmp_path):
    folder = tmp_path / "exports"
    kill_export(f"{folder}/attempts.jsonl")
    (left,) = files_below(folder)
    assert left.startswith(".attempts.jsonl.")
    Learning360ExportCourseStatisticsOperator(
        task_id="export", output_path=f"{folder}/attempts.jsonl", **INTERVAL
    ).execute({})
    assert files_below(folder) == ["attempts.jsonl"]
    assert files_below(tmp_path / "tmp") == []


@pytest.mark.slow
def test_killed_export_to_an_object_store_leaves_no_temporary_file(kill_export, tmp_path):
    kill_export("memory://bucket/attempts.jsonl")
    assert files_below(tmp_path) == []
