"""Courses and the attempts on them in API v2: those of the company, and generated ones in any number."""

from __future__ import annotations

import pytest

from airflow_provider_360learning.sandbox.demo_company import (
    ADMIN_ID,
    DELETED_COURSE_ID,
    DRAFT_COURSE_ID,
    GRACE_ID,
    ONBOARDING_PATH_ID,
    ROOT_GROUP_ID,
    SALES_GROUP_ID,
    SECURITY_COURSE_ID,
    WELCOME_COURSE_ID,
)
from tests.sandbox.conftest import Client as V1Client

UNKNOWN = "0" * 24
COURSES = "/courses"
STATS = "/courses/stats"
#: First generated completions: one per second.
SECOND_BY_SECOND = {
    "generated_attempts": 1000,
    "generated_courses": 7,
    "generated_users": 5,
    "generated_from": "2026-01-01T00:00:00Z",
    "generated_until": "2026-01-01T00:16:40Z",
}


@pytest.fixture
def v1(sandbox):
    client = V1Client(sandbox)
    yield client
    client.close()


@pytest.fixture
def enroll(v1):
    """Return a function that enrolls Grace in a session of a path of two courses, and returns the id of the session."""

    def enroll():
        start = {"sessionName": "Intake", "sessionOwnerGroup": ROOT_GROUP_ID, "startDate": "2026-01-01T00:00:00Z"}
        session = v1("POST", f"/paths/{ONBOARDING_PATH_ID}/sessions", json=start).json()["id"]
        assert v1("PATCH", f"/paths/sessions/{session}/users", json={"userIds": [GRACE_ID]}).status_code == 200
        return session

    return enroll


@pytest.fixture
def session_id(sandbox, enroll):
    """Let Grace complete the courses of a session, and return its id."""
    made = enroll()
    sandbox.control.advance(60)
    return made


def at(second):
    minute, second = divmod(second, 60)
    return f"2026-01-01T00:{minute:02}:{second:02}.000Z"


def flat(v1_statistics):
    """Return v1's statistics in the form of v2."""
    names = {"path": "pathId", "pathSession": "pathSessionId", "globalTime": "timeSpent"}
    names |= {"firstActivity": "firstActivityAt", "lastActivity": "lastActivityAt"}
    return {
        attempt["_id"]: {
            **{names.get(name, name): value for name, value in attempt.items()},
            "courseId": entry["course"]["_id"],
            "userId": statistic["user"]["_id"],
        }
        for entry in v1_statistics
        for statistic in entry["stats"]
        for attempt in statistic["attempts"]
    }


def without_version(attempts):
    return {
        each["_id"]: {name: value for name, value in each.items() if name not in ("lang", "versionNumber")}
        for each in attempts
    }


def test_a_course_has_the_id_of_its_author(client):
    course = client("GET", f"/courses/{WELCOME_COURSE_ID}").json
    assert (course["authorId"], course["groupId"], course["type"]) == (ADMIN_ID, ROOT_GROUP_ID, "native")
    assert course in client("GET", COURSES).json


@pytest.mark.parametrize("course", [UNKNOWN, DRAFT_COURSE_ID])
def test_an_unknown_course_and_a_draft_are_not_found(client, course):
    response = client("GET", f"/courses/{course}")
    assert (response.status, response.code) == (404, "courseNotFound")
    assert course not in client("GET", COURSES).ids


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("status[eq]=deleted", [DELETED_COURSE_ID]),
        ("status[eq]=published", [WELCOME_COURSE_ID, SECURITY_COURSE_ID]),
        ("status[eq]=archived", []),
        ("type[eq]=external", []),
        (f"status[eq]=published&authorId[eq]={ADMIN_ID}&groupId[eq]={ROOT_GROUP_ID}", 2),
        (f"authorId[eq]={GRACE_ID}", []),
        (f"groupId[eq]={SALES_GROUP_ID}", []),
        (f"coAuthorIds[in][0]={ADMIN_ID}", []),
        ("createdAt[gte]=2020-01-01T00:00:00.000Z", 3),
        ("createdAt[lt]=2020-01-01T00:00:00.000Z", []),
        ("modifiedAt[gte]=2999-01-01T00:00:00.000Z", []),
        ("sourceLang[eq]=en&collaborativeLearning[eq]=false", 3),
    ],
)
def test_courses_are_filtered(client, query, found):
    ids = client("GET", f"{COURSES}?{query}").ids
    assert (len(ids) if isinstance(found, int) else ids) == found


