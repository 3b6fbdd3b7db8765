"""Users of API v2, in front of the same state as API v1."""

from __future__ import annotations

import pytest

from airflow_provider_360learning.sandbox.demo_company import (
    ADMIN_ID,
    ADMIN_MAIL,
    DEPARTMENT_FIELD_ID,
    GRACE_ID,
    GRACE_MAIL,
    LINUS_INVITATION_ID,
    LINUS_MAIL,
    ROOT_GROUP_ID,
    SALES_GROUP_ID,
)

ANA = "ana@acme.test"
NOBODY_ID = "64b1f0c2a9d3e40012acffff"
MEMBERSHIP = {"groupId": SALES_GROUP_ID, "role": "userAdmin"}


def test_creates_an_invited_user(sandbox, client):
    created = client("POST", "/users", {"mail": ANA, "firstName": "Ana", "membership": MEMBERSHIP})
    assert created.status == 201
    id = created.json["_id"]
    assert created.json == {"_id": id, "mail": ANA, "firstName": "Ana", "status": "invited", "lang": "en"}
    assert client("GET", f"/users/{id}/roles").json == [MEMBERSHIP]
    assert [mail["to"] for mail in sandbox.control.state()["mails_sent"]] == [ANA]


def test_creates_a_user_without_an_invitation(sandbox, client):
    path = "/users?sendInvitationEmail=false"
    assert client("POST", path, {"mail": ANA, "membership": MEMBERSHIP}).status == 201
    assert sandbox.control.state()["mails_sent"] == []


def test_restores_a_deleted_user(client):
    assert client("DELETE", f"/users/{GRACE_ID}").status == 204
    deleted = client("GET", f"/users/{GRACE_ID}").json
    assert (deleted["status"], len(deleted["deletedAt"]), "reactivatedAt" in deleted) == ("deleted", 1, False)
    restored = client("POST", "/users", {"mail": GRACE_MAIL, "membership": MEMBERSHIP})
    assert restored.status == 200
    assert (restored.json["_id"], restored.json["status"]) == (GRACE_ID, "invited")
    assert len(restored.json["reactivatedAt"]) == 1


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"mail": GRACE_MAIL.upper()}, 400, "mailAlreadyUsed"),
        ({"mail": LINUS_MAIL}, 400, "mailAlreadyUsed"),
        ({"mail": "ana@nowhere"}, 400, "mailInvalid"),
        ({"mail": None}, 400, "mailAndUsernameUndefined"),
        ({"mail": "other@acme.test"}, 400, "mailUsedTooManyTimes"),
        ({"username": "ana"}, 400, "usernameNotAllowed"),
        ({"primaryGroupId": ROOT_GROUP_ID}, 400, "notMemberOfPrimaryGroup"),
        ({"membership": {"groupId": NOBODY_ID, "role": "learner"}}, 404, "groupNotFound"),
        ({"membership": {"groupId": SALES_GROUP_ID, "role": "analyst"}}, 400, "analystUnavailable"),
        ({"toBeDeactivatedAt": "2020-01-01T00:00:00.000Z"}, 400, "deactivationDateInvalid"),
    ],
)
def test_refuses_a_creation(sandbox, client, changes, status, code):
    sandbox.control.settings(mails_of_other_companies=["other@acme.test"], analyst_role_available=False)
    body = {"mail": ANA, "membership": MEMBERSHIP} | changes
    refused = client("POST", "/users", {name: each for name, each in body.items() if each is not None})
    assert (refused.status, refused.code) == (status, code)
    assert sandbox.control.state()["mails_sent"] == []


def test_activates_an_invited_user_with_a_password(sandbox, client):
    body = {"password": "s3cret-12", "passwordMustBeChanged": True}
    assert client("PUT", f"/users/{LINUS_INVITATION_ID}/password", body).status == 204
    assert client("PUT", f"/users/{LINUS_INVITATION_ID}/activate").json["status"] == "active"
    assert sandbox.control.has_password(LINUS_MAIL, "s3cret-12")
    assert client("PUT", f"/users/{LINUS_INVITATION_ID}/activate").status == 200
    refused = client("PUT", f"/users/{GRACE_ID}/password", {"password": "short", "passwordMustBeChanged": False})
    assert refused.code == "passwordInvalid"


def test_a_deleted_user_has_no_account(sandbox, client):
    client("DELETE", f"/users/{GRACE_ID}")
    body = {"password": "s3cret-12", "passwordMustBeChanged": False}
    for refused in (
        client("PUT", f"/users/{GRACE_ID}/activate"),
        client("PUT", f"/users/{GRACE_ID}/password", body),
    ):
        assert (refused.status, refused.code) == (400, "userDeleted")
    date = {"toBeDeactivatedAt": "2090-01-01T00:00:00.000Z"}
    assert client("PATCH", f"/users/{GRACE_ID}", date).code == "invalidUpdateOnDeletedUser"
    assert client("DELETE", f"/users/{GRACE_ID}").status == 404
    sandbox.control.settings(deleted_user_response="no_content")
    assert client("DELETE", f"/users/{GRACE_ID}").status == 204


def test_changes_and_clears_fields(client):
    fields = {"job": "Admiral", "lang": "fr", "toBeDeactivatedAt": "2090-01-01T00:00:00.000Z"}
    assert client("PATCH", f"/users/{GRACE_ID}", fields).json == {
        "_id": GRACE_ID,
        "mail": GRACE_MAIL,
        "status": "active",
        "firstName": "Grace",
        "lastName": "Hopper",
        **fields,
    }
    cleared = client("PATCH", f"/users/{GRACE_ID}", {"job": None, "toBeDeactivatedAt": None}).json
    assert not {"job", "toBeDeactivatedAt"} & set(cleared)


