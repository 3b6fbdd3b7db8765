"""Tags in API v1, which calls them skills."""

from __future__ import annotations

import pytest

from airflow_provider_360learning.sandbox.demo_company import (
    ONBOARDING_PATH_ID,
    SECURITY_COURSE_ID,
    WELCOME_COURSE_ID,
)

UNKNOWN = "0" * 24


@pytest.fixture
def tags(client):
    """Return a function that lists the tags by name."""
    return lambda: {tag["name"]: tag for tag in client("GET", "/skills").json()}


@pytest.fixture
def tag_id(client, tags):
    client("POST", "/skills", json=[{"name": "listening", "isMain": True, "externalId": "1"}, {"name": "reading"}])
    return tags()["listening"]["_id"]


def test_lists_tags_with_their_author(tags, tag_id):
    author, reading = "admin@acme.test", tags()["reading"]
    assert tags()["listening"] == {
        "_id": tag_id,
        "name": "listening",
        "isMain": True,
        "author": author,
        "externalId": "1",
    }
    assert reading == {"_id": reading["_id"], "name": "reading", "isMain": False, "author": author}


def test_changes_the_given_fields_of_a_tag(client, tags, tag_id):
    assert client("PUT", f"/skills/{tag_id}", json={"isMain": False}).status_code == 200
    assert (tags()["listening"]["isMain"], tags()["listening"]["externalId"]) == (False, "1")


@pytest.mark.parametrize("body", [{}, [], [{}], [{"name": ""}], ["x"], [{"name": "new"}, {"name": "listening"}]])
def test_an_invalid_tag_refuses_all(client, tags, tag_id, body):
    before = tags()
    assert client("POST", "/skills", json=body).status_code == 400
    assert tags() == before


@pytest.mark.parametrize(
    ("body", "error"), [({}, "bad_request"), ({"name": ""}, "invalid argument : name"), ({"isMain": "x"}, "invalid")]
)
def test_invalid_changes_are_refused(client, tag_id, body, error):
    response = client("PUT", f"/skills/{tag_id}", json=body)
    assert response.status_code == 400
    assert error in response.json()["error"]


def test_the_name_of_another_tag_and_an_unknown_tag_are_refused(client, tag_id):
    assert client("PUT", f"/skills/{tag_id}", json={"name": "reading"}).json() == {"error": "skill_already_exists"}
    assert client("PUT", f"/skills/{UNKNOWN}", json={"name": "x"}).json() == {"error": "skill_not_found"}


def test_contents_are_tagged_when_a_tag_is_made_or_changed(sandbox, client, tags):
    def tags_of(kind, id):
        return next(each["tags"] for each in sandbox.control.state()[kind] if each["id"] == id)

    item = {"name": "listening", "courseId": [WELCOME_COURSE_ID], "pathId": [ONBOARDING_PATH_ID]}
    client("POST", "/skills", json=[item])
    tag = tags()["listening"]["_id"]
    assert tag in tags_of("courses", WELCOME_COURSE_ID)
    assert tag in tags_of("paths", ONBOARDING_PATH_ID)
    for _ in range(2):
        client("PUT", f"/skills/{tag}", json={"courseIds": [SECURITY_COURSE_ID]})
    assert tags_of("courses", SECURITY_COURSE_ID).count(tag) == 1
    assert tag in tags_of("courses", WELCOME_COURSE_ID)
    refused = client("POST", "/skills", json=[{"name": "new"}, {"name": "newer", "courseId": [UNKNOWN]}])
    assert refused.json() == {"error": "invalid argument : courseId"}
    assert "new" not in tags()
