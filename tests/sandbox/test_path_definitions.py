"""Paths themselves in API v1."""

from __future__ import annotations

import pytest

from airflow_provider_360learning.sandbox.demo_company import (
    ADMIN_ID,
    ADMIN_MAIL,
    GRACE_ID,
    GRACE_MAIL,
    ONBOARDING_PATH_ID,
    ROOT_GROUP_ID,
    SALES_GROUP_ID,
    WELCOME_COURSE_ID,
)

UNKNOWN = "0" * 24
COURSE = {"type": "course", "id": WELCOME_COURSE_ID}
SAFETY = {"name": "Safety", "ownerGroup": SALES_GROUP_ID, "steps": [COURSE]}


def test_a_path_is_created_with_its_steps(client):
    email = {"type": "email", "title": "Welcome", "bodyHtml": "<p>x</p>"}
    assessment = {"type": "assessment", "assessmentName": "On the job", "assessorType": "managers"}
    body = {**SAFETY, "steps": [email, COURSE, assessment], "authorMails": [GRACE_MAIL, ADMIN_MAIL]}
    created = client("POST", "/paths/", json=body)
    assert created.status_code == 200
    path = client("GET", f"/paths/{created.json()['_id']}").json()
    assert (path["name"], path["groupId"], path["authorId"]) == ("Safety", SALES_GROUP_ID, GRACE_ID)
    assert [(step["type"], step["title"]) for step in path["steps"]] == [
        ("email", "Welcome"),
        ("course", "Welcome to Acme"),
        ("assessment", "On the job"),
    ]
    assert path in client("GET", "/paths").json()


def test_without_authors_the_owner_of_the_platform_is_the_author(client):
    for authors in ({}, {"authorMails": None}, {"authorMails": []}):
        created = client("POST", "/paths", json={**SAFETY, **authors}).json()
        assert client("GET", f"/paths/{created['_id']}").json()["authorId"] == ADMIN_ID


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"name": ""}, "Request validation failed: name should not be empty"),
        ({"name": None}, "Request validation failed: name should not be empty"),
        ({"ownerGroup": None}, "Request validation failed: ownerGroup should not be empty"),
        ({"ownerGroup": UNKNOWN}, "group_not_found"),
        ({"steps": []}, "Request validation failed: steps should not be empty"),
        ({"steps": [{"type": "course", "id": UNKNOWN}]}, "course_not_found"),
        ({"steps": [{"type": "webinar"}]}, "Request validation failed: steps must have a type"),
        ({"steps": [{"type": "email"}]}, "Request validation failed: steps must have a title"),
        ({"authorMails": ["unknown@acme.test"]}, "invalid_authors"),
        ({"linear": "maybe"}, "invalid argument : linear"),
    ],
)
def test_an_invalid_path_is_refused(client, changes, error):
    response = client("POST", "/paths", json=SAFETY | changes)
    assert response.status_code == 400
    assert response.json()["error"].startswith(error)


def test_a_path_is_changed_in_the_given_fields(client):
    path = f"/paths/{ONBOARDING_PATH_ID}"
    before = client("GET", path).json()
    changes = {"description": "<p>new</p>", "defaultLang": "fr", "linear": True}
    assert client("PUT", path, json=changes).status_code == 200
    after = client("GET", path).json()
    assert after == {
        **before,
        "description": "<p>new</p>",
        "defaultLang": "fr",
        "modifiedAt": after["modifiedAt"],
    }
    assert client("PUT", path, json={"name": ""}).status_code == 400
    assert client("PUT", path, json={"ownerGroup": UNKNOWN}).json() == {"error": "group_not_found"}
    assert client("PUT", f"/paths/{UNKNOWN}", json=changes).json() == {"error": "path_not_found"}


def test_users_of_a_path_are_listed_once(client):
    for name in ("May", "June"):
        body = {"sessionName": name, "sessionOwnerGroup": ROOT_GROUP_ID, "startDate": "2026-05-01T00:00:00.000Z"}
        session = client("POST", f"/paths/{ONBOARDING_PATH_ID}/sessions", json=body).json()["id"]
        client("PATCH", f"/paths/sessions/{session}/users", json={"userEmails": [GRACE_MAIL]})
    users = client("GET", f"/paths/{ONBOARDING_PATH_ID}/users").json()
    assert users == [{"_id": GRACE_ID, "mail": GRACE_MAIL, "firstName": "Grace", "lastName": "Hopper"}]
