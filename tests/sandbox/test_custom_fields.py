"""Custom fields of API v1, and their values."""

from __future__ import annotations

import pytest

from airflow_provider_360learning.sandbox.demo_company import (
    DEPARTMENT_FIELD_ID,
    GRACE_ID,
    GRACE_MAIL,
    SITE_FIELD_ID,
)

UNKNOWN = "f" * 24
SITE = {
    "_id": SITE_FIELD_ID,
    "name": "Site",
    "collection": "users",
    "isRestricted": True,
    "authorizedValues": ["Lyon", "Paris"],
}


@pytest.fixture
def values(client):
    """Return a function that returns the values of Grace by name of the custom field."""
    return lambda: {one["name"]: one["value"] for one in client("GET", f"/users/{GRACE_ID}").json()["customFields"]}


def put_values(client, *values, target=GRACE_ID):
    body = {"values": [{"customFieldId": field, "value": value} for field, value in values]}
    return client("PUT", f"/users/{target}/customfields", json=body)


def test_lists_creates_updates_and_deletes_custom_fields(client):
    assert client("GET", "/customfields").json()[2] == SITE
    body = {"name": "Team", "collection": "users", "isRestricted": True, "authorizedValues": ["A"]}
    made = client("POST", "/customfields", json=body).json()
    assert made == {**body, "_id": made["_id"]}
    path = f"/customfields/{made['_id']}"
    assert client("PUT", path, data={"name": "Crew", "isRestricted": "false"}).json() == {}
    assert client("GET", "/customfields").json()[3] == {
        **made,
        "name": "Crew",
        "isRestricted": False,
        "authorizedValues": [],
    }
    assert client("DELETE", path).status_code == 204
    assert client("DELETE", path).json() == {"error": "custom_field_not_found"}
    assert len(client("GET", "/customfields").json()) == 3


def test_sets_and_removes_values(client, values):
    assert put_values(client, (DEPARTMENT_FIELD_ID, "Navy"), (SITE_FIELD_ID, "Lyon")).json() == {}
    assert put_values(client, (SITE_FIELD_ID, "Paris")).json() == {}
    assert values() == {"Department": "Navy", "Site": "Paris"}
    for _ in range(2):
        assert client("DELETE", f"/customfields/{SITE_FIELD_ID}/users/{GRACE_ID}").json() == {}
    assert values() == {"Department": "Navy"}


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"collection": "users"}, "missing argument : name"),
        ({"name": "Team"}, "missing argument : collection"),
        ({"name": "Team", "collection": "courses"}, "invalid argument : collection"),
        ({"name": "Site", "collection": "users"}, "custom_field_already_exists"),
    ],
)
def test_refuses_a_creation(client, body, error):
    refused = client("POST", "/customfields", json=body)
    assert (refused.status_code, refused.json()) == (400, {"error": error})


@pytest.mark.parametrize(
    ("values", "status", "error"),
    [
        ([(UNKNOWN, "x")], 404, "custom_field_not_found"),
        ([(SITE_FIELD_ID, "Rome")], 400, "Request validation failed: value is not authorized"),
        ([(DEPARTMENT_FIELD_ID, "Navy"), (UNKNOWN, "x")], 404, "custom_field_not_found"),
    ],
)
def test_a_refused_value_changes_none(client, values, status, error):
    refused = put_values(client, *values)
    assert (refused.status_code, refused.json()) == (status, {"error": error})
    assert client("GET", f"/users/{GRACE_ID}").json()["customFields"] == []


def test_knows_users_by_their_ids_only(client):
    assert put_values(client, (SITE_FIELD_ID, "Lyon"), target=UNKNOWN).json() == {"error": "user_not_found"}
    assert put_values(client, (SITE_FIELD_ID, "Lyon"), target=GRACE_MAIL).json()["message"] == "Not Found"
    assert client("PUT", f"/courses/{GRACE_ID}/customfields", json={"values": []}).json()["message"] == "Not Found"


def test_responses_of_unknown_shape_say_that_they_are_assumed(client):
    assert client("GET", "/customfields").headers["X-Sandbox-Evidence"] == "assumed"
