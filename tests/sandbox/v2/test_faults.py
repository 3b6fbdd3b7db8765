"""Faults of API v2. Faults of both versions are in tests/sandbox/test_faults.py."""

from __future__ import annotations

import http.client

import pytest

from airflow_provider_360learning.sandbox.demo_company import GRACE_ID, ROOT_GROUP_ID

MEMBERSHIP = {"input": [{"groupId": ROOT_GROUP_ID, "userId": GRACE_ID, "role": "coach"}]}


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [("bulk_limit", 429, "bulkOperationsConcurrencyLimitReached"), ("bulk_disabled", 503, "bulkAPIDisabled")],
)
def test_errors_of_bulk_jobs(sandbox, client, kind, status, code):
    sandbox.control.add_fault("addUsersToGroups", kind=kind)
    refused = client("POST", "/bulk/groups/memberships", MEMBERSHIP)
    assert (refused.status, refused.code) == (status, code)
    assert client("POST", "/bulk/groups/memberships", MEMBERSHIP).status == 202


def test_throttled_requests(sandbox, client):
    sandbox.control.add_fault("getUsers", kind="rate_limited", retry_after=2)
    throttled = client("GET", "/users")
    assert (throttled.status, throttled.json) == (429, {"error": "tooManyRequests"})
    assert throttled.headers["retry-after"] == "2"


def test_unexpected_failures_have_a_nested_error(sandbox, client):
    sandbox.control.add_fault("getUsers", kind="server_error", status=502)
    failed = client("GET", "/users")
    assert (failed.status, failed.code) == (502, "internalServerError")


@pytest.mark.parametrize(("kind", "done"), [("drop_before", False), ("drop_after", True)])
def test_dropped_connections(sandbox, client, kind, done):
    sandbox.control.add_fault("addUserRoleToGroup", kind=kind)
    with pytest.raises((http.client.HTTPException, ConnectionError)):
        client("POST", f"/groups/{ROOT_GROUP_ID}/coach/{GRACE_ID}")
    (grace,) = [each for each in sandbox.control.state()["memberships"] if each["user"] == GRACE_ID]
    assert ("coach" in grace["roles"]) == done
    (entry,) = [each for each in sandbox.control.journal() if each["operation"] == "addUserRoleToGroup"]
    assert (entry["version"], entry["fault"], entry["done"], entry["status"]) == ("v2", kind, done, None)
