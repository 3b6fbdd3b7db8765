"""Courses in an eLearning standard, archived courses, and generated ones in API v2."""

from __future__ import annotations

import pytest

from airflow_provider_360learning.sandbox.demo_company import (
    ADMIN_ID,
    DRAFT_COURSE_ID,
    GRACE_ID,
    ROOT_GROUP_ID,
    SALES_GROUP_ID,
    WELCOME_COURSE_ID,
)

UNKNOWN = "0" * 24
FIELDS = {"name": "Safety", "sourceLang": "en", "authorId": ADMIN_ID, "groupId": SALES_GROUP_ID}
ZIP = ("safety.zip", "application/zip", "PK")


@pytest.fixture
def create(client):
    """Return a function that creates a course."""
    return lambda **changed: client.multipart("POST", "/courses/elearning-standard", FIELDS | changed, estdFile=ZIP)


def test_a_course_is_created_from_a_file(client, create):
    created = create(coAuthorIds=[GRACE_ID], description="<p>x</p>", duration="30")
    assert created.status == 201
    course = created.json
    assert (course["type"], course["coAuthorIds"], course["duration"]) == ("elearning standard", [GRACE_ID], 30)
    assert client("GET", f"/courses/{course['_id']}").json == course
    assert client("GET", "/courses?type[eq]=elearning%20standard").ids == [course["_id"]]
    assert client("GET", f"/courses?coAuthorIds[in]={GRACE_ID}").ids == [course["_id"]]


def test_given_fields_are_changed(client, create):
    course = create(duration="30").json
    changed = client.multipart("PATCH", f"/courses/elearning-standard/{course['_id']}", {"sourceLang": "fr"})
    assert changed.status == 200
    assert {name for name in course if course[name] != changed.json[name]} <= {
        "sourceLang",
        "defaultLang",
        "modifiedAt",
    }
    again = client.multipart("PATCH", f"/courses/elearning-standard/{course['_id']}", {}, estdFile=ZIP)
    assert again.json["currentVersionNumber"] == 2


@pytest.mark.parametrize(
    ("changed", "status", "code"),
    [
        ({"authorId": GRACE_ID}, 400, "userIsNotAnEditor"),
        ({"authorId": UNKNOWN}, 404, "usersNotFound"),
        ({"groupId": UNKNOWN}, 404, "groupNotFound"),
        ({"coAuthorIds": [UNKNOWN]}, 404, "usersNotFound"),
        ({"coAuthorIds": [ADMIN_ID, GRACE_ID]}, 400, "mainAuthorAsCoAuthor"),
        ({"duration": "0"}, 400, "invalidCourseDuration"),
        ({"duration": "a quarter"}, 400, "invalidCourseDuration"),
    ],
)
def test_refusals_of_a_course(create, changed, status, code):
    response = create(**changed)
    assert (response.status, response.code) == (status, code)


def test_refusals_of_a_change(client, create):
    def refusal(course_id, fields):
        response = client.multipart("PATCH", f"/courses/elearning-standard/{course_id}", fields)
        return response.status, response.code

    assert refusal(WELCOME_COURSE_ID, {"name": "x"}) == (400, "courseNotEstd")
    assert refusal(UNKNOWN, {"name": "x"}) == (404, "courseNotFound")
    assert refusal(create().json["_id"], {"coAuthorIds": [ADMIN_ID]}) == (400, "mainAuthorAsCoAuthor")


@pytest.mark.unpublished_requests
@pytest.mark.parametrize("missing", FIELDS)
def test_required_fields(client, missing):
    fields = {name: value for name, value in FIELDS.items() if name != missing}
    assert client.multipart("POST", "/courses/elearning-standard", fields, estdFile=ZIP).status == 400


@pytest.mark.unpublished_requests
def test_a_file_is_required_and_of_the_documented_type(client):
    assert client.multipart("POST", "/courses/elearning-standard", FIELDS).status == 400
    text = ("safety.txt", "text/plain", "x")
    assert client.multipart("POST", "/courses/elearning-standard", FIELDS, estdFile=text).status == 400


def test_an_empty_file_cannot_be_processed(client):
    response = client.multipart(
        "POST", "/courses/elearning-standard", FIELDS, estdFile=("a.zip", "application/zip", "")
    )
    assert (response.status, response.code) == (400, "invalidFile")


def test_archiving_is_no_modification(client):
    before = client("GET", f"/courses/{WELCOME_COURSE_ID}").json
    for archived, status in ((True, "archived"), (False, "published")):
        changed = client("PUT", f"/courses/{WELCOME_COURSE_ID}/archive", {"archived": archived}).json
        assert changed == before | {"status": status}
        assert WELCOME_COURSE_ID in client("GET", f"/courses?status[eq]={status}").ids


@pytest.mark.parametrize("course_id", [UNKNOWN, DRAFT_COURSE_ID])
def test_an_unknown_course_cannot_be_archived(client, course_id):
    response = client("PUT", f"/courses/{course_id}/archive", {"archived": True})
    assert (response.status, response.code) == (404, "courseNotFound")


def test_a_generated_course_is_there(client):
    prompt = {"prompt": "How to learn a language", "authorId": ADMIN_ID}
    assert client("POST", "/courses/generate-from-prompt", prompt).content == b""
    course = client("GET", "/courses").json[-1]
    assert (course["name"], course["groupId"]) == ("How to learn a language", ROOT_GROUP_ID)
    refused = client("POST", "/courses/generate-from-prompt", prompt | {"authorId": GRACE_ID})
    assert (refused.status, refused.code) == (400, "userIsNotAnEditor")
    unknown = client("POST", "/courses/generate-from-prompt", prompt | {"authorId": UNKNOWN})
    assert (unknown.status, unknown.code) == (400, "userIsNotAnEditor")
