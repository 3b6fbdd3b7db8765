"""What courses of API v2 have, and those of API v1 do not."""

from __future__ import annotations

import pytest

from airflow_provider_360learning.sandbox.demo_company import (
    ADMIN_ID,
    GRACE_ID,
    GRACE_MAIL,
    ONBOARDING_PATH_ID,
    ROOT_GROUP_ID,
    SALES_GROUP_ID,
    SECURITY_COURSE_ID,
    WELCOME_COURSE_ID,
)
from tests.api.factory import api_factory


@pytest.fixture
def v1(sandbox):
    with api_factory(sandbox, "v1") as make:
        yield make()


def test_intervals_are_widened_to_whole_seconds(api, sent):
    api.list_courses(
        created_after="2026-01-01T00:00:00.999Z",
        created_before="2026-01-02T00:00:00.001Z",
        modified_after="2026-01-01T01:00:00+01:00",
        modified_before="2026-01-02T00:00:00Z",
    )
    (entry,) = sent("getCourses")
    assert entry["query"] == {
        "createdAt[gte]": "2026-01-01T00:00:00.000Z",
        "createdAt[lt]": "2026-01-02T00:00:01.000Z",
        "modifiedAt[gte]": "2026-01-01T00:00:00.000Z",
        "modifiedAt[lt]": "2026-01-02T00:00:00.000Z",
    }


def test_courses_have_the_id_of_their_author(api):
    assert {(course["author_id"], course["author_mail"]) for course in api.list_courses()} == {(ADMIN_ID, None)}


def test_courses_catalogs_and_attempts_are_read_page_by_page(sandbox, api, v1, sent):
    for name in ("May", "June"):
        made = v1.create_path_session(
            path_id=ONBOARDING_PATH_ID, name=name, session_start="2026-05-01T00:00:00Z", group_id=ROOT_GROUP_ID
        )
        v1.enroll_users(session_id=made["session_id"], users=[GRACE_MAIL])
    v1.add_to_catalog(group_id=SALES_GROUP_ID, course_ids=[WELCOME_COURSE_ID, SECURITY_COURSE_ID])
    sandbox.control.advance(60)
    sandbox.control.settings(max_page_size=1)
    assert len(api.list_courses()) == len(sent("getCourses")) == 3
    assert [item["id"] for item in api.get_catalog(group_id=SALES_GROUP_ID)["courses"]] == [
        WELCOME_COURSE_ID,
        SECURITY_COURSE_ID,
    ]
    assert len(sent("getCatalogContentIds")) == 3
    attempts = api.get_user_course_stats(course_id=WELCOME_COURSE_ID, user=GRACE_ID)
    assert len({attempt["attempt_id"] for attempt in attempts}) == len(attempts) == 2
    assert len(sent("getAllCourseStats")) == 2


def test_a_course_without_attempts_is_looked_up_once(sandbox, api, sent):
    for _ in range(3):
        assert api.get_user_course_stats(course_id=WELCOME_COURSE_ID, user=GRACE_MAIL) == []
    assert [len(sent(name)) for name in ("getUsers", "getAllCourseStats", "getCourse", "getUser")] == [1, 3, 1, 3]
