"""External contents: courses of other platforms, and statistics that are stored as attempts."""

from __future__ import annotations

import pytest

from airflow_provider_360learning.sandbox.demo_company import (
    ADMIN_ID,
    ADMIN_MAIL,
    GRACE_ID,
    GRACE_MAIL,
    LINUS_MAIL,
    ROOT_GROUP_ID,
    SALES_GROUP_ID,
)

COURSES = f"/externalContents/groups/{ROOT_GROUP_ID}/externalPlatforms/provider/courses"
STATISTICS = f"{COURSES}/stats"
COURSE = {"externalId": "x/1", "launchUrl": "https://p.test/1", "title": "Intro", "language": "en"}
ONE = {
    "externalId": "x/1",
    "mail": GRACE_MAIL,
    "progress": 40,
    "score": 80,
    "result": "success",
    "globalTime": 600_000,
    "firstActivity": "2026-03-05T08:00:00.000Z",
    "lastActivity": "2026-03-05T08:15:00.000Z",
}


@pytest.fixture
def put_courses(client):
    def put(*courses, author=ADMIN_ID, route=COURSES):
        return client("POST", route, json={"authorId": author, "externalCourses": list(courses)})

    return put


@pytest.fixture
def send(client, put_courses):
    """Send statistics of an existing external course."""
    put_courses(COURSE)
    return lambda *statistics: client("POST", STATISTICS, json={"statistics": list(statistics)})


@pytest.fixture
def attempts(sandbox):
    return lambda: sandbox.control.state()["external_attempts"]


def test_external_course_is_created_returned_updated_and_archived(sandbox, client, put_courses, segment):
    show = lambda: client("GET", f"{COURSES}/{segment('x/1')}")  # noqa: E731
    assert (show().status_code, show().json()) == (404, {"error": "external_course_not_found"})
    created = put_courses(COURSE)
    assert created.json() == {
        "externalCourses": [{"externalId": "x/1", "status": "created"}],
        "report": {"coursesCreated": 1, "coursesUpdated": 0},
    }
    shown = show().json()
    assert shown == COURSE | {
        "id": shown["id"],
        "authorId": ADMIN_ID,
        "archived": False,
        "externalPlatform": "provider",
        "groupId": ROOT_GROUP_ID,
        "description": "",
        "skills": [],
        "authors": [],
        "alternativeLanguages": [],
        "mobileLaunchUrl": COURSE["launchUrl"],
    }
    updated = put_courses(COURSE | {"title": "Introduction", "courseDuration": 10}, COURSE | {"externalId": "x-2"})
    assert [each["status"] for each in updated.json()["externalCourses"]] == ["updated", "created"]
    assert show().json() == shown | {"title": "Introduction", "courseDuration": 10}
    archived = client("DELETE", COURSES, json={"externalIds": ["x/1", "x-9"]})
    assert archived.json() == {
        "externalCourses": [
            {"externalId": "x/1", "status": "archived"},
            {"externalId": "x-9", "status": "error", "error": "external_course_not_found"},
        ],
        "report": {"coursesArchived": 1},
    }
    assert show().json()["archived"] is True
    first, second = sandbox.control.state()["external_courses"]
    assert (first["external_id"], first["id"], first["archived"], first["times_sent"]) == ("x/1", shown["id"], True, 2)
    assert (second["external_id"], second["archived"]) == ("x-2", False)
    put_courses(COURSE)
    assert show().json()["archived"] is False


def test_external_course_is_listed_among_courses(client, put_courses):
    put_courses(COURSE)
    put_courses(COURSE | {"title": "Introduction"})
    client("DELETE", COURSES, json={"externalIds": ["x/1"]})
    course = client("GET", "/courses").json()[-1]
    assert (course["name"], course["author"], course["status"]) == ("Introduction", ADMIN_MAIL, "archived")
    assert client("GET", f"/courses/{course['_id']}").json()["group"] == ROOT_GROUP_ID


