"""Actions on courses of external providers, and on the statistics of learners there."""

from __future__ import annotations

import pytest

from airflow_provider_360learning.exceptions import (
    InvalidRequestError,
    NotAvailableError,
    NotFoundError,
    OutcomeUnknownError,
)
from airflow_provider_360learning.sandbox.demo_company import ADMIN_ID, GRACE_MAIL, ROOT_GROUP_ID
from tests.api.support import Response, TinyServer, with_token

PLATFORM = "Courses & More/2"
COURSE = {"external_id": "c/1", "title": "One", "launch_url": "https://courses.test/1", "language": "en"}
STATISTIC = {
    "external_id": "c/1",
    "mail": GRACE_MAIL,
    "progress": 40,
    "time_spent_seconds": 60,
    "first_activity": "2026-03-05T00:00:00Z",
    "last_activity": "2026-03-06T00:00:00+01:00",
}


@pytest.fixture
def library(api):
    """Return the actions with the library of one provider."""

    class Library:
        def courses(self, *courses):
            return api.import_external_courses(
                group_id=ROOT_GROUP_ID, external_platform=PLATFORM, author_id=ADMIN_ID, courses=courses
            )

        def statistics(self, *statistics):
            return api.import_external_course_stats(
                group_id=ROOT_GROUP_ID, external_platform=PLATFORM, statistics=statistics
            )

        def archive(self, *external_ids):
            return api.archive_external_courses(
                group_id=ROOT_GROUP_ID, external_platform=PLATFORM, external_ids=external_ids
            )

        def get(self, external_id):
            return api.get_external_course(group_id=ROOT_GROUP_ID, external_platform=PLATFORM, external_id=external_id)

    return Library()


def test_imports_returns_and_archives_a_course(library, sent):
    assert library.courses(COURSE) == [None]
    found = library.get("c/1")
    assert found == {
        "course_id": found["course_id"],
        "external_id": "c/1",
        "title": "One",
        "language": "en",
        "archived": False,
        "author_id": ADMIN_ID,
        "launch_url": "https://courses.test/1",
    }
    assert library.archive("c/1") == {"outcome": "archived", "courses": 1}
    assert library.get("c/1")["archived"] is True
    library.courses(COURSE)
    assert library.get("c/1")["archived"] is False
    paths = {entry["path"] for entry in sent("importExternalCourses", "deleteExternalCourses")}
    courses = f"/api/v1/externalContents/groups/{ROOT_GROUP_ID}/externalPlatforms/Courses%20%26%20More%2F2/courses"
    assert paths == {courses}
    assert {entry["path"] for entry in sent("getExternalCourse")} == {f"{courses}/c%2F1"}


def test_raises_for_a_missing_course(library):
    with pytest.raises(NotFoundError):
        library.get("c/2")


def test_imports_statistics_with_v1s_keys(library, sandbox, sent):
    library.courses(COURSE)
    assert library.statistics(STATISTIC, {**STATISTIC, "progress": 100, "score": 80, "result": "success"}) == [
        None,
        None,
    ]
    (entry,) = sent("importExternalCoursesStats")
    half, whole = entry["body"]["statistics"]
    assert half == {
        "externalId": "c/1",
        "mail": GRACE_MAIL,
        "progress": 40,
        "globalTime": 60_000,
        "firstActivity": "2026-03-05T00:00:00.000Z",
        "lastActivity": "2026-03-05T23:00:00.000Z",
    }
    assert whole == {**half, "progress": 100, "score": 80, "result": "success", "completedAt": half["lastActivity"]}


@pytest.mark.parametrize("shape", ["status", "error"])
def test_returns_why_each_statistic_was_refused(library, sandbox, shape):
    sandbox.control.settings(faulty_statistics="report", external_reports=shape)
    library.courses(COURSE)
    reported = library.statistics(
        STATISTIC, {**STATISTIC, "external_id": "c/2"}, {**STATISTIC, "mail": "missing@acme.test"}, STATISTIC
    )
    assert reported == [None, "external_course_not_found", "user_not_found", None]


