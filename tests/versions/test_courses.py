"""Courses, catalogs and the attempts of users: the same arguments and results in both versions of the API."""

from __future__ import annotations

import pytest

from airflow_provider_360learning.api.course_results import CourseRecord
from airflow_provider_360learning.api.types import Upload
from airflow_provider_360learning.exceptions import InvalidRequestError, NotFoundError
from airflow_provider_360learning.sandbox.demo_company import (
    ADMIN_ID,
    ADMIN_MAIL,
    DELETED_COURSE_ID,
    DRAFT_COURSE_ID,
    GRACE_ID,
    GRACE_MAIL,
    ONBOARDING_PATH_ID,
    ROOT_GROUP_ID,
    SALES_GROUP_ID,
    SECURITY_COURSE_ID,
    WELCOME_COURSE_ID,
)
from tests.api.factory import api_factory

MISSING_ID = "0" * 24


@pytest.fixture
def v1(sandbox):
    """Return the API v1, which prepares what both versions return."""
    with api_factory(sandbox, "v1") as make:
        yield make()


@pytest.fixture
def session_id(v1):
    """Create a session in which Grace is enrolled, and return its id."""
    made = v1.create_path_session(
        path_id=ONBOARDING_PATH_ID, name="May", session_start="2026-05-01T00:00:00Z", group_id=ROOT_GROUP_ID
    )
    v1.enroll_users(session_id=made["session_id"], users=[GRACE_MAIL])
    return made["session_id"]


def test_lists_courses(api):
    courses = {course["course_id"]: course for course in api.list_courses()}
    assert courses.keys() >= {WELCOME_COURSE_ID, SECURITY_COURSE_ID, DELETED_COURSE_ID}
    course = courses[WELCOME_COURSE_ID]
    assert (course["author_id"] or ADMIN_ID, course["author_mail"] or ADMIN_MAIL) == (ADMIN_ID, ADMIN_MAIL)
    assert (
        course.items()
        >= {
            "course_id": WELCOME_COURSE_ID,
            "name": "Welcome to Acme",
            "status": "published",
            "lang": "en",
            "default_lang": "en",
            "description": "",
            "modified_at": course["created_at"],
        }.items()
    )
    assert courses[DELETED_COURSE_ID]["status"] == "deleted"


def test_courses_have_the_states_of_their_version(api, version):
    states = {course["course_id"]: course["status"] for course in api.list_courses()}
    drafts = {"v1": "draft", "v2": None}
    assert (states.get(DRAFT_COURSE_ID), states[DELETED_COURSE_ID]) == (drafts[version], "deleted")


def test_returns_every_field_of_a_course(sandbox, api, version):
    """What a version does not return is null; what both return is equal."""
    with api_factory(sandbox, "v2") as make:
        v2 = make()
        v2.add_user_to_group(group_id=ROOT_GROUP_ID, user=GRACE_MAIL, role="editor")
        package = Upload("safety.zip", b"PK")
        made = v2.create_elearning_course(
            name="Safety",
            lang="fr",
            author=GRACE_MAIL,
            co_authors=[ADMIN_MAIL],
            group_id=SALES_GROUP_ID,
            package=package,
            description="<p>Sécurité</p>",
            duration_minutes=25,
        )
    course = api.get_course(course_id=made["course_id"])
    created = course["created_at"]
    in_both = {
        "course_id": made["course_id"],
        "name": "Safety",
        "status": "published",
        "lang": "fr",
        "default_lang": "fr",
        "description": "<p>Sécurité</p>",
        "duration_minutes": 25,
        "group_id": SALES_GROUP_ID,
        "translations": [],
        "created_at": created,
        "modified_at": created,
    }
    own = {
        "v1": {"group_name": "Sales", "author_mail": GRACE_MAIL, "co_author_mails": [ADMIN_MAIL], "tag_ids": []},
        "v2": {
            "type": "elearning standard",
            "author_id": GRACE_ID,
            "co_author_ids": [ADMIN_ID],
            "version_number": 1,
            "collaborative_learning": False,
        },
    }
    assert course == {**dict.fromkeys(CourseRecord.__annotations__), **in_both, **own[version]}
    assert api.get_course(course="Safety") == course
    (listed,) = (each for each in api.list_courses() if each["course_id"] == made["course_id"])
    assert listed == {**course, "translations": {"v1": None, "v2": []}[version]}


def test_a_missing_course_is_not_found(api):
    with pytest.raises(NotFoundError):
        api.get_course(course_id=MISSING_ID)


def test_archives_and_restores_a_course_in_api_v2(sandbox):
    def status():
        return next(each["status"] for each in api.list_courses() if each["course_id"] == WELCOME_COURSE_ID)

    with api_factory(sandbox, "v2") as make:
        api = make()
        for archived, would, done in ((True, "would_archive", "archived"), (False, "would_restore", "restored")):
            before = status()
            planned = api.archive_course(course_id=WELCOME_COURSE_ID, archived=archived, dry_run=True)
            assert planned == {"course_id": WELCOME_COURSE_ID, "name": "Welcome to Acme", "outcome": would}
            assert status() == before
            assert api.archive_course(course="Welcome to Acme", archived=archived)["outcome"] == done
            assert status() == ("archived" if archived else "published")
        for arguments in ({}, {"dry_run": True}):
            with pytest.raises(NotFoundError):
                api.archive_course(course_id=MISSING_ID, **arguments)


