"""Rows that bulk jobs do: each is accounted for once, wherever an attempt ends."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import secrets
import signal
import subprocess
import time
from collections import Counter
from dataclasses import replace

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, TaskDeferred

from airflow_provider_360learning.api.types import Call
from airflow_provider_360learning.api.v2.spec import API_V2
from airflow_provider_360learning.exceptions import BulkApiDisabledError
from airflow_provider_360learning.files.storage import storage_path, write_atomic
from airflow_provider_360learning.hooks.learning360 import Learning360Hook
from airflow_provider_360learning.operators.bulk import Learning360BulkOperator
from airflow_provider_360learning.operators.imports import Learning360ImportStatisticsOperator
from airflow_provider_360learning.rows.config import JobTimes, LeaseTimes
from airflow_provider_360learning.sandbox.demo_company import (
    ADMIN_ID,
    ADMIN_MAIL,
    GRACE_ID,
    GRACE_MAIL,
    ROOT_GROUP_ID,
    SALES_GROUP_ID,
    SECURITY_COURSE_ID,
    WELCOME_COURSE_ID,
)
from tests.conftest import BIN
from tests.rows.support import ROOT, faults_in, outcomes_in, results_in
from tests.unlimited_sandbox import CONNECTION, operations

PLATFORM = "Courses & More"
REJECTED_TOKEN = {"kind": "status", "status": 401, "body": {"error": "invalid_token"}, "count": 2}
STATISTICS, MEMBERSHIPS = "importExternalStatistics", "addUsersToGroups"
ALL_BUT_GROUPS = ["bulkOperations:read", "users:read", "groups:read", "groups:write"]
UNKNOWN_ID = "64b1f0c2a9d3e40012ff0001"


class FasterMixin:
    """Verifies its lease, looks for lost jobs and gives up sooner than the real operators."""

    times = JobTimes(pauses_before_looking=(0.0, 0.05))

    def _config(self, context):
        lease = LeaseTimes(settle=0.05)
        return replace(super()._config(context), lease=lease, jobs=self.times, max_attempts=1)


class BulkOperator(FasterMixin, Learning360BulkOperator):
    pass


class ImportStatisticsOperator(FasterMixin, Learning360ImportStatisticsOperator):
    pass


@pytest.fixture
def sandbox(sandbox, monkeypatch):
    """Provide the sandbox with a connection to API v2, as a company whose places no other test has."""
    sandbox.control.settings(bulk_job_seconds=0)
    limits = dict.fromkeys(API_V2.limits, 1000)
    company_id = secrets.token_hex(12)
    monkeypatch.setenv(CONNECTION, sandbox.connection_json(api_version="v2", limits=limits, company_id=company_id))
    return sandbox


@pytest.fixture
def courses(sandbox):
    """Create the integration of a provider and two of its courses."""
    integration = {"externalPlatform": PLATFORM, "authorId": ADMIN_ID, "groupId": ROOT_GROUP_ID}
    api = Learning360Hook().api
    made = api.client.call(Call("createIntegration", body=integration))
    courses = [
        {"externalId": name, "name": name, "defaultLang": "en", "launchUrl": "https://courses.test"}
        | {"subjects": [], "sources": []}
        for name in ("c1", "c2")
    ]
    path = {"integrationId": made["_id"]}
    api.client.call(Call("importExternalCourses", path=path, body={"input": courses}))
    api.client.call(Call("getBulkOperations"))  # the job is done by then
    sandbox.control.clear_journal()
    return made["_id"]


@pytest.fixture
def statistics(courses, tmp_path):
    """Import statistics, and return the operator."""

    def statistics(rows, *, times=None, **arguments):
        target = {"group_id": ROOT_GROUP_ID, "external_platform": PLATFORM, "results_path": str(tmp_path)}
        operator = ImportStatisticsOperator(task_id="statistics", rows=rows, **target | arguments)
        operator.times = times or operator.times
        return operator.execute({})

    return statistics


@pytest.fixture
def bulk(sandbox, tmp_path):
    """Apply an action to rows."""

    def bulk(action, rows, **arguments):
        return BulkOperator(task_id="bulk", action=action, rows=rows, results_path=str(tmp_path), **arguments).execute(
            {}
        )

    return bulk


def statistic(number=0, **more):
    """Make a row; each number is an attempt of its own, after those with lower numbers."""
    minute = f"2026-03-05T{number // 60:02}:{number % 60:02}"
    times = {"first_activity": f"{minute}:00Z", "last_activity": f"{minute}:30Z"}
    return {"external_id": "c1", "mail": GRACE_MAIL, "progress": 40, "time_spent_seconds": 60, **times, **more}


def rows_of(count, **more):
    return [statistic(number, **more) for number in range(count)]


def membership(user=GRACE_MAIL, **more):
    return {"user": user, "group_id": SALES_GROUP_ID, "role": "coach", **more}


def attempts(sandbox):
    """Return the times at which the stored attempts began, one per statistic that was imported."""
    return [attempt["first_activity"] for attempt in sandbox.control.state()["external_attempts"]]


def count(sandbox, operation):
    return operations(sandbox).count(operation)


def state_of(folder):
    return json.loads((storage_path(folder) / "progress.json").read_text())


def change_jobs(folder, **changes):
    """Change what the checkpoint says about its only job, as if the attempt had been killed at another point."""
    state = state_of(folder)
    (job,) = state["jobs"]
    write_atomic(storage_path(folder) / "progress.json", json.dumps(state | {"jobs": [job | changes]}).encode())


def end_early(sandbox, operation, run, **how):
    """End an attempt at an operation, whose request is rejected."""
    sandbox.control.add_fault(operation, **REJECTED_TOKEN, **how)
    with pytest.raises(AirflowFailException, match="AuthenticationError"):
        run()
    sandbox.control.clear_faults()


# Results


def test_one_job_does_all_rows(sandbox, statistics, tmp_path):
    done = statistics(rows_of(60))
    assert (done["outcomes"], done["retryable"]) == ({"imported": 60}, 0)
    assert [result["row"] for result in results_in(tmp_path)] == list(range(1, 61))
    assert len(attempts(sandbox)) == 60
    assert count(sandbox, STATISTICS) == 1
    assert not list(tmp_path.rglob("job-*")), "the rows of the job are not needed any more"


def test_each_row_has_the_result_of_its_input(sandbox, statistics, tmp_path):
    rows = [statistic(1), statistic(2, external_id="c9"), statistic(3, time_spent_seconds=1234), statistic(4)]
    sandbox.control.settings(bulk_rows_refused=["1234000"])
    with pytest.raises(AirflowFailException, match="2 of 4 rows are refused"):
        statistics(rows)
    first, unknown_course, refused, last = results_in(tmp_path)
    assert (first["outcome"], last["outcome"]) == ("imported", "imported")
    assert unknown_course["outcome"] == refused["outcome"] == "refused"
    assert "360Learning refuses it: This row is refused by a setting" in refused["message"]
    assert refused["retryable"] is False


def test_a_row_that_the_job_does_not_mention_is_unknown(sandbox, statistics, tmp_path):
    sandbox.control.settings(bulk_rows_unmentioned=["1234000"])
    with pytest.raises(AirflowFailException, match="1 of 3 rows is refused, failed or unknown"):
        statistics([statistic(1), statistic(2, time_spent_seconds=1234), statistic(3)])
    assert outcomes_in(tmp_path) == ["imported", "unknown", "imported"]
    message = results_in(tmp_path)[1]["message"]
    assert "do not mention this row" in message
    assert "resend_unconfirmed=True" in message


def test_rows_after_the_end_of_a_job_in_error_are_unknown(sandbox, statistics, tmp_path):
    sandbox.control.settings(bulk_jobs_fail_after=2)
    with pytest.raises(AirflowFailException, match="2 of 4 rows are refused, failed or unknown"):
        statistics(rows_of(4))
    assert outcomes_in(tmp_path) == ["imported"] * 2 + ["unknown"] * 2
    assert "An unexpected failure ended the operation" in results_in(tmp_path)[3]["message"]


def test_rows_of_a_job_that_never_ends_are_unknown(sandbox, statistics, tmp_path):
    sandbox.control.settings(bulk_jobs_end=False)
    with pytest.raises(AirflowFailException, match="2 of 2 rows are refused, failed or unknown"):
        statistics(rows_of(2), times=JobTimes(give_up_after=0.1))
    assert outcomes_in(tmp_path) == ["unknown"] * 2
    assert "has not ended within" in results_in(tmp_path)[0]["message"]


def test_a_completion_that_this_version_cannot_express_is_a_row_error(sandbox, statistics, tmp_path):
    at_the_end = statistic(1, progress=100, completed_at="2026-03-05T00:01:30Z")
    before_it = statistic(2, progress=100, completed_at="2026-03-05T00:02:10Z")
    with pytest.raises(AirflowFailException, match="1 of 2 rows"):
        statistics([at_the_end, before_it])
    (error,) = faults_in(tmp_path)
    assert (error["row"], error["field"]) == (2, "completed_at")
    assert "last_activity" in error["problem"]
    assert count(sandbox, STATISTICS) == 0


def test_unknown_users_are_refused_before_the_submission(sandbox, bulk, tmp_path):
    with pytest.raises(AirflowFailException, match="1 of 3 rows is refused"):
        bulk("add_user_to_group", [membership(), membership("nobody@acme.test"), membership(ADMIN_MAIL)])
    assert outcomes_in(tmp_path) == ["added", "refused", "added"]
    assert results_in(tmp_path)[1]["error_code"] == "user_not_found"
    assert count(sandbox, MEMBERSHIPS) == 1


def test_one_job_switches_the_notification_emails_of_all_users(sandbox, bulk, tmp_path):
    """Users who are given by their ids are looked up: the job takes email addresses."""
    rows = [{"user": GRACE_ID}, {"user": ADMIN_MAIL}, {"user": "0" * 24}]
    bulk("unsubscribe_from_email_notifications", rows, max_failures=1)
    assert outcomes_in(tmp_path) == ["unsubscribed", "unsubscribed", "refused"]
    assert "No user with an email address" in results_in(tmp_path)[2]["message"]
    assert count(sandbox, "createSubscriptionEvents") == 1
    assert not any(user["email_notifications"] for user in sandbox.control.state()["users"])


def test_a_row_with_several_contents_has_one_result(sandbox, bulk, tmp_path):
    rows = [{"group_id": SALES_GROUP_ID, "course_ids": f"{WELCOME_COURSE_ID};{SECURITY_COURSE_ID}"}]
    rows.append({"group_id": SALES_GROUP_ID, "course_ids": f"{WELCOME_COURSE_ID};{UNKNOWN_ID}"})
    with pytest.raises(AirflowFailException, match="1 of 2 rows is refused"):
        bulk("add_to_catalog", rows)
    assert outcomes_in(tmp_path) == ["added", "refused"]
    assert "1 of 2: " in results_in(tmp_path)[1]["message"]


def test_a_dry_run_submits_nothing(sandbox, bulk):
    assert bulk("add_user_to_group", [membership()], dry_run=True)["outcomes"] == {"would_send": 1}
    assert count(sandbox, MEMBERSHIPS) == 0


# Jobs of one run


def large_rows(mails):
    """Make rows of which few fit into one job, because they are held in memory."""
    return [statistic(number, mail=mail, external_id="c" * 400_000) for number, mail in enumerate(mails)]


def test_several_jobs_are_under_way_at_once(sandbox, statistics, tmp_path):
    sandbox.control.add_users([f"learner{number}@acme.test" for number in range(9)])
    sandbox.control.settings(bulk_job_seconds=60)
    run = {"max_failures": 9, "deferrable": True, "times": JobTimes(defer_after=0.2)}
    with pytest.raises(TaskDeferred):
        statistics(large_rows([f"learner{number}@acme.test" for number in range(9)]), **run)
    first, second = [(job["first"], job["last"]) for job in state_of(tmp_path)["jobs"]]
    assert first[0] == 1
    assert second[0] == first[1] + 1


def test_rows_of_one_subject_wait_for_the_job_before(sandbox, statistics):
    with pytest.raises(AirflowFailException, match="9 of 9 rows are refused"):
        statistics(large_rows([GRACE_MAIL] * 9))
    sent = [each for each in operations(sandbox) if each in (STATISTICS, "getBulkOperationResults")]
    assert len(sent) > 2
    assert sent == [STATISTICS, "getBulkOperationResults"] * (len(sent) // 2)


# Attempts that end


def test_a_known_job_is_not_submitted_again(sandbox, statistics, tmp_path):
    end_early(sandbox, "getBulkOperation", lambda: statistics(rows_of(30)))
    assert state_of(tmp_path)["jobs"][0]["job_id"]
    assert statistics(rows_of(30))["outcomes"] == {"imported": 30}
    assert count(sandbox, STATISTICS) == 1
    assert len(attempts(sandbox)) == 30


def test_results_are_read_again(sandbox, statistics):
    end_early(sandbox, "getBulkOperationResults", lambda: statistics(rows_of(30)))
    assert statistics(rows_of(30))["outcomes"] == {"imported": 30}
    assert count(sandbox, STATISTICS) == 1
    assert len(attempts(sandbox)) == 30


def test_an_attempt_that_ends_before_it_stores_the_id_finds_the_job(sandbox, statistics, tmp_path):
    end_early(sandbox, "getBulkOperation", lambda: statistics(rows_of(30)))
    change_jobs(tmp_path, job_id="")
    assert statistics(rows_of(30))["outcomes"] == {"imported": 30}
    assert count(sandbox, STATISTICS) == 1
    assert len(attempts(sandbox)) == 30


@pytest.fixture
def ended_before_submission(sandbox, courses, tmp_path):
    """Return a function that leaves the state of an attempt that was killed before its submission was sent."""

    def leave(run, operation, rows):
        end_early(sandbox, operation, run)
        assert state_of(tmp_path)["jobs"] == []
        jobs = [{"first": 1, "last": rows, "since": time.time(), "job_id": ""}]
        state = state_of(tmp_path) | {"jobs": jobs}
        write_atomic(storage_path(tmp_path) / "progress.json", json.dumps(state).encode())
        sandbox.control.clear_journal()

    return leave


def test_statistics_that_may_have_been_sent_are_unknown(sandbox, statistics, ended_before_submission, tmp_path):
    ended_before_submission(lambda: statistics(rows_of(3)), STATISTICS, 3)
    with pytest.raises(AirflowFailException, match="3 of 3 rows are refused, failed or unknown"):
        statistics(rows_of(3))
    assert outcomes_in(tmp_path) == ["unknown"] * 3
    assert count(sandbox, STATISTICS) == 0
    again = statistics(rows_of(3), retry_failed_only=True, resend_unconfirmed=True)
    assert again["outcomes"] == {"imported": 3}


def test_statistics_that_may_have_been_sent_are_sent_on_request(sandbox, statistics, ended_before_submission):
    ended_before_submission(lambda: statistics(rows_of(3)), STATISTICS, 3)
    assert statistics(rows_of(3), resend_unconfirmed=True)["outcomes"] == {"imported": 3}


def test_memberships_that_may_have_been_sent_are_sent_again(sandbox, bulk, ended_before_submission):
    rows = [membership(), membership(ADMIN_MAIL)]
    ended_before_submission(lambda: bulk("add_user_to_group", rows), MEMBERSHIPS, 2)
    assert bulk("add_user_to_group", rows)["outcomes"] == {"added": 2}
    assert count(sandbox, MEMBERSHIPS) == 1


def test_a_user_who_is_deleted_meanwhile_keeps_the_result(sandbox, bulk, tmp_path):
    sandbox.control.add_users(["ada@acme.test"])
    rows = [membership(), membership("ada@acme.test")]
    end_early(sandbox, "getBulkOperation", lambda: bulk("add_user_to_group", rows))
    Learning360Hook().api.delete_user(user="ada@acme.test")
    assert bulk("add_user_to_group", rows)["outcomes"] == {"added": 2}
    assert count(sandbox, MEMBERSHIPS) == 1


def test_statistics_of_a_user_who_is_deleted_meanwhile_are_not_invalid(sandbox, statistics):
    sandbox.control.add_users(["ada@acme.test"])
    rows = [statistic(1), statistic(2, mail="ada@acme.test")]
    end_early(sandbox, "getBulkOperation", lambda: statistics(rows))
    Learning360Hook().api.delete_user(user="ada@acme.test")
    assert statistics(rows)["outcomes"] == {"imported": 2}


def test_a_missing_file_of_a_job_fails_the_task_before_anything_is_sent(sandbox, statistics, tmp_path):
    end_early(sandbox, "getBulkOperation", lambda: statistics(rows_of(3)))
    (file,) = tmp_path.rglob("job-*")
    file.unlink()
    with pytest.raises(AirflowFailException, match=r"job-000001\.jsonl is missing.*ignore_checkpoint"):
        statistics(rows_of(3))
    assert count(sandbox, STATISTICS) == 1


# Lost responses


def test_a_job_whose_submission_got_no_response_is_found(sandbox, statistics):
    sandbox.control.add_fault(STATISTICS, kind="drop_after")
    assert statistics(rows_of(30))["outcomes"] == {"imported": 30}
    assert count(sandbox, STATISTICS) == 1
    assert len(attempts(sandbox)) == 30


def test_a_submission_that_did_not_arrive_leaves_statistics_unknown(sandbox, statistics, tmp_path):
    sandbox.control.add_fault(STATISTICS, kind="drop_before")
    with pytest.raises(AirflowFailException, match="2 of 2 rows are refused, failed or unknown"):
        statistics(rows_of(2))
    assert outcomes_in(tmp_path) == ["unknown"] * 2
    assert count(sandbox, STATISTICS) == 1


def test_a_submission_that_did_not_arrive_is_repeated_for_memberships(sandbox, bulk):
    sandbox.control.add_fault(MEMBERSHIPS, kind="drop_before")
    assert bulk("add_user_to_group", [membership()])["outcomes"] == {"added": 1}
    assert count(sandbox, MEMBERSHIPS) == 2


# Without jobs


def warnings_in(caplog):
    return [record.getMessage() for record in caplog.records if "single requests" in record.getMessage()]


def test_memberships_need_no_restricted_scope(sandbox, bulk, caplog):
    sandbox.control.set_scopes(ALL_BUT_GROUPS)
    rows = [membership(), membership(ADMIN_MAIL)]
    with caplog.at_level(logging.WARNING):
        assert bulk("add_user_to_group", rows)["outcomes"] == {"added": 2}
    assert count(sandbox, MEMBERSHIPS) == 1
    assert count(sandbox, "addUserRoleToGroup") == 2
    (warning,) = warnings_in(caplog)
    assert "groups:bulk" in warning


def test_group_deletions_do_not_need_the_bulk_api(sandbox, bulk, caplog):
    sandbox.control.settings(bulk_api_enabled=False)
    group_id = Learning360Hook().api.create_group(name="Autumn", parent_id=ROOT_GROUP_ID)["group_id"]
    with caplog.at_level(logging.WARNING):
        assert bulk("delete_group", [{"group_id": group_id}])["outcomes"] == {"deleted": 1}
    assert len(warnings_in(caplog)) == 1


def test_rows_that_no_job_can_do_are_sent_by_single_requests(sandbox, bulk, tmp_path):
    bulk("add_user_to_group", [membership()])
    rows = [membership(), {"user": ADMIN_MAIL, "group_id": ROOT_GROUP_ID}]
    with pytest.raises(AirflowFailException, match="1 of 2 rows is refused"):  # of an owner
        bulk("remove_user_from_group", rows, max_failures=0)
    assert outcomes_in(tmp_path)[0] == "removed"
    assert count(sandbox, "removeUsersFromGroups") == 1


def test_statistics_wait_for_the_bulk_api(sandbox, statistics):
    sandbox.control.settings(bulk_api_enabled=False)
    with pytest.raises(BulkApiDisabledError):
        statistics(rows_of(2))
    sandbox.control.settings(bulk_api_enabled=True)
    assert statistics(rows_of(2))["outcomes"] == {"imported": 2}


def test_statistics_without_the_scope_fail_and_say_so(sandbox, statistics):
    sandbox.control.set_scopes([*ALL_BUT_GROUPS, "integrations:read"])
    with pytest.raises(AirflowFailException, match="integrations:bulk"):
        statistics(rows_of(2))


# Deferred waits


def test_a_long_wait_is_deferred_and_resumed(sandbox, courses, tmp_path):
    sandbox.control.settings(bulk_job_seconds=3600)
    operator = ImportStatisticsOperator(
        task_id="statistics",
        group_id=ROOT_GROUP_ID,
        external_platform=PLATFORM,
        rows=rows_of(20),
        results_path=str(tmp_path),
        deferrable=True,
    )
    operator.times = JobTimes(defer_after=0.1)
    with pytest.raises(TaskDeferred) as deferred:
        operator.execute({})
    assert deferred.value.method_name == "execute_complete"
    assert state_of(tmp_path)["lease_until"] == 0, "another attempt need not wait"
    trigger = deferred.value.trigger
    path, arguments = trigger.serialize()
    assert path == "airflow_provider_360learning.triggers.bulk_job.Learning360BulkJobTrigger"
    json.dumps(arguments)
    (job,) = arguments["jobs"]
    assert job[0] == state_of(tmp_path)["jobs"][0]["job_id"]

    async def event():
        sandbox.control.advance(3600)
        return [each async for each in type(trigger)(**arguments).run()]

    (event,) = asyncio.run(event())
    assert event.payload["status"] == "success"
    assert operator.execute_complete({}, event.payload)["outcomes"] == {"imported": 20}
    assert count(sandbox, STATISTICS) == 1


def test_a_wait_is_not_deferred_without_deferrable(sandbox, statistics):
    assert statistics(rows_of(2), times=JobTimes(defer_after=0.0))["outcomes"] == {"imported": 2}


# Killed processes


@pytest.mark.slow
@pytest.mark.parametrize("step", [STATISTICS, "getBulkOperation", "getBulkOperationResults"])
def test_a_killed_process_is_resumed_exactly(sandbox, statistics, tmp_path, step):
    rows = rows_of(200)
    # The response comes late, so that the process is killed while it waits for it.
    sandbox.control.add_fault(step, kind="delay", seconds=60, when="after")
    arguments = {"rows": rows, "group_id": ROOT_GROUP_ID, "external_platform": PLATFORM}
    attempt = subprocess.Popen(
        [BIN / "python", "-m", "tests.rows.job_attempt", json.dumps({**arguments, "results_path": str(tmp_path)})],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    suffix = {STATISTICS: "/stats", "getBulkOperationResults": "/results"}.get(step, "/bulk/operations/")
    while not any(suffix in entry["path"] for entry in sandbox.control.journal()):
        assert attempt.poll() is None
        time.sleep(0.02)
    attempt.send_signal(signal.SIGKILL)
    attempt.wait()
    sandbox.control.clear_faults()
    state = state_of(tmp_path)
    write_atomic(
        storage_path(tmp_path) / "progress.json",
        json.dumps(state | {"lease_until": state["lease_until"] - 60}).encode(),
    )
    assert statistics(rows)["outcomes"] == {"imported": 200}
    assert count(sandbox, STATISTICS) == 1
    assert set(Counter(attempts(sandbox)).values()) == {1}