@pytest.mark.parametrize(
    ("answer", "reported"),
    [
        (None, [None, None]),
        ({}, [None, None]),
        ([], [None, None]),
        ({"report": {"statisticsUpdated": 2}}, [None, None]),
        ({"statistics": [{"status": "updated"}, {"status": "updated"}]}, [None, None]),
        ({"results": [{"error": "user_not_found"}, {"error": None}]}, ["user_not_found", None]),
        ({"results": [{"status": "invalid argument"}, {}]}, ["invalid argument", None]),
        ({"results": [{"error": "x"}]}, [None, None]),
        ({"results": ["error", "error"]}, [None, None]),
    ],
)
def test_reads_a_report_under_any_key(make_api, answer, reported):
    """Its keys are not documented."""
    with TinyServer(with_token(lambda request: Response(answer))) as server:
        api = make_api(server.url)
        assert (
            api.import_external_course_stats(
                group_id=ROOT_GROUP_ID, external_platform=PLATFORM, statistics=[STATISTIC, STATISTIC]
            )
            == reported
        )


@pytest.mark.parametrize("count", [0, 21])
def test_refuses_a_request_of_no_or_too_many_statistics(library, sent, count):
    with pytest.raises(InvalidRequestError, match=r"statistics (is empty|has 21 items, but API v1 takes at most 20)"):
        library.statistics(*[STATISTIC] * count)
    assert sent() == []


@pytest.mark.parametrize(
    ("change", "argument"),
    [
        ({"external_id": ""}, "external_id"),
        ({"progress": 101}, "progress"),
        ({"completed_at": "2026-03-05T12:00:00Z"}, "progress"),
        ({"progress": 100, "completed_at": "2026-03-01T00:00:00Z"}, "completed_at"),
        ({"last_activity": "2026-03-01T00:00:00Z"}, "last_activity"),
        ({"time_spent_seconds": float("inf")}, "time_spent_seconds"),
        ({"time_spent_seconds": float("nan")}, "time_spent_seconds"),
    ],
)
def test_reports_an_invalid_value_before_anything_is_sent(library, sent, change, argument):
    with pytest.raises(InvalidRequestError) as raised:
        library.statistics(STATISTIC | change)
    assert raised.value.argument == f"statistics[0].{argument}"
    assert sent() == []


def test_reports_invalid_groups_platforms_and_ids_before_anything_is_sent(api, library, sent):
    for call in (
        lambda: api.import_external_courses(
            group_id="Sales", external_platform=PLATFORM, author_id=ADMIN_ID, courses=[COURSE]
        ),
        lambda: api.import_external_courses(
            group_id=ROOT_GROUP_ID, external_platform=" ", author_id=ADMIN_ID, courses=[COURSE]
        ),
        lambda: api.import_external_courses(
            group_id=ROOT_GROUP_ID, external_platform=PLATFORM, author_id="Ada", courses=[COURSE]
        ),
        lambda: api.import_external_courses(
            group_id=ROOT_GROUP_ID,
            external_platform=PLATFORM,
            author_id=ADMIN_ID,
            courses=[COURSE | {"launch_url": "x"}],
        ),
        lambda: library.archive(),
        lambda: library.archive(" "),
        lambda: library.get(""),
    ):
        with pytest.raises(InvalidRequestError, match="Nothing was sent"):
            call()
    assert sent() == []


def test_refuses_the_integration_of_api_v2(api, sent):
    where = {"group_id": ROOT_GROUP_ID, "external_platform": PLATFORM, "integration_id": ADMIN_ID}
    for call in (
        lambda: api.import_external_courses(**where, author_id=ADMIN_ID, courses=[COURSE]),
        lambda: api.import_external_course_stats(**where, statistics=[STATISTIC]),
        lambda: api.archive_external_courses(**where, external_ids=["c/1"]),
        lambda: api.get_external_course(**where, external_id="c/1"),
    ):
        with pytest.raises(NotAvailableError, match="not available in API v1") as raised:
            call()
        assert raised.value.argument == "integration_id"
    assert sent() == []


@pytest.mark.parametrize("kind", ["drop_before", "drop_after"])
def test_never_sends_statistics_twice(library, sandbox, sent, kind):
    library.courses(COURSE)
    sandbox.control.add_fault("importExternalCoursesStats", kind=kind)
    with pytest.raises(OutcomeUnknownError, match="not sent twice"):
        library.statistics(STATISTIC)
    assert len(sent("importExternalCoursesStats")) == 1


def test_sends_courses_again_if_the_outcome_is_unknown(library, sandbox, sent):
    sandbox.control.add_fault("importExternalCourses", kind="drop_after")
    assert library.courses(COURSE) == [None]
    assert len(sent("importExternalCourses")) == 2
    assert len(sandbox.control.state()["external_courses"]) == 1
