"""Statistics of all courses in one response: attempts of the company, and generated ones in any number."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta

import pytest
import requests

from airflow_provider_360learning.sandbox.demo_company import (
    ADMIN_ID,
    ADMIN_MAIL,
    GRACE_ID,
    GRACE_MAIL,
    ONBOARDING_PATH_ID,
    ROOT_GROUP_ID,
    SECURITY_COURSE_ID,
    WELCOME_COURSE_ID,
)

EXTERNAL = f"/externalContents/groups/{ROOT_GROUP_ID}/externalPlatforms/provider/courses"
GENERATED_FROM = datetime(2026, 1, 1, tzinfo=UTC)


def timestamp(when):
    return when.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def flat(response):
    """List attempts with the names of their course and user."""
    return [
        {**attempt, "course": entry["course"]["name"], "mail": stat["user"]["mail"]}
        for entry in response
        for stat in entry["stats"]
        for attempt in stat["attempts"]
    ]


@pytest.fixture
def ask(client):
    def ask(**query):
        response = client("GET", "/courses/stats", params=query)
        assert response.status_code == 200, response.text
        return response.json()

    return ask


@pytest.fixture
def add_course(client):
    def add(external_id):
        course = {"externalId": external_id, "launchUrl": "https://p.test", "title": external_id, "language": "en"}
        assert client("POST", EXTERNAL, json={"authorId": ADMIN_ID, "externalCourses": [course]}).status_code == 200

    return add


@pytest.fixture
def add_attempt(client):
    """Store an attempt from 8:00 to 10:00 on a day of March."""

    def add(external_id, mail, day, **changes):
        times = {"firstActivity": 8, "lastActivity": 10, "completedAt": 10}
        one = {name: f"2026-03-{day:02}T{hour:02}:00:00.000Z" for name, hour in times.items()} | changes
        body = {"statistics": [{"externalId": external_id, "mail": mail} | one]}
        assert client("POST", f"{EXTERNAL}/stats", json=body).status_code == 200

    return add


@pytest.fixture
def two_courses(add_course, add_attempt):
    """Create two courses with four attempts of two users."""
    add_course("first")
    add_course("second")
    add_attempt("second", ADMIN_MAIL, 1)
    add_attempt("first", GRACE_MAIL, 2)
    add_attempt("first", ADMIN_MAIL, 3)
    add_attempt("first", GRACE_MAIL, 4, completedAt=None, progress=50)


def test_attempts_are_listed_by_course_and_user(ask, two_courses):
    first, second = ask()
    assert [first["course"]["name"], second["course"]["name"]] == ["first", "second"]
    assert [stat["user"] for stat in first["stats"]] == [
        {"_id": GRACE_ID, "mail": GRACE_MAIL},
        {"_id": ADMIN_ID, "mail": ADMIN_MAIL},
    ]
    assert [[attempt["progress"] for attempt in stat["attempts"]] for stat in first["stats"]] == [[100, 50], [100]]
    assert len(second["stats"]) == 1


def test_attempts_in_paths_are_included(sandbox, client, ask, two_courses):
    start = {"sessionName": "Intake", "sessionOwnerGroup": ROOT_GROUP_ID, "startDate": "2026-01-01T00:00:00Z"}
    session = client("POST", f"/paths/{ONBOARDING_PATH_ID}/sessions", json=start).json()["id"]
    client("PATCH", f"/paths/sessions/{session}/users", json={"userIds": [GRACE_ID]})
    sandbox.control.advance(3600)
    response = ask()
    assert [entry["course"]["_id"] for entry in response[:2]] == [WELCOME_COURSE_ID, SECURITY_COURSE_ID]
    assert len(response) == 4
    (attempt,) = response[0]["stats"][0]["attempts"]
    assert (attempt["progress"], attempt["path"], attempt["pathSession"]) == (100, ONBOARDING_PATH_ID, session)


@pytest.mark.parametrize(
    ("bounds", "after", "before"),
    [
        ("inclusive", [2, 3], [1, 2]),
        ("after_exclusive", [3], [1, 2]),
        ("before_exclusive", [2, 3], [1]),
        ("exclusive", [3], [1]),
    ],
)
@pytest.mark.parametrize(("name", "hour"), [("completedAt", 10), ("lastActivityAt", 10), ("firstActivityAt", 8)])
def test_inclusion_of_bounds_can_be_switched(sandbox, ask, two_courses, bounds, after, before, name, hour):
    sandbox.control.settings(bounds=bounds)
    bound = f"2026-03-02T{hour:02}:00:00.000Z"
    days = lambda **query: sorted(int(each["firstActivity"][8:10]) for each in flat(ask(**query)))  # noqa: E731
    # An attempt without the date is in no period: that of the fourth day is not completed.
    assert days(**{f"{name}After": bound}) == after + ([4] if name != "completedAt" else [])
    assert days(**{f"{name}Before": bound}) == before
    assert days(**{f"{name}After": bound, f"{name}Before": bound}) == [day for day in after if day in before]


def test_filters_are_combined(ask, two_courses):
    query = {"firstActivityAtAfter": "2026-03-02T00:00:00.000Z", "completedAtBefore": "2026-03-03T00:00:00.000Z"}
    (attempt,) = flat(ask(**query))
    assert (attempt["course"], attempt["mail"]) == ("first", GRACE_MAIL)


def test_invalid_date_is_refused(client):
    response = client("GET", "/courses/stats", params={"completedAtAfter": "yesterday"})
    assert response.status_code == 400
    assert response.json()["error"].startswith("Request validation failed: completedAtAfter")


@pytest.mark.parametrize("cap", range(6))
def test_response_contains_at_most_the_cap(sandbox, ask, two_courses, cap):
    complete = flat(ask())
    sandbox.control.settings(course_stats_cap=cap)
    assert flat(ask()) == complete[:cap]


@pytest.mark.parametrize("cap", range(5))
@pytest.mark.parametrize("generated", [False, True])
def test_cap_can_count_statistics(sandbox, generate, ask, two_courses, generated, cap):
    generate(1000 if generated else 0)
    statistics = lambda: [stat for entry in ask() for stat in entry["stats"]]  # noqa: E731
    complete = statistics()
    sandbox.control.settings(course_stats_cap=cap, course_stats_cap_counts="statistics")
    assert statistics() == complete[:cap]


@pytest.mark.parametrize("attempts_first", [False, True])
def test_order_of_keys_can_be_switched(sandbox, ask, two_courses, attempts_first):
    sandbox.control.settings(attempts_first=attempts_first)
    entry = ask()[0]
    assert [set(entry), set(entry["stats"][0])] == [{"course", "stats"}, {"user", "attempts"}]
    last = "course" if attempts_first else "stats", "user" if attempts_first else "attempts"
    assert (list(entry)[1], list(entry["stats"][0])[1]) == last


def test_bounds_are_compared_with_dates_as_shown(sandbox, client, ask):
    (course, *_) = client("GET", "/courses").json()
    created = course["creationDate"]
    ids = lambda **query: [each["_id"] for each in client("GET", "/courses", params=query).json()]  # noqa: E731
    assert course["_id"] in ids(createdAfter=created, createdBefore=created, modifiedBefore=created)
    sandbox.control.settings(bounds="exclusive")
    assert course["_id"] not in ids(createdBefore=created)


def test_updating_a_course_changes_its_modification_date(sandbox, client, add_course):
    add_course("first")
    sandbox.control.advance(1000)
    add_course("first")
    course = client("GET", "/courses").json()[-1]
    assert course["modificationDate"] > course["creationDate"]
    ids = lambda **query: [each["_id"] for each in client("GET", "/courses", params=query).json()]  # noqa: E731
    assert ids(modifiedAfter=course["modificationDate"]) == [course["_id"]]
    assert course["_id"] not in ids(createdAfter=course["modificationDate"])


# Generated attempts


@pytest.fixture
def generate(sandbox):
    """Generate a number of attempts, by default evenly spread over one day."""

    def generate(count, **settings):
        return sandbox.control.settings(
            **{
                "generated_attempts": count,
                "generated_courses": 7,
                "generated_users": 20,
                "generated_until": timestamp(GENERATED_FROM + timedelta(days=1)),
            }
            | settings
        )

    return generate


def test_generated_attempts_have_the_format_of_real_ones(generate, ask, two_courses):
    generate(1440)
    response = ask()
    assert len(response) == len({entry["course"]["_id"] for entry in response}) == 7
    assert all(len({stat["user"]["_id"] for stat in entry["stats"]}) == len(entry["stats"]) == 20 for entry in response)
    attempts = flat(response)
    assert len(attempts) == len({attempt["_id"] for attempt in attempts}) == 1440
    assert sorted(attempt["completedAt"] for attempt in attempts) == [
        timestamp(GENERATED_FROM + timedelta(minutes=minute)) for minute in range(1440)
    ]
    every = {"_id", "progress", "firstActivity", "lastActivity", "completedAt", "globalTime", "course", "mail"}
    in_a_path = {"path", "pathSession"}
    assert {frozenset(attempt) for attempt in attempts} == {
        frozenset(every | score | path) for score in (set(), {"score"}) for path in (set(), in_a_path)
    }
    assert all(attempt["lastActivity"] == attempt["completedAt"] > attempt["firstActivity"] for attempt in attempts)
    assert any("\n" in attempt["course"] for attempt in attempts)
    assert ask() == response


def by_id(attempts):
    return sorted(attempts, key=lambda attempt: attempt["_id"])


@pytest.mark.parametrize("count", [1, 6, 500, 3000])
@pytest.mark.parametrize("bounds", ["inclusive", "before_exclusive", "exclusive"])
def test_filters_select_generated_attempts_by_date(sandbox, generate, ask, count, bounds):
    generate(count)
    sandbox.control.settings(bounds=bounds)
    complete = flat(ask())
    assert len(complete) == count
    chance = random.Random(count)
    for _ in range(8):
        name, date = chance.choice(
            [("completedAt", "completedAt"), ("lastActivityAt", "lastActivity"), ("firstActivityAt", "firstActivity")]
        )
        # A bound is the date of an attempt, or any time, also outside of the period.
        anywhere = timestamp(GENERATED_FROM + timedelta(hours=chance.uniform(-30, 30)))
        after, before = (chance.choice([chance.choice(complete)[date], anywhere]) for _ in "12")
        low, high = bounds == "exclusive", bounds != "inclusive"
        expected = [
            each
            for each in complete
            if (each[date] > after if low else each[date] >= after)
            and (each[date] < before if high else each[date] <= before)
        ]
        selected = flat(ask(**{f"{name}After": after, f"{name}Before": before}))
        assert by_id(selected) == by_id(expected)


@pytest.mark.parametrize("cap", [0, 1, 499, 500, 501])
def test_cap_applies_to_generated_attempts(sandbox, generate, ask, cap):
    generate(500)
    complete = flat(ask())
    sandbox.control.settings(course_stats_cap=cap)
    assert flat(ask()) == complete[:cap]


def test_generated_response_streams_and_stops_with_its_reader(sandbox, generate, client):
    generate(10**9, generated_courses=10**6)
    response = client("GET", "/courses/stats", stream=True)
    part = next(response.iter_content(1 << 16))
    assert part.startswith(b'[{"course":{"_id":')
    assert client("GET", "/groups").status_code == 200
    response.close()
    generate(1)
    assert client("GET", "/courses/stats").status_code == 200
    assert [entry["status"] for entry in sandbox.control.journal()] == [200, 200, 200]


def received_before_it_breaks(response):
    received = b""
    try:
        for part in response.iter_content(None):
            received += part
    except requests.exceptions.ChunkedEncodingError:
        return received
    return pytest.fail("It did not break.")


@pytest.mark.parametrize("size", [0, 1000, 5_000_000, 50_000_000])
def test_generated_response_can_be_dropped_midway(sandbox, generate, client, size):
    generate(30_000, generated_courses=1, generated_users=1)
    whole = client("GET", "/courses/stats").content
    sandbox.control.add_fault("getCoursesStats", kind="drop_midway", sent_bytes=size)
    broken = client("GET", "/courses/stats", stream=True)
    assert broken.status_code == 200
    assert received_before_it_breaks(broken) == whole[:size]
    entry = sandbox.control.journal()[-1]
    assert (entry["status"], entry["done"], entry["fault"]) == (200, True, "drop_midway")


def test_faults_apply_to_generated_responses(sandbox, generate, client):
    generate(3000)
    for fault in ({"kind": "status", "status": 503}, {"kind": "status", "status": 503, "when": "after"}):
        sandbox.control.add_fault("getCoursesStats", **fault)
        assert client("GET", "/courses/stats").status_code == 503
    sandbox.control.add_fault("getCoursesStats", kind="drop_after")
    with pytest.raises(requests.ConnectionError):
        client("GET", "/courses/stats")
    sandbox.control.add_fault("getCoursesStats", kind="garbage")
    with pytest.raises(json.JSONDecodeError):
        client("GET", "/courses/stats").json()
    assert len(flat(client("GET", "/courses/stats").json())) == 3000


def test_generated_period_must_not_be_empty(generate):
    with pytest.raises(ValueError, match="generated_until must be later"):
        generate(1, generated_until=timestamp(GENERATED_FROM))