def test_attempts_are_those_of_api_v1_with_the_same_ids(client, v1, session_id):
    statistics = v1("GET", "/courses/stats").json()
    attempts = client("GET", STATS).json
    assert without_version(attempts) == flat(statistics)
    assert {each["courseId"] for each in attempts} == {WELCOME_COURSE_ID, SECURITY_COURSE_ID}
    assert {(each["userId"], each["pathId"], each["pathSessionId"]) for each in attempts} == {
        (GRACE_ID, ONBOARDING_PATH_ID, session_id)
    }


@pytest.mark.parametrize(
    ("query", "count"),
    [
        (f"courseId[eq]={WELCOME_COURSE_ID}&userId[eq]={GRACE_ID}", 1),
        (f"courseId[in][0]={WELCOME_COURSE_ID}&courseId[in][1]={SECURITY_COURSE_ID}", 2),
        (f"courseId[ne]={WELCOME_COURSE_ID}", 1),
        (f"userId[eq]={ADMIN_ID}", 0),
        (f"userId[nin][0]={GRACE_ID}", 0),
        ("completedAt[gte]=2020-01-01T00:00:00.000Z", 2),
        ("completedAt[lt]=2020-01-01T00:00:00.000Z", 0),
    ],
)
def test_attempts_are_filtered(client, session_id, query, count):
    assert len(client("GET", f"{STATS}?{query}").json) == count


def test_an_attempt_without_completion_fulfills_no_filter_on_it(sandbox, client, enroll):
    sandbox.control.settings(learner_seconds=1000)
    enroll()
    sandbox.control.advance(300)
    (attempt,) = client("GET", STATS).json
    assert "completedAt" not in attempt
    assert client("GET", f"{STATS}?completedAt[gte]=2020-01-01T00:00:00.000Z").json == []


def test_generated_attempts_are_those_of_api_v1(sandbox, client, v1):
    sandbox.control.settings(**SECOND_BY_SECOND)
    statistics = v1("GET", "/courses/stats").json()
    pages = client.pages(STATS)
    assert [len(page.json) for page in pages] == [500, 500]
    attempts = [attempt for page in pages for attempt in page.json]
    assert len({each["_id"] for each in attempts}) == 1000
    assert without_version(attempts) == flat(statistics)


@pytest.mark.parametrize(
    ("first", "last", "count"), [(0, 1, 1), (10, 20, 10), (0, 1000, 1000), (1000, 2000, 0), (20, 10, 0)]
)
def test_generated_attempts_are_filtered_by_completion(sandbox, client, first, last, count):
    sandbox.control.settings(**SECOND_BY_SECOND)
    pages = client.pages(f"{STATS}?completedAt[gte]={at(first)}&completedAt[lt]={at(last)}")
    times = [attempt["completedAt"] for page in pages for attempt in page.json]
    assert len(times) == count
    assert times == sorted(times)
    assert all(at(first) <= time < at(last) for time in times)


def test_generated_attempts_are_filtered_by_course_and_user(sandbox, client):
    sandbox.control.settings(**SECOND_BY_SECOND)
    attempts = [attempt for page in client.pages(STATS) for attempt in page.json]
    one = attempts[123]
    for query, fields in (
        (f"courseId[eq]={one['courseId']}", ["courseId"]),
        (f"userId[in][0]={one['userId']}", ["userId"]),
        (f"courseId[eq]={one['courseId']}&userId[eq]={one['userId']}", ["courseId", "userId"]),
    ):
        expected = [each for each in attempts if all(each[name] == one[name] for name in fields)]
        assert [each for page in client.pages(f"{STATS}?{query}") for each in page.json] == expected
        later = [each for each in expected if each["completedAt"] >= at(500)]
        assert client.pages(f"{STATS}?{query}&completedAt[gte]={at(500)}")[0].json == later


def test_a_page_of_a_million_attempts_is_made_alone(sandbox, client):
    """Its size and content do not depend on the number of attempts before it."""
    sandbox.control.settings(generated_attempts=1_000_000, generated_until="2026-01-12T13:46:40Z")
    last = client("GET", f"{STATS}?completedAt[gte]=2026-01-12T13:45:40.000Z").json
    assert len(last) == 60
    assert last[-1]["_id"].endswith(f"{999_999:x}")
