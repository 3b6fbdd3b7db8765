"""An API key that is rotated in the middle of an export: no attempt is missing, and none is exported twice."""

from __future__ import annotations

from collections import Counter
from itertools import chain

import pytest

from airflow_provider_360learning.api.v1.course_attempts import read_course_stats
from airflow_provider_360learning.files.formats import read
from airflow_provider_360learning.hooks.learning360 import Learning360Hook
from airflow_provider_360learning.operators.exports import Learning360ExportCourseStatisticsOperator
from tests.unlimited_sandbox import CONNECTION, UNLIMITED, after_requests, rotate_key


@pytest.mark.slow
@pytest.mark.parametrize("auth", ["oauth2", "api_key_header", "api_key_query"])
def test_continues_with_the_new_key(sandbox, monkeypatch, tmp_path, auth):
    def store():
        monkeypatch.setenv(CONNECTION, sandbox.connection_json(auth=auth, limits=UNLIMITED))

    store()
    sandbox.control.settings(generated_attempts=2000, generated_courses=20, generated_users=100)
    everything = read_course_stats(Learning360Hook().api.client, lambda batches: list(chain.from_iterable(batches)))
    sandbox.control.settings(course_stats_cap=150, delay_after_ms=40)  # many requests, which take a while
    sandbox.control.clear_journal()
    export = Learning360ExportCourseStatisticsOperator(
        task_id="export",
        output_path=str(tmp_path / "attempts.jsonl"),
        interval_start="2026-01-01T00:00:00Z",
        interval_end="2026-02-01T00:00:00Z",
    )
    with after_requests(sandbox, 10, "/courses/stats", lambda: rotate_key(sandbox, store), hold_others=True):
        result = export.execute({})
    exported = Counter(row["attempt_id"] for _, _, row, _ in read(result["output_path"]))
    assert exported == Counter(one.attempt_id for one in everything)
    assert result["complete"]
    statuses = [entry["status"] for entry in sandbox.control.journal() if entry["operation"] == "getCoursesStats"]
    assert 1 <= statuses.count(401) <= 3, "rotated too late"
    assert statuses[-1] == 200
