"""Bulk tasks, imports and exports with all of their files in S3, also if the process is killed: rows are exact."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
from collections import Counter
from contextlib import contextmanager

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_360learning.api.types import Call
from airflow_provider_360learning.api.v2.spec import API_V2
from airflow_provider_360learning.files.formats import read
from airflow_provider_360learning.files.storage import storage_path, write_atomic
from airflow_provider_360learning.hooks.learning360 import Learning360Hook
from airflow_provider_360learning.operators.exports import (
    Learning360ExportCourseStatisticsOperator,
    Learning360ExportUsersOperator,
)
from airflow_provider_360learning.operators.imports import Learning360ImportStatisticsOperator
from airflow_provider_360learning.sandbox.demo_company import ADMIN_ID, GRACE_MAIL, ROOT_GROUP_ID
from tests.rows.support import ROOT, bulk, json_lines, mails, outcomes_in, people, put_csv, results_in
from tests.unlimited_sandbox import CONNECTION, operations

INTERVAL = {"interval_start": "2026-01-01T00:00:00Z", "interval_end": "2026-02-01T00:00:00Z"}
PLATFORM = "Courses & More"
EXPORT = f"""
import sys
from airflow_provider_360learning.operators.exports import Learning360ExportCourseStatisticsOperator
Learning360ExportCourseStatisticsOperator(task_id="export", output_path=sys.argv[1], **{INTERVAL}).execute({{}})
"""


@pytest.fixture
def api_v2(sandbox, monkeypatch):
    """Use API v2, as a company whose places for bulk jobs no other test has."""
    sandbox.control.settings(bulk_job_seconds=0)
    limits = dict.fromkeys(API_V2.limits, 1000)
    company_id = secrets.token_hex(12)
    monkeypatch.setenv(CONNECTION, sandbox.connection_json(api_version="v2", limits=limits, company_id=company_id))


@pytest.fixture(params=["v1", "v2"])
def version(request):
    """Use each version of the API."""
    if request.param == "v2":
        request.getfixturevalue("api_v2")
    return request.param


@pytest.fixture
def left_in(s3_server, bucket):
    """Return a function that lists what is left in the bucket: objects, and unfinished uploads."""
    name = bucket.partition("@")[2]
    return lambda: (sorted(s3_server.objects(name)), s3_server.unfinished_uploads(name))


@pytest.fixture
def killed(sandbox, tmp_path):
    """Return a function that runs Python in a process, and kills it when a request is held up by the sandbox."""
    (tmp_path / "tmp").mkdir()

    @contextmanager
    def killed(operation, *arguments, after, when="before"):
        sandbox.control.add_fault(operation, kind="delay", seconds=60, after=after, when=when)
        environment = {**os.environ, "TMPDIR": str(tmp_path / "tmp"), "PYTHONPATH": str(ROOT)}
        with subprocess.Popen([sys.executable, *arguments], env=environment, cwd=ROOT) as process:
            try:
                while not any(entry["fault"] == "delay" for entry in sandbox.control.journal()):
                    with pytest.raises(subprocess.TimeoutExpired):
                        process.wait(0.02)
            finally:
                process.kill()
        assert process.returncode == -signal.SIGKILL
        assert list((tmp_path / "tmp").iterdir()) == []
        sandbox.control.clear_faults()
        yield

    return killed


def expire_lease(folder):
    """Let the lease of an attempt that was killed expire."""
    path = storage_path(folder) / "progress.json"
    state = json.loads(path.read_text())
    write_atomic(path, json.dumps(state | {"lease_until": state["lease_until"] - 60}).encode())


def create_courses(platform=PLATFORM):
    """Create the integration of a platform and a course of it, through API v2."""
    client = Learning360Hook().api.client
    made = client.call(
        Call("createIntegration", body={"externalPlatform": platform, "authorId": ADMIN_ID, "groupId": ROOT_GROUP_ID})
    )
    course = {"externalId": "c1", "name": "c1", "defaultLang": "en", "launchUrl": "https://courses.test"}
    body = {"input": [{**course, "subjects": [], "sources": []}]}
    client.call(Call("importExternalCourses", path={"integrationId": made["_id"]}, body=body))


def statistics(count):
    """Make rows of statistics, each of which is an attempt of its own."""
    return [
        {
            "external_id": "c1",
            "mail": GRACE_MAIL,
            "progress": 40,
            "time_spent_seconds": 60,
            "first_activity": f"2026-03-05T{number // 60:02}:{number % 60:02}:00Z",
            "last_activity": f"2026-03-05T{number // 60:02}:{number % 60:02}:30Z",
        }
        for number in range(count)
    ]


def export_statistics(output_path):
    return Learning360ExportCourseStatisticsOperator(task_id="export", output_path=output_path, **INTERVAL).execute({})


def test_a_bulk_task_reads_and_writes_s3(sandbox, bucket, left_in, version):
    rows = put_csv(f"{bucket}/people.csv", [*people(3), {"mail": "invalid", "mode": "create_active"}])
    done = bulk("create_user", rows, results_path=f"{bucket}/results", state_path=f"{bucket}/state", on_invalid="skip")
    assert done["outcomes"] == {"created": 3, "invalid": 1}
    assert [row["mail"] for _, _, row, _ in read(done["rejected_path"])] == ["invalid"]
    results = ("manifest.json", "rejected/errors.jsonl", "rejected/rejected.csv", "results.jsonl")
    files = ["people.csv", *(f"results/{name}" for name in results), "state/accepted.txt"]
    assert left_in() == (files, [])
    again = {"results_path": f"{bucket}/more", "state_path": f"{bucket}/state", "skip_unchanged": True}
    done = bulk("create_user", rows, on_invalid="skip", **again)
    assert done["outcomes"] == {"unchanged": 3, "invalid": 1}


@pytest.mark.parametrize("argument", ["results_path", "rejected_path", "state_path"])
def test_a_bulk_task_sends_nothing_if_a_bucket_does_not_exist(sandbox, bucket, argument):
    paths = {"results_path": f"{bucket}/results", argument: "s3://aws_default@missing/folder"}
    problem = rf"{argument} .* \(connection 'aws_default'\) .* does not exist .* Nothing was sent"
    with pytest.raises(AirflowFailException, match=problem):
        bulk("create_user", people(3), **paths)
    assert operations(sandbox) == []


def test_an_export_reads_nothing_if_the_bucket_does_not_exist(sandbox, bucket):
    operator = Learning360ExportUsersOperator(task_id="export", output_path="s3://aws_default@missing/a.csv")
    with pytest.raises(AirflowFailException, match=r"output_path .* does not exist .* Nothing was exported"):
        operator.execute({})
    assert operations(sandbox) == []


def test_an_export_is_the_same_as_a_local_one(sandbox, bucket, left_in, version, tmp_path):
    sandbox.control.settings(generated_attempts=300)
    done = export_statistics(f"{bucket}/attempts.jsonl")
    export_statistics(f"{tmp_path}/attempts.jsonl")
    assert done["rows"] == 300
    assert storage_path(f"{bucket}/attempts.jsonl").read_bytes() == (tmp_path / "attempts.jsonl").read_bytes()
    assert left_in() == (["attempts.jsonl"], [])


# Killed processes


@pytest.mark.slow
def test_a_killed_bulk_task_is_resumed_exactly(sandbox, bucket, left_in, killed):
    rows = put_csv(f"{bucket}/people.csv", people(200))
    arguments = {"action": "create_user", "rows": rows, "results_path": f"{bucket}/results"}
    arguments |= {"defaults": {"if_exists": "fail"}}
    with killed("createOrInviteUser", "-m", "tests.rows.attempt", json.dumps(arguments), after=120):
        expire_lease(f"{bucket}/results")
    done = json.loads((storage_path(f"{bucket}/results") / "progress.json").read_text())["done_up_to"]
    assert 0 < done < 200
    sandbox.control.clear_journal()
    bulk(**arguments)
    assert operations(sandbox).count("createOrInviteUser") <= 200 - done, "nothing is sent for rows with a result"
    assert outcomes_in(f"{bucket}/results") == ["created"] * 200
    assert [result["row"] for result in results_in(f"{bucket}/results")] == list(range(1, 201))
    assert sum(mail.startswith("person") for mail in mails(sandbox)) == 200
    assert left_in() == (["people.csv", "results/manifest.json", "results/results.jsonl"], [])


@pytest.mark.slow
def test_a_killed_import_is_resumed_exactly(sandbox, api_v2, bucket, left_in, killed):
    create_courses()
    arguments = {"rows": statistics(200), "group_id": ROOT_GROUP_ID, "external_platform": PLATFORM}
    arguments["results_path"] = f"{bucket}/results"
    with killed(
        "getBulkOperationResults", "-m", "tests.rows.job_attempt", json.dumps(arguments), after=0, when="after"
    ):
        expire_lease(f"{bucket}/results")
    done = Learning360ImportStatisticsOperator(task_id="statistics", **arguments).execute({})
    assert done["outcomes"] == {"imported": 200}
    attempts = [attempt["first_activity"] for attempt in sandbox.control.state()["external_attempts"]]
    assert Counter(Counter(attempts).values()) == {1: 200}
    assert operations(sandbox).count("importExternalStatistics") == 1
    assert left_in() == (["results/manifest.json", "results/results.jsonl"], [])


@pytest.mark.slow
def test_a_killed_export_leaves_the_previous_file_and_is_repeated(sandbox, bucket, left_in, killed, tmp_path):
    sandbox.control.settings(generated_attempts=2000)
    path = f"{bucket}/attempts.jsonl"
    write_atomic(path, b"previous")
    with killed("getCoursesStats", "-c", EXPORT, path, after=8):
        assert storage_path(path).read_bytes() == b"previous"
    assert export_statistics(path)["rows"] == 2000
    assert len({row["attempt_id"] for row in json_lines(path)}) == 2000
    assert left_in() == (["attempts.jsonl"], [])
