"""Bulk jobs: what is submitted, what is recognized after a lost response, and what becomes of each row."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from airflow_provider_360learning.api.bulk_jobs import JobTarget, LostJob, match_results
from airflow_provider_360learning.api.models.courses import AddToCatalog
from airflow_provider_360learning.api.models.external import ExternalStatistic
from airflow_provider_360learning.api.models.groups import AddUserToGroup, DeleteGroup, RemoveUserFromGroup
from airflow_provider_360learning.api.v2 import ApiV2
from airflow_provider_360learning.api.v2.job_steps import run_jobs
from airflow_provider_360learning.exceptions import (
    BulkApiDisabledError,
    MissingScopeError,
    NotFoundError,
    OutcomeUnknownError,
    RateLimitedError,
    RefusedError,
    ServerError,
)
from airflow_provider_360learning.sandbox.demo_company import (
    ADMIN_ID,
    GRACE_ID,
    GRACE_MAIL,
    ROOT_GROUP_ID,
    SALES_GROUP_ID,
    SECURITY_COURSE_ID,
    WELCOME_COURSE_ID,
)

ADD_TO_CATALOG, STATISTICS = "addContentsToGroupsCatalog", "importExternalStatistics"
MISSING_ID = "0" * 24
CONTENT = {"group_id": SALES_GROUP_ID, "course_ids": [WELCOME_COURSE_ID, SECURITY_COURSE_ID]}
STATISTIC = {
    "external_id": "c-1",
    "mail": GRACE_MAIL,
    "progress": 40,
    "time_spent_seconds": 60,
    "first_activity": "2026-03-05T00:00:00Z",
    "last_activity": "2026-03-06T00:00:00Z",
}
OWNER = "owner"


@pytest.fixture
def api(make_api, sandbox) -> ApiV2:
    """Return the API of the sandbox, whose waits for jobs move the sandbox's clock."""
    return make_api(client={"sleep": sandbox.control.advance})


@pytest.fixture
def impatient(make_api, sandbox) -> ApiV2:
    """Return an API that waits a second for a place at most, which is virtual."""
    return make_api(client={"sleep": sandbox.control.advance}, max_wait=1.0)


@pytest.fixture
def jobs(sandbox):
    """Return a function that lists the jobs of the company."""
    return lambda: sandbox.control.state()["bulk_jobs"]


@pytest.fixture
def submissions(sent):
    """Return a function that counts the submissions, whatever became of them."""
    return lambda: len([each for each in sent() if "/bulk/" in each["path"] and each["method"] != "GET"])


@pytest.fixture
def import_statistics(api, integration_id):
    """Import a course, and return a function that imports statistics."""
    course = {"external_id": "c-1", "title": "One", "launch_url": "https://courses.test/1", "language": "en"}
    where = {"group_id": SALES_GROUP_ID, "external_platform": "Acme Learning"}
    assert api.import_external_courses(**where, author_id=ADMIN_ID, courses=[course]) == [None]
    return lambda *statistics: api.import_external_course_stats(**where, statistics=statistics)


def inputs(*courses: str) -> list[dict[str, str]]:
    return [{"groupId": SALES_GROUP_ID, "contentType": "course", "contentId": each} for each in courses]


def submit(api: ApiV2, *courses: str, owner: str = OWNER) -> str:
    kind = api.jobs.kinds["add_to_catalog"]
    return api.client.run(api.jobs.submit(kind, inputs(*courses), JobTarget(), owner=owner))


def find_lost(api: ApiV2, *courses: str, **how: Any) -> LostJob:
    since = datetime.now(UTC)
    return api.client.run(api.jobs.find_lost(api.jobs.kinds["add_to_catalog"], inputs(*courses), since, **how))


# Submissions whose response is lost


def test_a_job_whose_submission_got_no_response_is_found_by_its_inputs(api, sandbox, jobs, submissions):
    sandbox.control.add_fault(ADD_TO_CATALOG, kind="drop_after")
    assert api.add_to_catalog(**CONTENT)["items"] == 2
    assert (len(jobs()), submissions()) == (1, 1)


@pytest.mark.parametrize(
    "fault", [{"kind": "garbage"}, {"kind": "invalid_content"}, {"kind": "status", "status": 503, "when": "after"}]
)
def test_a_submission_with_an_unusable_response_is_looked_for(api, sandbox, jobs, submissions, fault):
    sandbox.control.add_fault(ADD_TO_CATALOG, **fault)
    assert api.add_to_catalog(**CONTENT)["items"] == 2
    assert (len(jobs()), submissions()) == (1, 1)


def test_a_job_whose_location_is_missing_is_looked_for(api, sandbox, jobs):
    sandbox.control.settings(bulk_job_location="none")
    assert api.add_to_catalog(**CONTENT)["items"] == 2
    assert len(jobs()) == 1


