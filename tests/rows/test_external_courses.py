"""Courses of external providers: created or updated, identified by the provider's id."""

from __future__ import annotations

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_360learning.operators.imports import Learning360ImportExternalCoursesOperator
from airflow_provider_360learning.sandbox.demo_company import ADMIN_ID, GRACE_ID, ROOT_GROUP_ID
from tests.rows.support import faults_in, outcomes_in, put_csv, rejected_in, writes

PLATFORM = "Courses Example"


@pytest.fixture
def courses(tmp_path):
    """Import courses, and return what the task does."""

    def courses(rows, **arguments):
        target = {"group_id": ROOT_GROUP_ID, "external_platform": PLATFORM, "author_id": ADMIN_ID}
        operator = Learning360ImportExternalCoursesOperator(
            task_id="courses", rows=rows, **{**target, "results_path": str(tmp_path / "results"), **arguments}
        )
        return operator.execute({})

    return courses


def course(number, **more):
    url = f"https://courses.test/{number}"
    return {"external_id": f"c{number}", "title": f"Course {number}", "launch_url": url, "language": "en", **more}


def imported(sandbox):
    return {one["external_id"]: one for one in sandbox.control.state()["external_courses"]}


def test_ids_of_another_system_that_differ_in_case_are_two_courses(sandbox, courses):
    rows = [{**course(1), "external_id": "dQw4"}, {**course(2), "external_id": "DQW4"}]
    assert courses(rows, skip_unchanged=True)["outcomes"] == {"imported": 2}
    assert courses(rows, skip_unchanged=True)["outcomes"] == {"unchanged": 2}
    assert set(imported(sandbox)) == {"dQw4", "DQW4"}


def test_creates_and_updates_courses(sandbox, courses, tmp_path):
    more = {
        "description": "<p>Hi</p>",
        "authors": "Ana; Bo",
        "alternative_languages": "fr;de",
        "duration_minutes": 90.5,
        "difficulty_level": "beginner",
        "content_type": "video",
    }
    plain = dict.fromkeys(more, "")
    done = courses(put_csv(tmp_path / "in.csv", [course(1, **more), course(2, **plain)]))
    assert done["outcomes"] == {"imported": 2}
    assert imported(sandbox)["c1"]["details"] == {
        "external_id": "c1",
        "title": "Course 1",
        "launch_url": "https://courses.test/1",
        "language": "en",
        "description": "<p>Hi</p>",
        "authors": ["Ana", "Bo"],
        "alternative_languages": ["fr", "de"],
        "course_duration": 90.5,
        "difficulty_level": "beginner",
        "content_type": "video",
    }
    assert set(imported(sandbox)["c2"]["details"]) == {"external_id", "title", "launch_url", "language"}
    courses([course(2, title="Renamed")])
    assert (imported(sandbox)["c2"]["title"], imported(sandbox)["c2"]["times_sent"]) == ("Renamed", 2)


def test_sends_twenty_courses_per_request(sandbox, courses):
    courses([course(number) for number in range(50)])
    assert sorted(len(entry["body"]["externalCourses"]) for entry in writes(sandbox)) == [10, 20, 20]
    assert {entry["body"]["authorId"] for entry in writes(sandbox)} == {ADMIN_ID}
    assert len(imported(sandbox)) == 50


@pytest.mark.parametrize(
    ("row", "field", "problem"),
    [
        ({"external_id": " "}, "external_id", "is missing or empty"),
        ({"title": ""}, "title", "is missing or empty"),
        ({"language": " "}, "language", "is missing or empty"),
        ({"launch_url": "courses.test/1"}, "launch_url", "a URL"),
        ({"thumbnail_url": "/1.png"}, "thumbnail_url", "a URL"),
        ({"mobile_launch_url": "ftp://x"}, "mobile_launch_url", "a URL"),
        ({"duration_minutes": -1}, "duration_minutes", "from 0 to"),
        ({"difficulty_level": "hard"}, "difficulty_level", "one of beginner"),
    ],
)
def test_reports_an_invalid_value(sandbox, courses, tmp_path, row, field, problem):
    with pytest.raises(AirflowFailException):
        courses([course(1, **row)])
    (fault,) = faults_in(tmp_path / "results")
    assert fault["field"] == field
    assert problem in fault["problem"]
    assert writes(sandbox) == []


def test_refuses_a_duplicate_course(sandbox, courses):
    with pytest.raises(AirflowFailException, match="c1 is in row 1 already"):
        courses([course(1), course(1, title="Again")])


def test_finds_a_refused_course_and_imports_the_others(sandbox, courses, tmp_path):
    rows = [course(number) for number in range(20)]
    sandbox.control.add_fault(
        "importExternalCourses",
        kind="status",
        status=400,
        body={"error": "invalid argument : thumbnailUrl"},
        mentions='"c7"',
        count=6,
    )
    assert courses(rows, max_failures=1)["outcomes"] == {"imported": 19, "refused": 1}
    assert rejected_in(tmp_path / "results/rejected/rejected.jsonl") == [rows[7]]
    assert set(imported(sandbox)) == {f"c{number}" for number in range(20)} - {"c7"}


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [({"group_id": "f" * 24}, "group_not_found"), ({"author_id": "f" * 24}, "user_not_found")],
)
def test_an_error_common_to_all_rows_ends_the_run(sandbox, courses, arguments, shown):
    with pytest.raises(AirflowFailException, match=shown):
        courses([course(number) for number in range(100)], **arguments)
    assert len(writes(sandbox)) <= 5


def test_an_author_outside_the_group_ends_the_run(sandbox, courses):
    with pytest.raises(AirflowFailException, match="authorId"):
        courses([course(number) for number in range(100)], author_id=GRACE_ID)
    assert len(writes(sandbox)) <= 5


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["drop_before", "drop_after"])
def test_resends_courses_with_an_unknown_outcome(sandbox, courses, kind):
    """A course that is sent twice is the same course."""
    sandbox.control.add_fault("importExternalCourses", kind=kind)
    assert courses([course(1), course(2)])["outcomes"] == {"imported": 2}
    assert len(imported(sandbox)) == 2


def test_skips_unchanged_courses_if_asked(sandbox, courses, tmp_path):
    courses([course(1), course(2)], skip_unchanged=True)
    courses([course(1), course(2, title="Renamed")], skip_unchanged=True)
    assert outcomes_in(tmp_path / "results") == ["unchanged", "imported"]


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        ({"group_id": "Sales"}, "group_id is 'Sales'"),
        ({"author_id": "Ana"}, "author_id is 'Ana'"),
        ({"external_platform": ""}, "external_platform is missing or empty"),
    ],
)
def test_reports_an_invalid_argument(sandbox, courses, arguments, shown):
    with pytest.raises(AirflowFailException, match=shown):
        courses([course(1)], **arguments)
    assert writes(sandbox) == []
