"""Every documented error leads to the class that says what it means, whatever its status is."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from airflow_provider_360learning import exceptions as errors
from airflow_provider_360learning.api.types import Call
from airflow_provider_360learning.api.v1.errors import parse_error
from airflow_provider_360learning.api.v1.spec import API_V1
from airflow_provider_360learning.exceptions import (
    AlreadyExistsError,
    AuthenticationError,
    InvalidConnectionError,
    InvalidRequestError,
    Learning360Error,
    NotFoundError,
    OutcomeUnknownError,
    RateLimitedError,
    RefusedError,
    ServerError,
    TransportError,
    UnexpectedResponseError,
)

#: What each documented error means. Errors of arguments are told from the start of their text.
MEANING = {
    "user_already_exists": AlreadyExistsError,
    "invitation_already_exists": AlreadyExistsError,
    "already_invited": AlreadyExistsError,
    "mail_already_exists": AlreadyExistsError,
    "unavailableEmails": RefusedError,
    "faultyInvitations": RefusedError,
    "cannot remove root group": RefusedError,
    "Cannot delete group": RefusedError,
    "Cannot update a non root session": RefusedError,
    "user_not_found": NotFoundError,
    "group_not_found": NotFoundError,
    "path_not_found": NotFoundError,
    "path_session_not_found": NotFoundError,
    "session_owner_group_not_found": NotFoundError,
    "user_not_enrolled": NotFoundError,
    "invalid_client": AuthenticationError,
}
ARGUMENTS = re.compile(
    r"invalid|missing argument|Request validation failed|Session .*cannot be updated|'toDeactivateAt'"
    r"|user_not_member_of_primaryGroup|unsupported_grant_type"
)


def documented_errors():
    """List the errors that the operations of the table may meet: operation, status, code."""
    for operation in json.loads((Path(__file__).parents[1] / "data" / "api-v1.json").read_text()):
        if operation["operation"] not in API_V1.endpoints:
            continue
        for error in operation["known_errors"]:
            bodies = [error["body"]] if error["body"].startswith("{") else error["body"].split(" | ")
            for body in bodies:
                code = json.loads(body)["error"] if body.startswith("{") else body
                yield operation["operation"], int(error["status"].split()[0]), code


def test_the_documentation_was_read():
    assert len(list(documented_errors())) > 40


@pytest.mark.parametrize(("operation", "status", "code"), list(documented_errors()))
def test_documented_errors(operation, status, code):
    expected = MEANING.get(code) or (InvalidRequestError if ARGUMENTS.match(code) else None)
    if operation == "generateToken":
        expected = AuthenticationError
    reported = parse_error(operation, status, {"error": code})
    assert (reported.error_class, reported.code) == (expected, code)


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (404, None, InvalidRequestError),
        (400, None, InvalidRequestError),
        (409, None, AlreadyExistsError),
        (403, None, RefusedError),
        (302, None, RefusedError),
        (429, None, RateLimitedError),
        (429, "user_not_found", RateLimitedError),
        (500, None, ServerError),
        (408, None, ServerError),
        (425, None, ServerError),
        (502, None, ServerError),
        (400, "an error occurred: 0123456789abcdef0123456789abcdef", ServerError),
        (500, "user_not_found", NotFoundError),
    ],
)
def test_other_answers(status, code, expected):
    assert parse_error("getUser", status, code and {"error": code}).error_class is expected


def test_what_trying_again_can_help():
    family = {each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, Learning360Error)}
    assert {each for each in family if each.transient} == {
        RateLimitedError,
        ServerError,
        TransportError,
        UnexpectedResponseError,
        OutcomeUnknownError,
    }
    assert issubclass(InvalidRequestError, ValueError)
    assert issubclass(InvalidConnectionError, ValueError)


def test_a_bare_404_is_not_taken_for_a_missing_object(sandbox, api, sent):
    """v1 answers so for unknown routes: a wrong base URL must not make "delete if it exists" a success."""
    sandbox.control.add_fault("deleteUser", kind="status", status=404, body={"message": "Not Found"})
    with pytest.raises(InvalidRequestError, match="No such route") as caught:
        api.delete_user("grace.hopper@acme.test", if_missing="skip")
    assert not caught.value.transient
    assert len(sent("deleteUser")) == 1


def test_an_error_carries_its_facts(api):
    with pytest.raises(NotFoundError) as caught:
        api.get_user("nobody+1@acme.test")
    error = caught.value
    assert (error.operation, error.status, error.code) == ("getUser", 400, "user_not_found")
    assert error.url == "GET /api/v1/users/nobody%2B1%40acme.test"
    assert str(error) == (
        "Not found (user_not_found): check the id or email address "
        "[getUser, GET /api/v1/users/nobody%2B1%40acme.test, 400]"
    )


@pytest.mark.parametrize(
    ("status", "code"),
    [(400, "invalid argument : name"), (403, None), (404, "group_not_found"), (409, None), (400, None)],
)
def test_a_4xx_is_never_sent_again(sandbox, api, sent, status, code):
    sandbox.control.add_fault("getGroups", kind="status", status=status, body={"error": code} if code else "", count=9)
    with pytest.raises(Learning360Error):
        api.list_groups()
    assert len(sent("getGroups")) == 1


@pytest.mark.parametrize(
    "body", [b"", b"null", b"[]", b'"text"', b'{"error": 7}', b"\xff\xfe", b"<h1>Bad Gateway</h1>"]
)
def test_any_body_of_an_error_can_be_read(sandbox, make_api, body):
    text = body.decode("latin-1")
    sandbox.control.add_fault("getGroups", kind="status", status=502, body=text)
    with pytest.raises(ServerError, match="HTTP 502"):
        make_api(client={"max_attempts": 1}).list_groups()


@pytest.mark.parametrize(
    ("call", "body"),
    [
        (Call("getUsers"), {}),
        (Call("getUser", path={"user": "a@b.test"}), []),
        (Call("getUser", path={"user": "a@b.test"}), {"mail": "a@b.test"}),
        (Call("getUsersPathSessionStats", path={"session_id": "x"}), {}),
        (Call("getUser", path={"user": "a@b.test"}), {"_id": ""}),
        (Call("getUsersPathSessionStats", path={"session_id": "x"}), {"usersStats": {}}),
        (Call("getUsersPathSessionStats", path={"session_id": "x"}), {"usersStats": ["x"]}),
        (Call("getGroups"), None),
        (Call("getGroups"), {}),
        (Call("getGroups"), [1]),
    ],
)
def test_a_success_without_what_is_used_is_unexpected(sandbox, make_api, call, body):
    text = "" if body is None else json.dumps(body)
    sandbox.control.add_fault(call.operation, kind="status", status=200, body=text)
    with pytest.raises(UnexpectedResponseError):
        make_api(client={"max_attempts": 1}).client.call(call)


def test_one_of_several_keys_is_enough(sandbox, make_api):
    """Not even the key of a new session's id is documented."""
    for key in ("id", "_id", "sessionId"):
        sandbox.control.settings(session_id_key=key)
        api = make_api()
        path = api.list_paths()[0]
        made = api.create_path_session(
            path["path_id"], f"S {key}", session_start="2026-01-01T00:00:00Z", group_id=path["group_id"]
        )
        assert made["session_id"] in [each["session_id"] for each in api.list_path_sessions()]
