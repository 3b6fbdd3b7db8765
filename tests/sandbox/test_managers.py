"""Managers of users, and their ids in other platforms, of API v1."""

from __future__ import annotations

import pytest

from airflow_provider_360learning.sandbox.demo_company import ADMIN_ID, ADMIN_MAIL, GRACE_ID, GRACE_MAIL, LINUS_MAIL

LINK = f"/users/{GRACE_MAIL}/managers/{ADMIN_MAIL}"
FIND = "/users/getUserByExternalId"


def test_a_manager_is_shown_by_both_users(client):
    assert client("PUT", LINK).status_code == 200
    assert client("GET", f"/users/{GRACE_ID}").json()["managers"] == [{"_id": ADMIN_ID, "mail": ADMIN_MAIL}]
    assert client("GET", f"/users/{ADMIN_ID}").json()["subordinates"] == [{"_id": GRACE_ID, "mail": GRACE_MAIL}]
    for _ in range(2):
        assert client("DELETE", LINK).status_code == 204
    assert client("GET", f"/users/{GRACE_ID}").json()["managers"] == []


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
@pytest.mark.parametrize("path", [f"/users/x@y.test/managers/{ADMIN_MAIL}", f"/users/{GRACE_MAIL}/managers/x@y.test"])
def test_unknown_users_are_refused(client, method, path):
    refused = client(method, path)
    assert (refused.status_code, refused.json()) == (400, {"error": "user_not_found"})


def test_an_external_id_is_set_replaced_and_found(client):
    for number in ("1", "E/2"):
        body = {"externalPlatform": "SAP SuccessFactors", "externalId": number}
        assert client("PUT", f"/users/{GRACE_ID}/externalId", data=body).status_code == 200
    found = client("GET", f"{FIND}/E%2F2/SAP%20SuccessFactors")
    assert found.json() == {"_id": GRACE_ID, "mail": GRACE_MAIL, "firstName": "Grace", "lastName": "Hopper"}
    assert client("GET", f"/users/{GRACE_ID}").json()["externalIds"] == [body]
    unknown = client("GET", f"{FIND}/1/SAP%20SuccessFactors")
    assert (unknown.status_code, unknown.json()) == (404, {"error": "user_not_found"})


@pytest.mark.parametrize(
    ("user", "body", "status", "error"),
    [
        (GRACE_MAIL, {"externalPlatform": "BambooHR"}, 400, "missing argument : externalId"),
        (GRACE_MAIL, {"externalPlatform": "Other", "externalId": "1"}, 404, "externalPlatform_not_found"),
        ("x@y.test", {"externalPlatform": "BambooHR", "externalId": "1"}, 400, "user_not_found"),
        (ADMIN_MAIL, {"externalPlatform": "BambooHR", "externalId": "7"}, 400, "externalId_already_used"),
    ],
)
def test_refuses_an_external_id(sandbox, client, user, body, status, error):
    sandbox.control.settings(hr_platforms=["BambooHR"])
    client("PUT", f"/users/{GRACE_MAIL}/externalId", data={"externalPlatform": "BambooHR", "externalId": "7"})
    refused = client("PUT", f"/users/{user}/externalId", data=body)
    assert (refused.status_code, refused.json()) == (status, {"error": error})
    assert client("GET", f"{FIND}/1/Other").json() == {"error": "externalPlatform_not_found"}


def test_a_deleted_user_is_not_found_by_an_external_id(client):
    client("PUT", f"/users/{GRACE_MAIL}/externalId", data={"externalPlatform": "BambooHR", "externalId": "7"})
    client("DELETE", f"/users/{GRACE_MAIL}")
    assert client("GET", f"{FIND}/7/BambooHR").status_code == 404


def test_nothing_of_a_deleted_invitation_stays(sandbox, client):
    sandbox.control.settings(invited_user_routes="known")
    for path in (f"/users/{GRACE_MAIL}/managers/{LINUS_MAIL}", f"/users/{LINUS_MAIL}/managers/{GRACE_MAIL}"):
        assert client("PUT", path).status_code == 200
    client("PUT", f"/users/{LINUS_MAIL}/externalId", data={"externalPlatform": "BambooHR", "externalId": "7"})
    assert client("DELETE", f"/users/{LINUS_MAIL}").status_code == 204
    grace = client("GET", f"/users/{GRACE_MAIL}").json()
    assert (grace["managers"], grace["subordinates"]) == ([], [])
    assert client("GET", f"{FIND}/7/BambooHR").json() == {"error": "user_not_found"}
    assert sandbox.control.state()["external_ids"] == []