def test_a_relative_location_leads_to_the_job(api, sandbox, sent):
    sandbox.control.settings(bulk_job_location="relative")
    assert api.add_to_catalog(**CONTENT)["items"] == 2
    assert sent("getBulkOperations") == []


def test_a_submission_that_did_not_arrive_is_repeated_where_that_leaves_the_same_state(api, sandbox, jobs, submissions):
    sandbox.control.add_fault(ADD_TO_CATALOG, kind="drop_before")
    assert api.add_to_catalog(**CONTENT)["items"] == 2
    assert (len(jobs()), submissions()) == (1, 2)


def test_lost_statistics_are_found_and_imported_once(import_statistics, sandbox, submissions):
    before = submissions()
    sandbox.control.add_fault(STATISTICS, kind="drop_after")
    assert import_statistics(STATISTIC, {**STATISTIC, "mail": "missing@acme.test"})[0] is None
    (attempt,) = sandbox.control.state()["external_attempts"]
    assert (attempt["times_sent"], submissions() - before) == (1, 1)


def test_statistics_that_are_lost_and_not_found_are_unknown(import_statistics, sandbox, jobs, submissions):
    before = submissions()
    sandbox.control.add_fault(STATISTICS, kind="drop_before")
    with pytest.raises(OutcomeUnknownError):
        import_statistics(STATISTIC)
    assert submissions() - before == 1
    assert [job["type"] for job in jobs()] == ["importExternalCourses"]


def test_lost_statistics_are_unknown_if_they_cannot_be_looked_for(import_statistics, sandbox, submissions):
    before = submissions()
    sandbox.control.set_scopes(["integrations:read", "integrations:bulk"])
    sandbox.control.add_fault(STATISTICS, kind="drop_after")
    with pytest.raises(OutcomeUnknownError) as raised:
        import_statistics(STATISTIC)
    assert isinstance(raised.value.__cause__, MissingScopeError)
    assert submissions() - before == 1


def test_a_lost_job_without_results_is_not_taken_for_another(import_statistics, sandbox):
    """It may be the one that was lost, so that nothing is submitted again."""
    sandbox.control.settings(bulk_jobs_fail_after=0)
    sandbox.control.add_fault(STATISTICS, kind="drop_after")
    with pytest.raises(OutcomeUnknownError, match=r"may be that job, but its results do not mention all 1 rows"):
        import_statistics(STATISTIC)


def test_a_job_with_other_inputs_is_another_job(api, sandbox):
    submit(api, WELCOME_COURSE_ID)
    sandbox.control.advance(1)
    assert find_lost(api, SECURITY_COURSE_ID) == LostJob()


def test_a_job_that_runs_may_be_the_lost_one(api, sandbox):
    sandbox.control.settings(bulk_job_seconds=100)
    job_id = submit(api, WELCOME_COURSE_ID)
    assert find_lost(api, WELCOME_COURSE_ID) == LostJob(undecided=(job_id,))
    assert find_lost(api, WELCOME_COURSE_ID, known=[job_id]) == LostJob()
    sandbox.control.advance(101)
    assert find_lost(api, WELCOME_COURSE_ID) == LostJob(job_id)


def test_a_job_with_a_part_of_the_inputs_leaves_the_outcome_unknown(api, sandbox):
    submit(api, WELCOME_COURSE_ID)
    sandbox.control.advance(1)
    with pytest.raises(OutcomeUnknownError, match="may be that job"):
        find_lost(api, WELCOME_COURSE_ID, SECURITY_COURSE_ID)


def test_a_lost_job_is_found_among_more_jobs_than_a_page_has(api, sandbox):
    for _ in range(22):
        submit(api, SECURITY_COURSE_ID)
        sandbox.control.advance(1)
    job_id = submit(api, WELCOME_COURSE_ID)
    sandbox.control.advance(1)
    assert find_lost(api, WELCOME_COURSE_ID) == LostJob(job_id)


def test_jobs_of_another_time_are_not_the_lost_one(api, sandbox):
    submit(api, WELCOME_COURSE_ID)
    sandbox.control.advance(1)
    kind, later = api.jobs.kinds["add_to_catalog"], datetime.now(UTC) + timedelta(minutes=2)
    assert api.client.run(api.jobs.find_lost(kind, inputs(WELCOME_COURSE_ID), later)) == LostJob()


# Jobs that fail, and rows without a result


def test_a_job_that_fails_is_an_error_that_a_retry_may_mend(api, sandbox):
    sandbox.control.settings(bulk_jobs_fail_after=1)
    with pytest.raises(ServerError, match=r"ended as error, and 1 of 2 rows have no result \(An unexpected failure"):
        api.add_to_catalog(**CONTENT)
    sandbox.control.settings(bulk_jobs_fail_after=None)
    assert api.add_to_catalog(**CONTENT)["outcome"] == "added"