def test_external_ids_belong_to_platform_and_group(sandbox, put_courses):
    put_courses(COURSE)
    put_courses(COURSE, route=COURSES.replace("provider", "other"))
    sandbox_courses = sandbox.control.state()["external_courses"]
    assert [(each["platform"], each["times_sent"]) for each in sandbox_courses] == [("provider", 1), ("other", 1)]


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"authorId": None}, "user_not_found"),
        ({"authorId": GRACE_ID}, "invalid argument : authorId"),
        ({"externalCourses": []}, "invalid argument : externalCourses"),
        ({"externalCourses": ["x"]}, "invalid argument : externalCourses"),
        ({"externalCourses": [COURSE, {"externalId": "x-2"}]}, "missing argument : launchUrl"),
        ({"externalCourses": [COURSE | {"difficultyLevel": "hard"}]}, "invalid argument : difficultyLevel"),
        ({"externalCourses": [COURSE | {"authors": "Ana"}]}, "invalid argument : authors"),
    ],
)
def test_refused_course_imports_change_nothing(sandbox, client, changes, error):
    response = client("POST", COURSES, json={"authorId": ADMIN_ID, "externalCourses": [COURSE]} | changes)
    assert (response.status_code, response.json()) == (400, {"error": error})
    assert sandbox.control.state()["external_courses"] == []


def test_author_needs_a_role_in_the_group(client, put_courses):
    in_sales = COURSES.replace(ROOT_GROUP_ID, SALES_GROUP_ID)
    assert put_courses(COURSE, author=GRACE_ID, route=in_sales).status_code == 400
    client("PUT", f"/groups/{SALES_GROUP_ID}/users/{GRACE_ID}", json={"role": "author"})
    assert put_courses(COURSE, author=GRACE_ID, route=in_sales).status_code == 200


def test_request_of_twenty_statistics_is_stored(send, attempts):
    response = send(*(ONE | {"firstActivity": f"2026-03-05T08:00:{second:02}.000Z"} for second in range(20)))
    assert response.json() == {
        "statistics": [{"externalId": "x/1", "mail": GRACE_MAIL, "status": "updated"}] * 20,
        "report": {"statisticsUpdated": 20},
    }
    assert len(attempts()) == 20
    first = attempts()[0]
    assert first == {
        "platform": "provider",
        "group": ROOT_GROUP_ID,
        "external_id": "x/1",
        "user": GRACE_ID,
        "mail": GRACE_MAIL,
        "id": first["id"],
        "progress": 40,
        "score": 80,
        "result": "success",
        "time_spent_ms": 600_000,
        "first_activity": "2026-03-05T08:00:00.000Z",
        "last_activity": "2026-03-05T08:15:00.000Z",
        "completed_at": None,
        "times_sent": 1,
    }


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        ({"progress": 100}, {"completed_at": ONE["lastActivity"]}),
        ({"completedAt": ONE["firstActivity"]}, {"progress": 100, "completed_at": ONE["firstActivity"]}),
        ({"globalTime": None}, {"time_spent_ms": 900_000}),
        ({"firstActivity": None}, {"first_activity": "2026-03-05T08:05:00.000Z"}),
        ({"lastActivity": None, "completedAt": "2026-03-05T09:00:00Z"}, {"last_activity": "2026-03-05T09:00:00.000Z"}),
        ({"score": None, "result": None}, {"score": None, "result": None}),
    ],
)
def test_missing_fields_of_a_statistic_are_derived(send, attempts, sent, stored):
    assert send(ONE | sent).status_code == 200
    (attempt,) = attempts()
    assert {name: attempt[name] for name in stored} == stored


def test_statistic_requires_only_course_and_email(send, attempts):
    assert send({"externalId": "x/1", "mail": GRACE_MAIL}).status_code == 200
    (attempt,) = attempts()
    assert (attempt["progress"], attempt["time_spent_ms"], attempt["completed_at"]) == (0, 0, None)
    assert attempt["first_activity"] == attempt["last_activity"]


