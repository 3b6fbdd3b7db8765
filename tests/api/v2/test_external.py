"""What API v2 alone does with courses of external providers: integrations, and what it does not accept."""

from __future__ import annotations

import pytest

from airflow_provider_360learning.exceptions import InvalidRequestError, NotAvailableError, NotFoundError
from airflow_provider_360learning.sandbox.demo_company import ADMIN_ID, GRACE_MAIL, ROOT_GROUP_ID, SALES_GROUP_ID

PLATFORM = "Acme Learning"
WHERE = {"group_id": SALES_GROUP_ID, "external_platform": PLATFORM}
COURSE = {"external_id": "c-1", "title": "One", "launch_url": "https://courses.test/1", "language": "en"}
STATISTIC = {
    "external_id": "c-1",
    "mail": GRACE_MAIL,
    "progress": 100,
    "time_spent_seconds": 60,
    "first_activity": "2026-03-05T00:00:00Z",
    "last_activity": "2026-03-06T00:00:00Z",
}


@pytest.fixture
def api(make_api, sandbox):
    """Return the API of the sandbox, whose waits for jobs move the sandbox's clock."""
    return make_api(client={"sleep": sandbox.control.advance})


def test_a_missing_integration_is_an_error_that_says_how_to_create_it(api, integration_id, sent):
    where = {"group_id": ROOT_GROUP_ID, "external_platform": PLATFORM}
    with pytest.raises(NotFoundError, match=r"create_integration .*or give integration_id") as raised:
        api.import_external_courses(**where, author_id=ADMIN_ID, courses=[COURSE])
    assert f"groups that have one: {SALES_GROUP_ID}: check the spelling, capital letters" in str(raised.value)
    assert sent("importExternalCourses") == []


def test_the_integration_of_the_group_is_used_among_those_of_the_provider(api, new_integration, sandbox):
    new_integration(ROOT_GROUP_ID)
    right = new_integration(SALES_GROUP_ID)
    new_integration(SALES_GROUP_ID, "Another")
    sandbox.control.settings(max_page_size=1)
    api.import_external_courses(**WHERE, author_id=ADMIN_ID, courses=[COURSE])
    (entry,) = [each for each in sandbox.control.journal() if each["operation"] == "importExternalCourses"]
    assert right in entry["path"]


def test_an_integration_that_is_given_is_not_looked_up(api, integration_id, sent):
    given = {**WHERE, "external_platform": "acme", "integration_id": integration_id}
    assert api.import_external_courses(**given, author_id=ADMIN_ID, courses=[COURSE]) == [None]
    assert api.get_external_course(**given, external_id="c-1")["title"] == "One"
    assert api.archive_external_courses(**given, external_ids=["c-1"])["courses"] == 1
    assert api.import_external_course_stats(**given, statistics=[STATISTIC]) == [None]
    assert sent("getIntegrations") == []


def test_an_integration_that_does_not_exist_is_not_found(api, integration_id):
    with pytest.raises(NotFoundError, match="integrationNotFound"):
        api.import_external_course_stats(**WHERE, integration_id="0" * 24, statistics=[STATISTIC])


@pytest.mark.parametrize(
    ("change", "argument", "text"),
    [
        ({"language": "xx"}, "language", "language has 'xx'"),
        ({"alternative_languages": ["fr", "EN"]}, "alternative_languages", "'EN'"),
        ({"content_type": "novel"}, "content_type", "must be one of article, assessment"),
        ({"duration_minutes": 100_001}, "duration_minutes", "at most 100000"),
    ],
)
def test_what_api_v2_does_not_accept_in_a_course_is_refused(api, sent, change, argument, text):
    with pytest.raises(NotAvailableError, match=text) as raised:
        api.import_external_courses(**WHERE, author_id=ADMIN_ID, courses=[{**COURSE, **change}])
    assert (raised.value.argument, sent()) == (argument, [])


def test_a_completion_before_the_last_activity_is_refused(api, sent):
    statistic = {**STATISTIC, "completed_at": "2026-03-05T12:00:00Z"}
    with pytest.raises(NotAvailableError, match="must be equal to last_activity") as raised:
        api.import_external_course_stats(**WHERE, statistics=[statistic])
    assert (raised.value.argument, sent()) == ("completed_at", [])


def test_more_statistics_than_a_job_takes_are_refused(api, sent):
    with pytest.raises(InvalidRequestError, match="has 10001 items, but API v2 takes at most 10000"):
        api.import_external_course_stats(**WHERE, statistics=[STATISTIC] * 10_001)
    assert sent() == []


def test_what_has_no_value_is_left_out_and_lists_are_empty(api, integration_id, sandbox):
    short = {**COURSE, "duration_minutes": 0.2}
    api.import_external_courses(**WHERE, author_id=ADMIN_ID, courses=[COURSE, {**short, "external_id": "c-2"}])
    (job,) = sandbox.control.state()["bulk_jobs"]
    assert job["inputs"][0] == {
        "externalId": "c-1",
        "name": "One",
        "defaultLang": "en",
        "launchUrl": "https://courses.test/1",
        "subjects": [],
        "sources": [],
        "authorId": ADMIN_ID,
    }
    assert job["inputs"][1]["duration"] == 1


def test_a_later_statistic_updates_an_attempt_until_it_is_completed(api, integration_id, sandbox):
    api.import_external_courses(**WHERE, author_id=ADMIN_ID, courses=[COURSE])
    half = {**STATISTIC, "progress": 50}
    for statistic in (half, STATISTIC, half):
        assert api.import_external_course_stats(**WHERE, statistics=[statistic]) == [None]
    (attempt,) = sandbox.control.state()["external_attempts"]
    assert (attempt["progress"], attempt["times_sent"]) == (100, 2)
