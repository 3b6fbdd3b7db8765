"""Certificates and their outlines, which API v2 alone has; API v1 refuses them (tests/api/test_actions.py)."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from airflow_provider_360learning.api.types import Upload
from airflow_provider_360learning.exceptions import (
    AlreadyExistsError,
    InvalidRequestError,
    NotFoundError,
    OutcomeUnknownError,
    RefusedError,
)
from airflow_provider_360learning.sandbox.demo_company import ADMIN_MAIL, GRACE_ID, GRACE_MAIL, SALES_GROUP_ID
from tests.api.factory import api_factory

MISSING_ID = "0" * 24
PDF = Upload("first-aid.pdf", b"%PDF-1.4 \xff\x00")
IMPORT = {"user": GRACE_MAIL, "title": "First aid", "delivered_at": "2026-01-31T08:00:00.250Z", "file": PDF}
OUTLINE = {"title": "Diploma", "group": "Sales", "body_html": "<p>[person_first_name]</p>"}


@pytest.fixture
def api(sandbox):
    """Return API v2, which does not sleep between attempts."""
    with api_factory(sandbox, "v2") as make:
        yield make(client={"sleep": lambda seconds: None})


@pytest.fixture
def outline_id(api):
    """Return the id of an outline whose certificates are valid for a year."""
    return api.create_certificate_outline(**OUTLINE, validity_months=12)["certificate_outline_id"]


def certificates(api, **filters):
    return [each["title"] for each in api.list_user_certificates(user=GRACE_ID, **filters)]


# Certificates


def test_imports_a_certificate_once(api):
    made = api.import_user_certificate(**IMPORT, expires_at="2027-01-31T08:00:00Z")
    assert made == {"user": GRACE_MAIL, "certificate_id": made["certificate_id"], "outcome": "imported"}
    assert api.list_user_certificates(user=GRACE_MAIL) == [
        {
            "certificate_id": made["certificate_id"],
            "type": "external",
            "title": "First aid",
            "delivered_at": "2026-01-31T08:00:00.250Z",
            "expires_at": "2027-01-31T08:00:00.000Z",
            "validity_months": None,
            "certificate_outline_id": None,
            "path_id": None,
            "path_name": None,
            "session_id": None,
        }
    ]
    assert api.import_user_certificate(**IMPORT) == {**made, "outcome": "already_exists"}
    with pytest.raises(AlreadyExistsError, match=f"'First aid' already: {made['certificate_id']}"):
        api.import_user_certificate(**IMPORT, if_exists="fail")
    assert api.import_user_certificate(**{**IMPORT, "user": ADMIN_MAIL})["outcome"] == "imported"
    assert certificates(api) == ["First aid"]


def test_a_certificate_of_the_same_title_and_another_time_is_another_one(api):
    for delivered_at in ("2026-03-01T08:00:00Z", "2026-01-31T08:00:00Z"):
        assert api.import_user_certificate(**{**IMPORT, "delivered_at": delivered_at})["outcome"] == "imported"
    assert certificates(api) == ["First aid", "First aid"]


def test_an_import_whose_response_is_lost_is_confirmed_by_the_listing(sandbox, api):
    sandbox.control.add_fault("createUserCertificate", kind="drop_after")
    assert api.import_user_certificate(**IMPORT)["outcome"] == "imported"
    assert certificates(api) == ["First aid"]


def test_an_import_that_cannot_be_confirmed_is_reported_and_never_sent_twice(sandbox, api):
    sandbox.control.add_fault("createUserCertificate", kind="drop_before")
    with pytest.raises(OutcomeUnknownError):
        api.import_user_certificate(**IMPORT)
    sent = [entry["operation"] for entry in sandbox.control.journal()]
    assert sent.count("createUserCertificate") == 1


def test_a_certificate_that_360learning_refuses_as_imported_exists(sandbox, api):
    refused = {"error": {"code": "CertificateAlreadyImported", "message": "x"}}
    sandbox.control.add_fault("createUserCertificate", kind="status", status=400, body=refused, count=2)
    assert api.import_user_certificate(**IMPORT) == {
        "user": GRACE_MAIL,
        "certificate_id": None,
        "outcome": "already_exists",
    }
    with pytest.raises(AlreadyExistsError):
        api.import_user_certificate(**IMPORT, if_exists="fail")


def test_a_certificate_of_an_outline_expires_when_that_says(api, outline_id):
    api.import_user_certificate(**IMPORT, certificate_outline="Diploma")
    (found,) = api.list_user_certificates(user=GRACE_ID)
    assert (found["certificate_outline_id"], found["validity_months"]) == (outline_id, 12)
    assert found["expires_at"] == "2027-01-31T08:00:00.250Z"
    later = {**IMPORT, "delivered_at": "2026-02-01T08:00:00Z", "expires_at": "2027-01-31T08:00:00Z"}
    with pytest.raises(InvalidRequestError, match="unexpectedExpiryDate"):
        api.import_user_certificate(**later, certificate_outline_id=outline_id)


def test_filters_certificates_to_the_millisecond(api):
    for second in (0, 1):
        api.import_user_certificate(
            **{**IMPORT, "title": f"Aid {second}", "delivered_at": datetime(2026, 1, 1, 8, 0, second, 500_000, UTC)},
            expires_at=datetime(2027, 1, 1, 8, 0, second, 500_000, UTC),
        )
    first, second = "2026-01-01T08:00:00.501Z", "2026-01-01T08:00:01.500Z"
    assert certificates(api, delivered_after=first) == ["Aid 1"]
    assert certificates(api, delivered_before=second) == ["Aid 0"]
    assert certificates(api, expires_after="2027-01-01T08:00:01.500Z") == ["Aid 1"]
    assert certificates(api, expires_before="2027-01-01T08:00:01.500Z") == ["Aid 0"]


def test_changes_who_can_see_certificates(sandbox, api):
    made = api.import_user_certificate(**IMPORT)["certificate_id"]
    changed = api.update_certificate_privacy(user=GRACE_MAIL, certificate_ids=[made], public=True)
    assert changed == {"user": GRACE_MAIL, "outcome": "updated", "certificates": 1}
    assert [each["public"] for each in sandbox.control.state()["certificates"]] == [True]
    with pytest.raises(NotFoundError, match="certificateNotFound"):
        api.update_certificate_privacy(user=ADMIN_MAIL, certificate_ids=[made], public=True)
    sandbox.control.settings(public_certificates=False)
    with pytest.raises(RefusedError, match="privacyLevelNotAllowedByCompanySettings"):
        api.update_certificate_privacy(user=GRACE_MAIL, certificate_ids=[made], public=True)


def test_raises_for_missing_users_and_outlines_and_a_delivery_in_the_future(api):
    for user in ("nobody@acme.test", MISSING_ID):
        with pytest.raises(NotFoundError):
            api.list_user_certificates(user=user)
        with pytest.raises(NotFoundError):
            api.import_user_certificate(**{**IMPORT, "user": user})
    with pytest.raises(NotFoundError, match="certificateOutlineNotFound"):
        api.import_user_certificate(**IMPORT, certificate_outline_id=MISSING_ID)
    with pytest.raises(InvalidRequestError, match="deliveryDateInFuture"):
        api.import_user_certificate(**{**IMPORT, "delivered_at": "2999-01-01T00:00:00Z"})


# Outlines


def test_creates_an_outline_once(api, outline_id):
    (listed,) = api.list_certificate_outlines()
    assert listed == {
        "certificate_outline_id": outline_id,
        "title": "Diploma",
        "group_id": SALES_GROUP_ID,
        "created_at": listed["created_at"],
    }
    found = {"certificate_outline_id": outline_id, "title": "Diploma"}
    assert api.create_certificate_outline(**OUTLINE) == {**found, "outcome": "already_exists"}
    assert api.create_certificate_outline(**OUTLINE, if_exists="update") == {**found, "outcome": "updated"}
    with pytest.raises(AlreadyExistsError, match=f"'Diploma' exists already: {outline_id}"):
        api.create_certificate_outline(**OUTLINE, if_exists="fail")
    elsewhere = api.create_certificate_outline(**{**OUTLINE, "group": "Acme"})
    assert elsewhere["outcome"] == "created"
    assert [each["certificate_outline_id"] for each in api.list_certificate_outlines(group="Sales")] == [outline_id]


def test_a_creation_whose_response_is_lost_is_confirmed_by_the_listing(sandbox, api):
    sandbox.control.add_fault("createCertificateOutline", kind="drop_after")
    assert api.create_certificate_outline(**OUTLINE)["outcome"] == "created"
    assert len(api.list_certificate_outlines()) == 1


def test_updates_and_deletes_an_outline_once(sandbox, api, outline_id):
    updated = api.update_certificate_outline(
        certificate_outline="Diploma", title="Degree", validity_wording="For [validity_period] months"
    )
    assert updated == {"certificate_outline_id": outline_id, "outcome": "updated"}
    (stored,) = sandbox.control.state()["certificate_outlines"]
    assert (stored["title"], stored["validity_months"]) == ("Degree", 12)
    assert stored["texts"] == {
        "bodyHtml": "<p>[person_first_name]</p>",
        "validityPeriodWording": "For [validity_period] months",
    }
    deleted = {"certificate_outline_id": outline_id, "outcome": "deleted"}
    assert api.delete_certificate_outline(certificate_outline="Degree") == deleted
    assert api.delete_certificate_outline(certificate_outline_id=outline_id) == {**deleted, "outcome": "not_found"}
    with pytest.raises(NotFoundError):
        api.delete_certificate_outline(certificate_outline_id=outline_id, if_missing="fail")
    with pytest.raises(NotFoundError):
        api.update_certificate_outline(certificate_outline_id=outline_id, title="x")


def test_a_deletion_whose_response_is_lost_is_done(sandbox, api, outline_id):
    sandbox.control.add_fault("deleteCertificateOutline", kind="drop_after")
    deleted = api.delete_certificate_outline(certificate_outline_id=outline_id, if_missing="fail")
    assert deleted["outcome"] == "deleted"


def test_refuses_media_that_do_not_exist(api, outline_id):
    with pytest.raises(NotFoundError, match="mediaNotFound"):
        api.update_certificate_outline(certificate_outline_id=outline_id, logo_image_id=MISSING_ID)


@pytest.mark.parametrize(
    ("action", "arguments", "problem"),
    [
        ("import_user_certificate", {**IMPORT, "file": "/data/x.pdf"}, "file is not a file"),
        ("import_user_certificate", {**IMPORT, "delivered_at": "2026-01-31"}, "delivered_at is '2026-01-31'"),
        ("import_user_certificate", {**IMPORT, "expires_at": "2025-01-31T00:00:00Z"}, "expires_at is before"),
        ("create_certificate_outline", {**OUTLINE, "validity_months": 0}, "validity_months is 0"),
        (
            "create_certificate_outline",
            {**OUTLINE, "validity_wording": "a year"},
            r"validity_wording lacks the tag \[validity_period\]",
        ),
        (
            "update_certificate_outline",
            {"certificate_outline_id": MISSING_ID, "reference_number_wording": "No."},
            r"reference_number_wording lacks the tag \[reference_number\]",
        ),
        ("update_certificate_outline", {"certificate_outline": "Diploma"}, "needs at least one field to change"),
        ("update_certificate_privacy", {"user": GRACE_ID, "certificate_ids": [], "public": True}, "is empty"),
    ],
)
def test_reports_an_invalid_argument_before_anything_is_sent(sandbox, api, action, arguments, problem):
    sandbox.control.clear_journal()
    with pytest.raises(InvalidRequestError, match=problem):
        api.actions[action](**arguments)
    assert sandbox.control.journal() == []