@pytest.mark.parametrize(("what", "seen"), [("update", [2, 1]), ("new_attempt", [1, 1, 1])])
def test_repeated_statistics_can_be_switched(sandbox, send, attempts, what, seen):
    sandbox.control.settings(repeated_statistics=what)
    later = {"firstActivity": "2026-03-05T08:10:00.000Z"}
    send(ONE, ONE | later, ONE | {"mail": GRACE_MAIL.upper(), "progress": 60})
    assert [attempt["times_sent"] for attempt in attempts()] == seen
    assert attempts()[0 if what == "update" else 2]["progress"] == 60


@pytest.mark.parametrize(
    ("faulty", "error"),
    [
        ({"mail": GRACE_MAIL}, "missing argument : externalId"),
        ({"externalId": "x/1"}, "missing argument : mail"),
        (ONE | {"progress": 101}, "invalid argument : progress"),
        (ONE | {"progress": "50"}, "invalid argument : progress"),
        (ONE | {"score": -1}, "invalid argument : score"),
        (ONE | {"result": "good"}, "invalid argument : result"),
        (ONE | {"completedAt": "soon"}, "invalid argument : completedAt"),
        (ONE | {"mail": "unknown@acme.test"}, "user_not_found"),
        (ONE | {"mail": LINUS_MAIL}, "user_not_found"),
        (ONE | {"externalId": "x-9"}, "external_course_not_found"),
    ],
)
def test_effect_of_an_invalid_statistic_can_be_switched(sandbox, send, attempts, faulty, error):
    refused = send(ONE, faulty)
    assert (refused.status_code, refused.json()) == (400, {"error": error})
    assert attempts() == []
    sandbox.control.settings(faulty_statistics="report")
    reported = send(faulty, ONE)
    failed, stored = reported.json()["statistics"]
    assert (failed["status"], failed["error"]) == ("error", error)
    assert stored == {"externalId": "x/1", "mail": GRACE_MAIL, "status": "updated"}
    assert reported.json()["report"] == {"statisticsUpdated": 1}
    assert len(attempts()) == 1


@pytest.mark.parametrize("statistics", [[ONE] * 21, [], ONE, ["x"]])
@pytest.mark.parametrize("faulty_statistics", ["refuse_batch", "report"])
def test_invalid_lists_of_statistics_are_refused(sandbox, client, statistics, faulty_statistics):
    sandbox.control.settings(faulty_statistics=faulty_statistics)
    response = client("POST", STATISTICS, json={"statistics": statistics})
    assert (response.status_code, response.json()) == (400, {"error": "invalid argument : statistics"})


@pytest.mark.parametrize(("method", "route"), [("POST", COURSES), ("DELETE", COURSES), ("POST", STATISTICS)])
def test_unknown_group_of_external_contents_is_refused(client, method, route):
    response = client(method, route.replace(ROOT_GROUP_ID, "0" * 24), json={})
    assert (response.status_code, response.json()) == (400, {"error": "group_not_found"})


def test_error_format_of_reports_can_be_switched(sandbox, send):
    sandbox.control.settings(external_reports="status", faulty_statistics="report")
    faulty = {"externalId": "x/1", "mail": "unknown@acme.test"}
    assert send(faulty).json()["statistics"] == [faulty | {"status": "user_not_found"}]


def test_reports_can_be_switched_off(sandbox, send, put_courses):
    sandbox.control.settings(external_reports="none", acknowledgment="status")
    assert send(ONE).json() == put_courses(COURSE).json() == {"status": "ok"}


def test_course_statistics_include_external_attempts(client, send):
    send(ONE | {"progress": 100})
    course = client("GET", "/courses").json()[-1]
    (entry,) = client("GET", f"/courses/{course['_id']}/stats").json()
    assert entry["user"] == {"_id": GRACE_ID, "mail": GRACE_MAIL}
    (attempt,) = entry["attempts"]
    assert attempt == {
        "_id": attempt["_id"],
        "progress": 100,
        "score": 80,
        "firstActivity": ONE["firstActivity"],
        "lastActivity": ONE["lastActivity"],
        "completedAt": ONE["lastActivity"],
        "globalTime": 600_000,
    }
    assert client("GET", f"/courses/{course['_id']}/stats/{GRACE_MAIL}").json()["attempts"] == [attempt]
