"""What passes the sandbox of the tests is validated against the published documents."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.contract.schemas import operations
from tests.sandbox.v2.conftest import client, new_client  # noqa: F401 - fixtures

pytestmark = pytest.mark.unpublished_requests

BY_NAME = {operation.name: operation for operation in operations()}
ID = "64b1f0c2a9d3e40012aa0001"
USER = {"_id": ID, "status": "active", "lang": "en"}
CUSTOM_DATE = {"customFieldId": ID, "type": "date", "value": "2026-01-01T00:00:00.000Z"}
JSON = {"content-type": "application/json; charset=utf-8"}
HEADERS = {"360-api-version": "v2.0", "authorization": "Bearer token", **JSON}
NEW_USER = {"mail": "new@acme.test", "membership": {"groupId": ID, "role": "learner"}}


def request_violations(name, path=None, query="", headers=HEADERS, body=None):
    return list(BY_NAME[name].request_violations(path or {}, query, headers, body))


def response_violations(name, status, body, headers=JSON):
    return list(BY_NAME[name].response_violations(status, headers, body))


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("getUsers", {"query": "mail[in][0]=a%20b&status[eq]=active"}),
        ("getUsers", {"query": "next=cursor"}),
        ("getUser", {"path": {"userId": ID}}),
        ("createUser", {"query": "sendInvitationEmail=false", "body": NEW_USER}),
        ("updateGroup", {"path": {"groupId": ID}, "body": {"custom": None}}),
    ],
)
def test_published_requests_are_valid(name, how):
    assert request_violations(name, **how) == []


@pytest.mark.parametrize(
    ("name", "how", "problem"),
    [
        ("getUsers", {"query": "mail%5Beq%5D=a"}, "query parameter mail%5Beq%5D is unknown"),
        ("getUsers", {"query": "job[eq]=a"}, "query parameter job[eq] is unknown"),
        ("getUsers", {"query": "mail[gte]=a"}, "query parameter mail[gte] is unknown"),
        ("getUsers", {"query": "status[eq]=asleep"}, "query parameter status[eq]: the value: 'asleep' is not one of"),
        ("getUsers", {"body": {}}, "it has a body"),
        ("getUsers", {"headers": {"authorization": "Bearer token"}}, "header 360-api-version is None"),
        ("getUsers", {"headers": {"360-api-version": "v2.0"}}, "no bearer token"),
        ("getUser", {"path": {"userId": "grace@acme.test"}}, "path parameter userId"),
        ("getUser", {"path": {"userId": ID}, "query": "next=cursor"}, "query parameter next is unknown"),
        ("createUser", {}, "it has no body"),
        ("createUser", {"body": {"mail": "new@acme.test"}}, "body: the value: 'membership' is a required property"),
        ("createUser", {"body": NEW_USER | {"password": "secret-1"}}, "Additional properties are not allowed"),
        ("createUser", {"body": b"", "headers": HEADERS | {"content-type": "text/plain"}}, "content type 'text/plain'"),
        ("getAllCourseStats", {"query": "completedAt[gte]=2026-01-01"}, "query parameter completedAt[gte]"),
    ],
)
def test_other_requests_are_violations(name, how, problem):
    (violation,) = request_violations(name, **how)
    assert problem in violation


@pytest.mark.parametrize(
    ("name", "status", "body", "headers"),
    [
        ("getUsers", 200, [USER], JSON),
        ("getUsers", 200, [], JSON | {"link": '<https://app.360learning.com/api/v2/users?next=a>; rel="next"'}),
        ("getUsers", 429, {"error": "tooManyRequests"}, JSON),
        ("getUsers", 403, {"error": "invalid_scope"}, JSON),
        ("getUsers", 403, {"error": {"code": "invalid_scope", "message": "No."}}, JSON),
        ("deleteUser", 204, None, {}),
        ("getUserCustomFieldValues", 200, [CUSTOM_DATE], JSON),
        ("addUsersToGroups", 429, {"error": "tooManyRequests"}, JSON),
        ("addUsersToGroups", 503, {"error": {"code": "bulkAPIDisabled", "message": "Off."}}, JSON),
        ("deleteCustomLink", 204, None, {}),
        ("generateToken", 200, {"token_type": "Bearer", "access_token": "a", "expires_in": "3600"}, JSON),
    ],
)
def test_published_responses_are_valid(name, status, body, headers):
    assert response_violations(name, status, body, headers) == []


@pytest.mark.parametrize(
    ("name", "status", "body", "headers"),
    [
        ("getUsers", 200, [USER | {"mail": None}], JSON),
        ("getUsers", 200, [USER | {"password": "secret-1"}], JSON),
        ("getUsers", 200, [{"_id": ID}], JSON),
        ("getUsers", 200, {}, JSON),
        ("getUsers", 200, [USER], {"content-type": "text/html"}),
        ("getUsers", 200, [], JSON | {"link": "https://app.360learning.com/api/v2/users"}),
        ("getUsers", 500, {}, JSON),
        ("getUser", 404, {"error": {"code": "groupNotFound", "message": "No."}}, JSON),
        ("getUser", 404, {"error": "userNotFound"}, JSON),
        ("getUser", 200, USER, JSON | {"location": "/elsewhere"}),
        ("deleteUser", 204, {}, JSON),
    ],
)
def test_other_responses_are_violations(name, status, body, headers):
    assert len(response_violations(name, status, body, headers)) == 1


def test_long_lists_are_validated_at_both_ends():
    users = [USER] * 500
    assert response_violations("getUsers", 200, users) == []
    assert response_violations("getUsers", 200, [{}, *users]) != []
    assert response_violations("getUsers", 200, [*users, {}]) != []


def test_requests_and_responses_are_recorded(client, contract_recorder):  # noqa: F811
    client("GET", "/users?status[eq]=asleep")
    client("GET", "/unknown")
    client("GET", "/api/v1/users?anything=goes")
    request, response, unknown = contract_recorder.take_violations()
    assert request.startswith("request GET /api/v2/users: query parameter status[eq]")
    assert response.startswith("response to GET /api/v2/users: status 400 is not published")
    assert unknown == "GET /api/v2/unknown is not published"
    assert contract_recorder.take_violations() == []


def test_injected_faults_are_no_violations(sandbox, client, contract_recorder):  # noqa: F811
    contract_recorder.take_violations()
    sandbox.control.add_fault("getUsers", kind="status", status=502, body={"error": "bad gateway"})
    assert client("GET", "/users").status == 502
    assert contract_recorder.take_violations() == []


@pytest.mark.slow
def test_a_violation_fails_its_test(tmp_path):
    """A test in a process of its own, with this folder's conftest, fails after it has passed."""
    tests = Path(__file__).parents[1]
    (tmp_path / "test_invalid.py").write_text(
        "from tests.sandbox.v2.conftest import client, new_client\n"
        "def test_passes(client): assert client('GET', '/users').status == 200\n"
        "def test_invalid(client): assert client('GET', '/users?status[eq]=asleep').status == 400\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--import-mode=importlib"]
    command += ["-p", "tests.conftest", f"--rootdir={tmp_path}", "-c", "/dev/null", str(tmp_path)]
    finished = subprocess.run(command, cwd=tests.parent, capture_output=True, text=True, timeout=180, check=False)
    assert "1 failed, 1 passed" in finished.stdout, finished.stdout
    assert "request GET /api/v2/users: query parameter status[eq]" in finished.stdout
