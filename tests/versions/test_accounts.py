"""Passwords, activation and pseudonymization, in both versions."""

from __future__ import annotations

import pytest

from airflow_provider_360learning.api.types import Upload
from airflow_provider_360learning.exceptions import (
    InvalidRequestError,
    NotAvailableError,
    NotFoundError,
    OutcomeUnknownError,
    RefusedError,
)
from airflow_provider_360learning.sandbox.demo_company import (
    DEPARTMENT_FIELD_ID,
    GRACE_ID,
    GRACE_MAIL,
    LINUS_INVITATION_ID,
    LINUS_MAIL,
)
from tests.api.factory import api_factory
from tests.api.support import everything_about

MISSING = "missing@acme.test"
MISSING_ID = "64b1f0c2a9d3e40012acffff"
PASSWORD = "s3cret-12"


@pytest.fixture
def grace(sandbox):
    """Return a function that returns Grace as the sandbox has her."""
    return lambda: next(each for each in sandbox.control.state()["users"] if each["id"] == GRACE_ID)


@pytest.fixture
def v2(sandbox):
    with api_factory(sandbox, "v2") as make:
        yield make()


# Passwords


@pytest.mark.parametrize("user", [GRACE_MAIL, GRACE_ID])
def test_sets_a_password(sandbox, api, user):
    assert api.set_password(user=user, password=PASSWORD) == {"user": user, "outcome": "set"}
    assert sandbox.control.has_password(GRACE_MAIL, PASSWORD)


def test_the_password_of_an_unknown_user_is_not_set(api):
    with pytest.raises(NotFoundError) as raised:
        api.set_password(user=MISSING, password=PASSWORD)
    assert PASSWORD not in everything_about(raised.value)


@pytest.mark.parametrize("password", ["", "  ", None])
def test_a_password_is_required(api, sent, password):
    with pytest.raises(InvalidRequestError, match="password"):
        api.set_password(user=GRACE_MAIL, password=password)
    assert sent() == []


def test_a_password_must_be_changed_at_the_next_login_in_api_v2(v2, grace):
    v2.set_password(user=GRACE_MAIL, password=PASSWORD, password_must_be_changed=True)
    assert grace()["password_must_be_changed"]
    with pytest.raises(InvalidRequestError, match="fewer than 8 characters"):
        v2.set_password(user=GRACE_MAIL, password="short")


# Activation, in API v2 only


@pytest.mark.parametrize("user", [LINUS_MAIL, LINUS_INVITATION_ID])
def test_activates_an_invited_user_once(v2, sandbox, user):
    for outcome in ("activated", "already_active"):
        done = v2.activate_user(user=user)
        assert done == {"user": user, "user_id": LINUS_INVITATION_ID, "outcome": outcome}
    operations = [each["operation"] for each in sandbox.control.journal()]
    assert operations.count("activateUser") == 1
    assert LINUS_MAIL in [each["mail"] for each in sandbox.control.state()["users"]]


@pytest.mark.parametrize("user", [GRACE_MAIL, GRACE_ID, MISSING])
def test_activates_no_deleted_or_unknown_user(v2, user):
    v2.delete_user(user=GRACE_MAIL)
    with pytest.raises(NotFoundError):
        v2.activate_user(user=user)


def test_api_v1_names_what_it_has_instead_of_an_activation(sandbox):
    with api_factory(sandbox, "v1") as make, pytest.raises(NotAvailableError, match="mode='create_active'"):
        make().activate_user(user=LINUS_MAIL)


# Profile images, in API v2 only


IMAGE = Upload("grace.png", b"\x89PNG")


@pytest.mark.parametrize("user", [GRACE_MAIL, GRACE_ID])
def test_sets_a_profile_image(v2, user):
    done = v2.set_profile_image(user=user, image=IMAGE)
    assert done == {
        "user": user,
        "user_id": GRACE_ID,
        "profile_image_id": v2.get_user(user=user)["profile_image_id"],
        "outcome": "set",
    }
    assert done["profile_image_id"] != v2.set_profile_image(user=user, image=IMAGE)["profile_image_id"]


def test_an_image_whose_response_is_lost_is_not_uploaded_twice(sandbox, v2):
    for kind in ("drop_after", "drop_before"):
        before = v2.get_user(user=GRACE_MAIL)["profile_image_id"]
        sandbox.control.add_fault("uploadUserMedia", kind=kind)
        if kind == "drop_before":
            with pytest.raises(OutcomeUnknownError):
                v2.set_profile_image(user=GRACE_MAIL, image=IMAGE)
        else:
            assert v2.set_profile_image(user=GRACE_MAIL, image=IMAGE)["profile_image_id"] != before
    operations = [entry["operation"] for entry in sandbox.control.journal()]
    assert operations.count("uploadUserMedia") == 2