def test_statistics_of_a_job_that_fails_are_unknown(import_statistics, sandbox, submissions):
    before = submissions()
    sandbox.control.settings(bulk_jobs_fail_after=0)
    with pytest.raises(OutcomeUnknownError, match="what it has done is not known"):
        import_statistics(STATISTIC)
    assert submissions() - before == 1


def test_a_row_that_a_job_does_not_mention_is_not_taken_for_done(api, import_statistics, sandbox):
    sandbox.control.settings(bulk_rows_unmentioned=[SECURITY_COURSE_ID, GRACE_MAIL])
    with pytest.raises(ServerError, match="ended as completed, and 1 of 2 rows have no result"):
        api.add_to_catalog(**CONTENT)
    with pytest.raises(OutcomeUnknownError, match="1 of 1 rows have no result"):
        import_statistics(STATISTIC)


def test_a_refused_row_is_an_error_with_its_reason(api, sandbox):
    with pytest.raises(RefusedError, match=rf"refuses 1 of 2: There is no such course.*{MISSING_ID}"):
        api.add_to_catalog(group_id=SALES_GROUP_ID, course_ids=[WELCOME_COURSE_ID, MISSING_ID])
    assert [item["id"] for item in api.get_catalog(group_id=SALES_GROUP_ID)["courses"]] == [WELCOME_COURSE_ID]


def test_results_whose_inputs_have_more_keys_are_matched(import_statistics, sandbox):
    sandbox.control.settings(bulk_result_inputs="with_defaults")
    assert import_statistics(STATISTIC, {**STATISTIC, "external_id": "c-2"}) == [None, "There is no such course."]


def test_a_poll_that_fails_is_retried(api, sandbox, submissions):
    sandbox.control.add_fault("getBulkOperation", kind="status", status=503)
    assert api.add_to_catalog(**CONTENT)["items"] == 2
    assert submissions() == 1


def test_statistics_are_unknown_if_their_results_cannot_be_read(import_statistics, sandbox, submissions):
    before = submissions()
    sandbox.control.add_fault("getBulkOperationResults", kind="status", status=400, body={"error": "x"})
    with pytest.raises(OutcomeUnknownError, match="Look at its results before the rows are imported again"):
        import_statistics(STATISTIC)
    assert submissions() - before == 1


@pytest.mark.parametrize(
    ("action", "row", "error"),
    [
        ("add_to_catalog", AddToCatalog(**CONTENT), ServerError),
        ("import_external_course_stats", ExternalStatistic(**STATISTIC), OutcomeUnknownError),
    ],
)
def test_a_job_that_never_ends_is_given_up(api, integration_id, sandbox, submissions, action, row, error):
    sandbox.control.settings(bulk_jobs_end=False)
    kind, target = api.jobs.kinds[action], JobTarget(integration_id)
    ((*inputs,),) = api.client.run(api.jobs.inputs(kind, [row], target))
    with pytest.raises(error, match=r"has not ended in 3[0-9] seconds"):
        api.client.run(run_jobs(kind, inputs, target, max_seconds=30.0))
    assert submissions() == 1


# Jobs that are not accepted


def test_nothing_is_submitted_where_the_bulk_api_is_disabled(impatient, sandbox, jobs, submissions):
    sandbox.control.settings(bulk_api_enabled=False)
    for _ in range(4):  # more than there are places, which are given back
        with pytest.raises(BulkApiDisabledError, match="nothing was submitted"):
            impatient.add_to_catalog(**CONTENT)
    assert (submissions(), jobs()) == (4, [])
    sandbox.control.settings(bulk_api_enabled=True)
    assert impatient.add_to_catalog(**CONTENT)["items"] == 2


def test_a_missing_scope_is_named(api, sandbox):
    sandbox.control.set_scopes(["groups:read", "bulkOperations:read"])
    with pytest.raises(MissingScopeError) as raised:
        api.add_to_catalog(**CONTENT)
    assert raised.value.scope == "groups:bulk"


def test_a_place_is_kept_until_the_caller_gives_it_back(impatient, sandbox, submissions):
    sandbox.control.settings(bulk_job_seconds=100)
    for number in range(3):
        submit(impatient, WELCOME_COURSE_ID, owner=f"owner{number}")
    assert impatient.client.run(impatient.jobs.running()) == 3
    sandbox.control.advance(101)
    assert impatient.client.run(impatient.jobs.running()) == 0
    with pytest.raises(RateLimitedError, match="All 3 places of bulk_jobs were in use"):
        submit(impatient, WELCOME_COURSE_ID, owner="owner3")
    assert submissions() == 3
    impatient.client.run(impatient.jobs.ended("owner1"))
    submit(impatient, WELCOME_COURSE_ID, owner="owner3")


