"""Custom fields of API v2, and their values of users, courses and path sessions."""

from __future__ import annotations

import pytest

from airflow_provider_360learning.sandbox.demo_company import (
    DEPARTMENT_FIELD_ID,
    GRACE_ID,
    HIRING_FIELD_ID,
    ONBOARDING_PATH_ID,
    ROOT_GROUP_ID,
    SITE_FIELD_ID,
    WELCOME_COURSE_ID,
)

UNKNOWN = "64b1f0c2a9d3e40012acffff"
OF_GRACE = f"/users/{GRACE_ID}/custom-fields/values"
OF_COURSE = f"/courses/{WELCOME_COURSE_ID}/custom-fields/values"


def value(field, text, kind="string"):
    return {"customFieldId": field, "type": kind, "value": text}


def put(client, path, *values):
    return client("PUT", path, {"customValues": list(values)})


@pytest.fixture
def level(client):
    """Return the id of a custom field of contents."""
    made = client("POST", "/custom-fields", {"name": "Level", "targetType": "contents", "type": "string"})
    assert made.status == 201
    return made.json["_id"]


@pytest.fixture
def of_session(client):
    """Return the path of the values of a path session."""
    body = {
        "name": "May",
        "mainInstructorId": GRACE_ID,
        "startDate": "2026-05-01T00:00:00Z",
        "registrationRequestValidation": "disabled",
    }
    made = client("POST", f"/paths/{ONBOARDING_PATH_ID}/sessions", body)
    return f"/paths/{ONBOARDING_PATH_ID}/sessions/{made.json['_id']}/custom-fields/values"


def test_lists_custom_fields(client):
    assert client("GET", "/custom-fields?type[eq]=date").json == [
        {"_id": HIRING_FIELD_ID, "name": "Hired on", "targetType": "users", "type": "date"}
    ]
    assert len(client("GET", "/custom-fields?targetType[in][0]=users").json) == 3
    assert client("GET", "/custom-fields?targetType[eq]=contents").json == []


def test_renames_and_deletes_a_custom_field_with_its_values(client):
    path = f"/custom-fields/{DEPARTMENT_FIELD_ID}"
    put(client, OF_GRACE, value(DEPARTMENT_FIELD_ID, "Navy"), value(SITE_FIELD_ID, "Lyon"))
    renamed = {"_id": DEPARTMENT_FIELD_ID, "name": "Team", "targetType": "users", "type": "string"}
    assert client("PATCH", path, {"name": "Team"}).json == renamed
    assert client("DELETE", path).status == 204
    assert client("DELETE", path).code == "customFieldNotFound"
    assert client("GET", OF_GRACE).json == [value(SITE_FIELD_ID, "Lyon")]


@pytest.mark.parametrize(
    ("changes", "code"),
    [({"name": "Site"}, "nameAlreadyTaken"), ({"name": " "}, "invalidName")],
)
def test_refuses_a_name(client, changes, code):
    body = {"name": "Team", "targetType": "users", "type": "string"} | changes
    assert client("POST", "/custom-fields", body).code == code
    assert client("PATCH", f"/custom-fields/{DEPARTMENT_FIELD_ID}", changes).code == code
    assert len(client("GET", "/custom-fields").json) == 3


def test_refuses_what_the_company_may_not_have(sandbox, client):
    sandbox.control.settings(content_custom_fields=False, max_custom_fields=3)
    body = {"name": "Team", "targetType": "users", "type": "string"}
    assert client("POST", "/custom-fields", body).code == "customFieldLimitReached"
    of_contents = client("POST", "/custom-fields", body | {"targetType": "contents"})
    assert of_contents.code == "customFieldsTargetTypeNotEnabled"
    assert client("GET", OF_COURSE).code == "courseCustomFieldsNotEnabled"


def test_replaces_authorized_values(client):
    path = f"/custom-fields/{SITE_FIELD_ID}/authorized-values"
    assert client("GET", path).json == ["Lyon", "Paris"]
    put(client, OF_GRACE, value(SITE_FIELD_ID, "Lyon"))
    assert client("PUT", path, {"authorizedValues": ["Paris"]}).code == "customFieldValuesConflict"
    assert client("PUT", path, {"authorizedValues": ["Lyon", "Rome"]}).json == ["Lyon", "Rome"]
    assert client("GET", path).json == ["Lyon", "Rome"]


def test_authorized_values_of_a_date_are_dates(client):
    path = f"/custom-fields/{HIRING_FIELD_ID}/authorized-values"
    assert client("PUT", path, {"authorizedValues": ["soon"]}).code == "authorizedValuesTypeMismatch"
    assert client("PUT", path, {"authorizedValues": ["2026-01-31"]}).json == ["2026-01-31"]


def test_replaces_values_of_a_user(sandbox, client):
    first, second = value(DEPARTMENT_FIELD_ID, "Navy"), value(HIRING_FIELD_ID, "2026-01-31", "date")
    assert put(client, OF_GRACE, first).json == [first]
    assert put(client, OF_GRACE, second).json == [second]
    sandbox.control.settings(custom_values_left_out="kept")
    assert put(client, OF_GRACE, first).json == [second, first]


def test_replaces_values_of_courses_and_path_sessions(sandbox, client, level, of_session):
    for path in (OF_COURSE, of_session):
        assert client("GET", path).json == []
        assert put(client, path, value(level, "A")).json == [value(level, "A")]
        assert client("GET", path).json == [value(level, "A")]
    sandbox.control.settings(custom_values_left_out="kept")  # of users only
    assert put(client, OF_COURSE).json == []
    assert client("DELETE", f"/custom-fields/{level}").status == 204
    assert client("GET", of_session).json == []


def test_custom_fields_of_users_and_of_contents_are_apart(client, level):
    assert put(client, OF_COURSE, value(SITE_FIELD_ID, "Lyon")).code == "customFieldNotFound"
    assert put(client, OF_GRACE, value(level, "A")).code == "customFieldNotFound"


def test_a_session_is_found_under_its_path_only(client):
    path = f"/paths/{ROOT_GROUP_ID}/sessions/{UNKNOWN}/custom-fields/values"
    assert client("GET", path).code == "pathNotFound"
    assert client("GET", f"/paths/{ONBOARDING_PATH_ID}/sessions/{UNKNOWN}/custom-fields/values").code == (
        "sessionNotFound"
    )


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ([value(UNKNOWN, "x")], "customFieldNotFound"),
        ([value(SITE_FIELD_ID, "Rome")], "unauthorizedValue"),
        ([value(SITE_FIELD_ID, "2026-01-31", "date")], "wrongTypeValue"),
        ([value(HIRING_FIELD_ID, "soon", "date")], "wrongTypeValue"),
        ([value(SITE_FIELD_ID, "Lyon")] * 2, "multipleValuesForSingleCustomField"),
    ],
)
def test_refuses_values(client, values, code):
    assert put(client, OF_GRACE, *values).code == code
    assert client("GET", OF_GRACE).json == []
