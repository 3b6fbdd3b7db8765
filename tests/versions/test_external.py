"""Courses of external providers, and the statistics of learners there, in all API versions."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_360learning.api.interface import LearningApi
from airflow_provider_360learning.api.types import Call
from airflow_provider_360learning.exceptions import InvalidRequestError, NotFoundError, OutcomeUnknownError
from airflow_provider_360learning.sandbox.demo_company import ADMIN_ID, GRACE_MAIL, SALES_GROUP_ID
from airflow_provider_360learning.sandbox.server import Sandbox
from tests.api.factory import MakeApi, api_factory

PLATFORM = "Courses & More/2"
COURSE = {
    "external_id": "c/1",
    "title": "One",
    "launch_url": "https://courses.test/1",
    "language": "en",
    "authors": ["Ada", "Grace"],
    "alternative_languages": ["fr", "pt_BR"],
    "duration_minutes": 45,
    "difficulty_level": "beginner",
    "content_type": "video",
    "description": "<p>First\nsteps</p>",
}
STATISTIC = {
    "external_id": "c/1",
    "mail": GRACE_MAIL,
    "progress": 40,
    "time_spent_seconds": 60,
    "first_activity": "2026-03-05T00:00:00Z",
    "last_activity": "2026-03-06T00:00:00+01:00",
}
#: The operation that imports statistics.
STATISTICS = {"v1": "importExternalCoursesStats", "v2": "importExternalStatistics"}


class Library:
    """The actions with the library of one provider."""

    def __init__(self, api: LearningApi) -> None:
        self.api = api
        self.where = {"group_id": SALES_GROUP_ID, "external_platform": PLATFORM}

    def courses(self, *courses: dict[str, Any]) -> list[str | None]:
        return self.api.import_external_courses(**self.where, author_id=ADMIN_ID, courses=courses)  # type: ignore[arg-type]

    def statistics(self, *statistics: dict[str, Any]) -> list[str | None]:
        return self.api.import_external_course_stats(**self.where, statistics=statistics)  # type: ignore[arg-type]


@pytest.fixture
def library(make_api: MakeApi, sandbox: Sandbox) -> Library:
    """Return the library of a provider, which has an integration; waits for jobs move the sandbox's clock."""
    with api_factory(sandbox, "v2") as make:
        body = {"externalPlatform": PLATFORM, "groupId": SALES_GROUP_ID, "authorId": ADMIN_ID}
        make().client.call(Call("createIntegration", body=body))
    with api_factory(sandbox, "v1") as make:  # the author must be one of the group
        make().add_user_to_group(group_id=SALES_GROUP_ID, user=ADMIN_ID, role="editor")
    sandbox.control.clear_journal()
    return Library(make_api(client={"sleep": sandbox.control.advance}))


def test_imports_returns_and_archives_a_course(library: Library) -> None:
    get, where = library.api.get_external_course, library.where
    assert library.courses(COURSE) == [None]
    found = get(**where, external_id="c/1")
    assert found == {
        "course_id": found["course_id"],
        "external_id": "c/1",
        "title": "One",
        "language": "en",
        "archived": False,
        "author_id": ADMIN_ID,
        "launch_url": "https://courses.test/1",
    }
    archived = library.api.archive_external_courses(**where, external_ids=["c/1"])
    assert archived == {"outcome": "archived", "courses": 1}
    assert get(**where, external_id="c/1")["archived"] is True
    assert library.courses({**COURSE, "title": "First"}) == [None]
    again = get(**where, external_id="c/1")
    assert (again["course_id"], again["title"], again["archived"]) == (found["course_id"], "First", False)


def test_a_dry_run_of_archiving_counts_courses_and_names_missing_ones(library: Library, sandbox: Sandbox) -> None:
    get, where = library.api.get_external_course, library.where
    library.courses(COURSE, {**COURSE, "external_id": "c/2"})
    library.api.archive_external_courses(**where, external_ids=["c/2"])
    planned = library.api.archive_external_courses(**where, external_ids=["c/1", "c/2", "c/3"], dry_run=True)
    assert planned == {"outcome": "would_archive", "courses": 1, "missing": ["c/3"]}
    assert get(**where, external_id="c/1")["archived"] is False