def test_the_same_owner_keeps_one_place(impatient, sandbox):
    for _ in range(4):
        submit(impatient, WELCOME_COURSE_ID)
        sandbox.control.advance(1)


def test_a_job_that_advances_while_jobs_are_counted_is_counted_once(api, sandbox):
    sandbox.control.settings(bulk_job_seconds=10)
    submit(api, WELCOME_COURSE_ID)
    steps = api.jobs.running()
    counted = None
    page = api.client.call(next(steps))
    while counted is None:
        sandbox.control.advance(1.5)
        try:
            page = api.client.call(steps.send(page))
        except StopIteration as end:
            counted = end.value
    assert counted == 1


def test_more_rows_than_a_job_takes_are_several_jobs(api, integration_id, jobs):
    ids = [f"c-{number}" for number in range(1001)]
    where = {"group_id": SALES_GROUP_ID, "external_platform": "Acme Learning"}
    with pytest.raises(RefusedError, match="refuses 1001 of 1001"):
        api.archive_external_courses(**where, external_ids=ids)
    assert [job["rows"] for job in jobs()] == [1000, 1]


# Memberships and groups


def run_rows(api: ApiV2, action: str, *rows: Any) -> list[Any]:
    """Do rows by a job, and return the outcome or the error of each."""
    kind, jobs = api.jobs.kinds[action], api.jobs
    prepared = api.client.run(jobs.inputs(kind, rows, JobTarget()))
    sent = [each[0] for each in prepared if isinstance(each, list)]
    job_id = api.client.run(jobs.submit(kind, sent, JobTarget(), owner=OWNER))
    while not api.client.run(jobs.status(job_id)).ended:
        pass
    matched = iter(match_results(kind, sent, api.client.run(jobs.results(job_id))))
    outcomes: list[Any] = []
    for row, each in zip(rows, prepared, strict=True):
        if not isinstance(each, list):
            outcomes.append(type(each))
        elif next(matched).error is None:  # type: ignore[union-attr]
            outcomes.append(kind.outcome)
        else:
            outcomes.append(api.client.run(jobs.outcome_of_refused(kind, row)))
    api.client.run(jobs.ended(OWNER))
    return outcomes


def test_memberships_take_the_ids_of_users_and_the_words_of_bodies(api, sandbox, jobs):
    rows = [
        AddUserToGroup(group_id=SALES_GROUP_ID.upper(), user=GRACE_MAIL, role="user-admin"),
        AddUserToGroup(group_id=SALES_GROUP_ID, user="missing@acme.test"),
        AddUserToGroup(group_id=MISSING_ID, user=GRACE_ID.upper()),
    ]
    assert run_rows(api, "add_user_to_group", *rows) == ["added", NotFoundError, None]
    assert jobs()[0]["inputs"] == [
        {"userId": GRACE_ID, "groupId": SALES_GROUP_ID, "role": "userAdmin"},
        {"userId": GRACE_ID, "groupId": MISSING_ID, "role": "learner"},
    ]
    held = [each for each in sandbox.control.state()["memberships"] if each["group"] == SALES_GROUP_ID]
    assert [each["roles"] for each in held] == [["user_admin"]]


def test_a_role_that_the_user_does_not_have_any_more_is_removed(api):
    run_rows(api, "add_user_to_group", AddUserToGroup(group_id=SALES_GROUP_ID, user=GRACE_MAIL))
    row = RemoveUserFromGroup(group_id=SALES_GROUP_ID, user=GRACE_MAIL, role="learner")
    elsewhere = RemoveUserFromGroup(group_id=MISSING_ID, user=GRACE_MAIL, role="learner")
    assert run_rows(api, "remove_user_from_group", row, row, elsewhere) == ["removed", "removed", None]


def test_only_rows_that_remove_one_role_are_for_a_job(api):
    accepts = api.jobs.kinds["remove_user_from_group"].accepts
    where = {"group_id": SALES_GROUP_ID, "user": GRACE_MAIL}
    assert accepts(RemoveUserFromGroup(**where, role="coach"))
    assert not accepts(RemoveUserFromGroup(**where))
    assert not accepts(RemoveUserFromGroup(**where, role="learner", from_private_subgroups=True))


def test_a_group_that_does_not_exist_any_more_is_not_found(api):
    group_id = api.create_group(name="Lab", parent_id=ROOT_GROUP_ID)["group_id"]
    rows = [
        DeleteGroup(group_id=group_id),
        DeleteGroup(group_id=MISSING_ID),
        DeleteGroup(group_id=MISSING_ID, if_missing="fail"),
        DeleteGroup(group_id=ROOT_GROUP_ID),
    ]
    assert run_rows(api, "delete_group", *rows) == ["deleted", "not_found", None, None]