@pytest.mark.parametrize(
    ("id", "changes", "code"),
    [
        (GRACE_ID, {"mail": ADMIN_MAIL}, "mailAlreadyUsed"),
        (GRACE_ID, {"mail": GRACE_MAIL}, "mailAlreadyUsed"),
        (GRACE_ID, {"mail": "grace"}, "mailInvalid"),
        (GRACE_ID, {"mail": None}, "userShouldHaveAtLeastOneValidIdentifier"),
        (GRACE_ID, {"username": "grace"}, "usernameNotAllowed"),
        (GRACE_ID, {"profileImageId": NOBODY_ID}, "mediaNotFound"),
        (GRACE_ID, {"primaryGroupId": SALES_GROUP_ID}, "notMemberOfPrimaryGroup"),
        (ADMIN_ID, {"toBeDeactivatedAt": "2090-01-01T00:00:00.000Z"}, "ownerDeactivationNotAllowed"),
        (NOBODY_ID, {"job": "x"}, "userNotFound"),
    ],
)
def test_refuses_a_change(client, id, changes, code):
    assert client("PATCH", f"/users/{id}", changes).code == code


def test_the_owner_is_not_deleted(client):
    assert client("DELETE", f"/users/{ADMIN_ID}").code == "userIsCompanyOwner"
    roles = [each["role"] for each in client("GET", f"/users/{ADMIN_ID}/roles").json]
    assert roles == ["admin", "owner"]


def test_a_user_of_one_version_is_there_for_the_other(sandbox, client):
    sandbox.control.add_users([ANA])
    (user,) = client("GET", f"/users?mail[eq]={ANA}").json
    assert user["status"] == "active"
    assert client("DELETE", f"/users/{user['_id']}").status == 204
    assert [each["status"] for each in sandbox.control.state()["users"] if each["mail"] == ANA] == ["deleted"]


@pytest.mark.parametrize(("query", "left"), [("", 1), ("?deleteExternalIds=false", 1), ("?deleteExternalIds=true", 0)])
def test_pseudonymizes_a_deleted_user(sandbox, client, query, left):
    mapping = {"platform": "BambooHR", "targetId": GRACE_ID, "targetType": "user", "value": "7"}
    assert client("POST", "/external-ids", mapping).status == 201
    body = {"customValues": [{"customFieldId": DEPARTMENT_FIELD_ID, "type": "string", "value": "Navy"}]}
    assert client("PUT", f"/users/{GRACE_ID}/custom-fields/values", body).status == 200
    client("PATCH", f"/users/{GRACE_ID}", {"phone": "+33 1"})
    client("DELETE", f"/users/{GRACE_ID}")
    done = client("PUT", f"/users/{GRACE_ID}/pseudonymize{query}")
    assert (done.status, done.json["_id"], done.json["status"]) == (200, GRACE_ID, "deleted")
    names = {done.json[name] for name in ("mail", "firstName", "lastName")}
    assert all(name.isalnum() for name in names)
    assert not names & {GRACE_MAIL, "Grace", "Hopper"}
    assert "phone" not in done.json
    assert client("GET", f"/users/{GRACE_ID}/custom-fields/values").json == []
    assert len(client("GET", "/external-ids").json) == left
    assert client("GET", f"/users?mail[eq]={GRACE_MAIL}").json == []


@pytest.mark.parametrize(
    ("user", "status", "code"), [(GRACE_ID, 400, "userNotDeleted"), (NOBODY_ID, 404, "userNotFound")]
)
def test_refuses_a_pseudonymization(client, user, status, code):
    refused = client("PUT", f"/users/{user}/pseudonymize")
    assert (refused.status, refused.code) == (status, code)


def test_the_address_of_a_pseudonymized_user_is_free(client):
    client("DELETE", f"/users/{GRACE_ID}")
    client("PUT", f"/users/{GRACE_ID}/pseudonymize")
    created = client("POST", "/users", {"mail": GRACE_MAIL, "membership": MEMBERSHIP})
    assert (created.status, created.json["_id"] == GRACE_ID) == (201, False)


MEDIA = f"/users/{GRACE_ID}/media"


def test_an_uploaded_image_is_that_of_the_user_and_can_be_reused_and_removed(client):
    done = client.multipart("POST", MEDIA, {}, profileImage=("a.png", "image/png", "x"))
    image = done.json["profileImageId"]
    assert (done.status, client("GET", f"/users/{GRACE_ID}").json["profileImageId"]) == (200, image)
    assert client("PATCH", f"/users/{ADMIN_ID}", {"profileImageId": image}).json["profileImageId"] == image
    assert "profileImageId" not in client("PATCH", f"/users/{GRACE_ID}", {"profileImageId": None}).json
    replaced = client.multipart("POST", MEDIA, {}, profileImage=("b.webp", "image/webp", "y"))
    assert replaced.json["profileImageId"] != image


@pytest.mark.parametrize(
    ("path", "file", "status", "code"),
    [
        (MEDIA, ("a.pdf", "application/pdf", "x"), 400, "invalidFile"),
        (MEDIA, ("a.png", "image/png", ""), 400, "invalidFile"),
        (f"/users/{NOBODY_ID}/media", ("a.png", "image/png", "x"), 404, "userNotFound"),
    ],
    ids=["type", "empty", "user"],
)
def test_refuses_an_image(client, path, file, status, code):
    refused = client.multipart("POST", path, {}, profileImage=file)
    assert (refused.status, refused.code) == (status, code)


def test_an_unknown_image_is_refused(client):
    refused = client("PATCH", f"/users/{GRACE_ID}", {"profileImageId": NOBODY_ID})
    assert (refused.status, refused.code) == (400, "mediaNotFound")