@pytest.mark.parametrize("image", [None, "/etc/passwd", b"x"])
def test_an_action_takes_no_path_of_an_image(v2, sent, image):
    with pytest.raises(InvalidRequestError, match="image"):
        v2.set_profile_image(user=GRACE_MAIL, image=image)
    assert sent() == []


def test_a_file_that_is_no_image_is_refused(v2):
    with pytest.raises(InvalidRequestError, match="invalidFile"):
        v2.set_profile_image(user=GRACE_MAIL, image=Upload("grace.pdf", b"%PDF"))


def test_api_v1_has_no_profile_images(sandbox):
    with api_factory(sandbox, "v1") as make, pytest.raises(NotAvailableError, match="only API v2 has it"):
        make().set_profile_image(user=GRACE_MAIL, image=IMAGE)


# Pseudonymization


@pytest.fixture
def deleted(api):
    """Delete Grace, who has all kinds of personal data."""
    api.update_user(user=GRACE_MAIL, custom="E-17", phone="+33 1", custom_fields={DEPARTMENT_FIELD_ID: "Navy"})
    api.delete_user(user=GRACE_MAIL)


@pytest.mark.parametrize("user", [GRACE_MAIL, GRACE_ID])
def test_pseudonymizes_a_deleted_user(api, version, deleted, grace, user):
    known_id = None if version == "v1" and user == GRACE_MAIL else GRACE_ID
    assert api.pseudonymize_user(user=user) == {"user": user, "user_id": known_id, "outcome": "pseudonymized"}
    person = grace()
    assert person["status"] == "deleted"
    assert not {GRACE_MAIL, "Grace", "Hopper", "E-17", "+33 1", "Navy"} & {person["mail"], *person["profile"].values()}
    assert person["profile"].keys() == {"first_name", "last_name"}


@pytest.mark.parametrize("user", [GRACE_MAIL, GRACE_ID])
def test_a_dry_run_changes_nothing(api, deleted, grace, sent, user):
    before = grace()
    planned = api.pseudonymize_user(user=user, dry_run=True)
    assert planned == {"user": user, "user_id": GRACE_ID, "outcome": "would_pseudonymize"}
    assert grace() == before
    assert sent("pseudonymizeUser") == []


@pytest.mark.parametrize("user", [MISSING, MISSING_ID])
@pytest.mark.parametrize("dry_run", [False, True])
def test_a_missing_user_is_not_pseudonymized(api, user, dry_run):
    done = api.pseudonymize_user(user=user, dry_run=dry_run)
    assert (done["user"], done["outcome"]) == (user, "not_found")
    with pytest.raises(NotFoundError):
        api.pseudonymize_user(user=user, dry_run=dry_run, if_missing="fail")


def test_a_pseudonymized_user_is_found_by_the_id_only(api, deleted, grace):
    api.pseudonymize_user(user=GRACE_MAIL)
    assert api.pseudonymize_user(user=GRACE_MAIL)["outcome"] == "not_found"
    assert api.pseudonymize_user(user=GRACE_ID)["outcome"] == "pseudonymized"
    assert grace()["status"] == "deleted"


@pytest.mark.parametrize("user", [GRACE_MAIL, GRACE_ID])
def test_a_lost_response_is_a_success(sandbox, api, deleted, user):
    sandbox.control.add_fault("pseudonymizeUser", kind="drop_after")
    assert api.pseudonymize_user(user=user, if_missing="fail")["outcome"] == "pseudonymized"


@pytest.mark.parametrize("user", [GRACE_MAIL, GRACE_ID])
@pytest.mark.parametrize("dry_run", [False, True])
def test_api_v2_refuses_a_user_who_is_not_deleted(v2, grace, user, dry_run):
    with pytest.raises(RefusedError, match="delete the user first"):
        v2.pseudonymize_user(user=user, dry_run=dry_run)
    assert grace()["profile"]["first_name"] == "Grace"


def test_api_v1_pseudonymizes_an_active_user_and_returns_the_id(sandbox, grace):
    with api_factory(sandbox, "v1") as make:
        done = make().pseudonymize_user(user=GRACE_MAIL)
    assert done == {"user": GRACE_MAIL, "user_id": GRACE_ID, "outcome": "pseudonymized"}
    assert grace()["mail"] != GRACE_MAIL


@pytest.mark.parametrize("also", [False, True])
def test_external_ids_are_removed_on_request_in_api_v2_only(sandbox, v2, also):
    v2.set_external_id(user=GRACE_ID, external_platform="BambooHR", external_id="7")
    v2.delete_user(user=GRACE_ID)
    v2.pseudonymize_user(user=GRACE_ID, delete_external_ids=also)
    assert [each["value"] for each in sandbox.control.state()["external_ids"]] == ([] if also else ["7"])
    with api_factory(sandbox, "v1") as make, pytest.raises(NotAvailableError, match="delete_external_ids"):
        make().pseudonymize_user(user=GRACE_ID, delete_external_ids=True)
