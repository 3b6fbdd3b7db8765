"""Certificates of users, and the outlines that they are made from."""

from __future__ import annotations

import pytest

from airflow_provider_360learning.sandbox.demo_company import (
    ADMIN_ID,
    ADMIN_MAIL,
    GRACE_ID,
    ONBOARDING_PATH_ID,
    ROOT_GROUP_ID,
)

UNKNOWN = "64b1f0c2a9d3e40012acffff"
OF_GRACE = f"/users/{GRACE_ID}/certificates"
OUTLINE = {"title": "Diploma", "groupId": ROOT_GROUP_ID, "bodyHtml": "<p></p>"}


@pytest.fixture
def import_certificate(client):
    """Return a function that imports a certificate as a multipart body."""

    def send(path=OF_GRACE, **changes):
        fields = {"deliveryDate": "2026-01-31T00:00:00.000Z", "title": "First aid"} | changes
        return client.multipart("POST", path, fields, file=("a.pdf", "application/pdf", "%PDF-1.4"))

    return send


@pytest.fixture
def outline_id(client):
    """Return the id of an outline whose certificates are valid for 13 months."""
    return client("POST", "/certificate-outlines", OUTLINE | {"validityPeriod": 13}).json["_id"]


def test_imports_lists_and_returns_a_certificate(client, import_certificate):
    made = import_certificate(expirationDate="2027-01-31T00:00:00.000Z")
    assert made.status == 201
    assert made.json == {
        "_id": made.json["_id"],
        "type": "external",
        "title": "First aid",
        "deliveryDate": "2026-01-31T00:00:00.000Z",
        "expirationDate": "2027-01-31T00:00:00.000Z",
    }
    assert client("GET", OF_GRACE).json == [made.json]
    assert client("GET", f"{OF_GRACE}?deliveryDate[gte]=2026-02-01T00:00:00.000Z").json == []
    pdf = client("GET", f"{OF_GRACE}/{made.json['_id']}/pdf")
    assert (pdf.headers["content-type"], pdf.content[:5]) == ("application/pdf", b"%PDF-")
    assert client("GET", f"/users/{ADMIN_ID}/certificates/{made.json['_id']}/pdf").code == "certificateNotFound"


def test_an_outline_decides_the_expiration(import_certificate, outline_id):
    made = import_certificate(certificateOutlineId=outline_id).json
    assert (made["expirationDate"], made["validityPeriod"]) == ("2027-02-28T00:00:00.000Z", 13)
    refused = import_certificate(certificateOutlineId=outline_id, expirationDate="2027-01-31T00:00:00.000Z")
    assert refused.code == "unexpectedExpiryDate"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({}, "CertificateAlreadyImported"),
        ({"deliveryDate": "2999-01-31T00:00:00.000Z"}, "deliveryDateInFuture"),
        ({"expirationDate": "2025-01-31T00:00:00.000Z"}, "expiryDateBeforeDeliveryDate"),
        ({"certificateOutlineId": UNKNOWN}, "certificateOutlineNotFound"),
        ({"path": f"/users/{UNKNOWN}/certificates"}, "userNotFound"),
    ],
)
def test_refuses_a_certificate(import_certificate, changes, code):
    import_certificate()
    assert import_certificate(**changes).code == code


def test_refuses_a_certificate_of_a_deleted_user(client, import_certificate):
    client("DELETE", f"/users/{GRACE_ID}")
    assert import_certificate().code == "userNotFound"


def test_changes_the_privacy_of_all_certificates_or_none(sandbox, client, import_certificate):
    made = import_certificate().json["_id"]
    path = f"{OF_GRACE}/privacy-level"
    refused = client("PATCH", path, {"certificateIds": [made, UNKNOWN], "isPublic": True})
    assert refused.code == "certificateNotFound"
    assert [each["public"] for each in sandbox.control.state()["certificates"]] == [False]
    assert client("PATCH", path, {"certificateIds": [made], "isPublic": True}).json == {}
    too_many = client("PATCH", path, {"certificateIds": [made] * 1001, "isPublic": True})
    assert too_many.code == "tooManyCertificatesToUpdate"
    sandbox.control.settings(public_certificates=False)
    assert client("PATCH", path, {"certificateIds": [made], "isPublic": True}).code == (
        "privacyLevelNotAllowedByCompanySettings"
    )


