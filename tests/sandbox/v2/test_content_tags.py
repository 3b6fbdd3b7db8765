"""Tags of courses and paths in API v2."""

from __future__ import annotations

import pytest

from airflow_provider_360learning.sandbox.demo_company import (
    ONBOARDING_PATH_ID,
    SAFETY_TAG_ID,
    SALES_TAG_ID,
    SECURITY_COURSE_ID,
    WELCOME_COURSE_ID,
)

UNKNOWN = "0" * 24
COURSE, PATH = f"/courses/{WELCOME_COURSE_ID}/tags", f"/paths/{ONBOARDING_PATH_ID}/tags"


@pytest.mark.parametrize("route", [COURSE, PATH])
def test_tags_are_replaced(client, route):
    assert client("PUT", route, {"tagIds": [SALES_TAG_ID.upper(), SALES_TAG_ID]}).json == [SALES_TAG_ID]
    assert client("GET", route).json == [{"tagId": SALES_TAG_ID, "source": "native"}]
    assert client("PUT", route, {"tagIds": []}).json == []
    assert client("GET", route).json == []


def test_courses_are_found_by_their_tags(client):
    client("PUT", COURSE, {"tagIds": [SALES_TAG_ID]})
    assert client("GET", f"/courses?tagIds[in]={SALES_TAG_ID}").ids == [WELCOME_COURSE_ID]
    assert client("GET", f"/courses?tagIds[in]={SAFETY_TAG_ID}").ids == [SECURITY_COURSE_ID]


@pytest.mark.parametrize(
    ("route", "tag_ids", "status", "code"),
    [
        (f"/courses/{UNKNOWN}/tags", [], 404, "courseNotFound"),
        (f"/paths/{UNKNOWN}/tags", [], 404, "pathNotFound"),
        (COURSE, [UNKNOWN], 404, "tagNotFound"),
        (PATH, [UNKNOWN], 404, "tagNotFound"),
    ],
)
def test_what_does_not_exist_is_refused(client, route, tag_ids, status, code):
    response = client("PUT", route, {"tagIds": tag_ids})
    assert (response.status, response.code) == (status, code)


def test_an_archived_path_keeps_its_tags(sandbox, client):
    sandbox.control.change_path(ONBOARDING_PATH_ID, archived=True)
    response = client("PUT", PATH, {"tagIds": [SALES_TAG_ID]})
    assert (response.status, response.code) == (400, "pathArchived")


@pytest.mark.unpublished_requests
@pytest.mark.parametrize("body", [{}, {"tagIds": "x"}, {"tagIds": [f"{number:024x}" for number in range(101)]}])
def test_malformed_tags_are_refused(client, body):
    assert client("PUT", COURSE, body).status == 400


def test_a_deleted_tag_is_gone_from_courses(client):
    assert client("DELETE", f"/tags/{SAFETY_TAG_ID}").status == 204
    assert client("GET", f"/courses/{SECURITY_COURSE_ID}/tags").json == []