def test_a_dry_run_of_archiving_raises_for_a_missing_group(library: Library) -> None:
    where = {**library.where, "group_id": "0" * 24}
    with pytest.raises(NotFoundError):
        library.api.archive_external_courses(**where, external_ids=["c/1"], dry_run=True)


def test_an_import_leaves_the_same_course_in_each_version(library: Library, sandbox: Sandbox) -> None:
    library.courses(COURSE)
    (course,) = sandbox.control.state()["external_courses"]
    expected = {"course_duration": 45, "content_type": "video", "difficulty_level": "beginner", "language": "en"}
    assert {name: course["details"][name] for name in expected} == expected
    assert course["details"]["authors"] == ["Ada", "Grace"]
    assert course["details"]["alternative_languages"] == ["fr", "pt_BR"]
    assert course["details"]["description"] == "<p>First\nsteps</p>"
    assert (course["title"], course["author"], course["times_sent"]) == ("One", ADMIN_ID, 1)


def test_raises_for_a_missing_course(library: Library) -> None:
    with pytest.raises(NotFoundError):
        library.api.get_external_course(**library.where, external_id="c/2")


def test_statistics_become_attempts(library: Library, sandbox: Sandbox) -> None:
    library.courses(COURSE)
    later = {"first_activity": "2026-04-01T00:00:00Z", "last_activity": "2026-04-02T12:00:00.500Z"}
    done = {**STATISTIC, **later, "progress": 100, "score": 80.5, "result": "success"}
    assert library.statistics(STATISTIC, done) == [None, None]
    half, whole = sandbox.control.state()["external_attempts"]
    assert (half["progress"], half["time_spent_ms"], half["completed_at"]) == (40, 60_000, None)
    assert (half["first_activity"], half["last_activity"]) == ("2026-03-05T00:00:00.000Z", "2026-03-05T23:00:00.000Z")
    assert (whole["progress"], whole["score"], whole["result"]) == (100, 80.5, "success")
    assert whole["completed_at"] == "2026-04-02T12:00:00.500Z"


def test_a_completion_at_the_last_activity_may_be_given(library: Library, sandbox: Sandbox) -> None:
    library.courses(COURSE)
    given = {"progress": 100, "completed_at": "2026-03-05T23:00:00Z"}
    assert library.statistics({**STATISTIC, **given}) == [None]
    (attempt,) = sandbox.control.state()["external_attempts"]
    assert attempt["completed_at"] == "2026-03-05T23:00:00.000Z"


def test_returns_which_statistics_were_refused(library: Library, sandbox: Sandbox) -> None:
    sandbox.control.settings(faulty_statistics="report")
    library.courses(COURSE)
    reported = library.statistics(
        STATISTIC, {**STATISTIC, "external_id": "c/2"}, {**STATISTIC, "mail": "missing@acme.test"}, STATISTIC
    )
    assert [each is None for each in reported] == [True, False, False, True]


def test_statistics_are_never_sent_twice(library: Library, sandbox: Sandbox, version: str) -> None:
    library.courses(COURSE)
    sandbox.control.add_fault(STATISTICS[version], kind="drop_before")
    with pytest.raises(OutcomeUnknownError):
        library.statistics(STATISTIC)
    assert [entry["operation"] for entry in sandbox.control.journal()].count(STATISTICS[version]) == 1
    assert sandbox.control.state()["external_attempts"] == []


@pytest.mark.parametrize(
    ("change", "argument"),
    [
        ({"external_id": ""}, "external_id"),
        ({"progress": 101}, "progress"),
        ({"progress": 100, "completed_at": "2026-03-01T00:00:00Z"}, "completed_at"),
        ({"last_activity": "2026-03-01T00:00:00Z"}, "last_activity"),
    ],
)
def test_reports_an_invalid_value_before_anything_is_sent(
    library: Library, sandbox: Sandbox, change: dict[str, Any], argument: str
) -> None:
    with pytest.raises(InvalidRequestError) as raised:
        library.statistics({**STATISTIC, **change})
    assert raised.value.argument == f"statistics[0].{argument}"
    assert sandbox.control.journal() == []