@pytest.mark.parametrize("bounds", ["inclusive", "exclusive"])
@pytest.mark.parametrize("field", ["created", "modified"])
def test_an_interval_includes_its_start_and_not_its_end_to_the_millisecond(sandbox, api, field, bounds):
    sandbox.control.settings(bounds=bounds)  # of API v1
    (first,) = {course[f"{field}_at"] for course in api.list_courses() if course["course_id"] == WELCOME_COURSE_ID}
    later = first[:20] + f"{(int(first[20:23]) + 1) % 1000:03}Z"
    if later < first:
        pytest.skip("the next millisecond is in the next second")  # one of a thousand runs

    def found(after, before):
        interval = {f"{field}_after": after, f"{field}_before": before}
        return WELCOME_COURSE_ID in {course["course_id"] for course in api.list_courses(**interval)}

    assert found(first, None)
    assert found(first, later)
    assert not found(later, None)
    assert not found(None, first)
    assert found(None, later)


def test_returns_the_catalog_of_a_group(api, v1, session_id):
    v1.add_to_catalog(group_id=SALES_GROUP_ID, course_ids=[SECURITY_COURSE_ID, WELCOME_COURSE_ID])
    v1.add_to_catalog(group_id=SALES_GROUP_ID, session_ids=[session_id])
    catalog = api.get_catalog(group_id=SALES_GROUP_ID)
    assert [course["id"] for course in catalog["courses"]] == [SECURITY_COURSE_ID, WELCOME_COURSE_ID]
    assert [path["id"] for path in catalog["paths"]] == [session_id]
    assert {item["name"] for item in catalog["paths"]} <= {"May", None}
    assert api.get_catalog(group_id=ROOT_GROUP_ID) == {"courses": [], "paths": []}
    with pytest.raises(NotFoundError):
        api.get_catalog(group_id=MISSING_ID)


@pytest.mark.parametrize("user", [GRACE_MAIL, GRACE_ID])
def test_returns_the_attempts_of_a_user_at_a_course(sandbox, api, v1, session_id, user):
    assert api.get_user_course_stats(course_id=WELCOME_COURSE_ID, user=user) == []
    sandbox.control.advance(60)
    (attempt,) = api.get_user_course_stats(course_id=WELCOME_COURSE_ID, user=user)
    assert (attempt["progress"], attempt["completed_at"] is None) == (100, False)
    (same,) = v1.get_user_course_stats(course_id=WELCOME_COURSE_ID, user=GRACE_MAIL)
    of_v2 = {name: attempt[name] for name in ("version_number", "lang")}  # null in API v1
    assert attempt == {**same, **of_v2}
    assert list(of_v2.values()) in ([1, "en"], [None, None])
    assert api.get_user_course_stats(course_id=WELCOME_COURSE_ID, user=ADMIN_ID) == []


def test_lists_the_attempts_of_a_user_at_all_courses(sandbox, api, v1, session_id):
    assert api.list_user_course_stats(user=GRACE_MAIL) == []
    sandbox.control.advance(60)
    attempts = {each["course_id"]: each for each in api.list_user_course_stats(user=GRACE_ID)}
    assert attempts.keys() == {WELCOME_COURSE_ID, SECURITY_COURSE_ID}
    for course_id, attempt in attempts.items():
        (same,) = api.get_user_course_stats(course_id=course_id, user=GRACE_MAIL)
        assert attempt.items() >= same.items()
    assert attempts[WELCOME_COURSE_ID]["course_name"] in ("Welcome to Acme", None)
    assert api.list_user_course_stats(user=ADMIN_ID) == []


def test_an_unfinished_attempt_has_no_completion(sandbox, api, session_id):
    sandbox.control.advance(7)
    (attempt,) = api.get_user_course_stats(course_id=WELCOME_COURSE_ID, user=GRACE_MAIL)
    assert 0 < attempt["progress"] < 100
    assert (attempt["score"], attempt["completed_at"]) == (None, None)
    assert attempt["first_activity"] <= attempt["last_activity"]
    assert attempt["time_spent_ms"] > 0


def test_raises_for_a_missing_course_or_user(api, v1):
    with pytest.raises(NotFoundError):
        api.get_user_course_stats(course_id=MISSING_ID, user=GRACE_MAIL)
    v1.delete_user(user=GRACE_ID)
    for user in (GRACE_MAIL, GRACE_ID, MISSING_ID):
        with pytest.raises(NotFoundError) as caught:
            api.get_user_course_stats(course_id=WELCOME_COURSE_ID, user=user)
        assert caught.value.code == "user_not_found"  # by which a wait for many users leaves out deleted ones
        with pytest.raises(NotFoundError):
            api.list_user_course_stats(user=user)


@pytest.mark.parametrize(
    ("action", "arguments", "problem"),
    [
        ("list_courses", {"created_after": "yesterday"}, "created_after is 'yesterday'"),
        ("get_catalog", {"group_id": "x"}, "group_id is 'x'"),
        ("get_user_course_stats", {"course_id": "x", "user": GRACE_MAIL}, "course_id is 'x'"),
        ("get_user_course_stats", {"course_id": WELCOME_COURSE_ID, "user": "x"}, "user is 'x'"),
    ],
)
def test_reports_an_invalid_argument_before_anything_is_sent(api, sent, action, arguments, problem):
    with pytest.raises(InvalidRequestError, match=f"{problem}.*Nothing was sent"):
        getattr(api, action)(**arguments)
    assert sent() == []
