"""Managers of API v2, which API v1 shows, too."""

from __future__ import annotations

import pytest

from airflow_provider_360learning.sandbox.demo_company import ADMIN_ID, GRACE_ID, LINUS_INVITATION_ID

NO_ID = "64b1f0c2a9d3e40012acffff"
LINK = f"/users/{GRACE_ID}/managers/{ADMIN_ID}"


def test_adds_lists_and_removes_a_manager(client):
    for _ in range(2):
        assert client("POST", LINK).status == 204
    assert client("GET", f"/users/{GRACE_ID}/managers").json == [ADMIN_ID]
    assert client("GET", f"/users/{ADMIN_ID}/subordinates").json == [GRACE_ID]
    assert client("DELETE", LINK).status == 204
    assert client("GET", f"/users/{GRACE_ID}/managers").json == []
    refused = client("DELETE", LINK)
    assert (refused.status, refused.code) == (400, "managerNotAssignedToUser")


@pytest.mark.parametrize("method", ["POST", "DELETE"])
@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        (f"/users/{NO_ID}/managers/{ADMIN_ID}", 404, "userNotFound"),
        (f"/users/{GRACE_ID}/managers/{NO_ID}", 404, "managerNotFound"),
    ],
)
def test_refuses_unknown_users(client, method, path, status, code):
    refused = client(method, path)
    assert (refused.status, refused.code) == (status, code)


def test_refuses_deleted_users(client):
    client("DELETE", f"/users/{GRACE_ID}")
    assert client("POST", LINK).code == "userDeleted"
    assert client("POST", f"/users/{ADMIN_ID}/managers/{GRACE_ID}").code == "managerDeleted"


def test_managers_survive_a_deletion_and_come_back_with_a_restoration(client):
    client("POST", LINK)
    client("POST", f"/users/{LINUS_INVITATION_ID}/managers/{GRACE_ID}")
    client("DELETE", f"/users/{GRACE_ID}")
    assert client("GET", f"/users/{ADMIN_ID}/subordinates").json == []
    assert client("GET", f"/users/{LINUS_INVITATION_ID}/managers").json == []
    body = {"mail": "grace.hopper@acme.test", "membership": {"groupId": "64b1f0c2a9d3e40012ab0002", "role": "learner"}}
    assert client("POST", "/users", body).status == 200
    assert client("GET", f"/users/{GRACE_ID}/managers").json == [ADMIN_ID]
    assert client("GET", f"/users/{LINUS_INVITATION_ID}/managers").json == [GRACE_ID]