def test_creates_changes_and_deletes_outlines(client, outline_id):
    path = f"/certificate-outlines/{outline_id}"
    listed = client("GET", f"/certificate-outlines?groupId[eq]={ROOT_GROUP_ID}").json
    expected = {"_id": outline_id, "title": "Diploma", "groupId": ROOT_GROUP_ID, "createdAt": listed[0]["createdAt"]}
    assert listed == [expected]
    assert client("PATCH", path, {"title": "Degree", "validityPeriod": None}).json == {**listed[0], "title": "Degree"}
    assert client("DELETE", path).status == 204
    assert client("DELETE", path).code == "certificateOutlineNotFound"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"groupId": UNKNOWN}, "groupNotFound"),
        ({"logoImageId": UNKNOWN}, "mediaNotFound"),
        ({"validityPeriodWording": "a year"}, "wordingWithMissingTag"),
    ],
)
def test_refuses_an_outline(client, outline_id, changes, code):
    assert client("POST", "/certificate-outlines", OUTLINE | changes).code == code
    assert client("PATCH", f"/certificate-outlines/{outline_id}", changes).code == code


@pytest.fixture
def path_id(client, outline_id):
    """Return the id of a path that delivers certificates."""
    changed = client.multipart("PATCH", f"/paths/{ONBOARDING_PATH_ID}", {"certificateId": outline_id})
    assert changed.json["certificateId"] == outline_id
    return ONBOARDING_PATH_ID


def test_an_outline_that_a_path_uses_is_not_deleted(client, outline_id, path_id):
    refused = client("DELETE", f"/certificate-outlines/{outline_id}")
    assert (refused.status, refused.code) == (409, "certificateOutlineStillUsed")
    unknown = client.multipart("PATCH", f"/paths/{path_id}", {"certificateId": UNKNOWN})
    assert unknown.code == "certificateOutlineNotFound"


def test_a_path_delivers_a_certificate_to_who_completes_it_with_success(sandbox, client, outline_id, path_id):
    sandbox.control.settings(learner_seconds=60, unsuccessful_mails=[ADMIN_MAIL])
    body = {
        "name": "May",
        "mainInstructorId": ADMIN_ID,
        "startDate": "2026-05-01T00:00:00Z",
        "registrationRequestValidation": "disabled",
    }
    session = client("POST", f"/paths/{path_id}/sessions", body).json["_id"]
    audience = {"mode": "manual", "filters": [{"type": "users", "ids": [GRACE_ID, ADMIN_ID]}]}
    of_session = f"/paths/{path_id}/sessions/{session}"
    assert client("PUT", f"{of_session}/audiences", audience).status == 200
    assert client("GET", OF_GRACE).json == []
    sandbox.control.advance(90)
    (found,) = client("GET", OF_GRACE).json
    assert (found["type"], found["title"], found["certificateOutlineId"]) == ("path", "Diploma", outline_id)
    assert (found["pathId"], found["pathName"], found["pathSessionId"]) == (path_id, "Onboarding", session)
    assert client("GET", f"/users/{ADMIN_ID}/certificates").json == []
    assert client("GET", f"{of_session}/user-statuses").json["certificates"] == 1
    statistics = {each["userId"]: each.get("certificateId") for each in client("GET", f"{of_session}/user-stats").json}
    assert statistics == {GRACE_ID: found["_id"], ADMIN_ID: None}
    public = {"certificateIds": [found["_id"]], "isPublic": True}
    assert client("PATCH", f"{OF_GRACE}/privacy-level", public).json == {}
    assert client("GET", OF_GRACE).json == [found]


def test_an_outline_has_an_image_of_a_group(sandbox, client, outline_id):
    logo = ("logo.png", "image/png", "png")
    group = client.multipart("POST", f"/groups/{ROOT_GROUP_ID}/media", {"authorId": ADMIN_ID}, logo=logo).json
    path = f"/certificate-outlines/{outline_id}"
    assert client("PATCH", path, {"logoImageId": group["logoImageId"]}).status == 200
    (stored,) = sandbox.control.state()["certificate_outlines"]
    assert stored["texts"]["logoImageId"] == group["logoImageId"]
